//! The leaves as the root reaches them: this process's own directly, the others over gRPC.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tonic::{Code, Request, Status};
use vectra_cluster::{Consistency, Network, NodeId, ReplicaDigest, ShardId};
use vectra_wire::v1;
use vectra_wire::v1::fetch_response::Outcome as FetchOutcome;
use vectra_wire::v1::shard_node_client::ShardNodeClient;
use vectra_wire::v1::write_response::Outcome as WriteOutcome;

use super::pace::Pace;
use super::patience::Trouble;
use super::search_line::SearchLines;
use super::{Hit, Precision, SearchQuery};
use crate::leaf::{Asked, Leaf, LeafAnswer, LeafError};

/// The largest message a leaf may answer with: 10,000 hits with ids of 512 bytes fit well.
pub(super) const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Every leaf of the cluster.
pub struct Leaves {
    own: Option<(NodeId, Leaf)>,
    network: Network,
    lines: SearchLines,
    pace: Pace,
}

/// Why a leaf gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum CallError {
    /// The request never left: another replica may be asked whatever it was.
    #[error("{0}")]
    NotSent(String),
    /// The request left and no answer came.
    #[error("{0}")]
    Lost(String),
    /// The leaf sheds load.
    #[error("{0}")]
    Overloaded(String),
    /// The leaf could not do it, and would not be able to a second time.
    #[error("{0}")]
    Failed(String),
}

impl Leaves {
    /// `own` is the leaf of this very process, where it has one.
    pub fn new(own: Option<(NodeId, Leaf)>, network: Network) -> Self {
        Self {
            own,
            network,
            lines: SearchLines::default(),
            pace: Pace::default(),
        }
    }

    /// The leaf in this process.
    pub(super) fn own(&self) -> Option<&(NodeId, Leaf)> {
        self.own.as_ref()
    }

    /// How many searches a node is asked for at this moment, and how many it may be asked for.
    pub(super) fn searches_under_way(&self, node: NodeId) -> (usize, usize) {
        self.pace.under_way(node)
    }

    /// Asks a node when it is this search's turn there.
    pub(super) async fn search(
        &self,
        node: NodeId,
        shards: &[Asked],
        query: &SearchQuery,
        within: Duration,
    ) -> Result<LeafAnswer, CallError> {
        let until = Instant::now() + within;
        let turn = self.pace.turn(node, within).await?;
        let asked_for = shards.len();
        let within = until.saturating_duration_since(Instant::now());
        let answer = self.search_now(node, shards, query, within).await?;
        // To say that another leads takes no time and tells nothing.
        if answer.not_leaders.len() < asked_for {
            turn.answered();
        }
        Ok(answer)
    }

    async fn search_now(
        &self,
        node: NodeId,
        shards: &[Asked],
        query: &SearchQuery,
        within: Duration,
    ) -> Result<LeafAnswer, CallError> {
        let SearchQuery {
            vector,
            k,
            precision,
            consistency,
            ..
        } = query;
        if let Some(leaf) = self.here(node) {
            let answer = leaf.search(shards, vector.clone(), *k, *precision, *consistency);
            return answer.await.map_err(CallError::from);
        }
        let precision = match precision {
            Precision::Exact => v1::Precision::Exact,
            Precision::Sq8 => v1::Precision::Sq8,
        };
        let request = v1::SearchRequest {
            shards: shards.iter().map(|asked| asked.shard).collect(),
            splits: shards.iter().filter_map(|asked| asked.splits).collect(),
            vector: vectra_wire::floats_to_bytes(vector),
            k: u32::try_from(*k).unwrap_or(u32::MAX),
            precision: precision.into(),
            consistency: consistency_of(*consistency).into(),
        };
        let answer = self
            .lines
            .search(&self.network, node, request, within)
            .await?;
        let hit = |hit: v1::Hit| Hit {
            id: hit.id,
            score: hit.score,
        };
        Ok(LeafAnswer {
            hits: answer.hits.into_iter().map(hit).collect(),
            certified: answer.certified,
            not_leaders: answer.not_leaders,
            children: answer.children,
        })
    }

