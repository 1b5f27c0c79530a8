//! Calls to a leaf over real gRPC that nobody waits for any more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};
use vectra_cluster::Network;
use vectra_wire::v1;
use vectra_wire::v1::shard_node_server::{ShardNode, ShardNodeServer};

use super::leaves::{CallError, Leaves};
use super::{Consistency, Precision, SearchQuery};
use crate::leaf::{Asked, LeafAnswer, search_stream};

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
    type SearchStream = ReceiverStream<Result<v1::SearchReplies, Status>>;

    async fn search(
        &self,
        request: Request<Streaming<v1::SearchCalls>>,
    ) -> Result<Response<Self::SearchStream>, Status> {
        let events = self.0.clone();
        let search = move |_| {
            let work = Work(events.clone());
            let _ = events.send(Event::Begun);
            async move {
                let _work = work;
                std::future::pending().await
            }
        };
        let stops = std::future::pending().boxed();
        let replies = search_stream::replies(request.into_inner(), search, stops);
        Ok(Response::new(replies))
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
    tokio::spawn(serve(listener, sender));
    (leaves_at(address), events)
}

async fn serve(listener: TcpListener, events: UnboundedSender<Event>) {
    let _ = Server::builder()
        .add_service(ShardNodeServer::new(Silent(events)))
        .serve_with_incoming(TcpIncoming::from(listener))
        .await;
}

fn leaves_at(address: SocketAddr) -> Leaves {
    let network = Network::new(1);
    network.set_address(NODE, &address.to_string());
    Leaves::new(None, network)
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

#[tokio::test]
async fn searches_share_a_stream_and_those_that_nobody_waits_for_are_dropped_from_it() {
    let (leaves, mut events) = silent_leaf().await;
    let leaves = Arc::new(leaves);
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let leaves = Arc::clone(&leaves);
            tokio::spawn(async move { search(&leaves, PATIENCE * 10).await })
        })
        .collect();
    // As many as a node is asked for at first.
    let mut begun = 0;
    while begun < 8 {
        assert_eq!(next(&mut events).await, Some(Event::Begun));
        begun += 1;
    }
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    let mut dropped = 0;
    while dropped < begun {
        match next(&mut events).await {
            Some(Event::Dropped) => dropped += 1,
            Some(Event::Begun) => begun += 1,
            None => panic!("the leaf is gone"),
        }
    }
}

#[tokio::test]
async fn what_a_node_that_dies_was_asked_for_is_lost_and_the_next_one_there_is_asked_anew() {
    let (sender, mut events) = unbounded_channel();
    let process = tokio::runtime::Runtime::new().unwrap();
    let listening = process.spawn(TcpListener::bind(("127.0.0.1", 0)));
    let listener = listening.await.unwrap().unwrap();
    let address = listener.local_addr().unwrap();
    process.spawn(serve(listener, sender.clone()));
    let leaves = Arc::new(leaves_at(address));
    let ask = || {
        let leaves = Arc::clone(&leaves);
        tokio::spawn(async move { search(&leaves, PATIENCE * 10).await })
    };
    let call = ask();
    assert_eq!(next(&mut events).await, Some(Event::Begun));
    process.shutdown_background();
    let lost = timeout(PATIENCE, call).await.unwrap().unwrap();
    assert!(matches!(lost, Err(CallError::Lost(_))), "{lost:?}");
    assert_eq!(next(&mut events).await, Some(Event::Dropped));

    let nobody = timeout(PATIENCE, ask()).await.unwrap().unwrap();
    assert!(matches!(nobody, Err(CallError::NotSent(_))), "{nobody:?}");

    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(serve(listener, sender));
    let call = ask();
    assert_eq!(next(&mut events).await, Some(Event::Begun));
    call.abort();
}

#[tokio::test]
async fn a_node_that_stops_answers_what_it_has_taken_and_ends_the_stream() {
    let (calls, received) = unbounded_channel();
    let (stop, stops) = oneshot::channel::<()>();
    let (finish, finishes) = oneshot::channel::<()>();
    let finishes = finishes.shared();
    let search = move |_| {
        let finishes = finishes.clone();
        async move {
            let _ = finishes.await;
            Ok(v1::SearchResponse::default())
        }
    };
    let stops = async { stops.await.unwrap_or_default() };
    let received = UnboundedReceiverStream::new(received);
    let mut replies = search_stream::replies(received, search, stops.boxed());
    let call = |number| v1::SearchCall {
        number,
        within: 1_000_000_000,
        request: None,
    };
    let message = v1::SearchCalls {
        calls: vec![call(1), call(2)],
        cancelled: vec![2],
    };
    calls.send(Ok(message)).unwrap();
    assert!(replies.next().now_or_never().is_none());
    tokio::task::yield_now().await;
    stop.send(()).unwrap();
    tokio::task::yield_now().await;
    finish.send(()).unwrap();
    let reply = timeout(PATIENCE, replies.next()).await.unwrap().unwrap();
    let numbers: Vec<u64> = reply
        .unwrap()
        .replies
        .iter()
        .map(|reply| reply.number)
        .collect();
    assert_eq!(numbers, [1]);
    let end = timeout(PATIENCE, replies.next()).await.unwrap();
    assert!(end.is_none());
}
