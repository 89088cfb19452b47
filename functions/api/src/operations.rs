//! One list of operations, for the router and for the document.
//!
//! An operation's method and path stand in its `#[utoipa::path]` and nowhere else, so what is served and
//! what is described cannot differ. The router asks for these two only: the descriptions are put together
//! in a test, and the function that is deployed carries the finished document as a text.

use crate::Api;
use axum::Router;
use axum::routing::{MethodFilter, MethodRouter};
use std::sync::Arc;
use utoipa::__dev::SchemaReferences;
use utoipa::Path;
use utoipa::openapi::HttpMethod;

/// Where the API begins.
pub(crate) const BASE: &str = "/api/whatsapp";

/// What operations are added to.
pub(crate) trait Operations: Sized {
    /// Adds the operation that `P` describes. `below` goes before its path; `name` is where its handler
    /// stands, such as `conversations::list`.
    fn add<P: Path + SchemaReferences>(
        self,
        below: &str,
        name: &str,
        serve: fn(MethodFilter) -> MethodRouter<Arc<Api>>,
    ) -> Self;
}

/// Adds handlers to what implements [`Operations`], below a path.
macro_rules! add {
    ($to:expr, $below:tt: $($module:ident :: $handler:ident),* $(,)?) => {{
        let to = $to;
        $(let to = pastey::paste! {
            $crate::operations::Operations::add::<$crate::$module::[<__path_ $handler>]>(
                to,
                $below,
                concat!(stringify!($module), "::", stringify!($handler)),
                |method| axum::routing::on(method, $crate::$module::$handler),
            )
        };)*
        to
    }};
}
pub(crate) use add;

impl Operations for Router<Arc<Api>> {
    fn add<P: Path + SchemaReferences>(
        self,
        below: &str,
        _: &str,
        serve: fn(MethodFilter) -> MethodRouter<Arc<Api>>,
    ) -> Self {
        let path = format!("{BASE}{below}{}", P::path());
        P::methods().iter().fold(self, |router, method| router.route(&path, serve(filter(method))))
    }
}

fn filter(method: &HttpMethod) -> MethodFilter {
    match method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Patch => MethodFilter::PATCH,
        HttpMethod::Delete => MethodFilter::DELETE,
        _ => unreachable!("the API has no operation of another method"),
    }
}
