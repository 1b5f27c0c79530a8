//! Replacement, deletion and repetition.

use vectra_tests::http::Api;
use vectra_tests::process::Vectra;
use vectra_tests::vectors::{numbered, random_vectors, seeded};

fn ids(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn assert_stored(api: &Api, id: &str, vector: &[f32]) {
    assert_eq!(api.fetch(id).as_deref(), Some(vector), "{id}");
    let hits = api.search(vector, 100).hits;
    assert_eq!(
        hits.iter().filter(|hit| hit.id == id).count(),
        1,
        "versions of {id} found"
    );
    let best = &hits[0];
    assert!(best.score > 0.999_999, "{best:?}");
}

#[test]
fn an_ingest_of_an_existing_id_replaces_it() {
    let server = Vectra::serve().start();
    let api = server.api();
    api.ingest(&ids(&["a", "b"]), &[vec![1.0, 0.0], vec![0.0, 1.0]]);
    api.ingest(&ids(&["a"]), &[vec![-1.0, 0.5]]);
    assert_eq!(api.items(), 2);
    assert_stored(&api, "a", &[-1.0, 0.5]);
    assert_stored(&api, "b", &[0.0, 1.0]);
}

#[test]
fn the_later_of_two_equal_ids_in_a_request_wins() {
    let server = Vectra::serve().start();
    let api = server.api();
    let names = ids(&["twice", "once", "twice"]);
    api.ingest(&names, &[vec![1.0, 0.0], vec![0.0, 1.0], vec![-1.0, 0.1]]);
    assert_eq!(api.items(), 2);
    assert_stored(&api, "twice", &[-1.0, 0.1]);
    assert_stored(&api, "once", &[0.0, 1.0]);
}

#[test]
fn repeating_a_request_is_harmless() {
    let server = Vectra::serve().set("seal_bytes", "64KiB").start();
    let api = server.api();
    let names = numbered("row-", 300);
    let vectors = random_vectors(&mut seeded(1), 300, 32);
    for _ in 0..8 {
        api.ingest(&names, &vectors);
    }
    assert_eq!(api.items(), 300);
    assert_stored(&api, "row-17", &vectors[17]);
}

#[test]
fn a_delete_counts_those_that_existed() {
    let server = Vectra::serve().start();
    let api = server.api();
    assert_eq!(
        api.delete(&ids(&["nothing", "here"])),
        0,
        "on a server without any vector"
    );
    api.ingest(
        &ids(&["a", "b", "c"]),
        &[vec![1.0, 0.0], vec![0.0, 1.0], vec![1.0, 1.0]],
    );
    assert_eq!(api.delete(&ids(&["a", "nobody", "b"])), 2);
    assert_eq!(api.delete(&ids(&["a", "b"])), 0);
    assert_eq!(
        api.delete(&ids(&["c", "c"])),
        1,
        "the same id twice in a request"
    );
    assert_eq!(api.items(), 0);
    assert_eq!(api.fetch("a"), None);
    api.ingest(&ids(&["a"]), &[vec![0.5, 0.5]]);
    assert_stored(&api, "a", &[0.5, 0.5]);
}

#[test]
fn a_deleted_vector_is_in_no_answer() {
    let server = Vectra::serve().set("seal_bytes", "64KiB").start();
    let api = server.api();
    let names = numbered("row-", 2_000);
    let vectors = random_vectors(&mut seeded(2), 2_000, 48);
    for (names, vectors) in names.chunks(250).zip(vectors.chunks(250)) {
        api.ingest(names, vectors);
    }
    for round in 0..4 {
        let gone = &names[round * 250..(round + 1) * 250];
        assert_eq!(api.delete(gone), 250);
        let left = api.search(&vectors[round * 250], 10_000).hits;
        assert_eq!(left.len(), 2_000 - (round + 1) * 250);
        assert!(
            left.iter().all(|hit| !gone.contains(&hit.id)),
            "a deleted id was found"
        );
    }
}
