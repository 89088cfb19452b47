//! What Meta says about our messages, added to what is known.

use crate::TenantStore;
use crate::change::Change;
use crate::due;
use crate::error::StoreError;
use crate::expression::{ABSENT, Expression, PRESENT};
use crate::item;
use crate::keys::{DUE_PK, DUE_SK, DueKind, EARLY, Key, Place, SK, due_shard, due_sort};
use crate::message::Message;
use crate::outbox::{Updated, heard};
use crate::transaction::Outcome;
use jiff::{SignedDuration, Timestamp};
use recado_domain::ids::{MessageId, PhoneNumberId, Wamid};
use recado_domain::status::{Fact, MessageStatus};
use serde::{Deserialize, Serialize};

/// A status of one of the tenant's messages.
#[derive(Debug, Clone)]
pub struct StatusReport {
    /// The number that sent the message.
    pub number: PhoneNumberId,
    /// Meta's id of the message.
    pub wamid: Wamid,
    /// The message as its callback key names it. The caller has checked that the key's tenant is this one.
    pub message: Option<MessageId>,
    /// What it became.
    pub status: MessageStatus,
    /// When, and why.
    pub fact: Fact,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was news.
    News,
    /// It was known already.
    Known,
    /// Nobody knows the message yet. The report waits for it.
    Waiting,
    /// The callback key names a message that went out under another wamid.
    OtherAttempt,
    /// The message was there once and is not any more.
    Gone,
}

/// A status or a change that waits for its message, beside the place where the message's pointer will be.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EarlyRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<MessageStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fact: Option<Fact>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    change: Option<Change>,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    since: Timestamp,
    /// When DynamoDB may tidy it away.
    #[serde(with = "jiff::fmt::serde::timestamp::second::required")]
    expires_at: Timestamp,
}

/// How long an early status is looked at again: as long as Meta resends what it was not thanked for.
const EARLY_WAIT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long an early status that found no message is kept as a record.
const EARLY_KEEP: SignedDuration = SignedDuration::from_hours(30 * 24);

impl EarlyRecord {
    fn new(now: Timestamp) -> Self {
        let expires_at = now.saturating_add(EARLY_KEEP).unwrap_or(Timestamp::MAX);
        Self { status: None, fact: None, change: None, since: now, expires_at }
    }

    pub(crate) fn of_change(change: Change, now: Timestamp) -> Self {
        Self { change: Some(change), ..Self::new(now) }
    }

    /// When to look at it again: a minute from now at first, then ever more rarely.
    pub(crate) fn due(&self, now: Timestamp) -> Timestamp {
        let wait = now.duration_since(self.since).max(SignedDuration::from_mins(1));
        now.saturating_add(wait).unwrap_or(Timestamp::MAX)
    }
}

impl TenantStore {
    /// Adds a status to its message, found by callback key or by wamid.
    ///
    /// **Any order, any number of times**: the message keeps the earliest fact of each status, and its
    /// state is read off those. A status whose message nobody knows is put beside the place of the
    /// message's pointer, in a transaction that checks that the pointer is still absent; whoever writes
    /// the pointer afterwards looks there. So neither order of arrival loses it.
    pub async fn hear_status(&self, report: &StatusReport, now: Timestamp) -> Result<Heard, StoreError> {
        let alias = MessageId::of_wamid(&report.number, &report.wamid);
        for _ in 0..4 {
            let mut place = None;
            if let Some(message) = report.message {
                place = self.place_of(message).await?;
            }
            if place.is_none() {
                place = self.place_of(alias).await?;
            }
            match place {
                Some(place) => return self.hear_at(&place, alias, report, now).await,
                None if self.wait(alias, report, now).await? => return Ok(Heard::Waiting),
                // The pointer appeared between looking and waiting.
                None => {}
            }
        }
        Err(StoreError::Contended { operation: "hearing a status" })
    }

    async fn hear_at(
        &self,
        place: &Place,
        alias: MessageId,
        report: &StatusReport,
        now: Timestamp,
    ) -> Result<Heard, StoreError> {
        const OPERATION: &str = "recording a status";
        let known = match self.hear(place, report.status, &report.fact, Some(&report.wamid)).await? {
            Updated::Done => return Ok(Heard::News),
            Updated::Refused(item) if item.is_empty() => return Ok(Heard::Gone),
            Updated::Refused(item) => item::record::<Message>(OPERATION, item)?,
        };
        match &known.wamid {
            Some(wamid) if *wamid == report.wamid => return Ok(Heard::Known),
            Some(_) => return Ok(Heard::OtherAttempt),
            None => {}
        }
        // The status overtook the answer to the send, or the answer was lost: this is how we learn
        // the wamid. What settling would have written is written here.
        let message = heard(Expression::new(), report.status, &report.fact)
            .set("wamid", &report.wamid)
            .when(PRESENT)
            .when("attribute_not_exists(#wamid)")
            .into_update(self.table(), Key::message(place));
        let writes = vec![message, self.pointer_write(place, alias), self.drop_entry(place)];
        match self.transact_in_place_of_echo(OPERATION, place, alias, writes).await? {
            Outcome::Done => {
                self.merge_early(place, alias, now).await?;
                Ok(Heard::News)
            }
            // Settled at this very moment: the ordinary way is open now.
            Outcome::Refused(_) => match self.hear(place, report.status, &report.fact, Some(&report.wamid)).await? {
                Updated::Done => Ok(Heard::News),
                Updated::Refused(_) => Ok(Heard::Known),
            },
        }
    }

