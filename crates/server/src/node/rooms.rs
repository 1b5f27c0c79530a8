//! The rooms of one process, and what goes on in them; the HTTP API in front of them is not one.

use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::transport::server::Connected;
use vectra_cluster::{
    LogEngine, Network, NodeId, PlacementGroup, PlacementMap, RaftService, RaftTiming, ShardGroups,
    Workers, grpc_server,
};
use vectra_store::StoreOptions;
use vectra_wire::v1::coordinator_server::CoordinatorServer;
use vectra_wire::v1::shard_node_server::ShardNodeServer;

use super::announce::Announcer;
use super::balancer::Balancer;
use super::founding::Founding;
use super::identity::DataDirectory;
use super::machine;
use super::presence::Presence;
use super::surroundings::Surroundings;
use crate::config::{Config, Role};
use crate::leaf::{Budget, Leaf, Scanning, ShardNodeService};
use crate::root::{CoordinatorService, Directory, Layout, Leaves, Root};

/// The largest gRPC message taken: one batch of entries, with room to spare.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Between two attempts to drop a copy that is no longer placed here.
const LEFTOVERS: Duration = Duration::from_secs(1);

/// How long a node that stops tries to let others lead.
const HANDOVER: Duration = Duration::from_secs(5);

/// In this time every coordinator that is there hears who leads instead.
const NEWS: Duration = Duration::from_millis(700);

/// Where the raft log of all groups lies within the data directory.
const LOG_DIRECTORY: &str = "log";

/// Where others reach a process, by name.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// `name:port` of its port for other nodes.
    pub grpc: String,
    /// `name:port` of its HTTP API.
    pub http: String,
}

/// The rooms of one process, for its role. Clones share them.
#[derive(Clone)]
pub struct Node {
    pub(super) data: Arc<DataDirectory>,
    config: Config,
    addresses: Addresses,
    surroundings: Surroundings,
    network: Network,
    leaf: Option<Leaf>,
    coordinator: Option<Coordinator>,
    /// The map as a shard node has learned it.
    learned: watch::Sender<Arc<PlacementMap>>,
}

#[derive(Clone)]
struct Coordinator {
    placement: PlacementGroup,
    directory: Arc<Directory>,
    root: Arc<Root>,
}

impl Node {
    /// Opens what the data directory holds.
    ///
    /// # Errors
    ///
    /// A directory that is in use, damaged or of a newer version, or that the disk refuses to read.
    pub async fn open(
        role: Role,
        config: &Config,
        addresses: Addresses,
        surroundings: Surroundings,
    ) -> anyhow::Result<Self> {
        let data = Arc::new(DataDirectory::open(&config.data_dir, config.data_slots)?);
        let node = data.node();
        data.check_log(LOG_DIRECTORY)?;
        let log = data.path().join(LOG_DIRECTORY);
        let workers = surroundings.workers.clone();
        let engine = match &surroundings.disk {
            Some(disk) => LogEngine::open_on(&log, disk.clone(), workers)?,
            None => LogEngine::open(&log)?,
        };
        let mut network = Network::new(node).with_move_rate(config.move_rate);
        if let Some(dial) = &surroundings.dial {
            network = network.with_dial(dial.clone());
        }
        let timing = RaftTiming::default();

        let mut leaf = None;
        if role != Role::Coordinator {
            let store = StoreOptions {
                seal_bytes: config.seal_bytes,
                seal_after: config.seal_after,
                ..StoreOptions::default()
            };
            let directory = data.path().join("shards");
            let groups =
                ShardGroups::open(node, &engine, &directory, &network, timing, store).await?;
            leaf = Some(open_leaf(groups, config, data.path(), &surroundings)?);
        }
        let mut coordinator = None;
        if role != Role::Shard {
            let directory = data.path().join("placement");
            let placement =
                PlacementGroup::open(node, &engine, &directory, &network, timing).await?;
            let directory = Arc::new(Directory::default());
            let layout = Layout {
                dimension: config.dimension,
                shards: u32::try_from(config.shards).unwrap_or(u32::MAX),
                replicas: u32::try_from(config.replicas).unwrap_or(u32::MAX),
                nodes_at_start: config.nodes_at_start,
            };
            let leaves = Leaves::new(leaf.clone().map(|leaf| (node, leaf)), network.clone());
            let root = Root::new(placement.clone(), leaves, Arc::clone(&directory), layout);
            coordinator = Some(Coordinator {
                placement,
                directory,
                root: Arc::new(root),
            });
        }
        Ok(Self {
            data,
            config: config.clone(),
            addresses,
            surroundings,
            network,
            leaf,
            coordinator,
            learned: watch::Sender::default(),
        })
    }

