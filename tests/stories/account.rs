//! What Meta says of templates, numbers and accounts, and what follows for the tenant.

use crate::world::{Tenant, eventually};
use account::Account;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use recado_domain::account::{AccountState, BanState, LinkState};
use recado_domain::ids::{AppKey, PhoneNumberId, TenantId, WabaId};
use recado_domain::number::NumberState;
use recado_domain::personal::Personal;
use recado_domain::template::{TemplateKey, TemplateState, TemplateStatus};
use recado_domain::tenant::Role;
use recado_store::{EventOutcome, LogScope, Notice, NumberStatus, ParkedScope, Registered, Store, TenantStore};
use recado_testkit::samples;
use recado_whatsapp::envelope::{Envelope, Item, Kind};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use stories::fresh_digits;
use stories::lab::{Home, Lab, archive_of, registration, sqs_event};

/// The second in which everything in the samples happened.
const TIME: i64 = 1_795_171_200;

/// The display number of the samples, which every number of the stories has.
const DISPLAY: &str = "5491150001234";

fn template_key() -> TemplateKey {
    TemplateKey::parse("job_scheduled", "es_AR").unwrap()
}

/// Everything that is known of a tenant's account, as far as this worker is concerned.
#[derive(Debug, PartialEq)]
struct Known {
    template: Option<TemplateState>,
    account: AccountState,
    number: NumberState,
    notices: Vec<(String, String, Personal<String>)>,
}

impl Known {
    async fn of(store: &TenantStore, waba: &WabaId, number: &PhoneNumberId, now: Timestamp) -> Self {
        let notices = store.notices(now).await.unwrap();
        let told = |notice: Notice| (notice.field, notice.event, notice.payload);
        Self {
            template: store.template(waba, &template_key()).await.unwrap().map(|template| template.state),
            account: store.account(waba).await.unwrap(),
            number: store.number_state(number).await.unwrap(),
            notices: notices.into_iter().map(|notice| told(notice.value)).collect(),
        }
    }

    fn status(&self) -> Option<&TemplateStatus> {
        self.template.as_ref().and_then(|template| template.standing()).map(|standing| &standing.status)
    }

    fn events(&self) -> Vec<&str> {
        self.notices.iter().map(|(_, event, _)| event.as_str()).collect()
    }
}

// On the running stack, through the signed webhook.

impl Tenant {
    fn id(&self) -> TenantId {
        TenantId::parse(&self.tenant_id).unwrap()
    }

    /// A sample that names this tenant's account.
    fn sample(&self, file: &str) -> Value {
        let body = String::from_utf8(samples::webhook(file)).unwrap();
        serde_json::from_str(&body.replace("102938475610293", &self.waba_id)).unwrap()
    }

    async fn post(&self, body: &Value) {
        assert_eq!(self.stack.post_webhook(body.to_string().as_bytes()).await.status, 200, "{body}");
    }

    /// Waits until so many events have been through the worker, and tells what became of each.
    async fn outcomes(&self, count: usize) -> Vec<EventOutcome> {
        let store = Lab::store_of(&self.stack);
        eventually(&format!("{count} events in the tenant's log"), async || {
            let day = now().to_zoned(jiff::tz::TimeZone::UTC).date();
            let page = store.logged(LogScope::Tenant(self.id()), day, 100, None, now()).await;
            let outcomes: Vec<_> = page.unwrap().items.iter().map(|logged| logged.outcome).collect();
            if outcomes.len() == count { Ok(outcomes) } else { Err(format!("{}", outcomes.len())) }
        })
        .await
    }

