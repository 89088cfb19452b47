//! The 24-hour customer-service window (REQUIREMENTS WIN-01…03).

use jiff::{SignedDuration, Timestamp};

/// How long after a customer's message free-form replies are allowed.
pub const LENGTH: SignedDuration = SignedDuration::from_hours(24);

/// Clocks differ: within this much of the end, the window counts as closed (RELIABILITY row 23).
pub const SAFETY: SignedDuration = SignedDuration::from_secs(60);

/// When the window that a customer message of this time opens ends.
///
/// Always counted from Meta's own timestamp: a webhook that is delayed or replayed must not extend it.
pub fn expiry(customer_message: Timestamp) -> Timestamp {
    customer_message.saturating_add(LENGTH).unwrap_or(Timestamp::MAX)
}

/// Whether a free-form message may still be sent. No window was ever opened: it may not.
pub fn is_open(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_some_and(|end| now.saturating_add(SAFETY).unwrap_or(Timestamp::MAX) < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_closes_a_minute_before_its_twenty_four_hours_end() {
        let message: Timestamp = "2026-11-20T10:40:00Z".parse().unwrap();
        let end = expiry(message);
        assert_eq!(end.to_string(), "2026-11-21T10:40:00Z");
        assert!(is_open(Some(end), "2026-11-21T10:38:59Z".parse().unwrap()));
        assert!(!is_open(Some(end), "2026-11-21T10:39:00Z".parse().unwrap()));
        assert!(!is_open(None, message), "a conversation without a customer message has no window");
    }
}