    /// This node.
    pub fn id(&self) -> NodeId {
        self.data.node()
    }

    /// The shards hosted here; `None` in a coordinator.
    pub fn leaf(&self) -> Option<&Leaf> {
        self.leaf.as_ref()
    }

    /// What answers requests; `None` in a shard node.
    pub fn root(&self) -> Option<&Arc<Root>> {
        self.coordinator.as_ref().map(|found| &found.root)
    }

    /// The placement map as known here, and each change to come.
    pub fn map(&self) -> watch::Receiver<Arc<PlacementMap>> {
        match &self.coordinator {
            Some(coordinator) => coordinator.placement.map(),
            None => self.learned.subscribe(),
        }
    }

    /// Lets it live: it serves the other nodes that connect, finds its cluster and does its part there.
    /// None of the tasks ends but with the reason why this node may not go on.
    pub fn spawn<C, E, S>(&self, tasks: &mut JoinSet<anyhow::Result<()>>, connections: S)
    where
        C: AsyncRead + AsyncWrite + Connected + Send + Unpin + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
        S: Stream<Item = Result<C, E>> + Send + 'static,
    {
        tasks.spawn(self.clone().serve(connections, pending()));
        self.live(tasks);
    }

    /// Finds its cluster and does its part there, but serves nobody.
    pub(super) fn live(&self, tasks: &mut JoinSet<anyhow::Result<()>>) {
        tasks.spawn(self.clone().follow());
        match &self.coordinator {
            Some(coordinator) => {
                tasks.spawn(self.clone().settle_and_stay(coordinator.clone()));
            }
            None => {
                if let Some(leaf) = self.leaf.clone() {
                    let announcer = self.announcer(leaf);
                    tasks.spawn(async { Err(announcer.run().await) });
                }
            }
        }
    }

    /// Lets other nodes lead the shards that this one leads, and every coordinator hear of it.
    pub(super) async fn hand_over(&self) {
        let Some(leaf) = &self.leaf else {
            return;
        };
        let handed_over = leaf.groups().leave(HANDOVER).await;
        if handed_over > 0 {
            tracing::info!(shards = handed_over, "other nodes lead what this one led");
            tokio::time::sleep(NEWS).await;
        }
    }

    /// Stops the shards in order, once the tasks have ended.
    pub(super) async fn close_shards(&self) {
        if let Some(leaf) = &self.leaf {
            leaf.groups().shutdown().await;
        }
    }

    pub(super) async fn close_placement(&self) {
        if let Some(coordinator) = &self.coordinator {
            coordinator.placement.shutdown().await;
        }
    }

    /// Serves the other nodes that connect, until it is told to stop.
    pub(super) async fn serve<C, E, S>(
        self,
        connections: S,
        stops: impl Future<Output = ()>,
    ) -> anyhow::Result<()>
    where
        C: AsyncRead + AsyncWrite + Connected + Send + Unpin + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
        S: Stream<Item = Result<C, E>> + Send + 'static,
    {
        let groups = self.leaf.as_ref().map(|leaf| leaf.groups().clone());
        let placement = (self.coordinator.as_ref()).map(|found| found.placement.clone());
        let (stopping, is_stopping) = watch::channel(false);
        let stops = async move {
            stops.await;
            stopping.send_replace(true);
        };
        let shard_node = self.leaf.map(|leaf| {
            ShardNodeServer::new(ShardNodeService::new(leaf, is_stopping.clone()))
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
        });
        let (node, incarnation) = (self.data.node(), self.data.incarnation());
        let coordinator = self.coordinator.map(|found| {
            let Coordinator {
                placement,
                directory,
                ..
            } = found;
            CoordinatorServer::new(CoordinatorService::new(
                node,
                incarnation,
                placement,
                directory,
            ))
        });
        grpc_server()
            .add_service(RaftService::new(groups, placement, is_stopping).into_server())
            .add_optional_service(shard_node)
            .add_optional_service(coordinator)
            .serve_with_incoming_shutdown(connections, stops)
            .await
            .context("the gRPC server failed")
    }

