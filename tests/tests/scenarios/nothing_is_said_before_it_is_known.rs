//! A process that has just started knows nothing yet: until it does, it may be silent or answer
//! 503, but never as if there were nothing.

use std::time::{Duration, Instant};

use vectra_tests::http::Api;
use vectra_tests::process::Vectra;
use vectra_tests::sandbox::Sandbox;
use vectra_tests::vectors::{numbered, random_vectors, seeded};

const ROWS: usize = 200;
const DIMENSION: usize = 16;

fn rows() -> (Vec<String>, Vec<Vec<f32>>) {
    (
        numbered("row-", ROWS),
        random_vectors(&mut seeded(1), ROWS, DIMENSION),
    )
}

/// Asks from before the server listens until it has answered each question a few times.
fn ask_from_the_first_moment(api: &Api) {
    let (ids, vectors) = rows();
    let start = Instant::now();
    let mut answers = 0;
    while answers < 5 {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "no answer from {}",
            api.base()
        );
        if let Ok(found) = api.try_search(&vectors[0], 3) {
            assert_eq!(found.hits.len(), 3, "hits found by {}", api.base());
            answers += 1;
        }
        if let Ok(found) = api.try_fetch(&ids[7]) {
            assert_eq!(
                found.as_ref(),
                Some(&vectors[7]),
                "{} by {}",
                ids[7],
                api.base()
            );
        }
    }
}

#[test]
fn by_a_server_that_starts_again() {
    let (ids, vectors) = rows();
    let mut server = Vectra::serve().start();
    server.api().ingest(&ids, &vectors);
    for _ in 0..8 {
        server.kill();
        server.spawn();
        ask_from_the_first_moment(&server.api());
    }
}

#[test]
fn by_coordinators_that_start_again() {
    let (ids, vectors) = rows();
    let mut cluster = Sandbox::start(3, 3);
    cluster.api().ingest(&ids, &vectors);
    for number in 0..3 {
        cluster.coordinators[number].kill();
        cluster.coordinators[number].spawn();
        ask_from_the_first_moment(&cluster.coordinators[number].api());
    }
}

#[test]
fn by_the_other_coordinators_after_the_first_ingest() {
    let (ids, vectors) = rows();
    let cluster = Sandbox::start(3, 3);
    cluster.api().ingest(&ids, &vectors);
    for other in cluster.coordinators.iter().rev() {
        let found = other.api().search(&vectors[0], 3);
        assert_eq!(found.hits.len(), 3, "hits found by {}", other.url());
        assert_eq!(
            other.api().delete(&ids[..1]),
            u64::from(other.url() == last(&cluster))
        );
    }
}

fn last(cluster: &Sandbox) -> String {
    cluster
        .coordinators
        .last()
        .map(Vectra::url)
        .unwrap_or_default()
}
