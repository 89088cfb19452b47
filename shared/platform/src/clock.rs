//! The time, or a test's idea of it.

use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;

/// Tells the time to code that needs it more than once in a run.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock, to the millisecond: what is stored and what is answered must be the same time.
    pub fn system() -> Self {
        #[allow(clippy::disallowed_methods, reason = "this is where the machine's clock is read")]
        Self::new(|| Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or(Timestamp::MAX))
    }

    /// Whatever `tell` says.
    pub fn new(tell: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

/// The moment at which Lambda will end a run, from the milliseconds that it gives.
pub fn deadline(milliseconds: u64) -> Timestamp {
    i64::try_from(milliseconds).ok().and_then(|at| Timestamp::from_millisecond(at).ok()).unwrap_or(Timestamp::MAX)
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
