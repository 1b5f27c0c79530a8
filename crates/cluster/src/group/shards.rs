//! All shard groups of this node.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use openraft::error::{InitializeError, RaftError};
use openraft::{BasicNode, Raft, SnapshotPolicy};
use tokio::sync::watch;
use vectra_store::{Shard, StoreOptions};

use super::ShardGroup;
use super::keeper::Keeper;
use super::proposer::Proposer;
use super::shard::{AtOpen, Inner};
use crate::directory::create_directory;
use crate::log::GroupLog;
use crate::machine::{ShardConfig, ShardMachine};
use crate::network::{Lease, Peers, group_of};
use crate::{
    ClusterError, LogEngine, Network, NodeId, PlacementMap, RaftTiming, ShardId, placement,
};

/// Replicas that are opened, verified and brought up to date at the same time.
const STARTS_AT_ONCE: usize = 4;

/// All shard replicas hosted on this node.
#[derive(Clone)]
pub struct ShardGroups {
    host: Arc<Host>,
}

struct Host {
    node: NodeId,
    engine: LogEngine,
    directory: PathBuf,
    network: Network,
    timing: RaftTiming,
    store: StoreOptions,
    running: watch::Sender<BTreeMap<ShardId, ShardGroup>>,
    faults: Mutex<BTreeMap<ShardId, String>>,
    /// One reconciliation at a time.
    reconciling: tokio::sync::Mutex<()>,
}

impl ShardGroups {
    /// Prepares to host replicas under `directory`; none is started before [`Self::reconcile`].
    pub async fn open(
        node: NodeId,
        engine: &LogEngine,
        directory: &Path,
        network: &Network,
        timing: RaftTiming,
        store: StoreOptions,
    ) -> Result<Self, ClusterError> {
        create_directory(directory).map_err(|error| ClusterError::Storage {
            path: directory.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            host: Arc::new(Host {
                node,
                engine: engine.clone(),
                directory: directory.to_owned(),
                network: network.clone(),
                timing,
                store,
                running: watch::Sender::new(BTreeMap::new()),
                faults: Mutex::default(),
                reconciling: tokio::sync::Mutex::default(),
            }),
        })
    }

    /// Starts every replica that the map puts here and that is not running yet. One that cannot
    /// be opened is reported by [`Self::faults`] and in the error; the others are served.
    pub async fn reconcile(&self, map: &PlacementMap) -> Result<(), ClusterError> {
        let _one_at_a_time = self.host.reconciling.lock().await;
        for (node, coordinator) in &map.coordinators {
            self.host.network.set_address(*node, &coordinator.grpc);
        }
        for (node, shard_node) in &map.nodes {
            self.host.network.set_address(*node, &shard_node.grpc);
        }

        let mut missing = Vec::new();
        for (id, shard) in &map.shards {
            let is_missing = shard.replicas.contains(&self.host.node) && self.get(*id).is_none();
            if let Some(collection) = map.collections.get(&shard.collection)
                && is_missing
            {
                missing.push((*id, shard.clone(), collection.dimension));
            }
        }
        let started =
            futures::stream::iter(missing)
                .map(|(id, shard, dimension)| async move {
                    (id, self.start(id, &shard, dimension).await)
                })
                .buffer_unordered(STARTS_AT_ONCE);
        futures::pin_mut!(started);
        let mut first_fault = None;
        while let Some((shard, result)) = started.next().await {
            match result {
                Ok(group) => {
                    self.faults_mut().remove(&shard);
                    self.host.running.send_modify(|running| {
                        running.insert(shard, group);
                    });
                }
                Err(reason) => {
                    tracing::error!(shard, %reason, "this replica cannot be served");
                    self.faults_mut().insert(shard, reason.clone());
                    first_fault.get_or_insert(ClusterError::Shard { shard, reason });
                }
            }
        }
        first_fault.map_or(Ok(()), Err)
    }

