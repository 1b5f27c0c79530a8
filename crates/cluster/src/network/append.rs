//! Entries or a heartbeat on their way to a follower, whether or not openraft still waits.
//!
//! openraft gives up on an answer after one heartbeat's time and asks again. On a busy machine or a
//! slow network an answer takes longer: to drop the call then would be to send large entries over
//! and over, none of them whole, and to forget that the follower is there. So a call goes on in a
//! task of its own, its answer counts for the lease whenever it comes, and the next attempt to send
//! the same entries waits for it.

use std::time::Duration;

use openraft::error::{RPCError, RaftError, Unreachable};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use openraft::{AnyError, BasicNode, LogId, Vote};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Code, Status};
use vectra_wire::v1;
use vectra_wire::v1::raft_client::RaftClient;

use super::convert::append_response_from_wire;
use super::peer::unreachable;
use super::{Lease, Network};
use crate::NodeId;
use crate::log::GroupConfig;

/// A peer that answers nothing for so long is called again.
const LONGEST: Duration = Duration::from_secs(10);

type Response = AppendEntriesResponse<NodeId>;
type Failure = RPCError<NodeId, BasicNode, RaftError<NodeId>>;

/// What is sent, and what of it openraft knows.
pub(super) struct Message {
    pub(super) vote: Vote<NodeId>,
    /// The entry before the first one sent.
    pub(super) previous: Option<LogId<NodeId>>,
    /// The last one sent; `None` in a heartbeat.
    pub(super) last: Option<LogId<NodeId>>,
    pub(super) target: NodeId,
    pub(super) request: v1::AppendEntriesRequest,
}

/// A message on its way.
pub(super) struct Append {
    vote: Vote<NodeId>,
    previous: Option<LogId<NodeId>>,
    last: Option<LogId<NodeId>>,
    call: JoinHandle<Result<Response, Status>>,
}

impl Append {
    /// Sends a message. It arrives even if nobody waits for the answer.
    pub(super) fn send(
        mut client: RaftClient<Channel>,
        message: Message,
        lease: Lease,
        network: Network,
    ) -> Self {
        let Message {
            vote,
            previous,
            last,
            target,
            request,
        } = message;
        let asked = Instant::now();
        let call = tokio::spawn(async move {
            let answer = tokio::time::timeout(LONGEST, client.append_entries(request)).await;
            let answer = answer.map_err(|_| Status::deadline_exceeded("no answer"))?;
            // It is another node's address by now: without a new look it would be asked for ever.
            if let Err(status) = &answer
                && status.code() == Code::FailedPrecondition
            {
                network.misled(target);
            }
            let answer = answer?.into_inner();
            let clock = answer.clock;
            let response = append_response_from_wire(answer)?;
            if !matches!(response, AppendEntriesResponse::HigherVote(_)) {
                lease.answered(target, vote, asked, clock);
            }
            Ok(response)
        });
        Self {
            vote,
            previous,
            last,
            call,
        }
    }

    /// Whether what is on its way is what `rpc` asks to send, or its beginning.
    pub(super) fn leads_to<C: GroupConfig>(&self, rpc: &AppendEntriesRequest<C>) -> bool {
        let wanted = rpc.entries.last().map(|entry| entry.log_id);
        self.vote == rpc.vote && self.previous == rpc.prev_log_id && self.last <= wanted
    }

    /// The answer. May be given up and asked for again.
    pub(super) async fn answer(&mut self) -> Result<Response, Failure> {
        match (&mut self.call).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(status)) => Err(unreachable(status).into()),
            Err(fault) => Err(Unreachable::new(&AnyError::new(&fault)).into()),
        }
    }

    /// The answer in terms of `rpc`, of which this was at least the beginning.
    pub(super) async fn answer_to<C: GroupConfig>(
        &mut self,
        rpc: &AppendEntriesRequest<C>,
    ) -> Result<Response, Failure> {
        let wanted = rpc.entries.last().map(|entry| entry.log_id);
        Ok(match self.answer().await? {
            AppendEntriesResponse::Success if self.last < wanted => {
                AppendEntriesResponse::PartialSuccess(self.last)
            }
            other => other,
        })
    }
}
