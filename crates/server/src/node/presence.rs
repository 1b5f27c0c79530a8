//! What a coordinator does all the time: keeps its own entry in the map true, and watches who of
//! the other coordinators answers.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{MissedTickBehavior, interval, timeout};
use vectra_cluster::placement::{Coordinator, PlacementMap};
use vectra_cluster::{Network, NodeId, PlacementCommand, PlacementGroup};
use vectra_wire::v1;
use vectra_wire::v1::coordinator_client::CoordinatorClient;

use super::announce::announcement;
use super::founding::cluster_name;
use super::identity::DataDirectory;
use crate::leaf::Leaf;
use crate::root::Directory;

/// Between two rounds.
const PERIOD: Duration = Duration::from_secs(1);

/// How long a coordinator may take to answer.
const ANSWER: Duration = Duration::from_millis(900);

/// How long a change of the own entry may wait to be agreed on.
const AGREEMENT: Duration = Duration::from_secs(5);

/// A coordinator among its peers.
pub(super) struct Presence {
    pub(super) data: Arc<DataDirectory>,
    pub(super) grpc: String,
    pub(super) http: String,
    /// The shards of this very process, if it hosts any.
    pub(super) leaf: Option<Leaf>,
    pub(super) network: Network,
    pub(super) placement: PlacementGroup,
    pub(super) directory: Arc<Directory>,
}

impl Presence {
    /// Goes on for ever. Returns only with the reason why this node may not go on.
    pub(super) async fn run(self) -> anyhow::Error {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut maps = self.placement.map();
        loop {
            // Each change of the map is looked at at once: a cluster that was just founded gets its
            // first entries without waiting for a tick.
            tokio::select! {
                _ = ticks.tick() => {}
                Ok(()) = maps.changed() => {}
            }
            let map = Arc::clone(&maps.borrow_and_update());
            if let Some(cluster_id) = &map.cluster_id
                && let Err(reason) = self.data.bind_to(cluster_id)
            {
                return reason;
            }
            if let Some(reason) = self.double(&map).await {
                return reason;
            }
            let (_, is_removed) =
                tokio::join!(self.keep_entries_true(&map), self.watch_others(&map));
            if is_removed || map.removed_coordinators.contains(&self.data.node()) {
                return self.removed();
            }
        }
    }

    fn removed(&self) -> anyhow::Error {
        anyhow::anyhow!(
            "this coordinator was taken out of the cluster (`vectra coordinator remove`), for good. To \
             use this machine again, start it with an empty data directory; this one is {}",
            self.data.path().display()
        )
    }

    /// Why this process may not be the node that it is: where the map says that this node is
    /// reached, another process answers in its name.
    async fn double(&self, map: &PlacementMap) -> Option<anyhow::Error> {
        let node = self.data.node();
        let known = &map.coordinators.get(&node)?.grpc;
        if *known == self.grpc {
            return None;
        }
        let mut client = CoordinatorClient::new(self.network.channel_to(known).ok()?);
        let answer = timeout(ANSWER, client.identify(v1::IdentifyRequest { asks: None })).await;
        let answer = answer.ok()?.ok()?.into_inner();
        let is_other = answer.node == node && answer.incarnation != self.data.incarnation();
        is_other.then(|| {
            anyhow::anyhow!(
                "another process, reached at {known}, is node {node} already: {} is a copy of its \
                 data directory, or the other way round. Start this process with an empty data \
                 directory, or stop the other one first",
                self.data.path().display()
            )
        })
    }

    async fn keep_entries_true(&self, map: &PlacementMap) {
        if map.cluster_id.is_none() {
            // A founder may have stopped between founding the cluster and naming it.
            let voters = self.placement.status().voters;
            if !voters.is_empty() {
                let cluster_id = cluster_name(voters);
                self.propose(PlacementCommand::FoundCluster { cluster_id })
                    .await;
            }
            return;
        }
        let (node, grpc, http) = (self.data.node(), self.grpc.clone(), Some(self.http.clone()));
        let entry = Coordinator {
            grpc: grpc.clone(),
            http: http.clone(),
        };
        if map.coordinators.get(&node) != Some(&entry) {
            let command = PlacementCommand::AnnounceCoordinator { node, grpc, http };
            self.propose(command).await;
        }
        let (grpc, http) = (self.grpc.clone(), Some(self.http.clone()));
        let known = map.nodes.get(&node);
        let is_true = known.is_some_and(|known| known.grpc == grpc && known.http == http);
        if self.leaf.is_some() && !is_true {
            self.propose(PlacementCommand::AnnounceNode { node, grpc, http })
                .await;
        }
    }

    async fn propose(&self, command: PlacementCommand) {
        if let Err(error) = self.placement.propose(command, AGREEMENT).await {
            tracing::warn!(%error, "this node's entry in the placement map is not yet agreed on");
        }
    }

    /// Whether one of them knows that this one was taken out.
    async fn watch_others(&self, map: &PlacementMap) -> bool {
        let own = self.data.node();
        self.directory.coordinator_answered(own);
        // The embedded shard node reports to the other coordinators as any shard node does; it has
        // the map already.
        let announcement = self
            .leaf
            .as_ref()
            .map(|leaf| announcement(&self.data, leaf, &self.grpc, &self.http, map.version));
        let others = map.coordinators.keys().filter(|&&node| node != own);
        let told = join_all(others.map(|&node| self.watch(node, announcement.clone()))).await;
        told.contains(&true)
    }

    async fn watch(&self, node: NodeId, announcement: Option<v1::AnnounceRequest>) -> bool {
        let Ok(channel) = self.network.channel(node) else {
            return false;
        };
        let mut client = CoordinatorClient::new(channel);
        let asks = Some(self.data.node());
        let answer = timeout(ANSWER, client.identify(v1::IdentifyRequest { asks })).await;
        let answer = answer
            .ok()
            .and_then(Result::ok)
            .map(tonic::Response::into_inner);
        let Some(answer) = answer.filter(|answer| answer.node == node) else {
            return false;
        };
        self.directory.coordinator_answered(node);
        if let Some(announcement) = announcement {
            // One that is not heard is followed by another in a second.
            let _ = timeout(ANSWER, client.announce(announcement)).await;
        }
        answer.removed
    }
}
