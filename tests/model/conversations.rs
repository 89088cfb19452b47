//! Made-up conversations: who writes what when, and what Meta makes of it.

use crate::hub::{BEGIN, Tenant};
use proptest::prelude::*;
use proptest::sample::Index;
use recado_domain::callback::CallbackKey;
use recado_domain::ids::MessageId;
use recado_domain::tenant::Role;
use serde_json::{Value, json};

/// The business, as the samples know it.
pub(crate) const BUSINESS: &str = "5491150001234";

/// Everything that happens in one case.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) events: Vec<Event>,
    /// Whether no two events have the same time. Only then may a body be posted anew: of two messages of the
    /// same second, the one that was received first is the older one.
    pub(crate) is_ordered: bool,
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Which of the [`PEOPLE`] does it.
    who: usize,
    /// By what they are known this time.
    by: By,
    /// How many seconds after the beginning.
    at: i64,
    what: What,
}

/// What a webhook tells of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Both,
    Phone,
    Bsuid,
}

#[derive(Debug, Clone)]
enum What {
    Text,
    Keyword(bool),
    Image,
    FromAd,
    Quote(Index),
    React(Index, Option<u8>),
    Edit(Index),
    Revoke(Index),
    Standby,
    InGroup,
    Echo,
    EchoReact(Index),
    EchoRevoke(Index),
    /// What they wrote long ago, and once more what they wrote now.
    Past(Vec<Index>),
    Move,
    Prefer(bool),
    /// Of one of the messages to them: what became of it, and whether that carries our key.
    Status {
        of: usize,
        word: &'static str,
        code: i64,
        is_keyed: bool,
    },
    /// The same of what was written on the business's phone.
    EchoStatus(Index, &'static str),
    /// Meta's answer to the sending of one of the messages to them.
    Answer(usize),
    /// Something about the account.
    Other(&'static str),
    /// Signed by Meta, and of no use.
    Nonsense,
}

/// Somebody who writes.
struct Person {
    name: &'static str,
    phone: Option<&'static str>,
    bsuid: Option<&'static str>,
    /// Whether not every webhook tells both.
    varies: bool,
    /// What they are known by after they changed their number.
    later: Option<(&'static str, Option<&'static str>)>,
}

/// Everybody who writes. The first two were there before, and were written to; the first one also writes the sample
/// payloads.
const PEOPLE: [Person; 8] = [
    Person {
        name: "Ana",
        phone: Some("5491155551234"),
        bsuid: Some("AR.70921846350912837465"),
        varies: false,
        later: None,
    },
    Person { name: "Bruno", phone: Some("5491155550001"), bsuid: None, varies: false, later: None },
    Person { name: "Carla", phone: None, bsuid: Some("AR.1002"), varies: false, later: None },
    Person { name: "Diego", phone: Some("5491155550003"), bsuid: Some("AR.1003"), varies: true, later: None },
    Person {
        name: "Elsa",
        phone: Some("5491155550004"),
        bsuid: Some("AR.1004"),
        varies: true,
        later: Some(("5491166660004", Some("AR.2004"))),
    },
    Person {
        name: "Fede",
        phone: Some("5491155550005"),
        bsuid: None,
        varies: false,
        later: Some(("5491166660005", None)),
    },
    // One number, and in turn two people.
    Person { name: "Gabi", phone: Some("5491155550006"), bsuid: Some("AR.1006"), varies: false, later: None },
    Person { name: "Hugo", phone: Some("5491155550006"), bsuid: Some("AR.1007"), varies: false, later: None },
];

/// How many messages are on their way to customers when it begins; the first of them to Ana, and then in turn.
pub(crate) const SENT: usize = 3;

/// The ids under which Meta accepts them.
pub(crate) fn wamid_of_sent(place: usize) -> String {
    // The samples know one of them.
    const OF_THE_SAMPLES: &str = "wamid.HBgNNTQ5MTE1NTU1MTIzNBUCABEYEkVDOTY0RDNENDQ5NkVCQTU5MgA=";
    if place == 0 { OF_THE_SAMPLES.to_owned() } else { format!("wamid.sent{place}") }
}

/// Of the customers who were there before, the one to whom a message is on its way.
const fn sent_to(place: usize) -> usize {
    place % 2
}

/// The tenant of the sample payloads, and the other one.
pub(crate) fn tenants() -> [Tenant; 2] {
    let tenant = |id, number: &str, waba: &str| Tenant {
        id: recado_domain::ids::TenantId::from_bits(id),
        number: number.to_owned(),
        waba: waba.to_owned(),
        app: "default".to_owned(),
        users: vec![(format!("user-{id}"), Role::Admin)],
    };
    [tenant(1, "109876543210987", "102938475610293"), tenant(2, "209876543210988", "203847561029384")]
}

/// Anything that may happen.
pub(crate) fn any_story(events: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Story> {
    let story = (proptest::collection::vec(any_event(0..PEOPLE.len(), any_what().boxed()), events), any::<bool>());
    story.prop_map(|(events, is_ordered)| Story { events, is_ordered })
}

/// Few people who are not always known by the same, and mostly write.
pub(crate) fn any_story_of_identities(
    events: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = Story> {
    let what = prop_oneof![6 => Just(What::Text), 2 => Just(What::Move), 1 => any_what()].boxed();
    let events = proptest::collection::vec(any_event(3..6, what), events);
    events.prop_map(|events| Story { events, is_ordered: false })
}

fn any_event(people: std::ops::Range<usize>, what: BoxedStrategy<What>) -> impl Strategy<Value = Event> {
    let by = prop_oneof![2 => Just(By::Both), 1 => Just(By::Phone), 1 => Just(By::Bsuid)];
    (people, by, 0..30_i64, what).prop_map(|(who, by, at, what)| Event { who, by, at, what })
}

fn any_what() -> impl Strategy<Value = What> {
    let word = prop::sample::select(&["sent", "delivered", "read", "played", "failed"][..]);
    let code = prop::sample::select(&[131_026_i64, 131_047, 131_049][..]);
    let index = any::<Index>;
    prop_oneof![
        8 => Just(What::Text),
        1 => any::<bool>().prop_map(What::Keyword),
        2 => Just(What::Image),
        1 => Just(What::FromAd),
        1 => index().prop_map(What::Quote),
        3 => (index(), prop::option::of(0..4_u8)).prop_map(|(of, emoji)| What::React(of, emoji)),
        3 => index().prop_map(What::Edit),
        1 => index().prop_map(What::Revoke),
        1 => Just(What::Standby),
        1 => Just(What::InGroup),
        3 => Just(What::Echo),
        1 => index().prop_map(What::EchoReact),
        1 => index().prop_map(What::EchoRevoke),
        1 => prop::collection::vec(index(), 0..3).prop_map(What::Past),
        2 => Just(What::Move),
        1 => any::<bool>().prop_map(What::Prefer),
        6 => (0..SENT, word.clone(), code, any::<bool>())
            .prop_map(|(of, word, code, is_keyed)| What::Status { of, word, code, is_keyed }),
        1 => (index(), word).prop_map(|(of, word)| What::EchoStatus(of, word)),
        2 => (0..SENT).prop_map(What::Answer),
        1 => prop::sample::select(&["account_update", "phone_number_quality_update", "message_template_status_update"][..])
            .prop_map(What::Other),
        1 => Just(What::Nonsense),
    ]
}

/// What an event comes to.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// A webhook body.
    Body(Value),
    /// Meta's answer to one of the sends, at this time (in milliseconds after the beginning).
    Answer(usize, i64),
}

impl Story {
    /// What the event at a place comes to. `sent` are the messages on their way.
    pub(crate) fn told(&self, place: usize, sent: &[MessageId]) -> Told {
        let event = &self.events[place];
        let at = self.at(place);
        let from = self.known_by(place);
        // Who changes something is known by the same as when they said it: it would not make two contacts one.
        let by_author = |of: &Index| {
            let target = self.find(of, |other| self.is_by(other, event.who));
            self.known_as(place, target.map_or(event.by, |target| self.events[target].by))
        };
        let to_them = json!({"to": from["from"], "to_user_id": from["from_user_id"], "from": BUSINESS});
        let message = |kind: &str, content: Value| {
            let mut message = json!({"id": wamid(place), "timestamp": seconds(at), "type": kind});
            message[kind] = content;
            message
        };
        let text = || message("text", json!({"body": format!("line {place}")}));
        let messages = |message: Value| self.value(place, "messages", "messages", with(message, &from));
        let changes = |of: &Index, message: Value| {
            let from = by_author(of);
            let mut body = self.value(place, "messages", "messages", with(message, &from));
            let contact = &mut body["entry"][0]["changes"][0]["value"]["contacts"][0];
            (contact["wa_id"], contact["user_id"]) = (from["from"].clone(), from["from_user_id"].clone());
            body
        };
        let echoes =
            |message: Value| self.value(place, "smb_message_echoes", "message_echoes", with(message, &to_them));
        let is_own = |other| self.is_by(other, event.who);
        let own = |index: &Index| self.pick(index, is_own);
        // What nobody knows of yet can only be about something if it comes one day, or from somebody who is known.
        let has_own = event.who < 2 || (0..self.events.len()).any(is_own);
        let echoed = |index: &Index| self.pick(index, |other| matches!(self.events[other].what, What::Echo));
        let edit = |target: String| {
            let words = json!({"type": "text", "text": {"body": format!("line {place}, corrected")}});
            message("edit", json!({"original_message_id": target, "message": words}))
        };
        Told::Body(match &event.what {
            What::Move if self.moves_at(event.who) == Some(place) => return Told::Body(self.moving(place)),
            What::Answer(of) => return Told::Answer(*of, at * 1000 + 500),
            What::Text | What::Move => messages(text()),
            What::React(..) | What::Edit(_) | What::Revoke(_) if !has_own => messages(text()),
            What::Keyword(wanted) => messages(message("text", json!({"body": if *wanted { "ALTA" } else { "BAJA" }}))),
            What::Image => {
                let image =
                    json!({"id": format!("media{place}"), "mime_type": "image/jpeg", "sha256": "x", "caption": "look"});
                messages(message("image", image))
            }
            What::FromAd => {
                let ad = json!({"source_type": "ad", "source_id": format!("ad{place}"), "headline": "Service"});
                messages(with(text(), &json!({ "referral": ad })))
            }
            What::Quote(of) => {
                let quoted = self.pick(of, |_| true);
                messages(with(text(), &json!({"context": {"from": BUSINESS, "id": quoted}})))
            }
            What::React(to, emoji) => {
                let sent = (0..SENT).find(|sent| place.is_multiple_of(3) && sent_to(*sent) == event.who);
                let target = sent.map_or_else(|| own(to), wamid_of_sent);
                let emoji = emoji.map_or("", |emoji| ["👍", "❤️", "😮", "🙏"][usize::from(emoji)]);
                changes(to, message("reaction", json!({"message_id": target, "emoji": emoji})))
            }
            What::Edit(of) => changes(of, edit(own(of))),
            What::Revoke(of) => changes(of, message("revoke", json!({"original_message_id": own(of)}))),
            What::Standby => self.value(place, "standby", "standby", with(text(), &from)),
            What::InGroup => messages(with(text(), &json!({"group_id": "group-1"}))),
            What::Echo => echoes(text()),
            What::EchoReact(to) => echoes(message("reaction", json!({"message_id": own(to), "emoji": "🔧"}))),
            What::EchoRevoke(of) => echoes(message("revoke", json!({"original_message_id": echoed(of)}))),
            What::Past(of) => self.past(place, of),
            What::Prefer(wanted) => {
                // Likewise: a preference makes nobody known by more than they were.
                let from = self.known_as(place, if event.by == By::Both { By::Phone } else { event.by });
                let who = json!({"wa_id": from["from"], "user_id": from["from_user_id"]});
                let value = if *wanted { "resume" } else { "stop" };
                let said = json!({"category": "marketing_messages", "value": value, "timestamp": seconds(at)});
                self.value(place, "user_preferences", "user_preferences", with(said, &who))
            }
            What::Status { of, word, code, is_keyed } => {
                let mut status = self.status(place, &wamid_of_sent(*of), word, *code);
                if *is_keyed {
                    let key = CallbackKey { tenant: tenants()[0].id, message: sent[*of], attempt: 1 };
                    status["biz_opaque_callback_data"] = json!(key.to_string());
                }
                self.value(place, "messages", "statuses", status)
            }
            What::EchoStatus(of, word) => {
                self.value(place, "messages", "statuses", self.status(place, &echoed(of), word, 131_026))
            }
            What::Other(field) => {
                let value = json!({"event": "TRIED", "place": place});
                json!({"object": "whatsapp_business_account", "entry": [{"id": tenants()[0].waba, "time": BEGIN / 1000 + at,
                    "changes": [{"field": field, "value": value}]}]})
            }
            What::Nonsense => self.value(place, "messages", "messages", json!({"id": [place], "type": 7})),
        })
    }

    /// When the event at a place happens, in seconds after the beginning.
    fn at(&self, place: usize) -> i64 {
        let at = self.events[place].at;
        if self.is_ordered { at * 1000 + i64::try_from(place).unwrap() } else { at }
    }

    fn is_by(&self, place: usize, who: usize) -> bool {
        let Event { who: author, what, .. } = &self.events[place];
        *author == who && matches!(what, What::Text | What::Image | What::Quote(_) | What::Standby)
    }

    /// One of the events for which this holds.
    fn find(&self, index: &Index, holds: impl Fn(usize) -> bool) -> Option<usize> {
        let places: Vec<_> = (0..self.events.len()).filter(|place| holds(*place)).collect();
        (!places.is_empty()).then(|| *index.get(&places))
    }

    /// Meta's id of one of the messages for which this holds; of none that ever comes, if there is none.
    fn pick(&self, index: &Index, holds: impl Fn(usize) -> bool) -> String {
        self.find(index, holds).map_or_else(|| "wamid.never".to_owned(), wamid)
    }

    /// The place of the event at which somebody changes their number.
    fn moves_at(&self, who: usize) -> Option<usize> {
        PEOPLE[who].later?;
        self.events.iter().position(|event| event.who == who && matches!(event.what, What::Move))
    }

    /// What Meta says of who does the event.
    fn known_by(&self, place: usize) -> Value {
        self.known_as(place, self.events[place].by)
    }

    fn known_as(&self, place: usize, by: By) -> Value {
        let who = self.events[place].who;
        let Person { phone, bsuid, varies, later, .. } = PEOPLE[who];
        let has_moved = self.moves_at(who).is_some_and(|moves| self.at(moves) < self.at(place));
        let (phone, bsuid) = match later {
            Some((phone, bsuid)) if has_moved => (Some(phone), bsuid),
            _ => (phone, bsuid),
        };
        let mut known = json!({});
        if let Some(phone) = phone.filter(|_| !varies || by != By::Bsuid) {
            known["from"] = json!(phone);
        }
        if let Some(bsuid) = bsuid.filter(|_| !varies || by != By::Phone) {
            known["from_user_id"] = json!(bsuid);
        }
        known
    }

    fn moving(&self, place: usize) -> Value {
        let Person { phone, bsuid, later, .. } = PEOPLE[self.events[place].who];
        let (new_phone, new_bsuid) = later.expect("only who has another number changes it");
        let mut system = json!({"type": "user_changed_number", "body": "changed", "wa_id": new_phone});
        if let (Some(before), Some(after)) = (bsuid, new_bsuid) {
            system["user_id"] = json!(after);
            system["previous_user_id"] = json!(before);
        }
        let message = json!({"id": wamid(place), "from": phone, "timestamp": seconds(self.at(place)), "type": "system",
            "system": system});
        self.value(place, "messages", "messages", message)
    }

    /// A piece of history: two old lines, and some that come as new ones as well.
    fn past(&self, place: usize, of: &[Index]) -> Value {
        let who = self.events[place].who;
        // Only a phone names a thread here, and whoever moved is not asked about.
        let Person { phone: Some(phone), varies: false, later: None, bsuid, .. } = PEOPLE[who] else {
            return self.value(place, "history", "history", json!({"metadata": {"phase": 0}, "threads": []}));
        };
        let line = |wamid: String, at: i64, words: String| {
            json!({"id": wamid, "from": phone, "timestamp": seconds(at), "type": "text", "text": {"body": words},
                "history_context": {"status": "READ"}})
        };
        let old = i64::try_from(place).unwrap() - 10_000;
        let mut lines = vec![line(format!("wamid.old{place}"), old, format!("old {place}"))];
        let mut answer = line(format!("wamid.answer{place}"), old + 1000, format!("answer {place}"));
        answer["from"] = json!(BUSINESS);
        answer["to"] = json!(phone);
        lines.push(answer);
        let texts: Vec<_> = (0..self.events.len())
            .filter(|other| self.events[*other].who == who && matches!(self.events[*other].what, What::Text))
            .collect();
        // Where the past and the present overlap, whichever comes first decides the place within a second.
        for index in of.iter().filter(|_| self.is_ordered && !texts.is_empty()) {
            let other = *index.get(&texts);
            lines.push(line(wamid(other), self.at(other), format!("line {other}")));
        }
        let context = json!({"wa_id": phone, "user_id": bsuid});
        let thread = json!({"id": phone, "context": context, "messages": lines});
        self.value(place, "history", "history", json!({"metadata": {"phase": 0}, "threads": [thread]}))
    }

    fn status(&self, place: usize, wamid: &str, word: &str, code: i64) -> Value {
        let mut status = json!({"id": wamid, "status": word, "timestamp": seconds(self.at(place)),
            "recipient_id": PEOPLE[self.events[place].who].phone});
        if word == "failed" {
            status["errors"] = json!([{"code": code, "title": "no"}]);
        }
        status
    }

    /// A webhook body with one element in one list.
    fn value(&self, place: usize, field: &str, list: &str, element: Value) -> Value {
        let person = &PEOPLE[self.events[place].who];
        let known = self.known_by(place);
        // Names change: the newest message's is shown.
        let name = format!("{} {}", person.name, place % 3);
        let contact = json!({"profile": {"name": name}, "wa_id": known["from"], "user_id": known["from_user_id"]});
        let [tenant, _] = tenants();
        let mut value = json!({"messaging_product": "whatsapp", "contacts": [contact],
            "metadata": {"display_phone_number": BUSINESS, "phone_number_id": tenant.number}});
        value[list] = json!([element]);
        json!({"object": "whatsapp_business_account",
            "entry": [{"id": tenant.waba, "changes": [{"field": field, "value": value}]}]})
    }
}

/// The webhook body with which somebody begins their conversation, before everything else.
pub(crate) fn first_words(who: usize) -> Value {
    let event = Event { who, by: By::Both, at: -1000, what: What::Text };
    let story = Story { events: vec![event], is_ordered: false };
    let Told::Body(mut body) = story.told(0, &[]) else { unreachable!("a text is a body") };
    body["entry"][0]["changes"][0]["value"]["messages"][0]["id"] = json!(format!("wamid.first{who}"));
    body
}

/// A customer who writes three times, and is called something else each time.
pub(crate) fn renamed_thrice() -> Story {
    texts(&[(2, 0), (2, 1), (2, 2)])
}

/// Two people with one phone, of whom this one or the other one writes at these times.
pub(crate) fn one_phone(turns: &[(bool, i64)]) -> Story {
    let turns: Vec<_> = turns.iter().map(|(is_other, at)| (if *is_other { 7 } else { 6 }, *at)).collect();
    texts(&turns)
}

/// Texts, by whom and when.
fn texts(of: &[(usize, i64)]) -> Story {
    let event = |(who, at): &(usize, i64)| Event { who: *who, by: By::Both, at: *at, what: What::Text };
    Story { events: of.iter().map(event).collect(), is_ordered: false }
}

/// Meta's id of what happens at a place.
fn wamid(place: usize) -> String {
    format!("wamid.at{place}")
}

fn seconds(after: i64) -> String {
    (BEGIN / 1000 + after).to_string()
}

/// An object with the members of another one.
fn with(mut object: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        object[name] = value.clone();
    }
    object
}
