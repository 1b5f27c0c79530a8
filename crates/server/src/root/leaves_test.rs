//! Calls to a leaf over real gRPC that nobody waits for any more.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use vectra_cluster::Network;
use vectra_wire::v1;
use vectra_wire::v1::shard_node_server::{ShardNode, ShardNodeServer};

use super::leaves::{CallError, Leaves};
use super::{Consistency, Precision, SearchQuery};
use crate::leaf::{Asked, LeafAnswer};

const NODE: u64 = 7;
/// Nothing here takes so long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Begun,
    Dropped,
}

/// A leaf that answers no search, and tells what becomes of its work.
struct Silent(UnboundedSender<Event>);

struct Work(UnboundedSender<Event>);

impl Drop for Work {
    fn drop(&mut self) {
        let _ = self.0.send(Event::Dropped);
    }
}

#[tonic::async_trait]
impl ShardNode for Silent {
    async fn search(
        &self,
        _: Request<v1::SearchRequest>,
    ) -> Result<Response<v1::SearchResponse>, Status> {
        let _work = Work(self.0.clone());
        let _ = self.0.send(Event::Begun);
        std::future::pending().await
    }

    async fn write(
        &self,
        _: Request<v1::WriteRequest>,
    ) -> Result<Response<v1::WriteResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn fetch(
        &self,
        _: Request<v1::FetchRequest>,
    ) -> Result<Response<v1::FetchResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn digest(
        &self,
        _: Request<v1::DigestRequest>,
    ) -> Result<Response<v1::DigestResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }
}

async fn silent_leaf() -> (Leaves, UnboundedReceiver<Event>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, events) = unbounded_channel();
    let serving = Server::builder()
        .add_service(ShardNodeServer::new(Silent(sender)))
        .serve_with_incoming(TcpIncoming::from(listener));
    tokio::spawn(serving);
    let network = Network::new(1);
    network.set_address(NODE, &address.to_string());
    (Leaves::new(None, network), events)
}

async fn search(leaves: &Leaves, within: Duration) -> Result<LeafAnswer, CallError> {
    let query = SearchQuery {
        vector: vec![1.0],
        k: 1,
        precision: Precision::Exact,
        consistency: Consistency::Any,
        allow_partial: false,
    };
    let asked = Asked {
        shard: 1,
        splits: Some(0),
    };
    leaves.search(NODE, &[asked], &query, within).await
}

async fn next(events: &mut UnboundedReceiver<Event>) -> Option<Event> {
    timeout(PATIENCE, events.recv()).await.unwrap()
}

#[tokio::test]
async fn a_leaf_works_for_nobody_whose_deadline_has_passed() {
    let (leaves, mut events) = silent_leaf().await;
    let answer = search(&leaves, Duration::from_millis(200)).await;
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(next(&mut events).await, Some(Event::Begun));
    assert_eq!(next(&mut events).await, Some(Event::Dropped));
}

#[tokio::test]
async fn a_call_that_another_replica_has_forestalled_is_cancelled_at_its_leaf() {
    let (leaves, mut events) = silent_leaf().await;
    let call = tokio::spawn(async move { search(&leaves, PATIENCE * 10).await });
    assert_eq!(next(&mut events).await, Some(Event::Begun));
    call.abort();
    assert_eq!(next(&mut events).await, Some(Event::Dropped));
}
