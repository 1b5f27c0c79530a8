//! All shard groups of this node.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use vectra_store::{Shard, StoreOptions};

use super::ShardGroup;
use super::beat::Beat;
use super::growing_budget::GrowingBudget;
use super::read_index::ReadIndexes;
use crate::directory::{create_directory, shard_directory};
use crate::machine::Children;
use crate::{
    ClusterError, LogEngine, Network, NodeId, PlacementMap, RaftTiming, ShardId, placement,
};

/// How long the last checkpoints may take when a node stops: less than a service manager waits
/// before it kills.
const LAST_CHECKPOINTS: Duration = Duration::from_secs(5);

/// Replicas that are opened, verified and brought up to date at the same time.
const STARTS_AT_ONCE: usize = 4;

/// All shard replicas hosted on this node.
#[derive(Clone)]
pub struct ShardGroups {
    pub(super) host: Arc<Host>,
}

pub(super) struct Host {
    pub(super) node: NodeId,
    pub(super) engine: LogEngine,
    directory: PathBuf,
    pub(super) network: Network,
    pub(super) timing: RaftTiming,
    pub(super) beat: Beat,
    pub(super) store: StoreOptions,
    pub(super) growing: GrowingBudget,
    pub(super) read_indexes: ReadIndexes,
    pub(super) map: watch::Sender<Arc<PlacementMap>>,
    pub(super) running: watch::Sender<BTreeMap<ShardId, ShardGroup>>,
    faults: Mutex<BTreeMap<ShardId, Fault>>,
    /// A replica has heard of another leader.
    pub(super) leader_changed: Arc<Notify>,
    /// Copies about to be dropped, as long as anybody works on their files.
    leaving: Mutex<BTreeMap<ShardId, Weak<Shard>>>,
    /// One reconciliation at a time.
    pub(super) reconciling: tokio::sync::Mutex<()>,
    /// Nothing is started any more.
    stopping: AtomicBool,
    runtime: tokio::runtime::Handle,
}

/// Why a replica cannot be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub reason: String,
    /// Its files are not what they should be: only another replica can help.
    pub damaged: bool,
}

impl Fault {
    pub(super) fn passing(reason: impl ToString) -> Self {
        Self {
            reason: reason.to_string(),
            damaged: false,
        }
    }

