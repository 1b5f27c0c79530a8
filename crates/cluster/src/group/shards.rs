//! All shard groups of this node.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures::StreamExt;
use openraft::error::{InitializeError, RaftError};
use openraft::{BasicNode, Raft, SnapshotPolicy};
use tokio::sync::watch;
use vectra_store::{Shard, StoreError, StoreOptions};

use super::ShardGroup;
use super::election_gate::ElectionGate;
use super::freshness::Freshness;
use super::growing_budget::GrowingBudget;
use super::handover::TakingOver;
use super::keeper::Keeper;
use super::members::Members;
use super::proposer::Proposer;
use super::read_rounds::ReadRounds;
use super::replay::replay;
use super::shard::Inner;
use crate::directory::create_directory;
use crate::log::{AtOpen, GroupLog};
use crate::machine::{ShardConfig, ShardMachine};
use crate::network::{Lease, Office, Peers, Transfers, Voucher, group_of};
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
    network: Network,
    timing: RaftTiming,
    store: StoreOptions,
    growing: GrowingBudget,
    pub(super) map: watch::Sender<Arc<PlacementMap>>,
    pub(super) running: watch::Sender<BTreeMap<ShardId, ShardGroup>>,
    faults: Mutex<BTreeMap<ShardId, Fault>>,
    /// Copies about to be dropped, as long as anybody works on their files.
    leaving: Mutex<BTreeMap<ShardId, Weak<Shard>>>,
    /// One reconciliation at a time.
    pub(super) reconciling: tokio::sync::Mutex<()>,
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
    fn passing(reason: impl ToString) -> Self {
        Self {
            reason: reason.to_string(),
            damaged: false,
        }
    }

    fn damage(reason: impl ToString) -> Self {
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
                growing: GrowingBudget::new(store.seal_bytes),
                store,
                map: watch::Sender::default(),
                running: watch::Sender::new(BTreeMap::new()),
                faults: Mutex::default(),
                leaving: Mutex::default(),
                reconciling: tokio::sync::Mutex::default(),
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

        let own = self.host.node;
        let mut missing = Vec::new();
        for (id, shard) in &map.shards {
            // A copy that is to be dropped is opened first, to know what it is a member of.
            let is_leftover = shard.left.contains_key(&own) && self.directory_of(*id).exists();
            let is_here = shard.hosts().contains(&own) || is_leftover;
            let is_missing = is_here && self.get(*id).is_none();
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
                Err(fault) => {
                    let reason = fault.reason.clone();
                    tracing::error!(shard, %reason, "this replica cannot be served");
                    self.faults_mut().insert(shard, fault);
                    first_fault.get_or_insert(ClusterError::Shard { shard, reason });
                }
            }
        }
        self.drop_all_left(map).await;
        first_fault.map_or(Ok(()), Err)
    }

    pub(super) fn directory_of(&self, shard: ShardId) -> PathBuf {
        self.host.directory.join(format!("shard-{shard}"))
    }

    async fn start(
        &self,
        id: ShardId,
        placed: &placement::Shard,
        dimension: usize,
    ) -> Result<ShardGroup, Fault> {
        let host = &self.host;
        let directory = self.directory_of(id);
        let options = host.store.clone();
        let shard =
            tokio::task::spawn_blocking(move || Shard::open(&directory, dimension, options))
                .await
                .map_err(Fault::passing)?
                .map_err(|error| match error {
                    StoreError::Damaged { .. } => Fault::damage(error),
                    _ => Fault::passing(error),
                })?;
        let shard = Arc::new(shard);

        let machine = ShardMachine::new(shard.clone()).map_err(Fault::damage)?;
        let progress = machine.progress();
        let log = GroupLog::open(&host.engine, group_of(id))
            .await
            .map_err(Fault::passing)?;
        log.check_reaches(machine.last_applied())
            .map_err(Fault::damage)?;
        replay(&log, &machine, &shard)
            .await
            .map_err(Fault::passing)?;
        let at_open = AtOpen {
            vote: log.vote(),
            last: log.last_index(),
        };
        let lease = Lease::default();
        let voucher = Voucher::default();
        let transfers = Transfers::default();
        let peers = Peers {
            network: host.network.clone(),
            group: group_of(id),
            lease: lease.clone(),
            voucher: voucher.clone(),
            transfers: transfers.clone(),
        };
        // Checkpoints and purges are the keeper's.
        let config = host
            .timing
            .raft_config(format!("shard-{id}"), SnapshotPolicy::Never, u64::MAX)
            .map_err(Fault::passing)?;
        let raft = Raft::new(host.node, config, peers, log.clone(), machine.clone())
            .await
            .map_err(Fault::passing)?;
        voucher.take(Office {
            node: host.node,
            metrics: raft.metrics(),
            lease: lease.clone(),
            length: host.timing.read_lease(),
            at_open,
        });

        let keeper = Keeper {
            raft: raft.clone(),
            shard: shard.clone(),
            progress: progress.clone(),
            engine: host.engine.clone(),
            transfers: transfers.clone(),
            log: log.clone(),
            growing: host.growing.join(id, shard.clone(), progress.clone()),
            name: format!("shard-{id}"),
        };
        let proposer = Proposer::start(
            raft.clone(),
            shard.clone(),
            progress.clone(),
            host.growing.clone(),
        );
        let settled = Arc::new(AtomicU64::new(0));
        let members = Members {
            node: host.node,
            shard: id,
            raft: raft.clone(),
            proposer: proposer.clone(),
            lease: lease.clone(),
            network: host.network.clone(),
            maps: host.map.subscribe(),
            settled: settled.clone(),
        };
        let replicas = BTreeSet::from_iter(placed.replicas.iter().copied());
        let is_first = placed.replicas.first() == Some(&host.node);
        let patience = if is_first {
            Duration::ZERO
        } else {
            2 * host.timing.election_max
        };
        let gate = ElectionGate::new();
        let mut tasks = vec![
            tokio::spawn(keeper.run()).abort_handle(),
            tokio::spawn(gate.clone().run(raft.clone(), host.timing)).abort_handle(),
            tokio::spawn(members.run()).abort_handle(),
        ];
        // A replica that comes to a group later, or that has lost what it had, waits to be found.
        if !placed.founded && replicas.contains(&host.node) {
            let founding = initialize(raft.clone(), replicas, patience);
            tasks.push(tokio::spawn(founding).abort_handle());
        }
        Ok(ShardGroup {
            inner: Arc::new(Inner {
                node: host.node,
                proposer,
                progress,
                machine,
                raft,
                shard,
                log,
                lease,
                freshness: Freshness::new(),
                confirmations: ReadRounds::default(),
                transfers,
                gate,
                taking_over: TakingOver::default(),
                settled,
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
