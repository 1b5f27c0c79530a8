//! Seeded rounds in which processes are killed, put to sleep and cut off from each other while clients
//! of all coordinators write, delete, fetch and search the same few ids: whatever they were told, one
//! order of their operations explains it. docs/testing.md says how to run many rounds, and one again.
//!
//! `VECTRA_TEST_LINEARIZABILITY_ROUNDS` sets how many (4), `VECTRA_TEST_SEED` replays a run.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rand::Rng;
use vectra_tests::http::Api;
use vectra_tests::http::Outcome;
use vectra_tests::linearizability::clients::{Client, read_everything};
use vectra_tests::linearizability::register::{Board, Clock};
use vectra_tests::links::Links;
use vectra_tests::nemesis::{schedule, strike};
use vectra_tests::process::Vectra;
use vectra_tests::sandbox::{Sandbox, wait_for_leaders, wait_for_nodes};
use vectra_tests::seed::{rounds, seed};
use vectra_tests::until::Until;
use vectra_tests::vectors::{numbered, random_vectors, seeded};

const CLIENTS: usize = 6;
/// Few, so that the clients meet.
const REGISTERS: usize = 4;

/// Small segments, so that rows travel between memory and files all the time; a short deadline, so
/// that clients go on while something is wrong.
const SETTINGS: [(&str, &str); 4] = [
    ("shards", "3"),
    ("seal_bytes", "4KiB"),
    ("seal_after", "1s"),
    ("http.timeout", "1s"),
];

/// A shard of very few rows, that outgrows `split_at` in every round.
const SPLITTING: [(&str, &str); 5] = [
    ("shards", "1"),
    ("split_at", "100"),
    ("seal_bytes", "4KiB"),
    ("seal_after", "1s"),
    ("http.timeout", "1s"),
];
/// Rows that come in every round, in which nobody is interested.
const GROWTH: usize = 150;

#[test]
fn under_kill_sleep_and_partition() {
    play(&SETTINGS, 0);
}

#[test]
fn while_shards_split_under_kill_sleep_and_partition() {
    let shards = play(&SPLITTING, GROWTH);
    assert!(shards > 1, "nothing has split");
}

/// Stores so many rows, whatever it takes.
fn grow(api: &Api, round: u64, rows: usize, end: &Until) {
    let ids = numbered(&format!("growth-{round}-"), rows);
    let vectors = random_vectors(&mut seeded(round), rows, 8);
    for (ids, vectors) in ids.chunks(10).zip(vectors.chunks(10)) {
        while !end.is_now() {
            match api.try_ingest(ids, vectors) {
                Outcome::Acknowledged(_) => break,
                Outcome::Unknown(_) => thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

/// Plays the rounds; how many shards there are then. So many further rows come in each round.
fn play(settings: &[(&str, &str)], growth: usize) -> usize {
    let rounds = rounds("VECTRA_TEST_LINEARIZABILITY_ROUNDS", 4);
    let seed = seed();
    println!("run again with VECTRA_TEST_SEED={seed} VECTRA_TEST_LINEARIZABILITY_ROUNDS={rounds}");

    let mut random = seeded(seed);
    let links = Links::default();
    let mut cluster = Sandbox::start_linked(3, 3, settings, &links);
    let apis: Vec<Api> = cluster.coordinators.iter().map(Vectra::api).collect();
    let first = random_vectors(&mut seeded(0), 1, 8);
    cluster.api().ingest(&numbered("first-", 1), &first);
    let clock = Clock::default();
    for round in 0..rounds {
        let strikes = schedule(&mut random, 3, 3);
        let board = Board::new(&format!("round-{round}"), REGISTERS);
        let told = Mutex::new(vec![format!("round {round}: {strikes:?}")]);
        let end = Until::default();
        thread::scope(|scope| {
            let _end_after_all = end.dropped();
            for number in 0..CLIENTS {
                let client = Client {
                    name: format!("client-{number}"),
                    apis: &apis,
                    favourite: number % apis.len(),
                    board: &board,
                    clock: &clock,
                    random: seeded(random.random()),
                };
                let end = &end;
                scope.spawn(move || client.run_until(end));
            }
            scope.spawn(|| grow(&apis[round as usize % apis.len()], round, growth, &end));
            strike(&mut cluster, &links, &strikes, |what| {
                told.lock()
                    .unwrap()
                    .push(format!("{:>8} {what}", clock.now()));
            });
        });
        for process in cluster.coordinators.iter_mut().chain(&mut cluster.shards) {
            process.wait_until_online();
        }
        for api in &apis {
            wait_for_nodes(api, 3);
            wait_for_leaders(api);
        }
        read_everything(&apis, &board, &clock);
        let told = told.into_inner().unwrap().join("\n");
        let (mut acknowledged, mut seen) = (0, 0);
        for register in board.all() {
            if let Err(violation) = register.check() {
                panic!("{told}\n{violation}");
            }
            let counts = register.acknowledged_and_seen();
            (acknowledged, seen) = (acknowledged + counts.0, seen + counts.1);
        }
        println!("{told}\n{acknowledged} writes acknowledged, {seen} sights");
        assert!(acknowledged > 0 && seen > acknowledged);
    }
    let status = apis[0].try_cluster().unwrap();
    links.end();
    status["shards"].as_array().map_or(0, Vec::len)
}
