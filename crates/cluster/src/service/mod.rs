//! The gRPC service by which raft groups on other nodes reach those of this one.

mod receive_snapshot;

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use openraft::Raft;
use openraft::error::{Fatal, RaftError};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};
use vectra_wire::v1;
use vectra_wire::v1::append_entries_response::Outcome as AppendOutcome;
use vectra_wire::v1::raft_server::{Raft as RaftRpc, RaftServer};

use crate::group::Attempt;
use crate::log::GroupConfig;
use crate::network::{
    MESSAGE_LIMIT, PLACEMENT_GROUP, append_request_from_wire, append_response_to_wire,
    log_id_from_wire, log_id_to_wire, vote_from_wire, vote_request_from_wire,
    vote_response_to_wire, vote_to_wire,
};
use crate::{NodeId, PlacementGroup, ShardGroup, ShardGroups, ShardId};

/// A candidate's first words may arrive before the map that brings the shard here.
const VOTE_PATIENCE: Duration = Duration::from_millis(700);

/// The gRPC service by which the raft groups of other nodes reach those of this one.
#[derive(Clone)]
pub struct RaftService {
    shards: Option<ShardGroups>,
    placement: Option<PlacementGroup>,
    is_stopping: watch::Receiver<bool>,
}

impl RaftService {
    /// Serves the groups given, of one node; a shard node has no placement, a coordinator may
    /// have no shards. Streams that others keep open end once it is told that the node stops.
    pub fn new(
        shards: Option<ShardGroups>,
        placement: Option<PlacementGroup>,
        is_stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            shards,
            placement,
            is_stopping,
        }
    }

    /// The service to add to the node's gRPC server.
    pub fn into_server(self) -> RaftServer<Self> {
        RaftServer::new(self)
            .max_decoding_message_size(MESSAGE_LIMIT)
            .max_encoding_message_size(MESSAGE_LIMIT)
    }

    fn check_target(&self, target: NodeId) -> Result<(), Status> {
        let of_shards = self.shards.as_ref().map(ShardGroups::node);
        let own = of_shards.or(self.placement.as_ref().map(PlacementGroup::node));
        if own == Some(target) {
            return Ok(());
        }
        Err(Status::failed_precondition(format!(
            "this is node {}, not node {target}: the address has another owner now",
            own.unwrap_or_default()
        )))
    }

    fn placement(&self) -> Result<&PlacementGroup, Status> {
        self.placement
            .as_ref()
            .ok_or_else(|| Status::unavailable("this node is no member of the placement group"))
    }

    async fn shard(&self, group: u64, patience: Duration) -> Result<ShardGroup, Status> {
        let away = || Status::unavailable("this node has no replica of that shard yet");
        let shards = self.shards.as_ref().ok_or_else(away)?;
        let shard = group.checked_sub(PLACEMENT_GROUP).ok_or_else(away)?;
        match shards.get(shard) {
            Some(group) => Ok(group),
            None => shards.wait_for(shard, patience).await.ok_or_else(away),
        }
    }

    async fn read_index_of(
        &self,
        request: v1::ReadIndexRequest,
    ) -> Result<v1::ReadIndexResponse, Status> {
        self.check_target(request.target)?;
        let away = || Status::unavailable("this node has no replicas");
        let shards = self.shards.as_ref().ok_or_else(away)?;
        // A group that is none of a shard's is led by nobody here.
        let shard_of = |group: &u64| group.checked_sub(PLACEMENT_GROUP).unwrap_or(u64::MAX);
        let asked: Vec<ShardId> = request.groups.iter().map(shard_of).collect();
        let entries = shards.read_index(&asked, request.confirmed).await;
        Ok(v1::ReadIndexResponse { entries })
    }
}

