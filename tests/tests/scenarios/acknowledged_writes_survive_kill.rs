//! Seeded rounds of writes and deletes under `kill -9` at random moments.
//!
//! `VECTRA_TEST_ROUNDS` sets how many (12), `VECTRA_TEST_SEED` replays a run: the writes are the
//! same, the moment of each kill as near as the machine allows.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use vectra_tests::http::{Api, Outcome};
use vectra_tests::model::Model;
use vectra_tests::process::Vectra;
use vectra_tests::seed::{rounds, seed};
use vectra_tests::until::Until;
use vectra_tests::vectors::{random_vectors, seeded};

const DIMENSION: usize = 48;
/// Each writer has ids of its own, so that what it knows of them is in order.
const WRITERS: usize = 3;
const IDS_A_WRITER: usize = 400;

#[test]
fn rounds_of_writes_under_kill() {
    let rounds = rounds("VECTRA_TEST_ROUNDS", 12);
    let seed = seed();
    println!("run again with VECTRA_TEST_SEED={seed} VECTRA_TEST_ROUNDS={rounds}");

    let mut random = seeded(seed);
    let mut server = Vectra::serve()
        .set("seal_bytes", "64KiB")
        .set("shards", "3")
        .start();
    let api = server.api();
    let mut model = Mutex::new(Model::default());
    for round in 0..rounds {
        let moment = Duration::from_millis(random.random_range(5..700));
        let end = Until::default();
        thread::scope(|scope| {
            let _end_after_all = end.dropped();
            for writer in 0..WRITERS {
                let generator = seeded(random.random());
                let (api, end, model) = (&api, &end, &model);
                scope.spawn(move || write_until(end, api, writer, generator, model));
            }
            thread::sleep(moment);
            server.kill();
        });
        server.restart();
        println!(
            "round {round}: killed after {moment:?}, {} items",
            api.items()
        );
        model.get_mut().unwrap().settle(&api);
    }
}

fn write_until(end: &Until, api: &Api, writer: usize, mut random: StdRng, model: &Mutex<Model>) {
    while !end.is_now() {
        let count = *[1, 1, 7, 60].get(random.random_range(0..4)).unwrap_or(&1);
        let ids: Vec<String> = (0..count)
            .map(|_| format!("writer-{writer}/{}", random.random_range(0..IDS_A_WRITER)))
            .collect();
        let outcome = if random.random_bool(0.3) {
            let outcome = api.try_delete(&ids);
            let mut model = model.lock().unwrap();
            match outcome {
                Outcome::Acknowledged(_) => model.deleted(&ids),
                Outcome::Unknown(_) => model.perhaps_deleted(&ids),
            }
            outcome
        } else {
            let vectors = random_vectors(&mut random, count, DIMENSION);
            let outcome = api.try_ingest(&ids, &vectors);
            let mut model = model.lock().unwrap();
            match outcome {
                Outcome::Acknowledged(_) => model.ingested(&ids, &vectors),
                Outcome::Unknown(_) => model.perhaps_ingested(&ids, &vectors),
            }
            outcome
        };
        if let Outcome::Unknown(_) = outcome {
            return;
        }
    }
}
