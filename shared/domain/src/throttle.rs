//! How often a tenant may ask.
//!
//! A bucket of tokens that fills at a steady rate, written down as one time: when it will be full again
//! (GCRA). Taking tokens moves that time on; what would move it too far is refused. One number is enough
//! for a conditional write, however many take from the bucket at once.

use jiff::{SignedDuration, Timestamp};

/// So many requests a second in the long run, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_second: u32,
    burst: u32,
}

/// For how many seconds of its rate a tenant may ask at once.
const BURST_SECONDS: u32 = 10;

/// An instance takes this part of the burst at a time, so that not every request costs a write.
const LEASES_PER_BURST: u32 = 25;

/// What became of taking tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// They were there.
    Granted,
    /// They will be there at this time, if nobody else takes them.
    NotBefore(Timestamp),
}

impl Rate {
    /// This many requests a second, at least one, and ten seconds' worth at once.
    pub const fn per_second(requests: u32) -> Self {
        let per_second = if requests == 0 { 1 } else { requests };
        Self { per_second, burst: per_second.saturating_mul(BURST_SECONDS) }
    }

    /// How many tokens an instance takes at a time.
    pub const fn lease(self) -> u32 {
        let lease = self.burst / LEASES_PER_BURST;
        if lease == 0 { 1 } else { lease }
    }

    /// How long it takes until so many tokens have come in.
    pub fn time_for(self, tokens: u32) -> SignedDuration {
        SignedDuration::from_micros(i64::from(tokens) * 1_000_000 / i64::from(self.per_second))
    }

    /// The latest time at which the bucket may be due to be full, for so many tokens to be in it.
    pub fn latest(self, tokens: u32, now: Timestamp) -> Timestamp {
        now + self.time_for(self.burst.saturating_sub(tokens))
    }

    /// The latest time that a clock which is right may have written. One that went wrong must not shut a tenant out
    /// until then; clocks differ by a little, and a little more than the burst may be asked of them.
    pub fn credible(self, now: Timestamp) -> Timestamp {
        now + 2 * self.time_for(self.burst)
    }

    /// When so many tokens will be in a bucket that is full at `full_at`.
    pub fn ready(self, tokens: u32, full_at: Timestamp) -> Timestamp {
        full_at - self.time_for(self.burst.saturating_sub(tokens))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The bucket as the table keeps it.
    fn take(full_at: &mut Timestamp, rate: Rate, tokens: u32, now: Timestamp) -> Taken {
        let from = (*full_at).max(now);
        if from > rate.latest(tokens, now) {
            return Taken::NotBefore(rate.ready(tokens, from));
        }
        *full_at = from + rate.time_for(tokens);
        Taken::Granted
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_the_burst_and_the_rate_allow_and_waiting_helps(
            per_second in 1_u32..200,
            pauses in prop::collection::vec(0_i64..3_000, 1..200),
        ) {
            let rate = Rate::per_second(per_second);
            let begin = Timestamp::from_second(1_795_171_200).unwrap();
            let (mut now, mut full_at, mut granted) = (begin, begin, 0_u32);
            for pause in pauses {
                now += SignedDuration::from_millis(pause);
                match take(&mut full_at, rate, rate.lease(), now) {
                    Taken::Granted => granted += rate.lease(),
                    Taken::NotBefore(then) => {
                        prop_assert!(then > now, "refused, but ready at once");
                        now = then;
                        prop_assert_eq!(take(&mut full_at, rate, rate.lease(), now), Taken::Granted, "waited in vain");
                        granted += rate.lease();
                    }
                }
                let seconds = now.duration_since(begin).as_secs_f64();
                let allowed = f64::from(rate.burst) + seconds * f64::from(per_second);
                prop_assert!(f64::from(granted) <= allowed + 1.0, "{granted} granted of {allowed}");
            }
        }
    }
}