#[tonic::async_trait]
impl RaftRpc for RaftService {
    async fn append_entries(
        &self,
        request: Request<v1::AppendEntriesRequest>,
    ) -> Result<Response<v1::AppendEntriesResponse>, Status> {
        let request = request.into_inner();
        self.check_target(request.target)?;
        if request.group == PLACEMENT_GROUP {
            let placement = self.placement()?;
            placement.candidacy.heard(vote_from_wire(request.vote)?);
            return append(&placement.raft, request).await;
        }
        let group = self.shard(request.group, Duration::ZERO).await?;
        group.candidacy().heard(vote_from_wire(request.vote)?);
        let vouched = request.vouched.zip(request.leader_commit);
        let mut answer = append(group.raft(), request).await?;
        let outcome = &answer.get_ref().outcome;
        let is_refusal = matches!(outcome, Some(AppendOutcome::HigherVote(_)));
        if group.taking_over().is_on() && !is_refusal {
            return Err(Status::unavailable("this member is taking over"));
        }
        if let Some((clock, committed)) = vouched
            && matches!(outcome, Some(AppendOutcome::Success(_)))
        {
            group.vouched(clock, committed.index);
        }
        answer.get_mut().clock = Some(group.freshness().clock());
        Ok(answer)
    }

    async fn vote(
        &self,
        request: Request<v1::VoteRequest>,
    ) -> Result<Response<v1::VoteResponse>, Status> {
        let request = request.into_inner();
        self.check_target(request.target)?;
        if request.group == PLACEMENT_GROUP {
            return vote(&self.placement()?.raft, request).await;
        }
        let group = self.shard(request.group, VOTE_PATIENCE).await?;
        let candidate = vote_from_wire(request.vote)?;
        let last_log = request.last_log.map(log_id_from_wire);
        if let Some(left) = group.candidacy().forbids(last_log) {
            let vote = group.raft().metrics().borrow().vote;
            return Ok(Response::new(v1::VoteResponse {
                vote: Some(vote_to_wire(&vote)),
                granted: false,
                last_log: Some(log_id_to_wire(&left)),
            }));
        }
        let answer = vote(group.raft(), request).await?;
        if answer.get_ref().granted {
            group.lease().grants(candidate);
        }
        Ok(answer)
    }

    async fn pre_vote(
        &self,
        request: Request<v1::PreVoteRequest>,
    ) -> Result<Response<v1::PreVoteResponse>, Status> {
        let request = request.into_inner();
        self.check_target(request.target)?;
        let last_log = request.last_log.map(log_id_from_wire);
        let would_grant = if request.group == PLACEMENT_GROUP {
            self.placement()?.candidacy.would_grant(last_log)
        } else {
            let group = self.shard(request.group, Duration::ZERO).await?;
            group.candidacy().would_grant(last_log)
        };
        Ok(Response::new(v1::PreVoteResponse { would_grant }))
    }

    async fn take_over(
        &self,
        request: Request<v1::TakeOverRequest>,
    ) -> Result<Response<v1::TakeOverResponse>, Status> {
        let request = request.into_inner();
        self.check_target(request.target)?;
        let group = self.shard(request.group, Duration::ZERO).await?;
        let from = vote_from_wire(request.vote)?;
        let last_log = request
            .last_log
            .ok_or_else(|| Status::invalid_argument("the last entry is missing"))?;
        let begun =
            group
                .taking_over()
                .begin(group.raft(), group.node(), from, log_id_from_wire(last_log));
        let refused = begun.await.err();
        Ok(Response::new(v1::TakeOverResponse { refused }))
    }

    async fn resume_snapshot(
        &self,
        request: Request<v1::SnapshotHeader>,
    ) -> Result<Response<v1::ResumeResponse>, Status> {
        let header = request.into_inner();
        self.check_target(header.target)?;
        let group = self.shard(header.group, Duration::ZERO).await?;
        let have = receive_snapshot::position(&group, &header)?;
        Ok(Response::new(v1::ResumeResponse { have }))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<v1::SnapshotPart>>,
    ) -> Result<Response<v1::SnapshotResponse>, Status> {
        let mut parts = request.into_inner();
        let header = receive_snapshot::header(&mut parts).await?;
        self.check_target(header.target)?;
        let vote = if header.group == PLACEMENT_GROUP {
            receive_snapshot::placement(&self.placement()?.raft, header, parts).await?
        } else {
            let group = self.shard(header.group, Duration::ZERO).await?;
            receive_snapshot::shard(&group, header, parts).await?
        };
        Ok(Response::new(v1::SnapshotResponse {
            vote: Some(vote_to_wire(&vote)),
        }))
    }

