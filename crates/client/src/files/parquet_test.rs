use std::fs;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use tempfile::TempDir;

use super::*;
use crate::files::VectorFile;

/// A list as writers of today lay it out, its elements of some type.
fn list(name: &str, element: &str) -> String {
    format!(
        "optional group {name} (LIST) {{ repeated group list {{ optional {element} element; }} }}"
    )
}

/// Values of a list's column: levels of a row without nulls.
fn levels(rows: &[usize]) -> (Vec<i16>, Vec<i16>) {
    let repeated = rows
        .iter()
        .flat_map(|&row| (0..row).map(|at| i16::from(at > 0)));
    let repeated: Vec<i16> = repeated.collect();
    (vec![3; repeated.len()], repeated)
}

/// Writes a column of a row group, by its number.
type WriteColumn = dyn Fn(usize, &mut ColumnWriter<'_>);

/// Writes row groups, each by what is done with its columns in order.
fn file(
    columns: &[String],
    compression: Compression,
    groups: &[&WriteColumn],
) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let schema = format!("message rows {{ {} }}", columns.join(" "));
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let properties = WriterProperties::builder().set_compression(compression);
    let output = fs::File::create(&path).unwrap();
    let mut writer =
        SerializedFileWriter::new(output, schema, Arc::new(properties.build())).unwrap();
    for write in groups {
        let mut group = writer.next_row_group().unwrap();
        let mut number = 0;
        while let Some(mut column) = group.next_column().unwrap() {
            write(number, column.untyped());
            column.close().unwrap();
            number += 1;
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    (folder, path)
}

fn write_floats(column: &mut ColumnWriter<'_>, values: &[f32], rows: &[usize]) {
    let (defined, repeated) = levels(rows);
    let ColumnWriter::FloatColumnWriter(column) = column else {
        panic!("another type")
    };
    column
        .write_batch(values, Some(&defined), Some(&repeated))
        .unwrap();
}

fn write_texts(column: &mut ColumnWriter<'_>, texts: &[&str]) {
    let texts: Vec<ByteArray> = texts.iter().map(|text| ByteArray::from(*text)).collect();
    let ColumnWriter::ByteArrayColumnWriter(column) = column else {
        panic!("another type")
    };
    column.write_batch(&texts, None, None).unwrap();
}

fn complaint(path: &Path) -> String {
    let read = VectorFile::open(path).and_then(VectorFile::read_all);
    read.unwrap_err().to_string()
}

#[test]
fn rows_are_read_over_row_groups_with_their_ids_whatever_the_compression() {
    let columns = [
        "required binary id (STRING);".to_owned(),
        list("embedding", "float"),
    ];
    let first = |number: usize, column: &mut ColumnWriter<'_>| match number {
        0 => write_texts(column, &["a", "b", "c"]),
        _ => write_floats(column, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.5], &[2, 2, 2]),
    };
    let second = |number: usize, column: &mut ColumnWriter<'_>| match number {
        0 => write_texts(column, &["d"]),
        _ => write_floats(column, &[-7.0, 8.0], &[2]),
    };
    let zstd = Compression::ZSTD(ZstdLevel::default());
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::LZ4_RAW,
        zstd,
    ] {
        let (_folder, path) = file(&columns, compression, &[&first, &second]);
        let mut open = VectorFile::open(&path).unwrap();
        assert_eq!((open.rows(), open.dimension()), (Some(4), None));
        let mut batches = Vec::new();
        while let Some(batch) = open.next_batch(2).unwrap() {
            batches.push((batch.first_row, batch.ids.concat(), batch.vectors));
        }
        let expected = [
            (0, "ab".to_owned(), vec![1.0, 2.0, 3.0, 4.0]),
            (2, "c".to_owned(), vec![5.0, 6.5]),
            (3, "d".to_owned(), vec![-7.0, 8.0]),
        ];
        assert_eq!(batches, expected, "{compression}");
        assert_eq!(open.dimension(), Some(2));
        let all = VectorFile::open(&path).unwrap().read_all().unwrap();
        assert_eq!(
            (all.rows(), all.end),
            (4, fs::metadata(&path).unwrap().len())
        );
    }
}