    /// Adds a fact to a message; if a wamid is given, only to the message that went out under it.
    pub(crate) async fn hear(
        &self,
        place: &Place,
        status: MessageStatus,
        fact: &Fact,
        wamid: Option<&Wamid>,
    ) -> Result<Updated, StoreError> {
        let mut change = heard(Expression::new(), status, fact).when(PRESENT);
        if let Some(wamid) = wamid {
            change = change.when("#wamid = :wamid").value(":wamid", wamid);
        }
        self.update("recording a status", Key::message(place), change).await
    }

    /// Puts a status beside the place of a pointer that is not there; `false` if it is there.
    async fn wait(&self, alias: MessageId, report: &StatusReport, now: Timestamp) -> Result<bool, StoreError> {
        let record =
            EarlyRecord { status: Some(report.status), fact: Some(report.fact.clone()), ..EarlyRecord::new(now) };
        let key = Key::early(self.tenant, alias, report.status.as_str(), &report.fact);
        let mut item = item::item(key, "early-status", &record);
        due::set(&mut item, DueKind::Early, due_shard(alias.to_bits()), record.due(now));
        let writes = vec![
            Expression::new().when(ABSENT).into_check(self.table(), Key::pointer(self.tenant, alias)),
            Expression::new().into_put(self.table(), item),
        ];
        Ok(matches!(self.transact("keeping an early status", writes).await?, Outcome::Done))
    }

    /// Adds the statuses and changes that came before a message's pointer. To be called by whoever wrote
    /// the pointer; should that one vanish in between, the sweep does it.
    pub(crate) async fn merge_early(&self, place: &Place, alias: MessageId, now: Timestamp) -> Result<(), StoreError> {
        const OPERATION: &str = "merging what came early";
        let pk = Key::pointer(self.tenant, alias).pk;
        for early in self.partition(OPERATION, &pk, EARLY).await? {
            let key = Key { pk: pk.clone(), sk: item::text(&early, SK).unwrap_or_default().to_owned() };
            let EarlyRecord { status, fact, change, .. } = item::record(OPERATION, early)?;
            if let (Some(status), Some(fact)) = (status, fact) {
                self.hear(place, status, &fact, None).await?;
            }
            if let Some(change) = change {
                self.apply_change(place, &change, now).await?;
            }
            self.delete(OPERATION, key).await?;
        }
        Ok(())
    }

    /// Adds what came before a message, if anything did: one read if not.
    pub(crate) async fn merge_awaited(&self, alias: MessageId, now: Timestamp) -> Result<(), StoreError> {
        let pk = Key::pointer(self.tenant, alias).pk;
        if self.partition("looking for what came early", &pk, EARLY).await?.is_empty() {
            return Ok(());
        }
        match self.place_of(alias).await? {
            Some(place) => self.merge_early(&place, alias, now).await,
            None => Ok(()),
        }
    }

    /// Looks again at the statuses and changes that wait for this message: merges them if it is known by now,
    /// looks later otherwise. After a week they are looked at no more, and stay as a record.
    pub async fn revisit_early(&self, alias: MessageId, now: Timestamp) -> Result<(), StoreError> {
        const OPERATION: &str = "revisiting early statuses";
        if let Some(place) = self.place_of(alias).await? {
            return self.merge_early(&place, alias, now).await;
        }
        let pk = Key::pointer(self.tenant, alias).pk;
        for early in self.partition(OPERATION, &pk, EARLY).await? {
            let key = Key { pk: pk.clone(), sk: item::text(&early, SK).unwrap_or_default().to_owned() };
            let record: EarlyRecord = item::record(OPERATION, early)?;
            let change = match now.duration_since(record.since) < EARLY_WAIT {
                true => Expression::new().set(DUE_SK, due_sort(record.due(now))),
                false => Expression::new().remove(DUE_PK).remove(DUE_SK),
            };
            self.update(OPERATION, key, change.when(PRESENT)).await?;
        }
        Ok(())
    }
}
