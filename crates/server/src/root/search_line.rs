//! The streams over which nodes are asked for searches: one to each, for the searches of all clients. What
//! comes up while a message is sent goes together in the next.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{Stream, stream};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tonic::Status;
use tonic::transport::Channel;
use vectra_cluster::{Network, NodeId};
use vectra_wire::v1;
use vectra_wire::v1::search_reply::Outcome;
use vectra_wire::v1::shard_node_client::ShardNodeClient;

use super::leaves::{CallError, MAX_ANSWER_BYTES};

/// Calls in one message at the most.
const TOGETHER: usize = 256;

/// The lines to all nodes that were asked so far.
#[derive(Default)]
pub(super) struct SearchLines {
    lines: Mutex<HashMap<NodeId, Arc<SearchLine>>>,
}

/// One stream.
struct SearchLine {
    /// Where it leads.
    address: String,
    calls: Arc<Calls>,
    /// Numbers of calls to be sent, or to be cancelled.
    news: mpsc::UnboundedSender<u64>,
    next_number: AtomicU64,
}

/// The calls that are waited for; `None` once the stream has come to its end.
struct Calls(Mutex<Option<HashMap<u64, Call>>>);

struct Call {
    /// Until it is sent.
    unsent: Option<v1::SearchCall>,
    reply: oneshot::Sender<Result<v1::SearchResponse, CallError>>,
}

/// A call whose answer is waited for; cancels it when dropped before.
struct Waiting<'a> {
    line: &'a SearchLine,
    number: u64,
}

impl SearchLines {
    /// Asks a node; dropped, it cancels.
    pub(super) async fn search(
        &self,
        network: &Network,
        node: NodeId,
        request: v1::SearchRequest,
        within: Duration,
    ) -> Result<v1::SearchResponse, CallError> {
        let line = self.line(network, node)?;
        let (reply, answer) = oneshot::channel();
        let _waiting = line.send(request, within, reply)?;
        let lost = || CallError::Lost(format!("the stream to node {node} ended"));
        answer.await.unwrap_or_else(|_| Err(lost()))
    }

    /// The open line to a node, where it is reached now.
    fn line(&self, network: &Network, node: NodeId) -> Result<Arc<SearchLine>, CallError> {
        let mut lines = self.lines.lock();
        let address = network.address(node);
        if let Some(line) = lines.get(&node)
            && line.is_open()
            && address.as_ref() == Some(&line.address)
        {
            return Ok(Arc::clone(line));
        }
        let channel = network.channel(node);
        let channel = channel.map_err(|error| CallError::NotSent(error.to_string()))?;
        let line = Arc::new(SearchLine::open(channel, address.unwrap_or_default()));
        lines.insert(node, Arc::clone(&line));
        Ok(line)
    }
}

impl SearchLine {
    fn open(channel: Channel, address: String) -> Self {
        let calls = Arc::new(Calls(Mutex::new(Some(HashMap::new()))));
        let (news, to_send) = mpsc::unbounded_channel();
        tokio::spawn(run(channel, Arc::clone(&calls), to_send));
        Self {
            address,
            calls,
            news,
            next_number: AtomicU64::new(0),
        }
    }

    fn is_open(&self) -> bool {
        self.calls.0.lock().is_some()
    }

    fn send(
        &self,
        request: v1::SearchRequest,
        within: Duration,
        reply: oneshot::Sender<Result<v1::SearchResponse, CallError>>,
    ) -> Result<Waiting<'_>, CallError> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let unsent = v1::SearchCall {
            number,
            within: u64::try_from(within.as_micros()).unwrap_or(u64::MAX),
            request: Some(request),
        };
        let call = Call {
            unsent: Some(unsent),
            reply,
        };
        let mut calls = self.calls.0.lock();
        let Some(calls) = calls.as_mut() else {
            return Err(CallError::NotSent("the stream has just ended".to_owned()));
        };
        calls.insert(number, call);
        // There is a receiver as long as the calls are there, and they are locked here.
        let _ = self.news.send(number);
        Ok(Waiting { line: self, number })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut calls = self.line.calls.0.lock();
        if calls
            .as_mut()
            .and_then(|calls| calls.remove(&self.number))
            .is_some()
        {
            let _ = self.line.news.send(self.number);
        }
    }
}

impl Calls {
    /// What is to be sent about these numbers. One that nobody waits for any more is cancelled, though it may
    /// never have been sent.
    fn message(&self, numbers: &[u64]) -> v1::SearchCalls {
        let mut message = v1::SearchCalls::default();
        let mut calls = self.0.lock();
        for &number in numbers {
            match calls.as_mut().and_then(|calls| calls.get_mut(&number)) {
                Some(call) => message.calls.extend(call.unsent.take()),
                None => message.cancelled.push(number),
            }
        }
        message
    }

    fn settle(&self, reply: v1::SearchReply) {
        let call = self
            .0
            .lock()
            .as_mut()
            .and_then(|calls| calls.remove(&reply.number));
        let Some(call) = call else {
            return;
        };
        let answer = match reply.outcome {
            Some(Outcome::Answer(answer)) => Ok(answer),
            Some(Outcome::Failure(failure)) => {
                Err(Status::new(failure.code.into(), failure.reason).into())
            }
            None => Err(CallError::Failed("the reply is empty".to_owned())),
        };
        // Whoever waited may be gone.
        let _ = call.reply.send(answer);
    }

    fn end(&self, why: &CallError) {
        let calls = self.0.lock().take();
        for call in calls.into_iter().flat_map(HashMap::into_values) {
            let why = match call.unsent {
                Some(_) => CallError::NotSent(why.to_string()),
                None => why.clone(),
            };
            let _ = call.reply.send(Err(why));
        }
    }
}

/// Sends calls and takes in replies until the stream ends.
async fn run(channel: Channel, calls: Arc<Calls>, to_send: mpsc::UnboundedReceiver<u64>) {
    let mut client = ShardNodeClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
    let ended = async {
        let messages = messages(Arc::clone(&calls), to_send);
        let mut replies = client.search(messages).await?.into_inner();
        while let Some(message) = replies.message().await? {
            for reply in message.replies {
                calls.settle(reply);
            }
        }
        Ok::<(), Status>(())
    };
    let why = match ended.await {
        Ok(()) => CallError::Lost("the node has ended the stream".to_owned()),
        Err(status) => status.into(),
    };
    calls.end(&why);
}

fn messages(
    calls: Arc<Calls>,
    to_send: mpsc::UnboundedReceiver<u64>,
) -> impl Stream<Item = v1::SearchCalls> {
    stream::unfold((calls, to_send), |(calls, mut to_send)| async move {
        let mut numbers = Vec::new();
        // None are left to come once the line is dropped.
        let count = to_send.recv_many(&mut numbers, TOGETHER).await;
        (count > 0).then(|| (calls.message(&numbers), (calls, to_send)))
    })
}
