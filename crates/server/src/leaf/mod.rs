//! The leaf of every request: this node's shards. Knows no other node and no HTTP.

mod best_hits;
mod budget;
mod certify;
mod circle;
mod gauges;
mod scan_pool;
#[cfg(test)]
mod scan_pool_test;
mod search;
mod search_job;
pub(crate) mod search_stream;
mod service;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use vectra_cluster::placement::Child;
use vectra_cluster::{
    CatchUp, Consistency, Fault, GroupStatus, ReplicaDigest, ShardGroup, ShardGroups, ShardId,
    WriteError,
};
use vectra_kernel::VectorError;
use vectra_wire::v1;
use vectra_wire::v1::fetch_response::Outcome as FetchOutcome;
use vectra_wire::v1::write_response::Outcome as WriteOutcome;

pub use budget::Budget;
pub use scan_pool::Scanning;
pub use service::ShardNodeService;

use crate::root::Hit;
use gauges::Searches;
use scan_pool::ScanPool;

/// The shards hosted by this node, searched and written.
#[derive(Clone)]
pub struct Leaf {
    groups: ShardGroups,
    machine: u64,
    pool: Arc<ScanPool>,
    budget: Arc<Budget>,
    searches: Searches,
    /// Replicas that have applied nothing for so long are presumed to have what their leaders have.
    quiet: Duration,
}

/// What a leaf found in the shards it was asked for.
#[derive(Debug, Default, PartialEq)]
pub struct LeafAnswer {
    /// Best first over all shards that answered.
    pub hits: Vec<Hit>,
    /// Whether the hits are proven to be the best of those shards.
    pub certified: bool,
    /// Shards of which this node may not answer for now.
    pub not_leaders: Vec<v1::NotLeader>,
    /// Shards that have split off and that the one who asks did not know of; nothing is said of
    /// their rows.
    pub children: Vec<v1::Children>,
}

/// A shard that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Its id.
    pub shard: ShardId,
    /// How often it has split, as the one who asks knows; `None` if that one knows of no splits.
    pub splits: Option<u32>,
}