    async fn known(&self) -> Known {
        let store = Lab::store_of(&self.stack);
        let number = PhoneNumberId::parse(&self.phone_number_id).unwrap();
        let route = store.route(&number).await.unwrap().unwrap();
        Known::of(&store.of_route(&route), &WabaId::parse(&self.waba_id).unwrap(), &number, now()).await
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(crate::world::now()).unwrap()
}

/// One sample of each field.
const SAMPLES: [&str; 12] = [
    "account_alerts.json",
    "account_review_update.json",
    "account_update_disabled.json",
    "account_update_partner_removed.json",
    "business_capability_update.json",
    "phone_number_name_update.json",
    "phone_number_quality_update.json",
    "security_pin.json",
    "template_category_completed.json",
    "template_components.json",
    "template_quality.json",
    "template_status_rejected.json",
];

#[tokio::test]
async fn every_field_changes_its_tenants_state_once_and_nobody_elses() {
    let (tenant, other) = (Tenant::new().await, Tenant::new().await);
    for file in SAMPLES {
        tenant.post(&tenant.sample(file)).await;
    }
    let outcomes = tenant.outcomes(SAMPLES.len()).await;
    assert!(outcomes.iter().all(|outcome| *outcome == EventOutcome::Applied), "not applied: {outcomes:?}");
    let known = tenant.known().await;

    let template = known.template.as_ref().expect("an event about a template that nobody knew makes it known");
    let standing = template.standing().unwrap();
    assert_eq!((&standing.status, standing.reason.as_deref()), (&TemplateStatus::Rejected, Some("INVALID_FORMAT")));
    assert_eq!(standing.details.as_deref(), Some("Los parámetros están pegados entre sí."));
    assert_eq!(template.wa_template_id().unwrap().as_str(), "1689556900000001");
    assert_eq!((template.quality(), template.category()), (Some("YELLOW"), Some("MARKETING")));
    assert_eq!(template.components().unwrap()[1]["text"], "Hola {{1}}, tu visita es el {{2}}.");

    let limit = &known.number.limit.as_ref().unwrap().value;
    assert_eq!((limit.tier.as_deref(), limit.max_daily_conversations), (Some("TIER_10K"), Some(10_000)));
    assert_eq!(known.number.name_review.as_ref().unwrap().value.decision, "REJECTED");
    assert_eq!(known.number.verified_name, None, "a name that was refused is not the number's name");

    assert_eq!(known.account.ban.as_ref().unwrap().value.state, BanState::Disabled);
    assert_eq!(known.account.link.as_ref().unwrap().value.state, LinkState::Removed);
    assert_eq!(known.account.review.as_ref().unwrap().value.decision, "APPROVED");
    assert_eq!(known.account.capability.as_ref().unwrap().value.max_daily_conversations, Some(2_000));
    let expected = ["OBA_APPROVED", "DISABLED_UPDATE", "PARTNER_REMOVED", "PIN_RESET_REQUEST"];
    assert_eq!(known.events(), expected);

    for file in SAMPLES {
        tenant.post(&tenant.sample(file)).await;
    }
    tenant.outcomes(2 * SAMPLES.len()).await;
    assert_eq!(tenant.known().await, known, "the same events once more have changed something");
    let untouched = other.known().await;
    assert_eq!((untouched.template, untouched.notices), (None, Vec::new()), "another tenant's state changed");
    assert_eq!((untouched.account, untouched.number), (AccountState::default(), NumberState::default()));
}

#[tokio::test]
async fn an_older_event_that_comes_late_changes_nothing() {
    let tenant = Tenant::new().await;
    let at = |file: &str, second: i64| {
        let mut body = tenant.sample(file);
        body["entry"][0]["time"] = json!(second);
        body
    };
    tenant.post(&at("template_status_approved.json", TIME + 10)).await;
    tenant.post(&at("account_update_reinstated.json", TIME + 10)).await;
    tenant.outcomes(2).await;
    let known = tenant.known().await;
    assert_eq!(known.status(), Some(&TemplateStatus::Approved));
    tenant.post(&at("template_status_paused.json", TIME)).await;
    tenant.post(&at("account_update_disabled.json", TIME)).await;
    tenant.outcomes(4).await;
    assert_eq!(tenant.known().await, known, "an older event has changed what a newer one told");
    tenant.post(&at("template_status_paused.json", TIME + 11)).await;
    tenant.outcomes(5).await;
    assert_eq!(tenant.known().await.status(), Some(&TemplateStatus::Paused), "a newer event was not taken");
}

#[tokio::test]
async fn a_field_that_nobody_knows_and_a_value_that_nobody_understands_are_kept_with_the_accounts_tenant() {
    let tenant = Tenant::new().await;
    let mut unknown = tenant.sample("account_review_update.json");
    unknown["entry"][0]["changes"][0] = json!({"field": "brand_new", "value": {"thing": 17}});
    let mut unreadable = tenant.sample("account_update_deleted.json");
    unreadable["entry"][0]["changes"][0]["value"] = json!({"event": "SOMETHING_NEW"});
    let mut timeless = tenant.sample("template_status_approved.json");
    timeless["entry"][0].as_object_mut().unwrap().remove("time");
    for body in [&unknown, &unreadable, &timeless] {
        tenant.post(body).await;
    }
    let outcomes = tenant.outcomes(3).await;
    assert!(outcomes.iter().all(|outcome| *outcome == EventOutcome::Parked), "not kept: {outcomes:?}");
    let answer = tenant.stack.get(&tenant.admin, "/parked").await;
    let mut reasons: Vec<_> =
        answer.body["items"].as_array().unwrap().iter().map(|item| item["reason"].as_str().unwrap()).collect();
    reasons.sort_unstable();
    let expected = [
        "a value of `account_update`: it is of an event that we do not know",
        "a value of `message_template_status_update`: it has no time",
        "the field `brand_new` is kept, but not applied yet",
    ];
    assert_eq!(reasons, expected);
    assert_eq!(tenant.known().await.template, None, "what has no time must not be applied");
}

// The worker's own code, on a table of a story's own.

/// The queue message of a value that names an account.
fn event(waba: &WabaId, app: &str, field: &str, time: i64, value: &Value) -> String {
    let raw = RawValue::from_string(value.to_string()).unwrap();
    let item = Item {
        waba_id: Some(waba.as_str().into()),
        field: Some(field.into()),
        time: Some(time),
        ..Item::new(Kind::Other, &raw)
    };
    Envelope::new(app.into(), time * 1000, item).to_message()
}

fn template_status(word: &str) -> Value {
    json!({"event": word, "message_template_id": 1, "message_template_name": "job_scheduled",
        "message_template_language": "es_AR", "message_template_category": "UTILITY"})
}

fn ban(state: &str) -> Value {
    json!({"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": state}})
}