#[test]
fn numbers_of_every_width_become_the_nearest_float32_and_numbers_are_ids() {
    let half = "fixed_len_byte_array(2)";
    for element in ["double", "int32", half] {
        let columns = ["required int64 id;".to_owned(), list("v", element)];
        let write = |number: usize, column: &mut ColumnWriter<'_>| {
            let (defined, repeated) = levels(&[2, 2]);
            let levels = (Some(&defined[..]), Some(&repeated[..]));
            let values = [1, -2, 3, 100];
            let written = match column {
                ColumnWriter::Int64ColumnWriter(column) if number == 0 => {
                    column.write_batch(&[-5, 1 << 40], None, None)
                }
                ColumnWriter::DoubleColumnWriter(column) => {
                    column.write_batch(&values.map(f64::from), levels.0, levels.1)
                }
                ColumnWriter::Int32ColumnWriter(column) => {
                    column.write_batch(&values, levels.0, levels.1)
                }
                ColumnWriter::FixedLenByteArrayColumnWriter(column) => {
                    let bytes = values.map(|value| f16::from_f32(value as f32).to_le_bytes());
                    let bytes = bytes.map(|bytes| FixedLenByteArray::from(bytes.to_vec()));
                    column.write_batch(&bytes, levels.0, levels.1)
                }
                _ => panic!("another type"),
            };
            written.unwrap();
        };
        let (_folder, path) = file(&columns, Compression::UNCOMPRESSED, &[&write]);
        let all = VectorFile::open(&path).unwrap().read_all().unwrap();
        assert_eq!(all.vectors, [1.0, -2.0, 3.0, 100.0], "{element}");
        assert_eq!(all.ids, ["-5", "1099511627776"]);
    }
}

#[test]
fn without_ids_rows_are_numbered_over_files() {
    let columns = [list("vector", "float"), list("other", "float")];
    let write = |number: usize, column: &mut ColumnWriter<'_>| {
        write_floats(column, &[number as f32 + 1.0, 2.0], &[1, 1]);
    };
    let (_folder, path) = file(&columns, Compression::UNCOMPRESSED, &[&write]);
    let open = VectorFile::open(&path).unwrap().numbered_from(10);
    let all = open.read_all().unwrap();
    assert_eq!(
        (all.ids.join(" "), all.vectors),
        ("10 11".to_owned(), vec![1.0, 2.0])
    );
}

#[test]
fn what_cannot_be_vectors_is_told_with_its_row() {
    let two = [list("left", "float"), list("right", "float")];
    let floats = |_: usize, column: &mut ColumnWriter<'_>| write_floats(column, &[1.0], &[1]);
    let (_folder, path) = file(&two, Compression::UNCOMPRESSED, &[&floats]);
    assert!(
        complaint(&path).contains("any of the columns left, right"),
        "{}",
        complaint(&path)
    );

    let none = ["required float vector;".to_owned()];
    let plain = |_: usize, column: &mut ColumnWriter<'_>| {
        let ColumnWriter::FloatColumnWriter(column) = column else {
            panic!("another type")
        };
        column.write_batch(&[1.0], None, None).unwrap();
    };
    let (_folder, path) = file(&none, Compression::UNCOMPRESSED, &[&plain]);
    assert!(complaint(&path).contains("no column of it holds lists of numbers"));

    let one = [list("vector", "float")];
    let uneven = |_: usize, column: &mut ColumnWriter<'_>| {
        write_floats(column, &[1.0, 2.0, 3.0, 4.0, 5.0], &[2, 2, 1]);
    };
    let (_folder, path) = file(&one, Compression::UNCOMPRESSED, &[&uneven]);
    assert!(complaint(&path).contains("row 2: this vector has 1 values, the first has 2"));

    let with_null = |_: usize, column: &mut ColumnWriter<'_>| {
        let ColumnWriter::FloatColumnWriter(column) = column else {
            panic!("another type")
        };
        let (defined, repeated) = (&[3, 3, 3, 2], &[0, 1, 0, 1]);
        column
            .write_batch(&[1.0, 2.0, 3.0], Some(defined), Some(repeated))
            .unwrap();
    };
    let (_folder, path) = file(&one, Compression::UNCOMPRESSED, &[&with_null]);
    assert!(complaint(&path).contains("row 1: this vector is missing, empty, or has a null"));

    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(complaint(&path).contains("this is no Parquet file"));
}
