//! The customers in the business's books.

use crate::Api;
use crate::auth::{Member, Writer};
use crate::error::ApiError;
use crate::extract::{CustomerPath, JsonBody};
use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use jiff::Timestamp;
use recado_domain::customer::{Link, MatchOn};
use recado_domain::email::Email;
use recado_domain::ids::CustomerId;
use recado_domain::personal::Personal;
use recado_domain::phone::{AreaCode, Phone};
use recado_store::{Customer, KeptCustomer, MAX_SHARING, TenantStore};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many phones, and how many e-mail addresses, a customer has at most.
const MAX_OF_EACH: usize = 20;

/// A customer to be entered.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AddRequest {
    name: Personal<String>,
    #[serde(default)]
    phones: Vec<Personal<String>>,
    #[serde(default)]
    emails: Vec<Email>,
}

/// A customer to be changed. What is not named stays; phones and e-mail addresses are named all or not at all.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangeRequest {
    /// The version that was read.
    version: u64,
    name: Option<Personal<String>>,
    phones: Option<Vec<Personal<String>>>,
    emails: Option<Vec<Email>>,
}

/// A customer, as clients see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CustomerView {
    id: CustomerId,
    name: String,
    phones: Vec<Phone>,
    emails: Vec<Email>,
    version: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Who a contact may be.
#[derive(Serialize)]
pub(crate) struct CandidateView {
    id: CustomerId,
    name: String,
}

impl From<Customer> for CustomerView {
    fn from(customer: Customer) -> Self {
        let Customer { id, name, phones, emails, created_at, updated_at, version } = customer;
        Self { id, name: name.into_inner(), phones, emails, version, created_at, updated_at }
    }
}

/// The key under which a client asks for something once (`Idempotency-Key`).
pub(crate) struct IdempotencyKey(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        const HEADER: &str = "idempotency-key";
        let Some(value) = parts.headers.get(HEADER) else { return Ok(Self(None)) };
        let text = value.to_str().ok().filter(|text| (1..=255).contains(&text.len()));
        let text = text.ok_or_else(|| ApiError::invalid(HEADER, "must have 1 to 255 ASCII characters"))?;
        Ok(Self(Some(text.to_owned())))
    }
}

/// Those among whom a person has to choose, with their names.
pub(crate) async fn candidates(store: &TenantStore, link: &Link) -> Result<Vec<CandidateView>, ApiError> {
    let customers = store.customers(&link.candidates).await?;
    let view = |customer: Customer| CandidateView { id: customer.id, name: customer.name.into_inner() };
    Ok(customers.into_iter().map(view).collect())
}

