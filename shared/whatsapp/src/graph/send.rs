//! `POST /{phone_number_id}/messages`.

use super::{Graph, GraphError};
use recado_domain::callback::CallbackKey;
use recado_domain::contact::Address;
use recado_domain::ids::{PhoneNumberId, WaId, Wamid};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// A text message to be sent.
#[derive(Debug)]
pub struct OutgoingText<'a> {
    /// To whom.
    pub address: &'a Address,
    /// What it says; at most 4,096 characters.
    pub body: &'a str,
    /// The message that it answers.
    pub quoted: Option<&'a Wamid>,
    /// What the statuses of this message will carry.
    pub callback: CallbackKey,
}

/// What became of a send.
#[derive(Debug)]
pub enum SendOutcome {
    /// Meta has it. (Accepted is not delivered: statuses tell.)
    Accepted(Accepted),
    /// Meta answered that it will not take it.
    Rejected(GraphError),
    /// It surely never reached Meta.
    NotSent(reqwest::Error),
    /// Meta may or may not have it: the answer was lost, or does not say.
    Unknown(String),
}

/// Meta's acceptance of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Meta's id of the message.
    pub wamid: Wamid,
    /// The address that Meta resolved ours to; the one to use from now on.
    pub wa_id: Option<WaId>,
}

#[derive(Serialize)]
struct Request<'a> {
    messaging_product: &'static str,
    recipient_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context<'a>>,
    biz_opaque_callback_data: String,
    #[serde(rename = "type")]
    kind: &'static str,
    text: Text<'a>,
}

#[derive(Serialize)]
struct Context<'a> {
    message_id: &'a str,
}

#[derive(Serialize)]
struct Text<'a> {
    body: &'a str,
    preview_url: bool,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    contacts: Vec<ResponseContact>,
    messages: Vec<ResponseMessage>,
}

#[derive(Deserialize)]
struct ResponseContact {
    #[serde(default)]
    wa_id: Option<String>,
}

#[derive(Deserialize)]
struct ResponseMessage {
    id: Wamid,
}

impl Graph {
    /// Sends a text, once. Never retries by itself: the caller holds the claim and knows what a
    /// second attempt would mean.
    pub async fn send_text(
        &self,
        token: &SecretString,
        number: &PhoneNumberId,
        message: &OutgoingText<'_>,
    ) -> SendOutcome {
        let (to, recipient) = match message.address {
            Address::Phone(wa_id) => (Some(wa_id.as_str()), None),
            Address::Bsuid(bsuid) => (None, Some(bsuid.as_str())),
        };
        let request = Request {
            messaging_product: "whatsapp",
            recipient_type: "individual",
            to,
            recipient,
            context: message.quoted.map(|wamid| Context { message_id: wamid.as_str() }),
            biz_opaque_callback_data: message.callback.to_string(),
            kind: "text",
            text: Text { body: message.body, preview_url: false },
        };
        let sent = self
            .http
            .post(self.url(&[number.as_str(), "messages"]))
            .bearer_auth(token.expose_secret())
            .json(&request)
            .send()
            .await;
        let response = match sent {
            Ok(response) => response,
            // Name resolution, connecting and TLS come before the request: nothing left this machine.
            Err(error) if error.is_connect() || error.is_builder() => return SendOutcome::NotSent(error),
            Err(error) => return SendOutcome::Unknown(without_url(error)),
        };
        let status = response.status();
        let body = match response.bytes().await {
            Ok(body) => body,
            Err(error) => return SendOutcome::Unknown(without_url(error)),
        };
        if status.is_success() {
            match serde_json::from_slice::<Response>(&body).ok().and_then(Response::accepted) {
                Some(accepted) => SendOutcome::Accepted(accepted),
                None => SendOutcome::Unknown(format!("HTTP {status} without a message id")),
            }
        } else if status.is_server_error() {
            SendOutcome::Unknown(format!("HTTP {status}"))
        } else {
            SendOutcome::Rejected(GraphError::parse(status.as_u16(), &body))
        }
    }
}

impl Response {
    fn accepted(self) -> Option<Accepted> {
        let wamid = self.messages.into_iter().next()?.id;
        let wa_id = self.contacts.into_iter().next().and_then(|contact| WaId::parse(contact.wa_id?).ok());
        Some(Accepted { wamid, wa_id })
    }
}

