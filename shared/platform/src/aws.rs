//! The one SDK configuration of a process.

use crate::settings::{SettingError, optional, required};
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
pub use aws_types::SdkConfig;
use std::time::Duration;

/// How long a process waits for AWS.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    attempt: Duration,
    operation: Duration,
}

/// For whoever works in the background.
pub const WORKER: Patience = Patience { attempt: Duration::from_secs(3), operation: Duration::from_secs(8) };

/// For the webhook, whose caller waits: a connection that died while the process was frozen must cost
/// an attempt, not the answer.
pub const WEBHOOK: Patience = Patience { attempt: Duration::from_millis(700), operation: Duration::from_secs(2) };

/// What Lambda gives to a process: region and credentials. All clients of a process are made from one
/// configuration.
///
/// Lambda sets the credentials at the start and ends the process before they expire, so they are read once. The
/// SDK's own loader would also look for files, containers and other accounts' roles, which no function has, and
/// bring the code for all of that along. An endpoint override, as the local stack sets it, comes from
/// `AWS_ENDPOINT_URL`.
pub fn config(patience: Patience) -> Result<SdkConfig, SettingError> {
    let session = optional("AWS_SESSION_TOKEN");
    let credentials =
        Credentials::new(required("AWS_ACCESS_KEY_ID")?, required("AWS_SECRET_ACCESS_KEY")?, session, None, "Lambda");
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(500))
        .operation_attempt_timeout(patience.attempt)
        .operation_timeout(patience.operation)
        .build();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(required("AWS_REGION")?))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(timeouts);
    config.set_endpoint_url(optional("AWS_ENDPOINT_URL"));
    Ok(config.build())
}
