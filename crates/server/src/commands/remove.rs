//! `vectra coordinator remove`: takes a coordinator out of its cluster.

use anyhow::Context;
use vectra_client::Client;

/// Takes a coordinator out of the cluster for good, whether it lives or not.
#[derive(Debug, Clone, clap::Args)]
pub struct RemoveArgs {
    /// Id of the coordinator, or the gRPC address that `vectra status` shows for it
    #[arg(value_name = "COORDINATOR")]
    pub coordinator: String,

    /// Address of any other coordinator
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub url: String,

    /// Key to authorise with, if the server wants one
    #[arg(long, value_name = "KEY")]
    pub api_key: Option<String>,
}

impl RemoveArgs {
    /// Asks a coordinator, and returns when they have agreed.
    ///
    /// # Errors
    /// A coordinator that cannot be reached, one to remove that it does not know, or the last one.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut client = Client::new(&self.url)?;
        if let Some(key) = &self.api_key {
            client = client.with_api_key(key)?;
        }
        let coordinator = self.id(&client).await?;
        client.remove_coordinator(coordinator).await?;
        println!(
            "coordinator {coordinator} is out of the cluster; its process ends, and its data directory can \
             be deleted"
        );
        Ok(())
    }

    async fn id(&self, client: &Client) -> anyhow::Result<u64> {
        if let Ok(id) = self.coordinator.parse() {
            return Ok(id);
        }
        let cluster = client.cluster().await?;
        let mut coordinators = cluster.coordinators.iter();
        let found = coordinators.find(|known| known.grpc == self.coordinator);
        found.and_then(|known| known.id.as_u64()).with_context(|| {
            format!(
                "no coordinator has the id or the gRPC address {:?}; `vectra status` lists them",
                self.coordinator
            )
        })
    }
}