/// Why a leaf could not answer at all.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    /// More searches wait for the scan than it can serve in time.
    #[error("{0} searches wait for the scan already; try again in a moment")]
    Overloaded(usize),
    /// The query is not a vector that can be compared.
    #[error("the query cannot be searched for: {0}")]
    Query(#[from] VectorError),
    /// A query of another dimension than a shard's rows.
    #[error("shard {shard} holds vectors of {expected} dimensions, the query has {got}")]
    Dimension {
        /// The shard.
        shard: ShardId,
        /// Dimension of its rows.
        expected: usize,
        /// Dimension of the query.
        got: usize,
    },
    /// A shard's data could not be read.
    #[error(transparent)]
    Store(#[from] vectra_store::StoreError),
    /// No replica of the shard runs here.
    #[error("this node hosts no replica of shard {0}")]
    NotHere(ShardId),
    /// A scanning thread panicked; the panic is in the log.
    #[error("the scan failed; the log of this node says where")]
    ScanFailed,
    /// The process is stopping.
    #[error("this node is shutting down")]
    Stopping,
}

impl Leaf {
    /// A leaf over `groups`, on a machine of this name whose cores it shares with other nodes there; 0 where it
    /// shares them with none.
    ///
    /// # Errors
    ///
    /// That a thread could not be started.
    pub fn new(
        groups: ShardGroups,
        machine: u64,
        budget: Arc<Budget>,
        scanning: Scanning,
    ) -> std::io::Result<Self> {
        let pool = Arc::new(ScanPool::start(scanning)?);
        Ok(Self {
            groups,
            machine,
            pool,
            budget,
            searches: Searches::default(),
            quiet: search::quiet(scanning),
        })
    }

    /// The raft groups of this node's replicas.
    pub fn groups(&self) -> &ShardGroups {
        &self.groups
    }

    /// Proposes an encoded `WriteBatch` to the group of `shard`.
    pub async fn write(&self, shard: ShardId, batch: Bytes, grows: bool) -> WriteOutcome {
        use WriteOutcome as Outcome;
        let Some(group) = self.groups.get(shard) else {
            return Outcome::NotLeader(not_here(shard));
        };
        if grows && let Err(over) = self.budget.admit(&self.groups, batch.len() as u64) {
            return Outcome::OverBudget(over);
        }
        match group.write(batch).await {
            Ok(existed) => Outcome::Written(v1::Written { existed }),
            Err(WriteError::NotLeader(refusal)) => Outcome::NotLeader(not_leader(shard, refusal)),
            Err(WriteError::Elsewhere { children }) => {
                Outcome::Elsewhere(children_of(shard, &children))
            }
            Err(WriteError::Refused { reason }) => Outcome::Refused(reason),
            Err(WriteError::Unknown { reason }) => Outcome::Unknown(reason),
        }
    }

    /// The vector stored under `id` in `shard`.
    pub async fn fetch(
        &self,
        shard: ShardId,
        id: &str,
        consistency: Consistency,
    ) -> Result<FetchOutcome, LeafError> {
        use FetchOutcome as Outcome;
        let Some(group) = self.groups.get(shard) else {
            return Ok(Outcome::NotLeader(not_here(shard)));
        };
        let state = match group.readable(consistency).await {
            Ok(state) => state,
            Err(refusal) => return Ok(Outcome::NotLeader(not_leader(shard, refusal))),
        };
        let hash = vectra_cluster::placement::hash(id);
        if state.range.is_some_and(|range| !range.contains(hash)) {
            let mut children = state.children.iter();
            if !children.any(|child| child.range.contains(hash)) {
                let reason = format!("the id does not belong to shard {shard}");
                return Ok(Outcome::NotLeader(v1::NotLeader {
                    shard,
                    leader: None,
                    reason,
                }));
            }
            return Ok(Outcome::Elsewhere(children_of(shard, &state.children)));
        }
        let found = state.view.find(id)?;
        Ok(found.map_or(Outcome::Absent(true), |vector| {
            Outcome::Vector(vectra_wire::floats_to_bytes(&vector))
        }))
    }

    /// What this node's replica of `shard` holds, to be compared with another one.
    pub async fn digest(&self, shard: ShardId) -> Result<ReplicaDigest, LeafError> {
        let group = self.groups.get(shard).ok_or(LeafError::NotHere(shard))?;
        Ok(group.digest().await?)
    }

    /// What this node's replicas report to the coordinators.
    pub fn reports(&self) -> Vec<v1::ReplicaReport> {
        let report = |(shard, group): (ShardId, ShardGroup)| {
            let status = group.status();
            v1::ReplicaReport {
                shard,
                term: status.term,
                leader: status.leader,
                rows: group.shard().view().live_rows(),
                bytes: group.shard().disk_bytes(),
                members: Some(members(&group, &status)),
                splits: group.splits(),
                ready: group.readable_now(),
                fault: status.fault,
                ..v1::ReplicaReport::default()
            }
        };
        let broken = |(shard, fault): (ShardId, Fault)| v1::ReplicaReport {
            shard,
            fault: Some(fault.reason),
            damaged: fault.damaged,
            ..v1::ReplicaReport::default()
        };
        let dropped = |shard: ShardId| v1::ReplicaReport {
            shard,
            dropped: true,
            ..v1::ReplicaReport::default()
        };
        let running = self.groups.all().into_iter().map(report);
        running
            .chain(self.groups.faults().into_iter().map(broken))
            .chain(self.groups.dropped().into_iter().map(dropped))
            .collect()
    }

    /// Live rows of all replicas on this node.
    pub fn rows(&self) -> u64 {
        self.groups
            .all()
            .iter()
            .map(|(_, group)| group.shard().view().live_rows())
            .sum()
    }

    /// The machine whose cores this node shares with other nodes there; 0 where it shares them with none.
    pub fn machine(&self) -> u64 {
        self.machine
    }

    /// Bytes of replicas' files that this node has sent to others since its start.
    pub fn sent_bytes(&self) -> u64 {
        self.groups.snapshot_bytes_sent()
    }

    /// Bytes that this node's shards keep in memory.
    pub fn memory_bytes(&self) -> u64 {
        budget::memory_bytes(&self.groups)
    }
}

/// The members of a group, and from its leader how they get on.
fn members(group: &ShardGroup, status: &GroupStatus) -> v1::Members {
    let mut members = v1::Members {
        as_of: status.members_as_of.map(|position| v1::LogId {
            term: position.term,
            node: position.node,
            index: position.index,
        }),
        voters: status.voters.iter().copied().collect(),
        learners: status.learners.iter().copied().collect(),
        ..v1::Members::default()
    };
    if status.is_leader {
        let catch_up = |one: CatchUp| v1::CatchUp {
            node: one.node,
            sent_bytes: one.sent_bytes,
            total_bytes: one.total_bytes,
            bytes_per_second: one.bytes_per_second,
            missing_entries: one.missing_entries,
        };
        members.settled = group.settled();
        members.catch_ups = group.catch_ups().into_iter().map(catch_up).collect();
    }
    members
}

fn children_of(shard: ShardId, children: &[Child]) -> v1::Children {
    let child = |child: &Child| v1::Child {
        shard: child.shard,
        first: child.range.first,
        last: child.range.last,
    };
    v1::Children {
        shard,
        children: children.iter().map(child).collect(),
    }
}

fn not_leader(shard: ShardId, refusal: vectra_cluster::NotLeader) -> v1::NotLeader {
    v1::NotLeader {
        shard,
        leader: refusal.leader,
        reason: refusal.reason,
    }
}

fn not_here(shard: ShardId) -> v1::NotLeader {
    v1::NotLeader {
        shard,
        leader: None,
        reason: format!("this node hosts no replica of shard {shard} yet"),
    }
}
