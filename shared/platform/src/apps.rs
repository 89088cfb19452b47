//! The Meta apps whose webhooks are taken, with their secrets.
//!
//! They stand in two Secrets Manager documents of the same form, from an app's name in the webhook's path to
//! its secrets: the deployment's, which comes with the template, and the tenants', which the API changes.

use crate::secret::{EditableSecret, SecretError};
use crate::settings::{SettingError, first_of, required};
use aws_sdk_secretsmanager::Client;
use recado_domain::ids::AppKey;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How large a document may get: Secrets Manager takes 64 KiB.
const MAX_BYTES: usize = 60 * 1024;

/// How many apps a tenant has at most, so that none fills the document for all.
pub const MAX_APPS: usize = 5;

/// Apps by the name that each has in the webhook's path.
pub type AppDocuments = BTreeMap<String, AppDocument>;

/// The secrets of one app, as they stand in a document.
#[derive(Debug, Clone, Deserialize)]
pub struct AppDocument {
    /// What Meta signs webhooks with now.
    pub current: SecretString,
    /// What it signed with before; still accepted while a rotation is under way.
    #[serde(default)]
    pub previous: Option<SecretString>,
    /// What Meta shows when it asks whether the webhook is meant.
    pub verify_token: SecretString,
}

/// What became of a change of the tenants' apps.
#[derive(Debug, thiserror::Error)]
pub enum AppsError {
    /// Secrets Manager.
    #[error("the apps could not be changed")]
    Secret(#[from] SecretError),
    /// The tenant has [`MAX_APPS`] already.
    #[error("a tenant has at most {MAX_APPS} apps")]
    TooMany,
    /// The document is full.
    #[error("no more apps fit into the document")]
    Full,
}

/// The name of the app of the webhook's path without a name.
pub const DEFAULT_APP: &str = "default";

/// The default app as the environment names it, if it does. It counts only if the deployment's document has none
/// (REQUIREMENTS C-05, C-27).
pub fn default_app() -> Result<Option<AppDocument>, SettingError> {
    let secret = first_of(&["WHATSAPP_APP_SECRET", "WHATSAPP_WEBHOOK_SECRET"]);
    let verify_token = first_of(&["WHATSAPP_WEBHOOK_VERIFY_TOKEN", "WHATSAPP_VERIFY_TOKEN"]);
    match (secret, verify_token) {
        (None, None) => Ok(None),
        (Some(secret), Some(verify_token)) => {
            Ok(Some(AppDocument { current: secret.into(), previous: None, verify_token: verify_token.into() }))
        }
        (None, Some(_)) => Err(SettingError::Missing("WHATSAPP_APP_SECRET")),
        (Some(_), None) => Err(SettingError::Missing("WHATSAPP_WEBHOOK_VERIFY_TOKEN")),
    }
}

/// Both documents.
#[derive(Debug, Clone)]
pub struct MetaApps {
    deployment: EditableSecret,
    tenants: EditableSecret,
    default: Option<AppDocument>,
}

impl MetaApps {
    /// The documents that the environment names, with its default app if it has one.
    pub fn from_settings(client: Client) -> Result<Self, SettingError> {
        let (deployment, tenants) = (required("APPS_SECRET_ID")?, required("TENANT_APPS_SECRET_ID")?);
        Ok(Self { default: default_app()?, ..Self::new(client, deployment, tenants) })
    }

    /// The documents of these ids.
    pub fn new(client: Client, deployment: String, tenants: String) -> Self {
        let (deployment, tenants) =
            (EditableSecret::new(client.clone(), deployment), EditableSecret::new(client, tenants));
        Self { deployment, tenants, default: None }
    }

    /// The secrets of an app, as they are now; `None` if nobody registered it.
    pub async fn find(&self, app: &AppKey) -> Result<Option<AppDocument>, SecretError> {
        for document in [&self.deployment, &self.tenants] {
            let mut apps: AppDocuments = document.read().await?;
            if let Some(app) = apps.remove(app.as_str()) {
                return Ok(Some(app));
            }
        }
        Ok(self.default.clone().filter(|_| app.as_str() == DEFAULT_APP))
    }

