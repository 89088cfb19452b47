//! What depends on how much was sent, and when: throughput, pair limit, 24-hour window, allow list.

use crate::fault;
use crate::graph::messages::Recipient;
use crate::refusal::Refusal;
use crate::world::{Number, World};
use jiff::Timestamp;

/// How long a customer's message keeps the window open, in seconds (WHATSAPP.md §2.2).
const WINDOW: i64 = 24 * 60 * 60;

/// How many messages one customer may get in a burst, and how many seconds each takes to be allowed again
/// (WHATSAPP.md §2.8).
const PAIR: (f64, f64) = (45.0, 6.0);

/// Allows a burst, and then so much per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bucket {
    left: f64,
    at: Timestamp,
}

impl Bucket {
    /// A full one.
    pub(crate) const fn full(burst: f64, now: Timestamp) -> Self {
        Self { left: burst, at: now }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, burst: f64, per_second: f64, now: Timestamp) -> bool {
        let passed = now.duration_since(self.at).as_secs_f64().max(0.0);
        self.left = passed.mul_add(per_second, self.left).min(burst);
        self.at = self.at.max(now);
        // Six seconds at a sixth per second are one, whatever the arithmetic leaves.
        let is_allowed = self.left > 1.0 - 1e-9;
        if is_allowed {
            self.left -= 1.0;
        }
        is_allowed
    }
}

/// So many messages per second and number (130429).
pub(crate) fn throughput(world: &mut World, number: &Number, now: Timestamp) -> Result<(), Refusal> {
    let Some(most) = number.throughput.map(f64::from) else { return Ok(()) };
    let key = (number.phone_number_id.clone(), None);
    let bucket = world.buckets.entry(key).or_insert_with(|| Bucket::full(most, now));
    if bucket.take(most, most, now) { Ok(()) } else { Err(fault::throughput()) }
}

/// One message in six seconds to one customer, with a burst of 45 (131056).
pub(crate) fn pair(world: &mut World, number: &Number, to: &Recipient, now: Timestamp) -> Result<(), Refusal> {
    let (true, Some(customer)) = (number.pair_limit, to.key()) else { return Ok(()) };
    let (burst, seconds) = PAIR;
    let key = (number.phone_number_id.clone(), Some(customer.to_owned()));
    let bucket = world.buckets.entry(key).or_insert_with(|| Bucket::full(burst, now));
    if bucket.take(burst, seconds.recip(), now) {
        return Ok(());
    }
    let refusal = Refusal::new(131_056, "(Business Account, Consumer Account) pair rate limit hit");
    Err(refusal.with_details(
        "Too many messages sent from this phone number to the same phone number in a short period of time.",
    ))
}

/// Free-form messages need a customer's message within 24 hours (131047).
pub(crate) fn window(world: &World, number: &Number, to: &Recipient, now: Timestamp) -> Result<(), Refusal> {
    let (true, Some(customer)) = (number.enforce_window, to.key()) else { return Ok(()) };
    let last = world.last_inbound(&number.phone_number_id, customer);
    if last.is_some_and(|last| now.as_second() < last.saturating_add(WINDOW)) {
        return Ok(());
    }
    Err(Refusal::new(131_047, "Re-engagement message").with_details(
        "Message failed to send because more than 24 hours have passed since the customer last replied to this number.",
    ))
}

/// A test number reaches only whom it lists, in the form in which it lists them (131030; WHATSAPP.md §2.12).
pub(crate) fn allow_list(number: &Number, digits: &str) -> Result<(), Refusal> {
    if number.allow_list.as_ref().is_none_or(|list| list.iter().any(|allowed| allowed == digits)) {
        return Ok(());
    }
    Err(Refusal::new(131_030, "Recipient phone number not in allowed list").with_details(
        "Recipient phone number not in allowed list: Add recipient phone number to recipient list and try again.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_171_200 + seconds).unwrap()
    }

    #[test]
    fn a_pair_gets_45_at_once_and_then_one_in_six_seconds() {
        let (burst, seconds) = PAIR;
        let mut bucket = Bucket::full(burst, at(0));
        let mut taken = |now| bucket.take(burst, seconds.recip(), now);
        assert_eq!((0..60).filter(|_| taken(at(0))).count(), 45, "messages in a burst");
        assert!(!taken(at(5)), "one came through five seconds later");
        assert!(taken(at(6)), "none came through six seconds later");
        assert!(!taken(at(6)));
        let in_an_hour = (6..3606).filter(|second| taken(at(*second))).count();
        assert_eq!(in_an_hour, 599, "messages in the following hour");
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let mut bucket = Bucket::full(1.0, at(10));
        assert!(bucket.take(1.0, 1.0, at(10)));
        assert!(!bucket.take(1.0, 1.0, at(0)));
        assert!(!bucket.take(1.0, 1.0, at(10)), "the second between 9 and 10 was counted twice");
    }
}
