//! What goes wrong on purpose.

use crate::refusal::Refusal;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// What goes wrong with one call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Fault {
    /// Meta does what was asked, and the connection breaks before the answer is complete.
    DropAfterAccept,
    /// Meta does what was asked and answers 500.
    ErrorAfterAccept,
    /// Meta does what was asked and answers so much later.
    DelayAfterAccept { millis: u64 },
    /// The connection breaks and nothing was done.
    DropBeforeAccept,
    /// Meta answers 500 and does nothing.
    ErrorBeforeAccept,
    /// Something in front of Meta answers 502 with a page of HTML; nothing was done.
    BadGateway,
    /// Meta begins so much later.
    Delay { millis: u64 },
    /// Meta refuses with this code.
    Reject {
        code: i64,
        #[serde(default = "bad_request")]
        http_status: u16,
        #[serde(default)]
        subcode: Option<i64>,
        #[serde(default)]
        is_transient: bool,
    },
    /// Meta refuses with 130429 and says nothing of how long to wait.
    RateLimited,
    /// A file's address leads nowhere yet.
    NotFoundFirst,
    /// A file ends in the middle; what came is announced as the whole.
    Truncated,
    /// A file arrives with other bytes than those that were hashed.
    WrongHash,
    /// A file takes so long to arrive.
    Slow { millis: u64 },
}

fn bad_request() -> u16 {
    400
}

/// The most that an answer may hold to be broken off in the middle, in bytes.
const MOST: usize = 128 << 20;

impl Fault {
    /// The edge that it concerns unless another is named.
    pub(crate) const fn usual_edge(&self) -> &'static str {
        match self {
            Self::NotFoundFirst | Self::Truncated | Self::WrongHash | Self::Slow { .. } => "attachments",
            _ => "messages",
        }
    }

    /// Lets a call go wrong in this way. A call that is refused on its own merits stays refused.
    pub(crate) async fn around(fault: Option<Self>, handle: impl Future<Output = Response>) -> Response {
        match fault {
            Some(Self::DropBeforeAccept) => return broken_off(&Bytes::from_static(b"{}"), 0),
            Some(Self::ErrorBeforeAccept) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Some(Self::BadGateway) => {
                let page = Html("<html><head><title>502 Bad Gateway</title></head></html>");
                return (StatusCode::BAD_GATEWAY, page).into_response();
            }
            Some(Self::Reject { code, http_status, subcode, is_transient }) => {
                let status = StatusCode::from_u16(http_status).unwrap_or(StatusCode::BAD_REQUEST);
                let mut refusal = Refusal::new(code, "A fault that was asked for").with_status(status);
                (refusal.subcode, refusal.is_transient) = (subcode, is_transient);
                return refusal.into_response();
            }
            Some(Self::RateLimited) => return throughput().into_response(),
            Some(Self::Delay { millis }) => tokio::time::sleep(Duration::from_millis(millis)).await,
            _ => {}
        }
        let answer = handle.await;
        if !answer.status().is_success() {
            return answer;
        }
        match fault {
            Some(Self::DropAfterAccept) => {
                let whole = to_bytes(answer.into_body(), MOST).await.unwrap_or_default();
                broken_off(&whole, whole.len() / 2)
            }
            Some(Self::ErrorAfterAccept) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Some(Self::DelayAfterAccept { millis }) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                answer
            }
            _ => answer,
        }
    }
}

/// 130429: too much at once.
pub(crate) fn throughput() -> Refusal {
    Refusal::new(130_429, "Rate limit hit").with_details("Cloud API message throughput has been reached.")
}

/// An answer that promises more than it sends, and ends with a broken connection.
fn broken_off(whole: &Bytes, sent: usize) -> Response {
    let parts = [Ok(whole.slice(..sent)), Err(std::io::Error::other("a fault that was asked for"))];
    Response::builder()
        .header(header::CONTENT_LENGTH, whole.len())
        .body(Body::from_stream(futures_util::stream::iter(parts)))
        .expect("all parts are valid")
}

/// What is still to go wrong, by the id and the edge that are called.
#[derive(Debug, Default)]
pub(crate) struct Faults(HashMap<(String, String), VecDeque<Fault>>);

/// Faults that wait for their call.
#[derive(Debug, Serialize)]
pub(crate) struct Waiting<'a> {
    id: &'a str,
    on: &'a str,
    faults: &'a VecDeque<Fault>,
}

impl Faults {
    pub(crate) fn add(&mut self, id: String, edge: String, fault: Fault, count: usize) {
        self.0.entry((id, edge)).or_default().extend(std::iter::repeat_n(fault, count));
    }

    /// The next one for a call.
    pub(crate) fn take(&mut self, id: &str, edge: &str) -> Option<Fault> {
        self.0.get_mut(&(id.to_owned(), edge.to_owned()))?.pop_front()
    }

    pub(crate) fn waiting(&self) -> Vec<Waiting<'_>> {
        let mut waiting: Vec<_> = self
            .0
            .iter()
            .filter(|(_, faults)| !faults.is_empty())
            .map(|((id, on), faults)| Waiting { id, on, faults })
            .collect();
        waiting.sort_by_key(|waiting| (waiting.id, waiting.on));
        waiting
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
