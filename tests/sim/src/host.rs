//! One simulated machine: the very node that `vectra` runs, without its HTTP API; at a coordinator, the
//! clients of that API.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use vectra_cluster::Workers;
use vectra_server::config::{Cluster, Config, Grpc, Http, LogFormat, Role};
use vectra_server::node::{Addresses, Node, Surroundings};

use crate::clients;
use crate::history::DIMENSION;
use crate::network::{ByName, Dialler, GRPC_PORT, grpc_address, listen};
use crate::world::World;

/// Shards of the collection.
const SHARDS: usize = 4;
/// Rows are sealed after so many bytes or so much quiet: often.
const SEAL_BYTES: u64 = 4 << 10;
const SEAL_AFTER: Duration = Duration::from_millis(1_500);
/// So few that shards split under any faults there are.
const SPLIT_AT: u64 = 10;
/// A shard node that is silent for so long is replaced.
pub(crate) const DEAD_AFTER: Duration = Duration::from_secs(15);
/// Slow enough that a move may be caught under way.
const MOVE_RATE: u64 = 16 << 10;

/// The coordinators that found the cluster.
pub(crate) const FOUNDERS: [&str; 3] = ["coordinator-1", "coordinator-2", "coordinator-3"];

/// Lives from a start to a crash.
pub(crate) async fn live(world: Arc<World>, name: String, role: Role) -> turmoil::Result {
    let Some(disk) = world.disk(&name) else {
        return Err(format!("{name} has no disk").into());
    };
    let surroundings = Surroundings {
        workers: Workers::InTurn(Arc::new(disk.clone())),
        disk: Some(Arc::new(disk)),
        dial: Some(Arc::new(Dialler)),
        introduce: Arc::new(ByName),
    };
    let addresses = Addresses {
        grpc: grpc_address(&name),
        http: format!("{name}:8000"),
    };
    let config = config(&name, role, PathBuf::from(&name));
    let node = Node::open(role, &config, addresses, surroundings).await;
    let node = node.map_err(|error| format!("{name} does not start: {error:#}"))?;
    let mut tasks = JoinSet::new();
    node.spawn(&mut tasks, listen().await?);
    if let Some(root) = node.root() {
        clients::start(&world, &name, root);
    }
    world.started(&name, node);
    match tasks.join_next().await {
        Some(Ok(Err(error))) => Err(format!("{name} may not go on: {error:#}").into()),
        Some(Err(fault)) => Err(format!("{name} failed: {fault}").into()),
        Some(Ok(Ok(()))) | None => Err(format!("{name} has stopped").into()),
    }
}

fn config(name: &str, role: Role, data_dir: PathBuf) -> Config {
    let everywhere = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let is_founder = FOUNDERS.contains(&name);
    let coordinators = FOUNDERS.iter();
    let cluster = if is_founder {
        Cluster {
            peers: coordinators.map(|peer| grpc_address(peer)).collect(),
            join: Vec::new(),
        }
    } else {
        Cluster {
            peers: Vec::new(),
            join: coordinators.map(|peer| format!("http://{peer}")).collect(),
        }
    };
    Config {
        http: Http {
            listen: everywhere(8000),
            advertise: None,
            max_body: 1 << 20,
            timeout: Duration::from_secs(10),
            max_in_flight: 64,
            tls: None,
        },
        grpc: Grpc {
            listen: everywhere(GRPC_PORT),
            advertise: None,
        },
        data_dir,
        data_slots: false,
        log_format: LogFormat::Text,
        dimension: Some(DIMENSION),
        shards: SHARDS,
        replicas: 3,
        nodes_at_start: if role == Role::Shard { 1 } else { 3 },
        memory_budget: None,
        disk_reserve: 0,
        seal_bytes: SEAL_BYTES,
        dead_after: DEAD_AFTER,
        move_rate: Some(MOVE_RATE),
        seal_after: SEAL_AFTER,
        split_at: SPLIT_AT,
        api_keys: Vec::new(),
        cluster,
    }
}
