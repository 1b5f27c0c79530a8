//! `vectra status`: the cluster at a glance.

use std::time::Duration;

use anyhow::ensure;
use vectra_client::{Client, render_status};

/// A health check must not wait longer than the checker.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);
/// The picture asks every shard node through the coordinator.
const STATUS_TIMEOUT: Duration = Duration::from_secs(10);

/// Shows a running Vectra: coordinators, nodes, collections, shards, moves, splits.
#[derive(Debug, Clone, clap::Args)]
pub struct StatusArgs {
    /// Address of the server, or of any coordinator of a cluster
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub url: String,

    /// Key to authorise with, if the server wants one
    #[arg(long, value_name = "KEY")]
    pub api_key: Option<String>,

    /// Print the server's own JSON instead of tables
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,

    /// Print nothing: exit with 0 if the server is healthy, with 1 if not
    #[arg(long)]
    pub quiet: bool,
}

impl StatusArgs {
    /// Asks the server and prints what it answers.
    ///
    /// # Errors
    /// A server that cannot be reached or that says it is not well.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut client = Client::new(&self.url)?;
        if let Some(key) = &self.api_key {
            client = client.with_api_key(key)?;
        }
        if self.quiet {
            let health = client.with_timeout(HEALTH_TIMEOUT).health().await?;
            ensure!(
                health.status == "online",
                "the server says it is {}",
                health.status
            );
            return Ok(());
        }

        let client = client.with_timeout(STATUS_TIMEOUT);
        if self.json {
            println!("{:#}", client.cluster_json().await?);
        } else {
            print!("{}", render_status(&client.cluster().await?));
        }
        Ok(())
    }
}
