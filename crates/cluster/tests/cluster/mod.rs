//! Nodes of a small cluster inside the test's process, over loopback gRPC and real directories.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "each scenario uses its own part of it; a test that cannot go on stops"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;
use vectra_cluster::{
    Consistency, LogEngine, Network, NodeId, PlacementGroup, PlacementMap, RaftService, RaftTiming,
    ShardGroup, ShardGroups, WriteError, grpc_server, placement,
};
use vectra_store::{StoreOptions, WriteBatch};

pub const SHARD: u64 = 1;
pub const DIMENSION: usize = 4;
/// Nothing here waits this long unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Fast enough for tests, slow enough for a busy machine.
pub fn timing() -> RaftTiming {
    RaftTiming {
        heartbeat: Duration::from_millis(150),
        election_min: Duration::from_millis(400),
        election_max: Duration::from_millis(800),
    }
}

/// A process that hosts shard replicas.
pub struct ShardNode {
    pub id: NodeId,
    pub address: SocketAddr,
    pub groups: ShardGroups,
    pub engine: LogEngine,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl ShardNode {
    /// Starts on what `directory` holds. `address` is where it was reached before, if it was.
    pub async fn start(
        id: NodeId,
        directory: &Path,
        address: Option<SocketAddr>,
        store: StoreOptions,
    ) -> Self {
        let engine = LogEngine::open(&directory.join("log")).unwrap();
        let network = Network::new(id);
        let shards = directory.join("shards");
        let groups = ShardGroups::open(id, &engine, &shards, &network, timing(), store)
            .await
            .unwrap();
        let (stop, stops) = watch::channel(false);
        let service = RaftService::new(Some(groups.clone()), None, stops.clone());
        let (address, server) = serve(service, address, stops).await;
        Self {
            id,
            address,
            groups,
            engine,
            stop,
            server,
        }
    }

    pub fn group(&self) -> ShardGroup {
        self.groups.get(SHARD).unwrap()
    }

    /// Stops in order, and returns once everything is closed.
    pub async fn stop(self) {
        self.groups.shutdown().await;
        self.stop.send_replace(true);
        self.server.await.unwrap();
        drop(self.groups);
        closed(self.engine).await;
    }
}

pub async fn serve(
    service: RaftService,
    address: Option<SocketAddr>,
    mut stops: watch::Receiver<bool>,
) -> (SocketAddr, JoinHandle<()>) {
    let wanted = address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
    let listener = TcpListener::bind(wanted).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        grpc_server()
            .add_service(service.into_server())
            .serve_with_incoming_shutdown(
                TcpIncoming::from(listener).with_nodelay(Some(true)),
                async move {
                    let _ = stops.wait_for(|stops| *stops).await;
                },
            )
            .await
            .unwrap();
    });
    (address, server)
}

/// Waits until the log's directory may be opened again.
pub async fn closed(engine: LogEngine) {
    let directory = engine.directory().to_owned();
    drop(engine);
    wait_until("the log is closed", || LogEngine::open(&directory).is_ok()).await;
}

/// A map that puts one shard, holding everything, on the given nodes.
pub fn map_of(nodes: &[(NodeId, SocketAddr)]) -> PlacementMap {
    let mut map = PlacementMap::default();
    for (node, address) in nodes {
        map.nodes.insert(
            *node,
            placement::ShardNode {
                grpc: address.to_string(),
                http: None,
                draining: false,
            },
        );
    }
    let replicas = nodes.iter().map(|(node, _)| *node).collect();
    let shard = placement::Shard::new("default", 0, u64::MAX, replicas);
    map.shards.insert(SHARD, shard);
    map.collections.insert(
        "default".to_owned(),
        placement::Collection {
            dimension: DIMENSION,
            replicas: 3,
            shards: vec![SHARD],
        },
    );
    map
}

pub fn vector(number: u32) -> Vec<f32> {
    (0..DIMENSION)
        .map(|value| (number * 7 + value as u32) as f32 + 1.0)
        .collect()
}

