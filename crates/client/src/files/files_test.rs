use std::fs;

use half::f16;
use tempfile::TempDir;

use super::*;

fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// A `.npy` of the given version, its header padded as NumPy does.
fn npy(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let prefix = if version == 1 { 10 } else { 12 };
    let mut header = header.to_owned();
    while !(prefix + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    if version == 1 {
        bytes.extend((header.len() as u16).to_le_bytes());
    } else {
        bytes.extend((header.len() as u32).to_le_bytes());
    }
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn header(descriptor: &str, shape: &str) -> String {
    format!("{{'descr': '{descriptor}', 'fortran_order': False, 'shape': {shape}, }}")
}

fn records<T: Copy, const N: usize>(rows: &[&[T]], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    let mut file = Vec::new();
    for row in rows {
        file.extend((row.len() as i32).to_le_bytes());
        file.extend(row.iter().flat_map(|&value| bytes(value)));
    }
    file
}

fn complaint(name: &str, bytes: &[u8]) -> String {
    let (_folder, path) = file(name, bytes);
    let error = match VectorFile::open(&path) {
        Err(error) => error,
        Ok(mut open) => loop {
            match open.next_batch(1) {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{name} was read without a complaint"),
                Err(error) => break error,
            }
        },
    };
    let text = error.to_string();
    let named = format!("{}: ", path.display());
    text.strip_prefix(&named)
        .unwrap_or_else(|| panic!("{text} does not name the file"))
        .to_owned()
}

fn all(name: &str, bytes: &[u8]) -> VectorBatch {
    let (_folder, path) = file(name, bytes);
    VectorFile::open(&path).unwrap().read_all().unwrap()
}

#[test]
fn every_npy_type_and_version_is_read() {
    let values = [1.0_f32, -2.0, 0.5, 100.0, 3.0, 0.0];
    let f2: Vec<u8> = values
        .iter()
        .flat_map(|&v| f16::from_f32(v).to_le_bytes())
        .collect();
    let f4: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let f8: Vec<u8> = values
        .iter()
        .flat_map(|&v| f64::from(v).to_le_bytes())
        .collect();
    for version in [1, 2, 3] {
        for (descriptor, data) in [("<f2", &f2), ("<f4", &f4), ("<f8", &f8)] {
            let read = all("a.npy", &npy(version, &header(descriptor, "(2, 3)"), data));
            assert_eq!(
                (read.dimension, &read.vectors[..]),
                (3, &values[..]),
                "{descriptor}"
            );
            assert_eq!(read.ids, ["0", "1"]);
        }
    }
    let bytes = all(
        "a.npy",
        &npy(1, &header("|u1", "(2, 2)"), &[0, 1, 128, 255]),
    );
    assert_eq!(bytes.vectors, [0.0, 1.0, 128.0, 255.0]);
    let signed = all(
        "a.npy",
        &npy(1, &header("|i1", "(2, 2)"), &[0, 1, 128, 255]),
    );
    assert_eq!(signed.vectors, [0.0, 1.0, -128.0, -1.0]);
}

#[test]
fn a_file_comes_in_batches_with_ids_that_run_on() {
    let data: Vec<u8> = (0..10).collect();
    let (_folder, path) = file("a.npy", &npy(1, &header("|u1", "(5, 2)"), &data));
    let mut open = VectorFile::open(&path).unwrap().numbered_from(100);
    assert_eq!((open.rows(), open.dimension()), (Some(5), Some(2)));
    let mut seen = Vec::new();
    while let Some(batch) = open.next_batch(2).unwrap() {
        assert_eq!(batch.vectors.len(), batch.rows() * 2);
        seen.push((
            batch.first_row,
            batch.ids.join(" "),
            batch.vectors[0],
            batch.end,
        ));
    }
    let start = open.bytes() - 10;
    assert_eq!(
        seen,
        [
            (0, "100 101".to_owned(), 0.0, start + 4),
            (2, "102 103".to_owned(), 4.0, start + 8),
            (4, "104".to_owned(), 8.0, start + 10),
        ]
    );
}

#[test]
fn an_npy_that_is_not_one_is_told_by_its_first_bytes() {
    assert_eq!(
        complaint("a.npy", b"PK\x03\x04 something else"),
        "byte 0: this is not a .npy file: the magic is wrong"
    );
    let text = complaint("a.npy", b"\x93NUM");
    assert!(text.starts_with("byte 0: the file ends within"), "{text}");
    let mut future = npy(1, &header("<f4", "(1, 1)"), &[0; 4]);
    future[6] = 9;
    assert_eq!(
        complaint("a.npy", &future),
        "byte 6: .npy version 9 is not one of 1, 2, 3"
    );
}

#[test]
fn a_truncated_npy_is_refused_before_any_of_it_is_used() {
    let whole = npy(1, &header("<f4", "(2, 3)"), &[0; 24]);
    for cut in 0..whole.len() {
        let (_folder, path) = file("a.npy", &whole[..cut]);
        assert!(
            VectorFile::open(&path).is_err(),
            "{cut} of {} bytes were taken",
            whole.len()
        );
    }
    let text = complaint("a.npy", &whole[..whole.len() - 1]);
    assert_eq!(
        text,
        format!(
            "byte {}: 2 × 3 values of 4 bytes after the header need {} bytes in all, the file has \
             {}: it is truncated or garbled",
            whole.len() - 1,
            whole.len(),
            whole.len() - 1
        )
    );
    let mut longer = whole;
    longer.push(0);
    assert!(complaint("a.npy", &longer).contains("truncated or garbled"));
}

#[test]
fn an_npy_of_another_layout_is_refused_with_what_to_do() {
    let fortran = "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }";
    for (header, said) in [
        (fortran.to_owned(), "numpy.ascontiguousarray"),
        (header(">f4", "(1, 1)"), "\">f4\" cannot be read"),
        (header("<U3", "(1, 1)"), "\"<U3\" cannot be read"),
        (
            header("<i4", "(1, 1)"),
            "int32 and int64 are for neighbours",
        ),
        (header("<f4", "(1,)"), "has 1 dimensions, (1,)"),
        (header("<f4", "()"), "has 0 dimensions"),
        (header("<f4", "(1, 1, 1)"), "has 3 dimensions"),
        (header("<f4", "(4, 0)"), "rows of 0 values"),
        (
            header("<f4", "(1, -1)"),
            "\"-1\" in the header's shape is no number",
        ),
        (
            header("<f4", "(99999999999999999, 60000)"),
            "need countless bytes",
        ),
        (
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 1)}".to_owned(),
            "records",
        ),
        ("{}".to_owned(), "does not say descr"),
        ("not a dictionary \u{fe}".to_owned(), "does not say descr"),
    ] {
        let text = complaint("a.npy", &npy(1, &header, &[0; 4]));
        assert!(text.contains(said), "{header}: {text}");
    }
}

