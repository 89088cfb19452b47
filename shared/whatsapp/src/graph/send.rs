//! `POST /{phone_number_id}/messages`: sending, and marking as read.

use super::call::{Answer, CallError, NotSent, Unanswered, describe};
use super::message::Sendable;
use super::{Graph, GraphError};
use recado_domain::ids::{Bsuid, PhoneNumberId, WaId, Wamid};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// What became of a send.
#[derive(Debug)]
pub enum SendOutcome {
    /// Meta has it. (Accepted is not delivered: statuses tell.)
    Accepted(Accepted),
    /// Meta answered that it will not take it.
    Rejected(GraphError),
    /// It surely never reached Meta.
    NotSent(NotSent),
    /// Meta may or may not have it: the answer was lost, or does not say. What happened, for a log.
    Unknown(String),
}

/// Meta's acceptance of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Meta's id of the message.
    pub wamid: Wamid,
    /// The address that Meta resolved ours to; the one to use from now on.
    pub wa_id: Option<WaId>,
    /// The business-scoped id of the person, if Meta says it.
    pub bsuid: Option<Bsuid>,
    /// What Meta does with it now.
    pub state: AcceptedState,
}

/// What Meta does with a message that it has accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptedState {
    /// It sends it.
    Accepted,
    /// It holds it back until it has seen how the first ones of this template are taken.
    HeldForQualityAssessment,
    /// It holds it back because the template is paused.
    Paused,
    /// A word that we do not know.
    Other,
}

impl Graph {
    /// Sends a message and says what became of it.
    pub async fn send(&self, token: &SecretString, number: &PhoneNumberId, message: &Sendable<'_>) -> SendOutcome {
        let url = self.url(&[number.as_str(), message.endpoint()]);
        let request = self.http.post(url).bearer_auth(token.expose_secret()).json(message);
        match self.answer(request).await {
            Ok(answer) => outcome(&answer),
            Err(Unanswered::NotSent(reason)) => SendOutcome::NotSent(reason),
            Err(Unanswered::Lost(error)) => SendOutcome::Unknown(describe(&error)),
            Err(Unanswered::TooLong) => SendOutcome::Unknown("the answer is too long".to_owned()),
        }
    }

    /// Marks a message of the customer's, and all before it, as read. With `typing`, also shows that an
    /// answer is being written: for 25 seconds or until it arrives.
    pub async fn mark_as_read(
        &self,
        token: &SecretString,
        number: &PhoneNumberId,
        message: &Wamid,
        typing: bool,
    ) -> Result<(), CallError> {
        let mut body = json!({"messaging_product": "whatsapp", "status": "read", "message_id": message});
        if typing {
            body["typing_indicator"] = json!({"type": "text"});
        }
        self.done(token, self.http.post(self.url(&[number.as_str(), "messages"])).json(&body)).await
    }
}

fn outcome(Answer { status, body }: &Answer) -> SendOutcome {
    if status.is_success() {
        return match accepted(body) {
            Some(accepted) => SendOutcome::Accepted(accepted),
            None => SendOutcome::Unknown(format!("HTTP {status} without a message id")),
        };
    }
    match GraphError::read(status.as_u16(), body) {
        Some(error) if error.is_definite() => SendOutcome::Rejected(error),
        None if !status.is_server_error() && *status != reqwest::StatusCode::REQUEST_TIMEOUT => {
            SendOutcome::Rejected(GraphError::parse(status.as_u16(), body))
        }
        Some(error) => SendOutcome::Unknown(format!("HTTP {status} with code {}", error.code)),
        None => SendOutcome::Unknown(format!("HTTP {status}")),
    }
}

