//! A second process on a data directory is refused, and harms nothing.

use vectra_tests::process::{Home, Vectra};

#[test]
fn the_second_is_refused() {
    let home = Home::fresh();
    let first = Vectra::role("serve", "same", &home).start();
    first.api().ingest(&["a".to_owned()], &[vec![1.0, 2.0]]);
    let mut second = Vectra::role("serve", "same", &home);
    let said = second.refusal();
    let names_the_directory = said.contains(&first.data().display().to_string());
    assert!(
        names_the_directory,
        "it does not name the directory: {said}"
    );
    assert_eq!(first.api().fetch("a"), Some(vec![1.0, 2.0]));
    first.api().ingest(&["b".to_owned()], &[vec![2.0, 1.0]]);
}

#[test]
fn a_killed_process_leaves_no_lock_behind() {
    let mut server = Vectra::serve().start();
    server.kill();
    server.restart();
    assert_eq!(server.api().items(), 0);
}

#[test]
fn an_address_in_use_is_named() {
    let first = Vectra::serve().start();
    let home = Home::fresh();
    let taken = first.http().to_string();
    let mut second = Vectra::role("serve", "second", &home).listening_where(&first);
    let said = second.refusal();
    assert!(said.contains(&taken), "{said}");
}

#[test]
fn processes_that_share_a_directory_of_slots_take_one_each() {
    let home = Home::fresh();
    let server = Vectra::role("serve", "server", &home).start();
    let slots = home.path().join("slots");
    let mut nodes: Vec<Vectra> = (0..3)
        .map(|number| {
            Vectra::role("shard", &format!("node-{number}"), &home)
                .sharing(&slots)
                .flag("--join", &server.url())
                .start()
        })
        .collect();
    vectra_tests::sandbox::wait_for_nodes(&server.api(), 4);
    for node in &mut nodes {
        node.stop();
    }
    for node in &mut nodes {
        node.restart();
    }
    vectra_tests::sandbox::wait_for_nodes(&server.api(), 4);
    let cluster = server.api().try_cluster().expect("the cluster");
    assert_eq!(
        cluster["nodes"].as_array().map(Vec::len),
        Some(4),
        "no new ids: {cluster}"
    );
}
