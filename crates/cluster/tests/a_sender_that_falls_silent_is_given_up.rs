//! A replica does not wait for ever for the rest of a snapshot.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod cluster;

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use cluster::{PATIENCE, SHARD, ShardNode, map_of};
use openraft::{BasicNode, SnapshotMeta};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic::transport::Channel;
use vectra_store::StoreOptions;
use vectra_wire::v1;
use vectra_wire::v1::raft_client::RaftClient;
use vectra_wire::v1::snapshot_part::Part;

const SENDER: u64 = 1;
const RECEIVER: u64 = 2;
const PAUSE: Duration = Duration::from_millis(50);

/// Passes one connection on until it is told to fall silent; closes nothing.
async fn relay_to(address: SocketAddr) -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap();
    let (fall_silent, told) = oneshot::channel();
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(address).await.unwrap();
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => {}
            _ = told => {}
        }
        let _open = (near, far);
        pending::<()>().await;
    });
    (own, fall_silent)
}

async fn client_of(address: SocketAddr) -> RaftClient<Channel> {
    RaftClient::connect(format!("http://{address}"))
        .await
        .unwrap()
}

fn header() -> v1::SnapshotHeader {
    let meta = SnapshotMeta::<u64, BasicNode>::default();
    v1::SnapshotHeader {
        group: SHARD + 1,
        target: RECEIVER,
        vote: Some(v1::RaftVote {
            term: 1,
            node: SENDER,
            committed: true,
        }),
        meta: serde_json::to_vec(&meta).unwrap().into(),
        ..v1::SnapshotHeader::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_vanishes_without_a_word_does_not_keep_others_from_sending() {
    let directory = tempfile::tempdir().unwrap();
    let store = StoreOptions::default();
    let node = ShardNode::start(RECEIVER, directory.path(), None, store).await;
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let mut map = map_of(&[(SENDER, nowhere), (RECEIVER, node.address)]);
    map.shards.get_mut(&SHARD).unwrap().founded = true;
    node.groups.reconcile(&map).await.unwrap();

    let (relay, fall_silent) = relay_to(node.address).await;
    let mut sender = client_of(relay).await;
    let first = v1::SnapshotPart {
        part: Some(Part::Header(header())),
    };
    // What follows never comes.
    let parts = tokio_stream::once(first).chain(tokio_stream::pending());
    tokio::spawn(async move { sender.install_snapshot(parts).await });

    let mut other = client_of(node.address).await;
    wait_for(&mut other, true).await;
    fall_silent.send(()).unwrap();
    wait_for(&mut other, false).await;
    drop(other);
    node.stop().await;
}

/// Waits until the replica is, or is no longer, busy with a snapshot.
async fn wait_for(other: &mut RaftClient<Channel>, busy: bool) {
    let looking = async {
        loop {
            let answer = other.resume_snapshot(header()).await;
            let is_busy = answer.is_err_and(|status| status.code() == Code::Unavailable);
            if is_busy == busy {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let looked = tokio::time::timeout(PATIENCE, looking).await;
    looked.unwrap_or_else(|_| panic!("still waiting until busy is {busy}"));
}