fn worker(lab: &Lab) -> Account {
    Account::new(lab.store.clone(), archive_of(&lab.stack), lab.clock())
}

async fn deliver(account: &Account, bodies: &[String]) {
    let response = account.handle(sqs_event(bodies)).await;
    assert!(response.batch_item_failures.is_empty(), "not taken: {response:?}");
}

/// Another tenant with a number in this account. The number is shown like this.
async fn neighbour(store: &Store, waba: &WabaId, app: &str, display: &str) -> (TenantStore, PhoneNumberId) {
    let number = PhoneNumberId::parse(fresh_digits()).unwrap();
    let home = Home { number: number.clone(), waba: waba.clone(), app: AppKey::parse(app).unwrap() };
    let user = format!("user-{}", number.as_str());
    let mut new = registration(TenantId::from_bits(rand::random()), home, vec![0], &[(&user, Role::Admin)]);
    new.number.as_mut().unwrap().display_phone_number = Some(display.to_owned());
    assert_eq!(store.register(&new, Timestamp::UNIX_EPOCH).await.unwrap(), Registered::Done);
    let route = store.route(&number).await.unwrap().unwrap();
    (store.of_route(&route), number)
}

#[tokio::test]
async fn every_order_repetition_and_interleaving_of_a_weeks_events_ends_in_the_same_state() {
    let lab = Lab::new().await;
    let events = |waba: &WabaId| {
        let template = |quality: &str| {
            json!({"new_quality_score": quality, "message_template_id": 1, "message_template_name": "job_scheduled",
                "message_template_language": "es_AR"})
        };
        let number = |value: Value| {
            let mut value = value;
            value["display_phone_number"] = json!(DISPLAY);
            value
        };
        let of = |field: &str, time: i64, value: Value| event(waba, "default", field, TIME + time, &value);
        vec![
            of("message_template_status_update", 0, template_status("PENDING")),
            of("message_template_status_update", 0, template_status("APPROVED")),
            of("message_template_status_update", 5, template_status("PAUSED")),
            of("message_template_status_update", 5, template_status("FLAGGED")),
            of("message_template_quality_update", 3, template("YELLOW")),
            of("message_template_quality_update", 3, template("RED")),
            of("phone_number_quality_update", 1, number(json!({"event": "UPGRADE", "current_limit": "TIER_10K"}))),
            of("phone_number_quality_update", 2, number(json!({"event": "FLAGGED", "current_limit": "TIER_2K"}))),
            of("account_update", 4, ban("DISABLE")),
            of("account_update", 6, ban("REINSTATE")),
            of("account_update", 6, json!({"event": "PARTNER_ADDED"})),
            of(
                "account_update",
                2,
                json!({"event": "ACCOUNT_RESTRICTION", "restriction_info":
                [{"restriction_type": "RESTRICTED_UTILITY_TEMPLATES", "expiration": TIME + 60}]}),
            ),
            of(
                "account_update",
                1,
                json!({"event": "ACCOUNT_RESTRICTION", "restriction_info":
                [{"restriction_type": "RESTRICTED_UTILITY_TEMPLATES"}]}),
            ),
            of("security", 1, number(json!({"event": "PIN_CHANGED", "requester": "1"}))),
            of("security", 2, number(json!({"event": "PIN_CHANGED", "requester": "2"}))),
        ]
    };
    let mut first: Option<Known> = None;
    for seed in 0..16 {
        let waba = WabaId::parse(fresh_digits()).unwrap();
        let (store, number) = neighbour(&lab.store, &waba, "default", "+54 9 11 5000-1234").await;
        let mut order = StdRng::seed_from_u64(seed);
        let mut bodies = events(&waba);
        for _ in 0..bodies.len() / 2 {
            bodies.push(bodies[order.random_range(0..bodies.len())].clone());
        }
        bodies.shuffle(&mut order);
        // Two workers side by side, and within a batch everything at once.
        let (one, other) = (worker(&lab), worker(&lab));
        let batches = bodies.chunks(5).enumerate();
        let deliveries = batches.map(|(place, batch)| deliver(if place % 2 == 0 { &one } else { &other }, batch));
        if seed % 2 == 0 {
            join_all(deliveries).await;
        } else {
            for delivery in deliveries {
                delivery.await;
            }
        }
        let known = Known::of(&store, &waba, &number, lab.now()).await;
        assert_eq!(known.status(), Some(&TemplateStatus::Paused), "seed {seed}");
        assert_eq!(known.account.ban.as_ref().unwrap().value.state, BanState::Reinstated, "seed {seed}");
        match &first {
            Some(first) => assert_eq!(&known, first, "seed {seed} ended in another state than seed 0"),
            None => first = Some(known),
        }
    }
    assert!(lab.parked().await.is_empty(), "something was parked");
}

