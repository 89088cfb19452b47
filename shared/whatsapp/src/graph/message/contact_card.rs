//! Contact cards.

use super::{Checked, Field, hide};
use recado_domain::ids::WaId;
use serde::{Deserialize, Serialize};

/// The most cards in one message (Meta, "Contacts messages": 257; fewer are recommended).
const CARDS_MAX: usize = 257;

/// The longest text in a card, in characters; Meta states none, this is a guard of ours.
const TEXT_MAX: usize = 1024;

/// A contact card.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactCard {
    /// The name.
    pub name: CardName,
    /// Phone numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<CardPhone>,
    /// E-mail addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<CardEmail>,
    /// Postal addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<CardAddress>,
    /// Where the person works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<CardOrganisation>,
    /// Web pages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<CardUrl>,
    /// The birthday as `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birthday: Option<String>,
}

/// Declares parts of a card, all of whose fields may be missing, and checks their lengths.
macro_rules! parts {
    ($($doc:literal $name:ident { $($field_doc:literal $field:ident as $wire:literal,)* })*) => {$(
        #[doc = $doc]
        #[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(
                #[doc = $field_doc]
                #[serde(default, rename = $wire, skip_serializing_if = "Option::is_none")]
                pub $field: Option<String>,
            )*
        }

        hide!($name);

        impl $name {
            fn check(&self, at: &Field<'_>) -> Checked {
                $(at.at($wire).optional_text(self.$field.as_deref(), TEXT_MAX)?;)*
                Ok(())
            }
        }
    )*};
}

parts! {
    "An e-mail address." CardEmail {
        "The address." email as "email",
        "Such as `WORK`." kind as "type",
    }
    "A postal address." CardAddress {
        "Street and number." street as "street",
        "City." city as "city",
        "State or province." state as "state",
        "Postal code." zip as "zip",
        "Country." country as "country",
        "Country by its two letters." country_code as "country_code",
        "Such as `HOME`." kind as "type",
    }
    "Where a person works." CardOrganisation {
        "The company." company as "company",
        "The department." department as "department",
        "The post." title as "title",
    }
    "A web page." CardUrl {
        "The page." url as "url",
        "Such as `WORK`." kind as "type",
    }
}

/// A name. Meta wants the whole one and at least one part of it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardName {
    /// The whole name as it is shown.
    pub formatted_name: String,
    /// The given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// The family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// Further names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub middle_name: Option<String>,
    /// What stands after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// What stands before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// A phone number. With a WhatsApp id the card has a button that opens a chat.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardPhone {
    /// The number as people write it.
    pub phone: String,
    /// Such as `CELL`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The number as WhatsApp spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wa_id: Option<WaId>,
}

hide!(ContactCard, CardName, CardPhone);

pub(super) fn check(cards: &[ContactCard], at: &Field<'_>) -> Checked {
    at.count(cards.len(), 1, CARDS_MAX, "contacts")?;
    cards.iter().enumerate().try_for_each(|(index, card)| card.check(&at.nth(index)))
}

/// Checks each of several parts.
fn each<T>(at: &Field<'_>, parts: &[T], check: impl Fn(&T, &Field<'_>) -> Checked) -> Checked {
    parts.iter().enumerate().try_for_each(|(index, part)| check(part, &at.nth(index)))
}

impl ContactCard {
    fn check(&self, at: &Field<'_>) -> Checked {
        self.name.check(&at.at("name"))?;
        each(&at.at("phones"), &self.phones, CardPhone::check)?;
        each(&at.at("emails"), &self.emails, CardEmail::check)?;
        each(&at.at("addresses"), &self.addresses, CardAddress::check)?;
        each(&at.at("urls"), &self.urls, CardUrl::check)?;
        self.org.as_ref().map_or(Ok(()), |org| org.check(&at.at("org")))?;
        let is_date = |text: &String| text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok();
        at.at("birthday").must(self.birthday.as_ref().is_none_or(is_date), "a date as YYYY-MM-DD")
    }
}

impl CardName {
    fn check(&self, at: &Field<'_>) -> Checked {
        at.at("formatted_name").text(&self.formatted_name, TEXT_MAX)?;
        let parts = [
            ("first_name", &self.first_name),
            ("last_name", &self.last_name),
            ("middle_name", &self.middle_name),
            ("suffix", &self.suffix),
            ("prefix", &self.prefix),
        ];
        parts.iter().try_for_each(|(name, part)| at.at(name).optional_text(part.as_deref(), TEXT_MAX))?;
        at.must(parts.iter().any(|(_, part)| part.is_some()), "at least one part besides `formatted_name`")
    }
}

impl CardPhone {
    fn check(&self, at: &Field<'_>) -> Checked {
        at.at("phone").text(&self.phone, TEXT_MAX)?;
        at.at("type").optional_text(self.kind.as_deref(), TEXT_MAX)
    }
}
