//! What can go wrong at the table.

use crate::once::Earlier;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use std::error::Error;

/// A table operation failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB refused, or did not answer.
    #[error("{operation} failed")]
    Request {
        /// What was being done.
        operation: &'static str,
        /// Whether the same call may succeed a little later.
        transient: bool,
        /// What DynamoDB said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Other writers got in between again and again. Nothing was written.
    #[error("{operation} kept colliding with other writers")]
    Contended {
        /// What was being done.
        operation: &'static str,
    },
    /// The request came before under its key, while this one was under way. Nothing was written.
    #[error("the request came before")]
    Earlier {
        /// The same request, or another one.
        earlier: Earlier,
    },
    /// An item does not have the form this code writes.
    #[error("{operation} met an item that cannot be read")]
    Item {
        /// What was being done.
        operation: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl StoreError {
    /// Whether trying again later may help.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Request { transient, .. } => *transient,
            Self::Contended { .. } => true,
            Self::Item { .. } | Self::Earlier { .. } => false,
        }
    }

    pub(crate) fn item(operation: &'static str, source: impl Error + Send + Sync + 'static) -> Self {
        Self::Item { operation, source: Box::new(source) }
    }
}

/// Names the operation that an SDK error ended.
pub(crate) fn failed<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    move |error| {
        let refused_for_good = matches!(
            error.code(),
            Some(
                "ValidationException"
                    | "AccessDeniedException"
                    | "ResourceNotFoundException"
                    | "UnrecognizedClientException"
            )
        );
        StoreError::Request { operation, transient: !refused_for_good, source: Box::new(error) }
    }
}
