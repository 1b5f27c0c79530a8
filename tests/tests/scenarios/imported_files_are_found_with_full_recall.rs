//! `vectra import` of each kind of file, then `vectra bench` against the truth.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::Value;
use vectra_tests::npy::{floats, npy, npy_of_floats};
use vectra_tests::oracle::cosine;
use vectra_tests::process::{Home, Vectra, run, run_well};
use vectra_tests::skip::skipped;
use vectra_tests::vectors::{random_vectors, seeded};

const DIMENSION: usize = 20;

fn fvecs(vectors: &[Vec<f32>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for vector in vectors {
        bytes.extend((vector.len() as i32).to_le_bytes());
        bytes.extend(vector.iter().flat_map(|x| x.to_le_bytes()));
    }
    bytes
}

fn jsonl(vectors: &[Vec<f32>], first: usize) -> Vec<u8> {
    let mut text = String::new();
    for (row, vector) in vectors.iter().enumerate() {
        let id = (first + row).to_string();
        let line = serde_json::json!({"id": id, "vector": vector});
        writeln!(text, "{line}").expect("memory");
    }
    text.into_bytes()
}

/// For each query the row numbers of its nearest vectors, as an `.npy` of int32.
fn truth(vectors: &[Vec<f32>], queries: &[Vec<f32>], k: usize) -> Vec<u8> {
    let mut data = Vec::new();
    for query in queries {
        let mut rows: Vec<usize> = (0..vectors.len()).collect();
        rows.sort_by(|&a, &b| cosine(&vectors[b], query).total_cmp(&cosine(&vectors[a], query)));
        data.extend(
            rows.iter()
                .take(k)
                .flat_map(|&row| (row as i32).to_le_bytes()),
        );
    }
    npy("<i4", queries.len(), k, &data)
}

fn written(home: &Home, name: &str, bytes: &[u8]) -> PathBuf {
    let path = home.path().join(name);
    fs::write(&path, bytes).expect("a file");
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn bench(url: &str, queries: &Path, truth: &Path) -> Value {
    let printed = run_well(&[
        "bench",
        "--url",
        url,
        "--queries",
        text(queries),
        "--truth",
        text(truth),
        "--k",
        "10",
        "--connections",
        "4",
        "--seconds",
        "1",
        "--json",
    ]);
    let report: Value = serde_json::from_str(&printed)
        .unwrap_or_else(|error| panic!("--json prints something else ({error}): {printed}"));
    assert!(report["qps"].as_f64().expect("qps") > 0.0, "{report}");
    for key in ["p50_ms", "p99_ms", "max_ms"] {
        assert!(report[key].as_f64().expect(key) > 0.0, "{report}");
    }
    assert_eq!(report["errors"], 0, "{report}");
    report
}

#[test]
fn npy_fvecs_and_jsonl_give_the_same_server() {
    let home = Home::fresh();
    let vectors = random_vectors(&mut seeded(1), 3_000, DIMENSION);
    let queries = random_vectors(&mut seeded(2), 40, DIMENSION);
    let queries_file = written(&home, "queries.npy", &npy_of_floats(&queries));
    let truth_file = written(&home, "truth.npy", &truth(&vectors, &queries, 10));
    for file in [
        written(&home, "base.npy", &npy_of_floats(&vectors)),
        written(&home, "base.fvecs", &fvecs(&vectors)),
        written(&home, "base.jsonl", &jsonl(&vectors, 0)),
    ] {
        let server = Vectra::serve().start();
        run_well(&["import", text(&file), "--url", &server.url()]);
        assert_eq!(server.api().items(), 3_000, "{file:?}");
        assert_eq!(
            server.api().fetch("2999").as_ref(),
            Some(&vectors[2_999]),
            "{file:?}"
        );
        let report = bench(&server.url(), &queries_file, &truth_file);
        assert_eq!(report["recall"], 1.0, "{file:?}: {report}");
    }
}

#[test]
fn several_files_are_numbered_on_and_ids_may_come_from_a_file() {
    let home = Home::fresh();
    let vectors = random_vectors(&mut seeded(3), 100, DIMENSION);
    let first = written(&home, "first.npy", &npy_of_floats(&vectors[..60]));
    let second = written(&home, "second.fvecs", &fvecs(&vectors[60..]));
    let server = Vectra::serve().start();
    run_well(&[
        "import",
        text(&first),
        text(&second),
        "--url",
        &server.url(),
    ]);
    assert_eq!(server.api().items(), 100);
    assert_eq!(server.api().fetch("60").as_ref(), Some(&vectors[60]));

    let names: String = (0..60).map(|row| format!("name {row}\n")).collect();
    let names = written(&home, "names.txt", names.as_bytes());
    let url = server.url();
    run_well(&["import", text(&first), "--ids", text(&names), "--url", &url]);
    assert_eq!(server.api().items(), 160);
    assert_eq!(server.api().fetch("name 59").as_ref(), Some(&vectors[59]));
}

#[test]
fn vectors_are_sent_as_a_form_and_a_server_that_takes_none_is_told_of() {
    let home = Home::fresh();
    let vectors = random_vectors(&mut seeded(6), 3, DIMENSION);
    let file = written(&home, "base.npy", &npy_of_floats(&vectors));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        let mut request = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(request.read_line(&mut head).expect("a head"), 0, "{head}");
        }
        let length = head.lines().find_map(|line| {
            line.to_lowercase()
                .strip_prefix("content-length: ")?
                .parse()
                .ok()
        });
        let mut body = vec![0; length.expect("a length")];
        request.read_exact(&mut body).expect("a body");
        let answer = "HTTP/1.1 415 Unsupported Media Type\r\ncontent-length: 9\r\n\r\nsend JSON";
        request
            .get_mut()
            .write_all(answer.as_bytes())
            .expect("sent");
        (head, body)
    });
    let output = run(&["import", text(&file), "--url", &url]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    for word in ["415", "send JSON", "does not take binary vectors", "older"] {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
    let (head, body) = server.join().expect("the server answered");
    assert!(head.starts_with("POST /ingest "), "{head}");
    assert!(head.contains("multipart/form-data; boundary="), "{head}");
    let values = floats(&vectors);
    let is_there = body.windows(values.len()).any(|window| window == values);
    assert!(is_there, "the values are not in the body as they are");
}

#[test]
fn a_truncated_file_fails_by_name() {
    let home = Home::fresh();
    let vectors = random_vectors(&mut seeded(4), 50, DIMENSION);
    let server = Vectra::serve().start();
    for (name, bytes) in [
        ("short.npy", npy_of_floats(&vectors)),
        ("short.fvecs", fvecs(&vectors)),
        ("short.jsonl", jsonl(&vectors, 0)),
    ] {
        let file = written(&home, name, &bytes[..bytes.len() - 7]);
        let output = run(&["import", text(&file), "--url", &server.url()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{name}: {said}");
        assert!(said.contains(name), "{name} is not named: {said}");
    }
    let missing = run(&["import", "/nowhere.npy", "--url", &server.url()]);
    assert!(!missing.status.success());
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nowhere.npy"));
}

#[test]
fn an_import_outlives_a_restart_of_the_server() {
    let home = Home::fresh();
    let vectors = random_vectors(&mut seeded(5), 40_000, DIMENSION);
    let file = written(&home, "base.npy", &npy_of_floats(&vectors));
    let mut server = Vectra::serve().start();
    let url = server.url();
    let file = text(&file).to_owned();
    let import = std::thread::spawn(move || run_well(&["import", &file, "--url", &url]));
    vectra_tests::wait::eventually("the import is under way", || {
        if server.api().items() > 0 || import.is_finished() {
            Ok(())
        } else {
            Err(String::new())
        }
    });
    server.kill();
    server.restart();
    import.join().expect("the import succeeds");
    // A server counts a shard's vectors once it has opened the shard.
    vectra_tests::wait::eventually("all vectors are counted", || match server.api().items() {
        40_000 => Ok(()),
        items => Err(format!("{items} are")),
    });
}

/// Real descriptors, where they have been put beside the repository.
#[test]
fn real_descriptors_are_found() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let base = data.join("sift1m_base_u8.npy");
    let Ok(bytes) = fs::read(&base) else {
        skipped(
            "real SIFT descriptors",
            "there is no ../shared/data/sift1m_base_u8.npy",
        );
        return;
    };
    let rows = 20_000;
    let columns = 128;
    let header = bytes.len() - 1_000_000 * columns;
    let subset = &bytes[header..header + rows * columns];
    let home = Home::fresh();
    let file = written(&home, "sift.npy", &npy("|u1", rows, columns, subset));
    let vectors: Vec<Vec<f32>> = subset
        .chunks(columns)
        .map(|row| row.iter().map(|&x| f32::from(x)).collect())
        .collect();

    let server = Vectra::serve().start();
    run_well(&["import", text(&file), "--url", &server.url()]);
    assert_eq!(server.api().items(), rows as u64);
    let stored = vectors
        .iter()
        .enumerate()
        .map(|(row, vector)| (row.to_string(), vector.clone()));
    let stored = stored.collect();
    for query in vectors.iter().step_by(2_000) {
        let answer = server.api().search(query, 10);
        vectra_tests::oracle::assert_true_top_k(&stored, query, 10, &answer);
    }
}
