//! Who is asking, and for which tenant.
//!
//! A person shows an access token, a system of the tenant's own an API key, in the same header. A handler that
//! takes a `Member` cannot run without a membership or a key that was read for this very request, so what was
//! revoked ends at once, however long a token is still valid.

use crate::Api;
use crate::error::ApiError;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use recado_domain::api_key::{ApiKey, PREFIX};
use recado_domain::ids::{TenantId, UserId};
use recado_domain::tenant::Role;
use recado_platform::settings::{optional, required};
use recado_store::{Membership, TenantStore};
use serde::Deserialize;
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The Cognito group whose people may register tenants.
const DEPLOYMENT_ADMINS: &str = "deployment-admins";

/// The header with which a person of several tenants chooses one.
const TENANT_HEADER: &str = "x-tenant-id";

/// An unknown key id makes us fetch the keys again, but not more often than this.
const REFETCH_AFTER: Duration = Duration::from_secs(60);

/// A person who signed in.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    user: UserId,
    groups: Vec<String>,
}

/// Whose request it is, for whatever else must know.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// For which tenant they ask, if for one.
    pub(crate) tenant: Option<TenantId>,
    /// What names them.
    pub(crate) name: String,
}

/// A person or a system in their tenant.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) membership: Membership,
    pub(crate) store: TenantStore,
    is_system: bool,
}

impl Member {
    /// The place of a person. What only people do is refused to systems: being there for customers, and giving
    /// rights, so that a key that fell into wrong hands cannot outlive its revocation.
    pub(crate) fn person(&self) -> Result<&Membership, ApiError> {
        if self.is_system {
            Err(ApiError::forbidden("Only a person who signs in may do this, and no API key"))
        } else {
            Ok(&self.membership)
        }
    }
}

/// What a request shows.
enum Shown<'a> {
    Token(&'a str),
    /// `None`: it cannot be one.
    Key(Option<ApiKey>),
}

fn shown(parts: &Parts) -> Result<Shown<'_>, ApiError> {
    let header = parts.headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    let text = header
        .and_then(|header| header.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, text)| text.trim())
        .ok_or_else(|| ApiError::unauthenticated("Send an access token or an API key as `Authorization: Bearer …`"))?;
    Ok(if text.starts_with(PREFIX) { Shown::Key(ApiKey::parse(text)) } else { Shown::Token(text) })
}

/// A member who may change things.
#[derive(Debug)]
pub(crate) struct Writer(pub(crate) Member);

/// A member who manages the tenant.
#[derive(Debug)]
pub(crate) struct Admin(pub(crate) Member);

/// Somebody who runs the deployment; belongs to no tenant by that.
#[derive(Debug)]
pub(crate) struct DeploymentAdmin;

impl FromRequestParts<Arc<Api>> for Person {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        match shown(parts)? {
            Shown::Token(token) => api.tokens.verify(token).await,
            Shown::Key(_) => Err(ApiError::forbidden("Only a person who signs in may do this, and no API key")),
        }
    }
}

impl FromRequestParts<Arc<Api>> for Member {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let (mut memberships, is_system) = match shown(parts)? {
            Shown::Token(token) => (api.store.memberships(&api.tokens.verify(token).await?.user).await?, false),
            Shown::Key(key) => {
                let membership = match key {
                    Some(key) => api.store.member_of_key(&key, api.clock.now()).await?,
                    None => None,
                };
                let invalid = || ApiError::unauthenticated("The API key is not valid, or not any more");
                (vec![membership.ok_or_else(invalid)?], true)
            }
        };
        let chosen = parts.headers.get(TENANT_HEADER).and_then(|header| header.to_str().ok());
        if let Some(chosen) = chosen {
            memberships.retain(|membership| membership.tenant().to_string() == chosen);
        }
        match memberships.len() {
            0 => Err(ApiError::forbidden("You are not a member of this tenant")),
            1 => {
                let membership = memberships.remove(0);
                let store = api.store.of_member(&membership);
                api.throttle.admit(&store, api.clock.now()).await?;
                let name = membership.user().as_str().to_owned();
                parts.extensions.insert(Caller { tenant: Some(store.tenant()), name });
                Ok(Self { membership, store, is_system })
            }
            _ => Err(ApiError::invalid(TENANT_HEADER, "is required, because you belong to several tenants")),
        }
    }
}

impl FromRequestParts<Arc<Api>> for Writer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let member = Member::from_request_parts(parts, api).await?;
        if member.membership.role().may_write() {
            Ok(Self(member))
        } else {
            Err(ApiError::forbidden("Your role only allows reading"))
        }
    }
}

