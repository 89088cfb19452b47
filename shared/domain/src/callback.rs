//! The key that travels with a send and comes back with its statuses.

use crate::ids::{MessageId, TenantId};
use std::fmt;

/// What `biz_opaque_callback_data` carries: which attempt of which message of which tenant.
///
/// Written as `v1.{tenant}.{message}.{attempt}`; Meta echoes it in every status of the message
/// (WHATSAPP.md §2.3), so a status finds its message even when it overtakes the answer to the send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallbackKey {
    /// Whose message it is. Must equal the tenant that owns the number the status came from.
    pub tenant: TenantId,
    /// The message.
    pub message: MessageId,
    /// Which attempt at sending it, from 1.
    pub attempt: u32,
}

impl CallbackKey {
    /// Reads what `Display` writes; `None` for anything else, such as another system's callback data.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let key = match (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()) {
            ("v1", tenant, message, attempt, None) => Self {
                tenant: TenantId::parse(tenant).ok()?,
                message: MessageId::parse(message).ok()?,
                attempt: attempt.parse().ok()?,
            },
            _ => return None,
        };
        (key.attempt > 0 && key.to_string() == text).then_some(key)
    }
}

impl fmt::Display for CallbackKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1.{}.{}.{}", self.tenant, self.message, self.attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_callback_key_reads_back(tenant: u128, message: u128, attempt in 1_u32..) {
            let key = CallbackKey { tenant: TenantId::from_bits(tenant), message: MessageId::from_bits(message), attempt };
            prop_assert_eq!(CallbackKey::parse(&key.to_string()), Some(key));
            prop_assert!(key.to_string().len() <= 512, "Meta takes at most 512 characters");
        }

        #[test]
        fn other_peoples_callback_data_is_not_ours(text in ".{0,80}") {
            prop_assert_eq!(CallbackKey::parse(&text), None);
        }
    }
}
