//! A real cluster to be measured: one coordinator and some shard nodes, each a process with a directory of
//! its own.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tempfile::TempDir;
use tokio::time::sleep;
use vectra_client::Client;

use crate::process;
use crate::server::{addresses, spawn};

const PATIENCE: Duration = Duration::from_secs(300);
/// Of one core, for each process: below it there is nothing to do but to keep heartbeats.
const IDLE: f64 = 0.05;

/// Its processes; dropping it kills them and removes their data.
pub struct Cluster {
    coordinator: Child,
    nodes: Vec<Child>,
    client: Client,
    directory: TempDir,
}

/// How it is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Shard nodes.
    pub nodes: usize,
    /// Shards of the collection; `None` leaves it to the server.
    pub shards: Option<usize>,
    /// Replicas of each shard.
    pub replicas: usize,
}

/// What its processes have taken since their start, in seconds of a core.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// The coordinator.
    pub coordinator: f64,
    /// All shard nodes.
    pub nodes: f64,
}

impl Cluster {
    /// Starts one on empty directories below `scratch` and waits until all nodes have joined.
    ///
    /// # Errors
    ///
    /// If a process does not start, or a node does not join.
    pub async fn start(binary: &Path, scratch: &Path, shape: Shape) -> Result<Self> {
        fs::create_dir_all(scratch)?;
        let directory = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(scratch)?;
        let home = |name: String| -> Result<std::path::PathBuf> {
            let home = directory.path().join(name);
            fs::create_dir(&home)?;
            Ok(home)
        };
        let (http, grpc) = addresses();
        let url = format!("http://{http}");
        let settings = home("coordinator".to_owned())?;
        let mut lines = format!(
            "replicas = {}\nnodes_at_start = {}\n",
            shape.replicas, shape.nodes
        );
        if let Some(shards) = shape.shards {
            lines += &format!("shards = {shards}\n");
        }
        let config = settings.join("vectra.toml");
        fs::write(&config, lines)?;
        let config = config.to_string_lossy();
        let role = ["coordinator", "--config", &config];
        let coordinator = spawn(binary, &role, http, grpc, &settings)?;
        let mut cluster = Self {
            coordinator,
            nodes: Vec::new(),
            client: Client::new(&url)?,
            directory,
        };
        for number in 0..shape.nodes {
            let home = cluster.directory.path().join(format!("node-{number}"));
            fs::create_dir(&home)?;
            let (http, grpc) = addresses();
            let node = spawn(binary, &["shard", "--join", &url], http, grpc, &home)?;
            cluster.nodes.push(node);
        }
        cluster.until_joined().await?;
        Ok(cluster)
    }

    /// A client of its coordinator.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Processor time taken so far.
    ///
    /// # Errors
    ///
    /// If a process has ended.
    pub fn taken(&self) -> Result<Taken> {
        let nodes = self
            .nodes
            .iter()
            .map(|node| process::cpu_seconds(node.id()));
        Ok(Taken {
            coordinator: process::cpu_seconds(self.coordinator.id())?,
            nodes: nodes.sum::<Result<f64>>()?,
        })
    }

    /// Resident bytes: the coordinator's, and those of the largest shard node.
    ///
    /// # Errors
    ///
    /// If a process has ended.
    pub fn resident(&self) -> Result<(u64, u64)> {
        let mut largest = 0;
        for node in &self.nodes {
            largest = process::memory(node.id())?.resident.max(largest);
        }
        Ok((process::memory(self.coordinator.id())?.resident, largest))
    }

    /// Waits until every shard has a leader.
    ///
    /// # Errors
    ///
    /// If one never has.
    pub async fn until_led(&self) -> Result<()> {
        let start = Instant::now();
        while !self.is_led().await? {
            ensure!(start.elapsed() < PATIENCE, "not every shard has a leader");
            sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    async fn is_led(&self) -> Result<bool> {
        let cluster = self.client.cluster().await?;
        Ok(cluster.shards.iter().all(|shard| !shard.leader.is_null()))
    }

    /// Waits until it has nothing left to do after an import, and every shard has a leader.
    ///
    /// # Errors
    ///
    /// If it never comes to rest.
    pub async fn settle(&self) -> Result<()> {
        let start = Instant::now();
        let mut idle_for = 0;
        let mut before = self.taken()?;
        while idle_for < 3 {
            ensure!(
                start.elapsed() < PATIENCE,
                "the cluster does not come to rest"
            );
            sleep(Duration::from_secs(1)).await;
            let now = self.taken()?;
            let taken = now.coordinator - before.coordinator + now.nodes - before.nodes;
            let is_led = self.is_led().await?;
            let is_idle = taken < IDLE * (1 + self.nodes.len()) as f64;
            idle_for = if is_idle && is_led { idle_for + 1 } else { 0 };
            before = now;
        }
        Ok(())
    }

    async fn until_joined(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            let cluster = self.client.cluster().await;
            if cluster.is_ok_and(|cluster| cluster.nodes.len() == self.nodes.len()) {
                return Ok(());
            }
            ensure!(
                start.elapsed() < PATIENCE,
                "not all nodes join:\n{}",
                fs::read_to_string(self.directory.path().join("coordinator/log"))
                    .unwrap_or_default()
            );
            sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in self.nodes.iter_mut().chain([&mut self.coordinator]) {
            // It may have ended already; there is nobody to tell.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
