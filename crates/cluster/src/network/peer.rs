//! One member of a group as another one calls it.

use std::future::Future;
use std::marker::PhantomData;
use std::time::Duration;

use openraft::error::{
    Fatal, NetworkError, RPCError, RaftError, ReplicationClosed, StreamingError, Unreachable,
};
use openraft::network::{Backoff, RPCOption};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{
    AnyError, BasicNode, OptionalSend, RaftNetwork, RaftNetworkFactory, Snapshot, Vote,
};
use tonic::transport::Channel;
use tonic::{Request, Status};
use vectra_wire::v1::raft_client::RaftClient;

use super::append::{Append, Message};
use super::convert::{
    append_request_to_wire, vote_from_wire, vote_request_to_wire, vote_response_from_wire,
    vote_to_wire,
};
use super::snapshot_stream::{Passage, SnapshotSource, stream_snapshot};
use super::{Lease, MESSAGE_LIMIT, Network, Transfers, Voucher};
use crate::log::GroupConfig;
use crate::{ClusterError, NodeId, Workers};
use vectra_wire::v1;

/// A receiver says within this time how much of a snapshot it has.
const RESUME: Duration = Duration::from_secs(5);

/// How a group's members call each other.
pub(crate) struct Peers {
    pub(crate) network: Network,
    pub(crate) group: u64,
    pub(crate) lease: Lease,
    pub(crate) voucher: Voucher,
    pub(crate) transfers: Transfers,
    pub(crate) workers: Workers,
}

/// One member of a group as this node calls it.
pub(crate) struct Peer<C> {
    network: Network,
    group: u64,
    target: NodeId,
    lease: Lease,
    voucher: Voucher,
    transfers: Transfers,
    workers: Workers,
    /// The target's clock, from an answer that came before what is sent next was put together.
    clock: Option<u64>,
    /// The entries on their way, if any are.
    under_way: Option<Append>,
    config: PhantomData<C>,
}

impl<C> RaftNetworkFactory<C> for Peers
where
    C: GroupConfig<SnapshotData: SnapshotSource>,
{
    type Network = Peer<C>;

    async fn new_client(&mut self, target: NodeId, node: &BasicNode) -> Peer<C> {
        // What the member announced since is newer than what the membership says.
        self.network.suggest_address(target, &node.addr);
        Peer {
            network: self.network.clone(),
            group: self.group,
            target,
            lease: self.lease.clone(),
            voucher: self.voucher.clone(),
            transfers: self.transfers.clone(),
            workers: self.workers.clone(),
            clock: None,
            under_way: None,
            config: PhantomData,
        }
    }
}

impl<C: GroupConfig> Peer<C> {
    fn message(&self, rpc: &AppendEntriesRequest<C>) -> Message {
        let vouched = self
            .clock
            .filter(|_| self.voucher.stands(rpc.vote, rpc.leader_commit));
        Message {
            vote: rpc.vote,
            previous: rpc.prev_log_id,
            last: rpc.entries.last().map(|entry| entry.log_id),
            target: self.target,
            request: append_request_to_wire(self.group, self.target, rpc, vouched),
        }
    }

    async fn append(
        &mut self,
        rpc: AppendEntriesRequest<C>,
    ) -> Result<AppendEntriesResponse<NodeId>, RPCError<NodeId, BasicNode, RaftError<NodeId>>> {
        if rpc.entries.is_empty() {
            return Append::send(
                self.client()?,
                self.message(&rpc),
                self.lease.clone(),
                self.network.clone(),
            )
            .answer()
            .await;
        }
        match &mut self.under_way {
            Some(append) if append.leads_to(&rpc) => {
                // They take longer than a heartbeat's time. The follower must not take that for
                // silence, nor be sent the same entries again behind those.
                let reminder = AppendEntriesRequest {
                    vote: rpc.vote,
                    prev_log_id: rpc.prev_log_id,
                    entries: Vec::new(),
                    leader_commit: None,
                };
                Append::send(
                    self.client()?,
                    self.message(&reminder),
                    self.lease.clone(),
                    self.network.clone(),
                );
            }
            _ => {
                let append = Append::send(
                    self.client()?,
                    self.message(&rpc),
                    self.lease.clone(),
                    self.network.clone(),
                );
                self.under_way = Some(append);
            }
        }
        let Some(append) = &mut self.under_way else {
            return Ok(AppendEntriesResponse::Success);
        };
        let answer = append.answer_to(&rpc).await;
        self.under_way = None;
        answer
    }

