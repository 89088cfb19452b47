//! A running local stack, as `stack.json` describes it.

use crate::aws;
use aws_credential_types::Credentials;
use aws_sdk_cognitoidentityprovider as cognito;
use aws_sdk_cognitoidentityprovider::types::{AttributeType, MessageActionType};
use aws_types::SdkConfig;
use recado_whatsapp::signature;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// A local stack: the contract that tests and outside tools may rely on. What does not exist yet is null.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stack {
    /// The version of this form: 1.
    pub version: u32,
    /// The emulated AWS account.
    pub aws: Aws,
    /// Where the HTTP API is; followed by `/api/whatsapp/…`.
    pub api_url: String,
    /// Where Meta posts to.
    pub webhook_url: String,
    /// Where agents' sockets connect to.
    pub websocket_url: Option<String>,
    /// Where the web console is.
    pub console_url: Option<String>,
    /// Where people sign in.
    pub auth: Auth,
    /// The simulated Meta.
    pub meta: Meta,
    /// The demo tenants.
    pub tenants: Vec<Tenant>,
}

/// The emulated AWS account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Aws {
    /// Where every service answers.
    pub endpoint: String,
    /// The region.
    pub region: String,
    /// Whom to call as.
    pub access_key_id: String,
    /// And with which secret.
    pub secret_access_key: String,
    /// The name of the CloudFormation stack.
    pub stack_name: String,
    /// The table.
    pub table: String,
    /// The bucket for media.
    pub media_bucket: Option<String>,
    /// The bucket for webhook events that are too large for a queue message or an item.
    pub intake_bucket: String,
    /// The queues' URLs, by name.
    pub queues: BTreeMap<String, Option<String>>,
    /// The URLs of their dead-letter queues.
    pub dead_letter_queues: BTreeMap<String, Option<String>>,
}

/// Where people sign in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Auth {
    /// The Cognito user pool.
    pub user_pool_id: String,
    /// Its client.
    pub client_id: String,
}

/// The simulated Meta.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Meta {
    /// Its Graph API.
    pub graph_url: String,
    /// Its control API; followed by `/control/…`.
    pub control_url: String,
    /// What it signs webhooks with.
    pub app_secret: String,
    /// What verifies a webhook subscription.
    pub verify_token: String,
}

/// A demo tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tenant {
    /// Its id.
    pub tenant_id: String,
    /// Its name.
    pub name: String,
    /// Its number.
    pub phone_number_id: String,
    /// The account of its number.
    pub waba_id: String,
    /// Its people.
    pub users: Vec<User>,
    /// Its API key.
    pub api_key: Option<String>,
}

/// A person of a demo tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct User {
    /// With what they sign in.
    pub email: String,
    /// And with which password.
    pub password: String,
    /// What they may do.
    pub role: String,
}

/// Something that a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body: JSON if it is JSON, text otherwise.
    pub body: Value,
}

