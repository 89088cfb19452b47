//! Runs the simulator as a server on loopback.

use clap::Parser;
use simulator::{Meta, Settings, router};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Meta in a box.
#[derive(Debug, Parser)]
struct Options {
    /// The port to listen on.
    #[arg(long)]
    port: u16,
    /// Where webhooks are posted to.
    #[arg(long)]
    webhook_url: String,
    /// What webhooks are signed with.
    #[arg(long)]
    app_secret: String,
    /// How long after a send its first status comes, in milliseconds.
    #[arg(long, default_value_t = 150)]
    status_delay_ms: u64,
    /// How long after a refused webhook it is sent again; doubled each time. 1000 is real life, in which
    /// Meta goes on for seven days; less compresses that week in proportion.
    #[arg(long, default_value_t = 1000)]
    retry_ms: u64,
    /// How long a webhook may take to be answered, in milliseconds.
    #[arg(long, default_value_t = 10_000)]
    webhook_timeout_ms: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_ansi(false).init();
    let options = Options::parse();
    let meta = Meta::new(Settings {
        webhook_url: options.webhook_url,
        app_secret: options.app_secret.into(),
        status_delay: Duration::from_millis(options.status_delay_ms),
        retry: Duration::from_millis(options.retry_ms),
        webhook_timeout: Duration::from_millis(options.webhook_timeout_ms),
    })?;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
    tracing::info!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router(meta)).await?;
    Ok(())
}
