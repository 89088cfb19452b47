//! Webhooks that a tenant's own app signs, with ids of another tenant in them.

use crate::foreign::town::{TENANTS, Town, body, random, webhook};
use crate::how_many;
use crate::hub::{BEGIN, secret_of};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How many attempts are made before it is looked at what came of them.
const CHUNK: usize = 400;

/// How many attempts are in one body.
const IN_A_BODY: usize = 10;

/// Everything that a webhook may tell.
const KINDS: [&str; 22] = [
    "text",
    "reply",
    "image",
    "reaction",
    "edit",
    "revoke",
    "group",
    "standby",
    "system",
    "system-legacy",
    "echo",
    "echo-reaction",
    "echo-edit",
    "echo-revoke",
    "history",
    "status",
    "failure",
    "keyed-status",
    "preference",
    "template",
    "account",
    "handover",
];

/// One attempt: a webhook's entry in which each id is the attacker's own, or the victim's.
struct Attempt<'t> {
    town: &'t Town,
    attacker: usize,
    victim: usize,
    number: usize,
    random: &'t mut StdRng,
    /// Which ids are the victim's.
    swapped: BTreeSet<&'static str>,
    /// How many of them were asked for.
    used: usize,
}

impl Attempt<'_> {
    fn id(&mut self, of: &'static str) -> String {
        let kind = match of {
            "to" | "new phone" => "phone",
            "to bsuid" | "new bsuid" => "bsuid",
            "target" => "wamid",
            "entry" => "waba",
            other => other,
        };
        if self.swapped.contains(of) {
            self.used += 1;
            return self.town.tenants[self.victim].id(kind, self.random).to_owned();
        }
        match of {
            // What happens is new each time, or it would be passed over.
            "wamid" => format!("wamid.try{}", self.number),
            _ => self.town.tenants[self.attacker].id(kind, self.random).to_owned(),
        }
    }

    /// Asks for every id that may be in a webhook; each is the victim's with even odds.
    fn choose(&mut self) {
        const ALL: [&str; 17] = [
            "number",
            "waba",
            "display",
            "phone",
            "bsuid",
            "to",
            "to bsuid",
            "new phone",
            "new bsuid",
            "wamid",
            "target",
            "media",
            "callback",
            "template",
            "group",
            "entry",
            "tenant",
        ];
        self.swapped = ALL.into_iter().filter(|_| self.random.random_bool(0.5)).collect();
    }

    fn entry(&mut self, kind: &str) -> Value {
        let (wamid, time) = (self.id("wamid"), (BEGIN / 1000 + 100).to_string());
        let from = json!({"id": wamid, "from": self.id("phone"), "from_user_id": self.id("bsuid"), "timestamp": time});
        let of = |base: &Value, kind: &str, content: Value| {
            let mut message = base.clone();
            message["type"] = json!(kind);
            message[kind] = content;
            message
        };
        let words = json!({"body": format!("try {}", self.number)});
        let edited =
            |target: String| json!({"original_message_id": target, "message": {"type": "text", "text": words}});
        let (field, list, element) = match kind {
            "text" => ("messages", "messages", of(&from, "text", words)),
            "reply" => {
                let mut message = of(&from, "text", words);
                message["context"] = json!({"from": self.id("display"), "id": self.id("target")});
                ("messages", "messages", message)
            }
            "image" => {
                let image = json!({"id": self.id("media"), "mime_type": "image/jpeg", "sha256": "x"});
                ("messages", "messages", of(&from, "image", image))
            }
            "reaction" => {
                let reaction = json!({"message_id": self.id("target"), "emoji": "🔓"});
                ("messages", "messages", of(&from, "reaction", reaction))
            }
            "edit" => ("messages", "messages", of(&from, "edit", edited(self.id("target")))),
            "revoke" => {
                let revoke = json!({"original_message_id": self.id("target")});
                ("messages", "messages", of(&from, "revoke", revoke))
            }
            "group" => {
                let mut message = of(&from, "text", words);
                message["group_id"] = json!(self.id("group"));
                ("messages", "messages", message)
            }
            "standby" => ("standby", "standby", of(&from, "text", words)),
            "system" => {
                let system = json!({"type": "user_changed_number", "body": "x", "wa_id": self.id("new phone"),
                    "user_id": self.id("new bsuid"), "previous_user_id": self.id("bsuid")});
                ("messages", "messages", of(&from, "system", system))
            }
            "system-legacy" => {
                let system = json!({"type": "customer_changed_number", "body": "x", "new_wa_id": self.id("new phone"),
                    "customer": self.id("phone")});
                ("messages", "messages", of(&from, "system", system))
            }
            "echo" | "echo-reaction" | "echo-edit" | "echo-revoke" => {
                let mut to = from;
                to["from"] = json!(self.id("display"));
                to["to"] = json!(self.id("to"));
                to["to_user_id"] = json!(self.id("to bsuid"));
                let echo = match kind {
                    "echo" => of(&to, "text", words),
                    "echo-reaction" => of(&to, "reaction", json!({"message_id": self.id("target"), "emoji": "🔓"})),
                    "echo-edit" => of(&to, "edit", edited(self.id("target"))),
                    _ => of(&to, "revoke", json!({"original_message_id": self.id("target")})),
                };
                ("smb_message_echoes", "message_echoes", echo)
            }
            "history" => {
                let mut message = of(&from, "text", words);
                message["history_context"] = json!({"status": "READ"});
                let context = json!({"wa_id": self.id("to"), "user_id": self.id("to bsuid")});
                let thread = json!({"id": self.id("phone"), "context": context, "messages": [message]});
                ("history", "history", json!({"metadata": {"phase": 0}, "threads": [thread]}))
            }
            "status" | "failure" | "keyed-status" => {
                let mut status = json!({"id": self.id("target"), "status": "read", "timestamp": time,
                    "recipient_id": self.id("to"), "recipient_user_id": self.id("to bsuid")});
                if kind == "failure" {
                    status["status"] = json!("failed");
                    status["errors"] = json!([{"code": 131_026, "title": "x"}]);
                }
                if kind != "status" {
                    status["biz_opaque_callback_data"] = json!(self.id("callback"));
                }
                ("messages", "statuses", status)
            }
            "preference" => {
                let preference = json!({"wa_id": self.id("phone"), "user_id": self.id("bsuid"), "value": "stop",
                    "category": "marketing_messages", "timestamp": time});
                ("user_preferences", "user_preferences", preference)
            }
            "template" | "account" => {
                let field = if kind == "template" { "message_template_status_update" } else { "account_update" };
                let value = json!({"event": "DISABLED", "message_template_id": self.id("template"),
                    "phone_number": self.id("display"), "waba_info": {"waba_id": self.id("waba"), "owner_business_id": self.id("tenant")}});
                return json!({"id": self.id("entry"), "time": BEGIN / 1000, "changes": [{"field": field, "value": value}]});
            }
            _ => {
                let control = json!({"metadata": "x", "sender": {"phone_number": self.id("phone")}});
                ("messaging_handovers", "control_passed", control)
            }
        };
        body(&mut |of| self.id(of), field, list, element)
    }
}

