//! The first coordinator comes back with an empty data directory and the same flags: it joins the
//! running cluster and does not found a second one.

use std::fs;

use vectra_tests::sandbox::{Sandbox, wait_for_nodes};
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

#[test]
fn the_first_of_three() {
    let mut cluster = Sandbox::start(3, 3);
    let vectors = random_vectors(&mut seeded(1), 100, 16);
    let ids = numbered("row-", 100);
    cluster.api().ingest(&ids, &vectors);
    let founded = cluster.api().try_cluster().expect("the cluster")["cluster_id"].clone();
    assert!(founded.is_string(), "cluster_id is {founded}");

    let first = &mut cluster.coordinators[0];
    first.stop();
    fs::remove_dir_all(first.data()).expect("its data directory can be removed");
    first.restart();

    let api = first.api();
    eventually("it knows the cluster it belonged to", || {
        let now = api.try_cluster()?["cluster_id"].clone();
        assert!(
            now.is_null() || now == founded,
            "it founded another cluster: {now}"
        );
        if now == founded {
            Ok(())
        } else {
            Err(format!("cluster_id is {now}"))
        }
    });
    wait_for_nodes(&api, 3);
    eventually("it searches", || api.try_search(&vectors[0], 1).map(drop));
    for (id, vector) in ids.iter().zip(&vectors) {
        assert_eq!(api.fetch(id).as_ref(), Some(vector));
    }
    for other in &cluster.coordinators[1..] {
        let theirs = other.api().try_cluster().expect("the cluster")["cluster_id"].clone();
        assert_eq!(theirs, founded);
    }
}
