//! The root of every request: knows all shards, asks the leaves, merges what they answer.

mod asking;
mod backend;
mod cover;
mod digests;
mod directory;
mod doubles;
mod error;
mod gather;
mod gauges;
mod heard;
mod latency;
mod leaves;
#[cfg(test)]
mod leaves_test;
mod pace;
mod patience;
mod pending;
mod read;
mod request;
mod scatter;
#[cfg(test)]
mod scatter_test;
mod search_line;
mod service;
mod spread;
mod status;
mod target;
mod write;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use vectra_cluster::placement::{Collection, Observed, PlacementMap};
use vectra_cluster::{NodeId, PlacementCommand, PlacementGroup, PlacementOutcome};

pub use digests::ShardDigests;
pub use directory::{Directory, NodeFigures};
pub use error::RootError;
#[cfg(test)]
pub(crate) use gather::merge;
pub use leaves::Leaves;
pub use request::{Consistency, Hit, IngestBatch, Precision, SearchAnswer, SearchQuery};
pub use service::CoordinatorService;
pub use status::ClusterStatus;

use latency::Latencies;
use patience::Patience;

/// Between two looks at the members of the placement group.
const LOOK: Duration = Duration::from_millis(50);

/// The collection that `/ingest` and `/search` act on.
const DEFAULT_COLLECTION: &str = "default";

/// How new collections are laid out.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// The dimension of the default collection where the configuration fixes it.
    pub dimension: Option<usize>,
    /// Shards of a new collection.
    pub shards: u32,
    /// Replicas of a shard.
    pub replicas: u32,
    /// Shard nodes that must have joined before a collection is made.
    pub nodes_at_start: usize,
}

/// A coordinator's view of the whole cluster.
pub struct Root {
    placement: PlacementGroup,
    leaves: Leaves,
    directory: Arc<Directory>,
    layout: Layout,
    latencies: Latencies,
    /// Held once by every search under way.
    searches: Arc<()>,
    /// Counts the reads, to spread those that any replica may answer.
    turn: AtomicUsize,
}

impl Root {
    /// A root over the shards that `placement` knows.
    pub fn new(
        placement: PlacementGroup,
        leaves: Leaves,
        directory: Arc<Directory>,
        layout: Layout,
    ) -> Self {
        Self {
            placement,
            leaves,
            directory,
            layout,
            latencies: Latencies::default(),
            searches: Arc::default(),
            turn: AtomicUsize::new(0),
        }
    }

    /// What was seen of the cluster lately, for the planning of moves.
    pub fn observe(&self, map: &PlacementMap) -> Observed {
        self.hear_own_leaf();
        self.directory.observe(map)
    }

    /// The shards of this very process announce themselves to nobody else here.
    fn hear_own_leaf(&self) {
        if let Some((own, leaf)) = self.leaves.own() {
            let figures = NodeFigures {
                memory_bytes: leaf.memory_bytes(),
                sent_bytes: leaf.sent_bytes(),
                machine: leaf.machine(),
            };
            self.directory.node_announced(*own, figures, leaf.reports());
        }
    }

    /// Empties a shard node of its replicas, or no longer.
    pub async fn drain(
        &self,
        node: NodeId,
        draining: bool,
        deadline: Instant,
    ) -> Result<(), RootError> {
        let patience = Patience::until(deadline);
        let command = PlacementCommand::Drain { node, draining };
        match self.placement.propose(command, patience.left()).await {
            Ok(PlacementOutcome::Refused { .. }) => Err(RootError::NoSuchNode(node)),
            Ok(_) => Ok(()),
            Err(error) => {
                patience.check_deadline()?;
                Err(unplaced(error.to_string()))
            }
        }
    }

    /// Takes a coordinator out of the cluster for good.
    pub async fn remove_coordinator(
        &self,
        node: NodeId,
        deadline: Instant,
    ) -> Result<(), RootError> {
        let patience = Patience::until(deadline);
        let is_known = |map: &PlacementMap| {
            map.coordinators.contains_key(&node) || map.removed_coordinators.contains(&node)
        };
        let command = PlacementCommand::RemoveCoordinator { node };
        match self.placement.propose(command, patience.left()).await {
            Ok(PlacementOutcome::Refused { .. }) if !is_known(&self.map()) => {
                Err(RootError::NoSuchNode(node))
            }
            Ok(PlacementOutcome::Refused { reason }) => Err(RootError::NotRemovable(reason)),
            Ok(_) => self.until_without_vote(node, patience).await,
            Err(error) => {
                patience.check_deadline()?;
                Err(unplaced(error.to_string()))
            }
        }
    }

