//! An id that is ingested again is replaced, wherever its old row is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod replica;

use replica::Replica;

#[test]
fn while_it_grows_and_once_it_is_sealed() {
    let mut replica = Replica::new();
    assert_eq!(replica.upsert([(1, 1.0), (2, 1.0)]), 0);
    assert_eq!(replica.upsert([(1, 2.0), (3, 2.0)]), 1);
    replica.checkpoint();
    assert_eq!(replica.upsert([(1, 3.0), (2, 3.0), (4, 3.0)]), 2);
    replica.check();
    replica.checkpoint();
    replica.check();
    while replica.shard.compact(u64::MAX).unwrap() {}
    replica.check();
    replica.restart().check();
}

#[test]
fn the_later_of_two_equal_ids_in_one_batch_wins() {
    let mut replica = Replica::new();
    assert_eq!(replica.upsert([(1, 1.0), (2, 1.0), (1, 2.0), (1, 3.0)]), 0);
    assert_eq!(replica.upsert([(1, 4.0), (1, 5.0)]), 1);
    replica.check();
    assert_eq!(replica.delete([1, 1, 2]), 2);
    assert_eq!(replica.shard.view().live_rows(), 0);
}

#[test]
fn replacing_it_while_its_row_is_being_sealed_is_kept() {
    let mut replica = Replica::new();
    replica.upsert((0..20).map(|number| (number, 1.0)));
    replica.delete([0, 7]);
    let frozen = replica.freeze();
    replica.upsert([(3, 2.0), (7, 2.0)]);
    replica.delete([4, 19]);
    replica.shard.seal(frozen).unwrap();
    replica.check();
    replica.checkpoint();
    replica.check();
    replica.restart().check();
}

#[test]
fn the_very_bits_come_back() {
    let values = [-0.0, f32::MIN_POSITIVE / 4.0, f32::MAX];
    let mut replica = Replica::new();
    replica.apply(&vectra_store::WriteBatch::Upsert {
        ids: vec!["odd/ id \u{1F980}".into(), "x".repeat(512)],
        dimension: 3,
        vectors: [values, [1e-45, 0.0, 0.0]].concat(),
    });
    replica.check();
    replica.checkpoint();
    replica.check();
    let found = replica
        .shard
        .view()
        .find("odd/ id \u{1F980}")
        .unwrap()
        .unwrap();
    assert_eq!(found[0].to_bits(), (-0.0f32).to_bits());
}
