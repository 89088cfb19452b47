//! Whatever the order in which it comes, however often, and in whatever batches: it ends the same.
//!
//! A case is told twice. First as it happened: every event once, one by one, and everything works. Then with every
//! event once to four times, in any order, in batches of up to ten, by two sets of workers at the same time, with
//! calls to the table that fail before or after their effect; what failed is delivered again until nothing does.
//! Both must leave the same behind. [`State`] says what does not count.

use crate::conversations::{
    SENT, Story, Told, any_story, any_story_of_identities, first_words, one_phone, renamed_thrice, tenants,
    wamid_of_sent,
};
use crate::how_many;
use crate::hub::{BEGIN, Hub, Record};
use crate::state::State;
use crate::wire::Faults;
use futures_util::future::join;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use recado_domain::ids::{ClientMessageId, MessageId, Wamid};
use recado_domain::message::MessageType;
use recado_domain::personal::Personal;
use recado_store::{Answer, Claim, Claimed, Composed, ConversationStatus, Draft, Sender};
use recado_testkit::samples;
use serde_json::json;
use std::cell::RefCell;

/// From when on what was posted is posted anew, in milliseconds after the beginning.
const ANEW: i64 = 10_000_000_000;

/// When the sweep comes, in milliseconds after the beginning: all else is over by then.
const SWEPT: i64 = 7_200_000;

/// Once so many rounds have gone wrong, nothing does any more.
const PATIENCE: usize = 60;

/// One thing to be done, in any order.
#[derive(Debug, Clone)]
enum Task {
    /// A worker is given this.
    Record(Record),
    /// The sender hears that Meta has accepted a message, at this time.
    Answer(usize, Timestamp),
}

/// A case: what is told, and how.
#[derive(Debug, Clone)]
struct Case<T> {
    told: T,
    /// Decides about order, copies, batches and faults.
    seed: u64,
    /// How many calls of a thousand go wrong.
    faults: u32,
    /// How often the clients try each call.
    attempts: u32,
}

fn any_case<T: std::fmt::Debug>(told: impl Strategy<Value = T>) -> impl Strategy<Value = Case<T>> {
    let faults = prop::sample::select(&[0_u32, 20, 100][..]);
    let attempts = prop::sample::select(&[1_u32, 3][..]);
    (told, any::<u64>(), faults, attempts).prop_map(|(told, seed, faults, attempts)| Case {
        told,
        seed,
        faults,
        attempts,
    })
}

/// What a test has done, for its closing line.
#[derive(Debug, Default)]
struct Count {
    cases: u64,
    events: u64,
    deliveries: u64,
    batches: u64,
    faults: u64,
    items: usize,
}

/// A hub with two customers who have begun, and three messages on their way to them.
struct Stage {
    hub: Hub,
    claims: Vec<Claim>,
}

impl Stage {
    async fn new(attempts: u32) -> Self {
        let [tenant, other] = tenants();
        let hub = Hub::new(&[tenant.clone(), other], attempts).await;
        for who in 0..2 {
            assert_eq!(hub.post("default", first_words(who).to_string().as_bytes()).await, 200);
            hub.settle_queues().await;
        }
        let store = hub.tenant(&tenant).await;
        let mut conversations = store.inbox(ConversationStatus::Open, 10, None).await.unwrap().items;
        conversations.sort_by(|one, other| {
            one.contact.wa_id.as_ref().map(|id| id.as_str()).cmp(&other.contact.wa_id.as_ref().map(|id| id.as_str()))
        });
        let mut claims = Vec::new();
        for place in 0..SENT {
            let id = conversations[place % 2].id;
            let draft = Draft {
                client_message_id: ClientMessageId::parse(format!("sent-{place}")).unwrap(),
                kind: MessageType::Text,
                content: Personal::new(json!({ "text": format!("reply {place}") })),
                preview: Personal::new(format!("reply {place}")),
                sender: Sender { id: crate::hub::user("user-1"), name: Personal::new("Ana".to_owned()) },
            };
            let known = store.conversation(id).await.unwrap().unwrap();
            // In the order of the places, so that each is the oldest that is not claimed.
            hub.set_time(i64::try_from(place).unwrap());
            let Composed::New(message) = store.compose(known, &draft, hub.now()).await.unwrap() else {
                panic!("it is the first of its name")
            };
            let (_, entries) = store.open_outbox(id).await.unwrap().unwrap();
            let entry = entries.iter().find(|entry| entry.message() == message.id).unwrap();
            let Claimed::Ours(claim) = store.claim(entry, place as u128, hub.now()).await.unwrap() else {
                panic!("nobody else claims it")
            };
            claims.push(claim);
        }
        Self { hub, claims }
    }

    fn sent(&self) -> Vec<MessageId> {
        self.claims.iter().map(Claim::message).collect()
    }