#[test]
fn a_value_that_is_not_finite_is_named_by_row_and_byte() {
    let data: Vec<u8> = [1.0, 2.0, 3.0, f32::NAN]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let bytes = npy(1, &header("<f4", "(2, 2)"), &data);
    assert_eq!(
        complaint("a.npy", &bytes),
        format!(
            "byte {}: row 1, value 1 is NaN as a float32; every value must be finite",
            bytes.len() - 4
        )
    );
    let large = npy(1, &header("<f8", "(1, 1)"), &1e39_f64.to_le_bytes());
    assert!(complaint("a.npy", &large).contains("row 0, value 0 is inf"));
    let fvecs = records(&[&[1.0, 2.0], &[f32::INFINITY, 0.0]], f32::to_le_bytes);
    assert!(complaint("a.fvecs", &fvecs).starts_with("byte 16: row 1, value 0 is inf"));
}

#[test]
fn fvecs_and_bvecs_are_read() {
    let fvecs = all(
        "a.fvecs",
        &records(&[&[1.5, -2.0], &[0.0, 3e38]], f32::to_le_bytes),
    );
    assert_eq!(
        (fvecs.dimension, fvecs.vectors),
        (2, vec![1.5, -2.0, 0.0, 3e38])
    );
    let bvecs = all("a.BVECS", &records(&[&[1_u8, 255, 0]], |byte| [byte]));
    assert_eq!((bvecs.dimension, bvecs.vectors), (3, vec![1.0, 255.0, 0.0]));
}

#[test]
fn garbled_records_are_named_by_their_byte() {
    let good = records(&[&[1.0, 2.0], &[3.0, 4.0]], f32::to_le_bytes);
    for cut in 1..good.len() {
        if cut != 12 {
            let text = complaint("a.fvecs", &good[..cut]);
            assert!(
                text.contains("truncated or garbled") || text.contains("ends within"),
                "{text}"
            );
        }
    }
    assert!(complaint("a.fvecs", &good[..20]).starts_with("byte 12: after 1 vectors"));
    let mut other_dimension = good.clone();
    other_dimension[12] = 3;
    assert_eq!(
        complaint("a.fvecs", &other_dimension),
        "byte 12: row 1 says it has 3 dimensions, the first has 2"
    );
    for dimension in [0, -5, i32::MAX] {
        let mut bytes = good.clone();
        bytes[..4].copy_from_slice(&dimension.to_le_bytes());
        let text = complaint("a.fvecs", &bytes);
        assert!(text.starts_with("byte 0: a dimension of"), "{text}");
    }
}

