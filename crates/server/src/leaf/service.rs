//! The gRPC face of a leaf.

use futures::FutureExt;
use tokio::sync::watch;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use vectra_cluster::Consistency;
use vectra_wire::v1;
use vectra_wire::v1::shard_node_server::ShardNode;

use super::{Asked, Leaf, LeafError, search_stream};
use crate::root::Precision;

/// Serves this node's shards to coordinators.
pub struct ShardNodeService {
    leaf: Leaf,
    is_stopping: watch::Receiver<bool>,
}

impl ShardNodeService {
    /// A service in front of `leaf`, that takes no more searches once it is told that the node stops.
    pub fn new(leaf: Leaf, is_stopping: watch::Receiver<bool>) -> Self {
        Self { leaf, is_stopping }
    }
}

#[tonic::async_trait]
impl ShardNode for ShardNodeService {
    async fn write(
        &self,
        request: Request<v1::WriteRequest>,
    ) -> Result<Response<v1::WriteResponse>, Status> {
        let v1::WriteRequest {
            shard,
            batch,
            grows,
        } = request.into_inner();
        let leaf = self.leaf.clone();
        // In a task of its own: a caller that hangs up must not cut a proposal in half.
        let proposal = tokio::spawn(async move { leaf.write(shard, batch, grows).await });
        let outcome = proposal
            .await
            .unwrap_or_else(|fault| v1::write_response::Outcome::Unknown(fault.to_string()));
        Ok(Response::new(v1::WriteResponse {
            outcome: Some(outcome),
        }))
    }

    type SearchStream = ReceiverStream<Result<v1::SearchReplies, Status>>;

    async fn search(
        &self,
        request: Request<Streaming<v1::SearchCalls>>,
    ) -> Result<Response<Self::SearchStream>, Status> {
        let leaf = self.leaf.clone();
        let search = move |request| {
            let leaf = leaf.clone();
            async move { search(&leaf, request).await }
        };
        let mut is_stopping = self.is_stopping.clone();
        let stops = async move {
            // Nobody is left to say so: then it has.
            let _ = is_stopping.wait_for(|is_stopping| *is_stopping).await;
        };
        let replies = search_stream::replies(request.into_inner(), search, stops.boxed());
        Ok(Response::new(replies))
    }

    async fn fetch(
        &self,
        request: Request<v1::FetchRequest>,
    ) -> Result<Response<v1::FetchResponse>, Status> {
        let request = request.into_inner();
        let consistency = consistency_of(request.consistency());
        let outcome = self.leaf.fetch(request.shard, &request.id, consistency);
        let outcome = outcome.await.map_err(status_of)?;
        Ok(Response::new(v1::FetchResponse {
            outcome: Some(outcome),
        }))
    }

    async fn digest(
        &self,
        request: Request<v1::DigestRequest>,
    ) -> Result<Response<v1::DigestResponse>, Status> {
        let shard = request.into_inner().shard;
        let digest = self.leaf.digest(shard).await.map_err(status_of)?;
        Ok(Response::new(v1::DigestResponse {
            entries: digest.entries,
            rows: digest.rows,
            digest: digest.digest.to_le_bytes().to_vec().into(),
        }))
    }
}

async fn search(leaf: &Leaf, request: v1::SearchRequest) -> Result<v1::SearchResponse, Status> {
    let precision = match request.precision() {
        v1::Precision::Exact => Precision::Exact,
        v1::Precision::Sq8 => Precision::Sq8,
    };
    let consistency = consistency_of(request.consistency());
    let vector = vectra_wire::floats_from_bytes(&request.vector)
        .ok_or_else(|| Status::invalid_argument("the vector is cut off within a float"))?;
    let k = request.k as usize;
    let splits = request.splits.iter().copied().map(Some);
    let splits = splits.chain(std::iter::repeat(None));
    let asked = request.shards.iter().zip(splits);
    let asked: Vec<Asked> = asked
        .map(|(&shard, splits)| Asked { shard, splits })
        .collect();
    let answer = leaf
        .search(&asked, vector, k, precision, consistency)
        .await
        .map_err(status_of)?;
    let hit = |hit: crate::root::Hit| v1::Hit {
        id: hit.id,
        score: hit.score,
    };
    Ok(v1::SearchResponse {
        hits: answer.hits.into_iter().map(hit).collect(),
        certified: answer.certified,
        not_leaders: answer.not_leaders,
        children: answer.children,
    })
}

fn consistency_of(consistency: v1::Consistency) -> Consistency {
    match consistency {
        v1::Consistency::Leader => Consistency::Leader,
        v1::Consistency::Linearizable => Consistency::Linearizable,
        v1::Consistency::Any => Consistency::Any,
    }
}

/// The one mapping of a leaf's errors to gRPC.
fn status_of(error: LeafError) -> Status {
    let message = error.to_string();
    match error {
        LeafError::Overloaded(_) => Status::resource_exhausted(message),
        LeafError::Query(_) | LeafError::Dimension { .. } => Status::invalid_argument(message),
        LeafError::Store(_) => Status::data_loss(message),
        LeafError::ScanFailed => Status::internal(message),
        LeafError::Stopping | LeafError::NotHere(_) => Status::unavailable(message),
    }
}
