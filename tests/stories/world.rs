//! The running stack, and what a story needs of it.

use recado_testkit::stack::{Answer, Stack};
use serde_json::{Value, json};
use std::time::Duration;
pub(crate) use stories::{fresh_digits, stack};
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// How long something may take to come about. Generous: it only matters when a story fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// What people sign in with.
pub(crate) const PASSWORD: &str = "Story-password-1";

/// Asks again and again until the answer is there.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    eventually_within(PATIENCE, what, &mut ask).await
}

/// As [`eventually`], with another deadline.
pub(crate) async fn eventually_within<T>(
    patience: Duration,
    what: &str,
    ask: &mut impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(instead) if Instant::now() > deadline => {
                panic!("expected within {} s: {what}; got: {instead}", patience.as_secs())
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// A tenant of a story's own, with one number and two people.
pub(crate) struct Tenant {
    pub(crate) stack: Stack,
    pub(crate) phone_number_id: String,
    pub(crate) waba_id: String,
    pub(crate) graph_token: String,
    pub(crate) tenant_id: String,
    /// The access token of an administrator.
    pub(crate) admin: String,
    /// The access token of an agent.
    pub(crate) agent: String,
    /// The access token of someone who may only read.
    pub(crate) viewer: String,
}

impl Tenant {
    /// Registers a tenant through the API, as anybody would.
    pub(crate) async fn new() -> Self {
        Self::with_statuses(json!(["sent", "delivered", "read"])).await
    }

    /// A tenant for whose messages Meta reports these statuses, in this order.
    pub(crate) async fn with_statuses(statuses: Value) -> Self {
        Self::of_number(&fresh_digits(), &fresh_digits(), statuses).await
    }

    /// A tenant that has its conversations given to whoever is online.
    pub(crate) async fn auto_assigning() -> Self {
        Self::registered(&fresh_digits(), &fresh_digits(), json!([]), json!({"autoAssign": true})).await
    }

    /// The same, with this number of this account.
    pub(crate) async fn of_number(phone_number_id: &str, waba_id: &str, statuses: Value) -> Self {
        Self::registered(phone_number_id, waba_id, statuses, json!({})).await
    }

    async fn registered(phone_number_id: &str, waba_id: &str, statuses: Value, policy: Value) -> Self {
        let stack = stack();
        let (phone_number_id, waba_id) = (phone_number_id.to_owned(), waba_id.to_owned());
        let graph_token = format!("token-{phone_number_id}");
        let number = json!({"phone_number_id": phone_number_id, "waba_id": waba_id, "token": graph_token,
            "verified_name": "Cuento", "statuses": statuses});
        stack.control_put("/numbers", &number).await;
        let mut members = Vec::new();
        let mut tokens = Vec::new();
        for role in ["admin", "agent", "viewer"] {
            let email = format!("{role}-{phone_number_id}@story.example");
            let user_id = stack.create_user(&email, PASSWORD).await.unwrap();
            tokens.push(stack.sign_in(&email, PASSWORD).await.unwrap());
            members.push(json!({"userId": user_id, "email": email, "name": format!("Señor {role}"), "role": role}));
        }
        let mut request = json!({"name": "Cuento", "phoneNumberId": phone_number_id, "wabaId": waba_id,
            "accessToken": graph_token, "members": members});
        request.as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
        let answer = stack.post(&deployment_admin().await, "/tenants", &request).await;
        assert_eq!(answer.status, 201, "registering a tenant: {}", answer.body);
        let tenant_id = answer.body["tenantId"].as_str().unwrap().to_owned();
        let [admin, agent, viewer] = tokens.try_into().unwrap();
        Self { stack, phone_number_id, waba_id, graph_token, tenant_id, admin, agent, viewer }
    }

    /// A customer writes. Returns the wamid.
    pub(crate) async fn customer_writes(&self, from: &str, text: &str) -> String {
        let inbound = json!({"phone_number_id": self.phone_number_id, "from": from, "name": "Lucía", "text": text});
        let answer = self.stack.control_post("/inbound", &inbound).await;
        answer["wamid"].as_str().unwrap().to_owned()
    }

    /// The webhook body of a customer's text, as Meta would post it now.
    pub(crate) fn text_webhook(&self, from: &str, wamid: &str, timestamp: i64, text: &str) -> Value {
        json!({"object": "whatsapp_business_account", "entry": [{"id": self.waba_id, "changes": [{"field": "messages",
        "value": {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "5491150001234", "phone_number_id": self.phone_number_id},
            "contacts": [{"profile": {"name": "Lucía"}, "wa_id": from}],
            "messages": [{"from": from, "id": wamid, "timestamp": timestamp.to_string(), "type": "text",
                "text": {"body": text}}],
        }}]}]})
    }

    /// The agent's inbox.
    pub(crate) async fn conversations(&self) -> Vec<Value> {
        let answer = self.stack.get(&self.agent, "/conversations").await;
        assert_eq!(answer.status, 200, "listing conversations: {}", answer.body);
        answer.body["items"].as_array().unwrap().clone()
    }

    /// The one conversation of the inbox, once there is one.
    pub(crate) async fn conversation(&self) -> Value {
        eventually("one conversation in the inbox", async || match self.conversations().await.as_slice() {
            [one] => Ok(one.clone()),
            others => Err(format!("{} conversations", others.len())),
        })
        .await
    }

    /// The messages of a conversation, newest first.
    pub(crate) async fn messages(&self, conversation: &Value) -> Vec<Value> {
        let path = format!("/conversations/{}/messages", conversation["id"].as_str().unwrap());
        let answer = self.stack.get(&self.agent, &path).await;
        assert_eq!(answer.status, 200, "listing messages: {}", answer.body);
        answer.body["items"].as_array().unwrap().clone()
    }

    /// The agent replies.
    pub(crate) async fn reply(&self, conversation: &Value, client_message_id: &str, text: &str) -> Answer {
        let path = format!("/conversations/{}/messages", conversation["id"].as_str().unwrap());
        let request = json!({"clientMessageId": client_message_id, "type": "text", "text": {"body": text}});
        self.stack.post(&self.agent, &path, &request).await
    }

    /// The message of this id, once it has this status.
    pub(crate) async fn message_with_status(&self, conversation: &Value, id: &Value, status: &str) -> Value {
        eventually(&format!("message {id} to be {status}"), async || {
            let messages = self.messages(conversation).await;
            let message = messages.into_iter().find(|message| message["id"] == *id).ok_or("it is not listed")?;
            if message["status"] == status { Ok(message) } else { Err(message.to_string()) }
        })
        .await
    }

    /// What reached Meta from this tenant's number, oldest first.
    pub(crate) async fn sent(&self) -> Vec<Value> {
        let answer = self.stack.control(&format!("/sent?phone_number_id={}", self.phone_number_id)).await;
        answer["items"].as_array().unwrap().clone()
    }

    /// Makes the next send go wrong.
    pub(crate) async fn next_send_fails(&self, mut fault: Value) {
        fault["phone_number_id"] = json!(self.phone_number_id);
        self.stack.control_post("/faults", &fault).await;
    }
}

/// The access token of somebody who may register tenants.
pub(crate) async fn deployment_admin() -> String {
    static TOKEN: OnceCell<String> = OnceCell::const_new();
    TOKEN
        .get_or_init(async || {
            let stack = stack();
            let email = "admin@story.example";
            stack.create_user(email, PASSWORD).await.unwrap();
            stack.make_deployment_admin(email).await.unwrap();
            stack.sign_in(email, PASSWORD).await.unwrap()
        })
        .await
        .clone()
}

/// Seconds since 1970, now.
pub(crate) fn now() -> i64 {
    #[allow(clippy::disallowed_methods, reason = "stories happen now")]
    jiff::Timestamp::now().as_second()
}
