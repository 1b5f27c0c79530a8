//! `GET /ready`: whether a process is part of its cluster; `GET /health`: whether it answers at all.

use vectra_tests::process::{Home, Vectra};
use vectra_tests::wait::eventually;

#[track_caller]
fn wait_until_ready(process: &Vectra) {
    eventually("it is ready", || {
        let answer = process.api().try_get("/ready")?;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer.describe())
        }
    });
}

#[test]
fn nobody_is_ready_before_the_cluster_is_founded_and_all_are_after() {
    let home = Home::fresh();
    let coordinator = |name: &str| Vectra::role("coordinator", name, &home);
    let (first, second) = (coordinator("first"), coordinator("second"));
    let peers = format!("{},{}", first.grpc(), second.grpc());
    let (first, mut second) = (
        first.flag("--peers", &peers),
        second.flag("--peers", &peers),
    );

    // It is well and waits for the second; that does not wait for it to be ready.
    let mut first = first.start();
    let shard = Vectra::role("shard", "shard", &home)
        .flag("--join", &first.url())
        .start();
    for process in [&first, &shard] {
        let problem = process.api().get("/ready").problem(503);
        assert!(
            problem["detail"].to_string().contains("cluster"),
            "{problem}"
        );
    }

    second.restart();
    for process in [&first, &second, &shard] {
        wait_until_ready(process);
    }

    // What it knows of its cluster it knows from its disk: without a majority it is ready again.
    second.kill();
    first.stop();
    first.restart();
    wait_until_ready(&first);
}
