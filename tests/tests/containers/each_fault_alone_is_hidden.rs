//! Kill, pause, disconnect, restart under another address: one container at a time, each kind of fault,
//! while clients search and write; then all containers at once.
//!
//! In CI one coordinator and one shard node, `just faults` every container.

use std::thread;
use std::time::Duration;

use vectra_tests::containers::invariants::{no_search_fails, writes_stall_briefly};
use vectra_tests::containers::traffic::Manners;
use vectra_tests::containers::{Fault, Node};

use crate::scene::Scene;

/// Load before the fault, and after it.
const CALM: Duration = Duration::from_secs(1);
/// Longer than a lease, an election, and a node's silence until it counts as lost.
const LASTING: Duration = Duration::from_secs(7);

/// Set to `all` for every container.
const SCOPE: &str = "VECTRA_TEST_FAULTS";

#[test]
fn one_container_after_the_other_and_then_all_at_once() {
    let Some(mut scene) = Scene::start("faults in containers") else {
        return;
    };
    for node in struck(&scene) {
        for fault in Fault::ALL {
            let record = scene.under_load(Manners::SentElsewhere, |cluster| {
                thread::sleep(CALM);
                let struck = fault.strike(&node);
                thread::sleep(LASTING);
                struck.end();
                cluster.wait_until_whole();
                thread::sleep(CALM);
            });
            println!("{fault} {node}: {record}");
            no_search_fails(&record);
            writes_stall_briefly(&record);
            scene.check_what_is_stored();
        }
    }

    let record = scene.under_load(Manners::SentElsewhere, |cluster| {
        thread::sleep(CALM);
        cluster.all_at_once(&["kill"]);
        cluster.all_at_once(&["start"]);
        cluster.wait_until_whole();
    });
    println!("kill all at once: {record}");
    scene.check_what_is_stored();
}

fn struck(scene: &Scene) -> Vec<Node> {
    let is_full = std::env::var(SCOPE).is_ok_and(|scope| scope == "all");
    if is_full {
        return scene.cluster.nodes();
    }
    let one_of_each = [&scene.cluster.coordinators, &scene.cluster.shards];
    one_of_each.iter().map(|nodes| nodes[0].clone()).collect()
}
