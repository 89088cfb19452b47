//! Requests to the API with a tenant's own tokens, and with ids of another tenant in them.
//!
//! Every request goes through the whole router, from the token on. Only where the pool's keys come from is not
//! Cognito: the test has made them.

use crate::foreign::town::{TENANTS, Town, foreign_secret, random};
use crate::how_many;
use api::auth::TokenVerifier;
use api::cursor::CursorKey;
use api::throttle::Throttle;
use api::user_pool::UserPool;
use api::{Api, router};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RsaKeyPair;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Path;
use axum::http::{Request, StatusCode};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rand::RngExt;
use rand::rngs::StdRng;
use recado_domain::ids::{ApiKeyId, ContactId, ConversationId, CustomerId, MessageId, TenantId};
use recado_domain::throttle::Rate;
use recado_ingest::Replay;
use recado_platform::apps::MetaApps;
use recado_platform::bucket::Bucket;
use recado_platform::intake::IntakeBucket;
use recado_platform::queue::Queue;
use recado_platform::vault::Vault;
use recado_whatsapp::graph::Graph;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use tower::ServiceExt;

/// How many attempts are made before it is looked at what came of them.
const CHUNK: usize = 400;

/// A route, and where a request to it may name something.
struct Route {
    method: &'static str,
    path: &'static str,
    /// Of what the id in its path is one.
    id: &'static str,
    /// The fields of its body that name something, and of what each does.
    body: Option<&'static [(&'static str, &'static str)]>,
    /// Whether it is for those who run the deployment, whom no tenant's people belong to.
    is_deployments: bool,
}

impl Route {
    /// Whether it goes on where a cursor says.
    fn is_list(&self) -> bool {
        let lists = [
            "/conversations",
            "/messages",
            "/conversations/{id}/media",
            "/webhook-logs",
            "/parked",
            "/users",
            "/api-keys",
        ];
        self.method == "GET" && lists.iter().any(|list| self.path.ends_with(list))
    }
}

const fn get(path: &'static str, id: &'static str) -> Route {
    Route { method: "GET", path, id, body: None, is_deployments: false }
}

const fn post(path: &'static str, id: &'static str, body: &'static [(&'static str, &'static str)]) -> Route {
    Route { method: "POST", path, id, body: Some(body), is_deployments: false }
}

const fn patch(path: &'static str, id: &'static str, body: &'static [(&'static str, &'static str)]) -> Route {
    Route { method: "PATCH", path, id, body: Some(body), is_deployments: false }
}

const fn delete(path: &'static str, id: &'static str) -> Route {
    Route { method: "DELETE", path, id, body: None, is_deployments: false }
}

const fn of_deployment(route: Route) -> Route {
    Route { is_deployments: true, ..route }
}

const SENDING: &[(&str, &str)] =
    &[("clientMessageId", "client"), ("conversationId", "conversation"), ("to", "phone"), ("tenantId", "tenant")];
const REPLAYING: &[(&str, &str)] =
    &[("cursor", "cursor"), ("tenantId", "tenant"), ("phoneNumberId", "number"), ("id", "event")];
const REGISTERING: &[(&str, &str)] =
    &[("phoneNumberId", "number"), ("wabaId", "waba"), ("members.0.userId", "user"), ("tenantId", "tenant")];

const LINKING: &[(&str, &str)] = &[("customerId", "customer"), ("id", "contact")];
const ENTERING: &[(&str, &str)] = &[("id", "customer"), ("tenantId", "tenant")];
const CHANGING: &[(&str, &str)] = &[("id", "customer"), ("tenantId", "tenant"), ("contactId", "contact")];
const EDITING: &[(&str, &str)] = &[
    ("assignedToId", "user"),
    ("customerId", "customer"),
    ("read.upTo", "message"),
    ("id", "conversation"),
    ("tenantId", "tenant"),
];
const READING: &[(&str, &str)] = &[("cursor", "cursor"), ("tenantId", "tenant"), ("id", "conversation")];
const INVITING: &[(&str, &str)] = &[("userId", "user"), ("id", "user"), ("tenantId", "tenant")];
const GIVING: &[(&str, &str)] = &[("id", "user"), ("tenantId", "tenant")];
const KEYING: &[(&str, &str)] = &[("tenantId", "tenant"), ("createdById", "user"), ("id", "key")];
const BEING: &[(&str, &str)] = &[("userId", "user"), ("tenantId", "tenant")];

