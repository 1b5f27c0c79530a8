//! One more coordinator with `--join`: it learns the cluster, serves like the others, and its vote
//! counts when an older one is lost.

use vectra_tests::http::{Api, Outcome};
use vectra_tests::process::{Home, Vectra};
use vectra_tests::sandbox::{Sandbox, wait_for_nodes};
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

fn joining(home: &Home, member: &Vectra) -> Vectra {
    Vectra::role("coordinator", "joining", home).flag("--join", &member.url())
}

#[track_caller]
fn assert_serves(api: &Api, ids: &[String], vectors: &[Vec<f32>]) {
    eventually("the newcomer searches", || {
        let hits = api.try_search(&vectors[3], 1)?.hits;
        if hits.first().is_some_and(|hit| hit.id == ids[3]) {
            Ok(())
        } else {
            Err(format!("{hits:?}"))
        }
    });
    assert_eq!(api.fetch(&ids[5]).as_ref(), Some(&vectors[5]));
    api.ingest(&["by the newcomer".to_owned()], &vectors[..1]);
}

#[test]
fn of_three_coordinators() {
    let mut cluster = Sandbox::start(3, 3);
    let (ids, vectors) = (numbered("row-", 50), random_vectors(&mut seeded(1), 50, 16));
    cluster.api().ingest(&ids, &vectors);
    let founded = cluster.api().try_cluster().expect("the cluster")["cluster_id"].clone();

    let newcomer = joining(&cluster.home, &cluster.coordinators[1]).start();
    let api = newcomer.api();
    wait_for_nodes(&api, 3);
    assert_eq!(
        api.try_cluster().expect("the cluster")["cluster_id"],
        founded
    );
    assert_serves(&api, &ids, &vectors);

    cluster.coordinators[0].kill();
    eventually("it still takes writes", || {
        match api.try_ingest(&ids, &vectors) {
            Outcome::Acknowledged(_) => Ok(()),
            Outcome::Unknown(reason) => Err(reason),
        }
    });
    wait_for_nodes(&api, 3);
}

#[test]
fn of_one_process_that_serves_alone() {
    let home = Home::fresh();
    let server = Vectra::role("serve", "server", &home).start();
    let (ids, vectors) = (numbered("row-", 50), random_vectors(&mut seeded(2), 50, 16));
    server.api().ingest(&ids, &vectors);
    let newcomer = joining(&home, &server).start();
    wait_for_nodes(&newcomer.api(), 1);
    assert_serves(&newcomer.api(), &ids, &vectors);
}

#[test]
fn first_coordinators_wait_for_each_other() {
    let home = Home::fresh();
    let first = Vectra::role("coordinator", "first", &home);
    let second = Vectra::role("coordinator", "second", &home);
    let peers = format!("{},{}", first.grpc(), second.grpc());
    let mut first = first.flag("--peers", &peers);
    first.restart();
    let alone = first.api().try_cluster().expect("the cluster");
    assert!(
        alone["cluster_id"].is_null(),
        "founded without its peer: {alone}"
    );
    let mut second = second.flag("--peers", &peers);
    second.restart();
    eventually("both are in one cluster", || {
        let ids = [&first, &second].map(|c| c.api().try_cluster().map(|c| c["cluster_id"].clone()));
        let [Ok(a), Ok(b)] = ids else {
            return Err(format!("{ids:?}"));
        };
        if a.is_string() && a == b {
            Ok(())
        } else {
            Err(format!("{a} and {b}"))
        }
    });
}
