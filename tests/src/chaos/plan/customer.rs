//! Somebody who writes, and what happens between them and a business.

use super::{CHANGED, ECHOED, Event, File};
use data_encoding::BASE64;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Somebody who writes to a tenant.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Customer {
    /// The place of the tenant among the occupants.
    pub(in crate::chaos) tenant: usize,
    /// Their phone number; some hide it.
    pub(in crate::chaos) wa_id: Option<String>,
    /// Their business-scoped id; some are not known to have one.
    pub(in crate::chaos) bsuid: Option<String>,
    /// The number that they have first, and after which of their messages they change it.
    moves: Option<(String, usize)>,
    /// What they write, oldest first.
    pub(in crate::chaos) texts: Vec<Text>,
    /// What is written to them, in order; each text is one of its kind.
    pub(in crate::chaos) replies: Vec<String>,
}

/// One message.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Text {
    pub(in crate::chaos) wamid: String,
    /// Unix seconds; no two of a customer are the same.
    pub(in crate::chaos) timestamp: i64,
    pub(in crate::chaos) said: Said,
    /// What happens to it afterwards, oldest first, a second each.
    pub(in crate::chaos) changes: Vec<Change>,
    /// What the business answers on its phone.
    pub(in crate::chaos) echo: Option<Echo>,
}

/// What a message holds.
#[derive(Debug, Clone)]
pub(in crate::chaos) enum Said {
    /// Words.
    Words(String),
    /// A picture.
    File(File),
}

/// What the business writes on its phone.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Echo {
    pub(in crate::chaos) wamid: String,
    pub(in crate::chaos) body: String,
}

/// What its author does to a message.
#[derive(Debug, Clone)]
pub(in crate::chaos) enum Change {
    /// Puts an emoji onto it; none takes it off.
    React(Option<&'static str>),
    /// Gives it other words.
    Edit(String),
    /// Deletes it.
    Revoke,
}

/// After a message come up to five changes, then the echo, then the change of number.
const ECHO: i64 = 6;
const MOVE: i64 = 10;

/// Statuses whose times go backwards: a message is what it got furthest to, whatever is said of it later.
pub(in crate::chaos) const AGAINST_TIME: [&str; 4] = ["read", "delivered", "failed", "sent"];

impl Text {
    /// What it says in the end, what stands on it, and whether it was deleted.
    pub(in crate::chaos) fn end(&self) -> (Option<&str>, Option<&str>, bool) {
        let words = match &self.said {
            Said::Words(words) => Some(words.as_str()),
            Said::File(_) => None,
        };
        let (mut words, mut emoji, mut is_revoked) = (words, None, false);
        for change in &self.changes {
            match change {
                Change::React(put) => emoji = *put,
                Change::Edit(new) => words = Some(new),
                Change::Revoke => (words, is_revoked) = (None, true),
            }
        }
        (words, emoji, is_revoked)
    }

    /// The file that it brings.
    pub(in crate::chaos) const fn file(&self) -> Option<&File> {
        match &self.said {
            Said::File(file) => Some(file),
            Said::Words(_) => None,
        }
    }

    fn content(&self) -> Value {
        match &self.said {
            Said::Words(words) => json!({"type": "text", "text": {"body": words}}),
            Said::File(file) => json!({"type": "image", "image": {"id": file.id, "mime_type": "image/jpeg",
                "sha256": BASE64.encode(&Sha256::digest(&file.bytes))}}),
        }
    }
}

impl Change {
    fn new(number: usize, random: &mut StdRng) -> Self {
        match random.random_range(0..4) {
            0 => Self::React(None),
            1 => Self::React(Some("👍")),
            2 => Self::React(Some("❤️")),
            _ => Self::Edit(format!("corregido {number}")),
        }
    }

    fn of(&self, target: &str) -> Value {
        match self {
            Self::React(Some(emoji)) => {
                json!({"type": "reaction", "reaction": {"message_id": target, "emoji": emoji}})
            }
            Self::React(None) => json!({"type": "reaction", "reaction": {"message_id": target}}),
            Self::Edit(words) => json!({"type": "edit", "edit": {"original_message_id": target,
                "message": {"type": "text", "text": {"body": words}}}}),
            Self::Revoke => json!({"type": "revoke", "revoke": {"original_message_id": target}}),
        }
    }
}

impl Customer {
    pub(super) fn new(number: usize, tenants: usize, random: &mut StdRng) -> Self {
        let phone = format!("54911{:08}", 40_000_000 + number);
        let bsuid = format!("AR.{:020}", 7_000_000_000_u64 + number as u64);
        let (wa_id, bsuid) = match random.random_range(0..10) {
            0 => (None, Some(bsuid)),
            1..4 => (Some(phone), Some(bsuid)),
            _ => (Some(phone), None),
        };
        let former = format!("54911{:08}", 80_000_000 + number);
        let moves = (wa_id.is_some() && bsuid.is_none() && random.random_bool(0.8)).then_some((former, 1));
        let tenant = random.random_range(0..tenants);
        Self { tenant, wa_id, bsuid, moves, texts: Vec::new(), replies: Vec::new() }
    }