    /// Waits until the placement group has agreed on members without a coordinator: until then its vote is
    /// counted, and missed if it is lost.
    async fn until_without_vote(&self, node: NodeId, patience: Patience) -> Result<(), RootError> {
        // One that takes itself out does not hear of it.
        while node != self.placement.node() {
            let status = self.placement.status();
            let is_agreed = status.members_as_of.map(|position| position.index) <= status.applied;
            if is_agreed && !status.voters.contains(&node) {
                return Ok(());
            }
            if patience.is_over() {
                patience.check_deadline()?;
                return Err(unplaced(format!(
                    "coordinator {node} is out, but no majority of the others has agreed yet to go on \
                     without its vote; ask again"
                )));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    fn map(&self) -> Arc<PlacementMap> {
        Arc::clone(&self.placement.map().borrow())
    }

    /// The map, with the default collection if there is one. A coordinator that has just started,
    /// or that did not make the collection itself, may not have heard of it: before it says that
    /// there is none, it makes sure.
    async fn map_to_read(&self, patience: Patience) -> Result<Arc<PlacementMap>, RootError> {
        let map = self.map();
        if map.collections.contains_key(DEFAULT_COLLECTION) {
            return Ok(map);
        }
        // In a box: every search would have room for it.
        Box::pin(self.placement.latest_map(patience.left()))
            .await
            .map_err(|error| {
                unplaced(format!(
                    "this coordinator cannot tell yet what is stored: {error}"
                ))
            })
    }

    /// The dimension that vectors must have, once there is one.
    fn dimension(&self, map: &PlacementMap) -> Option<usize> {
        let existing = map
            .collections
            .get(DEFAULT_COLLECTION)
            .map(|found| found.dimension);
        existing.or(self.layout.dimension)
    }

    /// Refuses vectors of a dimension that the collection does not have.
    fn check_dimension(&self, map: &PlacementMap, got: usize) -> Result<(), RootError> {
        match self.dimension(map) {
            Some(expected) if expected != got => Err(RootError::WrongDimension { expected, got }),
            _ => Ok(()),
        }
    }

    /// The default collection, made now for vectors of this dimension if there is none.
    async fn collection_for(
        &self,
        dimension: usize,
        deadline: Instant,
    ) -> Result<Collection, RootError> {
        let map = self.map();
        self.check_dimension(&map, dimension)?;
        if let Some(collection) = map.collections.get(DEFAULT_COLLECTION) {
            return Ok(collection.clone());
        }
        let patience = Patience::until(deadline);
        self.wait_for_shard_nodes(patience).await?;
        let command = PlacementCommand::CreateCollection {
            name: DEFAULT_COLLECTION.to_owned(),
            dimension,
            shards: self.layout.shards,
            replicas: self.layout.replicas,
        };
        match self.placement.propose(command, patience.left()).await {
            Ok(PlacementOutcome::Collection(made)) if made.dimension == dimension => Ok(made),
            Ok(PlacementOutcome::Collection(other)) => Err(RootError::WrongDimension {
                expected: other.dimension,
                got: dimension,
            }),
            Ok(PlacementOutcome::Refused { reason }) => Err(unplaced(reason)),
            Ok(_) => Err(RootError::Internal(
                "the placement did not name the collection".to_owned(),
            )),
            Err(error) => {
                patience.check_deadline()?;
                Err(unplaced(format!(
                    "the collection could not be made: {error}"
                )))
            }
        }
    }

    /// A process that has just started is still about to enter its shard node into the map.
    async fn wait_for_shard_nodes(&self, patience: Patience) -> Result<(), RootError> {
        let wanted = self.layout.nodes_at_start.max(1);
        let mut maps = self.placement.map();
        let joined = maps.wait_for(|map| map.nodes.len() >= wanted);
        if let Ok(Ok(_)) = timeout(patience.left(), joined).await {
            return Ok(());
        }
        let joined = self.map().nodes.len();
        Err(unplaced(format!(
            "{joined} of the {wanted} shard nodes that `nodes_at_start` asks for have joined; \
             start the others and try again"
        )))
    }
}

/// The placement itself cannot serve the request.
fn unplaced(reason: String) -> RootError {
    RootError::Unavailable {
        shards: Vec::new(),
        reason,
    }
}
