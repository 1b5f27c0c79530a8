#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
use openraft::{
    BasicNode, CommittedLeaderId, Entry, EntryPayload, LogId, Membership, ServerState, Vote,
};
use tokio::sync::watch;
use tonic::Request;
use vectra_store::{Shard, StoreOptions, WriteBatch};

use super::replay::replay;
use super::{Consistency, ShardGroups};
use crate::RaftService;
use crate::log::GroupLog;
use crate::machine::{Children, ShardCommand, ShardConfig, ShardMachine};
use crate::network::group_of;
use crate::{LogEngine, Network, PlacementMap, RaftTiming, placement};
use vectra_wire::v1;
use vectra_wire::v1::raft_server::Raft as _;

const NODE: u64 = 1;
const SHARD: u64 = 1;

fn entry(term: u64, index: u64, payload: EntryPayload<ShardConfig>) -> Entry<ShardConfig> {
    let log_id = LogId::new(CommittedLeaderId::new(term, NODE), index);
    Entry { log_id, payload }
}

fn upsert(id: &str) -> EntryPayload<ShardConfig> {
    let batch = WriteBatch::Upsert {
        ids: vec![id.to_owned()],
        dimension: 2,
        vectors: vec![1.0, 2.0],
    };
    EntryPayload::Normal(ShardCommand::new(vec![batch.encode()]))
}

fn map() -> PlacementMap {
    let shard = placement::Shard::new("c", 0, u64::MAX, vec![NODE]);
    PlacementMap {
        collections: BTreeMap::from([(
            "c".to_owned(),
            placement::Collection {
                dimension: 2,
                replicas: 1,
                shards: vec![SHARD],
            },
        )]),
        shards: BTreeMap::from([(SHARD, shard)]),
        ..PlacementMap::default()
    }
}

/// The replicas of this node, none started, and where they lie.
async fn groups_in(directory: &Path, engine: &LogEngine) -> (PathBuf, ShardGroups) {
    let network = Network::new(NODE);
    let shards = directory.join("shards");
    let (timing, store) = (RaftTiming::default(), StoreOptions::default());
    let groups = ShardGroups::open(NODE, engine, &shards, &network, timing, store);
    let groups = groups.await.unwrap();
    (shards, groups)
}

