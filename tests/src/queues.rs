//! Queues of a lab's own, and a webhook in front of them.

use crate::lab::{Lab, archive_with};
use aws_sdk_sqs::types::QueueAttributeName;
use recado_platform::aws::SdkConfig;
use recado_platform::queue::Queue;
use recado_platform::secret::SecretDocument;
use serde_json::json;
use webhook::Webhook;

/// The addresses of the queues.
#[derive(Debug, Clone)]
pub struct Queues {
    /// Messages, and what cannot be read.
    pub messages: String,
    /// Statuses.
    pub statuses: String,
    /// Everything else that Meta tells.
    pub account: String,
    /// Wake-ups for conversations.
    pub outbound: String,
    /// Wake-ups for files.
    pub media: String,
    secret_id: String,
}

impl Queues {
    /// New queues, on which a message that was received stays hidden from others for so many seconds.
    pub async fn new(lab: &Lab, visibility: &str) -> Self {
        let config = lab.stack.sdk_config();
        let sqs = aws_sdk_sqs::Client::new(&config);
        let queue = async |name: &str| {
            let create = sqs.create_queue().queue_name(format!("{}-{name}", lab.table()));
            let create = create.attributes(QueueAttributeName::VisibilityTimeout, visibility);
            create.send().await.unwrap().queue_url.unwrap()
        };
        let secret_id = format!("{}-apps", lab.table());
        let apps = json!({"default": {"current": lab.stack.meta.app_secret, "verify_token": "token"}});
        let secrets = aws_sdk_secretsmanager::Client::new(&config);
        secrets.create_secret().name(&secret_id).secret_string(apps.to_string()).send().await.unwrap();
        Self {
            messages: queue("messages").await,
            statuses: queue("statuses").await,
            account: queue("account").await,
            outbound: queue("outbound").await,
            media: queue("media").await,
            secret_id,
        }
    }

    /// A webhook that fills them, with these clients.
    pub async fn webhook(&self, lab: &Lab, config: &SdkConfig) -> Webhook {
        // The secrets are read at the start, when a failure would only mean another start.
        let secrets = aws_sdk_secretsmanager::Client::new(&lab.stack.sdk_config());
        let queue = |url: &str| Queue::new(aws_sdk_sqs::Client::new(config), url.to_owned());
        Webhook {
            apps: vec![SecretDocument::load(secrets, self.secret_id.clone(), lab.clock()).await.unwrap()],
            messages: queue(&self.messages),
            statuses: queue(&self.statuses),
            account: queue(&self.account),
            intake: archive_with(&lab.stack, config).bucket,
            clock: lab.clock(),
        }
    }
}