    async fn propose(
        &self,
        request: Request<v1::ProposeRequest>,
    ) -> Result<Response<v1::ProposeResponse>, Status> {
        use v1::propose_response::Outcome;
        let request = request.into_inner();
        self.check_target(request.target)?;
        let command = serde_json::from_slice(&request.command).map_err(|error| {
            Status::invalid_argument(format!("this is no placement command: {error}"))
        })?;
        let outcome = match self.placement()?.propose_here(command).await {
            Attempt::Done(outcome) => {
                let json = serde_json::to_vec(&outcome)
                    .map_err(|error| Status::internal(error.to_string()))?;
                Outcome::Done(json.into())
            }
            Attempt::NotLeader(leader) => Outcome::NotLeader(not_leader(leader)),
            Attempt::Unknown(reason) => Outcome::Unknown(reason),
        };
        Ok(Response::new(v1::ProposeResponse {
            outcome: Some(outcome),
        }))
    }

    type ReadIndexStream = BoxStream<'static, Result<v1::ReadIndexResponse, Status>>;

    async fn read_index(
        &self,
        request: Request<Streaming<v1::ReadIndexRequest>>,
    ) -> Result<Response<Self::ReadIndexStream>, Status> {
        let service = self.clone();
        let mut is_stopping = self.is_stopping.clone();
        let stops = async move {
            // Nobody is left to say so: then it has.
            let _ = is_stopping.wait_for(|is_stopping| *is_stopping).await;
        };
        let questions = request.into_inner().take_until(Box::pin(stops));
        let answers = questions.then(move |question| {
            let service = service.clone();
            async move { service.read_index_of(question?).await }
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn admit(
        &self,
        request: Request<v1::AdmitRequest>,
    ) -> Result<Response<v1::AdmitResponse>, Status> {
        use v1::admit_response::Outcome;
        let request = request.into_inner();
        self.check_target(request.target)?;
        let outcome = match self
            .placement()?
            .admit_here(request.node, &request.address)
            .await
        {
            Attempt::Done(()) => Outcome::Done(true),
            Attempt::NotLeader(leader) => Outcome::NotLeader(not_leader(leader)),
            Attempt::Unknown(reason) => Outcome::Failed(reason),
        };
        Ok(Response::new(v1::AdmitResponse {
            outcome: Some(outcome),
        }))
    }
}

fn not_leader(leader: Option<(NodeId, Option<String>)>) -> v1::RaftNotLeader {
    let (leader, leader_address) = match leader {
        Some((leader, address)) => (Some(leader), address),
        None => (None, None),
    };
    v1::RaftNotLeader {
        leader,
        leader_address,
    }
}

async fn append<C: GroupConfig>(
    raft: &Raft<C>,
    request: v1::AppendEntriesRequest,
) -> Result<Response<v1::AppendEntriesResponse>, Status> {
    let request = append_request_from_wire::<C>(request)?;
    let response = raft
        .append_entries(request)
        .await
        .map_err(|error| stopped(&error))?;
    Ok(Response::new(append_response_to_wire(&response)))
}

async fn vote<C: GroupConfig>(
    raft: &Raft<C>,
    request: v1::VoteRequest,
) -> Result<Response<v1::VoteResponse>, Status> {
    let response = raft
        .vote(vote_request_from_wire(request)?)
        .await
        .map_err(|error| stopped(&error))?;
    Ok(Response::new(vote_response_to_wire(&response)))
}

fn stopped(error: &RaftError<NodeId>) -> Status {
    Status::unavailable(format!("this member has stopped: {error}"))
}

fn fatal(error: &Fatal<NodeId>) -> Status {
    Status::unavailable(format!("this member has stopped: {error}"))
}
