//! One process: puts the rooms together for its role, and takes them down again.

mod announce;
mod balancer;
mod founding;
mod greeting;
mod hosted;
mod identity;
mod open_files;
mod presence;
mod shutdown;

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use vectra_cluster::{
    LogEngine, Network, NodeId, PlacementGroup, PlacementMap, RaftService, RaftTiming, ShardGroups,
};
use vectra_store::StoreOptions;
use vectra_wire::v1::coordinator_server::CoordinatorServer;
use vectra_wire::v1::shard_node_server::ShardNodeServer;

use crate::config::{Config, Role, Tls};
use crate::http;
use crate::leaf::{Budget, Leaf, ShardNodeService};
use crate::root::{CoordinatorService, Directory, Layout, Leaves, Root};
use announce::Announcer;
use balancer::Balancer;
use founding::Founding;
use hosted::Hosted;
use identity::DataDirectory;
use presence::Presence;

/// The largest gRPC message taken: one batch of entries, with room to spare.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Bytes that a peer may send ahead, on a call and on its connection.
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 32 << 20;

/// Between two attempts to drop a copy that is no longer placed here.
const LEFTOVERS: Duration = Duration::from_secs(1);

/// Where the raft log of all groups lies within the data directory.
const LOG_DIRECTORY: &str = "log";

/// Runs one process until it is told to stop, or may not go on.
pub async fn run(role: Role, config: Config) -> anyhow::Result<()> {
    let stop = shutdown::signal()?;
    open_files::raise_limit();
    let http_listener = bind(config.http.listen, "--listen")?;
    let grpc_listener = bind(config.grpc.listen, "--grpc-listen")?;
    let data = Arc::new(DataDirectory::open(&config.data_dir, config.data_slots)?);
    let addresses = Addresses {
        grpc: config.grpc_advertised(grpc_listener.local_addr()?),
        http: config.http_advertised(http_listener.local_addr()?),
    };
    let parts = Parts::open(role, &config, &data).await?;

    let mut tasks = JoinSet::new();
    tasks.spawn(serve_grpc(grpc_listener, parts.clone()));
    let http_stop = http::ServerHandle::new();
    let options = http::Options::new(&config, role, vectra_kernel::instruction_set());
    greeting::print(role, &config, &http_listener)?;
    let tls = config.http.tls.clone();
    match &parts.coordinator {
        Some(coordinator) => {
            let root = Arc::clone(&coordinator.root);
            let options = http::Options {
                grpc: Some(addresses.grpc.clone()),
                ..options
            };
            tasks.spawn(serve_http(
                http_listener,
                http::router(root, options),
                tls,
                http_stop.clone(),
            ));
            tasks.spawn(settle_and_stay(
                parts.clone(),
                config.clone(),
                addresses,
                data.clone(),
            ));
            let maps = coordinator.placement.map();
            tasks.spawn(follow(maps, parts.network.clone(), parts.leaf.clone()));
        }
        None => {
            let leaf = parts.leaf.clone().context("a shard node hosts shards")?;
            let (map, maps) = watch::channel(Arc::new(PlacementMap::default()));
            let hosted = Hosted {
                node: data.node(),
                leaf: leaf.clone(),
                map: maps.clone(),
            };
            let router = http::shard_router(hosted, options);
            tasks.spawn(serve_http(http_listener, router, tls, http_stop.clone()));
            tasks.spawn(follow(maps, parts.network.clone(), Some(leaf.clone())));
            let announcer = Announcer {
                data: Arc::clone(&data),
                grpc: addresses.grpc,
                http: addresses.http,
                seeds: config.cluster.join.clone(),
                network: parts.network.clone(),
                leaf,
                map,
            };
            tasks.spawn(async { Err(announcer.run().await) });
        }
    }

    let outcome = tokio::select! {
        name = stop => {
            tracing::info!(signal = name, "stopping");
            Ok(())
        }
        ended = tasks.join_next() => match ended {
            Some(Ok(outcome)) => outcome,
            Some(Err(fault)) => Err(fault).context("a task of this node failed"),
            None => Ok(()),
        },
    };
    shutdown::drain(&http_stop).await;
    tasks.shutdown().await;
    parts.close().await;
    // A compaction may go on for a moment on a thread of its own: the directory is free for another
    // process when this one has ended, not before.
    std::mem::forget(data);
    outcome
}

