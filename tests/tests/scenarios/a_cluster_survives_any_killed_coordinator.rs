//! Each coordinator in turn is killed, the first one too: the others go on serving.

use vectra_tests::http::Outcome;
use vectra_tests::model::Model;
use vectra_tests::sandbox::{Sandbox, wait_for_nodes};
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

#[test]
fn each_in_turn() {
    let mut cluster = Sandbox::start(3, 3);
    let mut model = Model::default();
    let vectors = random_vectors(&mut seeded(1), 200, 16);
    let ids = numbered("before/", 200);
    cluster.api().ingest(&ids, &vectors);
    model.ingested(&ids, &vectors);

    for victim in 0..3 {
        cluster.coordinators[victim].kill();
        for other in (0..3).filter(|other| *other != victim) {
            let api = cluster.coordinators[other].api();
            let ids = numbered(&format!("without-{victim}-by-{other}/"), 20);
            let vectors = random_vectors(&mut seeded(2), 20, 16);
            eventually("an ingest is acknowledged", || {
                match api.try_ingest(&ids, &vectors) {
                    Outcome::Acknowledged(_) => Ok(()),
                    Outcome::Unknown(reason) => Err(reason),
                }
            });
            model.ingested(&ids, &vectors);
            model.settle(&api);
        }
        cluster.coordinators[victim].restart();
        let back = cluster.coordinators[victim].api();
        wait_for_nodes(&back, 3);
        eventually("the one that was killed answers", || {
            back.try_search(&vectors[0], 1).map(drop)
        });
        model.settle(&back);
    }
}

#[test]
fn a_cluster_that_lost_one_coordinator_can_still_make_its_collection() {
    let mut cluster = Sandbox::start(3, 1);
    cluster.coordinators[0].kill();
    let api = cluster.coordinators[2].api();
    let vectors = random_vectors(&mut seeded(3), 10, 8);
    let ids = numbered("row-", 10);
    eventually("the first ingest is acknowledged", || {
        match api.try_ingest(&ids, &vectors) {
            Outcome::Acknowledged(_) => Ok(()),
            Outcome::Unknown(reason) => Err(reason),
        }
    });
    assert_eq!(
        cluster.coordinators[1].api().fetch("row-3").as_ref(),
        Some(&vectors[3])
    );
}
