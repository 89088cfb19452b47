//! Calls that read or manage an account; none of them sends anything.

use super::call::CallError;
use super::{AppId, Graph};
use recado_domain::ids::{PhoneNumberId, WabaId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

/// A number of a WhatsApp Business account, as Graph describes it. Words are Meta's own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BusinessNumber {
    /// Its id.
    pub id: PhoneNumberId,
    /// The number as people write it.
    #[serde(default)]
    pub display_phone_number: Option<String>,
    /// The name that customers see.
    #[serde(default)]
    pub verified_name: Option<String>,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    #[serde(default)]
    pub quality_rating: Option<String>,
    /// Such as `VERIFIED`.
    #[serde(default)]
    pub code_verification_status: Option<String>,
    /// `CLOUD_API`, `ON_PREMISE` or `NOT_APPLICABLE`.
    #[serde(default)]
    pub platform_type: Option<String>,
    /// How much it may send.
    #[serde(default)]
    pub throughput: Option<Throughput>,
    /// Such as `CONNECTED`.
    #[serde(default)]
    pub status: Option<String>,
    /// Such as `APPROVED`.
    #[serde(default)]
    pub name_status: Option<String>,
    /// How many people may be written to in 24 hours, such as `TIER_2K`. The portfolio's limit, shared by its
    /// numbers (WHATSAPP.md §2.8).
    #[serde(default)]
    pub whatsapp_business_manager_messaging_limit: Option<String>,
}

/// How much a number may send.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Throughput {
    /// `STANDARD` (80 messages a second), `HIGH` (1,000) or `NOT_APPLICABLE`.
    pub level: String,
}

/// What of a number is asked for: Graph leaves most of it out otherwise.
const NUMBER_FIELDS: &str = "id,display_phone_number,verified_name,quality_rating,code_verification_status,\
                             platform_type,throughput,status,name_status,whatsapp_business_manager_messaging_limit";

/// Whether messages can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CanSend {
    /// Yes.
    Available,
    /// Yes, with a limit.
    Limited,
    /// No.
    Blocked,
    /// A word that we do not know.
    #[serde(other)]
    Other,
}

/// The health of a number or an account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// Whether messages can be sent, all in all.
    pub can_send_message: CanSend,
    /// The same for everything that has a part in it.
    #[serde(default)]
    pub entities: Vec<EntityHealth>,
}

/// The health of a number, account, business, app or template.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EntityHealth {
    /// Such as `PHONE_NUMBER`.
    pub entity_type: String,
    /// Its id.
    #[serde(default)]
    pub id: Option<String>,
    /// Whether it lets messages be sent.
    pub can_send_message: CanSend,
    /// Why not.
    #[serde(default)]
    pub errors: Vec<HealthProblem>,
    /// Why only with a limit.
    #[serde(default)]
    pub additional_info: Vec<String>,
}

/// Something that keeps messages from being sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HealthProblem {
    /// Meta's code.
    #[serde(default)]
    pub error_code: Option<i64>,
    /// What is wrong.
    #[serde(default)]
    pub error_description: Option<String>,
    /// What would help.
    #[serde(default)]
    pub possible_solution: Option<String>,
}

/// An app that gets an account's webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SubscribedApp {
    /// The app.
    #[serde(rename = "whatsapp_business_api_data")]
    pub app: App,
    /// Where its webhooks go, if not where the app says.
    #[serde(default)]
    pub override_callback_uri: Option<String>,
}

/// An app.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct App {
    /// Its id.
    pub id: AppId,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
}

/// Another place for an account's webhooks (WHATSAPP.md §2.1). Templates' and accounts' webhooks go to the
/// app's own place all the same.
#[derive(Debug)]
pub struct CallbackOverride<'a> {
    /// Where to.
    pub uri: &'a str,
    /// What Meta shows there when it asks.
    pub verify_token: &'a SecretString,
}