const CONNECTING: &[(&str, &str)] =
    &[("phoneNumberId", "number"), ("wabaId", "waba"), ("appId", "app"), ("tenantId", "tenant")];
const DECIDING: &[(&str, &str)] = &[("tenantId", "tenant"), ("phoneNumberId", "number")];
const TESTING: &[(&str, &str)] = &[("phoneNumberId", "number"), ("tenantId", "tenant")];
const MESSAGING: &[(&str, &str)] = &[("to", "phone"), ("phoneNumberId", "number"), ("tenantId", "tenant")];
const ADDING_APP: &[(&str, &str)] = &[("id", "app"), ("tenantId", "tenant")];
const ROTATING: &[(&str, &str)] = &[("tenantId", "tenant"), ("id", "app")];

/// Every route of the API. One that is missing here fails [`every_route_is_tried`].
const ROUTES: &[Route] = &[
    get("/conversations", ""),
    get("/conversations/{id}", "conversation"),
    patch("/conversations/{id}", "conversation", EDITING),
    get("/conversations/{id}/media", "conversation"),
    get("/messages", ""),
    get("/messages/{id}/status", "message"),
    post("/messages/{id}/read", "message", &[]),
    get("/unread-count", ""),
    post("/read-all", "", READING),
    get("/conversations/{id}/messages", "conversation"),
    post("/conversations/{id}/messages", "conversation", SENDING),
    get("/messages/{id}/media", "message"),
    get("/contacts/{id}", "contact"),
    patch("/contacts/{id}", "contact", LINKING),
    post("/customers", "", ENTERING),
    get("/customers/{id}", "customer"),
    patch("/customers/{id}", "customer", CHANGING),
    get("/me", ""),
    patch("/me", "", BEING),
    get("/users", ""),
    post("/users", "", INVITING),
    patch("/users/{id}", "user", GIVING),
    delete("/users/{id}", "user"),
    get("/api-keys", ""),
    post("/api-keys", "", KEYING),
    delete("/api-keys/{id}", "key"),
    of_deployment(post("/tenants", "", REGISTERING)),
    get("/config", ""),
    post("/config", "", CONNECTING),
    patch("/config", "", DECIDING),
    delete("/config", ""),
    post("/config/test", "", TESTING),
    post("/config/test-message", "", MESSAGING),
    get("/config/guide", ""),
    get("/status", ""),
    get("/config/apps", ""),
    post("/config/apps", "", ADDING_APP),
    post("/config/apps/{id}/secret", "app", ROTATING),
    delete("/config/apps/{id}/previous-secret", "app"),
    delete("/config/apps/{id}", "app"),
    get("/webhook-logs", ""),
    get("/webhook-logs/{id}", "event"),
    post("/webhook-logs/{id}/replay", "event", &[]),
    post("/webhook-logs/replay", "", REPLAYING),
    get("/parked", ""),
    get("/parked/{id}", "event"),
    post("/parked/{id}/replay", "event", &[]),
    post("/parked/replay", "", REPLAYING),
    of_deployment(get("/deployment/webhook-logs", "")),
    of_deployment(get("/deployment/webhook-logs/{id}", "event")),
    of_deployment(post("/deployment/webhook-logs/{id}/replay", "event", &[])),
    of_deployment(post("/deployment/webhook-logs/replay", "", REPLAYING)),
    of_deployment(get("/deployment/parked", "")),
    of_deployment(get("/deployment/parked/{id}", "event")),
    of_deployment(post("/deployment/parked/{id}/replay", "event", &[])),
    of_deployment(post("/deployment/parked/replay", "", REPLAYING)),
];

