//! The placement group: who owns what, agreed among the coordinators.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openraft::error::{ClientWriteError, InitializeError, RaftError};
use openraft::{BasicNode, Raft, SnapshotPolicy};
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Request;
use vectra_wire::v1;

use super::beat::{Beat, heartbeats};
use super::election_gate::ElectionGate;
use super::{Candidacy, status_of};
use crate::log::GroupLog;
use crate::machine::{PlacementConfig, PlacementMachine};
use crate::network::{Lease, PLACEMENT_GROUP, Peers, Transfers, Voucher, raft_client};
use crate::{
    ClusterError, GroupStatus, LogEngine, Network, NodeId, PlacementCommand, PlacementMap,
    PlacementOutcome, RaftTiming,
};

/// The log since the last checkpoint is never much longer.
const ENTRIES_PER_CHECKPOINT: u64 = 1_000;
/// Entries that a checkpoint covers stay for coordinators that lag a little.
const KEPT_ENTRIES: u64 = 200;
/// Between two attempts to find a leader.
pub(super) const PAUSE: Duration = Duration::from_millis(50);
const FOUNDING: Duration = Duration::from_secs(60);

/// This coordinator's member of the placement group.
#[derive(Clone)]
pub struct PlacementGroup {
    pub(super) node: NodeId,
    pub(super) network: Network,
    pub(super) machine: PlacementMachine,
    log: GroupLog<PlacementConfig>,
    pub(crate) raft: Raft<PlacementConfig>,
    pub(crate) candidacy: Candidacy<PlacementConfig>,
}

/// What one attempt at something only the leader can do came to.
pub(crate) enum Attempt<T> {
    /// It was done, or certainly refused.
    Done(T),
    /// Nothing was proposed; the leader is another, if it is known.
    NotLeader(Option<(NodeId, Option<String>)>),
    /// It may have been proposed.
    Unknown(String),
}