/// `POST /customers`: enters a customer. Contacts with the same phone or e-mail are linked to it.
pub(crate) async fn add(
    State(api): State<Arc<Api>>,
    Writer(member): Writer,
    IdempotencyKey(key): IdempotencyKey,
    JsonBody(request): JsonBody<AddRequest>,
) -> Result<(StatusCode, Json<CustomerView>), ApiError> {
    let now = api.clock.now();
    let tenant = member.membership.tenant();
    let id = match key {
        Some(key) => CustomerId::of_request(tenant, &key),
        None => {
            let time = u64::try_from(now.as_millisecond()).unwrap_or_default();
            CustomerId::from_bits(ulid::Ulid::from_parts(time, rand::random()).into())
        }
    };
    let area = member.store.policy().await?.default_area_code;
    let new = Customer {
        id,
        name: checked_name(request.name)?,
        phones: checked_phones(&request.phones, area)?,
        emails: checked_emails(request.emails)?,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    match member.store.add_customer(new.clone()).await? {
        KeptCustomer::Done(customer) => Ok((StatusCode::CREATED, Json(customer.into()))),
        KeptCustomer::Existing(known) if known.version > 1 || is_same(&known, &new) => {
            Ok((StatusCode::OK, Json(known.into())))
        }
        KeptCustomer::Existing(_) => {
            let message = "idempotency-key: was used for another customer";
            Err(ApiError::conflict("IDEMPOTENCY_KEY_REUSED", message))
        }
        KeptCustomer::Stale => Err(stale()),
        KeptCustomer::TooMany(on) => Err(too_many(&new, &on)),
    }
}

/// `GET /customers/{id}`.
pub(crate) async fn show(member: Member, CustomerPath(id): CustomerPath) -> Result<Json<CustomerView>, ApiError> {
    let customer = member.store.customer(id).await?.ok_or_else(|| ApiError::not_found("customer"))?;
    Ok(Json(customer.into()))
}

/// `PATCH /customers/{id}`: changes what is named, if nobody else has changed the customer since.
pub(crate) async fn change(
    State(api): State<Arc<Api>>,
    Writer(member): Writer,
    CustomerPath(id): CustomerPath,
    JsonBody(request): JsonBody<ChangeRequest>,
) -> Result<Json<CustomerView>, ApiError> {
    let before = member.store.customer(id).await?.ok_or_else(|| ApiError::not_found("customer"))?;
    let mut after = before.clone();
    if let Some(name) = request.name {
        after.name = checked_name(name)?;
    }
    if let Some(phones) = request.phones {
        after.phones = checked_phones(&phones, member.store.policy().await?.default_area_code)?;
    }
    if let Some(emails) = request.emails {
        after.emails = checked_emails(emails)?;
    }
    if request.version != before.version {
        return Err(stale());
    }
    match member.store.change_customer(&before, after.clone(), api.clock.now()).await? {
        KeptCustomer::Done(customer) => Ok(Json(customer.into())),
        KeptCustomer::Existing(_) | KeptCustomer::Stale => Err(stale()),
        KeptCustomer::TooMany(on) => Err(too_many(&after, &on)),
    }
}

fn is_same(known: &Customer, new: &Customer) -> bool {
    (&known.name, &known.phones, &known.emails) == (&new.name, &new.phones, &new.emails)
}

fn stale() -> ApiError {
    ApiError::conflict("VERSION_CONFLICT", "version: somebody has changed the customer since; read it again")
}

fn too_many(customer: &Customer, on: &MatchOn) -> ApiError {
    let phone = |phone: &Phone| MatchOn::Phone(phone.match_key()) == *on;
    let email = |email: &Email| MatchOn::Email(email.clone()) == *on;
    let field = match customer.phones.iter().position(phone) {
        Some(place) => format!("phones[{place}]"),
        None => format!("emails[{}]", customer.emails.iter().position(email).unwrap_or_default()),
    };
    ApiError::conflict("SHARED_BY_TOO_MANY", format!("{field}: {MAX_SHARING} customers have it already"))
}

fn checked_name(name: Personal<String>) -> Result<Personal<String>, ApiError> {
    let name = name.into_inner().trim().to_owned();
    if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(ApiError::invalid("name", "must have 1 to 200 characters, none of them a control character"));
    }
    Ok(Personal::new(name))
}

fn checked_phones(typed: &[Personal<String>], area: AreaCode) -> Result<Vec<Phone>, ApiError> {
    check_count("phones", typed.len())?;
    let read = typed.iter().enumerate().map(|(place, text)| {
        Phone::parse(text.expose(), area).map_err(|error| ApiError::invalid(&format!("phones[{place}]"), error))
    });
    let phones: Vec<Phone> = read.collect::<Result<_, _>>()?;
    check_once("phones", phones.iter().map(Phone::match_key))?;
    Ok(phones)
}

fn checked_emails(emails: Vec<Email>) -> Result<Vec<Email>, ApiError> {
    check_count("emails", emails.len())?;
    check_once("emails", &emails)?;
    Ok(emails)
}

fn check_count(field: &str, count: usize) -> Result<(), ApiError> {
    let too_many = || ApiError::invalid(field, format!("must name at most {MAX_OF_EACH}"));
    if count > MAX_OF_EACH { Err(too_many()) } else { Ok(()) }
}

/// Spellings of the same one are the same.
fn check_once<T: Ord>(field: &str, all: impl IntoIterator<Item = T>) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    match all.into_iter().position(|one| !seen.insert(one)) {
        Some(place) => Err(ApiError::invalid(&format!("{field}[{place}]"), "is named twice")),
        None => Ok(()),
    }
}