    async fn start(
        &self,
        id: ShardId,
        placed: &placement::Shard,
        dimension: usize,
    ) -> Result<ShardGroup, String> {
        let host = &self.host;
        let directory = host.directory.join(format!("shard-{id}"));
        let options = host.store.clone();
        let shard =
            tokio::task::spawn_blocking(move || Shard::open(&directory, dimension, options))
                .await
                .map_err(|error| error.to_string())?
                .map_err(|error| error.to_string())?;
        let shard = Arc::new(shard);

        let machine = ShardMachine::new(shard.clone())?;
        let progress = machine.progress();
        let log = GroupLog::open(&host.engine, group_of(id))
            .await
            .map_err(|error| error.to_string())?;
        log.check_reaches(machine.last_applied())?;
        let at_open = AtOpen {
            vote: log.vote(),
            last: log.last_index(),
        };
        let lease = Lease::default();
        let peers = Peers {
            network: host.network.clone(),
            group: group_of(id),
            lease: lease.clone(),
        };
        // Checkpoints and purges are the keeper's.
        let config = host
            .timing
            .raft_config(format!("shard-{id}"), SnapshotPolicy::Never, u64::MAX)
            .map_err(|error| error.to_string())?;
        let raft = Raft::new(host.node, config, peers, log.clone(), machine)
            .await
            .map_err(|error| error.to_string())?;

        let keeper = Keeper {
            raft: raft.clone(),
            shard: shard.clone(),
            progress: progress.clone(),
            engine: host.engine.clone(),
            name: format!("shard-{id}"),
        };
        let replicas = BTreeSet::from_iter(placed.replicas.iter().copied());
        let is_first = placed.replicas.first() == Some(&host.node);
        let patience = if is_first {
            Duration::ZERO
        } else {
            2 * host.timing.election_max
        };
        let tasks = vec![
            tokio::spawn(keeper.run()).abort_handle(),
            tokio::spawn(initialize(raft.clone(), replicas, patience)).abort_handle(),
        ];
        Ok(ShardGroup {
            inner: Arc::new(Inner {
                node: host.node,
                proposer: Proposer::start(raft.clone(), shard.clone(), progress.clone()),
                progress,
                raft,
                shard,
                log,
                lease,
                timing: host.timing,
                at_open,
                tasks,
                receiving: Arc::default(),
            }),
        })
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.host.node
    }

    /// The replica of one shard, if it runs here.
    pub fn get(&self, shard: ShardId) -> Option<ShardGroup> {
        self.host.running.borrow().get(&shard).cloned()
    }

    /// The replica of one shard; waits a little for one that the map has yet to bring here.
    pub(crate) async fn wait_for(&self, shard: ShardId, patience: Duration) -> Option<ShardGroup> {
        let mut running = self.host.running.subscribe();
        let is_there = running.wait_for(|running| running.contains_key(&shard));
        let running = tokio::time::timeout(patience, is_there).await.ok()?.ok()?;
        running.get(&shard).cloned()
    }

    /// All replicas that run here.
    pub fn all(&self) -> Vec<(ShardId, ShardGroup)> {
        let running = self.host.running.borrow();
        running
            .iter()
            .map(|(shard, group)| (*shard, group.clone()))
            .collect()
    }

    /// The replicas that the map puts here and that could not be opened, and why.
    pub fn faults(&self) -> BTreeMap<ShardId, String> {
        self.faults_mut().clone()
    }

    /// Stops all replicas.
    pub async fn shutdown(&self) {
        let groups = self.host.running.send_replace(BTreeMap::new());
        futures::future::join_all(groups.values().map(ShardGroup::shutdown)).await;
    }

    fn faults_mut(&self) -> MutexGuard<'_, BTreeMap<ShardId, String>> {
        self.host
            .faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a brand-new group its first voters. Every replica may do it, so that no single one is
/// needed; the one that should lead does it at once, the others only if it does not.
async fn initialize(raft: Raft<ShardConfig>, replicas: BTreeSet<NodeId>, patience: Duration) {
    if !patience.is_zero() {
        tokio::time::sleep(patience).await;
    }
    // After a restart, or reached by the founding of another replica.
    if raft.is_initialized().await.unwrap_or(false) {
        return;
    }
    let members: BTreeMap<NodeId, BasicNode> = replicas
        .into_iter()
        .map(|replica| (replica, BasicNode::default()))
        .collect();
    match raft.initialize(members).await {
        Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
        Err(error) => tracing::warn!(%error, "a shard's group could not be initialised"),
    }
}