#[test]
fn json_lines_are_read_with_their_ids_or_row_numbers() {
    let text = "{\"id\": \"a\\u0041\", \"vector\": [1, -0.5, 1e-3]}\n\
                \n  {\"meta\": {\"deep\": [1, {}]}, \"vector\":[2,3,4] , \"id\":\"b\"}  \r\n\
                {\"vector\": [0.1, 16777217, 3.4028235e38]}";
    let (_folder, path) = file("a.jsonl", text.as_bytes());
    let open = VectorFile::open(&path).unwrap().numbered_from(40);
    assert_eq!((open.rows(), open.dimension()), (None, None));
    let read = open.read_all().unwrap();
    assert_eq!(read.ids, ["aA", "b", "42"]);
    let expected = [
        1.0,
        -0.5,
        1e-3,
        2.0,
        3.0,
        4.0,
        0.1,
        16_777_217_f64 as f32,
        f32::MAX,
    ];
    assert_eq!(read.vectors, expected);
    assert_eq!(read.end, text.len() as u64);
}

#[test]
fn a_garbled_line_is_named_by_line_and_column() {
    for (line, said) in [
        ("[1, 2]", "column 1: '{' is missing"),
        ("{\"vector\": [1, 2]", "column 18: ',' is missing"),
        (
            "{\"vector\": [1, \"2\"]}",
            "column 16: a number is missing or malformed",
        ),
        (
            "{\"vector\": [1, NaN]}",
            "column 16: a number is missing or malformed",
        ),
        (
            "{\"vector\": [1, null]}",
            "column 16: a number is missing or malformed",
        ),
        (
            "{\"vector\": [1, 1e39]}",
            "column 16: the number is beyond float32",
        ),
        ("{\"vector\": []}", "column 14: the vector is empty"),
        ("{\"vector\": [1 2]}", "column 15: ',' is missing"),
        (
            "{\"vector\": [1], \"vector\": [1]}",
            "column 26: a second vector",
        ),
        (
            "{\"vector\": [1, 2], \"id\": 7}",
            "column 26: an id, a string is missing",
        ),
        ("{\"id\": \"a\"}", "the object has no \"vector\""),
        (
            "{\"vector\": [1, 2]} x",
            "column 20: the object ends before this",
        ),
        (
            "{\"vector\": [1, 2, 3]}",
            "this vector has 3 values, the first has 2",
        ),
        ("garbage \u{1}", "column 1: '{' is missing"),
    ] {
        let text = complaint(
            "a.jsonl",
            format!("{{\"vector\": [8, 9]}}\n{line}\n").as_bytes(),
        );
        assert!(
            text.starts_with("line 2: ") && text.contains(said),
            "{line}: {text}"
        );
    }
}

#[test]
fn files_that_cannot_be_vectors_say_so() {
    assert!(complaint("a.parquet", b"PAR1").contains("this is no Parquet file"));
    assert!(
        complaint("a.csv", b"1,2").contains("not one of .npy, .fvecs, .bvecs, .jsonl, .parquet")
    );
    let folder = tempfile::tempdir().unwrap();
    let missing = VectorFile::open(&folder.path().join("no.npy"));
    assert!(matches!(missing, Err(ClientError::Io { .. })));
    let as_folder = folder.path().join("folder.npy");
    fs::create_dir(&as_folder).unwrap();
    assert!(VectorFile::open(&as_folder).is_err());
}

#[test]
fn files_without_rows_are_empty_not_wrong() {
    for (name, bytes) in [
        ("a.fvecs", Vec::new()),
        ("a.jsonl", b"\n\n".to_vec()),
        ("a.npy", npy(1, &header("<f4", "(0, 3)"), &[])),
    ] {
        let (_folder, path) = file(name, &bytes);
        let mut open = VectorFile::open(&path).unwrap();
        assert_eq!(open.next_batch(10).unwrap(), None, "{name}");
        assert!(VectorFile::open(&path).unwrap().read_all().is_err());
    }
}

#[test]
fn neighbours_are_read_from_npy_and_ivecs() {
    let expected = Neighbours::new(2, vec![3, 1, 0, 7]).unwrap();
    let i4: Vec<u8> = [3_i32, 1, 0, 7]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let i8: Vec<u8> = [3_i64, 1, 0, 7]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    for (name, bytes) in [
        ("t.npy", npy(1, &header("<i4", "(2, 2)"), &i4)),
        ("t.npy", npy(1, &header("<i8", "(2, 2)"), &i8)),
        ("t.ivecs", records(&[&[3, 1], &[0, 7]], i32::to_le_bytes)),
    ] {
        let (_folder, path) = file(name, &bytes);
        let read = Neighbours::open(&path).unwrap();
        assert_eq!(read, expected);
        assert_eq!(
            (read.rows(), read.columns(), read.of(1), read.of(2)),
            (2, 2, &[0, 7][..], &[][..])
        );
    }
    let (_folder, path) = file("t.npy", &npy(1, &header("<f4", "(1, 1)"), &[0; 4]));
    assert!(
        Neighbours::open(&path)
            .unwrap_err()
            .to_string()
            .contains("int32 (<i4) or int64")
    );
}