    pub(super) fn damage(reason: impl ToString) -> Self {
        Self {
            reason: reason.to_string(),
            damaged: true,
        }
    }
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
                beat: Beat::new(),
                growing: GrowingBudget::new(store.seal_bytes),
                read_indexes: ReadIndexes::default(),
                store,
                map: watch::Sender::default(),
                running: watch::Sender::new(BTreeMap::new()),
                faults: Mutex::default(),
                leader_changed: Arc::default(),
                leaving: Mutex::default(),
                reconciling: tokio::sync::Mutex::default(),
                stopping: AtomicBool::new(false),
                runtime: tokio::runtime::Handle::current(),
            }),
        })
    }

    /// Starts every replica that the map puts here and that is not running yet, and drops those
    /// that have left their group. One that cannot be opened is reported by [`Self::faults`] and in
    /// the error; the others are served.
    pub async fn reconcile(&self, map: &PlacementMap) -> Result<(), ClusterError> {
        let _one_at_a_time = self.host.reconciling.lock().await;
        for (node, coordinator) in &map.coordinators {
            self.host.network.set_address(*node, &coordinator.grpc);
        }
        for (node, shard_node) in &map.nodes {
            self.host.network.set_address(*node, &shard_node.grpc);
        }
        self.host.map.send_replace(Arc::new(map.clone()));

        let started = self.start_missing(map, true).await;
        self.drop_all_left(map).await;
        started
    }

    /// Starts the replicas that could not be before, because the shard that they split off from had
    /// not got there yet.
    pub async fn start_children(&self) {
        let _one_at_a_time = self.host.reconciling.lock().await;
        let map = Arc::clone(&self.host.map.borrow());
        if let Err(error) = self.start_missing(&map, false).await {
            tracing::error!(%error, "a shard that has split off is not served");
        }
    }

    /// Starts all that are missing, or only those that have split off and were not tried in vain.
    async fn start_missing(&self, map: &PlacementMap, all: bool) -> Result<(), ClusterError> {
        if self.host.stopping.load(Ordering::Acquire) {
            return Ok(());
        }
        let placed = map.shards.iter().map(|(id, shard)| (*id, shard.clone()));
        let mut missing = Vec::new();
        for (id, shard) in placed.chain(map.unfinished_children()) {
            // A copy that is to be dropped is opened first, to know what it is a member of.
            let own = self.host.node;
            let is_leftover = shard.left.contains_key(&own) && self.directory_of(id).exists();
            let is_here = shard.hosts().contains(&own) || is_leftover;
            let is_missing =
                is_here && self.get(id).is_none() && self.has_come_to_be(map, id, &shard);
            let is_new_child =
                || shard.parent.is_some() && !is_leftover && !self.faults_mut().contains_key(&id);
            let is_wanted = all || is_new_child();
            if let Some(collection) = map.collections.get(&shard.collection)
                && is_missing
                && is_wanted
            {
                missing.push((id, shard, collection.dimension));
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
                Err(fault) => {
                    let reason = fault.reason.clone();
                    tracing::error!(shard, %reason, "this replica cannot be served");
                    self.faults_mut().insert(shard, fault);
                    first_fault.get_or_insert(ClusterError::Shard { shard, reason });
                }
            }
        }
        first_fault.map_or(Ok(()), Err)
    }

    /// Whether the replica of a shard may be started: not while this node's replica of the shard that
    /// it splits off from has yet to make it. Begun empty before, it would keep that from being made,
    /// and its rows could be lost with the one replica that has them.
    fn has_come_to_be(&self, map: &PlacementMap, id: ShardId, shard: &placement::Shard) -> bool {
        let Some(parent) = shard.parent else {
            return true;
        };
        let placed = map.shards.get(&parent);
        let has_parent = placed.is_some_and(|placed| placed.hosts().contains(&self.host.node));
        let is_past_split = || {
            let group = self.get(parent);
            let fault = self.faults_mut().get(&parent).cloned();
            group.is_some_and(|group| group.has_child(id))
                || fault.is_some_and(|fault| fault.damaged)
        };
        self.directory_of(id).exists() || !has_parent || is_past_split()
    }

    /// What a replica of this node needs to know of those that split off from it.
    pub(super) fn children(&self) -> Children {
        let host = Arc::downgrade(&self.host);
        let announce = move || {
            if let Some(host) = host.upgrade() {
                let runtime = host.runtime.clone();
                let groups = Self { host };
                runtime.spawn(async move { groups.start_children().await });
            }
        };
        let log = self.host.engine.clone();
        Children::new(self.host.node, log, self.host.directory.clone(), announce)
    }

    pub(super) fn directory_of(&self, shard: ShardId) -> PathBuf {
        shard_directory(&self.host.directory, shard)
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

    /// Bytes of replicas' files that this node has sent to others since its start.
    pub fn snapshot_bytes_sent(&self) -> u64 {
        self.host.network.snapshot_bytes_sent()
    }

    /// The replicas that the map puts here and that could not be opened, and why.
    pub fn faults(&self) -> BTreeMap<ShardId, Fault> {
        self.faults_mut().clone()
    }

    /// Stops all replicas, then seals what they have in memory, as far as the time allows, so that
    /// the next start has little to replay.
    pub async fn shutdown(&self) {
        self.host.stopping.store(true, Ordering::Release);
        let _one_at_a_time = self.host.reconciling.lock().await;
        let groups = self.host.running.send_replace(BTreeMap::new());
        futures::future::join_all(groups.values().map(ShardGroup::shutdown)).await;
        let until = Instant::now() + LAST_CHECKPOINTS;
        // One after the other, for memory's sake.
        for (shard, group) in &groups {
            if Instant::now() >= until {
                tracing::warn!("no time for all checkpoints: the next start replays the log");
                return;
            }
            if let Err(reason) = group.last_checkpoint().await {
                tracing::warn!(shard, %reason, "no checkpoint: the next start replays the log");
            }
        }
    }

    pub(super) fn leaving_mut(&self) -> MutexGuard<'_, BTreeMap<ShardId, Weak<Shard>>> {
        self.host
            .leaving
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn faults_mut(&self) -> MutexGuard<'_, BTreeMap<ShardId, Fault>> {
        self.host
            .faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