pub fn upsert(numbers: impl IntoIterator<Item = u32>) -> Bytes {
    let (ids, vectors): (Vec<_>, Vec<_>) = numbers
        .into_iter()
        .map(|number| (format!("id_{number}"), vector(number)))
        .unzip();
    WriteBatch::Upsert {
        ids,
        dimension: DIMENSION as u32,
        vectors: vectors.concat(),
    }
    .encode()
}

pub fn delete(numbers: impl IntoIterator<Item = u32>) -> Bytes {
    let ids = numbers
        .into_iter()
        .map(|number| format!("id_{number}"))
        .collect();
    WriteBatch::Delete { ids }.encode()
}

/// Writes at whichever of the nodes leads, as a client that retries would.
pub async fn write_somewhere<'a>(
    nodes: impl IntoIterator<Item = &'a ShardNode> + Clone,
    batch: Bytes,
) -> u64 {
    write_to(nodes, SHARD, batch).await
}

/// The same, to any shard.
pub async fn write_to<'a>(
    nodes: impl IntoIterator<Item = &'a ShardNode> + Clone,
    shard: u64,
    batch: Bytes,
) -> u64 {
    let mut trouble = String::new();
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        trouble.clear();
        for node in nodes.clone() {
            let Some(group) = node.groups.get(shard) else {
                continue;
            };
            match group.write(batch.clone()).await {
                Ok(existed) => return existed,
                Err(error @ (WriteError::NotLeader(_) | WriteError::Unknown { .. })) => {
                    trouble = format!("{trouble}\n{error}, {:?}", group.status());
                }
                Err(refused) => panic!("{refused}"),
            }
        }
        assert!(
            tokio::time::Instant::now() < until,
            "no leader took the write: {trouble}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Reads the vectors under some ids at whichever of the nodes may answer.
pub async fn read_somewhere<'a>(
    nodes: impl IntoIterator<Item = &'a ShardNode> + Clone,
    numbers: impl IntoIterator<Item = u32> + Clone,
) -> BTreeMap<u32, Option<Vec<f32>>> {
    read_from(nodes, SHARD, numbers).await
}

/// The same, of any shard.
pub async fn read_from<'a>(
    nodes: impl IntoIterator<Item = &'a ShardNode> + Clone,
    shard: u64,
    numbers: impl IntoIterator<Item = u32> + Clone,
) -> BTreeMap<u32, Option<Vec<f32>>> {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        for node in nodes.clone() {
            let Some(group) = node.groups.get(shard) else {
                continue;
            };
            if let Ok(view) = group.readable_view(Consistency::Leader).await {
                return numbers
                    .into_iter()
                    .map(|number| (number, view.find(&format!("id_{number}")).unwrap()))
                    .collect();
            }
        }
        assert!(tokio::time::Instant::now() < until, "no replica may answer");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let until = tokio::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(
            tokio::time::Instant::now() < until,
            "still waiting until {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A coordinator's part in the placement.
pub struct PlacementNode {
    pub id: NodeId,
    pub address: SocketAddr,
    pub group: PlacementGroup,
    pub engine: LogEngine,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl PlacementNode {
    pub async fn start(id: NodeId, directory: &Path, address: Option<SocketAddr>) -> Self {
        let engine = LogEngine::open(&directory.join("log")).unwrap();
        let network = Network::new(id);
        let placement = directory.join("placement");
        let group = PlacementGroup::open(id, &engine, &placement, &network, timing())
            .await
            .unwrap();
        let (stop, stops) = watch::channel(false);
        let service = RaftService::new(None, Some(group.clone()), stops.clone());
        let (address, server) = serve(service, address, stops).await;
        Self {
            id,
            address,
            group,
            engine,
            stop,
            server,
        }
    }

    pub async fn stop(self) {
        self.group.shutdown().await;
        self.stop.send_replace(true);
        self.server.await.unwrap();
        drop(self.group);
        closed(self.engine).await;
    }
}

/// Copies a directory whose files may come and go meanwhile.
pub fn try_copy_directory(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            try_copy_directory(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
