//! Many tenants, with things of every kind, and what is to be known about them.

use crate::conversations::BUSINESS;
use crate::hub::{BEGIN, Hub, Tenant, user};
use crate::state::readable;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use recado_domain::callback::CallbackKey;
use recado_domain::ids::{ClientMessageId, MessageId, PhoneNumberId, TenantId, Wamid};
use recado_domain::message::MessageType;
use recado_domain::personal::Personal;
use recado_domain::tenant::Role;
use recado_store::{Answer, Claimed, Composed, ConversationStatus, Draft, LogScope, ParkedScope, Sender, Stored};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// How many tenants there are.
pub(crate) const TENANTS: usize = 50;

/// Stands in every text, name and address of a tenant, before its number; in no request of anybody.
const SECRET: &str = "secreto-";

/// The tenants on their hub.
pub(crate) struct Town {
    pub(crate) hub: Hub,
    pub(crate) tenants: Vec<Citizen>,
    owners: HashMap<String, usize>,
    /// What is stored for each tenant, as it was looked at last.
    known: Vec<BTreeMap<String, String>>,
}

/// A tenant, and the ids of what it has, by what they are ids of.
pub(crate) struct Citizen {
    pub(crate) tenant: Tenant,
    pub(crate) ids: BTreeMap<&'static str, Vec<String>>,
}

impl Citizen {
    /// One of its ids.
    pub(crate) fn id(&self, of: &str, random: &mut StdRng) -> &str {
        let ids = self.ids.get(of).unwrap_or_else(|| panic!("no id of a {of} is planted"));
        &ids[random.random_range(0..ids.len())]
    }
}

