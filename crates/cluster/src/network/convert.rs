//! Raft's messages to and from their form on the wire.

use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest, VoteResponse};
use openraft::{CommittedLeaderId, LogId, Vote};
use tonic::Status;
use vectra_wire::v1;

use crate::NodeId;
use crate::log::{GroupConfig, decode_entry, encode_entry};

pub(crate) fn vote_to_wire(vote: &Vote<NodeId>) -> v1::RaftVote {
    v1::RaftVote {
        term: vote.leader_id.term,
        node: vote.leader_id.node_id,
        committed: vote.committed,
    }
}

pub(crate) fn vote_from_wire(vote: Option<v1::RaftVote>) -> Result<Vote<NodeId>, Status> {
    let Some(vote) = vote else {
        return Err(Status::invalid_argument("the vote is missing"));
    };
    Ok(if vote.committed {
        Vote::new_committed(vote.term, vote.node)
    } else {
        Vote::new(vote.term, vote.node)
    })
}

pub(crate) fn log_id_to_wire(log_id: &LogId<NodeId>) -> v1::LogId {
    v1::LogId {
        term: log_id.leader_id.term,
        node: log_id.leader_id.node_id,
        index: log_id.index,
    }
}

pub(crate) fn log_id_from_wire(log_id: v1::LogId) -> LogId<NodeId> {
    LogId::new(
        CommittedLeaderId::new(log_id.term, log_id.node),
        log_id.index,
    )
}

pub(crate) fn append_request_to_wire<C: GroupConfig>(
    group: u64,
    target: NodeId,
    request: &AppendEntriesRequest<C>,
    vouched: Option<u64>,
) -> v1::AppendEntriesRequest {
    v1::AppendEntriesRequest {
        group,
        target,
        vote: Some(vote_to_wire(&request.vote)),
        previous: request.prev_log_id.as_ref().map(log_id_to_wire),
        entries: request
            .entries
            .iter()
            .map(|entry| encode_entry(entry).into_bytes())
            .collect(),
        leader_commit: request.leader_commit.as_ref().map(log_id_to_wire),
        vouched,
    }
}

pub(crate) fn append_request_from_wire<C: GroupConfig>(
    request: v1::AppendEntriesRequest,
) -> Result<AppendEntriesRequest<C>, Status> {
    let entries: Result<Vec<_>, String> =
        request.entries.into_iter().map(decode_entry::<C>).collect();
    Ok(AppendEntriesRequest {
        vote: vote_from_wire(request.vote)?,
        prev_log_id: request.previous.map(log_id_from_wire),
        entries: entries.map_err(Status::invalid_argument)?,
        leader_commit: request.leader_commit.map(log_id_from_wire),
    })
}

pub(crate) fn append_response_to_wire(
    response: &AppendEntriesResponse<NodeId>,
) -> v1::AppendEntriesResponse {
    use v1::append_entries_response::Outcome;
    let outcome = match response {
        AppendEntriesResponse::Success => Outcome::Success(true),
        AppendEntriesResponse::PartialSuccess(matching) => {
            let matching = matching.as_ref().map(log_id_to_wire);
            Outcome::PartialSuccess(v1::PartialSuccess { matching })
        }
        AppendEntriesResponse::Conflict => Outcome::Conflict(true),
        AppendEntriesResponse::HigherVote(vote) => Outcome::HigherVote(vote_to_wire(vote)),
    };
    v1::AppendEntriesResponse {
        outcome: Some(outcome),
        clock: None,
    }
}

pub(crate) fn append_response_from_wire(
    response: v1::AppendEntriesResponse,
) -> Result<AppendEntriesResponse<NodeId>, Status> {
    use v1::append_entries_response::Outcome;
    match response.outcome {
        Some(Outcome::Success(_)) => Ok(AppendEntriesResponse::Success),
        Some(Outcome::PartialSuccess(partial)) => Ok(AppendEntriesResponse::PartialSuccess(
            partial.matching.map(log_id_from_wire),
        )),
        Some(Outcome::Conflict(_)) => Ok(AppendEntriesResponse::Conflict),
        Some(Outcome::HigherVote(vote)) => Ok(AppendEntriesResponse::HigherVote(vote_from_wire(
            Some(vote),
        )?)),
        None => Err(Status::internal("the answer says nothing")),
    }
}

pub(crate) fn vote_request_to_wire(
    group: u64,
    target: NodeId,
    request: &VoteRequest<NodeId>,
) -> v1::VoteRequest {
    v1::VoteRequest {
        group,
        target,
        vote: Some(vote_to_wire(&request.vote)),
        last_log: request.last_log_id.as_ref().map(log_id_to_wire),
    }
}

pub(crate) fn vote_request_from_wire(
    request: v1::VoteRequest,
) -> Result<VoteRequest<NodeId>, Status> {
    let last_log = request.last_log.map(log_id_from_wire);
    Ok(VoteRequest::new(vote_from_wire(request.vote)?, last_log))
}

pub(crate) fn vote_response_to_wire(response: &VoteResponse<NodeId>) -> v1::VoteResponse {
    v1::VoteResponse {
        vote: Some(vote_to_wire(&response.vote)),
        granted: response.vote_granted,
        last_log: response.last_log_id.as_ref().map(log_id_to_wire),
    }
}

pub(crate) fn vote_response_from_wire(
    response: v1::VoteResponse,
) -> Result<VoteResponse<NodeId>, Status> {
    let vote = vote_from_wire(response.vote)?;
    Ok(VoteResponse::new(
        vote,
        response.last_log.map(log_id_from_wire),
        response.granted,
    ))
}