/// What a query may name.
const QUERY: [(&str, &str); 9] = [
    ("search", "phone"),
    ("assignedTo", "user"),
    ("phoneNumber", "phone"),
    ("cursor", "cursor"),
    ("phoneNumberId", "number"),
    ("tenantId", "tenant"),
    ("contactId", "contact"),
    ("conversationId", "conversation"),
    ("userId", "user"),
];

/// Below which all routes lie.
const ROOT: &str = "/api/whatsapp";

/// The API in front of a town.
struct Desk {
    town: Town,
    router: Router,
    key: EncodingKey,
}

/// A request, and what in it is the victim's.
struct Attempt {
    route: &'static Route,
    token: String,
    path: String,
    /// The same path, with an id of nothing in the place of the victim's.
    path_of_nothing: Option<String>,
    query: String,
    chosen_tenant: Option<String>,
    body: Option<Value>,
    /// Whether something that decides where to look is the victim's.
    aims: bool,
    foreign: BTreeSet<String>,
}

/// A Meta that lists every number of the town under its own account, whoever asks with whatever token. So nothing
/// but the hub itself keeps the tenants apart.
async fn careless_meta() -> String {
    let listed = async |Path((_, waba)): Path<(String, String)>| {
        let place = waba.strip_prefix("20987654").and_then(|rest| rest.strip_suffix("0002"));
        let numbers = place.map(|place| json!({"id": format!("10987654{place}0001")})).into_iter();
        axum::Json(json!({"data": numbers.collect::<Vec<_>>()}))
    };
    let refused = async || (StatusCode::BAD_REQUEST, axum::Json(json!({"error": {"code": 100, "message": "no"}})));
    let meta = Router::new().route("/{version}/{waba}/phone_numbers", axum::routing::get(listed)).fallback(refused);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, meta).await.unwrap() });
    url
}

fn api(town: &Town, keys: &JwkSet, meta: &str) -> Api {
    let config = town.hub.config();
    let queue = |name: &str| Queue::new(aws_sdk_sqs::Client::new(config), format!("http://aws.invalid/0/{name}"));
    Api {
        store: town.hub.store.clone(),
        vault: Vault::new(aws_sdk_kms::Client::new(config), "key".to_owned(), town.hub.clock()),
        bucket: Bucket::new(config, "media".to_owned()),
        graph: Graph::new(meta, "v26.0").unwrap(),
        apps: MetaApps::new(aws_sdk_secretsmanager::Client::new(config), "apps".to_owned(), "tenant-apps".to_owned()),
        deployment_number: None,
        public_url: "https://hub.example".to_owned(),
        tokens: TokenVerifier::new("us-east-1", "pool", "client", Some("http://cognito.invalid"))
            .unwrap()
            .with_keys(keys),
        throttle: Throttle::new(Rate::per_second(1_000_000)),
        user_pool: UserPool::new(aws_sdk_cognitoidentityprovider::Client::new(config), "pool"),
        cursor_key: Arc::new(CursorKey::new("a test's key")),
        replay: Replay {
            store: town.hub.store.clone(),
            messages: queue("messages"),
            statuses: queue("statuses"),
            account: queue("account"),
        },
        intake: IntakeBucket::new(config, "intake"),
        clock: town.hub.clock(),
    }
}