    /// Draws what happens to their messages. The last one stays as it is, so that it is what the inbox shows.
    pub(super) fn live(&mut self, random: &mut StdRng) {
        let last = self.texts.len().saturating_sub(1);
        for text in &mut self.texts[..last] {
            if self.wa_id.is_some() && random.random_bool(ECHOED) {
                let (wamid, body) = (format!("{}.echo", text.wamid), format!("del teléfono {}", text.wamid));
                text.echo = Some(Echo { wamid, body });
            }
            if text.file().is_some() || !random.random_bool(CHANGED) {
                continue;
            }
            text.changes = (0..random.random_range(1..=4)).map(|number| Change::new(number, random)).collect();
            if random.random_bool(0.3) {
                text.changes.push(Change::Revoke);
            }
        }
        self.moves = self.moves.take().filter(|(_, after)| *after < last);
    }

    /// Everything that webhooks tell of them.
    pub(super) fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut tell = |field, list, item| events.push(Event { tenant: self.tenant, field, list, item });
        for (place, text) in self.texts.iter().enumerate() {
            let message = |id: String, after: i64, mut content: Value| {
                content["id"] = json!(id);
                content["timestamp"] = json!((text.timestamp + after).to_string());
                content
            };
            let theirs = |mut content: Value| {
                if let Some(wa_id) = self.wa_id_at(place) {
                    content["from"] = json!(wa_id);
                }
                if let Some(bsuid) = &self.bsuid {
                    content["from_user_id"] = json!(bsuid);
                }
                content
            };
            tell("messages", "messages", theirs(message(text.wamid.clone(), 0, text.content())));
            for (after, change) in (1..).zip(&text.changes) {
                let id = format!("{}.change.{after}", text.wamid);
                tell("messages", "messages", theirs(message(id, after, change.of(&text.wamid))));
            }
            if let Some(echo) = &text.echo {
                let content = json!({"from": "5491150001234", "to": self.wa_id_at(place), "type": "text",
                    "text": {"body": echo.body}});
                tell("smb_message_echoes", "message_echoes", message(echo.wamid.clone(), ECHO, content));
                // Nobody gave Meta a key of ours: only the wamid says what they are about.
                for (after, status) in (ECHO..).zip(AGAINST_TIME) {
                    let status = json!({"status": status, "recipient_id": self.wa_id_at(place)});
                    tell("messages", "statuses", message(echo.wamid.clone(), after, status));
                }
            }
            if let (Some((former, after)), Some(wa_id)) = (&self.moves, &self.wa_id)
                && *after == place
            {
                let system = json!({"type": "user_changed_number", "wa_id": wa_id, "body": "cambió de número"});
                let content = json!({"from": former, "type": "system", "system": system});
                tell("messages", "messages", message(format!("{}.moved", text.wamid), MOVE, content));
            }
        }
        events
    }

    /// The number from which they write the message at this place.
    fn wa_id_at(&self, place: usize) -> Option<&str> {
        match &self.moves {
            Some((former, after)) if place <= *after => Some(former),
            _ => self.wa_id.as_deref(),
        }
    }

    /// Whether a webhook tells of what they wrote first, or first from their new number.
    pub(super) fn is_first(&self, event: &Event) -> bool {
        let firsts = self.moves.iter().flat_map(|(_, after)| [0, after + 1]);
        firsts.into_iter().any(|place| event.item["id"] == self.texts[place].wamid)
    }

    /// Whether a webhook tells of what they wrote from their new number.
    pub(super) fn is_after_move(&self, event: &Event) -> bool {
        let since = self.moves.as_ref().map_or(self.texts.len(), |(_, after)| after + 1);
        self.texts[since..].iter().any(|text| event.item["id"] == text.wamid)
    }

    /// Whether they change their number.
    pub(in crate::chaos) const fn moves(&self) -> bool {
        self.moves.is_some()
    }

    /// Whether these are this customer's identities, in the end.
    pub(in crate::chaos) fn is(&self, wa_id: Option<&str>, bsuid: Option<&str>) -> bool {
        self.wa_id.as_deref() == wa_id && self.bsuid.as_deref() == bsuid
    }
}
