//! More requests than a node can serve are refused early, with a time to come back; what it accepts it
//! answers in time.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vectra_tests::http::Api;
use vectra_tests::process::Vectra;
use vectra_tests::raw::Connection;
use vectra_tests::sandbox::Sandbox;
use vectra_tests::until::Until;
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

/// Rows, and neighbours asked for: a search that keeps a core busy for a while.
const ROWS: usize = 10_000;
const NEIGHBOURS: usize = 3_000;
/// How many times what it can serve it is asked for.
const OVER: f64 = 4.0;
/// For how long what it can serve is measured.
const MEASURED: Duration = Duration::from_secs(3);
/// For how long more than that is asked for: more than the deadline, so that a queue without bound would
/// grow past it.
const OVERLOAD: Duration = Duration::from_secs(8);

#[test]
fn a_request_too_many_is_told_to_come_back() {
    let server = Vectra::serve().set("http.max_in_flight", "1").start();
    let api = server.api();
    let body = json!({"vectors": [[1, 2, 3]], "ids": ["slow"]}).to_string();
    let head = format!(
        "POST /ingest HTTP/1.1\r\nHost: vectra\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    let (start, rest) = body.split_at(10);
    let mut slow = Connection::open(server.http());
    assert!(
        slow.send(head.as_bytes()).is_continued(),
        "the slow request is not taken"
    );
    slow.send(start.as_bytes());

    let search = json!({"vector": [1, 2, 3]});
    let shed = api.post("/search", &search);
    shed.problem(429);
    assert_eq!(api.items(), 0, "/health is never shed");

    let (status, answer) = slow.send(rest.as_bytes()).answer();
    assert_eq!(status, 201, "{answer}");
    eventually("there is room again", || {
        let answer = api.try_post("/search", &search)?;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer.describe())
        }
    });
}

#[test]
fn a_body_that_never_ends_meets_the_deadline_and_frees_its_place() {
    let server = Vectra::serve()
        .set("http.max_in_flight", "1")
        .set("http.timeout", "1s")
        .start();
    let head = "POST /ingest HTTP/1.1\r\nHost: vectra\r\nContent-Type: application/json\r\n\
                Content-Length: 1000\r\nConnection: close\r\n\r\n{\"vec";
    let (status, answer) = Connection::open(server.http())
        .send(head.as_bytes())
        .answer();
    assert!(status == 504 || status == 408, "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
    server.api().ingest(&["a".to_owned()], &[vec![1.0, 2.0]]);
}

#[test]
fn under_four_times_what_it_can_serve_what_is_accepted_is_answered_in_time() {
    let cluster = Sandbox::start_with(1, 2, &[("http.timeout", "4s"), ("shards", "2")]);
    let api = cluster.api();
    let vectors = random_vectors(&mut seeded(71), ROWS, 32);
    let ids = numbered("row-", ROWS);
    for (ids, vectors) in ids.chunks(1_000).zip(vectors.chunks(1_000)) {
        api.ingest(ids, vectors);
    }
    let search = json!({"vector": vectors[0], "k": NEIGHBOURS});
    assert_eq!(api.post("/search", &search).status, 200);

    let served = what_it_can_serve(&api, &search);
    let offered = served * OVER;
    let answers = offer(&api, &search, offered);
    println!("{served:.0} searches a second can be served; of {offered:.0} a second: {answers:?}");
    assert!(
        answers.get(&200).is_some_and(|count| *count > 0),
        "{answers:?}"
    );
    assert!(
        answers.contains_key(&429),
        "it was no overload: {answers:?}"
    );
    assert_eq!(
        answers.len(),
        2,
        "accepted and not answered in time: {answers:?}"
    );

    for _ in 0..50 {
        let answer = api.post("/search", &search);
        assert_eq!(answer.status, 200, "at once after: {}", answer.describe());
    }
}

/// Searches answered a second, with a few under way at a time.
fn what_it_can_serve(api: &Api, search: &Value) -> f64 {
    let (end, answered) = (Until::default(), Mutex::new(0_u32));
    let began = Instant::now();
    thread::scope(|scope| {
        let _ends = end.dropped();
        for _ in 0..8 {
            scope.spawn(|| {
                while !end.is_now() {
                    let answer = api.post("/search", search);
                    assert_eq!(answer.status, 200, "{}", answer.describe());
                    *answered.lock().unwrap() += 1;
                }
            });
        }
        thread::sleep(MEASURED);
    });
    f64::from(answered.into_inner().unwrap()) / began.elapsed().as_secs_f64()
}

/// Sends so many searches a second, whether or not those before are answered; how many were answered with
/// which status.
fn offer(api: &Api, search: &Value, per_second: f64) -> BTreeMap<u16, u32> {
    let answers = Mutex::new(BTreeMap::new());
    let count = (per_second * OVERLOAD.as_secs_f64()) as u32;
    let began = Instant::now();
    thread::scope(|scope| {
        for number in 0..count {
            let due = Duration::from_secs_f64(f64::from(number) / per_second);
            thread::sleep(due.saturating_sub(began.elapsed()));
            scope.spawn(|| {
                let status = api.post("/search", search).status;
                *answers.lock().unwrap().entry(status).or_default() += 1;
            });
        }
    });
    answers.into_inner().unwrap()
}
