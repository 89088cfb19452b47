//! When a webhook that was not taken is sent again.

use std::time::Duration;

/// How long Meta goes on (WHATSAPP.md §2.1).
const SPAN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The first wait in real life.
const FIRST: Duration = Duration::from_secs(1);

/// The waits between attempts. In real life, that is with a first wait of one second, each is twice the
/// one before, for as long as the last attempt lies within seven days of the first: 20 attempts, the
/// last one six days after the first. Another first wait compresses or stretches all of them alike.
pub(crate) fn waits(first: Duration) -> impl Iterator<Item = Duration> {
    let real = (0..u32::BITS).map(|attempt| FIRST * 2_u32.pow(attempt));
    let within = real.scan(Duration::ZERO, |passed, wait| {
        *passed += wait;
        (*passed <= SPAN).then_some(wait)
    });
    within.map(move |wait| first.mul_f64(wait.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_double_their_distance_for_a_week() {
        let waits: Vec<_> = waits(FIRST).collect();
        assert_eq!(waits[..4], [1, 2, 4, 8].map(Duration::from_secs));
        assert_eq!(waits.len(), 19, "waits between 20 attempts");
        let last = waits.iter().sum::<Duration>();
        assert!(last <= SPAN, "the last attempt comes after {last:?}");
        assert!(last + waits[18] * 2 > SPAN, "there was time for one more");
    }

    #[test]
    fn a_shorter_first_wait_compresses_the_week() {
        let compressed: Vec<_> = waits(Duration::from_millis(1)).collect();
        assert_eq!(compressed.len(), 19, "as many attempts as in real life");
        assert_eq!(compressed[10], Duration::from_millis(1024));
        assert_eq!(compressed.iter().sum::<Duration>(), Duration::from_millis((1 << 19) - 1), "a week in nine minutes");
    }
}
