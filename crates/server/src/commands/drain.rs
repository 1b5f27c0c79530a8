//! `vectra shard drain`: empties a shard node before it is switched off.

use anyhow::Context;
use vectra_client::Client;

/// Moves all replicas of a shard node to others, so that it can be switched off.
#[derive(Debug, Clone, clap::Args)]
pub struct DrainArgs {
    /// Id of the node, or the gRPC address that `vectra status` shows for it
    #[arg(value_name = "NODE")]
    pub node: String,

    /// Address of any coordinator
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub url: String,

    /// Key to authorise with, if the server wants one
    #[arg(long, value_name = "KEY")]
    pub api_key: Option<String>,

    /// Use the node again instead
    #[arg(long)]
    pub cancel: bool,
}

impl DrainArgs {
    /// Asks the coordinator, and returns when it has agreed; the moves go on after that.
    ///
    /// # Errors
    /// A coordinator that cannot be reached, or a node that it does not know.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut client = Client::new(&self.url)?;
        if let Some(key) = &self.api_key {
            client = client.with_api_key(key)?;
        }
        let node = self.node_id(&client).await?;
        client.drain(node, !self.cancel).await?;
        if self.cancel {
            println!("node {node} is used again");
        } else {
            println!(
                "node {node} is being emptied; `vectra status` shows how far it is, and when it \
                 holds no replicas it can be switched off"
            );
        }
        Ok(())
    }

    async fn node_id(&self, client: &Client) -> anyhow::Result<u64> {
        if let Ok(id) = self.node.parse() {
            return Ok(id);
        }
        let cluster = client.cluster().await?;
        let found = cluster.nodes.iter().find(|node| node.grpc == self.node);
        found.and_then(|node| node.id.as_u64()).with_context(|| {
            format!(
                "no shard node has the id or the gRPC address {:?}; `vectra status` lists them",
                self.node
            )
        })
    }
}
