//! A message to see that it works; or, while there is no number, a link by which one is written by hand.

use crate::Api;
use crate::auth::{Admin, Member};
use crate::error::ApiError;
use crate::messages::MessageView;
use crate::once::{Asked, OnceBody};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use recado_domain::ids::{ClientMessageId, ConversationId, PhoneNumberId, WaId};
use recado_domain::message::{MessageType, preview};
use recado_domain::personal::Personal;
use recado_domain::phone::{Phone, match_key_of};
use recado_domain::window;
use recado_store::{Composed, Conversation, Draft, Sender};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

/// What it says, in the language of the first users.
const TEXT: &str = "Mensaje de prueba de Recado";

/// To whom, and from which number.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TestMessageRequest {
    /// As people write it; without an area code, the tenant's own is meant.
    #[schema(value_type = String, min_length = 1, max_length = 64, example = "11 5555-1234")]
    to: Personal<String>,
    /// The first of the tenant's, if it is left out.
    #[serde(default)]
    #[schema(example = json!(null))]
    phone_number_id: Option<PhoneNumberId>,
}

/// How the message goes.
#[derive(Serialize, ToSchema)]
pub(crate) struct TestMessageView {
    mode: Mode,
    /// Opens WhatsApp with the message, to be sent by hand; only without a number.
    #[schema(example = json!(null))]
    url: Option<String>,
    /// The message that will be sent.
    message: Option<MessageView>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// By the hub.
    Api,
    /// By hand.
    WaMe,
}

/// Sends a test message
///
/// For administrators of the tenant. Whoever is to get it has written to the number in the last 24 hours: only then
/// does Meta take a message that is no template. Without a number, the answer is a link by which the message is
/// written by hand.
#[utoipa::path(
    post, path = "/config/test-message", request_body = TestMessageRequest,
    responses(
        (status = 200, description = "There is no number: a link", body = TestMessageView),
        (status = 202, description = "The message will be sent", body = TestMessageView),
        (status = 404, description = "`NOT_FOUND`: There is no such number"),
        (status = 409, description = "`WINDOW_EXPIRED`: to: has not written to the number in the last 24 hours"),
    )
)]
pub(crate) async fn send(
    State(api): State<Arc<Api>>,
    Admin(member): Admin,
    OnceBody { body: request, asked }: OnceBody<TestMessageRequest>,
) -> Result<(StatusCode, Json<TestMessageView>), ApiError> {
    let once = match asked {
        Asked::Anew(once) => once,
        Asked::Before(effect) => {
            let message = member.store.message(effect.read()?).await?;
            return Ok(taken(message.ok_or_else(|| ApiError::not_found("message"))?.into()));
        }
    };
    let area = member.store.policy().await?.default_area_code;
    let to = Phone::parse(request.to.expose(), area).map_err(|error| ApiError::invalid("to", error))?;
    let mut numbers = member.store.connected_numbers().await?.into_iter().map(|kept| kept.number.phone_number_id);
    let number = match request.phone_number_id {
        Some(id) => Some(numbers.find(|number| *number == id).ok_or_else(|| ApiError::not_found("number"))?),
        None => numbers.next(),
    };
    let Some(number) = number else {
        let by_hand = TestMessageView { mode: Mode::WaMe, url: Some(wa_me(&to, TEXT)), message: None };
        return Ok((StatusCode::OK, Json(by_hand)));
    };
    let now = api.clock.now();
    let conversation = conversation_with(&member, &to, &number).await?;
    let open = conversation.filter(|conversation| window::is_open(conversation.window_expires_at, now));
    let Some(conversation) = open else {
        let message = "to: has not written to the number in the last 24 hours";
        return Err(ApiError::conflict("WINDOW_EXPIRED", message));
    };
    let draft = Draft {
        client_message_id: ClientMessageId::parse(format!("test-{:032x}", rand::random::<u128>()))
            .expect("letters and digits are an id"),
        kind: MessageType::Text,
        preview: Personal::new(preview(MessageType::Text, Some(TEXT))),
        content: Personal::new(json!({ "text": TEXT })),
        sender: Sender { id: member.membership.user().clone(), name: member.membership.name().clone() },
    };
    match member.store.compose_once(conversation, &draft, once.as_ref(), now).await? {
        Composed::New(message) | Composed::Existing(message) => Ok(taken(message.into())),
    }
}

fn taken(message: MessageView) -> (StatusCode, Json<TestMessageView>) {
    (StatusCode::ACCEPTED, Json(TestMessageView { mode: Mode::Api, url: None, message: Some(message) }))
}

/// The conversation of whoever has this phone with a number.
async fn conversation_with(
    member: &Member,
    to: &Phone,
    number: &PhoneNumberId,
) -> Result<Option<Conversation>, ApiError> {
    let Some(contact) = member.store.contact_of_phone(to).await? else { return Ok(None) };
    let conversation = member.store.conversation(ConversationId::between(contact, number)).await?;
    // Whoever had it before is written to at another one.
    let has_it = |wa_id: &WaId| match_key_of(wa_id).is_some_and(|key| key == to.match_key());
    Ok(conversation.filter(|conversation| conversation.contact.wa_id.as_ref().is_some_and(has_it)))
}

/// The link that opens WhatsApp with a message to a phone, to be sent by hand (REQUIREMENTS OUT-19).
pub(crate) fn wa_me(to: &Phone, text: &str) -> String {
    // `+` would be shown as it is.
    let text: String = form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    format!("https://wa.me/{}?text={text}", to.to_wa_id().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use recado_domain::phone::AreaCode;

    #[test]
    fn a_link_has_digits_only_and_its_text_comes_back_as_it_was() {
        let phone = Phone::parse("11 5555-1234", AreaCode::BUENOS_AIRES).unwrap();
        let link = wa_me(&phone, "¿Va 1+1 & 2?");
        assert_eq!(link, "https://wa.me/5491155551234?text=%C2%BFVa%201%2B1%20%26%202%3F");
        let (_, text) = form_urlencoded::parse(link.split_once('?').unwrap().1.as_bytes()).next().unwrap();
        assert_eq!(text, "¿Va 1+1 & 2?");
    }
}