    pub(super) async fn write(
        &self,
        node: NodeId,
        shard: ShardId,
        batch: Bytes,
        grows: bool,
        within: Duration,
    ) -> Result<WriteOutcome, CallError> {
        if let Some(leaf) = self.here(node) {
            let leaf = leaf.clone();
            // In a task of its own: a client that hangs up must not cut a proposal in half.
            let proposal = tokio::spawn(async move { leaf.write(shard, batch, grows).await });
            return proposal
                .await
                .map_err(|fault| CallError::Lost(fault.to_string()));
        }
        let request = v1::WriteRequest {
            shard,
            batch,
            grows,
        };
        let answer = self
            .client(node)?
            .write(bounded(request, within))
            .await?
            .into_inner();
        answer
            .outcome
            .ok_or_else(|| CallError::Lost(format!("node {node} gave no outcome")))
    }

    pub(super) async fn fetch(
        &self,
        node: NodeId,
        shard: ShardId,
        id: &str,
        consistency: Consistency,
        within: Duration,
    ) -> Result<FetchOutcome, CallError> {
        if let Some(leaf) = self.here(node) {
            let outcome = leaf.fetch(shard, id, consistency);
            return outcome.await.map_err(CallError::from);
        }
        let request = v1::FetchRequest {
            shard,
            id: id.to_owned(),
            consistency: consistency_of(consistency).into(),
        };
        let answer = self
            .client(node)?
            .fetch(bounded(request, within))
            .await?
            .into_inner();
        answer
            .outcome
            .ok_or_else(|| CallError::Failed(format!("node {node} gave no outcome")))
    }

    pub(super) async fn digest(
        &self,
        node: NodeId,
        shard: ShardId,
        within: Duration,
    ) -> Result<ReplicaDigest, CallError> {
        if let Some(leaf) = self.here(node) {
            return leaf.digest(shard).await.map_err(CallError::from);
        }
        let request = v1::DigestRequest { shard };
        let answer = self.client(node)?.digest(bounded(request, within)).await?;
        let v1::DigestResponse {
            entries,
            rows,
            digest,
        } = answer.into_inner();
        let digest = <[u8; 16]>::try_from(&*digest)
            .map_err(|_| CallError::Failed(format!("node {node} sent half a digest")))?;
        Ok(ReplicaDigest {
            entries,
            rows,
            digest: u128::from_le_bytes(digest),
        })
    }

    fn here(&self, node: NodeId) -> Option<&Leaf> {
        self.own
            .as_ref()
            .filter(|(own, _)| *own == node)
            .map(|(_, leaf)| leaf)
    }

    fn client(
        &self,
        node: NodeId,
    ) -> Result<ShardNodeClient<tonic::transport::Channel>, CallError> {
        let channel = self
            .network
            .channel(node)
            .map_err(|e| CallError::NotSent(e.to_string()))?;
        Ok(ShardNodeClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES))
    }
}

fn consistency_of(consistency: Consistency) -> v1::Consistency {
    match consistency {
        Consistency::Leader => v1::Consistency::Leader,
        Consistency::Linearizable => v1::Consistency::Linearizable,
        Consistency::Any => v1::Consistency::Any,
    }
}

/// A node took the call and did not answer it in time.
pub(super) fn silent(node: NodeId) -> CallError {
    CallError::Lost(format!("node {node} did not answer in time"))
}

/// The deadline travels with the call, so that a leaf stops working for nobody.
fn bounded<T>(message: T, within: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(within);
    request
}

impl CallError {
    /// What this says about the shard that `node` was asked for.
    pub(super) fn trouble(&self, node: NodeId) -> Trouble {
        let reason = format!("node {node}: {self}");
        match self {
            Self::Lost(_) => Trouble::Silent(reason),
            _ => Trouble::Refused(reason),
        }
    }
}

impl From<LeafError> for CallError {
    fn from(error: LeafError) -> Self {
        match error {
            LeafError::Overloaded(_) => Self::Overloaded(error.to_string()),
            LeafError::Stopping | LeafError::NotHere(_) => Self::NotSent(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        let message = status.message().to_owned();
        if never_connected(&status) {
            return Self::NotSent(message);
        }
        match status.code() {
            Code::ResourceExhausted => Self::Overloaded(message),
            Code::InvalidArgument | Code::DataLoss | Code::Internal => Self::Failed(message),
            _ => Self::Lost(message),
        }
    }
}

fn never_connected(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}
