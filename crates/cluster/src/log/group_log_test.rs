#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
use std::collections::BTreeMap;
use std::time::Duration;

use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
use openraft::{CommittedLeaderId, Entry, EntryPayload, LogId, RaftLogReader, Vote};
use proptest::prelude::*;

use super::{GroupLog, LogEngine};
use crate::PlacementCommand;
use crate::machine::PlacementConfig;

const GROUP: u64 = 9;

fn log_id(term: u64, index: u64) -> LogId<u64> {
    LogId::new(CommittedLeaderId::new(term, 1), index)
}

fn entry(term: u64, index: u64, text: String) -> Entry<PlacementConfig> {
    let payload = EntryPayload::Normal(PlacementCommand::FoundCluster { cluster_id: text });
    Entry {
        log_id: log_id(term, index),
        payload,
    }
}

async fn reopen(directory: &std::path::Path) -> (LogEngine, GroupLog<PlacementConfig>) {
    let engine = LogEngine::open(directory).unwrap();
    let log = GroupLog::open(&engine, GROUP).await.unwrap();
    (engine, log)
}

/// What a log should hold, by index.
#[derive(Default)]
struct Model {
    entries: BTreeMap<u64, (u64, String)>,
    purged: Option<LogId<u64>>,
}

impl Model {
    fn next_index(&self) -> u64 {
        let last = self.entries.keys().last().copied();
        last.max(self.purged.map(|purged| purged.index))
            .map_or(0, |last| last + 1)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Append(u8),
    Truncate(u8),
    Purge(u8),
    PurgeBeyondTheEnd(u8),
    Clear,
    Reopen,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..20_u8).prop_map(Step::Append),
        2 => (0..30_u8).prop_map(Step::Truncate),
        2 => (0..30_u8).prop_map(Step::Purge),
        1 => (1..30_u8).prop_map(Step::PurgeBeyondTheEnd),
        1 => Just(Step::Clear),
        2 => Just(Step::Reopen),
    ]
}

async fn check(log: &mut GroupLog<PlacementConfig>, model: &Model) {
    let read = log.try_get_log_entries(..).await.unwrap();
    let found: Vec<(LogId<u64>, String)> = read
        .into_iter()
        .map(|entry| match entry.payload {
            EntryPayload::Normal(PlacementCommand::FoundCluster { cluster_id }) => {
                (entry.log_id, cluster_id)
            }
            other => panic!("{other:?} was never written"),
        })
        .collect();
    let expected: Vec<(LogId<u64>, String)> = model
        .entries
        .iter()
        .map(|(index, (term, text))| (log_id(*term, *index), text.clone()))
        .collect();
    assert_eq!(found, expected);

    let state = log.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, model.purged);
    let last = expected.last().map(|(log_id, _)| *log_id).or(model.purged);
    assert_eq!(state.last_log_id, last);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_log_holds_what_was_appended_and_neither_truncated_nor_purged(
        steps in prop::collection::vec(any_step(), 1..25)
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let (mut engine, mut log) = reopen(directory.path()).await;
            let mut model = Model::default();
            let mut term = 1;
            for step in steps {
                match step {
                    Step::Append(count) => {
                        let first = model.next_index();
                        let new: Vec<_> = (first..first + u64::from(count))
                            .map(|index| (index, format!("{term}/{index}/{}", "x".repeat(50))))
                            .collect();
                        let entries: Vec<_> = new
                            .iter()
                            .map(|(index, text)| entry(term, *index, text.clone()))
                            .collect();
                        log.blocking_append(entries).await.unwrap();
                        model.entries.extend(
                            new.into_iter().map(|(index, text)| (index, (term, text))),
                        );
                    }
                    Step::Truncate(back) => {
                        let from = model.next_index().saturating_sub(u64::from(back));
                        if model.purged.is_some_and(|purged| purged.index >= from) {
                            continue;
                        }
                        log.truncate(log_id(term, from)).await.unwrap();
                        model.entries.split_off(&from);
                        term += 1;
                    }
                    Step::Purge(back) => {
                        let upto = model.next_index().saturating_sub(u64::from(back));
                        let Some((of_term, _)) = model.entries.get(&upto) else { continue };
                        let upto = log_id(*of_term, upto);
                        log.purge(upto).await.unwrap();
                        model.entries = model.entries.split_off(&(upto.index + 1));
                        model.purged = Some(upto);
                    }
                    Step::PurgeBeyondTheEnd(ahead) => {
                        // As after the installation of a snapshot.
                        let upto = log_id(term, model.next_index() + u64::from(ahead));
                        log.purge(upto).await.unwrap();
                        model.entries.clear();
                        model.purged = Some(upto);
                    }
                    Step::Clear => {
                        log.clear(None).await.unwrap();
                        model = Model::default();
                    }
                    Step::Reopen => {
                        drop(log);
                        drop(engine);
                        (engine, log) = reopen(directory.path()).await;
                    }
                }
                check(&mut log, &model).await;
            }
            drop(engine);
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_and_commits_are_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, mut log) = reopen(directory.path()).await;
    log.save_vote(&Vote::new_committed(7, 3)).await.unwrap();
    log.blocking_append((0..5).map(|index| entry(7, index, String::new())))
        .await
        .unwrap();
    log.save_committed(Some(log_id(7, 2))).await.unwrap();
    log.flush().await.unwrap();
    drop((log, engine));

    let (_engine, mut log) = reopen(directory.path()).await;
    assert_eq!(
        log.read_vote().await.unwrap(),
        Some(Vote::new_committed(7, 3))
    );
    assert_eq!(log.read_committed().await.unwrap(), Some(log_id(7, 2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_have_left_the_cache_are_read_from_disk() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, mut log) = reopen(directory.path()).await;
    let text = "y".repeat(1 << 20);
    for index in 0..24 {
        log.blocking_append([entry(1, index, text.clone())])
            .await
            .unwrap();
    }
    let all = log.try_get_log_entries(..).await.unwrap();
    let indexes: Vec<u64> = all.iter().map(|entry| entry.log_id.index).collect();
    assert_eq!(indexes, (0..24).collect::<Vec<_>>());

    // A message to a follower is bounded, but never empty, wherever its entries are.
    for first in [0, 12, 20, 23] {
        let some = log.limited_get_log_entries(first, 24).await.unwrap();
        assert_eq!(some[0].log_id.index, first);
        assert!(some.len() <= 4, "{} MiB in one message", some.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_in_the_log_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, mut log) = reopen(directory.path()).await;
    log.blocking_append([entry(1, 0, String::new())])
        .await
        .unwrap();
    assert!(
        log.blocking_append([entry(1, 2, String::new())])
            .await
            .is_err()
    );
    assert!(
        log.blocking_append([entry(1, 0, String::new())])
            .await
            .is_err()
    );
    log.blocking_append([entry(1, 1, String::new())])
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_tail_costs_nothing_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, mut log) = reopen(directory.path()).await;
    log.save_vote(&Vote::new(3, 1)).await.unwrap();
    for index in 0..50 {
        log.blocking_append([entry(3, index, format!("entry {index}"))])
            .await
            .unwrap();
    }

    // Copies of the directory, as a crash would leave it, while entries are being appended.
    let mut copies = Vec::new();
    for round in 0..10 {
        let acknowledged = 50 + round * 20;
        let appending = {
            let mut log = log.clone();
            tokio::spawn(async move {
                for index in acknowledged..acknowledged + 20 {
                    let text = format!("entry {index}");
                    log.blocking_append([entry(3, index, text)]).await.unwrap();
                }
            })
        };
        tokio::time::sleep(Duration::from_micros(round * 300)).await;
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(directory.path()).unwrap() {
            let file = file.unwrap();
            if file.file_name() != "LOCK" {
                std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
            }
        }
        appending.await.unwrap();
        copies.push((acknowledged, copy));
    }
    drop((log, engine));

    for (acknowledged, copy) in copies {
        let (_engine, mut log) = reopen(copy.path()).await;
        let entries = log.try_get_log_entries(..).await.unwrap();
        assert!(
            entries.len() as u64 >= acknowledged,
            "{} of {acknowledged}",
            entries.len()
        );
        for (index, found) in entries.iter().enumerate() {
            assert_eq!(found.log_id, log_id(3, index as u64));
        }
        assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(3, 1)));
        // And it goes on from there.
        let next = entries.len() as u64;
        log.blocking_append([entry(4, next, String::new())])
            .await
            .unwrap();
    }
}

