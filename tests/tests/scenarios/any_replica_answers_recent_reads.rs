//! `"consistency": "any"`: answered by followers too, without their leader, but never from a state
//! that is older than five seconds.

use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use vectra_tests::http::{Api, Outcome, read_vector};
use vectra_tests::sandbox::{Sandbox, wait_for_leaders};
use vectra_tests::vectors::numbered;
use vectra_tests::wait::eventually;

const IDS: usize = 60;

/// The age that an answer may have at the most.
const BOUND: Duration = Duration::from_secs(5);

fn version(number: usize) -> Vec<Vec<f32>> {
    (0..IDS)
        .map(|row| vec![1.0, number as f32, row as f32])
        .collect()
}

/// A cluster that holds version 0, and its followers know how old what they have is.
fn start(settings: &[(&str, &str)]) -> (Sandbox, Api) {
    let cluster = Sandbox::start_with(1, 3, &[&[("shards", "3")], settings].concat());
    let api = cluster.api();
    api.ingest(&numbered("id-", IDS), &version(0));
    wait_for_leaders(&api);
    // Each node by itself: what one does not know yet, another answers.
    for awake in 0..3 {
        let others = || (0..3).filter(|node| *node != awake);
        eventually("this node has everything, and knows how old it is", || {
            for node in others() {
                cluster.shards[node].freeze();
            }
            let found = found_by_any(&api, &version(0)[0]);
            for node in others() {
                cluster.shards[node].thaw();
            }
            wait_for_leaders(&api);
            if found == Ok(IDS) {
                return Ok(());
            }
            // It learns how old it is from leaders that are awake for some heartbeats.
            sleep(Duration::from_secs(1));
            Err(format!("{found:?}"))
        });
    }
    (cluster, api)
}

fn search_any(api: &Api, query: &[f32]) -> Result<Value, String> {
    api.try_search_as("any", query, 1_000)
}

fn found_by_any(api: &Api, query: &[f32]) -> Result<usize, String> {
    let answer = search_any(api, query)?;
    assert_eq!(answer["certified"], true, "{answer}");
    Ok(answer["results"].as_array().map_or(0, Vec::len))
}

#[test]
fn a_frozen_node_is_hidden_from_them() {
    // A search that waited for the frozen node would not be answered by then.
    let (cluster, api) = start(&[("http.timeout", "3s")]);
    for frozen in 0..3 {
        cluster.shards[frozen].freeze();
        for _search in 0..10 {
            let found = found_by_any(&api, &version(0)[7]);
            assert_eq!(found, Ok(IDS), "with shard node {frozen} frozen");
        }
        cluster.shards[frozen].thaw();
        wait_for_leaders(&api);
        eventually("all nodes lead and follow again", || {
            api.try_search(&version(0)[7], 1).map(|_| ())
        });
    }
}

#[test]
fn a_follower_answers_while_nobody_can_lead_but_not_for_long() {
    let (cluster, api) = start(&[("http.timeout", "5s")]);
    cluster.shards[0].freeze();
    cluster.shards[1].freeze();
    let found = found_by_any(&api, &version(0)[7]);
    assert_eq!(found, Ok(IDS), "by the one replica left");

    eventually("what the one left has is too old", || {
        match search_any(&api, &version(0)[7]) {
            Err(refusal) if refusal.starts_with("503") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    cluster.shards[0].thaw();
    cluster.shards[1].thaw();
    eventually("they answer again", || {
        found_by_any(&api, &version(0)[7]).map(|_| ())
    });
}

#[test]
fn a_thawed_node_does_not_answer_from_the_time_before_it_froze() {
    let (cluster, api) = start(&[]);
    let ids = numbered("id-", IDS);
    for sleeper in 0..3 {
        cluster.shards[sleeper].freeze();
        let newest = version(sleeper + 1);
        eventually("a write is acknowledged by the others", || {
            match api.try_ingest(&ids, &newest) {
                Outcome::Acknowledged(_) => Ok(()),
                Outcome::Unknown(reason) => Err(reason),
            }
        });
        sleep(BOUND);
        cluster.shards[sleeper].thaw();
        for turn in 0..60 {
            if let Ok(answer) = search_any(&api, &newest[0]) {
                let best = answer["results"][0]["score"].as_f64();
                assert!(best > Some(0.999_999), "of an older version: {answer}");
            }
            let row = turn % IDS;
            let path = format!("/vectors/{}?consistency=any", ids[row]);
            if let Ok(answer) = api.try_get(&path)
                && answer.status == 200
            {
                let found = read_vector(&answer.json()["vector"]);
                assert_eq!(found, newest[row], "{path}");
            }
        }
        eventually("any replica answers again", || {
            found_by_any(&api, &newest[0]).map(|_| ())
        });
    }
}
