//! A data directory is one node. A copy of it, started beside the original, is told so and ends,
//! and the original goes on.

use std::fs;
use std::path::Path;

use vectra_tests::process::Vectra;
use vectra_tests::sandbox::{Sandbox, wait_for_nodes};
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[track_caller]
fn refuses(double: &mut Vectra) -> String {
    double.spawn();
    eventually("the double ends", || match double.exited() {
        Some(status) if !status.success() => Ok(()),
        Some(status) => panic!("it ended with {status}"),
        None => Err("it runs".to_owned()),
    });
    double.log()
}

#[test]
fn of_a_shard_node() {
    let mut cluster = Sandbox::start_with(1, 2, &[("shards", "2")]);
    let api = cluster.api();
    let vectors = random_vectors(&mut seeded(1), 50, 8);
    api.ingest(&numbered("row-", 50), &vectors);
    let original = cluster.shards[0].grpc().to_string();
    let mut double = cluster.shard_node(9);
    // As if it had been copied while it was switched off.
    cluster.shards[0].stop();
    copy(&cluster.shards[0].data(), &double.data());
    // A process is known by what it announces: not before the cluster has missed the one that
    // ended does a second node alive mean the one that was started for it.
    wait_for_nodes(&api, 1);
    cluster.shards[0].restart();
    wait_for_nodes(&api, 2);

    let said = refuses(&mut double);
    assert!(said.contains(&original) && said.contains("copy"), "{said}");
    wait_for_nodes(&api, 2);
    assert_eq!(cluster.shards[0].exited(), None);
    assert_eq!(api.search(&vectors[3], 1).hits[0].id, "row-3");
}

#[test]
fn of_a_server() {
    let mut server = Vectra::serve().start();
    let api = server.api();
    let vectors = random_vectors(&mut seeded(1), 50, 8);
    api.ingest(&numbered("row-", 50), &vectors);
    let mut double = Vectra::serve();
    server.stop();
    copy(&server.data(), &double.data());
    server.restart();

    let said = refuses(&mut double);
    let original = server.grpc().to_string();
    assert!(said.contains(&original) && said.contains("copy"), "{said}");
    assert_eq!(server.exited(), None);
    assert_eq!(api.search(&vectors[3], 1).hits[0].id, "row-3");
}