/// What happened, for a log line; without the URL, which names the tenant's number.
fn without_url(error: reqwest::Error) -> String {
    let error = error.without_url();
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use recado_domain::ids::{Bsuid, MessageId, TenantId};
    use recado_testkit::samples;
    use serde_json::{Value, json};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use wiremock::matchers::{header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    fn phone() -> Address {
        Address::Phone(WaId::parse("5491155551234").unwrap())
    }

    async fn send_to(base: &str, address: &Address) -> SendOutcome {
        let graph = Graph::with_timeout(base, "v26.0", Duration::from_millis(400)).unwrap();
        let message = OutgoingText {
            address,
            body: "¡Hola!",
            quoted: None,
            callback: CallbackKey { tenant: TenantId::from_bits(1), message: MessageId::from_bits(2), attempt: 1 },
        };
        graph.send_text(&"the-token".into(), &PhoneNumberId::parse("109876543210987").unwrap(), &message).await
    }

    async fn answer(template: ResponseTemplate) -> SendOutcome {
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(template).mount(&server).await;
        send_to(&server.uri(), &phone()).await
    }

    fn sample(status: u16, file: &str) -> ResponseTemplate {
        ResponseTemplate::new(status).set_body_bytes(samples::graph(file))
    }

    #[tokio::test]
    async fn a_text_goes_out_as_meta_wants_it() {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .and(path("/v26.0/109876543210987/messages"))
            .and(header("authorization", "Bearer the-token"))
            .respond_with(sample(200, "graph_send_ok.json"))
            .expect(2)
            .mount(&server)
            .await;

        let SendOutcome::Accepted(accepted) = send_to(&server.uri(), &phone()).await else { panic!("not accepted") };
        assert_eq!(accepted.wa_id, Some(WaId::parse("5491155551234").unwrap()));
        send_to(&server.uri(), &Address::Bsuid(Bsuid::parse("AR.7092").unwrap())).await;

        let bodies: Vec<Value> =
            server.received_requests().await.unwrap().iter().map(|request| request.body_json().unwrap()).collect();
        let text = json!({"body": "¡Hola!", "preview_url": false});
        let key = "v1.tnt_00000000000000000000000001.msg_00000000000000000000000002.1";
        assert_eq!(
            bodies,
            [
                json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": "5491155551234",
                       "biz_opaque_callback_data": key, "type": "text", "text": text}),
                json!({"messaging_product": "whatsapp", "recipient_type": "individual", "recipient": "AR.7092",
                       "biz_opaque_callback_data": key, "type": "text", "text": text}),
            ]
        );
    }

    #[tokio::test]
    async fn an_answer_that_does_not_say_leaves_the_fate_unknown() {
        let loss = |outcome| matches!(outcome, SendOutcome::Unknown(_));
        assert!(loss(answer(sample(502, "graph_error_html_502.html")).await), "a 5xx does not say");
        assert!(loss(answer(sample(500, "graph_error_1_transient.json")).await), "a 5xx does not say, even in JSON");
        assert!(loss(answer(ResponseTemplate::new(200).set_body_string("{}")).await), "no message id");
        assert!(loss(answer(sample(200, "graph_send_ok.json").set_delay(Duration::from_secs(2))).await), "a timeout");
    }

    #[tokio::test]
    async fn a_connection_lost_after_the_request_leaves_the_fate_unknown() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut start = [0_u8; 16];
            socket.read_exact(&mut start).await.unwrap();
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{").await.unwrap();
        });
        assert!(matches!(send_to(&base, &phone()).await, SendOutcome::Unknown(_)));
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_refused_connection_means_it_was_surely_not_sent() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(matches!(send_to(&format!("http://{free}"), &phone()).await, SendOutcome::NotSent(_)));
    }

    #[tokio::test]
    async fn a_refusal_carries_its_code() {
        let SendOutcome::Rejected(error) = answer(sample(400, "graph_error_131047.json")).await else {
            panic!("not rejected")
        };
        assert_eq!((error.code, error.http_status), (131_047, 400));
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let elsewhere = MockServer::start().await;
        let redirect = ResponseTemplate::new(307).insert_header("location", elsewhere.uri());
        assert!(matches!(answer(redirect).await, SendOutcome::Rejected(_)));
        assert!(elsewhere.received_requests().await.unwrap().is_empty(), "the token was carried to another host");
    }
}
