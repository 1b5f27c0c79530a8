//! One of three shard nodes is killed: searches and writes go on, nothing acknowledged is lost, and
//! the node catches up when it is back.

use std::fs;

use vectra_tests::http::{Api, Outcome, SearchAnswer};
use vectra_tests::model::Model;
use vectra_tests::sandbox::{Sandbox, wait_for_leaders, wait_for_nodes};
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

const DIMENSION: usize = 32;

/// Repeats a batch until it is acknowledged, as the contract allows: repeating is harmless.
fn ingest_until_acknowledged(api: &Api, model: &mut Model, name: &str, seed: u64) {
    let ids = numbered(name, 200);
    let vectors = random_vectors(&mut seeded(seed), 200, DIMENSION);
    eventually(&format!("{name} is acknowledged"), || {
        match api.try_ingest(&ids, &vectors) {
            Outcome::Acknowledged(_) => Ok(()),
            Outcome::Unknown(reason) => Err(reason),
        }
    });
    model.ingested(&ids, &vectors);
}

/// What a few searches answer, to the last bit of their scores.
fn answers(api: &Api) -> Vec<SearchAnswer> {
    let queries = random_vectors(&mut seeded(100), 5, DIMENSION);
    let answer =
        |query: &Vec<f32>| eventually("a search is answered", || api.try_search(query, 50));
    queries.iter().map(answer).collect()
}

/// Waits until searches are answered again, then checks every id.
fn settle(api: &Api, model: &mut Model) {
    wait_for_leaders(api);
    eventually("searches are answered", || {
        api.try_search(&[1.0; DIMENSION], 1).map(|_| ())
    });
    model.settle(api);
}

#[test]
fn each_node_in_turn() {
    let mut cluster = Sandbox::start_with(3, 3, &[("seal_bytes", "64KiB"), ("shards", "4")]);
    let api = cluster.api();
    let mut model = Model::default();
    ingest_until_acknowledged(&api, &mut model, "before/", 1);
    for victim in 0..3 {
        let before = answers(&api);
        cluster.shards[victim].kill();
        assert_eq!(answers(&api), before, "other replicas answer otherwise");
        ingest_until_acknowledged(&api, &mut model, &format!("without-{victim}/"), 2);
        settle(&api, &mut model);

        cluster.shards[victim].restart();
        ingest_until_acknowledged(&api, &mut model, &format!("with-{victim}/"), 3);
        wait_for_nodes(&api, 3);
        settle(&api, &mut model);
    }
}

#[test]
fn a_node_that_was_away_holds_everything_when_the_next_one_fails() {
    let mut cluster = Sandbox::start_with(1, 3, &[("seal_bytes", "64KiB"), ("shards", "2")]);
    let api = cluster.api();
    let mut model = Model::default();
    ingest_until_acknowledged(&api, &mut model, "before/", 1);
    cluster.shards[0].kill();
    // Enough to be sealed and purged from the log, so that catching up takes a snapshot.
    for batch in 0..20 {
        ingest_until_acknowledged(&api, &mut model, &format!("away-{batch}/"), 10 + batch);
    }
    api.delete(&numbered("before/", 50));
    model.deleted(&numbered("before/", 50));

    cluster.shards[0].restart();
    wait_for_nodes(&api, 3);
    // Acknowledged with another node gone means: on the one that was away.
    cluster.shards[1].kill();
    ingest_until_acknowledged(&api, &mut model, "after/", 50);
    settle(&api, &mut model);
}

#[test]
fn a_node_that_lost_its_data_comes_back_as_another() {
    let mut cluster = Sandbox::start_with(1, 3, &[("shards", "3")]);
    let api = cluster.api();
    let mut model = Model::default();
    ingest_until_acknowledged(&api, &mut model, "before/", 1);
    let victim = &mut cluster.shards[0];
    victim.kill();
    fs::remove_dir_all(victim.data()).expect("its data directory can be removed");
    victim.restart();
    ingest_until_acknowledged(&api, &mut model, "after/", 2);
    settle(&api, &mut model);

    // What it had is gone, and it must not vote as if it had it: with one more node lost, no
    // majority of the replicas that acknowledged is left, so nothing may be acknowledged.
    cluster.shards[1].kill();
    let late = numbered("late/", 100);
    let vectors = random_vectors(&mut seeded(3), 100, DIMENSION);
    let outcome = api.try_ingest(&late, &vectors);
    assert!(
        matches!(outcome, Outcome::Unknown(_)),
        "acknowledged by one of three: {outcome:?}"
    );
    model.perhaps_ingested(&late, &vectors);
    cluster.shards[1].restart();
    settle(&api, &mut model);
}
