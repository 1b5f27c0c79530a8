//! From a laptop to a cluster: a `vectra shard` joins a running `vectra serve`.

use vectra_tests::process::{Home, Vectra, run, run_well};
use vectra_tests::sandbox::{Sandbox, wait_for_nodes};
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

#[test]
fn it_shows_up_and_nothing_is_lost() {
    let server = Vectra::serve().start();
    let api = server.api();
    let vectors = random_vectors(&mut seeded(1), 100, 16);
    let ids = numbered("row-", 100);
    api.ingest(&ids, &vectors);
    wait_for_nodes(&api, 1);

    let home = Home::fresh();
    let mut shard = Vectra::role("shard", "shard", &home)
        .flag("--join", &server.url())
        .start();
    wait_for_nodes(&api, 2);
    let status = run_well(&["status", "--url", &server.url()]);
    assert!(status.contains(&shard.grpc().to_string()), "{status}");
    assert!(status.contains(&server.grpc().to_string()), "{status}");

    shard.stop();
    wait_for_nodes(&api, 1);
    shard.restart();
    wait_for_nodes(&api, 2);
    let nodes = api.try_cluster().expect("the cluster")["nodes"].clone();
    assert_eq!(
        nodes.as_array().map(Vec::len),
        Some(2),
        "it kept its node id: {nodes}"
    );
    // Half of the single replicas are on the new node, which has just started.
    api.wait_for_items(100);
    let found = eventually("a search finds", || api.try_search(&vectors[5], 1));
    assert_eq!(found.hits[0].id, "row-5");
}

#[test]
fn a_shard_node_joins_a_running_cluster() {
    let cluster = Sandbox::start(3, 1);
    let vectors = random_vectors(&mut seeded(2), 50, 16);
    cluster.api().ingest(&numbered("row-", 50), &vectors);
    let joining = cluster.shard_node(2).start();
    for coordinator in &cluster.coordinators {
        wait_for_nodes(&coordinator.api(), 2);
        let status = run_well(&["status", "--url", &coordinator.url()]);
        assert!(status.contains(&joining.grpc().to_string()), "{status}");
    }
    assert_eq!(cluster.api().search(&vectors[7], 1).hits[0].id, "row-7");
}

#[test]
fn a_shard_node_waits_for_a_coordinator_that_is_not_there_yet() {
    let home = Home::fresh();
    let mut server = Vectra::role("serve", "server", &home);
    let mut shard = Vectra::role("shard", "shard", &home).flag("--join", &server.url());
    shard.spawn();
    server.restart();
    shard.wait_until_online();
    wait_for_nodes(&server.api(), 2);
}

#[test]
fn what_a_shard_node_cannot_do_it_says() {
    let server = Vectra::serve().start();
    let home = Home::fresh();
    let shard = Vectra::role("shard", "shard", &home)
        .flag("--join", &server.url())
        .start();
    let answer = shard
        .api()
        .post("/search", &serde_json::json!({"vector": [1, 2, 3]}));
    let problem = answer.problem(404);
    assert!(
        problem["detail"].to_string().contains("coordinator"),
        "{problem}"
    );
}

#[test]
fn status_of_a_server_that_is_not_there_fails() {
    let server = Vectra::serve();
    let output = run(&["status", "--url", &server.url()]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&server.http().to_string()), "{said}");
    let quiet = run(&["status", "--url", &server.url(), "--quiet"]);
    assert!(!quiet.status.success());
}
