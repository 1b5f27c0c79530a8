//! `"consistency": "linearizable"`: whatever was acknowledged before is in the answer, also while a
//! leader that slept through its deposition (SIGSTOP) still believes that it leads.

use vectra_tests::http::{Api, Outcome, read_hit, read_vector};
use vectra_tests::sandbox::Sandbox;
use vectra_tests::wait::eventually;

const READ: &str = "linearizable";

/// Ingests this number as the one vector, for as long as it takes.
fn write(api: &Api, number: u32) {
    let ids = ["the one".to_owned()];
    eventually("a write is acknowledged", || {
        match api.try_ingest(&ids, &[vector(number)]) {
            Outcome::Acknowledged(_) => Ok(()),
            Outcome::Unknown(reason) => Err(reason),
        }
    });
}

fn vector(number: u32) -> Vec<f32> {
    vec![1.0, number as f32]
}

/// Searches and fetches; what is answered is the last number written. That nothing is answered is no
/// lie, but a reason.
fn read(api: &Api, last: u32) -> Result<(), String> {
    let answer = api.try_search_as(READ, &vector(last), 5)?;
    let best = read_hit(&answer["results"][0]).score;
    assert!(best > 0.999_999, "not the last one, {last}: {answer}");
    let answer = api.try_get(&format!("/vectors/the%20one?consistency={READ}"))?;
    if answer.status != 200 {
        return Err(answer.describe());
    }
    let found = read_vector(&answer.json()["vector"]);
    assert_eq!(found, vector(last), "not the last one");
    Ok(())
}

#[test]
fn whoever_leads_and_whoever_believes_to() {
    let settings = [("shards", "1"), ("http.timeout", "10s")];
    let cluster = Sandbox::start_with(1, 3, &settings);
    let api = cluster.api();
    let mut last = 0;
    for sleeper in [0, 1, 2, 0, 1, 2] {
        for _write in 0..5 {
            last += 1;
            write(&api, last);
            eventually("a read is answered", || read(&api, last));
        }
        cluster.shards[sleeper].freeze();
        last += 1;
        write(&api, last);
        cluster.shards[sleeper].thaw();
        for _read in 0..20 {
            let _ = read(&api, last);
        }
        eventually("a read is answered again", || read(&api, last));
    }
}
