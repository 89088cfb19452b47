//! Who a contact is, and how to reach them.

use crate::ids::{Bsuid, WaId};
use crate::personal::Personal;
use serde::{Deserialize, Serialize};

/// Everything a webhook says about who wrote. Since usernames exist, any part may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identities {
    /// The phone number as WhatsApp spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wa_id: Option<WaId>,
    /// The business-scoped user id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bsuid: Option<Bsuid>,
    /// The public handle; it may change at any time and identifies nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<Personal<String>>,
    /// The profile name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Personal<String>>,
}

impl Identities {
    /// Whether nothing here can tell one person from another.
    pub const fn is_anonymous(&self) -> bool {
        self.wa_id.is_none() && self.bsuid.is_none()
    }

    /// How to reach this person: by phone if it is known, by business-scoped id otherwise.
    pub fn address(&self) -> Option<Address> {
        match (&self.wa_id, &self.bsuid) {
            (Some(wa_id), _) => Some(Address::Phone(wa_id.clone())),
            (None, Some(bsuid)) => Some(Address::Bsuid(bsuid.clone())),
            (None, None) => None,
        }
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
