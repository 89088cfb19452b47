//! AWS clients that talk to a server on this machine.

pub use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sqs::config::{BehaviorVersion, Region};
use aws_types::SdkConfig;

/// A configuration whose clients talk to `endpoint` with made-up credentials.
pub fn client_config(endpoint: &str) -> SdkConfig {
    client_config_as(endpoint, "us-east-1", Credentials::new("test", "test", None, None, "testkit"))
}

/// A configuration whose clients talk to `endpoint` as somebody in particular.
pub fn client_config_as(endpoint: &str, region: &str, credentials: Credentials) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .build()
}