#[tokio::test]
async fn an_app_that_does_not_receive_for_an_account_cannot_speak_for_it() {
    let lab = Lab::new().await;
    let waba = lab.occupant().waba.clone();
    let bodies = [
        event(&waba, "another-app", "message_template_status_update", TIME, &template_status("DISABLED")),
        event(&waba, "another-app", "account_update", TIME, &ban("DISABLE")),
        // Signed for an account of its own, the value names the victim's.
        event(
            &WabaId::parse("1").unwrap(),
            "another-app",
            "account_update",
            TIME,
            &json!({"event": "PARTNER_REMOVED", "waba_info": {"waba_id": waba.as_str()}}),
        ),
    ];
    deliver(&worker(&lab), &bodies).await;
    let parked = lab.store.parked(&ParkedScope::Nobody).await.unwrap();
    let reasons: Vec<_> = parked.iter().map(|item| item.reason.as_str()).collect();
    assert_eq!(reasons, ["the app that signed does not receive for the account"; 3]);
    let known = Known::of(&lab.tenant().await, &waba, &lab.number, lab.now()).await;
    assert_eq!((known.template, known.account), (None, AccountState::default()), "a foreign app got through");

    let nobodys = event(&WabaId::parse("1").unwrap(), "default", "account_update", TIME, &ban("DISABLE"));
    deliver(&worker(&lab), &[nobodys]).await;
    let parked = lab.store.parked(&ParkedScope::Nobody).await.unwrap();
    assert!(parked.iter().any(|item| item.reason == "nobody owns the account"), "{parked:?}");
}

