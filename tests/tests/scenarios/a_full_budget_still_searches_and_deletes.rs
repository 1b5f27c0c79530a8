//! Over the memory budget an ingest is answered 507; searches and deletes go on.

use serde_json::json;
use vectra_tests::process::Vectra;
use vectra_tests::vectors::{numbered, random_vectors, seeded};

const BATCH: usize = 500;
const DIMENSION: usize = 256;

#[test]
fn until_there_is_room_again() {
    let server = Vectra::serve().set("memory_budget", "4MiB").start();
    let api = server.api();
    let mut random = seeded(7);
    let mut stored: Vec<String> = Vec::new();
    let mut kept = Vec::new();
    let (refused, ids, vectors) = loop {
        let ids = numbered(&format!("batch-{}/", stored.len() / BATCH), BATCH);
        let vectors = random_vectors(&mut random, BATCH, DIMENSION);
        let answer = api.post("/ingest", &json!({"ids": ids, "vectors": vectors}));
        if answer.status != 201 {
            break (answer, ids, vectors);
        }
        stored.extend(ids);
        kept = vectors;
        assert!(stored.len() < 200_000, "200 MB in a budget of 4 MiB");
    };
    let problem = refused.problem(507);
    assert!(problem.to_string().contains("memory_budget"), "{problem}");
    // A shard that had room when it was asked may have taken its part; none has taken half a vector.
    let mut taken = 0;
    for (id, vector) in ids.iter().zip(&vectors) {
        if let Some(found) = api.fetch(id) {
            assert_eq!(&found, vector, "{id}");
            taken += 1;
        }
    }
    assert!(taken < BATCH, "refused, and nothing of it was");
    assert_eq!(api.items(), (stored.len() + taken) as u64);

    let last = stored.last().expect("something fits in the budget");
    let query = kept.last().expect("something fits in the budget");
    assert_eq!(&api.search(query, 1).hits[0].id, last);
    assert_eq!(api.delete(&stored[..BATCH]), BATCH as u64);
    assert_eq!(api.items(), (stored.len() + taken - BATCH) as u64);
}

#[test]
fn a_disk_reserve_larger_than_the_disk_refuses_ingests() {
    let server = Vectra::serve().set("disk_reserve", "1000000GiB").start();
    let api = server.api();
    let answer = api.post("/ingest", &json!({"ids": ["a"], "vectors": [[1, 2, 3]]}));
    let problem = answer.problem(507);
    assert!(problem.to_string().contains("disk_reserve"), "{problem}");
    assert_eq!(api.items(), 0);
}