#[test]
fn an_app_reaches_no_other_tenant_whatever_ids_its_webhooks_name() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let attempts = how_many("RECADO_MODEL_ATTEMPTS", 5_000) as usize;
        let mut town = Town::new(TENANTS).await;
        let mut random = random();
        let (mut made, mut ids, mut refused) = (0, 0, 0);
        while made < attempts {
            let attacker = random.random_range(0..town.tenants.len());
            for _ in 0..CHUNK / IN_A_BODY {
                let mut entries = Vec::new();
                while entries.len() < IN_A_BODY {
                    let victim = (attacker + random.random_range(1..town.tenants.len())) % town.tenants.len();
                    let kind = KINDS[random.random_range(0..KINDS.len())];
                    let mut attempt = Attempt {
                        town: &town, attacker, victim, number: made, random: &mut random, swapped: BTreeSet::new(), used: 0,
                    };
                    attempt.choose();
                    let entry = attempt.entry(kind);
                    // It is only an attempt if it names something of the other's.
                    if attempt.used > 0 {
                        ids += attempt.used;
                        made += 1;
                        entries.push(entry);
                    }
                }
                let (app, body) = (&town.tenants[attacker].tenant.app, webhook(&entries));
                let other = &town.tenants[(attacker + 1) % town.tenants.len()].tenant.app;
                if random.random_bool(0.02) {
                    // To another's app, with its own secret.
                    assert_eq!(town.hub.post_signed(other, &secret_of(app), &body).await, 401, "signed by {app} for {other}");
                    refused += IN_A_BODY;
                    continue;
                }
                assert_eq!(town.hub.post(app, &body).await, 200);
                town.hub.settle_queues().await;
            }
            town.only(attacker).await;
        }
        println!(
            "webhooks: {made} attempts with {ids} foreign ids between {} tenants ({refused} of them refused at the door), 0 crossed",
            town.tenants.len()
        );
    });
}