#[tokio::test]
async fn tenants_that_share_an_account_share_what_is_said_of_it_but_not_what_is_said_of_a_number() {
    let lab = Lab::new().await;
    let waba = lab.occupant().waba.clone();
    let (neighbour, theirs) = neighbour(&lab.store, &waba, "default", "+54 9 351 555-0077").await;
    let pin = |display: &str| json!({"display_phone_number": display, "event": "PIN_CHANGED", "requester": "1"});
    let alert = |number: &PhoneNumberId| json!({"entity_type": "PHONE_NUMBER", "entity_id": number.as_str(), "alert_info": {"alert_type": "SOME_ALERT"}});
    let bodies = [
        event(&waba, "default", "message_template_status_update", TIME, &template_status("APPROVED")),
        event(&waba, "default", "security", TIME, &pin("543515550077")),
        event(&waba, "default", "account_alerts", TIME, &alert(&lab.number)),
        event(&waba, "default", "security", TIME, &pin("5491199990000")),
        event(&waba, "default", "brand_new", TIME, &json!({"thing": 17})),
    ];
    deliver(&worker(&lab), &bodies).await;
    let ours = Known::of(&lab.tenant().await, &waba, &lab.number, lab.now()).await;
    let known = Known::of(&neighbour, &waba, &theirs, lab.now()).await;
    assert_eq!((ours.status(), known.status()), (Some(&TemplateStatus::Approved), Some(&TemplateStatus::Approved)));
    assert_eq!((ours.events(), known.events()), (vec!["SOME_ALERT"], vec!["PIN_CHANGED"]));

    let mut reasons: Vec<_> =
        lab.store.parked(&ParkedScope::Nobody).await.unwrap().into_iter().map(|item| item.reason).collect();
    reasons.sort_unstable();
    let expected = [
        "a value of the field `security` about a number of the account that is not ours",
        "the field `brand_new` is kept, but not applied yet",
    ];
    assert_eq!(reasons, expected, "what concerns one of several unknown tenants is nobody's");
    let day = Timestamp::from_second(TIME).unwrap().to_zoned(jiff::tz::TimeZone::UTC).date();
    for (store, count) in [(&lab.tenant().await, 2), (&neighbour, 2)] {
        let scope = LogScope::Tenant(store.tenant());
        let logged = lab.store.logged(scope, day, 100, None, lab.now()).await.unwrap().items;
        assert_eq!(logged.len(), count, "each has the template's event and its own number's in its log");
    }
}

#[tokio::test]
async fn messages_of_a_disabled_account_wait_and_go_out_once_it_is_reinstated() {
    let lab = Lab::new().await;
    let (waba, account) = (lab.occupant().waba.clone(), worker(&lab));
    let conversation = lab.conversation().await;
    deliver(&account, &[event(&waba, "default", "account_update", TIME, &ban("DISABLE"))]).await;
    lab.compose(conversation.id, "espera").await;
    lab.wake(conversation.id).await;
    assert!(lab.sent().await.is_empty(), "a message went out from a disabled account");
    let number = lab.tenant().await.number(&lab.number).await.unwrap().unwrap();
    let status = lab.tenant().await.status_of(&number, lab.now()).await.unwrap();
    assert_eq!((number.status, status), (NumberStatus::Active, NumberStatus::Suspended));

    // Customers may still write.
    lab.deliver(&[lab.text(&stories::lab::phone("5491155551234"), "wamid.later", 0, "¿hola?")]).await;
    deliver(&account, &[event(&waba, "default", "account_update", TIME + 60, &ban("REINSTATE"))]).await;
    lab.pass(SignedDuration::from_mins(6));
    lab.wake(conversation.id).await;
    assert_eq!(lab.sent().await, ["espera"]);
}
