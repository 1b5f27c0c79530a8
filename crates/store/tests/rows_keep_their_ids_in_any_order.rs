//! A sealed segment has its rows in an order of its own: ids, vectors and tombstones go along.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use std::collections::BTreeMap;
use vectra_store::{Shard, ShardView, StoreOptions, WriteBatch};

const DIMENSION: usize = 64;

type Model = BTreeMap<String, Vec<f32>>;

/// Of which the first dimensions tell most, so that a segment of them is arranged.
fn vector(number: u32, version: u32) -> Vec<f32> {
    let mut state = u64::from(number) << 32 | u64::from(version) << 1 | 1;
    (0..DIMENSION)
        .map(|i| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(99);
            let noise = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            noise * 0.8f32.powi(i as i32)
        })
        .collect()
}

fn upsert(shard: &Shard, model: &mut Model, numbers: std::ops::Range<u32>, version: u32) {
    let ids: Vec<String> = numbers.clone().map(|number| format!("v{number}")).collect();
    let vectors: Vec<Vec<f32>> = numbers.map(|number| vector(number, version)).collect();
    model.extend(ids.iter().cloned().zip(vectors.iter().cloned()));
    let batch = WriteBatch::Upsert {
        ids,
        dimension: DIMENSION as u32,
        vectors: vectors.concat(),
    };
    shard.apply(&batch.encode()).unwrap();
}

fn delete(shard: &Shard, model: &mut Model, numbers: impl Iterator<Item = u32>) {
    let ids: Vec<String> = numbers.map(|number| format!("v{number}")).collect();
    ids.iter().for_each(|id| drop(model.remove(id)));
    shard.apply(&WriteBatch::Delete { ids }.encode()).unwrap();
}

/// By id and by row.
fn check(view: &ShardView, model: &Model) {
    let mut found = Model::new();
    for part in view.parts() {
        for row in (0..part.rows()).filter(|&row| part.is_live(row)) {
            let mut vector = Vec::new();
            part.read_vector(row, &mut vector).unwrap();
            assert_eq!(found.insert(part.id(row).unwrap(), vector), None);
        }
    }
    assert!(
        found == *model,
        "{} rows instead of {}",
        found.len(),
        model.len()
    );
    for (id, vector) in model.iter().step_by(97) {
        assert_eq!(view.find(id).unwrap().as_ref(), Some(vector), "{id}");
    }
}

fn arranged_parts(view: &ShardView) -> usize {
    let parts = view.parts().iter();
    parts
        .filter(|part| part.codes().frame().leaves.is_some())
        .count()
}

#[test]
fn through_checkpoints_compactions_and_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Shard::open(directory.path(), DIMENSION, StoreOptions::default()).unwrap();
    let shard = open();
    let mut model = Model::new();

    upsert(&shard, &mut model, 0..2500, 0);
    delete(&shard, &mut model, (0..2500).step_by(11));
    let frozen = shard.freeze(Bytes::from_static(b"1"));
    // Between the freeze and the end of the sealing: these die in the segment, wherever they went.
    delete(&shard, &mut model, (3..2500).step_by(7));
    upsert(&shard, &mut model, 100..200, 1);
    shard.seal(frozen).unwrap();
    assert_eq!(arranged_parts(&shard.view()), 1, "no segment was arranged");
    check(&shard.view(), &model);

    upsert(&shard, &mut model, 2400..5000, 2);
    shard.seal(shard.freeze(Bytes::from_static(b"2"))).unwrap();
    check(&shard.view(), &model);
    delete(&shard, &mut model, (1..5000).step_by(5));
    check(&shard.view(), &model);
    assert_eq!(arranged_parts(&shard.view()), 2);

    while shard.compact(u64::MAX).unwrap() {}
    assert_eq!(shard.view().parts().len(), 1, "nothing was merged");
    check(&shard.view(), &model);
    shard.seal(shard.freeze(Bytes::from_static(b"3"))).unwrap();
    drop(shard);
    check(&open().view(), &model);
}
