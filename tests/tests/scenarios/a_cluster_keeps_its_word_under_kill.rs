//! Seeded rounds in which processes of a cluster are killed, stopped, or put to sleep while clients
//! of different coordinators write; then everything acknowledged is there, and nothing else.
//!
//! `VECTRA_TEST_CLUSTER_ROUNDS` sets how many (3), `VECTRA_TEST_SEED` replays a run.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use vectra_tests::http::{Api, Outcome};
use vectra_tests::model::Model;
use vectra_tests::process::Vectra;
use vectra_tests::sandbox::{Sandbox, wait_for_leaders, wait_for_nodes};
use vectra_tests::seed::{rounds, seed};
use vectra_tests::until::Until;
use vectra_tests::vectors::{random_vectors, seeded};
use vectra_tests::wait::eventually;

const DIMENSION: usize = 32;
const IDS_A_WRITER: usize = 300;

#[derive(Debug, Clone, Copy)]
enum Fault {
    KillShard(usize),
    KillCoordinator(usize),
    SleepShard(usize),
    StopShard(usize),
    KillEveryShard,
}

fn any_fault(random: &mut StdRng) -> Fault {
    let victim = random.random_range(0..3);
    match random.random_range(0..10) {
        0..4 => Fault::KillShard(victim),
        4..6 => Fault::KillCoordinator(victim),
        6..8 => Fault::SleepShard(victim),
        8 => Fault::StopShard(victim),
        _ => Fault::KillEveryShard,
    }
}

/// Does it, waits, and repairs it.
fn strike(cluster: &mut Sandbox, fault: Fault, lasting: Duration) {
    match fault {
        Fault::KillShard(victim) => {
            cluster.shards[victim].kill();
            thread::sleep(lasting);
            cluster.shards[victim].restart();
        }
        Fault::KillCoordinator(victim) => {
            cluster.coordinators[victim].kill();
            thread::sleep(lasting);
            cluster.coordinators[victim].restart();
        }
        Fault::SleepShard(victim) => {
            cluster.shards[victim].freeze();
            thread::sleep(lasting);
            cluster.shards[victim].thaw();
        }
        Fault::StopShard(victim) => {
            cluster.shards[victim].stop();
            cluster.shards[victim].restart();
        }
        Fault::KillEveryShard => {
            cluster.shards.iter_mut().for_each(Vectra::kill);
            cluster.shards.iter_mut().for_each(Vectra::restart);
        }
    }
}

/// Writes to ids of its own until told to stop, whatever happens to the writes.
fn write_until(end: &Until, api: &Api, name: &str, mut random: StdRng, model: &Mutex<Model>) {
    while !end.is_now() {
        let count = random.random_range(1..40);
        let ids: Vec<String> = (0..count)
            .map(|_| format!("{name}/{}", random.random_range(0..IDS_A_WRITER)))
            .collect();
        if random.random_bool(0.25) {
            let outcome = api.try_delete(&ids);
            let mut model = model.lock().unwrap();
            match outcome {
                Outcome::Acknowledged(_) => model.deleted(&ids),
                Outcome::Unknown(_) => model.perhaps_deleted(&ids),
            }
        } else {
            let vectors = random_vectors(&mut random, count, DIMENSION);
            let outcome = api.try_ingest(&ids, &vectors);
            let mut model = model.lock().unwrap();
            match outcome {
                Outcome::Acknowledged(_) => model.ingested(&ids, &vectors),
                Outcome::Unknown(_) => model.perhaps_ingested(&ids, &vectors),
            }
        }
    }
}

#[test]
fn rounds_of_faults() {
    let rounds = rounds("VECTRA_TEST_CLUSTER_ROUNDS", 3);
    let seed = seed();
    println!("run again with VECTRA_TEST_SEED={seed} VECTRA_TEST_CLUSTER_ROUNDS={rounds}");

    let mut random = seeded(seed);
    let mut cluster = Sandbox::start_with(3, 3, &[("seal_bytes", "64KiB"), ("shards", "3")]);
    let apis: Vec<Api> = cluster.coordinators.iter().map(Vectra::api).collect();
    let mut model = Mutex::new(Model::default());
    for round in 0..rounds {
        let fault = any_fault(&mut random);
        let lasting = Duration::from_millis(random.random_range(0..4_000));
        println!("round {round}: {fault:?} for {lasting:?}");
        let end = Until::default();
        thread::scope(|scope| {
            let _end_after_all = end.dropped();
            for (number, api) in apis.iter().enumerate().take(2) {
                let generator = seeded(random.random());
                let name = format!("writer-{number}");
                let (end, model) = (&end, &model);
                scope.spawn(move || write_until(end, api, &name, generator, model));
            }
            thread::sleep(Duration::from_millis(500));
            strike(&mut cluster, fault, lasting);
            thread::sleep(Duration::from_millis(500));
        });
        let model = model.get_mut().unwrap();
        for api in &apis {
            wait_for_nodes(api, 3);
            wait_for_leaders(api);
            eventually("it searches", || {
                api.try_search(&[1.0; DIMENSION], 1).map(drop)
            });
            model.settle(api);
        }
    }
}