impl Stack {
    /// Reads `stack.json`.
    pub fn load(path: &Path) -> Result<Self, std::io::Error> {
        let text = std::fs::read(path)?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// A configuration for clients of the emulated account.
    pub fn sdk_config(&self) -> SdkConfig {
        self.sdk_config_at(&self.aws.endpoint)
    }

    /// The same, for clients that reach the account in another way.
    pub fn sdk_config_at(&self, endpoint: &str) -> SdkConfig {
        let Aws { region, access_key_id, secret_access_key, .. } = &self.aws;
        let credentials = Credentials::new(access_key_id, secret_access_key, None, None, "stack.json");
        aws::client_config_as(endpoint, region, credentials)
    }

    /// Signs a person in and returns their access token.
    pub async fn sign_in(&self, email: &str, password: &str) -> Result<String, String> {
        let request = json!({
            "AuthFlow": "USER_PASSWORD_AUTH",
            "ClientId": self.auth.client_id,
            "AuthParameters": {"USERNAME": email, "PASSWORD": password},
        });
        let call = http()
            .post(&self.aws.endpoint)
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", "AWSCognitoIdentityProviderService.InitiateAuth")
            .body(request.to_string());
        let answer = send(call).await;
        let token = answer.body.pointer("/AuthenticationResult/AccessToken").and_then(Value::as_str);
        token.map(str::to_owned).ok_or_else(|| format!("{email} could not sign in: {answer:?}"))
    }

    /// Makes a person who can sign in with this password; returns the subject of their tokens. One who
    /// exists already gets the password.
    pub async fn create_user(&self, email: &str, password: &str) -> Result<String, cognito::Error> {
        let client = cognito::Client::new(&self.sdk_config());
        let pool = &self.auth.user_pool_id;
        let attribute = |name: &str, value: &str| AttributeType::builder().name(name).value(value).build();
        let created = client
            .admin_create_user()
            .user_pool_id(pool)
            .username(email)
            .user_attributes(attribute("email", email)?)
            .user_attributes(attribute("email_verified", "true")?)
            .message_action(MessageActionType::Suppress)
            .send()
            .await;
        match created.map_err(cognito::Error::from) {
            Ok(_) | Err(cognito::Error::UsernameExistsException(_)) => {}
            Err(error) => return Err(error),
        }
        let set = client.admin_set_user_password().user_pool_id(pool).username(email);
        set.password(password).permanent(true).send().await?;
        let user = client.admin_get_user().user_pool_id(pool).username(email).send().await?;
        let subject = user.user_attributes().iter().find(|attribute| attribute.name() == "sub");
        Ok(subject.and_then(AttributeType::value).unwrap_or_default().to_owned())
    }

    /// Lets a person register tenants.
    pub async fn make_deployment_admin(&self, email: &str) -> Result<(), cognito::Error> {
        let client = cognito::Client::new(&self.sdk_config());
        let add = client.admin_add_user_to_group().user_pool_id(&self.auth.user_pool_id).username(email);
        add.group_name("deployment-admins").send().await?;
        Ok(())
    }

    /// Posts a body to the webhook, signed as Meta would.
    pub async fn post_webhook(&self, body: &[u8]) -> Answer {
        self.post_webhook_signed(body, &signature::sign(body, &self.meta.app_secret.as_str().into())).await
    }

    /// Posts a body to the webhook with this signature.
    pub async fn post_webhook_signed(&self, body: &[u8], signature: &str) -> Answer {
        let call = http()
            .post(&self.webhook_url)
            .header("content-type", "application/json")
            .header(signature::HEADER, signature)
            .body(body.to_vec());
        send(call).await
    }

    /// Calls the API as whoever holds the token.
    pub async fn get(&self, token: &str, path: &str) -> Answer {
        send(http().get(self.api(path)).bearer_auth(token)).await
    }

    /// Calls the API with a JSON body as whoever holds the token.
    pub async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        send(http().post(self.api(path)).bearer_auth(token).json(body)).await
    }

    /// Changes something through the API as whoever holds the token.
    pub async fn patch(&self, token: &str, path: &str, body: &Value) -> Answer {
        send(http().patch(self.api(path)).bearer_auth(token).json(body)).await
    }

    /// Takes something away through the API as whoever holds the token.
    pub async fn delete(&self, token: &str, path: &str) -> Answer {
        send(http().delete(self.api(path)).bearer_auth(token)).await
    }

    /// The URL of a path below `/api/whatsapp`.
    pub fn api(&self, path: &str) -> String {
        format!("{}/api/whatsapp{path}", self.api_url)
    }

    /// Asks the simulator's control API.
    pub async fn control(&self, path: &str) -> Value {
        expect_ok(path, send(http().get(self.control_url(path))).await)
    }

    /// Tells the simulator's control API.
    pub async fn control_post(&self, path: &str, body: &Value) -> Value {
        expect_ok(path, send(http().post(self.control_url(path)).json(body)).await)
    }

    /// Puts something into the simulator.
    pub async fn control_put(&self, path: &str, body: &Value) -> Value {
        expect_ok(path, send(http().put(self.control_url(path)).json(body)).await)
    }

    fn control_url(&self, path: &str) -> String {
        format!("{}/control{path}", self.meta.control_url)
    }
}

fn expect_ok(path: &str, answer: Answer) -> Value {
    assert_eq!(answer.status, 200, "the simulator refused /control{path}: {}", answer.body);
    answer.body
}

/// A client that waits long enough for a cold function and not for ever.
pub fn http() -> reqwest::Client {
    reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap()
}

/// Sends a request; an unreachable server ends the test.
pub async fn send(request: reqwest::RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap_or_else(|error| panic!("the local stack does not answer: {error}"));
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { status, body }
}
