//! The 24-hour customer-service window (REQUIREMENTS WIN-01…03).

use jiff::{SignedDuration, Timestamp};

/// How long after a customer's message free-form replies are allowed.
pub const LENGTH: SignedDuration = SignedDuration::from_hours(24);

/// Clocks differ: within this much of the end, the window counts as closed (RELIABILITY row 23).
pub const SAFETY: SignedDuration = SignedDuration::from_secs(60);

/// When the customer did something, by Meta's clock: wrote, reacted, pressed a button, called.
///
/// Nothing else opens the window. Making one of these is to say that an item came from the customer;
/// a status, an echo of what the business wrote elsewhere, or imported history did not (WHATSAPP.md §2.2).
/// A bare time will not do:
///
/// ```compile_fail,E0308
/// recado_domain::window::expiry(jiff::Timestamp::UNIX_EPOCH);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CustomerAct(Timestamp);

impl CustomerAct {
    /// What the customer did at this time: always Meta's own timestamp, for a webhook that is delayed or
    /// replayed must not extend the window.
    pub const fn at(timestamp: Timestamp) -> Self {
        Self(timestamp)
    }
}

/// When the window that the customer opened ends.
pub fn expiry(act: CustomerAct) -> Timestamp {
    act.0.saturating_add(LENGTH).unwrap_or(Timestamp::MAX)
}

/// When the window ends, given when it would have ended without this act. Acts may come in any order.
pub fn extended(expires_at: Option<Timestamp>, act: CustomerAct) -> Timestamp {
    expires_at.map_or(expiry(act), |known| known.max(expiry(act)))
}

/// Whether a free-form message may still be sent. No window was ever opened: it may not.
pub fn is_open(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_some_and(|end| now.saturating_add(SAFETY).unwrap_or(Timestamp::MAX) < end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_window_closes_a_minute_before_its_twenty_four_hours_end() {
        let message: Timestamp = "2026-11-20T10:40:00Z".parse().unwrap();
        let end = expiry(CustomerAct::at(message));
        assert_eq!(end.to_string(), "2026-11-21T10:40:00Z");
        assert!(is_open(Some(end), "2026-11-21T10:38:59Z".parse().unwrap()));
        assert!(!is_open(Some(end), "2026-11-21T10:39:00Z".parse().unwrap()));
        assert!(!is_open(None, message), "a conversation without a customer message has no window");
    }

    proptest! {
        #[test]
        fn every_order_of_the_customers_messages_ends_in_the_same_window(
            (seconds, shuffled) in proptest::collection::vec(-200_000_i64..200_000, 1..12)
                .prop_flat_map(|seconds| (Just(seconds.clone()), Just(seconds).prop_shuffle())),
        ) {
            let act = |second: &i64| CustomerAct::at(Timestamp::from_second(1_795_000_000 + second).unwrap());
            let window = |order: &[i64]| order.iter().fold(None, |end, second| Some(extended(end, act(second))));
            prop_assert_eq!(window(&shuffled), window(&seconds));
            prop_assert_eq!(window(&seconds), seconds.iter().max().map(|last| expiry(act(last))));
        }
    }
}
