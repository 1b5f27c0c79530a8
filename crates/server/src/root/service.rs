//! The gRPC face of a coordinator: how processes find it, join it and report to it.

use std::sync::Arc;
use std::time::Duration;

use tonic::{Request, Response, Status};
use vectra_cluster::{NodeId, PlacementCommand, PlacementGroup};
use vectra_wire::v1;
use vectra_wire::v1::coordinator_server::Coordinator;

use super::{Directory, NodeFigures, doubles::Admission};

/// How long a node's announcement may wait to be agreed on.
const AGREEMENT: Duration = Duration::from_secs(5);

/// Serves shard nodes and other coordinators.
#[derive(Clone)]
pub struct CoordinatorService {
    own: NodeId,
    incarnation: u64,
    placement: PlacementGroup,
    directory: Arc<Directory>,
}

impl CoordinatorService {
    /// A service of node `own` in this incarnation.
    pub fn new(
        own: NodeId,
        incarnation: u64,
        placement: PlacementGroup,
        directory: Arc<Directory>,
    ) -> Self {
        Self {
            own,
            incarnation,
            placement,
            directory,
        }
    }

    fn cluster_id(&self) -> Option<String> {
        self.placement.map().borrow().cluster_id.clone()
    }

    /// Takes note of a shard node. The leader of the placement also writes it into the map; the
    /// others need not, since a node announces itself to every coordinator.
    fn register(&self, node: NodeId, grpc: String, http: Option<String>) {
        let is_known = {
            let maps = self.placement.map();
            let map = maps.borrow();
            let known = map.nodes.get(&node);
            known.is_some_and(|known| known.grpc == grpc && known.http == http)
        };
        if is_known || self.placement.leader() != Some(self.own) {
            return;
        }
        let placement = self.placement.clone();
        let command = PlacementCommand::AnnounceNode { node, grpc, http };
        tokio::spawn(async move {
            if let Err(error) = placement.propose(command, AGREEMENT).await {
                tracing::warn!(node, %error, "a shard node could not be registered; it tries again");
            }
        });
    }
}

#[tonic::async_trait]
impl Coordinator for CoordinatorService {
    async fn identify(
        &self,
        request: Request<v1::IdentifyRequest>,
    ) -> Result<Response<v1::IdentifyResponse>, Status> {
        let cluster_id = self.cluster_id();
        let removed = request.into_inner().asks.is_some_and(|asks| {
            let maps = self.placement.map();
            maps.borrow().removed_coordinators.contains(&asks)
        });
        Ok(Response::new(v1::IdentifyResponse {
            node: self.own,
            cluster_id,
            incarnation: self.incarnation,
            removed,
        }))
    }

    async fn join(
        &self,
        request: Request<v1::JoinRequest>,
    ) -> Result<Response<v1::JoinResponse>, Status> {
        let v1::JoinRequest { node, grpc } = request.into_inner();
        let cluster_id = self.cluster_id().ok_or_else(no_cluster_yet)?;
        let is_removed = {
            let maps = self.placement.map();
            maps.borrow().removed_coordinators.contains(&node)
        };
        if is_removed {
            return Err(Status::failed_precondition(
                "this coordinator was taken out of the cluster: start it with an empty data directory",
            ));
        }
        self.placement
            .admit(node, grpc)
            .await
            .map_err(|error| Status::unavailable(format!("not admitted: {error}")))?;
        Ok(Response::new(v1::JoinResponse { cluster_id }))
    }

    async fn announce(
        &self,
        request: Request<v1::AnnounceRequest>,
    ) -> Result<Response<v1::AnnounceResponse>, Status> {
        let announced = request.into_inner();
        let cluster_id = self.cluster_id().ok_or_else(no_cluster_yet)?;
        if let Some(other) = announced.cluster_id.filter(|theirs| *theirs != cluster_id) {
            let refused = format!(
                "this data directory belongs to cluster {other}, the coordinator to {cluster_id}: \
                 join the right cluster, or start with an empty data directory"
            );
            let refused = Some(refused);
            return Ok(Response::new(v1::AnnounceResponse {
                cluster_id,
                refused,
                ..Default::default()
            }));
        }
        let admission =
            self.directory
                .admit(announced.node, announced.incarnation, &announced.grpc);
        if admission != Admission::Welcome {
            let refused = match admission {
                Admission::Refused(reason) => Some(reason),
                Admission::Welcome | Admission::NotYet => None,
            };
            return Ok(Response::new(v1::AnnounceResponse {
                cluster_id,
                refused,
                ..Default::default()
            }));
        }
        let figures = NodeFigures {
            memory_bytes: announced.memory_bytes,
            sent_bytes: announced.sent_bytes,
            machine: announced.machine,
        };
        self.directory
            .node_announced(announced.node, figures, announced.replicas);
        let http = Some(announced.http).filter(|http| !http.is_empty());
        self.register(announced.node, announced.grpc, http);

        let map = Arc::clone(&self.placement.map().borrow());
        let newer = map.version > announced.map_version;
        let map = if newer {
            serde_json::to_vec(&*map).map_err(|error| Status::internal(error.to_string()))?
        } else {
            Vec::new()
        };
        Ok(Response::new(v1::AnnounceResponse {
            cluster_id,
            map: map.into(),
            refused: None,
        }))
    }
}

fn no_cluster_yet() -> Status {
    Status::unavailable("this coordinator belongs to no cluster yet; try again in a moment")
}
