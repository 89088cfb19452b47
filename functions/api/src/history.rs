//! What was written with somebody, whoever they are to the caller: a contact, or a phone number.

use crate::Api;
use crate::auth::Member;
use crate::conversations::List;
use crate::error::ApiError;
use crate::extract::Paging;
use crate::messages::{MessageView, views};
use axum::Json;
use axum::extract::State;
use recado_domain::ids::ContactId;
use recado_domain::personal::Personal;
use recado_domain::phone::Phone;
use recado_store::{Message, Page};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// How many messages can be left out; further back lead cursors.
const MOST_LEFT_OUT: u16 = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// With whom; either this or `phoneNumber`.
    contact_id: Option<ContactId>,
    /// With whom, as people write it; without an area code, the tenant's own is meant.
    #[param(value_type = Option<String>, example = "11 5555-1234")]
    phone_number: Option<Personal<String>>,
    /// How many of the newest messages to leave out, instead of `cursor`.
    #[param(minimum = 0, maximum = 500)]
    offset: Option<u16>,
}

/// What was written with a contact at any of the tenant's numbers, newest first
#[utoipa::path(
    get, path = "/messages", params(Paging<HistoryQuery>),
    responses(
        (status = 200, description = "A page of messages", body = List<MessageView>),
        (status = 404, description = "`NOT_FOUND`: There is no such contact"),
    )
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    member: Member,
    paging: Paging<HistoryQuery>,
) -> Result<Json<List<MessageView>>, ApiError> {
    let HistoryQuery { contact_id, phone_number, offset } = paging.filter;
    let mut left_out = usize::from(offset.unwrap_or_default());
    if left_out > usize::from(MOST_LEFT_OUT) {
        return Err(ApiError::invalid("offset", format!("must be a whole number from 0 to {MOST_LEFT_OUT}")));
    }
    if offset.is_some() && paging.cursor.is_some() {
        return Err(ApiError::invalid("offset", "cannot be given with a cursor"));
    }
    let nothing = || Json(List { items: Vec::new(), next_cursor: None });
    let contact = match (contact_id, phone_number) {
        (Some(contact), None) => contact,
        (None, Some(typed)) => {
            let area = member.store.policy().await?.default_area_code;
            let phone = Phone::parse(typed.expose(), area).map_err(|error| ApiError::invalid("phoneNumber", error))?;
            // Nobody has written from it, nor was written to: that is what there is of it.
            let Some(contact) = member.store.contact_of_phone(&phone).await? else { return Ok(nothing()) };
            contact
        }
        _ => return Err(ApiError::invalid("contactId", "is required, or `phoneNumber` in its place")),
    };
    let (tenant, name) = (member.membership.tenant(), format!("history/{contact}"));
    let mut after = paging.cursor.map(|cursor| api.cursor_key.open(tenant, &name, &cursor)).transpose()?;
    let page = async |limit: i32, after: Option<&str>| -> Result<Page<Message>, ApiError> {
        let page = member.store.messages_with(contact, limit, after).await?;
        page.ok_or_else(|| ApiError::not_found("contact"))
    };
    while left_out > 0 {
        let skipped = page(i32::try_from(left_out.min(100)).unwrap_or(100), after.as_deref()).await?;
        left_out -= skipped.items.len();
        after = skipped.next;
        if after.is_none() {
            return Ok(nothing());
        }
    }
    let page = page(paging.limit, after.as_deref()).await?;
    let next_cursor = page.next.map(|position| api.cursor_key.seal(tenant, &name, &position));
    Ok(Json(List { items: views(&api, &member.store, page.items).await?, next_cursor }))
}
