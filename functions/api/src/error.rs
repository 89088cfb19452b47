//! Errors: one form for the caller, one line for the log, one place for both.

use crate::user_pool::UserPoolError;
use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use lambda_http::RequestExt;
use recado_ingest::ReplayError;
use recado_platform::apps::AppsError;
use recado_platform::bucket::BucketError;
use recado_platform::intake::IntakeError;
use recado_platform::metrics::{self, Metric};
use recado_platform::secret::SecretError;
use recado_platform::telemetry;
use recado_platform::vault::VaultError;
use recado_store::{Earlier, StoreError};
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

/// An answer that is not what the caller asked for.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    /// For the caller. Never holds anything that the caller did not send.
    message: String,
    /// For the log.
    internal: Option<Arc<str>>,
    /// In how many seconds asking again may help.
    retry_after: Option<i64>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), internal: None, retry_after: None }
    }

    /// 400: a part of the request breaks a rule.
    pub(crate) fn invalid(field: &str, rule: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", format!("{field}: {rule}"))
    }

    /// 401: nobody is signed in, or not any more.
    pub(crate) fn unauthenticated(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
    }

    /// 403: not an administrator, or not any more.
    pub(crate) fn no_administrator() -> Self {
        Self::forbidden("Only an administrator of the tenant may do this")
    }

    /// 403: signed in, but not allowed.
    pub(crate) fn forbidden(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
    }

    /// 404: there is no such thing, or it is somebody else's.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("There is no such {what}"))
    }

    /// 405: the route exists, for other methods.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "The route does not take this method")
    }

    /// 409: it collides with what is there.
    pub(crate) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// 412: it has changed since the caller looked.
    pub(crate) fn changed() -> Self {
        let message = "It has changed since you read it: read it again, and change that";
        Self::new(StatusCode::PRECONDITION_FAILED, "PRECONDITION_FAILED", message)
    }

    /// 422: the key of a request came back with another one.
    pub(crate) fn key_reused() -> Self {
        let message = "Idempotency-Key: was used for another request in the last 24 hours";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED", message)
    }

    /// 429: the tenant asks too often.
    pub(crate) fn too_many(wait: SignedDuration) -> Self {
        let message = "Your tenant asks too often; see Retry-After";
        let seconds = (wait.as_millis().max(1) + 999) / 1_000;
        let retry_after = i64::try_from(seconds).ok();
        Self { retry_after, ..Self::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", message) }
    }

    /// 413: the body is too large.
    pub(crate) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", "The body is larger than 1 MiB")
    }

    /// 422: well-formed, but Meta does not agree.
    pub(crate) fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// 502 or 503: something we depend on did not work; asking again may help.
    pub(crate) fn unavailable(status: StatusCode, message: &str, cause: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(status, "UNAVAILABLE", message).caused_by(telemetry::chain(cause))
    }

    /// 500: our own fault.
    fn internal(cause: String) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "Something went wrong on our side").caused_by(cause)
    }

    fn caused_by(self, cause: String) -> Self {
        Self { internal: Some(cause.into()), ..self }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if let StoreError::Earlier { earlier } = &error {
            return match earlier {
                Earlier::Another => Self::key_reused(),
                Earlier::Same(_) => {
                    let message = "The same request has just been made; ask again for its answer";
                    Self::conflict("REQUEST_UNDER_WAY", message)
                }
            };
        }
        if error.is_transient() {
            Self::unavailable(StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment", &error)
        } else {
            Self::internal(telemetry::chain(&error))
        }
    }
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        Self::unavailable(StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment", &error)
    }
}

impl From<UserPoolError> for ApiError {
    fn from(error: UserPoolError) -> Self {
        match error {
            UserPoolError::Address => Self::invalid("email", "is no address with which somebody can sign in"),
            UserPoolError::Request { transient: false, .. } => Self::internal(telemetry::chain(&error)),
            error => Self::unavailable(StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment", &error),
        }
    }
}

impl From<SecretError> for ApiError {
    fn from(error: SecretError) -> Self {
        Self::unavailable(StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment", &error)
    }
}

impl From<AppsError> for ApiError {
    fn from(error: AppsError) -> Self {
        match error {
            AppsError::Secret(error) => error.into(),
            error @ AppsError::TooMany => Self::conflict("TOO_MANY_APPS", error.to_string()),
            AppsError::Full => Self::conflict("TOO_MANY_APPS", "the deployment cannot take more apps"),
        }
    }
}

impl From<BucketError> for ApiError {
    fn from(error: BucketError) -> Self {
        Self::internal(telemetry::chain(&error))
    }
}

impl From<ReplayError> for ApiError {
    fn from(error: ReplayError) -> Self {
        Self::unavailable(StatusCode::SERVICE_UNAVAILABLE, "Not everything was replayed; try again in a moment", &error)
    }
}

impl From<IntakeError> for ApiError {
    fn from(error: IntakeError) -> Self {
        Self::unavailable(StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment", &error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives every error its body, now that the request id is known, logs it once, and counts every answer.
pub(crate) async fn finish(request: Request, next: Next) -> Response {
    let request_id = request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default();
    let begun = Instant::now();
    let (parts, body) = next.run(request).await.into_parts();
    metrics::measure(Metric::ApiLatencyMs, begun.elapsed());
    metrics::count(match parts.status {
        status if status.is_server_error() => Metric::ApiFailed,
        status if status.is_client_error() => Metric::ApiRefused,
        _ => Metric::ApiSucceeded,
    });
    let Some(error) = parts.extensions.get::<ApiError>() else { return Response::from_parts(parts, body) };
    if error.status.is_server_error() {
        tracing::error!(request_id, code = error.code, cause = error.internal.as_deref(), "a request failed");
    }
    let body = json!({"error": {"code": error.code, "message": error.message, "requestId": request_id}});
    // With the headers that came with it, such as `Allow` and `Retry-After`.
    (error.status, parts.headers, Json(body)).into_response()
}
