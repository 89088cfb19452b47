//! The one SDK configuration of a process.

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
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

/// Loads it. All clients of a process are made from one, so that they share their connections.
///
/// An endpoint override, as the local stack sets it, comes from `AWS_ENDPOINT_URL`.
pub async fn config(patience: Patience) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(500))
        .operation_attempt_timeout(patience.attempt)
        .operation_timeout(patience.operation)
        .build();
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(timeouts)
        .load()
        .await
}
