//! One member of a group as another one calls it.

use std::future::Future;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

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

use super::convert::{
    append_request_to_wire, append_response_from_wire, vote_from_wire, vote_request_to_wire,
    vote_response_from_wire, vote_to_wire,
};
use super::snapshot_stream::{SnapshotSource, stream_snapshot};
use super::{Lease, MESSAGE_LIMIT, Network};
use crate::log::GroupConfig;
use crate::{ClusterError, NodeId};
use vectra_wire::v1;

/// How a group's members call each other.
pub(crate) struct Peers {
    pub(crate) network: Network,
    pub(crate) group: u64,
    pub(crate) lease: Lease,
}

/// One member of a group as this node calls it.
pub(crate) struct Peer<C> {
    network: Network,
    group: u64,
    target: NodeId,
    lease: Lease,
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
            config: PhantomData,
        }
    }
}

impl<C: GroupConfig> Peer<C> {
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
        let asked = Instant::now();
        let request = append_request_to_wire(self.group, self.target, &rpc);
        let answer = self
            .client()?
            .append_entries(request)
            .await
            .map_err(unreachable)?;
        let response = append_response_from_wire(answer.into_inner()).map_err(unreachable)?;
        if !matches!(response, AppendEntriesResponse::HigherVote(_)) {
            self.lease.answered(self.target, rpc.vote, asked);
        }
        Ok(response)
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
        let header = v1::SnapshotHeader {
            group: self.group,
            target: self.target,
            vote: Some(vote_to_wire(&vote)),
            meta: meta.into(),
        };
        let parts = stream_snapshot(header, snapshot.snapshot);
        let mut request = Request::new(parts);
        request.set_timeout(option.hard_ttl());
        let mut client = client(channel);
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
fn unreachable(status: Status) -> Unreachable {
    Unreachable::new(&AnyError::error(format!(
        "{:?}: {}",
        status.code(),
        status.message()
    )))
}