impl Desk {
    /// In front of a town of so many tenants.
    async fn new(tenants: usize) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        // The header of this form has 26 bytes; what follows is the key as tokens are signed with it.
        let key = EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..]);
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap();
        jwk.common.key_id = Some("key".to_owned());
        let town = Town::new(tenants).await;
        let router = router(api(&town, &JwkSet { keys: vec![jwk] }, &careless_meta().await));
        let mut desk = Self { town, router, key };
        desk.register_apps().await;
        desk.enter_customers().await;
        desk.make_keys().await;
        desk.collect_cursors().await;
        desk
    }

    /// Lets every tenant have a Meta app of its own.
    async fn register_apps(&self) {
        for place in 0..self.town.tenants.len() {
            let app = json!({"id": self.town.tenants[place].ids["app"][0], "appSecret": format!("secreto-{place:02}")});
            let token = self.token_of(place, 0);
            let (status, body) = self.ask("POST", "/config/apps", Some(&token), None, Some(&app)).await;
            assert_eq!(status, 201, "an app of tenant {place}: {body}");
        }
    }

    /// Lets every tenant have customers.
    async fn enter_customers(&mut self) {
        for place in 0..self.town.tenants.len() {
            let token = self.token_of(place, 0);
            let mut customers = Vec::new();
            for number in 0..2 {
                let customer =
                    json!({"name": format!("cliente {number}"), "emails": [format!("c{number}@t{place}.example")]});
                let (status, body) = self.ask("POST", "/customers", Some(&token), None, Some(&customer)).await;
                assert_eq!(status, 201, "a customer of tenant {place}: {body}");
                let body: Value = serde_json::from_str(&body).unwrap();
                customers.push(body["id"].as_str().unwrap().to_owned());
            }
            self.town.tenants[place].ids.insert("customer", customers);
        }
        self.town.look_anew().await;
    }

    /// Lets every tenant have API keys: two with which it asks, and two that it may revoke.
    async fn make_keys(&mut self) {
        for place in 0..self.town.tenants.len() {
            let token = self.token_of(place, 0);
            let mut made = Vec::new();
            for role in ["agent", "admin", "agent", "viewer"] {
                let new = json!({"name": "X", "role": role});
                let (status, body) = self.ask("POST", "/api-keys", Some(&token), None, Some(&new)).await;
                assert_eq!(status, 201, "a key of tenant {place}: {body}");
                made.push(serde_json::from_str::<Value>(&body).unwrap());
            }
            let all = |field: &str, made: &[Value]| {
                made.iter().map(|made| made[field].as_str().unwrap().to_owned()).collect::<Vec<_>>()
            };
            let ids = &mut self.town.tenants[place].ids;
            ids.insert("key itself", all("key", &made[..2]));
            ids.insert("key", all("id", &made[2..]));
        }
        self.town.look_anew().await;
    }

    /// Lets every tenant ask for the first page of each of its lists, so that there are cursors to steal.
    async fn collect_cursors(&mut self) {
        for place in 0..self.town.tenants.len() {
            let token = self.token_of(place, 0);
            let first = self.town.tenants[place].ids["conversation"][0].clone();
            let mut cursors = Vec::new();
            let contact = &self.town.tenants[place].ids["contact"][0];
            let of_one =
                [format!("/conversations/{first}/messages?limit=1"), format!("/messages?limit=1&contactId={contact}")];
            let of_all = ["/conversations", "/webhook-logs", "/parked", "/users", "/api-keys"];
            let of_all = of_all.map(|list| format!("{list}?limit=1"));
            let unread = "/conversations?filter=unread&limit=1".to_owned();
            for list in of_one.into_iter().chain(of_all).chain([unread]) {
                let (status, body) = self.ask("GET", &list, Some(&token), None, None).await;
                assert_eq!(status, 200, "{list} of tenant {place}: {body}");
                let body: Value = serde_json::from_str(&body).unwrap();
                cursors.push(
                    body["nextCursor"].as_str().unwrap_or_else(|| panic!("{list} has one page: {body}")).to_owned(),
                );
            }
            self.town.tenants[place].ids.insert("cursor", cursors);
        }
    }

    /// The token of one of a tenant's people.
    fn token_of(&self, tenant: usize, person: usize) -> String {
        let claims = json!({"sub": self.town.tenants[tenant].ids["user"][person], "client_id": "client",
            "token_use": "access", "iss": "https://cognito-idp.us-east-1.amazonaws.com/pool", "exp": 4_102_444_800_u64});
        let header = Header { kid: Some("key".to_owned()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        tenant: Option<&str>,
        body: Option<&Value>,
    ) -> (u16, String) {
        let mut request = Request::builder().method(method).uri(format!("{ROOT}{path}"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(tenant) = tenant {
            request = request.header("x-tenant-id", tenant);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let mut text = format!("{:?}\n", response.headers());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        if status != 302 {
            text.clear();
        }
        text.push_str(str::from_utf8(&bytes).unwrap());
        (status, text)
    }

    /// A request of one tenant's person that names something of the other's.
    fn attempt(&self, attacker: usize, victim: usize, random: &mut StdRng) -> Attempt {
        let (own, other) = (&self.town.tenants[attacker], &self.town.tenants[victim]);
        loop {
            let route = &ROUTES[random.random_range(0..ROUTES.len())];
            let mut foreign = BTreeSet::new();
            let mut aims = false;
            let mut pick = |of: &'static str, random: &mut StdRng| {
                let is_foreign = random.random_bool(0.5);
                let id = if is_foreign { other } else { own }.id(of, random).to_owned();
                if is_foreign {
                    foreign.insert(id.clone());
                }
                (id, is_foreign)
            };
            let (mut path, mut path_of_nothing) = (route.path.to_owned(), None);
            if route.path.contains("{id}") {
                // Mostly an id of the right kind, sometimes of another one.
                let kinds = [
                    "conversation",
                    "message",
                    "event",
                    "contact",
                    "customer",
                    "tenant",
                    "user",
                    "number",
                    "client",
                    "key",
                    "app",
                ];
                let kind = if random.random_bool(0.8) { route.id } else { kinds[random.random_range(0..kinds.len())] };
                let (id, is_foreign) = pick(kind, random);
                path = route.path.replace("{id}", &id);
                path_of_nothing = is_foreign.then(|| route.path.replace("{id}", &of_nothing(kind, random)));
                aims |= is_foreign;
            }
            let mut query = Vec::new();
            for (name, of) in QUERY {
                if random.random_bool(0.15) {
                    let (id, is_foreign) = pick(of, random);
                    query.push(format!("{name}={id}"));
                    aims |= is_foreign && name == "cursor" && route.is_list();
                    aims |= is_foreign && name == "contactId" && route.path == "/messages";
                }
            }
            let chosen_tenant = random.random_bool(0.2).then(|| pick("tenant", random)).map(|(id, is_foreign)| {
                aims |= is_foreign;
                id
            });
            let body = route.body.map(|fields| {
                let mut body = base_of(fields, random);
                for (name, of) in fields {
                    // Names that the route does not know are tried less often: they are refused at once.
                    let is_known = body.pointer(&pointer(name)).is_some()
                        || matches!(*name, "cursor" | "customerId" | "assignedToId");
                    if random.random_bool(if is_known { 0.7 } else { 0.1 }) {
                        let (id, is_foreign) = pick(of, random);
                        match name.split_once('.') {
                            Some(_) => *body.pointer_mut(&pointer(name)).unwrap() = json!(id),
                            None => body[*name] = json!(id),
                        }
                        aims |= is_foreign && matches!(*name, "cursor" | "customerId" | "assignedToId" | "read.upTo");
                    }
                }
                body
            });
            if foreign.is_empty() {
                continue;
            }
            // One of its people, or one of its systems.
            let token = match random.random_range(0..5) {
                person @ 0..3 => self.token_of(attacker, person),
                system => own.ids["key itself"][system - 3].clone(),
            };
            return Attempt {
                route,
                token,
                path,
                path_of_nothing,
                query: query.join("&"),
                chosen_tenant,
                body,
                aims,
                foreign,
            };
        }
    }

    /// Makes an attempt and judges the answer.
    async fn judge(&self, attempt: &Attempt, attacker: usize, victim: usize) {
        let Attempt { route, token, path, path_of_nothing, query, chosen_tenant, body, aims, foreign } = attempt;
        let at = |path: &str| if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let ask = async |path: &str| {
            self.ask(route.method, &at(path), Some(token), chosen_tenant.as_deref(), body.as_ref()).await
        };
        let (status, answer) = ask(path).await;
        let told = || {
            format!(
                "{} {} {body:?} of tenant {attacker}, aimed at tenant {victim}, was answered with {status}: {answer}",
                route.method,
                at(path)
            )
        };
        if *aims || route.is_deployments {
            assert!(matches!(status, 400 | 403 | 404), "expected 400, 403 or 404: {}", told());
        } else {
            assert!(status < 500, "expected no failure of ours: {}", told());
        }
        // Several tenants may have one app. It is given back, so that its id is a foreign one again.
        let taken = body.as_ref().and_then(|body| body["id"].as_str()).filter(|id| foreign.contains(*id));
        if let Some(app) = taken.filter(|_| (route.path, status) == ("/config/apps", 201)) {
            let admin = self.token_of(attacker, 0);
            let (gone, answer) = self.ask("DELETE", &format!("/config/apps/{app}"), Some(&admin), None, None).await;
            assert_eq!(gone, 200, "giving the app back: {answer}");
        }
        if let Some(nothing) = path_of_nothing {
            assert_eq!(
                (status, &answer),
                (ask(nothing).await.0, &ask(nothing).await.1),
                "a foreign id is answered otherwise than one of nothing: {}",
                told()
            );
        }
        if let Some(secret) = foreign_secret(&answer, attacker) {
            panic!("{secret:?} came back: {}", told());
        }
        let other = &self.town.tenants[victim];
        // What the caller named may come back to them; of a client's ids, those that they used for their own.
        let ids = other
            .ids
            .iter()
            .filter(|(of, _)| !matches!(**of, "client" | "group" | "template" | "app"))
            .flat_map(|(_, ids)| ids);
        for id in ids.filter(|id| !foreign.contains(*id)) {
            assert!(!answer.contains(id.as_str()), "the id {id} came back: {}", told());
        }
    }
}

/// A body that the route would take, as far as there is one.
fn base_of(fields: &[(&str, &str)], random: &mut StdRng) -> Value {
    if fields == SENDING {
        let client = format!("own-{}", random.random::<u64>());
        return json!({"clientMessageId": client, "type": "text", "text": {"body": "x"}});
    }
    if fields == REGISTERING {
        let member = json!({"userId": "somebody", "email": "x@y.example", "name": "X", "role": "admin"});
        return json!({"name": "X", "phoneNumberId": "1", "wabaId": "2", "accessToken": "t", "members": [member]});
    }
    if fields == LINKING {
        return json!({"email": "x@y.example"});
    }
    if fields == ENTERING {
        return json!({"name": "X", "phones": ["11 5555-1234"]});
    }
    if fields == CHANGING {
        return json!({"name": "X"});
    }
    if fields == EDITING {
        let status = ["OPEN", "CLOSED", "ARCHIVED"][random.random_range(0..3)];
        return json!({"status": status, "labels": ["x"], "read": {"upTo": of_nothing("message", random)}});
    }
    if fields == INVITING {
        return json!({"email": "x@y.example", "name": "X", "role": "agent"});
    }
    if fields == GIVING {
        // Not an administrator, so that each tenant keeps its own.
        return json!({"role": if random.random_bool(0.5) { "agent" } else { "viewer" }});
    }
    if fields == KEYING {
        return json!({"name": "X", "role": "agent"});
    }
    if fields == CONNECTING {
        return json!({"phoneNumberId": "1", "wabaId": "2", "accessToken": "t"});
    }
    if fields == MESSAGING {
        return json!({"to": "11 5555-1234"});
    }
    if fields == DECIDING {
        return json!({"policy": {"autoMarkRead": random.random_bool(0.5)}});
    }
    if fields == ADDING_APP {
        return json!({"id": "1", "appSecret": "s"});
    }
    if fields == ROTATING {
        return json!({"appSecret": "s"});
    }
    if fields == BEING {
        return json!({"online": random.random_bool(0.5)});
    }
    json!({})
}

fn pointer(name: &str) -> String {
    format!("/{}", name.replace('.', "/"))
}

/// An id of this kind that names nothing.
fn of_nothing(kind: &str, random: &mut StdRng) -> String {
    let bits = random.random();
    match kind {
        "conversation" => ConversationId::from_bits(bits).to_string(),
        "message" => MessageId::from_bits(bits).to_string(),
        "contact" => ContactId::from_bits(bits).to_string(),
        "customer" => CustomerId::from_bits(bits).to_string(),
        "key" => ApiKeyId::from_bits(bits).to_string(),
        "tenant" => TenantId::from_bits(bits).to_string(),
        "event" => format!("{:013}-{bits:032x}", 1_795_171_200_000_u64),
        _ => format!("{bits}"),
    }
}

#[test]
fn no_request_reaches_another_tenant_whatever_ids_it_names() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let attempts = how_many("RECADO_MODEL_ATTEMPTS", 5_000) as usize;
        let mut desk = Desk::new(TENANTS).await;
        let mut random = random();
        let (mut made, mut ids) = (0, 0);
        while made < attempts {
            let attacker = random.random_range(0..TENANTS);
            for _ in 0..CHUNK {
                let victim = (attacker + random.random_range(1..TENANTS)) % TENANTS;
                let attempt = desk.attempt(attacker, victim, &mut random);
                desk.judge(&attempt, attacker, victim).await;
                made += 1;
                ids += attempt.foreign.len();
            }
            for (queue, body) in desk.town.hub.wire.take_queued() {
                let secret = foreign_secret(&body, attacker);
                assert!(secret.is_none(), "{secret:?} was put on the queue {queue} for tenant {attacker}: {body}");
            }
            desk.town.only(attacker).await;
        }
        println!(
            "requests: {made} attempts with {ids} foreign ids between {TENANTS} tenants on {} routes, 0 crossed",
            ROUTES.len()
        );
    });
}

