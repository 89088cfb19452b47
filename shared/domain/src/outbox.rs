//! What the sender may do next for a conversation (DESIGN §6).
//!
//! An open outbound message has an outbox entry beside it. The entries of a conversation are worked
//! off oldest first, one at a time, by whoever is woken; two workers woken at once are kept apart by
//! the claim, not by this decision, which only reads.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How often sending is tried while it is certain that Meta does not have the message.
pub const MAX_ATTEMPTS: u32 = 3;

/// How long the answer to a send may take before its claim counts as abandoned. Longer than the
/// outbound function may run, so a claim that is overdue has no living owner.
pub const LEASE: SignedDuration = SignedDuration::from_secs(60);

/// How long a status may take to say what became of a send whose answer was lost.
pub const UNKNOWN_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// How long after its time an entry is left to the wake-up of the table's stream, before the minute
/// sweep wakes it again.
pub const SWEEP_GRACE: SignedDuration = SignedDuration::from_secs(30);

/// The wait before the next attempt: 2 s, 8 s, plus up to a quarter of it, so that many do not come at once.
///
/// `jitter` is a random number; it is an argument so that tests decide.
pub fn backoff(attempt: u32, jitter: u64) -> SignedDuration {
    let base: u64 = 2_000_u64.saturating_mul(4_u64.saturating_pow(attempt.saturating_sub(1))).min(300_000);
    let millis = base + jitter % (base / 4).max(1);
    SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// Where an outbox entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", tag = "state")]
pub enum OutboxState {
    /// Waits to be sent: at once, or not before a certain time.
    ///
    /// "At once" is not a time, because whoever wrote the entry and whoever reads it may have different
    /// ideas of the time, and a message must not wait for that.
    Pending {
        /// The earliest time to send it, if it is not to go at once.
        #[serde(default, with = "jiff::fmt::serde::timestamp::millisecond::optional", rename = "notBefore")]
        not_before: Option<Timestamp>,
    },
    /// A worker has claimed it and is waiting for Meta's answer.
    Sending {
        /// When the claim counts as abandoned.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required", rename = "leaseUntil")]
        lease_until: Timestamp,
    },
    /// The answer was lost. Never sent again by itself.
    Unknown {
        /// When waiting for a status ends.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required", rename = "waitUntil")]
        wait_until: Timestamp,
    },
}

impl OutboxState {
    /// When the sweep should look at an entry that is put into this state now.
    pub fn due(self, now: Timestamp) -> Timestamp {
        let time = match self {
            Self::Pending { not_before } => not_before.unwrap_or(now).saturating_add(SWEEP_GRACE),
            Self::Sending { lease_until } => Ok(lease_until),
            Self::Unknown { wait_until } => Ok(wait_until),
        };
        time.unwrap_or(Timestamp::MAX)
    }
}

/// What an outbox entry says to the decision; the entry itself is known to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Where it stands.
    pub state: OutboxState,
    /// How many attempts were made.
    pub attempt: u32,
}

/// What to do next. The number is the entry's place in the list that was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing, now. Whatever is left has a due date or a living owner.
    Rest,
    /// Claim this one and send it.
    Send(usize),
    /// Its sender vanished between claim and answer: Meta may have it.
    Lost(usize),
    /// No status came in time: stop waiting. The message stays flagged as unknown.
    GiveUp(usize),
}

/// Decides what to do next for a conversation whose open entries are given oldest first.
///
/// An entry that is being sent, or waits for something, holds back the younger ones, so that messages arrive in
/// order. One whose fate is unknown does not.
pub fn next(oldest_first: &[Open], now: Timestamp) -> Next {
    for (place, entry) in oldest_first.iter().enumerate() {
        match entry.state {
            OutboxState::Unknown { wait_until } if wait_until <= now => return Next::GiveUp(place),
            OutboxState::Unknown { .. } => {}
            OutboxState::Sending { lease_until } if lease_until <= now => return Next::Lost(place),
            OutboxState::Sending { .. } => return Next::Rest,
            OutboxState::Pending { not_before } if not_before.is_none_or(|time| time <= now) => {
                return Next::Send(place);
            }
            OutboxState::Pending { .. } => return Next::Rest,
        }
    }
    Next::Rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_171_200;

    fn time(offset: i64) -> Timestamp {
        Timestamp::from_second(NOW + offset).unwrap()
    }
    fn pending(offset: i64, attempt: u32) -> Open {
        Open { state: OutboxState::Pending { not_before: Some(time(offset)) }, attempt }
    }
    fn at_once() -> Open {
        Open { state: OutboxState::Pending { not_before: None }, attempt: 0 }
    }
    fn sending(offset: i64) -> Open {
        Open { state: OutboxState::Sending { lease_until: time(offset) }, attempt: 1 }
    }
    fn unknown(offset: i64) -> Open {
        Open { state: OutboxState::Unknown { wait_until: time(offset) }, attempt: 1 }
    }

    #[test]
    fn the_next_step_is_the_oldest_entrys_unless_it_stands_aside() {
        for (entries, expected, why) in [
            (vec![], Next::Rest, "nothing is open"),
            (vec![pending(0, 0), pending(0, 0)], Next::Send(0), "the oldest goes first"),
            (vec![at_once(), pending(0, 0)], Next::Send(0), "at once means at once"),
            (vec![sending(9), pending(0, 0)], Next::Rest, "someone is sending; the younger one waits"),
            (vec![sending(0), pending(0, 0)], Next::Lost(0), "the sender vanished"),
            (vec![pending(9, 1), pending(0, 0)], Next::Rest, "the next attempt of the oldest is not due yet"),
            (vec![pending(9, 0), pending(0, 0)], Next::Rest, "the oldest waits for its number or its token"),
            (vec![unknown(9), pending(0, 0)], Next::Send(1), "an unknown fate holds nobody back"),
            (vec![unknown(0), pending(0, 0)], Next::GiveUp(0), "the wait for a status is over"),
        ] {
            assert_eq!(next(&entries, time(0)), expected, "{why}");
        }
    }

    #[test]
    fn every_state_is_looked_at_again_within_the_time_it_promises() {
        assert_eq!(at_once().state.due(time(0)), time(30));
        assert_eq!(pending(5, 0).state.due(time(0)), time(35));
        assert_eq!(sending(60).state.due(time(0)), time(60));
        assert_eq!(unknown(600).state.due(time(0)), time(600));
    }

    #[test]
    fn waits_grow_and_never_exceed_a_quarter_more_than_their_base() {
        for (attempt, base) in [(1, 2_000), (2, 8_000), (3, 32_000), (9, 300_000)] {
            for jitter in [0, 1, u64::MAX] {
                let wait = backoff(attempt, jitter).as_millis();
                assert!((base..=base + base / 4).contains(&wait), "attempt {attempt} waits {wait} ms");
            }
        }
    }
}
