//! A byte flipped in a sealed segment of one of three replicas: its node names the file and leaves
//! that replica out, the cluster answers from the others and makes it anew from them.

use std::fs;
use std::path::{Path, PathBuf};

use vectra_tests::model::Model;
use vectra_tests::placement::{spread, wait_for_placement};
use vectra_tests::sandbox::{Sandbox, wait_for_leaders, wait_for_nodes};
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

const DIMENSION: usize = 64;

/// Every file below a directory whose name ends like this.
fn files_ending(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_ending(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

#[test]
fn from_the_others_which_answer_meanwhile() {
    let mut cluster = Sandbox::start_with(1, 3, &[("seal_bytes", "64KiB"), ("shards", "2")]);
    let api = cluster.api();
    let mut model = Model::default();
    let ids = numbered("row-", 3_000);
    let vectors = random_vectors(&mut seeded(1), 3_000, DIMENSION);
    for (ids, vectors) in ids.chunks(200).zip(vectors.chunks(200)) {
        api.ingest(ids, vectors);
        model.ingested(ids, vectors);
    }

    let node = &mut cluster.shards[0];
    eventually("the node has sealed segments", || {
        let sealed = files_ending(&node.data(), ".segment");
        if sealed.is_empty() {
            Err("none".to_owned())
        } else {
            Ok(())
        }
    });
    node.stop();
    let segments = files_ending(&node.data(), ".segment");
    let damaged = segments.first().expect("a sealed segment");
    let mut bytes = fs::read(damaged).expect("the segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(damaged, bytes).expect("the segment");
    node.restart();

    let name = damaged.display().to_string();
    eventually("the damage is told by file", || {
        if node.log().contains(&name) {
            Ok(())
        } else {
            Err(node.log())
        }
    });
    wait_for_nodes(&api, 3);
    wait_for_leaders(&api);
    model.settle(&api);
    wait_for_placement(&api, "three sound replicas of each shard", |placement| {
        placement.is_replicated(3) && spread(&placement.held) == 0
    });
    model.settle(&api);
    let more = numbered("more-", 200);
    api.ingest(&more, &vectors[..200]);
    model.ingested(&more, &vectors[..200]);
    model.settle(&api);
}
