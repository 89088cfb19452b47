//! The private bucket for webhook events that are too large for a queue message or an item.
//!
//! Every key is derived from what it holds, so putting the same text twice leaves one object.

use crate::aws::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use sha2::{Digest, Sha256};
use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;

/// What an object is kept for, and thereby how long (the bucket's lifecycle rules, by prefix).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// Until a worker has fetched it; a queue message points to it.
    Claims,
    /// As long as the parked item that points to it.
    Parked,
    /// As long as the webhook log.
    Logged,
}

impl Shelf {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Claims => "claims",
            Self::Parked => "parked",
            Self::Logged => "logged",
        }
    }
}

/// The bucket.
#[derive(Debug, Clone)]
pub struct IntakeBucket {
    client: Client,
    name: Arc<str>,
}

/// The bucket did not do what it was asked to. Asking again may help.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// An event could not be put there.
    #[error("the intake bucket did not take an event")]
    Put(#[source] Box<dyn Error + Send + Sync>),
    /// An event could not be fetched.
    #[error("the intake bucket did not give an event back")]
    Get(#[source] Box<dyn Error + Send + Sync>),
}

impl IntakeBucket {
    /// The bucket of this name. Behind an endpoint override, as on the local stack, buckets are in the path.
    pub fn new(config: &SdkConfig, name: impl Into<Arc<str>>) -> Self {
        let path_style = config.endpoint_url().is_some();
        let client = Client::from_conf(Builder::from(config).force_path_style(path_style).build());
        Self { client, name: name.into() }
    }

    /// Keeps a text and returns its key.
    pub async fn put(&self, shelf: Shelf, text: &str) -> Result<String, IntakeError> {
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let mut key = format!("{}/", shelf.prefix());
        for byte in digest {
            write!(key, "{byte:02x}").expect("writing to a string does not fail");
        }
        let body = ByteStream::from(text.as_bytes().to_vec());
        let put = self.client.put_object().bucket(&*self.name).key(&key).content_type("application/json").body(body);
        Box::pin(put.send()).await.map_err(|error| IntakeError::Put(Box::new(error)))?;
        Ok(key)
    }

    /// The text under a key; `None` if it is not there, or not any more.
    pub async fn get(&self, key: &str) -> Result<Option<String>, IntakeError> {
        let asked = self.client.get_object().bucket(&*self.name).key(key).send();
        let object = match Box::pin(asked).await {
            Ok(object) => object,
            Err(error) if matches!(error.as_service_error(), Some(GetObjectError::NoSuchKey(_))) => return Ok(None),
            Err(error) => return Err(IntakeError::Get(Box::new(error))),
        };
        let bytes = object.body.collect().await.map_err(|error| IntakeError::Get(Box::new(error)))?.to_vec();
        String::from_utf8(bytes).map(Some).map_err(|error| IntakeError::Get(Box::new(error.utf8_error())))
    }
}
