//! A leader that slept (SIGSTOP) while another was elected wakes up believing that it leads: what
//! was acknowledged meanwhile must be in every answer all the same.

use serde_json::Value;
use vectra_tests::http::{Api, Outcome};
use vectra_tests::process::Vectra;
use vectra_tests::sandbox::Sandbox;
use vectra_tests::vectors::numbered;
use vectra_tests::wait::eventually;

const IDS: usize = 60;

fn version(number: usize) -> Vec<Vec<f32>> {
    (0..IDS)
        .map(|row| vec![1.0, number as f32, row as f32])
        .collect()
}

fn ingest_until_acknowledged(api: &Api, ids: &[String], vectors: &[Vec<f32>]) {
    eventually("a write is acknowledged by the others", || {
        match api.try_ingest(ids, vectors) {
            Outcome::Acknowledged(_) => Ok(()),
            Outcome::Unknown(reason) => Err(reason),
        }
    });
}

/// Whatever is answered is of this version; that nothing is answered is no lie.
fn assert_never_older(apis: &[Api], ids: &[String], vectors: &[Vec<f32>]) -> usize {
    let mut answered = 0;
    for api in apis {
        for (id, vector) in ids.iter().zip(vectors).step_by(7) {
            if let Ok(found) = api.try_fetch(id) {
                assert_eq!(found.as_ref(), Some(vector), "{id} by {}", api.base());
                answered += 1;
            }
        }
        if let Ok(answer) = api.try_search(&vectors[0], 1_000) {
            assert_eq!(answer.hits.len(), ids.len(), "ids found by {}", api.base());
            let best = answer.hits[0].score;
            assert!(
                best > 0.999_999,
                "the best by {} is of an older version: {best}",
                api.base()
            );
            answered += 1;
        }
    }
    answered
}

#[test]
fn each_node_in_turn() {
    let cluster = Sandbox::start_with(3, 3, &[("shards", "3"), ("http.timeout", "10s")]);
    let apis: Vec<Api> = cluster.coordinators.iter().map(Vectra::api).collect();
    let ids = numbered("id-", IDS);
    ingest_until_acknowledged(&apis[0], &ids, &version(0));
    for sleeper in 0..3 {
        cluster.shards[sleeper].freeze();
        let newest = version(sleeper + 1);
        ingest_until_acknowledged(&apis[0], &ids, &newest);
        cluster.shards[sleeper].thaw();
        for _ in 0..20 {
            assert_never_older(&apis, &ids, &newest);
        }
        eventually("every coordinator answers again", || {
            let answered = assert_never_older(&apis, &ids, &newest);
            let wanted = apis.len() * (IDS.div_ceil(7) + 1);
            if answered == wanted {
                Ok(())
            } else {
                Err(format!("{answered} of {wanted}"))
            }
        });
    }
    let cluster: Value = apis[0].try_cluster().expect("the cluster");
    assert!(cluster["shards"].is_array(), "{cluster}");
}
