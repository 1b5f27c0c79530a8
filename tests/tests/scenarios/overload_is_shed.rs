//! More requests than the node takes at once are refused at once, with a time to come back.

use serde_json::json;
use vectra_tests::process::Vectra;
use vectra_tests::raw::Connection;
use vectra_tests::wait::eventually;

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
