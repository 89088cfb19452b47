//! The customers in the business's books.

use crate::Api;
use crate::auth::{Member, Writer};
use crate::error::ApiError;
use crate::extract::{CustomerPath, JsonBody, checked_name};
use crate::once::{Asked, OnceBody};
use crate::version::{IfMatch, Tagged};
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use recado_domain::customer::{Link, MatchOn};
use recado_domain::email::Email;
use recado_domain::ids::CustomerId;
use recado_domain::personal::Personal;
use recado_domain::phone::{AreaCode, Phone};
use recado_store::{Customer, KeptCustomer, MAX_SHARING, StoreError, TenantStore};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use utoipa::ToSchema;

/// How many phones, and how many e-mail addresses, a customer has at most.
const MAX_OF_EACH: usize = 20;

/// How many characters a customer's name has at most.
const MAX_NAME: usize = 200;

/// A customer to be entered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = AddCustomerRequest)]
pub(crate) struct AddRequest {
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "Lucía Gómez",
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$")]
    name: Personal<String>,
    /// As people write them; without an area code, the tenant's own is meant.
    #[serde(default)]
    #[schema(value_type = BTreeSet<String>, max_items = 20, example = json!(["11 5555-1234"]))]
    phones: Vec<Personal<String>>,
    #[serde(default)]
    #[schema(value_type = BTreeSet<Email>, max_items = 20)]
    emails: Vec<Email>,
}

/// A customer to be changed. What is not named stays; phones and e-mail addresses are named all or not at all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ChangeCustomerRequest)]
pub(crate) struct ChangeRequest {
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, example = "Lucía Gómez",
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$")]
    name: Option<Personal<String>>,
    #[schema(value_type = Option<BTreeSet<String>>, max_items = 20, example = json!(["11 5555-1234"]))]
    phones: Option<Vec<Personal<String>>>,
    #[schema(value_type = Option<BTreeSet<Email>>, max_items = 20)]
    emails: Option<Vec<Email>>,
}

/// A customer, as clients see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CustomerView {
    id: CustomerId,
    #[schema(example = "Lucía Gómez")]
    name: String,
    phones: Vec<Phone>,
    emails: Vec<Email>,
    /// Counts the changes; it is the `ETag` too.
    version: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Who a contact may be.
#[derive(Serialize, ToSchema)]
pub(crate) struct CandidateView {
    id: CustomerId,
    #[schema(example = "Lucía Gómez")]
    name: String,
}

/// With its version, so that a change can name it.
fn tagged(customer: Customer) -> Tagged<CustomerView> {
    Tagged(customer.version, customer.into())
}

impl From<Customer> for CustomerView {
    fn from(customer: Customer) -> Self {
        let Customer { id, name, phones, emails, created_at, updated_at, version } = customer;
        Self { id, name: name.into_inner(), phones, emails, version, created_at, updated_at }
    }
}

/// Those among whom a person has to choose, with their names.
pub(crate) async fn candidates(store: &TenantStore, link: &Link) -> Result<Vec<CandidateView>, ApiError> {
    let customers = store.customers(&link.candidates).await?;
    let view = |customer: Customer| CandidateView { id: customer.id, name: customer.name.into_inner() };
    Ok(customers.into_iter().map(view).collect())
}

/// Enters a customer
///
/// Contacts with the same phone or e-mail are linked to it.
#[utoipa::path(
    post, path = "/customers", request_body = AddRequest,
    responses(
        (status = 201, description = "The customer", body = CustomerView, headers(("ETag" = String))),
        (status = 409, description = "`SHARED_BY_TOO_MANY`: phones[0]: 50 customers have it already"),
    )
)]
pub(crate) async fn add(
    State(api): State<Arc<Api>>,
    Writer(member): Writer,
    OnceBody { body: request, asked }: OnceBody<AddRequest>,
) -> Result<(StatusCode, Tagged<CustomerView>), ApiError> {
    let once = match asked {
        Asked::Anew(once) => once,
        Asked::Before(effect) => return Ok((StatusCode::CREATED, tagged(known(&member, effect.read()?).await?))),
    };
    let now = api.clock.now();
    let time = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let area = member.store.policy().await?.default_area_code;
    let new = Customer {
        id: CustomerId::from_bits(ulid::Ulid::from_parts(time, rand::random()).into()),
        name: checked_name(request.name, MAX_NAME)?,
        phones: checked_phones(&request.phones, area)?,
        emails: checked_emails(request.emails)?,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    match member.store.add_customer_once(new.clone(), once.as_ref()).await? {
        KeptCustomer::Done(customer) | KeptCustomer::Existing(customer) => Ok((StatusCode::CREATED, tagged(customer))),
        KeptCustomer::Stale => Err(ApiError::changed()),
        KeptCustomer::TooMany(on) => Err(too_many(&new, &on)),
    }
}

/// One customer
#[utoipa::path(
    get, path = "/customers/{id}", params(CustomerPath),
    responses((status = 200, description = "The customer", body = CustomerView, headers(("ETag" = String))))
)]
pub(crate) async fn show(member: Member, CustomerPath(id): CustomerPath) -> Result<Tagged<CustomerView>, ApiError> {
    known(&member, id).await.map(tagged)
}

async fn known(member: &Member, id: CustomerId) -> Result<Customer, ApiError> {
    member.store.customer(id).await?.ok_or_else(|| ApiError::not_found("customer"))
}

/// How often a change that may be made on any version is tried again because of another one.
const ATTEMPTS: u32 = 5;

/// Changes what is named of a customer
#[utoipa::path(
    patch, path = "/customers/{id}", params(CustomerPath, IfMatch), request_body = ChangeRequest,
    responses(
        (status = 200, description = "The customer as it is now", body = CustomerView, headers(("ETag" = String))),
        (status = 409, description = "`SHARED_BY_TOO_MANY`: phones[0]: 50 customers have it already"),
    )
)]
pub(crate) async fn change(
    State(api): State<Arc<Api>>,
    Writer(member): Writer,
    CustomerPath(id): CustomerPath,
    IfMatch(version): IfMatch,
    JsonBody(request): JsonBody<ChangeRequest>,
) -> Result<Tagged<CustomerView>, ApiError> {
    for _ in 0..ATTEMPTS {
        let before = known(&member, id).await?;
        let mut after = before.clone();
        if let Some(name) = &request.name {
            after.name = checked_name(name.clone(), MAX_NAME)?;
        }
        if let Some(phones) = &request.phones {
            after.phones = checked_phones(phones, member.store.policy().await?.default_area_code)?;
        }
        if let Some(emails) = &request.emails {
            after.emails = checked_emails(emails.clone())?;
        }
        if version.is_some_and(|version| version != before.version) {
            return Err(ApiError::changed());
        }
        match member.store.change_customer(&before, after.clone(), api.clock.now()).await? {
            KeptCustomer::Done(customer) => return Ok(tagged(customer)),
            KeptCustomer::Existing(_) | KeptCustomer::Stale => {}
            KeptCustomer::TooMany(on) => return Err(too_many(&after, &on)),
        }
    }
    Err(StoreError::Contended { operation: "changing a customer" }.into())
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
