//! The stream over which a leader is asked how far replicas must have come. It stays open: a call of its own for
//! each question costs both sides more than the answer does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use vectra_wire::v1;

use crate::NodeId;
use crate::network::{Network, raft_client};

/// One question at a time. Clones share the stream, which whoever asks has for himself meanwhile.
#[derive(Clone, Default)]
pub(super) struct ReadLine(Arc<Mutex<Option<Open>>>);

/// A stream on which no question is open.
struct Open {
    /// Where it leads.
    address: String,
    questions: mpsc::Sender<v1::ReadIndexRequest>,
    answers: Streaming<v1::ReadIndexResponse>,
}

impl ReadLine {
    /// What the node answers; `None` if it cannot be reached, or refuses. The stream does not outlive an answer
    /// that is not waited for.
    pub(super) async fn ask(
        &self,
        network: &Network,
        node: NodeId,
        question: v1::ReadIndexRequest,
    ) -> Option<v1::ReadIndexResponse> {
        let address = network.address(node)?;
        let kept = self.kept().take();
        if let Some(mut open) = kept.filter(|open| open.address == address)
            && let Some(answer) = open.ask(question.clone()).await
        {
            *self.kept() = Some(open);
            return Some(answer);
        }
        // The process at the other end may be another one since the last question.
        let (questions, to_send) = mpsc::channel(1);
        questions.send(question).await.ok()?;
        let channel = network.channel(node).ok()?;
        let mut client = raft_client(channel);
        let answers = client.read_index(ReceiverStream::new(to_send)).await.ok()?;
        let mut open = Open {
            address,
            questions,
            answers: answers.into_inner(),
        };
        let answer = open.answers.message().await.ok()??;
        *self.kept() = Some(open);
        Some(answer)
    }

    fn kept(&self) -> MutexGuard<'_, Option<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    async fn ask(&mut self, question: v1::ReadIndexRequest) -> Option<v1::ReadIndexResponse> {
        self.questions.send(question).await.ok()?;
        self.answers.message().await.ok()?
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
mod tests {
    use std::time::Duration;

    use tokio::sync::watch;
    use tokio::time::sleep;
    use tonic::transport::server::TcpIncoming;
    use vectra_store::StoreOptions;

    use super::*;
    use crate::{LogEngine, RaftService, RaftTiming, ShardGroups, grpc_server};

    const NODE: NodeId = 2;

    #[tokio::test]
    async fn a_question_whose_stream_has_ended_is_asked_over_another() {
        let directory = tempfile::tempdir().unwrap();
        let engine = LogEngine::open(&directory.path().join("log")).unwrap();
        let shards = directory.path().join("shards");
        let (timing, store) = (RaftTiming::default(), StoreOptions::default());
        let groups = ShardGroups::open(NODE, &engine, &shards, &Network::new(NODE), timing, store)
            .await
            .unwrap();
        let (stopping, is_stopping) = watch::channel(false);
        let service = RaftService::new(Some(groups), None, is_stopping);
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let network = Network::new(NODE + 1);
        let address = incoming.local_addr().unwrap().to_string();
        network.set_address(NODE, &address);
        tokio::spawn(
            grpc_server()
                .add_service(service.into_server())
                .serve_with_incoming(incoming),
        );

        let line = ReadLine::default();
        let question = |target| v1::ReadIndexRequest {
            target,
            groups: vec![7],
            confirmed: false,
        };
        let answer = Some(v1::ReadIndexResponse { entries: vec![0] });
        for _twice_over_one in 0..2 {
            assert_eq!(line.ask(&network, NODE, question(NODE)).await, answer);
        }
        stopping.send_replace(true);
        sleep(Duration::from_millis(100)).await;
        stopping.send_replace(false);
        assert_eq!(line.ask(&network, NODE, question(NODE)).await, answer);

        // Who is asked for another node refuses, which ends the stream as well.
        assert_eq!(line.ask(&network, NODE, question(NODE + 1)).await, None);
        assert_eq!(line.ask(&network, NODE, question(NODE)).await, answer);
    }
}
