//! Every process killed at once, while it writes, and started again.

use std::thread;
use std::time::Duration;

use vectra_tests::http::{Api, Outcome};
use vectra_tests::model::Model;
use vectra_tests::sandbox::{Sandbox, wait_for_leaders};
use vectra_tests::until::Until;
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

const DIMENSION: usize = 24;

/// Ingests batch after batch until one is not acknowledged.
fn write_until(end: &Until, api: &Api, round: u64) -> Model {
    let mut model = Model::default();
    let mut random = seeded(round);
    for batch in 0.. {
        let ids = numbered(&format!("round-{round}/batch-{batch}/"), 20);
        let vectors = random_vectors(&mut random, 20, DIMENSION);
        match api.try_ingest(&ids, &vectors) {
            Outcome::Acknowledged(_) => model.ingested(&ids, &vectors),
            Outcome::Unknown(_) => {
                model.perhaps_ingested(&ids, &vectors);
                break;
            }
        }
        if end.is_now() || batch > 60 {
            break;
        }
    }
    model
}

#[test]
fn twice_in_the_middle_of_writing() {
    let mut cluster = Sandbox::start_with(3, 3, &[("seal_bytes", "64KiB"), ("shards", "4")]);
    let api = cluster.api();
    let mut model = Model::default();
    for round in 0..2 {
        let end = Until::default();
        let written = thread::scope(|scope| {
            let end_after_all = end.dropped();
            let writer = scope.spawn(|| write_until(&end, &api, round));
            thread::sleep(Duration::from_millis(900));
            cluster.kill_all();
            drop(end_after_all);
            writer.join().expect("the writer")
        });
        model.merge(written);
        cluster.start_all();
        wait_for_leaders(&api);
        eventually("searches are answered", || {
            api.try_search(&[1.0; DIMENSION], 1).map(drop)
        });
        model.settle(&api);
    }
    assert!(
        !model.rows().is_empty(),
        "nothing was written before the first kill"
    );
}
