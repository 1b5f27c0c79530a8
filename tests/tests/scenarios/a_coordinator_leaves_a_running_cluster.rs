//! `vectra coordinator remove`: one that is lost takes its vote with it, so that the others decide without
//! it; one that lives ends, and never comes back.

use std::time::Duration;

use serde_json::Value;
use vectra_tests::http::Api;
use vectra_tests::process::{Vectra, run, run_well};
use vectra_tests::sandbox::Sandbox;
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::{eventually, poll};

fn coordinators(api: &Api) -> Result<Vec<Value>, String> {
    let cluster = api.try_cluster()?;
    cluster["coordinators"]
        .as_array()
        .cloned()
        .ok_or(cluster.to_string())
}

fn remove(removed: &Vectra, through: &Vectra) {
    let grpc = removed.grpc().to_string();
    run_well(&["coordinator", "remove", &grpc, "--url", &through.url()]);
}

#[test]
fn one_that_was_lost_is_not_counted_any_more() {
    let mut cluster = Sandbox::start(3, 1);
    let (ids, vectors) = (numbered("row-", 20), random_vectors(&mut seeded(81), 20, 8));
    cluster.api().ingest(&ids, &vectors);

    cluster.coordinators[2].kill();
    remove(&cluster.coordinators[2], &cluster.coordinators[0]);
    let joining = Vectra::role("coordinator", "joining", &cluster.home)
        .flag("--join", &cluster.coordinators[0].url())
        .start();
    eventually("three coordinators, all alive", || {
        let known = coordinators(&joining.api())?;
        if known.len() == 3 && known.iter().all(|one| one["alive"] == true) {
            Ok(())
        } else {
            Err(format!("{known:?}"))
        }
    });

    // Two of three votes: with the lost one's it would be two of four.
    cluster.coordinators[1].kill();
    eventually("what the placement decides is agreed on", || {
        let shard = cluster.shards[0].grpc().to_string();
        let drain = ["shard", "drain", &shard, "--url", &joining.url()];
        let output = run(&drain);
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    });
    assert_eq!(joining.api().fetch(&ids[7]).as_ref(), Some(&vectors[7]));
}

#[test]
fn one_that_lives_ends_and_stays_out() {
    let mut cluster = Sandbox::start(3, 1);
    // Whoever leads the placement, in its turn.
    let led = coordinators(&cluster.api()).unwrap();
    let leader = led
        .iter()
        .find(|one| one["leader"] == true)
        .expect("a leader");
    let place = cluster
        .coordinators
        .iter()
        .position(|one| leader["grpc"] == one.grpc().to_string())
        .unwrap();
    let mut removed = cluster.coordinators.swap_remove(place);
    remove(&removed, &cluster.coordinators[0]);
    assert!(
        poll(Duration::from_secs(60), || removed.exited().is_some()),
        "its process goes on"
    );
    removed.kill();
    let said = removed.refusal();
    assert!(said.contains("taken out of the cluster"), "{said}");

    let api = cluster.api();
    api.ingest(&["after".to_owned()], &[vec![1.0, 2.0]]);
    assert_eq!(coordinators(&api).unwrap().len(), 2);
}

#[test]
fn the_last_one_stays() {
    let cluster = Sandbox::start(1, 1);
    let grpc = cluster.coordinators[0].grpc().to_string();
    let url = cluster.coordinators[0].url();
    let output = run(&["coordinator", "remove", &grpc, "--url", &url]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the only one"), "{said}");
}