/// The tenant's webhook body with one element in one list; everything in it is what `id` says.
pub(crate) fn body(id: &mut dyn FnMut(&'static str) -> String, field: &str, list: &str, element: Value) -> Value {
    let contact = json!({"profile": {"name": "X"}, "wa_id": id("phone"), "user_id": id("bsuid")});
    let metadata = json!({"display_phone_number": id("display"), "phone_number_id": id("number")});
    let mut value = json!({"messaging_product": "whatsapp", "metadata": metadata, "contacts": [contact]});
    value[list] = json!([element]);
    json!({"id": id("waba"), "changes": [{"field": field, "value": value}]})
}

/// A webhook of these entries.
pub(crate) fn webhook(entries: &[Value]) -> Vec<u8> {
    json!({"object": "whatsapp_business_account", "entry": entries}).to_string().into_bytes()
}

/// What decides about the attempts: the same ones each time, unless `PROPTEST_RNG_SEED` asks for others.
pub(crate) fn random() -> StdRng {
    let mut runner = TestRunner::new(Config::default());
    StdRng::seed_from_u64(any::<u64>().new_tree(&mut runner).unwrap().current())
}

impl Town {
    /// A town of so many tenants.
    pub(crate) async fn new(tenants: usize) -> Self {
        let tenants: Vec<Tenant> = (0..tenants).map(tenant).collect();
        let hub = Hub::new(&tenants, 1).await;
        let mut citizens = Vec::new();
        for (place, tenant) in tenants.into_iter().enumerate() {
            citizens.push(furnish(&hub, place, tenant).await);
        }
        let mut owners = HashMap::new();
        for (place, Citizen { tenant, .. }) in citizens.iter().enumerate() {
            owners.insert(format!("TENANT#{}", tenant.id), place);
            owners.insert(format!("NUMBER#{}", tenant.number), place);
            owners.insert(format!("WABA#{}", tenant.waba), place);
            owners.extend(tenant.users.iter().map(|(user, _)| (format!("USER#{user}"), place)));
        }
        let mut town = Self { hub, tenants: citizens, owners, known: Vec::new() };
        town.known = town.look().await;
        town
    }

    /// Fails if anything of anybody but this tenant has changed since the last look, or if it has got hold of
    /// anything that somebody else wrote.
    pub(crate) async fn only(&mut self, attacker: usize) {
        let now = self.look().await;
        for (place, (before, after)) in self.known.iter().zip(&now).enumerate().filter(|(place, _)| *place != attacker)
        {
            let keys = before.keys().chain(after.keys());
            let changed: Vec<_> = keys
                .filter(|key| before.get(*key) != after.get(*key))
                .map(|key| format!("{key}\n    was {:?}\n    is  {:?}", before.get(key), after.get(key)))
                .take(4)
                .collect();
            assert!(changed.is_empty(), "tenant {attacker} reached tenant {place}:\n{}", changed.join("\n"));
        }
        for (key, item) in &now[attacker] {
            let foreign = foreign_secret(item, attacker);
            assert!(foreign.is_none(), "tenant {attacker} got hold of {foreign:?} in {key}: {item}");
        }
        self.known = now;
    }

    /// Takes what is there now for how everybody left it.
    pub(crate) async fn look_anew(&mut self) {
        self.known = self.look().await;
    }

    async fn look(&self) -> Vec<BTreeMap<String, String>> {
        let mut found = vec![BTreeMap::new(); self.tenants.len()];
        for item in self.hub.items().await {
            let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
            let (pk, sk) = (text("pk"), text("sk"));
            let first_two: Vec<&str> = pk.split('#').take(2).collect();
            if let Some(owner) = self.owners.get(&first_two.join("#")) {
                found[*owner].insert(format!("{pk} / {sk}"), Value::Object(readable(item)).to_string());
            }
        }
        found
    }
}

/// What a tenant wrote that is in a text of another one.
pub(crate) fn foreign_secret(text: &str, reader: usize) -> Option<&str> {
    let own = format!("{SECRET}{reader:02}");
    let mut found = text.match_indices(SECRET).map(|(start, _)| &text[start..text.len().min(start + own.len())]);
    found.find(|secret| **secret != own)
}

fn tenant(place: usize) -> Tenant {
    let person = |role: &str| format!("{role}-of-{place:02}-{SECRET}{place:02}");
    Tenant {
        // As far apart as ids are in life, whose beginnings are times.
        id: TenantId::from_bits((1_795_000_000_000 + place as u128) << 80 | (place as u128 + 1).pow(9)),
        number: format!("10987654{place:02}0001"),
        waba: format!("20987654{place:02}0002"),
        app: format!("app{place:02}"),
        users: vec![(person("admin"), Role::Admin), (person("agent"), Role::Agent), (person("viewer"), Role::Viewer)],
    }
}

/// Gives a tenant two customers, messages of every kind, files, statuses, and events that could not be applied.
async fn furnish(hub: &Hub, place: usize, tenant: Tenant) -> Citizen {
    let secret = |what: &str| format!("{SECRET}{place:02} {what}");
    let mut ids: BTreeMap<&'static str, Vec<String>> = BTreeMap::from([
        ("tenant", vec![tenant.id.to_string()]),
        ("number", vec![tenant.number.clone()]),
        ("waba", vec![tenant.waba.clone()]),
        ("app", vec![format!("6700{place:02}")]),
        ("display", vec![format!("54911500{place:02}000")]),
        ("phone", vec![format!("54911555{place:02}001"), format!("54911555{place:02}002")]),
        ("bsuid", vec![format!("AR.3000{place:02}1"), format!("AR.3000{place:02}2")]),
        ("media", vec![format!("7000{place:02}0001")]),
        ("group", vec![format!("group-{place:02}")]),
        ("template", vec![format!("16895569{place:02}")]),
        ("user", tenant.users.iter().map(|(user, _)| user.clone()).collect()),
        ("client", vec![format!("client-{place:02}-0"), format!("client-{place:02}-1")]),
    ]);
    let mut number = 0;
    let mut entries = Vec::new();
    for (who, kind) in
        [(0, "text"), (0, "image"), (1, "text"), (0, "group"), (0, "echo"), (0, "odd"), (0, "early"), (0, "other")]
    {
        number += 1;
        let wamid = format!("wamid.{place:02}.{number}");
        let mut id = |of: &'static str| ids[of][if of == "phone" || of == "bsuid" { who } else { 0 }].clone();
        let time = (BEGIN / 1000 + number).to_string();
        let words = json!({"body": secret(kind)});
        let said = json!({"id": wamid, "from": id("phone"), "from_user_id": id("bsuid"), "timestamp": time, "type": "text", "text": words});
        let mut message = |field: &str, list: &str, change: Value| {
            let mut message = said.clone();
            for (name, value) in change.as_object().unwrap() {
                message[name] = value.clone();
            }
            let mut entry = body(&mut id, field, list, message);
            entry["changes"][0]["value"]["contacts"][0]["profile"]["name"] = json!(secret("name"));
            entry
        };
        entries.push(match kind {
            "text" => message("messages", "messages", json!({})),
            "image" => {
                let image = json!({"id": ids["media"][0], "mime_type": "image/jpeg", "sha256": "x", "caption": secret("caption")});
                message("messages", "messages", json!({"type": "image", "image": image}))
            }
            "group" => message("messages", "messages", json!({"group_id": ids["group"][0]})),
            "echo" => {
                let to = json!({"from": BUSINESS, "from_user_id": null, "to": ids["phone"][0]});
                message("smb_message_echoes", "message_echoes", to)
            }
            "odd" => message("messages", "messages", json!({"timestamp": [secret("odd")]})),
            "early" => json!({"id": ids["waba"][0], "changes": [{"field": "messages", "value": {
                "metadata": {"phone_number_id": ids["number"][0]},
                "statuses": [{"id": wamid, "status": "delivered", "timestamp": time}]}}]}),
            _ => message("phone_number_name_update", "other", json!({})),
        });
        ids.entry("wamid").or_default().push(wamid);
    }
    assert_eq!(hub.post(&tenant.app, &webhook(&entries)).await, 200);
    hub.settle_queues().await;
    hub.set_time(60_000);
    let store = hub.tenant(&tenant).await;
    let conversations = store.inbox(ConversationStatus::Open, 10, None).await.unwrap().items;
    assert_eq!(conversations.len(), 2, "tenant {place} has other than two conversations");
    let add = |ids: &mut BTreeMap<&'static str, Vec<String>>, of, id: String| ids.entry(of).or_default().push(id);
    for (reply, conversation) in conversations.into_iter().enumerate() {
        add(&mut ids, "conversation", conversation.id.to_string());
        add(&mut ids, "contact", conversation.contact_id.to_string());
        for message in store.messages(conversation.id, 10, None).await.unwrap().items {
            add(&mut ids, "message", message.id.to_string());
            if let Some(taken) = store.take_up_media(message.id, 0, hub.now()).await.unwrap() {
                let object = format!("media/{}/{}/{}", tenant.id, message.id, ids["media"][0]);
                let stored = Stored { object, size: 7, mime_type: "image/jpeg".to_owned(), sha256: None };
                store.media_stored(&taken, &stored).await.unwrap();
            }
        }
        // One reply is sent, the other one still open.
        let id = conversation.id;
        let draft = Draft {
            client_message_id: ClientMessageId::parse(&ids["client"][reply]).unwrap(),
            kind: MessageType::Text,
            content: Personal::new(json!({ "text": secret("reply") })),
            preview: Personal::new(secret("reply")),
            sender: Sender { id: user(&ids["user"][1]), name: Personal::new(secret("agent")) },
        };
        let Composed::New(message) = store.compose(conversation, &draft, hub.now()).await.unwrap() else {
            panic!("it is the first of its name")
        };
        add(&mut ids, "message", message.id.to_string());
        add(&mut ids, "callback", CallbackKey { tenant: tenant.id, message: message.id, attempt: 1 }.to_string());
        if reply == 0 {
            let (_, entries) = store.open_outbox(id).await.unwrap().unwrap();
            let Claimed::Ours(claim) = store.claim(&entries[0], 1, hub.now()).await.unwrap() else {
                panic!("nobody else claims it")
            };
            let wamid = format!("wamid.{place:02}.sent");
            let (number_id, wamid_id) = (PhoneNumberId::parse(&tenant.number).unwrap(), Wamid::parse(&wamid).unwrap());
            let accepted = Answer::Accepted(wamid_id.clone());
            store.settle(&claim, &accepted, hub.now()).await.unwrap();
            add(&mut ids, "message", MessageId::of_wamid(&number_id, &wamid_id).to_string());
            add(&mut ids, "wamid", wamid);
        }
    }
    let day = hub.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let logged = hub.store.logged(LogScope::Tenant(tenant.id), day, 50, None, hub.now()).await.unwrap().items;
    let parked = hub.store.parked(&ParkedScope::Tenant(tenant.id)).await.unwrap();
    assert!(logged.len() >= 7 && parked.len() >= 2, "tenant {place}: {} logged, {} parked", logged.len(), parked.len());
    let events = logged.iter().map(|logged| logged.event).chain(parked.iter().map(|parked| parked.event));
    ids.insert("event", events.map(|event| event.to_string()).collect());
    Citizen { tenant, ids }
}