/// Reads an acceptance. All that it must have is the message's id: whatever else is missing or odd, Meta has
/// the message.
fn accepted(body: &[u8]) -> Option<Accepted> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |path| body.pointer(path).and_then(Value::as_str);
    Some(Accepted {
        wamid: Wamid::parse(text("/messages/0/id")?).ok()?,
        wa_id: text("/contacts/0/wa_id").and_then(|id| WaId::parse(id).ok()),
        bsuid: text("/contacts/0/user_id").and_then(|id| Bsuid::parse(id).ok()),
        state: match text("/messages/0/message_status") {
            None | Some("accepted") => AcceptedState::Accepted,
            Some("held_for_quality_assessment") => AcceptedState::HeldForQualityAssessment,
            Some("paused") => AcceptedState::Paused,
            Some(_) => AcceptedState::Other,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::message::{Content, Marketing, OutgoingMessage, ProductPolicy, TemplateMessage};
    use super::*;
    use recado_domain::contact::Address;
    use recado_testkit::samples;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use wiremock::matchers::{body_json, header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    fn number() -> PhoneNumberId {
        PhoneNumberId::parse("109876543210987").unwrap()
    }

    fn phone() -> Address {
        Address::Phone(WaId::parse("5491155551234").unwrap())
    }

    async fn send_to(base: &str, address: &Address) -> SendOutcome {
        send_by(&Graph::new(base, "v26.0").unwrap(), address).await
    }

    async fn send_by(graph: &Graph, address: &Address) -> SendOutcome {
        let content = Content::text("¡Hola!");
        let message = OutgoingMessage { to: address, reply_to: None, callback: Some("v1.a.b.1"), content };
        graph.send(&"the-token".into(), &number(), &message.check().unwrap()).await
    }

    async fn answer(template: ResponseTemplate) -> SendOutcome {
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(template).mount(&server).await;
        send_to(&server.uri(), &phone()).await
    }

    fn sample(status: u16, file: &str) -> ResponseTemplate {
        ResponseTemplate::new(status).set_body_bytes(samples::graph(file))
    }

    fn error(status: u16, code: i64) -> ResponseTemplate {
        ResponseTemplate::new(status).set_body_json(json!({"error": {"message": "", "code": code}}))
    }

    #[tokio::test]
    async fn a_text_goes_out_as_meta_wants_it() {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .and(path("/v26.0/109876543210987/messages"))
            .and(header("authorization", "Bearer the-token"))
            .and(header("user-agent", concat!("recado/", env!("CARGO_PKG_VERSION"))))
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
        assert_eq!(
            bodies,
            [
                json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": "5491155551234",
                       "biz_opaque_callback_data": "v1.a.b.1", "type": "text", "text": text}),
                json!({"messaging_product": "whatsapp", "recipient_type": "individual", "recipient": "AR.7092",
                       "biz_opaque_callback_data": "v1.a.b.1", "type": "text", "text": text}),
            ]
        );
    }

    #[tokio::test]
    async fn every_kind_of_acceptance_is_read() {
        for (file, has_phone, has_bsuid, state) in [
            ("graph_send_ok.json", true, false, AcceptedState::Accepted),
            ("graph_send_ok_template.json", true, false, AcceptedState::Accepted),
            ("graph_send_ok_bsuid.json", false, true, AcceptedState::Accepted),
            ("graph_send_held.json", true, false, AcceptedState::HeldForQualityAssessment),
        ] {
            let SendOutcome::Accepted(accepted) = answer(sample(200, file)).await else { panic!("{file}: refused") };
            assert_eq!((accepted.wa_id.is_some(), accepted.bsuid.is_some()), (has_phone, has_bsuid), "{file}");
            assert_eq!(accepted.state, state, "{file}");
        }
        for (body, state) in [
            (json!({"messages": [{"id": "wamid.A", "message_status": "paused"}]}), AcceptedState::Paused),
            (json!({"messages": [{"id": "wamid.A", "message_status": "new word"}]}), AcceptedState::Other),
            (json!({"messages": [{"id": "wamid.A", "message_status": 7}], "contacts": 7}), AcceptedState::Accepted),
            (json!({"messages": [{"id": "wamid.A"}], "contacts": [{"wa_id": ""}]}), AcceptedState::Accepted),
        ] {
            let outcome = answer(ResponseTemplate::new(200).set_body_json(&body)).await;
            let SendOutcome::Accepted(accepted) = outcome else { panic!("{body}: {outcome:?}") };
            assert_eq!((accepted.state, accepted.wa_id), (state, None), "{body}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_does_not_say_leaves_the_fate_unknown() {
        let loss = |outcome| matches!(outcome, SendOutcome::Unknown(_));
        assert!(loss(answer(sample(502, "graph_error_html_502.html")).await), "a 5xx does not say");
        assert!(loss(answer(sample(500, "graph_error_1_transient.json")).await), "a 5xx does not say, even in JSON");
        assert!(loss(answer(error(503, 131_016)).await), "a 5xx does not say, even with a known code");
        assert!(loss(answer(error(500, 99_999)).await), "a 5xx does not say with an unknown code");
        assert!(loss(answer(ResponseTemplate::new(408)).await), "a gateway's timeout does not say");
        assert!(loss(answer(ResponseTemplate::new(200).set_body_string("{}")).await), "no message id");
        assert!(loss(answer(ResponseTemplate::new(200).set_body_bytes(vec![b' '; 5 << 20])).await), "too long");

        let server = MockServer::start().await;
        let late = sample(200, "graph_send_ok.json").set_delay(Duration::from_secs(60));
        Mock::given(method("POST")).respond_with(late).mount(&server).await;
        let hasty = Graph::with_timeout(&server.uri(), "v26.0", Duration::from_millis(400)).unwrap();
        assert!(loss(send_by(&hasty, &phone()).await), "a timeout");
    }

    #[tokio::test]
    async fn a_servers_error_with_the_code_of_a_refusal_is_a_refusal() {
        for code in [190, 131_047, 131_026, 132_000, 131_056] {
            let outcome = answer(error(500, code)).await;
            assert!(matches!(&outcome, SendOutcome::Rejected(error) if error.code == code), "{code}: {outcome:?}");
        }
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
        let outcome = send_to(&format!("http://{free}"), &phone()).await;
        assert!(matches!(outcome, SendOutcome::NotSent(NotSent::Connection(_))), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_connection_without_tls_means_it_was_surely_not_sent() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        });
        let outcome = send_to(&base, &phone()).await;
        assert!(matches!(outcome, SendOutcome::NotSent(NotSent::Connection(_))), "{outcome:?}");
        server.await.unwrap();
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

    #[tokio::test]
    async fn a_template_can_go_by_the_marketing_api() {
        let server = MockServer::start().await;
        let body = json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": "5491155551234",
                          "type": "template", "template": {"name": "promo", "language": {"code": "es_AR"}},
                          "product_policy": "STRICT", "message_activity_sharing": true});
        Mock::given(path("/v26.0/109876543210987/marketing_messages"))
            .and(body_json(body))
            .respond_with(sample(200, "graph_send_ok_template.json"))
            .mount(&server)
            .await;
        let graph = Graph::new(&server.uri(), "v26.0").unwrap();
        let to = phone();
        let draft = |content| OutgoingMessage { to: &to, reply_to: None, callback: None, content }.check().unwrap();
        let strict = Marketing { product_policy: Some(ProductPolicy::Strict), message_activity_sharing: Some(true) };
        let message = draft(Content::Template(TemplateMessage::new("promo", "es_AR"))).by_marketing(strict).unwrap();
        let outcome = graph.send(&"the-token".into(), &number(), &message).await;
        assert!(matches!(outcome, SendOutcome::Accepted(_)), "{outcome:?}");
        let refused = draft(Content::text("Hola")).by_marketing(strict).unwrap_err();
        assert_eq!(refused.to_string(), "type: only templates are sent as marketing messages");
    }

    #[tokio::test]
    async fn a_message_is_marked_as_read_with_or_without_typing() {
        let server = MockServer::start().await;
        Mock::given(path("/v26.0/109876543210987/messages"))
            .respond_with(sample(200, "graph_mark_read.json"))
            .mount(&server)
            .await;
        let graph = Graph::new(&server.uri(), "v26.0").unwrap();
        let wamid = Wamid::parse("wamid.A").unwrap();
        for typing in [false, true] {
            graph.mark_as_read(&"the-token".into(), &number(), &wamid, typing).await.unwrap();
        }
        let requests = server.received_requests().await.unwrap();
        let read = json!({"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.A"});
        let mut typing = read.clone();
        typing["typing_indicator"] = json!({"type": "text"});
        let bodies: Vec<Value> = requests.iter().map(|request| request.body_json().unwrap()).collect();
        assert_eq!(bodies, [read, typing]);
    }

    #[tokio::test]
    async fn a_reading_that_meta_does_not_confirm_is_an_error() {
        let server = MockServer::start().await;
        let no = ResponseTemplate::new(200).set_body_json(json!({"success": false}));
        Mock::given(method("POST")).respond_with(no).mount(&server).await;
        let graph = Graph::new(&server.uri(), "v26.0").unwrap();
        let marked = graph.mark_as_read(&"the-token".into(), &number(), &Wamid::parse("wamid.A").unwrap(), false).await;
        assert!(matches!(marked, Err(CallError::NotDone)), "{marked:?}");
    }
}
