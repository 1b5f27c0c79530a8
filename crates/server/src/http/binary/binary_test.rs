use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::ingest::IngestFormat;
use crate::http::problem::Problem;
use crate::root::IngestBatch;

const NPY: &str = "application/x-npy";
const FLOATS: &str = "application/octet-stream";

fn ingest(media_type: &str, query: &str, body: &[u8]) -> Result<IngestBatch, Problem> {
    let request = Request::post(format!("/ingest{query}"))
        .header(CONTENT_TYPE, media_type)
        .body(())
        .unwrap();
    IngestFormat::of(&request.into_parts().0)?.parse(body)
}

/// Expects a refusal of this kind whose text has all of `words`.
#[track_caller]
fn refused(result: Result<IngestBatch, Problem>, slug: &str, words: &[&str]) -> Value {
    let problem = result.unwrap_err().json();
    assert_eq!(problem["type"], format!("/docs/errors#{slug}"), "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    for word in words {
        assert!(detail.contains(word), "no {word:?} in {problem}");
    }
    problem
}

fn npy_with(descriptor: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header =
        format!("{{'descr': '{descriptor}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn npy(descriptor: &str, rows: usize, columns: usize, data: &[u8]) -> Vec<u8> {
    npy_with(descriptor, "False", &format!("({rows}, {columns})"), data)
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// A form; each part is its headers after the name and its content.
fn form(parts: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, headers, content) in parts {
        body.extend(format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"").bytes());
        body.extend(format!("{headers}\r\n\r\n").bytes());
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(b"--X--\r\n");
    body
}

fn ingest_form(query: &str, parts: &[(&str, &str, &[u8])]) -> Result<IngestBatch, Problem> {
    ingest("multipart/form-data; boundary=X", query, &form(parts))
}

/// Two vectors of one value, beside these ids.
fn with_ids(headers: &str, ids: &[u8]) -> Result<IngestBatch, Problem> {
    let vectors = bytes_of(&[1.0, 2.0]);
    ingest_form(
        "?dimension=1",
        &[("vectors", "", &vectors), ("ids", headers, ids)],
    )
}

#[test]
fn every_element_of_npy_is_read() {
    let cases: [(&str, Vec<u8>); 5] = [
        ("<f4", bytes_of(&[1.0, -2.0, 0.5, 7.0])),
        ("<f2", vec![0x00, 0x3c, 0x00, 0xc0, 0x00, 0x38, 0x00, 0x47]),
        (
            "<f8",
            [1.0, -2.0, 0.5, 7.0_f64]
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        ),
        ("|u1", vec![1, 254, 0, 7]),
        ("|i1", vec![1, 0xfe, 0, 7]),
    ];
    for (descriptor, data) in cases {
        let batch = ingest(NPY, "?first_id=5", &npy(descriptor, 2, 2, &data)).unwrap();
        assert_eq!(batch.ids, ["5", "6"]);
        assert_eq!(batch.dimension, 2);
        let expected = match descriptor {
            "|u1" => [1.0, 254.0, 0.0, 7.0],
            "|i1" => [1.0, -2.0, 0.0, 7.0],
            _ => [1.0, -2.0, 0.5, 7.0],
        };
        assert_eq!(batch.vectors, expected, "{descriptor}");
    }
}

#[test]
fn raw_values_keep_every_bit() {
    let values = [-0.0, 1.0, f32::from_bits(1), f32::MAX, f32::MIN, 0.1];
    let batch = ingest(FLOATS, "?dimension=3&first_id=0", &bytes_of(&values)).unwrap();
    let bits: Vec<u32> = batch.vectors.iter().map(|value| value.to_bits()).collect();
    assert_eq!(bits, values.map(f32::to_bits));
    assert_eq!((batch.dimension, batch.ids.len()), (3, 2));
}

#[test]
fn a_form_brings_vectors_and_ids_in_any_order() {
    let vectors = npy("<f4", 2, 2, &bytes_of(&[1.0, 2.0, 3.0, 4.0]));
    let parts: [(&str, &str, &[u8]); 2] = [
        ("ids", "; filename=\"ids.txt\"", b"a\nb"),
        (
            "vectors",
            "; filename=\"base.npy\"\r\nContent-Type: application/octet-stream",
            &vectors,
        ),
    ];
    let first = ingest_form("", &parts).unwrap();
    assert_eq!(first.ids, ["a", "b"]);
    assert_eq!(first.vectors, [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(ingest_form("", &[parts[1], parts[0]]).unwrap(), first);
    let numbered = ingest_form("?first_id=9", &[parts[1]]).unwrap();
    assert_eq!(numbered.ids, ["9", "10"]);
}

#[test]
fn forms_are_read_as_the_standard_has_them() {
    let value = bytes_of(&[1.0]);
    let mut body =
        b"a preamble\r\n--a b;\"c \t\r\nCONTENT-disposition: Form-Data;name=vectors\r\n".to_vec();
    body.extend(b"\r\n");
    body.extend(&value);
    body.extend(b"\r\n--a b;\"c\r\nContent-Transfer-Encoding: binary\r\n");
    body.extend(b"Content-Disposition: form-data; filename=\"x;name=y\"; name=\"ids\"\r\n\r\n");
    body.extend(b"--a b\r\n--a b;\"c--an epilogue");
    let media_type = "multipart/form-data; boundary=\"a b;\\\"c\"";
    let batch = ingest(media_type, "?dimension=1", &body).unwrap();
    assert_eq!(batch.ids, ["--a b"]);
    assert_eq!(batch.vectors, [1.0]);
}

#[test]
fn ids_are_lines_or_json() {
    for (headers, ids, expected) in [
        ("", "a\nb", ["a", "b"]),
        ("", "a\r\nb\r\n", ["a", "b"]),
        ("\r\nContent-Type: text/plain", "[\"a\n\"]", ["[\"a", "\"]"]),
        (
            "\r\nContent-Type: application/json",
            r#"["line\nbreak", "ü"]"#,
            ["line\nbreak", "ü"],
        ),
        (
            "\r\nContent-Type: application/octet-stream",
            " \n \r \n",
            [" ", " \r "],
        ),
    ] {
        assert_eq!(with_ids(headers, ids.as_bytes()).unwrap().ids, expected);
    }
}

#[test]
fn bad_ids_are_refused_with_their_place() {
    let problem = refused(with_ids("", b"a\n\xff"), "invalid-id", &["ids[1]", "UTF-8"]);
    assert_eq!(
        (&problem["index"], &problem["byte"]),
        (&json!(1), &json!(2))
    );
    let problem = refused(with_ids("", b"a\n\nb"), "invalid-id", &["ids[1] is empty"]);
    assert_eq!(problem["index"], 1);
    let long = "x".repeat(513);
    let problem = refused(with_ids("", long.as_bytes()), "invalid-id", &["513 bytes"]);
    assert_eq!(
        (&problem["got"], &problem["limit"]),
        (&json!(513), &json!(512))
    );
    let problem = refused(
        with_ids("", b"a\nb\nc"),
        "count-mismatch",
        &["2 vectors but 3 ids"],
    );
    assert_eq!(
        (&problem["expected"], &problem["got"]),
        (&json!(2), &json!(3))
    );
    refused(with_ids("", b""), "count-mismatch", &["0 ids"]);
    refused(
        with_ids("", br#" ["a", "b"] "#),
        "invalid-id",
        &["Content-Type: application/json"],
    );
    let json = "\r\nContent-Type: application/json";
    refused(
        with_ids(json, br#"["a", 7]"#),
        "wrong-type",
        &["ids[1]", "quote it"],
    );
    refused(
        with_ids(json, br#"["a", "b""#),
        "malformed-json",
        &["line 1"],
    );
    refused(
        with_ids(json, br#"["a", "b"] x"#),
        "malformed-json",
        &["nothing after"],
    );
    refused(with_ids(json, b""), "empty-body", &[]);
}

#[test]
fn bad_npy_is_refused_with_its_place() {
    let data = bytes_of(&[1.0, 2.0, 3.0, 4.0]);
    let send = |body: &[u8]| ingest(NPY, "?first_id=0", body);
    let refuse = |body: &[u8], words: &[&str]| refused(send(body), "malformed-vectors", words);
    assert_eq!(refuse(b"\x93NUMPI\x01\x00....", &["magic"])["byte"], 0);
    assert_eq!(refuse(b"\x93NUM", &["ends within the 8 bytes"])["byte"], 4);
    refuse(b"", &["ends within"]);
    refuse(b"\x93NUMPY\x09\x00....", &["version 9"]);
    refuse(
        b"\x93NUMPY\x01\x00\xff\x00{'descr'",
        &["ends within the header"],
    );
    refuse(
        &npy_with("<f4", "True", "(2, 2)", &data),
        &["Fortran order", "ascontiguousarray"],
    );
    refuse(&npy_with("<f4", "False", "(4,)", &data), &["1 dimensions"]);
    refuse(
        &npy_with("<f4", "False", "(1, 2, 2)", &data),
        &["3 dimensions"],
    );
    refuse(&npy_with("<f4", "False", "(2, 0)", b""), &["0 values"]);
    for unknown in [">f4", "<c8", "|O", "<U3", "<u2"] {
        refuse(
            &npy(unknown, 2, 2, &data),
            &[unknown, "little-endian float32"],
        );
    }
    refuse(&npy("<i4", 2, 2, &data), &["astype(\"float32\")"]);
    let problem = refuse(&npy("<f4", 2, 2, &data[..15]), &["truncated"]);
    assert_eq!(
        (&problem["expected"], &problem["got"]),
        (&json!(16), &json!(15))
    );
    let problem = refuse(&npy("<f4", 1, 2, &data), &["truncated or garbled"]);
    assert_eq!(
        (&problem["expected"], &problem["got"]),
        (&json!(8), &json!(16))
    );
    refuse(&npy("<f8", usize::MAX, 4_096, &data), &["countless"]);
    let wide = refused(
        send(&npy("|u1", 1, 4_097, &[1; 4_097])),
        "wrong-dimension",
        &["at most 4096"],
    );
    assert_eq!(
        (&wide["got"], &wide["limit"]),
        (&json!(4_097), &json!(4_096))
    );
    refused(send(&npy("<f4", 0, 4, b"")), "empty-batch", &[]);
}

#[test]
fn bad_values_are_refused_with_row_and_column() {
    let values = |position: usize, value: f32| {
        let mut values = [1.0; 40];
        values[position] = value;
        let ids: String = (0..2).map(|row| format!("id {row}\n")).collect();
        ingest_form(
            "?dimension=20",
            &[
                ("vectors", "", &bytes_of(&values)),
                ("ids", "", ids.as_bytes()),
            ],
        )
    };
    for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for position in [0, 19, 20, 33, 39] {
            let (row, column) = (position / 20, position % 20);
            let place = format!("vectors[{row}][{column}]");
            let problem = refused(values(position, value), "not-finite", &[&place, "finite"]);
            assert_eq!(problem["index"], row);
            assert_eq!(problem["position"], column);
        }
    }
    let wide = 1e300_f64.to_le_bytes();
    refused(
        ingest(NPY, "?first_id=0", &npy("<f8", 1, 1, &wide)),
        "not-finite",
        &["inf as a 32-bit float"],
    );
    let zeros = bytes_of(&[1.0, 0.0, 0.0, -0.0]);
    let problem = refused(
        ingest_form(
            "?dimension=2",
            &[("vectors", "", &zeros), ("ids", "", b"a\nb")],
        ),
        "zero-vector",
        &["vectors[1]"],
    );
    assert_eq!(
        (&problem["index"], &problem["id"]),
        (&json!(1), &json!("b"))
    );
}

#[test]
fn raw_values_must_be_whole_vectors() {
    let send = |query: &str, body: &[u8]| ingest(FLOATS, query, body);
    let problem = refused(
        send("?dimension=2&first_id=0", &[0; 12]),
        "malformed-vectors",
        &["12 bytes are no whole number of vectors", "takes 8"],
    );
    assert_eq!(
        (&problem["expected"], &problem["got"]),
        (&json!(16), &json!(12))
    );
    let npy = npy("<f4", 1, 2, &bytes_of(&[1.0, 2.0]));
    refused(
        send("?dimension=2&first_id=0", &npy),
        "malformed-vectors",
        &["leave out ?dimension"],
    );
    refused(send("?dimension=2&first_id=0", b""), "empty-batch", &[]);
}

#[test]
fn bad_parameters_are_refused() {
    let values = bytes_of(&[1.0, 2.0]);
    for (media_type, query, words) in [
        (
            FLOATS,
            "?dimension=2",
            ["?first_id=N", "multipart/form-data"],
        ),
        (FLOATS, "?dimension=0&first_id=0", ["1 to 4096", "\"0\""]),
        (
            FLOATS,
            "?dimension=4097&first_id=0",
            ["1 to 4096", "\"4097\""],
        ),
        (FLOATS, "?dimension=%2B2&first_id=0", ["dimension", "%2B2"]),
        (FLOATS, "?dimension=+2&first_id=0", ["dimension", "\"+2\""]),
        (FLOATS, "?dimension&first_id=0", ["dimension", "\"\""]),
        (FLOATS, "?dimension=2&first_id=-1", ["first_id", "\"-1\""]),
        (
            FLOATS,
            "?dimension=2&first_id=18446744073709551616",
            ["first_id", "18446744073709551615"],
        ),
        (
            FLOATS,
            "?dimension=1&first_id=18446744073709551615",
            ["2 row numbers", "pass"],
        ),
        (FLOATS, "?dimension=2&dimension=2", ["dimension", "twice"]),
        (FLOATS, "?dim=2", ["\"dim\"", "first_id"]),
        (
            NPY,
            "?dimension=2&first_id=0",
            ["says its own dimension", "leave out"],
        ),
        (NPY, "", ["?first_id=N", "row numbers"]),
    ] {
        let result = ingest(media_type, query, &values);
        refused(result, "invalid-parameter", &words);
    }
    let both = ingest_form(
        "?dimension=1&first_id=0",
        &[("vectors", "", &values), ("ids", "", b"a\nb")],
    );
    refused(both, "invalid-parameter", &["given twice"]);
}

#[test]
fn bad_forms_are_refused_with_their_place() {
    let values = bytes_of(&[1.0, 2.0]);
    let vectors: (&str, &str, &[u8]) = ("vectors", "", &values);
    let ids: (&str, &str, &[u8]) = ("ids", "", b"a\nb");
    let query = "?dimension=1";
    refused(
        ingest_form(query, &[ids]),
        "missing-field",
        &["\"vectors\" is missing"],
    );
    refused(
        ingest_form(query, &[vectors]),
        "missing-field",
        &["\"ids\" is missing"],
    );
    refused(ingest_form(query, &[]), "missing-field", &["\"vectors\""]);
    refused(
        ingest_form(query, &[ids, ids]),
        "duplicate-field",
        &["\"ids\""],
    );
    let problem = refused(
        ingest_form(query, &[vectors, ids, ("dimension", "", b"1")]),
        "unknown-field",
        &["\"dimension\"", "the query"],
    );
    assert!(problem["byte"].as_u64().unwrap() > 0, "{problem}");
    let encoded = ("ids", "\r\nContent-Transfer-Encoding: base64", &b"YQ=="[..]);
    refused(
        ingest_form(query, &[encoded]),
        "malformed-form",
        &["\"base64\""],
    );

    let media_type = "multipart/form-data; boundary=X";
    let whole = form(&[vectors, ids]);
    for length in 0..whole.len() - 4 {
        refused(
            ingest(media_type, query, &whole[..length]),
            "malformed-form",
            &["byte"],
        );
    }
    assert!(ingest(media_type, query, &whole[..whole.len() - 2]).is_ok());
    let send = |body: &[u8]| ingest(media_type, query, body);
    refused(send(b"--Y\r\n"), "malformed-form", &["nowhere in the body"]);
    refused(
        send(b"--XY\r\n\r\n\r\n--X--"),
        "malformed-form",
        &["followed by a line break"],
    );
    refused(
        send(b"--X\r\n\r\ncontent\r\n--X--"),
        "malformed-form",
        &["has no name"],
    );
    refused(
        send(b"--X\r\nnonsense\r\n\r\n\r\n--X--"),
        "malformed-form",
        &["no header"],
    );
    refused(
        send(b"--X\r\n\xff: 1\r\n\r\n\r\n--X--"),
        "malformed-form",
        &["UTF-8"],
    );
    let endless = [&b"--X\r\nA: "[..], &[b'a'; 20_000]].concat();
    refused(send(&endless), "malformed-form", &["do not end"]);
    for without in ["multipart/form-data", "multipart/form-data; boundary=\"\""] {
        refused(
            ingest(without, query, &whole),
            "malformed-form",
            &["must name a boundary"],
        );
    }
}

#[test]
fn other_types_are_refused_with_those_there_are() {
    for media_type in ["application/x-www-form-urlencoded", "text/csv", "", FLOATS] {
        refused(
            ingest(media_type, "?first_id=0", b""),
            "unsupported-media-type",
            &[
                "application/json",
                "multipart/form-data",
                "application/x-npy",
            ],
        );
    }
}