    fn client(&self) -> Result<RaftClient<Channel>, Unreachable> {
        let channel = self
            .network
            .channel(self.target)
            .map_err(|error| no_address(&error))?;
        Ok(client(channel))
    }
}

impl<C> RaftNetwork<C> for Peer<C>
where
    C: GroupConfig<SnapshotData: SnapshotSource>,
{
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<C>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, RPCError<NodeId, BasicNode, RaftError<NodeId>>> {
        let vote = rpc.vote;
        let answer = self.append(rpc).await;
        self.clock = self.lease.clock_of(self.target, vote);
        answer
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<NodeId>,
        _option: RPCOption,
    ) -> Result<VoteResponse<NodeId>, RPCError<NodeId, BasicNode, RaftError<NodeId>>> {
        let request = vote_request_to_wire(self.group, self.target, &rpc);
        let answer = self.client()?.vote(request).await.map_err(unreachable)?;
        Ok(vote_response_from_wire(answer.into_inner()).map_err(unreachable)?)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote<NodeId>,
        snapshot: Snapshot<C>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<NodeId>, StreamingError<C, Fatal<NodeId>>> {
        let channel = self
            .network
            .dedicated_channel(self.target)
            .map_err(|error| no_address(&error))?;
        let meta = serde_json::to_vec(&snapshot.meta).map_err(|error| NetworkError::new(&error))?;
        let manifest = snapshot.snapshot.manifest();
        let manifest = manifest.map_err(|reason| NetworkError::new(&AnyError::error(reason)))?;
        let mut header = v1::SnapshotHeader {
            group: self.group,
            target: self.target,
            vote: Some(vote_to_wire(&vote)),
            meta: meta.into(),
            manifest_crc32: crc32fast::hash(&manifest),
            from: None,
        };
        let mut client = client(channel);
        if !snapshot.snapshot.files().is_empty() {
            let have = tokio::time::timeout(RESUME, client.resume_snapshot(header.clone())).await;
            let have = have.map_err(|_| unreachable(Status::deadline_exceeded("no answer")))?;
            header.from = have.map_err(unreachable)?.into_inner().have;
        }
        let total = snapshot.snapshot.files().iter().map(|(_, len)| len).sum();
        let covers = snapshot.meta.last_log_id.map(|last| last.index);
        self.transfers.begin(self.target, total, covers);
        let passage = Passage {
            to: self.target,
            throttle: self.network.snapshot_throttle(),
            transfers: self.transfers.clone(),
            workers: self.workers.clone(),
        };
        let parts = stream_snapshot(header, snapshot.snapshot, passage);
        let mut request = Request::new(parts);
        request.set_timeout(option.hard_ttl());
        tokio::select! {
            closed = cancel => Err(closed.into()),
            answer = client.install_snapshot(request) => {
                let answer = answer.map_err(unreachable)?.into_inner();
                Ok(SnapshotResponse::new(vote_from_wire(answer.vote).map_err(unreachable)?))
            }
        }
    }

    fn backoff(&self) -> Backoff {
        let first_steps = [50, 100, 200, 400].map(Duration::from_millis);
        Backoff::new(
            first_steps
                .into_iter()
                .chain(std::iter::repeat(Duration::from_millis(500))),
        )
    }
}

pub(crate) fn client(channel: Channel) -> RaftClient<Channel> {
    RaftClient::new(channel)
        .max_decoding_message_size(MESSAGE_LIMIT)
        .max_encoding_message_size(MESSAGE_LIMIT)
}

fn no_address(error: &ClusterError) -> Unreachable {
    Unreachable::new(error)
}

/// Every failure counts as the peer being away, so that it is tried again only after a pause.
pub(super) fn unreachable(status: Status) -> Unreachable {
    Unreachable::new(&AnyError::error(format!(
        "{:?}: {}",
        status.code(),
        status.message()
    )))
}
