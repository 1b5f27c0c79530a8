//! Searches through the scanning threads, against scoring every row.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use vectra_kernel::Query;
use vectra_store::{Shard, ShardView, StoreOptions, WriteBatch};

use super::scan_pool::{ScanPool, Scanning};
use super::search_job::SearchJob;
use crate::root::{Hit, Precision};

const DIMENSION: usize = 96;

/// Clustered vectors with many exact duplicates, so that ties and tight bounds both occur, and of which
/// few dimensions tell most, so that sealed segments are scanned in stages.
fn vectors(random: &mut StdRng, count: usize) -> Vec<f32> {
    let centres: Vec<Vec<f32>> = (0..9)
        .map(|_| {
            (0..DIMENSION)
                .map(|_| random.random_range(-1.0..1.0))
                .collect()
        })
        .collect();
    let mut values = Vec::with_capacity(count * DIMENSION);
    for _ in 0..count {
        let centre = &centres[random.random_range(0..centres.len())];
        let spread = if random.random_bool(0.2) { 0.0 } else { 0.3 };
        let spread = |i: usize| spread * 0.8f32.powi(i as i32 / 2);
        values.extend(
            centre
                .iter()
                .enumerate()
                .map(|(i, value)| value + spread(i) * random.random_range(-1.0..1.0)),
        );
    }
    values
}

fn ingest(shard: &Shard, random: &mut StdRng, ids: std::ops::Range<usize>) {
    let dimension = u32::try_from(DIMENSION).unwrap();
    let vectors = vectors(random, ids.len());
    let ids = ids.map(|id| format!("v{id}")).collect();
    shard
        .apply(
            &WriteBatch::Upsert {
                ids,
                dimension,
                vectors,
            }
            .encode(),
        )
        .unwrap();
}

/// Three shards of sealed and growing parts, with replaced and deleted rows in both.
fn shards(random: &mut StdRng, root: &std::path::Path) -> Vec<Shard> {
    let mut shards = Vec::new();
    for number in 0..3 {
        let directory = root.join(number.to_string());
        let shard = Shard::open(&directory, DIMENSION, StoreOptions::default()).unwrap();
        let first = number * 10_000;
        ingest(&shard, random, first..first + 1_500);
        shard
            .seal(shard.freeze(Bytes::from_static(b"mark")))
            .unwrap();
        ingest(&shard, random, first + 1_300..first + 2_000);
        let gone = (first + 100..first + 1_900)
            .step_by(7)
            .map(|id| format!("v{id}"))
            .collect();
        shard
            .apply(&WriteBatch::Delete { ids: gone }.encode())
            .unwrap();
        shards.push(shard);
    }
    shards
}

fn best_by_scoring_every_row(views: &[Arc<ShardView>], query: &Query, k: usize) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut vector = Vec::new();
    for part in views.iter().flat_map(|view| view.parts()) {
        for row in (0..part.rows()).filter(|&row| part.is_live(row)) {
            part.read_vector(row, &mut vector).unwrap();
            hits.push(Hit {
                id: part.id(row).unwrap(),
                score: query.score(&vector),
            });
        }
    }
    crate::root::merge(hits, k)
}

#[tokio::test]
async fn concurrent_searches_each_find_exactly_what_scoring_every_row_finds() {
    let random = &mut StdRng::seed_from_u64(7);
    let root = tempfile::tempdir().unwrap();
    let shards = shards(random, root.path());
    let views: Vec<Arc<ShardView>> = shards.iter().map(Shard::view).collect();
    let mut parts = views.iter().flat_map(|view| view.parts());
    assert!(
        parts.any(|part| part.codes().frame().stages.len() > 1),
        "no stages"
    );
    let queries: Vec<(Vec<f32>, usize)> = (0..80)
        .map(|number| (vectors(random, 1), [1, 2, 10, 100, 5_000][number % 5]))
        .collect();

    for scanning in [Scanning::OnThreads(3), Scanning::InTurn] {
        let pool = ScanPool::start(scanning).unwrap();
        let searches = queries.iter().map(|(vector, k)| {
            let query = Query::new(vector.clone()).unwrap();
            pool.search(SearchJob::new(query, *k, Precision::Exact, views.clone()))
        });
        for ((vector, k), found) in queries.iter().zip(join_all(searches).await) {
            let query = Query::new(vector.clone()).unwrap();
            assert_eq!(
                found.unwrap(),
                best_by_scoring_every_row(&views, &query, *k),
                "k = {k}"
            );
        }
    }
}

#[tokio::test]
async fn the_integer_ranking_comes_close_and_is_ordered() {
    let random = &mut StdRng::seed_from_u64(8);
    let root = tempfile::tempdir().unwrap();
    let shards = shards(random, root.path());
    let views: Vec<Arc<ShardView>> = shards.iter().map(Shard::view).collect();
    let pool = ScanPool::start(Scanning::OnThreads(2)).unwrap();
    let query = Query::new(vectors(random, 1)).unwrap();

    let job = SearchJob::new(query.clone(), 50, Precision::Sq8, views.clone());
    let found = pool.search(job).await.unwrap();

    let best = best_by_scoring_every_row(&views, &query, 50);
    assert_eq!(found.len(), 50);
    assert!(found.is_sorted_by(|left, right| left.score >= right.score));
    for (found, best) in found.iter().zip(&best) {
        assert!(
            (found.score - best.score).abs() < 0.02,
            "{found:?} for {best:?}"
        );
    }
}

#[tokio::test]
async fn an_empty_shard_has_no_hits() {
    let root = tempfile::tempdir().unwrap();
    let shard = Shard::open(root.path(), DIMENSION, StoreOptions::default()).unwrap();
    let pool = ScanPool::start(Scanning::OnThreads(1)).unwrap();
    let query = Query::new(vec![1.0; DIMENSION]).unwrap();
    let job = SearchJob::new(query, 5, Precision::Exact, vec![shard.view()]);
    assert_eq!(pool.search(job).await.unwrap(), Vec::new());
}