impl PlacementGroup {
    /// Opens what `directory` and the log hold of it.
    pub async fn open(
        node: NodeId,
        engine: &LogEngine,
        directory: &Path,
        network: &Network,
        timing: RaftTiming,
    ) -> Result<Self, ClusterError> {
        let machine = PlacementMachine::open(directory.to_owned(), network.clone())?;
        let log = GroupLog::open(engine, PLACEMENT_GROUP).await?;
        log.check_reaches(machine.last_applied())
            .map_err(|reason| ClusterError::Storage {
                path: directory.to_owned(),
                reason,
            })?;
        let snapshots = SnapshotPolicy::LogsSinceLast(ENTRIES_PER_CHECKPOINT);
        let config = timing.raft_config("placement".to_owned(), snapshots, KEPT_ENTRIES)?;
        let lease = Lease::default();
        let peers = Peers {
            network: network.clone(),
            group: PLACEMENT_GROUP,
            lease: lease.clone(),
            voucher: Voucher::default(),
            transfers: Transfers::default(),
            workers: engine.workers().clone(),
        };
        let raft = Raft::new(node, config, peers, log.clone(), machine.clone())
            .await
            .map_err(|error| ClusterError::Storage {
                path: directory.to_owned(),
                reason: format!("cannot start the placement group: {error}"),
            })?;
        let candidacy = Candidacy {
            node,
            group: PLACEMENT_GROUP,
            raft: raft.clone(),
            log: log.clone(),
            network: network.clone(),
            lease,
            timing,
            gate: ElectionGate::new(),
        };
        // Both end with the group.
        let beat = Beat::new();
        tokio::spawn(candidacy.gate.clone().run(candidacy.clone(), beat));
        tokio::spawn(heartbeats(raft.clone(), beat, timing.heartbeat));
        Ok(Self {
            node,
            network: network.clone(),
            machine,
            log,
            raft,
            candidacy,
        })
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Whether this member has heard of a cluster already.
    pub async fn is_initialized(&self) -> bool {
        // A group that has stopped was not initialised a moment ago either, or says so elsewhere.
        self.raft.is_initialized().await.unwrap_or(false)
    }

    /// Founds a cluster with these voters, given with their gRPC addresses (`name:port`); this
    /// node must be one. Every voter may call it with the same ones and the same name. Returns
    /// once a majority of them has agreed on the name.
    pub async fn found(
        &self,
        voters: BTreeMap<NodeId, String>,
        cluster_id: &str,
    ) -> Result<(), ClusterError> {
        for (node, address) in &voters {
            self.network.suggest_address(*node, address);
        }
        let members: BTreeMap<NodeId, BasicNode> = voters
            .into_iter()
            .map(|(node, address)| (node, BasicNode::new(address)))
            .collect();
        match self.raft.initialize(members).await {
            // Founded before, or reached by another voter's founding already.
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
            Err(error) => {
                let reason = format!("cannot found the cluster: {error}");
                return Err(ClusterError::Refused { reason });
            }
        }
        let command = PlacementCommand::FoundCluster {
            cluster_id: cluster_id.to_owned(),
        };
        match self.propose(command, FOUNDING).await? {
            PlacementOutcome::Refused { reason } => Err(ClusterError::Refused { reason }),
            _ => Ok(()),
        }
    }

    /// Proposes a command, at the leader or forwarded to it; waits for a leader and tries again
    /// until `deadline` has passed. All commands may safely be proposed twice, so it does.
    pub async fn propose(
        &self,
        command: PlacementCommand,
        deadline: Duration,
    ) -> Result<PlacementOutcome, ClusterError> {
        let until = Instant::now() + deadline;
        let mut proposed = None;
        let mut trouble = "the placement group has no leader".to_owned();
        while Instant::now() < until {
            let mut attempt = match timeout_at(until, self.propose_here(command.clone())).await {
                Some(attempt) => attempt,
                None => Attempt::Unknown("no majority has agreed in time".to_owned()),
            };
            if let Attempt::NotLeader(Some((leader, address))) = &attempt
                && *leader != self.node
            {
                if let Some(address) = address {
                    self.network.suggest_address(*leader, address);
                }
                let forwarded = self.propose_at(*leader, &command);
                attempt = match timeout_at(until, forwarded).await {
                    Some(attempt) => attempt,
                    None => Attempt::Unknown(format!("node {leader} did not answer in time")),
                };
            }
            match attempt {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::NotLeader(_) => {}
                Attempt::Unknown(reason) => {
                    proposed = Some(reason.clone());
                    trouble = reason;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        match proposed {
            Some(reason) => Err(ClusterError::Unknown { reason }),
            None => Err(ClusterError::NotReady { reason: trouble }),
        }
    }

    /// Proposes a command if this node is the leader.
    pub(crate) async fn propose_here(
        &self,
        command: PlacementCommand,
    ) -> Attempt<PlacementOutcome> {
        match self.raft.client_write(command).await {
            Ok(written) => match written.data {
                Some(outcome) => Attempt::Done(outcome),
                None => Attempt::Unknown("the command left no outcome".to_owned()),
            },
            Err(error) => attempt_after(&error),
        }
    }

    async fn propose_at(
        &self,
        leader: NodeId,
        command: &PlacementCommand,
    ) -> Attempt<PlacementOutcome> {
        use v1::propose_response::Outcome;
        let command = match serde_json::to_vec(command) {
            Ok(json) => json.into(),
            Err(error) => return Attempt::Unknown(error.to_string()),
        };
        let Ok(channel) = self.network.channel(leader) else {
            return Attempt::NotLeader(None);
        };
        let request = Request::new(v1::ProposeRequest {
            target: leader,
            command,
        });
        match raft_client(channel).propose(request).await {
            Ok(answer) => match answer.into_inner().outcome {
                Some(Outcome::Done(json)) => match serde_json::from_slice(&json) {
                    Ok(outcome) => Attempt::Done(outcome),
                    Err(error) => Attempt::Unknown(error.to_string()),
                },
                Some(Outcome::NotLeader(_)) => Attempt::NotLeader(None),
                Some(Outcome::Unknown(reason)) => Attempt::Unknown(reason),
                None => Attempt::Unknown(format!("node {leader} answered nothing")),
            },
            Err(status) => Attempt::Unknown(format!("node {leader}: {}", status.message())),
        }
    }

    /// A map that holds everything agreed on before this call, by whichever coordinator. Costs an
    /// entry in the log: for the few moments in which not knowing would be taken for not being.
    pub async fn latest_map(&self, deadline: Duration) -> Result<Arc<PlacementMap>, ClusterError> {
        let until = Instant::now() + deadline;
        let outcome = self
            .propose(PlacementCommand::ReadBarrier, deadline)
            .await?;
        let PlacementOutcome::AsOf { version } = outcome else {
            let reason = format!("a read barrier of the placement was answered {outcome:?}");
            return Err(ClusterError::Refused { reason });
        };
        let mut maps = self.map();
        let caught_up = maps.wait_for(|map| map.version >= version);
        match timeout_at(until, caught_up).await {
            Some(Ok(map)) => Ok(Arc::clone(&map)),
            Some(Err(_)) => Err(ClusterError::Stopped {
                reason: "the placement group has stopped".to_owned(),
            }),
            None => Err(ClusterError::NotReady {
                reason: "this coordinator lags behind the placement".to_owned(),
            }),
        }
    }

    /// The map as applied on this node, and each change to come.
    pub fn map(&self) -> watch::Receiver<Arc<PlacementMap>> {
        self.machine.map()
    }

    /// The leader that this node follows, itself included.
    pub fn leader(&self) -> Option<NodeId> {
        self.raft.metrics().borrow().current_leader
    }

    /// The group as seen from here.
    pub fn status(&self) -> GroupStatus {
        status_of(&self.raft)
    }

    /// Stops taking part.
    pub async fn shutdown(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "the placement group did not stop in order");
        }
        if let Err(error) = self.log.flush().await {
            tracing::warn!(%error, "the placement group's log was not flushed");
        }
    }
}

/// The commands of this group may be repeated, so an attempt that may have been proposed and one
/// that was not need not be told apart beyond doubt.
pub(super) fn attempt_after<T>(
    error: &RaftError<NodeId, ClientWriteError<NodeId, BasicNode>>,
) -> Attempt<T> {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
            let address = forward.leader_node.as_ref().map(|node| node.addr.clone());
            Attempt::NotLeader(forward.leader_id.map(|leader| (leader, address)))
        }
        RaftError::APIError(ClientWriteError::ChangeMembershipError(change)) => {
            Attempt::Unknown(change.to_string())
        }
        RaftError::Fatal(fatal) => Attempt::Unknown(fatal.to_string()),
    }
}

pub(super) async fn timeout_at<T>(until: Instant, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout_at(until, work).await.ok()
}
