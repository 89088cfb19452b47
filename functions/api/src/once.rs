//! `Idempotency-Key`: the same POST again, within 24 hours, has no second effect and gets the same answer.
//!
//! A POST handler honours it like this; the store method ends in `transact_once(…, once, &id)`:
//!
//! ```ignore
//! OnceBody { body, asked }: OnceBody<NewCustomer>,          // in place of JsonBody, after `Writer`
//!
//! let id = match asked {
//!     Asked::Before(effect) => effect.read()?,              // what `transact_once` noted
//!     Asked::Anew(once) => member.store.add_customer(&body.into_new()?, once.as_ref()).await?,
//! };
//! show(id)                                                  // the same answer either way
//! ```
//!
//! A key that comes back with another body is refused here (422), before anything else about the request is
//! looked at. Two equal requests at the same moment: one has the effect, the other is a 409 that says so, and
//! whoever asks again gets the answer. A body-less POST takes [`Asked`] alone. An effect that is not in the
//! table, and may happen twice, is noted afterwards, with `Store::remember`.

use crate::Api;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{parse, read_body};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use recado_store::{Earlier, Effect, Once};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The header with which a caller names a request.
const HEADER: &str = "idempotency-key";

/// A POST's body, and whether the request came before.
pub(crate) struct OnceBody<T> {
    pub(crate) body: T,
    pub(crate) asked: Asked,
}

/// Whether a POST came before.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Not that we know; with what makes its effect happen once, if the caller named the request.
    Anew(Option<Once>),
    /// It did, and this is what it came to.
    Before(Effect),
}

impl<T: DeserializeOwned> FromRequest<Arc<Api>> for OnceBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, ApiError> {
        let (asked, bytes) = ask(request, api).await?;
        Ok(Self { body: parse(&bytes)?, asked })
    }
}

impl FromRequest<Arc<Api>> for Asked {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, ApiError> {
        ask(request, api).await.map(|(asked, _)| asked)
    }
}

async fn ask(request: Request, api: &Api) -> Result<(Asked, Bytes), ApiError> {
    let Some(key) = request.headers().get(HEADER) else {
        return Ok((Asked::Anew(None), read_body(request).await?));
    };
    let visible = |key: &&str| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let rule = || ApiError::invalid("Idempotency-Key", "must have 1 to 255 visible ASCII characters");
    let key = key.to_str().ok().filter(visible).ok_or_else(rule)?;
    let Caller { tenant, name } = request.extensions().get().expect("a handler names its caller before its body");
    let (caller, tenant, key) = (name.clone(), *tenant, key.to_owned());
    // The query belongs to it: below `/deployment`, it says for which number something waits.
    let route = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let bytes = read_body(request).await?;
    let once = Once::new(tenant, &caller, &route, &key, &bytes, api.clock.now());
    Ok(match api.store.earlier(&once).await? {
        None => (Asked::Anew(Some(once)), bytes),
        Some(Earlier::Same(effect)) => (Asked::Before(effect), bytes),
        Some(Earlier::Another) => return Err(ApiError::key_reused()),
    })
}
