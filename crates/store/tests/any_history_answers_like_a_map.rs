//! Random histories of writes, checkpoints, compactions, snapshots and restarts: after each step
//! the shard holds exactly what a plain map would.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod replica;

use proptest::prelude::*;
use replica::{DIMENSION, Replica, apply_to_model, check, id, open_and_replay, send, vector};
use vectra_store::{Frozen, StoreOptions, WriteBatch};

#[derive(Debug, Clone)]
enum Step {
    Apply(WriteBatch),
    Freeze,
    Seal,
    DropFrozen,
    Compact,
    Restart,
    SendAndReplay,
}

fn batch() -> impl Strategy<Value = WriteBatch> {
    let ids = || prop::collection::vec(0..40u32, 1..12);
    prop_oneof![
        3 => prop::collection::vec((0..40u32, -9.0..9.0f32), 1..12).prop_map(|rows| {
            WriteBatch::Upsert {
                ids: rows.iter().map(|&(number, _)| id(number)).collect(),
                dimension: DIMENSION as u32,
                vectors: rows.iter().flat_map(|&(_, value)| vector(value)).collect(),
            }
        }),
        2 => ids().prop_map(replica::delete),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => batch().prop_map(Step::Apply),
        2 => Just(Step::Freeze),
        3 => Just(Step::Seal),
        1 => Just(Step::DropFrozen),
        2 => Just(Step::Compact),
        1 => Just(Step::Restart),
        1 => Just(Step::SendAndReplay),
    ]
}

/// Runs a history. Writes that come between a freeze and its seal are just steps between them.
fn run(steps: Vec<Step>, rows_per_segment: u64) {
    let mut replica = Replica::with_rows_per_segment(rows_per_segment);
    let mut frozen: Option<Frozen> = None;
    for step in steps {
        match step {
            Step::Apply(batch) => {
                replica.apply(&batch);
            }
            Step::Freeze => frozen = Some(replica.freeze()),
            Step::Seal => {
                let frozen = frozen.take().unwrap_or_else(|| replica.freeze());
                let mark = frozen.mark().clone();
                replica.shard.seal(frozen).unwrap();
                assert_eq!(replica.shard.mark(), Some(mark));
            }
            Step::DropFrozen => frozen = None,
            Step::Compact => {
                replica.shard.compact(u64::MAX).unwrap();
            }
            Step::Restart => {
                frozen = None;
                replica = replica.restart();
            }
            Step::SendAndReplay => {
                let Some(snapshot) = replica.shard.snapshot().unwrap() else {
                    continue;
                };
                let mut other = Replica::new();
                other.upsert([(1_000, 1.0), (1, 7.0)]);
                other.checkpoint();
                other.upsert([(1_001, 1.0)]);
                send(&snapshot, &other.shard, 100).unwrap();
                let at_mark = replica::marked(other.shard.mark());
                for batch in &replica.log[at_mark..] {
                    other.shard.apply(batch).unwrap();
                }
                check(&other.shard.view(), &replica.model);
            }
        }
        replica.check();
        // Exactly the files of the last checkpoint are there.
        let segments = replica
            .shard
            .snapshot()
            .unwrap()
            .map_or(0, |s| s.files().len());
        assert_eq!(replica.files().len(), segments + 1, "{:?}", replica.files());
    }
    // What is on disk is the state at its mark, no more and no less.
    let Replica {
        directory,
        shard,
        log,
        options,
        ..
    } = replica;
    let at_mark = replica::marked(shard.mark());
    drop(frozen);
    drop(shard);
    let reopened = open_and_replay(directory.path(), &options, &log[..at_mark]);
    let fresh = Replica::with(StoreOptions::default());
    for batch in &log[..at_mark] {
        fresh.shard.apply(batch).unwrap();
    }
    assert_eq!(
        replica::contents(&reopened.view()),
        replica::contents(&fresh.shard.view())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_history_answers_like_a_map(
        steps in prop::collection::vec(step(), 1..40), rows_per_segment in 1..20u64,
    ) {
        run(steps, rows_per_segment);
    }
}

#[test]
fn the_map_counts_an_id_given_twice_once() {
    // The oracle of the histories above, checked by hand.
    let mut model = replica::Model::new();
    assert_eq!(
        apply_to_model(&mut model, &replica::upsert([(1, 1.0), (1, 2.0)])),
        0
    );
    assert_eq!(
        apply_to_model(&mut model, &replica::upsert([(1, 3.0), (1, 4.0), (2, 1.0)])),
        1
    );
    assert_eq!(model[&id(1)], vector(4.0));
    assert_eq!(apply_to_model(&mut model, &replica::delete([1, 1, 7])), 1);
}
