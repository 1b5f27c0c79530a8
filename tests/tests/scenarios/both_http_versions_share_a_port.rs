//! HTTP/1.1 and HTTP/2 with prior knowledge on the same port.

use vectra_tests::http::Api;
use vectra_tests::process::Vectra;
use vectra_tests::vectors::{numbered, random_vectors, seeded};

#[test]
fn what_one_version_wrote_the_other_reads() {
    let server = Vectra::serve().start();
    let (first, second) = (Api::new(&server.url()), Api::http2(&server.url()));
    let vectors = random_vectors(&mut seeded(11), 500, 384);
    let ids = numbered("row/", vectors.len());

    second.ingest(&ids, &vectors);
    assert_eq!(first.items(), 500);
    assert_eq!(first.fetch("row/7").as_ref(), Some(&vectors[7]));
    assert_eq!(
        first.search(&vectors[3], 10),
        second.search(&vectors[3], 10)
    );
    assert_eq!(first.delete(&ids[..250]), 250);
    assert_eq!(second.items(), 250);
    second.get("/nowhere").problem(404);
}
