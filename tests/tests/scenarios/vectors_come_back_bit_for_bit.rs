//! `GET /vectors/{id}` answers the very float32 values that were ingested, under any id.

use serde_json::json;
use vectra_tests::http::{Api, percent_encoded, read_vector};
use vectra_tests::process::Vectra;
use vectra_tests::vectors::seeded;

use rand::RngCore;

fn bits(vector: &[f32]) -> Vec<u32> {
    vector.iter().map(|value| value.to_bits()).collect()
}

fn awkward_values() -> Vec<f32> {
    vec![
        f32::from_bits(1),
        -f32::from_bits(1),
        f32::MIN_POSITIVE,
        f32::from_bits(0x007f_ffff),
        1e-38,
        -1e-38,
        f32::MAX,
        f32::MIN,
        3e38,
        0.0,
        -0.0,
        f32::EPSILON,
        1.0 + f32::EPSILON,
        0.1,
        1.0 / 3.0,
        16_777_216.0,
        8_388_608.5,
        9.999_999e22,
    ]
}

fn assert_stored(api: &Api, id: &str, vector: &[f32]) {
    let found = api
        .fetch(id)
        .unwrap_or_else(|| panic!("{id:?} is not found"));
    assert_eq!(
        bits(&found),
        bits(vector),
        "{id:?}: {found:?} instead of {vector:?}"
    );
}

#[test]
fn awkward_values_through_sealing_and_restart() {
    let mut server = Vectra::serve().set("seal_bytes", "64KiB").start();
    let api = server.api();
    let awkward = awkward_values();
    let mut random = seeded(3);
    let mut ids = vec!["awkward".to_owned()];
    let mut vectors = vec![awkward.clone()];
    while vectors.len() < 3_000 {
        let candidate: Vec<f32> = (0..awkward.len())
            .map(|_| f32::from_bits(random.next_u32()))
            .map(|value| if value.is_finite() { value } else { 1.5 })
            .collect();
        ids.push(format!("any bits {}", vectors.len()));
        vectors.push(candidate);
    }
    for (ids, vectors) in ids.chunks(500).zip(vectors.chunks(500)) {
        api.ingest(ids, vectors);
    }
    for (id, vector) in ids.iter().zip(&vectors).step_by(7) {
        assert_stored(&api, id, vector);
    }
    server.stop();
    server.restart();
    for (id, vector) in ids.iter().zip(&vectors).step_by(11) {
        assert_stored(&api, id, vector);
    }
    assert_stored(&api, "awkward", &awkward);
}

#[test]
fn numbers_are_rounded_to_the_nearest_float32() {
    let server = Vectra::serve().start();
    let api = server.api();
    let body = r#"{"vectors": [[0.1, 1, -2, 1e-3, 3.4028235e38, 1e-46,
        0.100000001490116119384765625, 16777217, 1.00000005960464477539062500001]],
        "ids": ["digits"]}"#;
    let answer = api.post_bytes("/ingest", "application/json", body.into());
    assert_eq!(answer.status, 201, "{}", answer.describe());
    let expected = [
        0.1_f32,
        1.0,
        -2.0,
        1e-3,
        f32::MAX,
        0.0,
        0.1,
        16_777_216.0,
        // Just over half-way between 1 and the next float32: rounded by way of float64 it would be 1.
        1.0 + f32::EPSILON,
    ];
    let found = read_vector(&api.get("/vectors/digits").json()["vector"]);
    assert_eq!(bits(&found), bits(&expected), "{found:?}");
}

#[test]
fn ids_may_be_anything_up_to_512_bytes() {
    let server = Vectra::serve().start();
    let api = server.api();
    let ids: Vec<String> = [
        "with/slash/es",
        "/",
        "//",
        "..",
        ".",
        "../../etc/passwd",
        "with space",
        "%2F",
        "a%",
        "?query=1&b",
        "#fragment",
        "grüße",
        "向量",
        "🦀",
        "\"quoted\"",
        "back\\slash",
        "\n\t\u{1}",
        "\0",
        " ",
        "+",
        "e\u{301}",
        "é",
        "id",
        "ID",
    ]
    .iter()
    .map(|id| (*id).to_owned())
    .chain(["x".repeat(512), "ü".repeat(256), "%".repeat(512)])
    .collect();
    let vectors: Vec<Vec<f32>> = (0..ids.len()).map(|row| vec![1.0, row as f32]).collect();
    api.ingest(&ids, &vectors);
    assert_eq!(api.items(), ids.len() as u64);
    for (id, vector) in ids.iter().zip(&vectors) {
        // A path of dots is taken for a directory by clients, before any server sees it.
        if id != "." && id != ".." {
            assert_stored(&api, id, vector);
        }
    }
    let mut found: Vec<String> = api
        .search(&[1.0, 1.0], 100)
        .hits
        .into_iter()
        .map(|hit| hit.id)
        .collect();
    found.sort();
    let mut expected = ids.clone();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(api.delete(&ids), ids.len() as u64);
}

#[test]
fn an_impossible_id_in_the_path_is_an_error_and_no_more() {
    let server = Vectra::serve().start();
    let api = server.api();
    api.post("/ingest", &json!({"vectors": [[1, 2]], "ids": ["a"]}));
    for path in ["/vectors/%FF%FE", "/vectors/%", "/vectors/%zz"] {
        let answer = api.get(path);
        assert!(
            (400..500).contains(&answer.status),
            "{path}: {}",
            answer.describe()
        );
    }
    let long = api.get(&format!("/vectors/{}", percent_encoded(&"é".repeat(300))));
    assert!((400..500).contains(&long.status), "{}", long.describe());
    assert_eq!(api.items(), 1);
}
