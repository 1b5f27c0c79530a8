//! For a while no file can be opened: checkpoints fail, so writes are refused before memory runs
//! over. When the trouble is over, writes go on by themselves.

use vectra_tests::http::Outcome;
use vectra_tests::model::Model;
use vectra_tests::process::Vectra;
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

const DIMENSION: usize = 64;
const BATCH: usize = 100;

#[test]
fn writes_go_on_after_checkpoints_that_failed() {
    let mut server = Vectra::serve()
        .set("seal_bytes", "64KiB")
        .set("shards", "1")
        .set("http.timeout", "3s")
        .start();
    let api = server.api();
    let mut model = Model::default();
    let mut random = seeded(1);
    let mut batch = |number: usize| {
        (
            numbered(&format!("batch-{number}/"), BATCH),
            random_vectors(&mut random, BATCH, DIMENSION),
        )
    };
    let (ids, vectors) = batch(0);
    api.ingest(&ids, &vectors);
    model.ingested(&ids, &vectors);

    server.may_open_files(false);
    let mut refused = false;
    for number in 1..40 {
        let (ids, vectors) = batch(number);
        match api.try_ingest(&ids, &vectors) {
            Outcome::Acknowledged(_) => model.ingested(&ids, &vectors),
            Outcome::Unknown(_) => {
                model.perhaps_ingested(&ids, &vectors);
                refused = true;
                break;
            }
        }
    }
    assert!(
        refused,
        "1 MB of rows were taken, and could not be written, at a seal_bytes of 64 KiB"
    );
    assert!(
        server.log().contains("checkpoint"),
        "the log says nothing of the trouble"
    );
    assert!(
        !api.search(&vectors[0], 1).hits.is_empty(),
        "searches go on"
    );

    server.may_open_files(true);
    let (ids, vectors) = batch(100);
    eventually("writes go on", || match api.try_ingest(&ids, &vectors) {
        Outcome::Acknowledged(_) => Ok(()),
        Outcome::Unknown(reason) => Err(reason),
    });
    model.ingested(&ids, &vectors);
    server.kill();
    server.restart();
    model.settle(&api);
}