/// What a log of thirty acknowledged entries reads like once one of its bytes is another.
async fn read_with_one_byte_changed(position: usize) -> Result<Vec<u64>, String> {
    let directory = tempfile::tempdir().unwrap();
    let (engine, mut log) = reopen(directory.path()).await;
    for index in 0..30 {
        log.blocking_append([entry(3, index, format!("entry {index}"))])
            .await
            .unwrap();
    }
    drop((log, engine));
    let file = directory.path().join("0000000000000001.raftlog");
    let mut bytes = std::fs::read(&file).unwrap();
    // The last batch may be torn, which nobody can tell from damage.
    let last_entry = bytes
        .windows(8)
        .rposition(|window| window == b"entry 29")
        .unwrap();
    let acknowledged = last_entry - 200;
    bytes[position % acknowledged] ^= 0x40;
    std::fs::write(&file, bytes).unwrap();

    let engine = LogEngine::open(directory.path()).map_err(|error| error.to_string())?;
    let log = GroupLog::<PlacementConfig>::open(&engine, GROUP).await;
    let mut log = log.map_err(|error| error.to_string())?;
    let entries = log
        .try_get_log_entries(..)
        .await
        .map_err(|error| error.to_string())?;
    Ok(entries.iter().map(|entry| entry.log_id.index).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_never_taken_for_the_end_of_the_log() {
    let mut noticed = 0;
    for position in (0..4_000).step_by(23) {
        match read_with_one_byte_changed(position).await {
            Err(_) => noticed += 1,
            Ok(read) => {
                assert_eq!(
                    read,
                    (0..30).collect::<Vec<_>>(),
                    "after a change of byte {position}"
                );
            }
        }
    }
    assert!(noticed > 100, "damage was noticed only {noticed} times");
}

#[tokio::test]
async fn a_log_that_was_cleared_remembers_its_vote_and_where_it_had_left_and_leads_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, mut log) = reopen(directory.path()).await;
    log.save_vote(&Vote::new_committed(7, 1)).await.unwrap();
    log.blocking_append([entry(7, 0, "a".to_owned())])
        .await
        .unwrap();
    let left = Some(LogId::new(CommittedLeaderId::new(7, 1), 5));
    log.clear(left).await.unwrap();
    log.clear(None).await.unwrap();
    assert_eq!(log.vote(), Some(Vote::new(7, 1)));
    drop((engine, log));
    let (_engine, mut log) = reopen(directory.path()).await;
    assert_eq!(log.vote(), Some(Vote::new(7, 1)));
    assert_eq!(log.left(), left);
    check(&mut log, &Model::default()).await;
}
