//! SIGTERM or kill -9, with rows in segments or in memory: the same answers as before.

use vectra_tests::http::{Api, SearchAnswer};
use vectra_tests::model::Model;
use vectra_tests::process::Vectra;
use vectra_tests::vectors::{numbered, random_vectors, seeded};

const DIMENSION: usize = 64;

fn answers(api: &Api) -> Vec<SearchAnswer> {
    let queries = random_vectors(&mut seeded(100), 10, DIMENSION);
    queries.iter().map(|query| api.search(query, 50)).collect()
}

/// Writes, replaces and deletes over `rounds` restarts made by `restart`.
fn through_restarts(server: Vectra, rounds: usize, restart: impl Fn(&mut Vectra)) {
    let mut server = server.start();
    let api = server.api();
    let mut random = seeded(42);
    let mut model = Model::default();
    for round in 0..rounds {
        let ids = numbered(&format!("round-{}/", round % 2), 600);
        let vectors = random_vectors(&mut random, 600, DIMENSION);
        for (ids, vectors) in ids.chunks(100).zip(vectors.chunks(100)) {
            api.ingest(ids, vectors);
        }
        model.ingested(&ids, &vectors);
        let gone: Vec<String> = ids.iter().skip(round).step_by(4).cloned().collect();
        api.delete(&gone);
        model.deleted(&gone);

        let before = answers(&api);
        restart(&mut server);
        assert_eq!(answers(&api), before, "answers after restart {round}");
        model.settle(&api);
    }
}

fn stop_and_start(server: &mut Vectra) {
    server.stop();
    server.restart();
}

fn kill_and_start(server: &mut Vectra) {
    server.kill();
    server.restart();
}

#[test]
fn stopped_with_everything_in_memory() {
    through_restarts(Vectra::serve(), 2, stop_and_start);
}

#[test]
fn killed_with_everything_in_the_log() {
    through_restarts(Vectra::serve(), 2, kill_and_start);
}

#[test]
fn stopped_with_sealed_segments() {
    through_restarts(
        Vectra::serve()
            .set("seal_bytes", "64KiB")
            .set("shards", "2"),
        4,
        stop_and_start,
    );
}

#[test]
fn killed_with_sealed_segments() {
    through_restarts(
        Vectra::serve()
            .set("seal_bytes", "64KiB")
            .set("shards", "2"),
        4,
        kill_and_start,
    );
}

#[test]
fn an_empty_server_restarts_empty() {
    let mut server = Vectra::serve().start();
    kill_and_start(&mut server);
    stop_and_start(&mut server);
    assert_eq!(server.api().items(), 0);
    server.api().ingest(&["a".to_owned()], &[vec![1.0; 8]]);
    stop_and_start(&mut server);
    assert_eq!(server.api().fetch("a"), Some(vec![1.0; 8]));
}