    /// Does what a set of workers is given; returns what has to be done again.
    async fn work(&self, workers: usize, tasks: &[Task]) -> Vec<Task> {
        let records: Vec<Record> = tasks
            .iter()
            .filter_map(|task| match task {
                Task::Record(record) => Some(record.clone()),
                Task::Answer(..) => None,
            })
            .collect();
        let answers = async {
            let mut failed = Vec::new();
            for task in tasks {
                let Task::Answer(of, at) = task else { continue };
                let accepted = Answer::Accepted(Wamid::parse(wamid_of_sent(*of)).unwrap());
                let [tenant, _] = tenants();
                let Ok(Some(route)) =
                    self.hub.store.route(&recado_domain::ids::PhoneNumberId::parse(&tenant.number).unwrap()).await
                else {
                    failed.push(task.clone());
                    continue;
                };
                let store = self.hub.store.of_route(&route);
                if store.settle(&self.claims[*of], &accepted, *at).await.is_err() {
                    failed.push(task.clone());
                }
            }
            failed
        };
        let (failed, mut again) = join(self.hub.deliver(workers, &records), answers).await;
        again.extend(failed.into_iter().map(Task::Record));
        again
    }

    /// What is left in the end, when the minute sweep has looked at everything that waited.
    async fn state(&self, anew: Option<i64>) -> State {
        self.hub.set_time(SWEPT);
        self.hub.sweep().await;
        State::of(self.hub.items().await, anew)
    }

    /// Posts a body and returns what it puts on the queues.
    async fn post(&self, body: &[u8]) -> Vec<Task> {
        assert_eq!(self.hub.post("default", body).await, 200);
        self.hub.wire.take_queued().into_iter().map(Task::Record).collect()
    }
}

/// One body or answer.
enum Happening {
    Body(Vec<u8>),
    Answer(usize, Timestamp),
}

fn at(after: i64) -> Timestamp {
    Timestamp::from_millisecond(BEGIN + after).unwrap()
}

/// Tells it both ways and compares. `is_posted_anew`: whether some bodies may be posted once more, later.
async fn ends_alike<T>(
    case: &Case<T>,
    happenings: impl FnOnce(&[MessageId]) -> Vec<Happening>,
    is_posted_anew: bool,
    count: &RefCell<Count>,
) -> Result<(), TestCaseError> {
    let anew = is_posted_anew.then_some(BEGIN + ANEW);
    let one_by_one = Stage::new(case.attempts).await;
    let happenings = happenings(&one_by_one.sent());
    let mut tasks = Vec::new();
    for (place, happening) in (0..).zip(&happenings) {
        one_by_one.hub.set_time(1000 + 10 * place);
        let new = match happening {
            Happening::Body(body) => one_by_one.post(body).await,
            Happening::Answer(of, at) => vec![Task::Answer(*of, *at)],
        };
        for task in &new {
            let again = one_by_one.work(0, std::slice::from_ref(task)).await;
            prop_assert!(again.is_empty(), "one by one, with nothing going wrong, this failed: {:?}", again);
        }
        tasks.extend(new);
    }
    let expected = one_by_one.state(anew).await;

    let mut random = StdRng::seed_from_u64(case.seed);
    let stage = Stage::new(case.attempts).await;
    let mut open = Vec::new();
    for task in &tasks {
        open.extend(std::iter::repeat_n(task.clone(), random.random_range(1..=4)));
    }
    if is_posted_anew {
        for (place, happening) in (0..).zip(&happenings) {
            if let Happening::Body(body) = happening
                && random.random_bool(0.5)
            {
                stage.hub.set_time(ANEW + 10 * place);
                open.extend(stage.post(body).await);
            }
        }
    }
    stage.hub.wire.set_faults(Faults::of(random.random(), case.faults));
    let mut time = 2_000;
    let mut rounds = 0;
    let mut faults = 0;
    open.shuffle(&mut random);
    while !open.is_empty() {
        rounds += 1;
        if rounds == PATIENCE {
            faults += stage.hub.wire.set_faults(Faults::of(random.random(), 0)).count;
        }
        time += random.random_range(0..5_000);
        stage.hub.set_time(time);
        let mut batch = |most| open.split_off(open.len() - random.random_range(0..=most).min(open.len()));
        let (one, other) = (batch(10), batch(10));
        let (again, too) = join(stage.work(0, &one), stage.work(1, &other)).await;
        {
            let mut count = count.borrow_mut();
            count.deliveries += (one.len() + other.len()) as u64;
            count.batches += u64::from(!one.is_empty()) + u64::from(!other.is_empty());
        }
        if !again.is_empty() || !too.is_empty() {
            open.extend(again.into_iter().chain(too));
            open.shuffle(&mut random);
        }
    }
    faults += stage.hub.wire.set_faults(Faults::none()).count;
    let found = stage.state(anew).await;
    let mut count = count.borrow_mut();
    count.cases += 1;
    count.events += tasks.len() as u64;
    count.faults += faults;
    count.items += found.len();
    let difference = expected.difference(&found);
    prop_assert!(difference.is_empty(), "it ended differently:\n{}", difference);
    Ok(())
}

