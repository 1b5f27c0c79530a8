//! Rows do not wait in memory for more to come: a stop and a quiet moment seal them.

use std::path::Path;
use std::{fs, io};

use vectra_tests::model::Model;
use vectra_tests::process::Vectra;
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

const DIMENSION: usize = 64;
const ROWS: usize = 2_000;

/// Rows in the `.vectors` files below a directory, by their length (`docs/format.md`). An error if
/// one comes or goes meanwhile.
fn sealed_rows(directory: &Path) -> io::Result<usize> {
    let mut rows = 0;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            rows += sealed_rows(&path)?;
        } else if path.extension().is_some_and(|found| found == "vectors") {
            rows += fs::metadata(&path)?.len() as usize / (4 * DIMENSION + 4);
        }
    }
    Ok(rows)
}

fn ingest(server: &Vectra) -> Model {
    let mut model = Model::default();
    let ids = numbered("row-", ROWS);
    let vectors = random_vectors(&mut seeded(7), ROWS, DIMENSION);
    server.api().ingest(&ids, &vectors);
    model.ingested(&ids, &vectors);
    model
}

#[test]
fn a_stopped_server_has_nothing_to_replay() {
    let mut server = Vectra::serve().start();
    let mut model = ingest(&server);
    server.stop();
    assert_eq!(
        sealed_rows(&server.data()).unwrap(),
        ROWS,
        "rows sealed at the stop"
    );
    server.restart();
    model.settle(&server.api());
}

#[test]
fn a_quiet_shard_is_sealed() {
    let mut server = Vectra::serve()
        .set("seal_after", "100ms")
        .set("seal_bytes", "4MiB")
        .start();
    let mut model = ingest(&server);
    eventually("every row is sealed", || {
        match sealed_rows(&server.data()) {
            Ok(ROWS) => Ok(()),
            other => Err(format!("{other:?} of {ROWS} are")),
        }
    });
    server.kill();
    server.restart();
    model.settle(&server.api());
}
