//! The simulator's own time: the machine's, moved ahead or stopped on request.

use jiff::{SignedDuration, Timestamp};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What windows, limits and expiries are judged by. Retries of webhooks and the delays of statuses
/// run on the machine's time instead, compressed by their own settings.
#[derive(Debug)]
pub(crate) struct Clock(Mutex<State>);

#[derive(Debug, Clone, Copy)]
enum State {
    Running { ahead: SignedDuration },
    Stopped { at: Timestamp },
}

impl Clock {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(State::Running { ahead: SignedDuration::ZERO }))
    }

    pub(crate) fn now(&self) -> Timestamp {
        match *self.state() {
            State::Running { ahead } => machine_time() + ahead,
            State::Stopped { at } => at,
        }
    }

    /// Unix seconds.
    pub(crate) fn seconds(&self) -> i64 {
        self.now().as_second()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        matches!(*self.state(), State::Stopped { .. })
    }

    /// Lets so much time pass at once; a negative number takes it back. False if no calendar goes so far.
    pub(crate) fn advance(&self, seconds: i64) -> bool {
        let by = SignedDuration::from_secs(seconds);
        let mut state = self.state();
        let moved = match *state {
            State::Running { ahead } => ahead
                .checked_add(by)
                .filter(|ahead| machine_time().checked_add(*ahead).is_ok())
                .map(|ahead| State::Running { ahead }),
            State::Stopped { at } => at.checked_add(by).ok().map(|at| State::Stopped { at }),
        };
        if let Some(moved) = moved {
            *state = moved;
        }
        moved.is_some()
    }

    /// Stops the clock, or lets it go on from where it stands.
    pub(crate) fn set_stopped(&self, stopped: bool) {
        let now = self.now();
        *self.state() = if stopped {
            State::Stopped { at: now }
        } else {
            State::Running { ahead: now.duration_since(machine_time()) }
        };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[allow(clippy::disallowed_methods, reason = "the simulator is the outside world; its time begins as the machine's")]
fn machine_time() -> Timestamp {
    Timestamp::now()
}