fn try_all<T: std::fmt::Debug>(
    name: &str,
    cases: u32,
    any: &impl Strategy<Value = Case<T>>,
    test: impl AsyncFn(&Case<T>, &RefCell<Count>) -> Result<(), TestCaseError>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let cases = how_many("RECADO_MODEL_CASES", cases);
    let mut runner = TestRunner::new(Config {
        cases,
        max_shrink_iters: how_many("PROPTEST_MAX_SHRINK_ITERS", 100),
        failure_persistence: None,
        ..Config::default()
    });
    let count = RefCell::new(Count::default());
    let outcome = runner.run(any, |case| runtime.block_on(test(&case, &count)));
    let Count { cases, events, deliveries, batches, faults, items } = count.into_inner();
    println!(
        "{name}: {cases} cases of {events} queue messages, delivered {deliveries} times in {batches} batches with \
         {faults} faults, left {items} items"
    );
    if let Err(error) = outcome {
        panic!("{name}: {error}");
    }
}

fn of_story(story: &Story, sent: &[MessageId]) -> Vec<Happening> {
    let happening = |place| match story.told(place, sent) {
        Told::Body(body) => Happening::Body(body.to_string().into_bytes()),
        Told::Answer(of, after) => Happening::Answer(of, at(after)),
    };
    (0..story.events.len()).map(happening).collect()
}

#[test]
fn whatever_is_said_ends_the_same_in_any_order() {
    try_all("stories", 120, &any_case(any_story(1..25)), async |case, count| {
        Box::pin(ends_alike(case, |sent| of_story(&case.told, sent), case.told.is_ordered, count)).await
    });
}

#[test]
fn whoever_says_it_ends_as_the_same_person_in_any_order() {
    try_all("identities", 150, &any_case(any_story_of_identities(2..16)), async |case, count| {
        Box::pin(ends_alike(case, |sent| of_story(&case.told, sent), false, count)).await
    });
}

#[test]
fn every_sample_ends_the_same_in_any_order() {
    // All samples are of the same second, in which nobody can both have changed their number and not have. Those who
    // change it are in the stories.
    let files = samples::manifest().into_iter().map(|sample| sample.file);
    let files: Vec<String> = files.filter(|file| !file.contains("changed_number")).collect();
    let all = files.len();
    let some = prop::sample::subsequence(files, 1..=all.min(40)).prop_shuffle();
    try_all("samples", 40, &any_case(some), async |case, count| {
        let bodies = |_: &[MessageId]| {
            let bodies = case.told.iter().map(|file| Happening::Body(samples::webhook(file)));
            bodies.chain([Happening::Answer(0, at(500))]).collect()
        };
        Box::pin(ends_alike(case, bodies, false, count)).await
    });
}

/// As many orders as there are, in one batch.
#[test]
fn whatever_the_order_in_a_batch_a_customer_is_called_what_the_newest_message_calls_them() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let stage = Stage::new(1).await;
            let mut texts = Vec::new();
            for place in 0..3 {
                let Told::Body(body) = renamed_thrice().told(place, &[]) else { unreachable!("a text is a body") };
                texts.extend(stage.post(body.to_string().as_bytes()).await);
            }
            assert!(stage.work(0, &order.map(|place| texts[place].clone())).await.is_empty(), "nothing goes wrong");
            let inbox = stage.hub.tenant(&tenants()[0]).await.inbox(ConversationStatus::Open, 10, None).await.unwrap();
            let names: Vec<_> = inbox
                .items
                .iter()
                .filter_map(|one| one.contact.name.as_ref())
                .map(|name| name.expose().as_str())
                .collect();
            assert!(names.contains(&"Carla 2"), "in the order {order:?}, the inbox calls them {names:?}");
        }
    });
}

/// As many orders as there are, one by one.
#[test]
fn whatever_the_order_a_phone_is_theirs_who_was_seen_with_it_last() {
    let (gabi, hugo) = (false, true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        for (turns, owner) in [
            ([(gabi, 1), (hugo, 5), (gabi, 10)], "Gabi"),
            ([(gabi, 1), (gabi, 5), (hugo, 10)], "Hugo"),
            ([(gabi, 1), (gabi, 5), (hugo, 5)], "Hugo"),
        ] {
            for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                let stage = Stage::new(1).await;
                for place in order {
                    let Told::Body(body) = one_phone(&turns).told(place, &[]) else { unreachable!("a text is a body") };
                    let text = stage.post(body.to_string().as_bytes()).await;
                    assert!(stage.work(0, &text).await.is_empty(), "nothing goes wrong");
                }
                let store = stage.hub.tenant(&tenants()[0]).await;
                let inbox = store.inbox(ConversationStatus::Open, 10, None).await.unwrap().items;
                for conversation in inbox {
                    let contact = store.contact(conversation.contact_id).await.unwrap().unwrap();
                    let name = conversation.contact.name.as_ref().unwrap().expose();
                    if !["Gabi", "Hugo"].iter().any(|one| name.starts_with(one)) {
                        continue;
                    }
                    let has_it = name.starts_with(owner);
                    let told = format!("of {turns:?} in the order {order:?}, whether {name} has {owner}'s phone");
                    assert_eq!(conversation.contact.wa_id.is_some(), has_it, "shown in the inbox, {told}");
                    assert_eq!(contact.identities.wa_id.is_some(), has_it, "of the contact, {told}");
                }
            }
        }
    });
}