    /// Gives a tenant's app these secrets; `None` removes it. `change` says what becomes of those that it has.
    /// Returns those that it has now.
    pub async fn change(
        &self,
        app: &AppKey,
        change: impl Fn(Option<AppDocument>) -> Option<AppDocument>,
    ) -> Result<Option<AppDocument>, AppsError> {
        self.tenants
            .change(text, |apps: &mut AppDocuments| {
                let known = apps.remove(app.as_str());
                let is_new = known.is_none();
                let kept = change(known);
                if let Some(document) = &kept {
                    let of_its_tenant = apps.keys().filter(|name| tenant_in(name) == tenant_in(app.as_str())).count();
                    if is_new && of_its_tenant >= MAX_APPS {
                        return Err(AppsError::TooMany);
                    }
                    apps.insert(app.as_str().to_owned(), document.clone());
                    if text(apps).len() > MAX_BYTES {
                        return Err(AppsError::Full);
                    }
                }
                Ok(kept)
            })
            .await
    }
}

/// The part of an app's name that says whose it is.
fn tenant_in(name: &str) -> &str {
    name.split_once('.').map_or(name, |(tenant, _)| tenant)
}

fn text(apps: &AppDocuments) -> String {
    let document = |app: &AppDocument| {
        let mut document =
            json!({"current": app.current.expose_secret(), "verify_token": app.verify_token.expose_secret()});
        if let Some(previous) = &app.previous {
            document["previous"] = json!(previous.expose_secret());
        }
        document
    };
    let all: Map<String, Value> = apps.iter().map(|(name, app)| (name.clone(), document(app))).collect();
    Value::Object(all).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use recado_testkit::aws::client_config;
    use std::sync::{Arc, Mutex};
    use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::method};

    /// A Secrets Manager with one secret, in which somebody else changes it once while we do.
    struct Manager {
        versions: Mutex<Vec<(String, String)>>,
        current: Mutex<usize>,
        intruder: Mutex<Option<String>>,
    }

    struct Answers(Arc<Manager>);

    impl Respond for Answers {
        fn respond(&self, request: &Request) -> ResponseTemplate {
            let Manager { versions, current, intruder } = &*self.0;
            let (mut versions, mut current) = (versions.lock().unwrap(), current.lock().unwrap());
            let asked: Value = request.body_json().unwrap();
            let target = request.headers["x-amz-target"].to_str().unwrap().rsplit('.').next().unwrap().to_owned();
            let ok = |body: Value| ResponseTemplate::new(200).set_body_json(body);
            match target.as_str() {
                "GetSecretValue" => {
                    let (id, text) = &versions[*current];
                    ok(json!({"SecretString": text, "VersionId": id}))
                }
                "PutSecretValue" => {
                    let id = asked["ClientRequestToken"].as_str().unwrap().to_owned();
                    versions.push((id.clone(), asked["SecretString"].as_str().unwrap().to_owned()));
                    let answer = ok(json!({"VersionId": id}));
                    if let Some(text) = intruder.lock().unwrap().take() {
                        versions.push(("theirs".to_owned(), text));
                        *current = versions.len() - 1;
                    }
                    answer
                }
                _ if asked["RemoveFromVersionId"] != json!(versions[*current].0) => {
                    let error = json!({"__type": "InvalidParameterException", "message": "not attached"});
                    ResponseTemplate::new(400).set_body_json(error)
                }
                _ => {
                    *current = versions.iter().position(|(id, _)| asked["MoveToVersionId"] == json!(id)).unwrap();
                    ok(json!({}))
                }
            }
        }
    }

    #[tokio::test]
    async fn two_who_register_apps_at_the_same_time_do_not_undo_each_other() {
        let theirs = json!({"theirs": {"current": "b", "verify_token": "w"}}).to_string();
        let manager = Arc::new(Manager {
            versions: Mutex::new(vec![("first".to_owned(), "{}".to_owned())]),
            current: Mutex::new(0),
            intruder: Mutex::new(Some(theirs)),
        });
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(Answers(manager.clone())).mount(&server).await;
        let client = Client::new(&client_config(&server.uri()));
        let apps = MetaApps::new(client, "tenants".to_owned(), "tenants".to_owned());
        let ours = AppKey::parse("ours").unwrap();
        let document = || AppDocument { current: "a".into(), previous: None, verify_token: "v".into() };
        apps.change(&ours, |_| Some(document())).await.unwrap();

        let current = manager.versions.lock().unwrap()[*manager.current.lock().unwrap()].1.clone();
        let known: Vec<String> = serde_json::from_str::<AppDocuments>(&current).unwrap().into_keys().collect();
        assert_eq!(known, ["ours", "theirs"], "what is registered, of both");

        let found = apps.find(&ours).await.unwrap().unwrap();
        assert_eq!(found.current.expose_secret(), "a");
        assert!(!format!("{found:?}").contains("\"a\""), "a secret shows in {found:?}");
        apps.change(&ours, |_| None).await.unwrap();
        assert!(apps.find(&ours).await.unwrap().is_none());
    }
}