impl FromRequestParts<Arc<Api>> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let member = Member::from_request_parts(parts, api).await?;
        match member.membership.role() {
            Role::Admin => Ok(Self(member)),
            Role::Agent | Role::Viewer => Err(ApiError::no_administrator()),
        }
    }
}

impl FromRequestParts<Arc<Api>> for DeploymentAdmin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let person = Person::from_request_parts(parts, api).await?;
        if person.groups.iter().any(|group| group == DEPLOYMENT_ADMINS) {
            parts.extensions.insert(Caller { tenant: None, name: person.user.as_str().to_owned() });
            Ok(Self)
        } else {
            Err(ApiError::forbidden("Only a deployment administrator may do this"))
        }
    }
}

/// Verifies the access tokens of one Cognito user pool.
#[derive(Debug)]
pub struct TokenVerifier {
    http: reqwest::Client,
    keys_url: String,
    client_id: String,
    validation: Validation,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    by_id: HashMap<String, DecodingKey>,
    fetched: Option<Instant>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({:?})", self.by_id.keys())
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    client_id: String,
    token_use: String,
    #[serde(default, rename = "cognito:groups")]
    groups: Vec<String>,
}

impl TokenVerifier {
    /// For the deployment's own pool.
    pub fn from_settings() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let endpoint = optional("AWS_ENDPOINT_URL");
        let [region, pool, client] = ["AWS_REGION", "USER_POOL_ID", "USER_POOL_CLIENT_ID"].map(required);
        Ok(Self::new(&region?, &pool?, &client?, endpoint.as_deref())?)
    }

    /// For tokens that the pool issued to this client. `endpoint` says where the pool's keys are, if
    /// not at the pool's own address.
    pub fn new(region: &str, pool: &str, client_id: &str, endpoint: Option<&str>) -> Result<Self, reqwest::Error> {
        let issuer = format!("https://cognito-idp.{region}.amazonaws.com/{pool}");
        let home = endpoint.map_or_else(|| issuer.clone(), |endpoint| format!("{endpoint}/{pool}"));
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        // Access tokens carry `client_id` instead of an audience; it is checked below.
        validation.validate_aud = false;
        Ok(Self {
            http: reqwest::Client::builder().timeout(Duration::from_secs(3)).build()?,
            keys_url: format!("{home}/.well-known/jwks.json"),
            client_id: client_id.to_owned(),
            validation,
            keys: Mutex::default(),
        })
    }

    /// Knows these keys of the pool from the start. Others are fetched when a token names them.
    pub fn with_keys(mut self, set: &JwkSet) -> Self {
        self.keys.get_mut().by_id = keys_of(set);
        self
    }

    async fn verify(&self, token: &str) -> Result<Person, ApiError> {
        let invalid = || ApiError::unauthenticated("The access token is not valid, or not any more");
        let key_id = jsonwebtoken::decode_header(token).ok().and_then(|header| header.kid).ok_or_else(invalid)?;
        let key = self.key(&key_id).await?.ok_or_else(invalid)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &self.validation).map_err(|_| invalid())?.claims;
        if claims.token_use != "access" || claims.client_id != self.client_id {
            return Err(invalid());
        }
        let user = UserId::parse(claims.sub).map_err(|_| invalid())?;
        Ok(Person { user, groups: claims.groups })
    }

    async fn key(&self, id: &str) -> Result<Option<DecodingKey>, ApiError> {
        let mut keys = self.keys.lock().await;
        if let Some(key) = keys.by_id.get(id) {
            return Ok(Some(key.clone()));
        }
        if keys.fetched.is_some_and(|at| at.elapsed() < REFETCH_AFTER) {
            return Ok(None);
        }
        let fetch = async {
            let answer = self.http.get(&self.keys_url).send().await?.error_for_status()?;
            answer.json::<JwkSet>().await
        };
        let unavailable = |error: reqwest::Error| {
            ApiError::unavailable(StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment", &error)
        };
        let set = fetch.await.map_err(unavailable)?;
        keys.by_id = keys_of(&set);
        keys.fetched = Some(Instant::now());
        Ok(keys.by_id.get(id).cloned())
    }
}

fn keys_of(set: &JwkSet) -> HashMap<String, DecodingKey> {
    set.keys.iter().filter_map(|jwk| Some((jwk.common.key_id.clone()?, DecodingKey::from_jwk(jwk).ok()?))).collect()
}
