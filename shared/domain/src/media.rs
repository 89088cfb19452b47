//! How long a customer's file may take from Meta's keeping into ours.
//!
//! Meta keeps a received file for seven days. Every failure is waited out within that time, except those
//! that no waiting mends.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long Meta keeps a received file (WHATSAPP.md §2.8). Counted from when we stored its message.
pub const KEPT_BY_META: SignedDuration = SignedDuration::from_hours(7 * 24);

/// After so long, somebody should look: two days are left.
pub const ALARM_AFTER: SignedDuration = SignedDuration::from_hours(5 * 24);

/// How long a file is asked for that Meta says it does not have: it uses the same words when the token may
/// not see the file, and a permission can be mended.
pub const MISSING_PATIENCE: SignedDuration = SignedDuration::from_hours(24);

/// How long one attempt may take before another may begin. Longer than the media function may run.
pub const LEASE: SignedDuration = SignedDuration::from_mins(3);

/// How long a new file is left to the wake-up of the table's stream, before the minute sweep wakes it again.
pub const SWEEP_GRACE: SignedDuration = SignedDuration::from_secs(30);

/// A file whose hash was wrong in so many attempts is not the one that the customer sent.
const WRONG_HASHES: u32 = 2;

/// Why a file will never be ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MediaFailure {
    /// Meta does not have it, or did not give it within its seven days.
    Gone,
    /// It is longer than files of its kind may be.
    TooLarge,
    /// It is of a type that is not taken.
    TypeNotTaken,
    /// Its bytes are not those that Meta promised, again and again.
    WrongHash,
}

/// What kept a file from being fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Something that may pass: Meta, the network, our own storage, the tenant's token.
    Passing,
    /// Meta says that there is no such file.
    Missing,
    /// The bytes are not those that Meta promised.
    WrongHash,
    /// Nothing will help.
    Final(MediaFailure),
}

/// What is known about the attempts at one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// When its message was stored.
    pub since: Timestamp,
    /// How many attempts were made.
    pub made: u32,
    /// How many of them ended with a wrong hash, the last one included.
    pub wrong_hashes: u32,
}

/// What to do about a file that could not be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again after this time.
    After(SignedDuration),
    /// Stop trying.
    GiveUp(MediaFailure),
}

/// Decides what to do about a file that could not be fetched. `jitter` is a random number.
pub fn next(trouble: Trouble, attempts: Attempts, jitter: u64, now: Timestamp) -> Next {
    let age = now.duration_since(attempts.since);
    match trouble {
        Trouble::Final(failure) => Next::GiveUp(failure),
        Trouble::WrongHash if attempts.wrong_hashes >= WRONG_HASHES => Next::GiveUp(MediaFailure::WrongHash),
        Trouble::Missing if age >= MISSING_PATIENCE => Next::GiveUp(MediaFailure::Gone),
        _ if age >= KEPT_BY_META => Next::GiveUp(MediaFailure::Gone),
        // The last attempt is made while Meta still has the file, not hours after.
        _ => Next::After(backoff(attempts.made, jitter).min(KEPT_BY_META - age)),
    }
}

/// The wait before the next attempt: one minute, two, four and so on up to six hours, plus up to a quarter of it.
pub fn backoff(attempts: u32, jitter: u64) -> SignedDuration {
    const LONGEST: u64 = 6 * 60 * 60 * 1000;
    let base = 60_000_u64.saturating_mul(2_u64.saturating_pow(attempts.saturating_sub(1))).min(LONGEST);
    let millis = (base + jitter % (base / 4)).min(LONGEST);
    SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn after(age: SignedDuration, trouble: Trouble, made: u32, wrong_hashes: u32) -> Next {
        let since = Timestamp::from_second(1_795_171_200).unwrap();
        next(trouble, Attempts { since, made, wrong_hashes }, 0, since + age)
    }

    #[test]
    fn what_may_pass_is_waited_out_for_seven_days_and_not_longer() {
        let minute = SignedDuration::from_mins(1);
        assert_eq!(after(SignedDuration::ZERO, Trouble::Passing, 1, 0), Next::After(minute));
        assert_eq!(after(HOUR, Trouble::Passing, 3, 0), Next::After(4 * minute));
        assert_eq!(after(6 * 24 * HOUR, Trouble::Passing, 30, 0), Next::After(6 * HOUR));
        assert_eq!(after(KEPT_BY_META - minute, Trouble::Passing, 30, 0), Next::After(minute));
        assert_eq!(after(KEPT_BY_META, Trouble::Passing, 30, 0), Next::GiveUp(MediaFailure::Gone));
    }

    #[test]
    fn what_waiting_does_not_mend_is_given_up() {
        let large = MediaFailure::TooLarge;
        assert_eq!(after(SignedDuration::ZERO, Trouble::Final(large), 1, 0), Next::GiveUp(large));
        assert!(matches!(after(HOUR, Trouble::WrongHash, 1, 1), Next::After(_)), "one wrong hash may be an accident");
        assert_eq!(after(HOUR, Trouble::WrongHash, 2, 2), Next::GiveUp(MediaFailure::WrongHash));
        assert!(matches!(after(HOUR, Trouble::Missing, 1, 0), Next::After(_)), "a permission may be missing");
        assert_eq!(after(MISSING_PATIENCE, Trouble::Missing, 9, 0), Next::GiveUp(MediaFailure::Gone));
    }

    #[test]
    fn waits_grow_from_a_minute_to_six_hours() {
        for (attempts, seconds) in [(0, 60), (1, 60), (2, 120), (9, 15_360), (10, 21_600), (u32::MAX, 21_600)] {
            assert_eq!(backoff(attempts, 0).as_secs(), seconds, "after {attempts} attempts");
            let longest = backoff(attempts, u64::MAX).as_secs();
            assert!((seconds..=21_600.min(seconds + seconds / 4)).contains(&longest), "{longest}");
        }
    }
}