    fn announcer(&self, leaf: Leaf) -> Announcer {
        Announcer {
            data: Arc::clone(&self.data),
            grpc: self.addresses.grpc.clone(),
            http: self.addresses.http.clone(),
            seeds: self.config.cluster.join.clone(),
            introduce: Arc::clone(&self.surroundings.introduce),
            network: self.network.clone(),
            leaf,
            map: self.learned.clone(),
        }
    }

    /// A coordinator finds its cluster, then stays present in it.
    async fn settle_and_stay(self, found: Coordinator) -> anyhow::Result<()> {
        let founding = Founding {
            own: self.data.node(),
            grpc: &self.addresses.grpc,
            placement: &found.placement,
            network: &self.network,
            introduce: self.surroundings.introduce.as_ref(),
        };
        let cluster = &self.config.cluster;
        founding.settle(&cluster.peers, &cluster.join).await?;
        let balancer = Balancer {
            placement: found.placement.clone(),
            root: Arc::clone(&found.root),
            dead_after: self.config.dead_after,
            split_at: self.config.split_at,
        };
        let presence = Presence {
            data: self.data,
            grpc: self.addresses.grpc,
            http: self.addresses.http,
            leaf: self.leaf,
            network: self.network,
            placement: found.placement,
            directory: found.directory,
        };
        tokio::select! {
            reason = presence.run() => Err(reason),
            () = balancer.run() => Ok(()),
        }
    }

    /// Follows the placement map: learns addresses from it, starts the replicas that it puts here, and
    /// drops those that have left.
    async fn follow(self) -> anyhow::Result<()> {
        let mut maps = self.map();
        let Self { network, leaf, .. } = self;
        loop {
            let map = Arc::clone(&maps.borrow_and_update());
            for (&node, coordinator) in &map.coordinators {
                network.set_address(node, &coordinator.grpc);
            }
            for (&node, shard_node) in &map.nodes {
                network.set_address(node, &shard_node.grpc);
            }
            if let Some(leaf) = &leaf
                && let Err(error) = leaf.groups().reconcile(&map).await
            {
                tracing::error!(%error, "a replica that belongs here is not served");
            }
            loop {
                if let Ok(changed) = timeout(LEFTOVERS, maps.changed()).await {
                    changed.context("the placement went away")?;
                    break;
                }
                // A copy that is still being read when it should go is dropped a little later.
                if let Some(leaf) = &leaf {
                    leaf.groups().drop_left().await;
                    leaf.groups().start_children().await;
                }
            }
        }
    }
}

fn open_leaf(
    groups: ShardGroups,
    config: &Config,
    directory: &Path,
    surroundings: &Surroundings,
) -> anyhow::Result<Leaf> {
    let budget = Budget {
        memory: config.memory_budget,
        disk_reserve: config.disk_reserve,
        directory: directory.to_owned(),
    };
    let scanning = match surroundings.workers {
        Workers::Threads => {
            Scanning::OnThreads(std::thread::available_parallelism().map_or(1, usize::from))
        }
        Workers::InTurn(_) => Scanning::InTurn,
    };
    let machine = match scanning {
        Scanning::OnThreads(threads) => machine::sharing(threads),
        Scanning::InTurn => 0,
    };
    Leaf::new(groups, machine, Arc::new(budget), scanning)
        .context("the scanning threads could not start")
}
