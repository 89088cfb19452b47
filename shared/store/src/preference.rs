//! Whether contacts want to be written to.

use crate::TenantStore;
use crate::error::StoreError;
use crate::expression::{Expression, PRESENT};
use crate::keys::Key;
use crate::outbox::Updated;
use crate::transaction::{Outcome, SURPRISES, pause};
use jiff::Timestamp;
use recado_domain::contact::Identities;
use recado_domain::ids::{ContactId, MessageId, PhoneNumberId};
use recado_domain::preference::Preference;

impl TenantStore {
    /// Keeps what a customer said about being written to. Somebody who never wrote becomes a contact by it.
    ///
    /// **In any order and any number of times**: the latest word counts, and of two at the same time the
    /// one that [goes before](Preference::goes_before) the other.
    pub async fn record_preference(
        &self,
        number: &PhoneNumberId,
        who: &Identities,
        preference: &Preference,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "recording a preference";
        let first = MessageId::of_preference(number, who, preference.at);
        for surprise in 0..SURPRISES {
            if surprise > 1 {
                pause(surprise).await;
            }
            let person = self.person(who, first, preference.at, None).await?;
            if let Some(twin) = person.twin {
                self.merge_twins(person.contact, twin, now).await?;
                continue;
            }
            if person.is_new {
                let writes = self.person_writes(&person, who, false, now);
                if matches!(self.transact(OPERATION, writes).await?, Outcome::Refused(_)) {
                    continue;
                }
            }
            match self.prefer(person.contact, preference).await? {
                Updated::Refused(item) if item.contains_key("mergedInto") => {}
                Updated::Done | Updated::Refused(_) => return Ok(()),
            }
        }
        Err(StoreError::Contended { operation: OPERATION })
    }

    async fn prefer(&self, contact: ContactId, preference: &Preference) -> Result<Updated, StoreError> {
        let change = preferring(Expression::new(), preference).when(PRESENT);
        self.update("recording a preference", Key::contact(self.tenant, contact), change).await
    }

    /// What a contact last said about being written to.
    pub async fn preference(&self, contact: ContactId) -> Result<Option<Preference>, StoreError> {
        Ok(self.contact_record(contact).await?.and_then(|known| known.preference))
    }
}

/// Sets a preference if it goes before the one that is known.
fn preferring(change: Expression, preference: &Preference) -> Expression {
    let later = "attribute_not_exists(#preference) OR #preference.#at < :at";
    let known = |wanted| format!("(#preference.#at = :at AND #preference.#wanted = {wanted})");
    let same = format!("({} AND #preference.#source > :source)", known(":wanted"));
    let change = change
        .set("preference", preference)
        .value(":at", preference.at.as_millisecond())
        .value(":wanted", preference.wanted)
        .value(":source", preference.source)
        .when("attribute_not_exists(#mergedInto)");
    match preference.wanted {
        true => change.when(format!("{later} OR {same}")),
        false => change.when(format!("{later} OR {same} OR {}", known(":yes"))).value(":yes", true),
    }
}
