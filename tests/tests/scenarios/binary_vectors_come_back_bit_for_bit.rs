//! Vectors as `.npy` and as raw float32: stored as JSON would store them, and refused as clearly.

use std::process::Command;

use rand::RngCore;
use serde_json::{Value, json};
use vectra_tests::http::Api;
use vectra_tests::npy::{floats, npy, npy_of_floats};
use vectra_tests::process::{Home, Vectra};
use vectra_tests::skip::skipped;
use vectra_tests::vectors::{clustered_vectors, numbered, seeded};

const DIMENSION: usize = 24;
const FORM: &str = "multipart/form-data; boundary=a1b2c3";

/// A form of vectors and ids; each part is its name, its type if it has one, and its bytes.
fn form(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, media_type, content) in parts {
        let head = format!("--a1b2c3\r\nContent-Disposition: form-data; name=\"{name}\"\r\n");
        body.extend(head.bytes());
        if let Some(media_type) = media_type {
            body.extend(format!("Content-Type: {media_type}\r\n").bytes());
        }
        body.extend(b"\r\n");
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(b"--a1b2c3--\r\n");
    body
}

#[track_caller]
fn stored(api: &Api, path: &str, media_type: &str, body: Vec<u8>, count: usize) {
    let answer = api.post_bytes(path, media_type, body);
    assert_eq!(answer.status, 201, "{}", answer.describe());
    assert_eq!(answer.json(), json!({"status": "indexed", "count": count}));
}

fn bits(vector: &[f32]) -> Vec<u32> {
    vector.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn any_bits_come_back_from_every_form() {
    let server = Vectra::serve().start();
    let api = server.api();
    let mut random = seeded(31);
    let finite = |value: f32| if value.is_finite() { value } else { -0.0 };
    let vectors: Vec<Vec<f32>> = (0..400)
        .map(|_| {
            (0..DIMENSION)
                .map(|_| finite(f32::from_bits(random.next_u32())))
                .collect()
        })
        .collect();
    let file = npy_of_floats(&vectors);
    let raw = floats(&vectors);
    let (npy_type, raw_type) = ("application/x-npy", "application/octet-stream");
    stored(&api, "/ingest?first_id=0", npy_type, file.clone(), 400);
    let path = format!("/ingest?dimension={DIMENSION}&first_id=1000");
    stored(&api, &path, raw_type, raw.clone(), 400);

    let lines = numbered("line ", 400).join("\n");
    let body = form(&[("vectors", None, &file), ("ids", None, lines.as_bytes())]);
    stored(&api, "/ingest", FORM, body, 400);
    let array = json!(numbered("of\na\u{1}JSON\"array ", 400)).to_string();
    let ids = ("ids", Some("application/json"), array.as_bytes());
    let body = form(&[ids, ("vectors", Some(raw_type), &raw)]);
    let path = format!("/ingest?dimension={DIMENSION}");
    stored(&api, &path, FORM, body, 400);

    assert_eq!(api.items(), 1_600);
    for (row, vector) in vectors.iter().enumerate().step_by(7) {
        for id in [
            row.to_string(),
            (1_000 + row).to_string(),
            format!("line {row}"),
            format!("of\na\u{1}JSON\"array {row}"),
        ] {
            let found = api.fetch(&id).unwrap_or_else(|| panic!("{id:?} is lost"));
            assert_eq!(bits(&found), bits(vector), "{id:?}");
        }
    }
}

#[test]
fn searches_answer_as_after_an_ingest_of_json() {
    let vectors = clustered_vectors(&mut seeded(32), 3_000, DIMENSION);
    let ids = numbered("id ", vectors.len());
    let by_json = Vectra::serve().start();
    by_json.api().ingest(&ids, &vectors);
    let by_form = Vectra::serve().start();
    let file = npy_of_floats(&vectors);
    let lines = ids.join("\r\n");
    let body = form(&[("vectors", None, &file), ("ids", None, lines.as_bytes())]);
    stored(&by_form.api(), "/ingest", FORM, body, vectors.len());
    for query in vectors.iter().step_by(100) {
        let expected = by_json.api().search(query, 20);
        assert!(expected.certified);
        assert_eq!(by_form.api().search(query, 20), expected);
    }
}

#[test]
fn the_elements_of_numpy_become_float32() {
    let server = Vectra::serve().start();
    let api = server.api();
    let expected = [0.0, 1.0, 127.0];
    let wide: Vec<u8> = expected
        .iter()
        .flat_map(|&value| f64::from(value).to_le_bytes())
        .collect();
    for (row, (dtype, data)) in [
        ("<f2", vec![0, 0, 0x00, 0x3c, 0xf0, 0x57]),
        ("<f8", wide),
        ("|u1", vec![0, 1, 127]),
        ("|i1", vec![0, 1, 127]),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/ingest?first_id={row}");
        stored(&api, &path, "application/x-npy", npy(dtype, 1, 3, &data), 1);
        assert_eq!(api.fetch(&row.to_string()).unwrap(), expected, "{dtype}");
    }
}

#[test]
fn curl_sends_files_as_they_are() {
    if Command::new("curl").arg("--version").output().is_err() {
        skipped("binary ingest by curl", "curl is not here");
        return;
    }
    let home = Home::fresh();
    let vectors = clustered_vectors(&mut seeded(33), 50, DIMENSION);
    let file = |name: &str, bytes: &[u8]| {
        let path = home.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path.to_str().expect("a path in UTF-8").to_owned()
    };
    let base = file("base.npy", &npy_of_floats(&vectors));
    let names = file("ids.txt", numbered("name ", 50).join("\n").as_bytes());
    let server = Vectra::serve().start();
    let url = format!("{}/ingest", server.url());
    let (vectors_part, ids_part) = (format!("vectors=@{base}"), format!("ids=@{names}"));
    curl(&["-F", &vectors_part, "-F", &ids_part, &url]);
    let whole = format!("@{base}");
    let numbered_url = format!("{url}?first_id=100");
    let npy_type = "Content-Type: application/x-npy";
    curl(&["-H", npy_type, "--data-binary", &whole, &numbered_url]);
    let api = server.api();
    assert_eq!(api.items(), 100);
    for (row, vector) in vectors.iter().enumerate() {
        assert_eq!(api.fetch(&format!("name {row}")).as_ref(), Some(vector));
        assert_eq!(api.fetch(&(100 + row).to_string()).as_ref(), Some(vector));
    }
}

fn curl(arguments: &[&str]) {
    let output = Command::new("curl")
        .args(["-sS", "--noproxy", "*"])
        .args(arguments)
        .output()
        .expect("curl starts");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("\"count\":50"), "{output:?}");
}

