//! The searches of one coordinator as they come over its stream.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use futures::future::{AbortHandle, Abortable, FusedFuture};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use vectra_wire::v1;
use vectra_wire::v1::search_reply::Outcome;

/// Searches of one coordinator under way at the most; it asks for far fewer.
const UNDER_WAY: usize = 4_096;

/// Hits that are sent together at the most, unless one search alone found more.
const HITS_TOGETHER: usize = 4_096;

/// Messages that wait to be sent.
const WAITING: usize = 2;

/// Resolves when a node that stops takes no more calls.
pub(crate) type Stops = futures::future::BoxFuture<'static, ()>;

/// The replies to `calls`, each of them what `search` says of its request, as soon as it says so. Calls that
/// are cancelled, and all of them once the caller or the receiver of the replies is gone, are dropped. Once the
/// node `stops`, the stream ends with the last reply to the calls that it has taken.
pub(crate) fn replies<C, S, F>(
    calls: C,
    search: S,
    stops: Stops,
) -> ReceiverStream<Result<v1::SearchReplies, Status>>
where
    C: Stream<Item = Result<v1::SearchCalls, Status>> + Send + Unpin + 'static,
    S: Fn(v1::SearchRequest) -> F + Send + 'static,
    F: Future<Output = Result<v1::SearchResponse, Status>> + Send + 'static,
{
    let (sender, replies) = mpsc::channel(WAITING);
    tokio::spawn(serve(calls, search, stops, sender));
    ReceiverStream::new(replies)
}

async fn serve<C, S, F>(
    mut calls: C,
    search: S,
    stops: Stops,
    replies: mpsc::Sender<Result<v1::SearchReplies, Status>>,
) where
    C: Stream<Item = Result<v1::SearchCalls, Status>> + Unpin,
    S: Fn(v1::SearchRequest) -> F,
    F: Future<Output = Result<v1::SearchResponse, Status>>,
{
    let mut under_way = FuturesUnordered::new();
    let mut aborts = HashMap::<u64, AbortHandle>::new();
    let mut stops = stops.fuse();
    while !(stops.is_terminated() && under_way.is_empty()) {
        // Calls first: a call that is cancelled already is not worth an answer.
        tokio::select! {
            biased;
            () = &mut stops => {}
            message = calls.next(), if !stops.is_terminated() => {
                let Some(Ok(message)) = message else {
                    return;
                };
                for call in message.calls {
                    let (abort, registration) = AbortHandle::new_pair();
                    aborts.insert(call.number, abort);
                    let is_too_many = under_way.len() >= UNDER_WAY;
                    // In a box: the future of an answer would have room for it three times over.
                    let answer = (!is_too_many)
                        .then(|| Box::pin(search(call.request.unwrap_or_default())));
                    let within = Duration::from_micros(call.within);
                    let number = call.number;
                    let reply = Abortable::new(answer_to(answer, within), registration);
                    under_way.push(reply.map(move |reply| (number, reply)));
                }
                for number in message.cancelled {
                    if let Some(abort) = aborts.remove(&number) {
                        abort.abort();
                    }
                }
            }
            Some(first) = under_way.next() => {
                let mut message = v1::SearchReplies::default();
                let mut hits = 0;
                let mut next = Some(first);
                while let Some((number, reply)) = next {
                    aborts.remove(&number);
                    if let Ok(outcome) = reply {
                        if let Outcome::Answer(answer) = &outcome {
                            hits += answer.hits.len();
                        }
                        let outcome = Some(outcome);
                        message.replies.push(v1::SearchReply { number, outcome });
                    }
                    if hits >= HITS_TOGETHER {
                        break;
                    }
                    next = under_way.next().now_or_never().flatten();
                }
                if !message.replies.is_empty() && replies.send(Ok(message)).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn answer_to(
    search: Option<impl Future<Output = Result<v1::SearchResponse, Status>>>,
    within: Duration,
) -> Outcome {
    let answer = match search {
        Some(search) => match timeout(within, search).await {
            Ok(answer) => answer,
            Err(_) => Err(Status::deadline_exceeded("its time is over")),
        },
        None => Err(Status::resource_exhausted(format!(
            "{UNDER_WAY} searches of this coordinator are under way already"
        ))),
    };
    match answer {
        Ok(answer) => Outcome::Answer(answer),
        Err(status) => Outcome::Failure(v1::SearchFailure {
            code: status.code().into(),
            reason: status.message().to_owned(),
        }),
    }
}