/// What Meta knows about a token.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TokenInfo {
    /// Whether it can be used.
    #[serde(default)]
    pub is_valid: bool,
    /// The app that it belongs to.
    #[serde(default)]
    pub app_id: Option<AppId>,
    /// Such as `SYSTEM_USER`.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// When it expires; `None` if it does not.
    #[serde(default, deserialize_with = "moment_or_never")]
    pub expires_at: Option<jiff::Timestamp>,
    /// When the access to people's data ends; `None` if it does not.
    #[serde(default, deserialize_with = "moment_or_never")]
    pub data_access_expires_at: Option<jiff::Timestamp>,
    /// What it may be used for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The same, each with the accounts that it is for. Since June 2026 `whatsapp_business_management` is
    /// missing here; that is no failure (WHATSAPP.md §2.5).
    #[serde(default)]
    pub granular_scopes: Vec<GranularScope>,
    /// Why it cannot be used, in Meta's words.
    #[serde(default)]
    pub error: Option<Map<String, Value>>,
}

/// A permission, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GranularScope {
    /// Such as `whatsapp_business_messaging`.
    pub scope: String,
    /// The ids that it is for; everything, if there is none.
    #[serde(default)]
    pub target_ids: Vec<String>,
}

impl Graph {
    /// The details of one number.
    pub async fn phone_number(&self, token: &SecretString, id: &PhoneNumberId) -> Result<BusinessNumber, CallError> {
        self.get(token, &[id.as_str()], &[("fields", NUMBER_FIELDS)]).await
    }

    /// All numbers of an account, every page of them.
    pub async fn phone_numbers(&self, token: &SecretString, waba: &WabaId) -> Result<Vec<BusinessNumber>, CallError> {
        self.list(token, &[waba.as_str(), "phone_numbers"], &[("fields", NUMBER_FIELDS)]).await
    }

    /// The health of a number.
    pub async fn number_health(&self, token: &SecretString, id: &PhoneNumberId) -> Result<Health, CallError> {
        self.health(token, id.as_str()).await
    }

    /// The health of an account.
    pub async fn account_health(&self, token: &SecretString, id: &WabaId) -> Result<Health, CallError> {
        self.health(token, id.as_str()).await
    }

    async fn health(&self, token: &SecretString, id: &str) -> Result<Health, CallError> {
        #[derive(Deserialize)]
        struct Answer {
            health_status: Health,
        }
        let Answer { health_status } = self.get(token, &[id], &[("fields", "health_status")]).await?;
        Ok(health_status)
    }

    /// The apps that get an account's webhooks.
    pub async fn subscribed_apps(&self, token: &SecretString, waba: &WabaId) -> Result<Vec<SubscribedApp>, CallError> {
        self.list(token, &[waba.as_str(), "subscribed_apps"], &[]).await
    }

    /// Subscribes the token's app to an account's webhooks; doing it again changes the override.
    pub async fn subscribe(
        &self,
        token: &SecretString,
        waba: &WabaId,
        elsewhere: Option<CallbackOverride<'_>>,
    ) -> Result<(), CallError> {
        let request = self.http.post(self.url(&[waba.as_str(), "subscribed_apps"]));
        let request = match elsewhere {
            Some(CallbackOverride { uri, verify_token }) => {
                let verify_token = verify_token.expose_secret();
                request.json(&json!({"override_callback_uri": uri, "verify_token": verify_token}))
            }
            None => request,
        };
        self.done(token, request).await
    }

    /// Ends the subscription of the token's app to an account's webhooks.
    pub async fn unsubscribe(&self, token: &SecretString, waba: &WabaId) -> Result<(), CallError> {
        self.done(token, self.http.delete(self.url(&[waba.as_str(), "subscribed_apps"]))).await
    }

    /// What Meta knows about a token. `token` authorises the question: the same one, or the app's.
    pub async fn debug_token(&self, token: &SecretString, examined: &SecretString) -> Result<TokenInfo, CallError> {
        #[derive(Deserialize)]
        struct Answer {
            data: TokenInfo,
        }
        // Meta takes the examined token nowhere but in the query; the URL appears in no error and no log.
        let Answer { data } = self.get(token, &["debug_token"], &[("input_token", examined.expose_secret())]).await?;
        Ok(data)
    }
}

