//! While ids are replaced and sealed over and over, every search finds each of them exactly once,
//! in a version that was current when the search ran; and what was acknowledged before is in it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use vectra_tests::http::Api;
use vectra_tests::process::Vectra;
use vectra_tests::sandbox::Sandbox;
use vectra_tests::until::Until;
use vectra_tests::vectors::numbered;

const IDS: usize = 120;
const VERSIONS: u64 = 60;
const DIMENSION: usize = 40;

/// Version `v` of every id points into a direction of its own, so that the score tells the version.
fn vector_of(version: u64) -> Vec<f32> {
    let angle = version as f32 / VERSIONS as f32 * std::f32::consts::FRAC_PI_2;
    let mut vector = vec![0.0; DIMENSION];
    vector[0] = angle.cos();
    vector[1] = angle.sin();
    vector
}

/// The version that a score against `vector_of(0)` tells.
fn version_of(score: f32) -> u64 {
    let angle = score.clamp(-1.0, 1.0).acos();
    (angle / std::f32::consts::FRAC_PI_2 * VERSIONS as f32).round() as u64
}

fn replace_and_search(writer: &Api, readers: &[Api]) {
    let ids = numbered("id-", IDS);
    writer.ingest(&ids, &vec![vector_of(0); IDS]);
    let acknowledged = AtomicU64::new(0);
    let begun = AtomicU64::new(0);
    let end = Until::default();
    thread::scope(|scope| {
        let _end_after_all = end.dropped();
        for api in readers {
            let (acknowledged, begun, end) = (&acknowledged, &begun, &end);
            scope.spawn(move || {
                while !end.is_now() {
                    let oldest = acknowledged.load(Ordering::SeqCst);
                    let hits = api.search(&vector_of(0), 10_000).hits;
                    let newest = begun.load(Ordering::SeqCst);
                    let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
                    for hit in &hits {
                        let before = versions.insert(&hit.id, version_of(hit.score));
                        assert!(before.is_none(), "{} is found twice", hit.id);
                    }
                    assert_eq!(versions.len(), IDS, "ids found while they are replaced");
                    for (id, version) in versions {
                        let is_current = (oldest..=newest).contains(&version);
                        assert!(
                            is_current,
                            "{id} in version {version}, not {oldest} to {newest}"
                        );
                    }
                }
            });
        }
        for version in 1..VERSIONS {
            begun.store(version, Ordering::SeqCst);
            writer.ingest(&ids, &vec![vector_of(version); IDS]);
            acknowledged.store(version, Ordering::SeqCst);
        }
    });
}

#[test]
fn on_one_process() {
    let server = Vectra::serve()
        .set("seal_bytes", "64KiB")
        .set("shards", "2")
        .start();
    replace_and_search(&server.api(), &[server.api(), server.api()]);
}

#[test]
fn on_a_cluster_through_every_coordinator() {
    let cluster = Sandbox::start_with(3, 3, &[("seal_bytes", "64KiB"), ("shards", "3")]);
    let readers: Vec<Api> = cluster.coordinators.iter().map(Vectra::api).collect();
    replace_and_search(&cluster.api(), &readers);
}
