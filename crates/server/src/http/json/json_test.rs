//! What the parsers take, what they refuse, and what a refusal says.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{parse_delete, parse_ingest, parse_search};
use crate::http::problem::Problem;
use crate::http::problem_kind::ProblemKind;
use crate::root::{Consistency, IngestBatch, Precision};

/// A refusal as the client sees it.
fn refused<T: std::fmt::Debug>(parsed: Result<T, Problem>) -> (ProblemKind, Value) {
    let problem = parsed.unwrap_err();
    (problem.kind(), problem.json())
}

fn refused_ingest(body: &str) -> (ProblemKind, Value) {
    refused(parse_ingest(body.as_bytes()))
}

fn refused_search(body: &str) -> (ProblemKind, Value) {
    refused(parse_search(body.as_bytes()))
}

fn ingest_one(vector: &str) -> Result<IngestBatch, Problem> {
    parse_ingest(format!(r#"{{"vectors": [[{vector}]], "ids": ["a"]}}"#).as_bytes())
}

#[test]
fn a_batch_becomes_flat_floats() {
    let body = "\u{feff} {\"ids\":[\"a\", \"\\u00fc/\\ud83d\\ude00\"],\r\n\t\"vectors\":\
                [[1, -2.5], [3e0, 4E-1]]} \n";
    let batch = parse_ingest(body.as_bytes()).unwrap();
    assert_eq!(batch.dimension, 2);
    assert_eq!(batch.vectors, [1.0, -2.5, 3.0, 0.4]);
    assert_eq!(batch.ids, ["a", "ü/😀"]);
}

#[test]
fn a_search_has_defaults() {
    let query = parse_search(br#"{"vector": [1]}"#).unwrap();
    assert_eq!((query.k, query.precision), (5, Precision::Exact));
    assert_eq!(query.consistency, Consistency::Leader);
    assert!(!query.allow_partial);
    let query = parse_search(br#"{"k": 10000, "precision": "sq8", "vector": [1]}"#).unwrap();
    assert_eq!((query.k, query.precision), (10_000, Precision::Sq8));
}

#[test]
fn decimals_become_the_nearest_float32() {
    let cases = [
        ("16777217", 16_777_216.0_f32),
        ("9999999", 9_999_999.0),
        ("-9999999", -9_999_999.0),
        ("123456789012345678901234567890", 1.234_567_9e29),
        ("3.4028235e38", f32::MAX),
        ("3.40282356779733e38", f32::MAX),
        ("1e-45", f32::from_bits(1)),
        ("1.17549435e-38", f32::MIN_POSITIVE),
        ("0.1", 0.1),
        // Half way between two float32 but for a digit a float64 cannot hold.
        ("1.00000005960464477540", 1.000_000_1),
        ("1.00000005960464477538", 1.0),
    ];
    for (text, value) in cases {
        let batch = ingest_one(text).unwrap();
        assert_eq!(batch.vectors[0].to_bits(), value.to_bits(), "{text}");
    }
    for text in ["-0", "-0.0", "-0e9", "-1e-60"] {
        let batch = ingest_one(&format!("{text},1")).unwrap();
        assert_eq!(batch.vectors[0].to_bits(), (-0.0_f32).to_bits(), "{text}");
    }
}

#[test]
fn malformed_json_is_refused_with_its_position() {
    let cases = [
        (r#"{"vectors": [[1, 2"#, 1, 19, "the end of the body"),
        ("{\"vectors\":\n  [[1 2]]}", 2, 7, "',' or ']'"),
        (r#"{"vectors": [[01]]}"#, 1, 16, "leading zero"),
        (r#"{"vectors": [[1.]]}"#, 1, 17, "digit after the point"),
        (r#"{"vectors": [[1e]]}"#, 1, 17, "digit in the exponent"),
        (r#"{"vectors": [[-]]}"#, 1, 15, "digit"),
        (r#"{"vectors": [[+1]]}"#, 1, 15, "number"),
        (r#"{"vectors": [[.5]]}"#, 1, 15, "number"),
        (r#"{"vectors": [[1,]]}"#, 1, 17, "number"),
        (r#"{"vectors": [[1]],}"#, 1, 19, "name of a field"),
        (r#"{"vectors" [[1]]}"#, 1, 12, "':'"),
        (r#"{"ü": 1"#, 1, 2, "no field"),
        (r#"{'vectors': [[1]]}"#, 1, 2, "name of a field"),
        (r#"{"ids": ["a"#, 1, 12, "closing quote"),
        (r#"{"ids": ["\q"]}"#, 1, 10, "valid escapes"),
        (r#"{"ids": ["\ud800"]}"#, 1, 10, "valid escapes"),
        ("{\"ids\": [\"a\nb\"]}", 1, 12, "control characters"),
        (
            r#"{"vectors": [[1]], "ids": ["a"]} x"#,
            1,
            34,
            "nothing after",
        ),
        (
            r#"{"vectors": [[1]], "ids": ["a"]}{}"#,
            1,
            33,
            "nothing after",
        ),
    ];
    for (body, line, column, expected) in cases {
        let (_, json) = refused_ingest(body);
        assert_eq!(
            (&json["line"], &json["column"]),
            (&json!(line), &json!(column)),
            "{json}"
        );
        assert!(
            json["detail"].as_str().unwrap().contains(expected),
            "{json}"
        );
    }
}

#[test]
fn a_body_that_is_not_utf8_is_refused_with_its_position() {
    let (kind, json) = refused(parse_ingest(b"{\"ids\":\n[\"\xff\"]}"));
    assert_eq!(kind, ProblemKind::MalformedJson);
    assert_eq!((&json["line"], &json["column"]), (&json!(2), &json!(3)));
}

#[test]
fn an_empty_body_is_told_from_a_malformed_one() {
    for body in ["", "  \r\n\t", "\u{feff}"] {
        assert_eq!(refused_ingest(body).0, ProblemKind::EmptyBody);
    }
}

#[test]
fn a_value_of_the_wrong_type_is_named() {
    let cases = [
        ("[]", "the body must be a JSON object, not an array"),
        (
            "\"vectors\"",
            "the body must be a JSON object, not a string",
        ),
        (
            r#"{"vectors": {}}"#,
            "vectors must be an array of arrays of numbers, not an object",
        ),
        (
            r#"{"vectors": [1, 2]}"#,
            "vectors[0] must be an array of numbers, not a number",
        ),
        (
            r#"{"vectors": [[1], null]}"#,
            "vectors[1] must be an array of numbers, not null",
        ),
        (
            r#"{"vectors": [[1, "2"]]}"#,
            "vectors[0][1] must be a number, not a string",
        ),
        (
            r#"{"vectors": [[1, null]]}"#,
            "vectors[0][1] must be a number, not null",
        ),
        (
            r#"{"vectors": [[true]]}"#,
            "vectors[0][0] must be a number, not a boolean",
        ),
        (
            r#"{"vectors": [[[1]]]}"#,
            "vectors[0][0] must be a number, not an array",
        ),
        (
            r#"{"ids": "a"}"#,
            "ids must be an array of strings, not a string",
        ),
        (
            r#"{"ids": ["a", 17]}"#,
            "ids[1] must be a string, not a number; quote it: \"17\"",
        ),
        (
            r#"{"ids": [null]}"#,
            "ids[0] must be a string in quotes, not null",
        ),
    ];
    for (body, expected) in cases {
        let (kind, json) = refused_ingest(body);
        assert_eq!(kind, ProblemKind::WrongType, "{json}");
        assert!(
            json["detail"].as_str().unwrap().contains(expected),
            "{json}"
        );
        assert!(json["line"].is_number() && json["column"].is_number());
    }
    let (_, json) = refused_ingest(r#"{"vectors": [[1], [2, "x"]]}"#);
    assert_eq!((&json["index"], &json["position"]), (&json!(1), &json!(1)));
}

#[test]
fn a_search_takes_one_vector() {
    let (kind, json) = refused_search(r#"{"vector": [[1, 2]]}"#);
    assert_eq!(kind, ProblemKind::WrongType);
    assert!(
        json["detail"]
            .as_str()
            .unwrap()
            .contains("vector[0] must be a number, not an array")
    );
}

#[test]
fn missing_unknown_and_repeated_fields_are_named() {
    let (kind, json) = refused_ingest(r#"{"vectors": [[1]]}"#);
    assert_eq!(kind, ProblemKind::MissingField);
    assert!(
        json["detail"]
            .as_str()
            .unwrap()
            .contains("\"ids\" is missing"),
        "{json}"
    );
    let (kind, json) = refused_search(r#"{"vector": [1], "top_k": 3}"#);
    assert_eq!(kind, ProblemKind::UnknownField);
    let detail = json["detail"].as_str().unwrap();
    assert!(
        detail.contains("\"top_k\"; this request takes vector, k, precision"),
        "{detail}"
    );
    let (kind, json) = refused_search(r#"{"vector": [1], "vector": [2]}"#);
    assert_eq!(kind, ProblemKind::DuplicateField);
    assert!(
        json["detail"]
            .as_str()
            .unwrap()
            .contains("\"vector\" is given twice")
    );
    // An escaped name is the same name.
    let (kind, _) = refused_search(r#"{"vector": [1], "v\u0065ctor": [2]}"#);
    assert_eq!(kind, ProblemKind::DuplicateField);
    let long = format!("{{\"{}\": 1}}", "x".repeat(1 << 20));
    assert!(refused_search(&long).1["detail"].as_str().unwrap().len() < 300);
}

#[test]
fn counts_that_differ_are_both_said() {
    let (kind, json) = refused_ingest(r#"{"vectors": [[1], [2]], "ids": ["a"]}"#);
    assert_eq!(kind, ProblemKind::CountMismatch);
    assert_eq!((&json["expected"], &json["got"]), (&json!(2), &json!(1)));
    assert_eq!(
        refused_ingest(r#"{"vectors": [], "ids": ["a"]}"#).0,
        ProblemKind::CountMismatch
    );
}

#[test]
fn empty_batches_are_refused() {
    assert_eq!(
        refused_ingest(r#"{"vectors": [], "ids": []}"#).0,
        ProblemKind::EmptyBatch
    );
    assert_eq!(
        refused(parse_delete(br#"{"ids": []}"#)).0,
        ProblemKind::EmptyBatch
    );
}

#[test]
fn vectors_of_another_length_are_found() {
    let (kind, json) = refused_ingest(r#"{"vectors": [[1, 2], [1, 2, 3]], "ids": ["a", "b"]}"#);
    assert_eq!(kind, ProblemKind::WrongDimension);
    assert_eq!(
        (&json["index"], &json["expected"], &json["got"]),
        (&json!(1), &json!(2), &json!(3))
    );
    let (kind, json) = refused_ingest(r#"{"vectors": [[1], []], "ids": ["a", "b"]}"#);
    assert_eq!(
        (kind, &json["index"]),
        (ProblemKind::WrongDimension, &json!(1))
    );
    assert_eq!(
        refused_search(r#"{"vector": []}"#).0,
        ProblemKind::WrongDimension
    );
    let values = vec!["1"; 4097].join(",");
    let (kind, json) = refused_search(&format!(r#"{{"vector": [{values}]}}"#));
    assert_eq!(kind, ProblemKind::WrongDimension);
    assert_eq!((&json["got"], &json["limit"]), (&json!(4097), &json!(4096)));
    assert_eq!(
        ingest_one(&vec!["1"; 4096].join(",")).unwrap().dimension,
        4096
    );
}

#[test]
fn what_float32_cannot_hold_is_refused() {
    for text in [
        "1e39",
        "-1e39",
        "1e999999999",
        "3.4028236e38",
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
    ] {
        let body = format!(r#"{{"vectors": [[1, 2], [3, {text}]], "ids": ["a", "b"]}}"#);
        let (kind, json) = refused_ingest(&body);
        assert_eq!(kind, ProblemKind::NotFinite, "{text}");
        assert_eq!(
            (&json["index"], &json["position"]),
            (&json!(1), &json!(1)),
            "{json}"
        );
        let (kind, json) = refused_search(&format!(r#"{{"vector": [{text}]}}"#));
        assert_eq!(
            (kind, &json["position"]),
            (ProblemKind::NotFinite, &json!(0))
        );
    }
}

#[test]
fn zero_vectors_are_refused_by_index_and_id() {
    let body = r#"{"ids": ["a", "b"], "vectors": [[1, 0], [0, -0.0]]}"#;
    let (kind, json) = refused_ingest(body);
    assert_eq!(kind, ProblemKind::ZeroVector);
    assert_eq!((&json["index"], &json["id"]), (&json!(1), &json!("b")));
    assert_eq!(
        refused_search(r#"{"vector": [0, 1e-60]}"#).0,
        ProblemKind::ZeroVector
    );
}

#[test]
fn ids_have_1_to_512_bytes() {
    let body = |id: &str| format!(r#"{{"ids": ["a", "{id}"]}}"#);
    let (kind, json) = refused(parse_delete(body("").as_bytes()));
    assert_eq!((kind, &json["index"]), (ProblemKind::InvalidId, &json!(1)));
    let (kind, json) = refused(parse_delete(body(&"x".repeat(10_000)).as_bytes()));
    assert_eq!(kind, ProblemKind::InvalidId);
    assert_eq!(
        (&json["got"], &json["limit"]),
        (&json!(10_000), &json!(512))
    );
    // Bytes count, not characters.
    assert!(parse_delete(body(&"ü".repeat(256)).as_bytes()).is_ok());
    assert!(parse_delete(body(&"ü".repeat(257)).as_bytes()).is_err());
}

#[test]
fn k_is_a_whole_number_in_its_range() {
    for k in [
        "0",
        "-1",
        "10001",
        "1000000000",
        "1e9",
        "2.5",
        "5.0",
        "99999999999999999999999",
    ] {
        let (kind, json) = refused_search(&format!(r#"{{"vector": [1], "k": {k}}}"#));
        assert_eq!(kind, ProblemKind::InvalidK, "{k}");
        let detail = json["detail"].as_str().unwrap();
        assert!(
            detail.contains("whole number from 1 to 10000") && detail.contains(k),
            "{detail}"
        );
    }
    for (k, found) in [("\"5\"", "a string"), ("null", "null"), ("[5]", "an array")] {
        let (kind, json) = refused_search(&format!(r#"{{"vector": [1], "k": {k}}}"#));
        assert_eq!(kind, ProblemKind::InvalidK);
        assert!(json["detail"].as_str().unwrap().ends_with(found), "{json}");
    }
}

#[test]
fn precision_is_one_of_two() {
    let (kind, json) = refused_search(r#"{"vector": [1], "precision": "best"}"#);
    assert_eq!(kind, ProblemKind::InvalidPrecision);
    assert!(
        json["detail"]
            .as_str()
            .unwrap()
            .contains("\"exact\" or \"sq8\", not \"best\"")
    );
    assert_eq!(
        refused_search(r#"{"precision": 8}"#).0,
        ProblemKind::WrongType
    );
}

#[test]
fn consistency_is_one_of_three() {
    for (word, consistency) in [
        ("leader", Consistency::Leader),
        ("linearizable", Consistency::Linearizable),
        ("any", Consistency::Any),
    ] {
        let body = format!(r#"{{"vector": [1], "consistency": "{word}"}}"#);
        let query = parse_search(body.as_bytes()).unwrap();
        assert_eq!(query.consistency, consistency);
    }
    let (kind, json) = refused_search(r#"{"vector": [1], "consistency": "eventual"}"#);
    assert_eq!(kind, ProblemKind::InvalidConsistency);
    let detail = json["detail"].as_str().unwrap();
    let advice = "\"leader\", \"linearizable\" or \"any\", not \"eventual\"";
    assert!(detail.contains(advice), "{detail}");
    let (kind, _) = refused_search(r#"{"consistency": null}"#);
    assert_eq!(kind, ProblemKind::WrongType);
}

#[test]
fn partial_answers_are_allowed_or_not() {
    for (text, allowed) in [("true", true), ("false", false), (" true ", true)] {
        let body = format!(r#"{{"allow_partial":{text},"vector":[1]}}"#);
        assert_eq!(
            parse_search(body.as_bytes()).unwrap().allow_partial,
            allowed
        );
    }
    for text in ["1", "\"true\"", "null", "[]"] {
        let body = format!(r#"{{"vector": [1], "allow_partial": {text}}}"#);
        let (kind, json) = refused_search(&body);
        assert_eq!(kind, ProblemKind::WrongType, "{json}");
        assert!(
            json["detail"].as_str().unwrap().contains("true or false"),
            "{json}"
        );
    }
    for text in ["tru", "truely", "True"] {
        let body = format!(r#"{{"vector": [1], "allow_partial": {text}}}"#);
        assert_eq!(refused_search(&body).0, ProblemKind::MalformedJson);
    }
}

#[test]
fn nesting_however_deep_is_refused_at_its_second_step() {
    let deep = "[".repeat(10 << 20);
    assert_eq!(refused_ingest(&deep).0, ProblemKind::WrongType);
    let (_, json) = refused_ingest(&format!(r#"{{"vectors": {deep}"#));
    assert_eq!(json["column"], 15, "{json}");
    let objects = "{\"vectors\":".repeat(1 << 20);
    assert_eq!(refused_ingest(&objects).0, ProblemKind::WrongType);
}

/// Any float32 a client may send.
fn finite() -> impl Strategy<Value = f32> {
    any::<u32>()
        .prop_map(f32::from_bits)
        .prop_filter("finite", |value| value.is_finite())
}

proptest! {
    #[test]
    fn what_is_written_is_read_to_the_same_bits(
        values in prop::collection::vec(finite(), 1..50),
        id in "\\PC{1,40}",
    ) {
        prop_assume!(values.iter().any(|value| *value != 0.0));
        let body = format!(
            r#"{{"vectors": [{}], "ids": [{}]}}"#,
            serde_json::to_string(&values).unwrap(),
            serde_json::to_string(&id).unwrap(),
        );
        let batch = parse_ingest(body.as_bytes()).unwrap();
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&batch.vectors), bits(&values));
        prop_assert_eq!(&batch.ids[0], &id);
    }

    #[test]
    fn a_float64_is_read_to_the_float32_next_to_it(value in -3.4e38..3.4e38_f64) {
        prop_assume!(value as f32 != 0.0);
        let batch = ingest_one(&serde_json::to_string(&value).unwrap()).unwrap();
        // Through the float64, rounding twice, the result may differ by the last bit at the most.
        let apart = batch.vectors[0].to_bits().abs_diff((value as f32).to_bits());
        prop_assert!(apart <= 1);
    }

    #[test]
    fn only_json_is_taken_and_it_means_the_same_as_elsewhere(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = r#"{"ids": ["a\n", "\u00e9"], "vectors": [[1, -2.50e-3], [0.125, 7]]}"#;
        let mut body = whole.as_bytes().to_vec();
        for (index, byte) in edits {
            // Mostly bytes that have a meaning in JSON.
            let meaningful = b"{}[]\",:\\-+.eE0123456789 \nnutf\x00\xff";
            let at = index.index(body.len());
            body[at] = meaningful[usize::from(byte) % meaningful.len()];
        }
        if cut.index(4) == 0 {
            body.truncate(cut.index(whole.len()));
        }
        if let Ok(batch) = parse_ingest(&body) {
            let value: Value = serde_json::from_slice(&body).expect("must be JSON");
            let ids = value["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap());
            prop_assert!(ids.eq(batch.ids.iter().map(String::as_str)));
            let rows = value["vectors"].as_array().unwrap().iter();
            let values = rows.flat_map(|row| row.as_array().unwrap());
            for (value, read) in values.zip(&batch.vectors) {
                let expected = value.as_f64().unwrap() as f32;
                prop_assert!((expected - read).abs() <= f32::EPSILON * expected.abs());
            }
        }
    }

    #[test]
    fn no_body_makes_a_parser_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (parse_ingest(&body), parse_search(&body), parse_delete(&body));
    }
}
