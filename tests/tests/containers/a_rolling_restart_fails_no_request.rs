//! Every container is restarted, one after the other, while clients search and write through the
//! coordinators that are ready. Each request is sent once: none may fail.

use vectra_tests::containers::invariants::no_request_fails;
use vectra_tests::containers::traffic::Manners;

use crate::scene::Scene;

#[test]
fn of_every_container() {
    let Some(mut scene) = Scene::start("a rolling restart of containers") else {
        return;
    };
    let record = scene.under_load(Manners::SentOnce, |cluster| {
        for node in cluster.nodes() {
            println!("restart {node}");
            node.restart();
            cluster.wait_until_whole();
        }
    });
    println!("rolling restart: {record}");
    no_request_fails(&record);
    scene.check_what_is_stored();
}
