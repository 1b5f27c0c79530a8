//! Statuses that HTTP itself defines: 404, 405 with `Allow`, 411, 413, 415.

use serde_json::json;
use vectra_tests::process::Vectra;
use vectra_tests::raw::Connection;

#[test]
fn an_unknown_path_is_not_found() {
    let server = Vectra::serve().start();
    let api = server.api();
    for path in ["/", "/vector", "/ingest/", "/collections", "/vectors"] {
        let answer = api.get(path);
        assert!(
            answer.status == 404 || answer.status == 307,
            "{path}: {}",
            answer.describe()
        );
        if answer.status == 404 {
            answer.problem(404);
        }
    }
    api.post("/find", &json!({"vector": [1, 2, 3]}))
        .problem(404);
}

#[test]
fn an_unknown_id_is_not_found() {
    let server = Vectra::serve().start();
    let api = server.api();
    api.get("/vectors/nobody").problem(404);
    api.ingest(&["somebody".to_owned()], &[vec![1.0, 2.0, 3.0]]);
    let problem = api.get("/vectors/nobody").problem(404);
    assert!(problem.to_string().contains("nobody"), "{problem}");
    assert_eq!(api.fetch("somebody"), Some(vec![1.0, 2.0, 3.0]));
}

#[test]
fn a_wrong_method_is_told_the_right_one() {
    let server = Vectra::serve().start();
    let api = server.api();
    let posts = ["/ingest", "/search", "/delete"];
    for (method, allowed, paths) in [
        ("GET", "POST", posts.as_slice()),
        ("PUT", "POST", posts.as_slice()),
        (
            "DELETE",
            "GET",
            ["/vectors/a", "/health", "/cluster"].as_slice(),
        ),
    ] {
        for path in paths {
            let answer = api.bare(method, path);
            answer.problem(405);
            let allow = answer.header("allow").unwrap_or_default();
            assert!(
                allow.contains(allowed),
                "{method} {path} is told to use {allow:?}"
            );
        }
    }
}

#[test]
fn a_body_without_a_length_is_asked_for_it() {
    let server = Vectra::serve().start();
    for path in ["/ingest", "/search", "/delete"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: vectra\r\nContent-Type: application/json\r\n\
             Connection: close\r\n\r\n"
        );
        let (status, answer) = Connection::open(server.http())
            .send(head.as_bytes())
            .answer();
        assert_eq!(status, 411, "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
}

#[test]
fn a_body_over_the_limit_is_told_the_limit() {
    let server = Vectra::serve().set("http.max_body", "1MiB").start();
    let api = server.api();
    let announced = "POST /ingest HTTP/1.1\r\nHost: vectra\r\nContent-Type: application/json\r\n\
                     Content-Length: 1048577\r\nConnection: close\r\n\r\n";
    let (status, answer) = Connection::open(server.http())
        .send(announced.as_bytes())
        .answer();
    assert_eq!(status, 413, "{answer}");
    assert!(answer.contains("max_body"), "{answer}");

    let chunked = "POST /ingest HTTP/1.1\r\nHost: vectra\r\nContent-Type: application/json\r\n\
                   Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    let chunk = format!("100001\r\n{}\r\n", " ".repeat(0x10_0001));
    let mut connection = Connection::open(server.http());
    let (status, answer) = connection
        .send(chunked.as_bytes())
        .send(chunk.as_bytes())
        .answer();
    assert_eq!(status, 413, "{answer}");

    let sent_whole = api.post_bytes("/ingest", "application/json", vec![b' '; 2 << 20]);
    let problem = sent_whole.problem(413);
    assert!(problem.to_string().contains("max_body"), "{problem}");
    let fits = api.post_bytes("/ingest", "application/json", vec![b' '; 1 << 20]);
    fits.problem(400);
}

#[test]
fn a_body_that_is_not_json_is_told_what_to_send() {
    let server = Vectra::serve().start();
    let api = server.api();
    let body = br#"{"vectors": [[1, 2, 3]], "ids": ["a"]}"#;
    for wrong in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
    ] {
        let problem = api.post_bytes("/ingest", wrong, body.to_vec()).problem(415);
        assert!(
            problem["detail"].to_string().contains("application/json"),
            "{problem}"
        );
    }
    assert_eq!(api.items(), 0);
    for right in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/json",
    ] {
        assert_eq!(
            api.post_bytes("/ingest", right, body.to_vec()).status,
            201,
            "{right}"
        );
    }
    let unnamed = api
        .try_post_bytes("/ingest", None, body.to_vec())
        .expect("an answer");
    assert_eq!(
        unnamed.status,
        201,
        "no content type: {}",
        unnamed.describe()
    );
}

#[test]
fn garbage_on_the_port_harms_nobody() {
    let server = Vectra::serve().start();
    for garbage in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01".as_slice(),
        b"hello\r\n\r\n",
        &[0; 4096],
    ] {
        Connection::open(server.http()).send(garbage).finish();
    }
    let cut_short = b"POST /ingest HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{\"vec";
    Connection::open(server.http()).send(cut_short).finish();
    assert_eq!(server.api().items(), 0);
}