/// Reads Unix seconds, of which 0 means never.
fn moment_or_never<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<jiff::Timestamp>, D::Error> {
    match Option::<i64>::deserialize(deserializer)? {
        None | Some(0) => Ok(None),
        Some(seconds) => jiff::Timestamp::from_second(seconds).map(Some).map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use recado_testkit::samples;
    use wiremock::matchers::{body_json, header, method, path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    fn token() -> SecretString {
        "the-token".into()
    }

    fn waba() -> WabaId {
        WabaId::parse("102938475610293").unwrap()
    }

    fn number() -> PhoneNumberId {
        PhoneNumberId::parse("109876543210987").unwrap()
    }

    async fn answering(answer: ResponseTemplate) -> (MockServer, Graph) {
        let server = MockServer::start().await;
        Mock::given(header("authorization", "Bearer the-token")).respond_with(answer).mount(&server).await;
        let graph = Graph::new(&server.uri(), "v26.0").unwrap();
        (server, graph)
    }

    fn sample(status: u16, file: &str) -> ResponseTemplate {
        ResponseTemplate::new(status).set_body_bytes(samples::graph(file))
    }

    #[tokio::test]
    async fn a_number_is_described_and_a_bad_token_is_refused() {
        let (server, graph) = answering(sample(200, "graph_phone_number.json")).await;
        let found = graph.phone_number(&token(), &number()).await.unwrap();
        assert_eq!(found.verified_name.as_deref(), Some("CampoTech"));
        assert_eq!(found.quality_rating.as_deref(), Some("GREEN"));
        assert_eq!(found.throughput.map(|throughput| throughput.level).as_deref(), Some("STANDARD"));
        assert_eq!(found.status.as_deref(), Some("CONNECTED"));
        assert_eq!(server.received_requests().await.unwrap()[0].url.path(), "/v26.0/109876543210987");

        let (_server, graph) = answering(sample(401, "graph_error_190_expired.json")).await;
        let error = graph.phone_number(&token(), &number()).await.unwrap_err();
        assert!(matches!(error, CallError::Refused(ref error) if error.code == 190), "{error:?}");
    }

    #[tokio::test]
    async fn all_numbers_of_an_account_are_listed() {
        let server = MockServer::start().await;
        let page = json!({"data": [{"id": "1"}, {"id": "2", "throughput": {"level": "HIGH"}}]});
        Mock::given(path("/v26.0/102938475610293/phone_numbers"))
            .respond_with(ResponseTemplate::new(200).set_body_json(page))
            .mount(&server)
            .await;
        let graph = Graph::new(&server.uri(), "v26.0").unwrap();
        let numbers = graph.phone_numbers(&token(), &waba()).await.unwrap();
        let ids: Vec<_> = numbers.iter().map(|number| number.id.as_str()).collect();
        assert_eq!(ids, ["1", "2"]);
    }

    #[tokio::test]
    async fn health_says_who_is_limited_and_why() {
        let (server, graph) = answering(sample(200, "graph_health_status.json")).await;
        let health = graph.number_health(&token(), &number()).await.unwrap();
        assert_eq!((health.can_send_message, health.entities.len()), (CanSend::Limited, 4));
        let limited: Vec<_> =
            health.entities.iter().filter(|entity| entity.can_send_message == CanSend::Limited).collect();
        assert_eq!(limited[0].entity_type, "BUSINESS");
        assert_eq!(limited[0].additional_info, ["Business not verified"]);
        graph.account_health(&token(), &waba()).await.unwrap();
        let paths: Vec<_> =
            server.received_requests().await.unwrap().iter().map(|request| request.url.to_string()).collect();
        assert!(paths[0].ends_with("/v26.0/109876543210987?fields=health_status"), "{paths:?}");
        assert!(paths[1].ends_with("/v26.0/102938475610293?fields=health_status"), "{paths:?}");

        let blocked = json!({"health_status": {"can_send_message": "BLOCKED", "entities": [
            {"entity_type": "WABA", "can_send_message": "SOMETHING_NEW",
             "errors": [{"error_code": 141_006, "error_description": "No card", "possible_solution": "Add one"}]}]}});
        let (_server, graph) = answering(ResponseTemplate::new(200).set_body_json(blocked)).await;
        let health = graph.account_health(&token(), &waba()).await.unwrap();
        assert_eq!(health.can_send_message, CanSend::Blocked);
        assert_eq!(health.entities[0].can_send_message, CanSend::Other);
        assert_eq!(health.entities[0].errors[0].error_code, Some(141_006));
    }

    #[tokio::test]
    async fn an_account_is_subscribed_to_listed_and_left() {
        let server = MockServer::start().await;
        let at = |verb| Mock::given(method(verb)).and(path("/v26.0/102938475610293/subscribed_apps"));
        let answer = |body| ResponseTemplate::new(200).set_body_json(body);
        let listed = json!({"data": [{"whatsapp_business_api_data": {"id": "67", "name": "Recado", "link": "x"},
                                      "override_callback_uri": "https://hub.example/webhook/a"}]});
        at("GET").respond_with(answer(listed)).mount(&server).await;
        let elsewhere = json!({"override_callback_uri": "https://hub.example/webhook/a", "verify_token": "secret"});
        at("POST")
            .and(body_json(elsewhere))
            .respond_with(answer(json!({"success": true})))
            .expect(1)
            .mount(&server)
            .await;
        at("POST").respond_with(answer(json!({"success": true}))).expect(1).mount(&server).await;
        at("DELETE").respond_with(answer(json!({"success": true}))).expect(1).mount(&server).await;

        let graph = Graph::new(&server.uri(), "v26.0").unwrap();
        let apps = graph.subscribed_apps(&token(), &waba()).await.unwrap();
        assert_eq!(apps[0].app.id.as_str(), "67");
        assert_eq!(apps[0].override_callback_uri.as_deref(), Some("https://hub.example/webhook/a"));
        let verify_token = "secret".into();
        let elsewhere = CallbackOverride { uri: "https://hub.example/webhook/a", verify_token: &verify_token };
        graph.subscribe(&token(), &waba(), Some(elsewhere)).await.unwrap();
        graph.subscribe(&token(), &waba(), None).await.unwrap();
        graph.unsubscribe(&token(), &waba()).await.unwrap();
    }

    #[tokio::test]
    async fn a_token_is_examined() {
        let server = MockServer::start().await;
        let data = json!({"data": {"app_id": "67", "type": "SYSTEM_USER", "application": "Recado", "is_valid": true,
            "expires_at": 0, "data_access_expires_at": 1_795_171_200, "scopes": ["whatsapp_business_messaging"],
            "granular_scopes": [{"scope": "whatsapp_business_messaging", "target_ids": ["102938475610293"]}]}});
        Mock::given(path("/v26.0/debug_token"))
            .and(query_param("input_token", "the examined one"))
            .and(header("authorization", "Bearer the-token"))
            .respond_with(ResponseTemplate::new(200).set_body_json(data))
            .mount(&server)
            .await;
        let graph = Graph::new(&server.uri(), "v26.0").unwrap();
        let info = graph.debug_token(&token(), &"the examined one".into()).await.unwrap();
        assert!(info.is_valid);
        assert_eq!(info.expires_at, None, "0 means never");
        assert_eq!(info.data_access_expires_at.map(jiff::Timestamp::as_second), Some(1_795_171_200));
        assert_eq!(info.granular_scopes[0].target_ids, ["102938475610293"]);
    }

    #[tokio::test]
    async fn an_examined_token_shows_in_no_error() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let graph = Graph::new(&format!("http://{free}"), "v26.0").unwrap();
        let error = graph.debug_token(&token(), &"EAAB-secret".into()).await.unwrap_err();
        assert!(!format!("{error:?}").contains("EAAB"), "{error:?}");
    }
}
