//! What is to be logged about a batch, until it is done.

use crate::Archive;
use recado_domain::personal::Personal;
use recado_platform::batch::Delivery;
use recado_platform::intake::Shelf;
use recado_store::{EventId, EventOutcome, LogEntry, LogScope, LoggedEvent, StoreError};
use recado_whatsapp::envelope::Envelope;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Notes by delivery. Deliveries that say the same have the same note.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<HashMap<EventKey, Note>>);

/// The queue message, by a digest of it.
type EventKey = EventId;

/// What became of a delivery so far.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    scopes: Vec<LogScope>,
    app: String,
    received: i64,
    outcome: EventOutcome,
}

impl Journal {
    /// Notes in whose logs a delivery belongs; it counts as applied unless it is said to be parked.
    pub(crate) fn note(&self, delivery: &Delivery, envelope: &Envelope<'_>, scopes: Vec<LogScope>) {
        let Envelope { app, received, .. } = envelope;
        let note = Note { scopes, app: app.to_string(), received: *received, outcome: EventOutcome::Applied };
        self.notes().insert(key(delivery), note);
    }

    /// Notes that a delivery is parked.
    pub(crate) fn parked(&self, delivery: &Delivery) {
        if let Some(note) = self.notes().get_mut(&key(delivery)) {
            note.outcome = EventOutcome::Parked;
        }
    }

    /// Ends a delivery. `None` if there was nothing about it to be logged.
    pub(crate) fn take(&self, delivery: &Delivery) -> Option<Note> {
        self.notes().remove(&key(delivery))
    }

    fn notes(&self) -> MutexGuard<'_, HashMap<EventKey, Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(delivery: &Delivery) -> EventKey {
    EventId::of(0, &delivery.body)
}

impl Note {
    /// The entries of a queue message that says `text`, one in each log.
    pub(crate) async fn entries(
        &self,
        queue: &str,
        archive: &Archive,
        text: &str,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let Self { scopes, app, received, outcome } = self;
        let body = archive.fit(Shelf::Logged, app, *received, text).await?.into_owned();
        let logged = LoggedEvent {
            event: EventId::of(*received, text),
            queue: queue.to_owned(),
            outcome: *outcome,
            body: Personal::new(body),
            expires_at: received / 1000 + i64::from(archive.log_days) * 24 * 60 * 60,
        };
        Ok(scopes.iter().map(|scope| LogEntry { scope: *scope, logged: logged.clone() }).collect())
    }
}