/// Where others reach this process, by name.
struct Addresses {
    grpc: String,
    http: String,
}

/// The rooms of this process.
#[derive(Clone)]
struct Parts {
    node: NodeId,
    network: Network,
    leaf: Option<Leaf>,
    coordinator: Option<CoordinatorParts>,
}

#[derive(Clone)]
struct CoordinatorParts {
    placement: PlacementGroup,
    directory: Arc<Directory>,
    root: Arc<Root>,
    incarnation: u64,
}

impl Parts {
    async fn open(role: Role, config: &Config, data: &DataDirectory) -> anyhow::Result<Self> {
        let node = data.node();
        data.check_log(LOG_DIRECTORY)?;
        let engine = LogEngine::open(&data.path().join(LOG_DIRECTORY))?;
        let network = Network::new(node).with_move_rate(config.move_rate);
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
            leaf = Some(open_leaf(groups, config, data.path())?);
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
            let incarnation = data.incarnation();
            let leaves = Leaves::new(leaf.clone().map(|leaf| (node, leaf)), network.clone());
            let root = Root::new(placement.clone(), leaves, Arc::clone(&directory), layout);
            coordinator = Some(CoordinatorParts {
                placement,
                directory,
                root: Arc::new(root),
                incarnation,
            });
        }
        Ok(Self {
            node,
            network,
            leaf,
            coordinator,
        })
    }

    async fn close(&self) {
        if let Some(leaf) = &self.leaf {
            leaf.groups().shutdown().await;
        }
        if let Some(coordinator) = &self.coordinator {
            coordinator.placement.shutdown().await;
        }
    }
}

fn open_leaf(groups: ShardGroups, config: &Config, directory: &Path) -> anyhow::Result<Leaf> {
    let budget = Budget {
        memory: config.memory_budget,
        disk_reserve: config.disk_reserve,
        directory: directory.to_owned(),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Leaf::new(groups, Arc::new(budget), cores).context("the scanning threads could not start")
}

fn bind(address: std::net::SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address}: stop what uses it, or choose another with `{flag}`")
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn serve_http(
    listener: TcpListener,
    router: axum::Router,
    tls: Option<Tls>,
    stop: http::ServerHandle,
) -> anyhow::Result<()> {
    http::serve(listener, router, tls.as_ref(), stop)
        .await
        .context("the HTTP server failed")
}

async fn serve_grpc(listener: TcpListener, parts: Parts) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    // Raft's small messages must not wait to be sent together.
    let connections = TcpIncoming::from(listener).with_nodelay(Some(true));
    let groups = parts.leaf.as_ref().map(|leaf| leaf.groups().clone());
    let placement = parts
        .coordinator
        .as_ref()
        .map(|found| found.placement.clone());
    let shard_node = parts.leaf.map(|leaf| {
        ShardNodeServer::new(ShardNodeService::new(leaf))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    });
    let coordinator = parts.coordinator.map(|found| {
        CoordinatorServer::new(CoordinatorService::new(
            parts.node,
            found.incarnation,
            found.placement,
            found.directory,
        ))
    });
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .add_service(RaftService::new(groups, placement).into_server())
        .add_optional_service(shard_node)
        .add_optional_service(coordinator)
        .serve_with_incoming(connections)
        .await
        .context("the gRPC server failed")
}

/// A coordinator finds its cluster, then stays present in it.
async fn settle_and_stay(
    parts: Parts,
    config: Config,
    addresses: Addresses,
    data: Arc<DataDirectory>,
) -> anyhow::Result<()> {
    let found = parts
        .coordinator
        .context("only coordinators found clusters")?;
    let founding = Founding {
        own: parts.node,
        grpc: &addresses.grpc,
        placement: &found.placement,
        network: &parts.network,
    };
    founding
        .settle(&config.cluster.peers, &config.cluster.join)
        .await?;
    let balancer = Balancer {
        placement: found.placement.clone(),
        root: Arc::clone(&found.root),
        dead_after: config.dead_after,
        split_at: config.split_at,
    };
    let presence = Presence {
        data,
        grpc: addresses.grpc,
        http: addresses.http,
        leaf: parts.leaf,
        network: parts.network,
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
async fn follow(
    mut maps: watch::Receiver<Arc<PlacementMap>>,
    network: Network,
    leaf: Option<Leaf>,
) -> anyhow::Result<()> {
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