/// Whose key it is stands in the key, where its holder can write something else.
#[test]
fn a_key_that_names_another_tenant_opens_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let desk = Desk::new(2).await;
        let [own, other] = [0, 1].map(|place: usize| desk.town.tenants[place].ids["key itself"][1].clone());
        let asked = async |key: &str| desk.ask("GET", "/me", Some(key), None, None).await.0;
        assert_eq!(asked(&own).await, 200, "a key as it was given");
        // `rk_`, the two names of 26 characters each, `_`, and the secret.
        let (own_place, own_secret) = own["rk_".len()..].split_once('_').unwrap();
        let (other_place, _) = other["rk_".len()..].split_once('_').unwrap();
        let (tenant, id) = own_place.split_at(26);
        let (other_tenant, other_id) = other_place.split_at(26);
        for (place, what) in [
            (format!("{other_tenant}{id}"), "the other's name"),
            (format!("{tenant}{other_id}"), "the name of the other's key"),
            (other_place.to_owned(), "both"),
        ] {
            assert_eq!(
                asked(&format!("rk_{place}_{own_secret}")).await,
                401,
                "a key with {what} on it, and its own secret"
            );
        }
    });
}

/// The router says in its debug text which paths it has, and by its answers which methods.
#[test]
fn every_route_is_tried() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let desk = Desk::new(2).await;
        let told = format!("{:?}", desk.router);
        let paths: BTreeSet<&str> = told.split('"').filter_map(|part| part.strip_prefix(ROOT)).collect();
        let mut found = BTreeSet::new();
        // Of the document, there is nothing that anybody could not have.
        for path in paths.into_iter().filter(|path| *path != "/openapi.json") {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                let (status, _) = desk.ask(method, &path.replace("{id}", "x"), None, None, None).await;
                if status != 405 {
                    assert_eq!(status, 401, "{method} {path} answers without a token");
                    found.insert(format!("{method} {path}"));
                }
            }
        }
        let tried: BTreeSet<_> = ROUTES.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        assert_eq!(found, tried, "the router's routes, and those that are tried with foreign ids");
    });
}