/// Sends what must be refused with 400 and all of `words`, and sees that nothing was changed.
#[track_caller]
fn refused(api: &Api, path: &str, media_type: &str, body: Vec<u8>, words: &[&str]) -> Value {
    let problem = api.post_bytes(path, media_type, body).problem(400);
    let said = problem["detail"].as_str().expect("a detail");
    for word in words {
        assert!(said.contains(word), "no {word:?} in {problem}");
    }
    assert_eq!(api.items(), 1, "a refused request changed something");
    problem
}

#[test]
fn bad_bodies_are_refused_with_advice_and_change_nothing() {
    let server = Vectra::serve().set("http.max_body", "64KiB").start();
    let api = server.api();
    api.ingest(&["kept".to_owned()], &[vec![1.0, 2.0, 3.0]]);
    let two = vec![vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0]];
    let good = npy_of_floats(&two);
    let refuse = |file: &[u8], ids: &[u8], words: &[&str]| {
        let body = form(&[("vectors", None, file), ("ids", None, ids)]);
        refused(&api, "/ingest", FORM, body, words)
    };
    refuse(b"not numpy", b"a\nb", &["not a .npy file"]);
    let problem = refuse(&good[..good.len() - 1], b"a\nb", &["truncated"]);
    assert_eq!(
        (&problem["expected"], &problem["got"]),
        (&json!(24), &json!(23))
    );
    refuse(
        &npy(">f4", 2, 3, &floats(&two)),
        b"a\nb",
        &["\">f4\"", "little-endian"],
    );
    let mut fortran = good.clone();
    let order = good.windows(5).position(|word| word == b"False");
    let order = order.expect("an order of the axes");
    fortran[order..order + 5].copy_from_slice(b"True ");
    refuse(&fortran, b"a\nb", &["Fortran order"]);
    let problem = refuse(&good, b"a\nb\nc", &["2 vectors but 3 ids"]);
    assert_eq!(
        (&problem["expected"], &problem["got"]),
        (&json!(2), &json!(3))
    );
    let problem = refuse(&good, b"a\n\n", &["ids[1] is empty"]);
    assert_eq!(problem["index"], 1);
    refuse(&good, &[b'x'; 600], &["512"]);
    refuse(&good, b"a\n\xff", &["ids[1] is not UTF-8"]);
    let narrow = npy_of_floats(&[vec![1.0, 2.0]]);
    let problem = refuse(&narrow, b"a", &["dimension"]);
    assert_eq!(
        (&problem["expected"], &problem["got"]),
        (&json!(3), &json!(2))
    );
    let problem = refuse(
        &npy_of_floats(&[vec![1.0; 3], vec![0.0; 3]]),
        b"a\nb",
        &["zeros"],
    );
    assert_eq!(
        (&problem["index"], &problem["id"]),
        (&json!(1), &json!("b"))
    );
    let odd = npy_of_floats(&[vec![1.0; 3], vec![1.0, f32::NAN, 1.0]]);
    let problem = refuse(&odd, b"a\nb", &["vectors[1][1] is NaN"]);
    assert_eq!(
        (&problem["index"], &problem["position"]),
        (&json!(1), &json!(1))
    );

    let whole = form(&[("vectors", None, &good), ("ids", None, b"a\nb")]);
    let cut = whole[..whole.len() - 13].to_vec();
    refused(&api, "/ingest", FORM, cut, &["cut off"]);
    let raw = "application/octet-stream";
    refused(
        &api,
        "/ingest?dimension=3",
        raw,
        floats(&two),
        &["?first_id=N"],
    );
    let path = "/ingest?dimension=4&first_id=0";
    refused(&api, path, raw, floats(&two), &["whole number"]);

    let long = api
        .post_bytes("/ingest", FORM, vec![0; 65 << 10])
        .problem(413);
    assert_eq!(long["limit"], 64 << 10, "{long}");
    for path in ["/search", "/delete"] {
        api.post_bytes(path, FORM, whole.clone()).problem(415);
    }
    assert_eq!(api.items(), 1);
    stored(&api, "/ingest", FORM, whole, 2);
}