/// Starts the one shard on a log that a former life left, and returns how many rows are readable.
async fn rows_readable_on(
    directory: &Path,
    vote: Vote<u64>,
    entries: Vec<Entry<ShardConfig>>,
) -> u64 {
    let engine = LogEngine::open(&directory.join("log")).unwrap();
    let mut log = GroupLog::<ShardConfig>::open(&engine, group_of(SHARD))
        .await
        .unwrap();
    let members = Membership::new(
        vec![BTreeSet::from([NODE])],
        BTreeMap::from([(NODE, BasicNode::default())]),
    );
    log.blocking_append([entry(0, 0, EntryPayload::Membership(members))])
        .await
        .unwrap();
    log.save_vote(&vote).await.unwrap();
    log.blocking_append(entries).await.unwrap();
    drop(log);

    let (_shards, groups) = groups_in(directory, &engine).await;
    groups.reconcile(&map()).await.unwrap();
    let group = groups.get(SHARD).unwrap();
    let mut rows = None;
    for _attempt in 0..60 {
        if let Ok(view) = group.readable_view(Consistency::Leader).await {
            rows = Some(view.live_rows());
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    groups.shutdown().await;
    rows.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_leads_on_after_a_restart_answers_with_all_it_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let entries = (1..=40)
        .map(|index| entry(1, index, upsert(&index.to_string())))
        .collect();
    let rows = rows_readable_on(directory.path(), Vote::new_committed(1, NODE), entries).await;
    assert_eq!(rows, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_sealed_while_it_is_replayed() {
    const ENTRIES: u64 = 24;
    const ROWS: usize = 512;
    const DIMENSION: usize = 256;
    let directory = tempfile::tempdir().unwrap();
    let entries = (1..=ENTRIES).map(|index| {
        let batch = WriteBatch::Upsert {
            ids: (0..ROWS).map(|row| format!("{index}/{row}")).collect(),
            dimension: DIMENSION as u32,
            vectors: vec![1.0; DIMENSION * ROWS],
        };
        let command = ShardCommand::new(vec![batch.encode()]);
        entry(1, index, EntryPayload::Normal(command))
    });
    let log = directory.path().join("log");
    {
        let engine = LogEngine::open(&log).unwrap();
        let mut log = GroupLog::<ShardConfig>::open(&engine, group_of(SHARD))
            .await
            .unwrap();
        let members = Membership::new(
            vec![BTreeSet::from([NODE])],
            BTreeMap::from([(NODE, BasicNode::default())]),
        );
        log.blocking_append([entry(0, 0, EntryPayload::Membership(members))])
            .await
            .unwrap();
        log.save_vote(&Vote::new_committed(1, NODE)).await.unwrap();
        log.blocking_append(entries).await.unwrap();
        let last = LogId::new(CommittedLeaderId::new(1, NODE), ENTRIES);
        log.save_committed(Some(last)).await.unwrap();
        log.flush().await.unwrap();
    }

    let engine = LogEngine::open(&log).unwrap();
    let log = GroupLog::<ShardConfig>::open(&engine, group_of(SHARD))
        .await
        .unwrap();
    let path = directory.path().join("shard");
    let shard = Arc::new(Shard::open(&path, DIMENSION, StoreOptions::default()).unwrap());
    let children = Children::new(NODE, engine.clone(), directory.path().to_path_buf(), || {});
    let machine = ShardMachine::new(shard.clone(), children).unwrap();
    replay(&log, &machine, &shard).await.unwrap();

    assert_eq!(shard.view().live_rows(), ENTRIES * ROWS as u64);
    assert_eq!(shard.growing_bytes(), 0, "bytes of rows left in memory");
    // 12 MiB of rows, of which 4 MiB and one reading of the log are in memory at the most.
    let segments = shard.view().parts().len();
    assert!((2..=3).contains(&segments), "{segments} segments");
    assert_eq!(machine.last_applied().unwrap().index, ENTRIES);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_stopped_before_its_first_entry_comes_to_lead() {
    let directory = tempfile::tempdir().unwrap();
    let entries = vec![entry(1, 1, upsert("a")), entry(1, 2, upsert("b"))];
    let rows = rows_readable_on(directory.path(), Vote::new_committed(2, NODE), entries).await;
    assert_eq!(rows, 2);
}

/// One that is elected and then alone knows no less than it did as a follower.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_without_followers_answers_any_reader_with_what_was_vouched_for_before() {
    let directory = tempfile::tempdir().unwrap();
    let engine = LogEngine::open(&directory.path().join("log")).unwrap();
    let log = GroupLog::<ShardConfig>::open(&engine, group_of(SHARD));
    let mut log = log.await.unwrap();
    let nodes = [NODE, NODE + 1, NODE + 2];
    let members = Membership::new(
        vec![BTreeSet::from(nodes)],
        BTreeMap::from(nodes.map(|node| (node, BasicNode::default()))),
    );
    log.blocking_append([
        entry(0, 0, EntryPayload::Membership(members)),
        entry(1, 1, upsert("a")),
    ])
    .await
    .unwrap();
    log.save_vote(&Vote::new_committed(2, NODE)).await.unwrap();
    let agreed = LogId::new(CommittedLeaderId::new(1, NODE), 1);
    log.save_committed(Some(agreed)).await.unwrap();
    log.flush().await.unwrap();
    drop(log);

    let (_shards, groups) = groups_in(directory.path(), &engine).await;
    groups.reconcile(&map()).await.unwrap();
    let group = groups.get(SHARD).unwrap();
    let mut metrics = group.raft().metrics();
    let leads = metrics.wait_for(|metrics| metrics.state == ServerState::Leader);
    drop(leads.await.unwrap());
    assert!(group.readable_view(Consistency::Any).await.is_err());
    group.vouched(group.inner.freshness.clock(), agreed.index);
    let view = group.readable_view(Consistency::Any).await.unwrap();
    assert_eq!(view.live_rows(), 1);
    assert!(group.readable_view(Consistency::Leader).await.is_err());
    groups.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_stopped_is_elected_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let entries = vec![entry(1, 1, upsert("a"))];
    let rows = rows_readable_on(directory.path(), Vote::new(2, NODE), entries).await;
    assert_eq!(rows, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_an_older_map_brought_back_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let engine = LogEngine::open(&directory.path().join("log")).unwrap();
    let (shards, groups) = groups_in(directory.path(), &engine).await;
    // From a coordinator that had just started, after the copy had gone and been forgotten.
    let mut older = map();
    let shard = older.shards.get_mut(&SHARD).unwrap();
    shard.founded = true;
    groups.reconcile(&older).await.unwrap();
    assert!(groups.get(SHARD).is_some());

    let mut newer = older.clone();
    newer.version += 1;
    newer.shards.get_mut(&SHARD).unwrap().replicas = vec![NODE + 1];
    groups.reconcile(&newer).await.unwrap();
    assert!(groups.get(SHARD).is_none());
    assert!(!shards.join(format!("shard-{SHARD}")).exists());
    groups.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_had_moved_before_this_node_made_its_copy_is_dropped() {
    const CHILD: u64 = SHARD + 1;
    let directory = tempfile::tempdir().unwrap();
    let engine = LogEngine::open(&directory.path().join("log")).unwrap();
    let (shards, groups) = groups_in(directory.path(), &engine).await;
    let copy = shards.join(format!("shard-{CHILD}"));
    drop(Shard::open(&copy, 2, StoreOptions::default()).unwrap());

    let mut map = map();
    let mut child = placement::Shard::new("c", 7, u64::MAX, vec![NODE + 1]);
    child.founded = true;
    child.parent = Some(SHARD);
    map.shards.insert(CHILD, child);
    groups.reconcile(&map).await.unwrap();
    assert!(groups.get(SHARD).is_some());
    assert!(!copy.exists());
    groups.shutdown().await;
}

/// A node that has dropped its copy may be given one again, or bring it back by an older map. The copy knows
/// nothing of the members since, and with its vote those of old could elect one that does not either.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_comes_back_votes_for_nobody_who_lacks_what_it_has_forgotten() {
    const LEFT: u64 = 155;
    let directory = tempfile::tempdir().unwrap();
    let engine = LogEngine::open(&directory.path().join("log")).unwrap();
    let log = GroupLog::<ShardConfig>::open(&engine, group_of(SHARD));
    let left = LogId::new(CommittedLeaderId::new(3, NODE + 1), LEFT);
    log.await.unwrap().clear(Some(left)).await.unwrap();
    let (_shards, groups) = groups_in(directory.path(), &engine).await;
    let mut map = map();
    map.shards.get_mut(&SHARD).unwrap().founded = true;
    groups.reconcile(&map).await.unwrap();

    let (_runs, is_stopping) = watch::channel(false);
    let service = RaftService::new(Some(groups.clone()), None, is_stopping);
    let last_log = |term, index| {
        let node = NODE + 1;
        Some(v1::LogId { term, node, index })
    };
    for (last_log, is_granted) in [
        (None, false),
        (last_log(0, 0), false),
        (last_log(3, LEFT - 1), false),
        (last_log(2, LEFT + 9), false),
        (last_log(3, LEFT), true),
        (last_log(4, LEFT - 1), true),
    ] {
        let asked = v1::PreVoteRequest {
            group: group_of(SHARD),
            target: NODE,
            last_log,
        };
        let answer = service.pre_vote(Request::new(asked)).await.unwrap();
        assert_eq!(answer.into_inner().would_grant, is_granted, "{last_log:?}");
        let asked = v1::VoteRequest {
            group: group_of(SHARD),
            target: NODE,
            vote: Some(v1::RaftVote {
                term: 9,
                node: NODE + 1,
                committed: false,
            }),
            last_log,
        };
        let answer = service.vote(Request::new(asked)).await.unwrap();
        assert_eq!(answer.into_inner().granted, is_granted, "{last_log:?}");
    }
    groups.shutdown().await;
}

/// One that took itself for silent would ask the others again and again whether it should lead.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_is_not_silent_to_itself() {
    let directory = tempfile::tempdir().unwrap();
    let engine = LogEngine::open(&directory.path().join("log")).unwrap();
    let (_shards, groups) = groups_in(directory.path(), &engine).await;
    groups.reconcile(&map()).await.unwrap();
    let group = groups.get(SHARD).unwrap();
    let leads = || group.raft().metrics().borrow().current_leader == Some(NODE);
    for _attempt in 0..100 {
        if leads() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(leads());
    let since = tokio::time::Instant::now();
    let lease = RaftTiming::default().election_max;
    tokio::time::sleep(2 * lease).await;
    assert!(group.inner.candidacy.gate.last_heard() > since);
    groups.shutdown().await;
}
