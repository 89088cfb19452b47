//! Who a contact is, and how to reach them.

use crate::ids::{Bsuid, InvalidId, ParentBsuid, WaId};
use crate::personal::Personal;
use crate::phone::Phone;
use serde::{Deserialize, Deserializer, Serialize};

/// Everything known of who somebody is: a set of which any part may be missing, since usernames exist
/// and hide phone numbers (WHATSAPP.md §2.6). A part that is read empty counts as missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identities {
    /// The phone number as WhatsApp spells it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "wa_id")]
    pub wa_id: Option<WaId>,
    /// The phone number as somebody else gave it: typed by a person, or sent as contact information.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "phone")]
    pub phone: Option<Phone>,
    /// The business-scoped user id.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bsuid")]
    pub bsuid: Option<Bsuid>,
    /// The user id across the portfolios of a parent business.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "parent_bsuid")]
    pub parent_bsuid: Option<ParentBsuid>,
    /// The public handle; it may change at any time and identifies nobody.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "words")]
    pub username: Option<Personal<String>>,
    /// The profile name.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "words")]
    pub name: Option<Personal<String>>,
}

impl Identities {
    /// Whether Meta vouches for nothing here that tells one person from another.
    pub const fn is_anonymous(&self) -> bool {
        self.wa_id.is_none() && self.bsuid.is_none()
    }

    /// How to reach this person: by the phone that WhatsApp knows them by, else by business-scoped id,
    /// else by the phone they are said to have.
    pub fn address(&self) -> Option<Address> {
        let wa_id = self.wa_id.clone().map(Address::Phone);
        let bsuid = || self.bsuid.clone().map(Address::Bsuid);
        let phone = || self.phone.as_ref().map(|phone| Address::Phone(phone.to_wa_id()));
        wa_id.or_else(bsuid).or_else(phone)
    }
}

/// Where a message goes. Meta takes the two in different fields and silently drops a
/// business-scoped id in the phone's place (WHATSAPP.md §2.6), so the type keeps them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A phone number as WhatsApp spells it: goes into `to`.
    Phone(WaId),
    /// A business-scoped user id: goes into `recipient`.
    Bsuid(Bsuid),
}

fn unless_empty<'de, D, T>(deserializer: D, parse: fn(String) -> Result<T, InvalidId>) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
{
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    text.map(parse).transpose().map_err(serde::de::Error::custom)
}

fn wa_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<WaId>, D::Error> {
    unless_empty(deserializer, WaId::parse)
}

fn bsuid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bsuid>, D::Error> {
    unless_empty(deserializer, Bsuid::parse)
}

fn parent_bsuid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ParentBsuid>, D::Error> {
    unless_empty(deserializer, ParentBsuid::parse)
}

fn phone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Phone>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    text.map(|text| Phone::deserialize(serde::de::value::StringDeserializer::new(text))).transpose()
}

fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Personal<String>>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()).map(Personal::new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::AreaCode;
    use serde_json::json;

    fn everything() -> Identities {
        Identities {
            wa_id: WaId::parse("5491155551234").ok(),
            phone: Phone::parse("11 4444-4444", AreaCode::BUENOS_AIRES).ok(),
            bsuid: Bsuid::parse("AR.7092").ok(),
            parent_bsuid: ParentBsuid::parse("AR.ENT.5061").ok(),
            username: Some(Personal::new("lucia.f".into())),
            name: Some(Personal::new("Lucía".into())),
        }
    }

    #[test]
    fn whatever_is_known_is_written_and_read_and_nothing_of_it_shows() {
        let all = everything();
        let json = serde_json::to_value(&all).unwrap();
        assert_eq!(
            json,
            json!({"waId": "5491155551234", "phone": "+5491144444444", "bsuid": "AR.7092",
                   "parentBsuid": "AR.ENT.5061", "username": "lucia.f", "name": "Lucía"})
        );
        assert_eq!(serde_json::from_value::<Identities>(json).unwrap(), all);
        let shown = format!("{all:?}");
        for secret in ["5555", "4444", "7092", "5061", "luc", "Luc"] {
            assert!(!shown.contains(secret), "{secret} shows in {shown}");
        }
    }

    #[test]
    fn missing_null_and_empty_are_the_same() {
        for json in [
            json!({}),
            json!({"waId": "", "phone": "", "bsuid": "", "parentBsuid": "", "username": "", "name": ""}),
            json!({"waId": null, "phone": null, "bsuid": null, "parentBsuid": null, "username": null, "name": null}),
        ] {
            assert_eq!(serde_json::from_value::<Identities>(json).unwrap(), Identities::default());
        }
    }

    #[test]
    fn the_address_is_the_surest_one() {
        let all = everything();
        assert_eq!(all.address(), all.wa_id.clone().map(Address::Phone));
        let hidden = Identities { wa_id: None, ..all };
        assert_eq!(hidden.address(), hidden.bsuid.clone().map(Address::Bsuid));
        let said = Identities { bsuid: None, ..hidden };
        assert_eq!(said.address(), WaId::parse("5491144444444").ok().map(Address::Phone));
        assert!(said.is_anonymous(), "a phone that somebody typed identifies nobody");
        assert_eq!(Identities { phone: None, ..said }.address(), None, "neither a name nor a parent id is an address");
    }
}
