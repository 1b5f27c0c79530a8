//! Parquet: a column of lists of numbers, and a column of ids if there is one.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use half::f16;
use parquet::basic::{ConvertedType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::{MOST_DIMENSIONS, VectorBatch, garbled};
use crate::{ClientError, Place};

/// Names of the column with the vectors, where more than one could have them: the first that is there.
const VECTOR_NAMES: [&str; 4] = ["vector", "vectors", "embedding", "embeddings"];

/// The name of the column with ids.
const ID_NAME: &str = "id";

/// The rows of a file, one row group after the other.
pub(super) struct ParquetRows {
    path: PathBuf,
    file: SerializedFileReader<File>,
    /// Which columns, counted as the file counts its leaves.
    vectors: usize,
    ids: Option<usize>,
    bytes: u64,
    rows: u64,
    next_row: u64,
    next_group: usize,
    group: Option<Group>,
    dimension: Option<usize>,
}

/// A row group that is being read.
struct Group {
    vectors: ColumnReader,
    /// Of a column without nulls, and of one with lists in it.
    most_defined: i16,
    ids: Option<(ColumnReader, i16)>,
    rows_left: usize,
}

/// What says of the values of a column which rows they belong to.
#[derive(Default)]
struct Levels {
    defined: Vec<i16>,
    repeated: Vec<i16>,
}

impl ParquetRows {
    pub(super) fn open(path: &Path) -> Result<Self, ClientError> {
        let io = |cause| ClientError::Io {
            path: path.to_owned(),
            cause,
        };
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(garbled(path, Place::Whole, "it is not a regular file"));
        }
        let whole = |reason: String| garbled(path, Place::Whole, reason);
        let file = SerializedFileReader::new(file)
            .map_err(|error| whole(format!("this is no Parquet file: {error}")))?;
        let schema = file.metadata().file_metadata().schema_descr_ptr();
        let columns: Vec<&ColumnDescriptor> = schema.columns().iter().map(AsRef::as_ref).collect();
        let vectors = vector_column(&columns).map_err(whole)?;
        let ids = columns
            .iter()
            .position(|column| name(column) == ID_NAME && column.max_rep_level() == 0);
        if let Some(ids) = ids
            && !is_of_ids(columns[ids])
        {
            return Err(whole(format!(
                "its column {ID_NAME:?} holds neither text nor whole numbers"
            )));
        }
        let rows = file.metadata().file_metadata().num_rows();
        Ok(Self {
            path: path.to_owned(),
            vectors,
            ids,
            bytes: metadata.len(),
            rows: u64::try_from(rows).unwrap_or_default(),
            file,
            next_row: 0,
            next_group: 0,
            group: None,
            dimension: None,
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn dimension(&self) -> Option<usize> {
        self.dimension
    }

    pub(super) fn next_batch(
        &mut self,
        max_rows: usize,
        id_offset: u64,
    ) -> Result<Option<VectorBatch>, ClientError> {
        let first_row = self.next_row;
        let batch = self.read(max_rows, id_offset);
        let batch = batch.map_err(|(row, reason)| {
            garbled(&self.path, Place::Row(first_row + row as u64), reason)
        })?;
        let Some((dimension, ids, vectors)) = batch else {
            return Ok(None);
        };
        self.next_row += ids.len() as u64;
        let part = self.next_row as f64 / self.rows.max(1) as f64;
        Ok(Some(VectorBatch {
            first_row,
            dimension,
            ids,
            vectors,
            end: (self.bytes as f64 * part) as u64,
        }))
    }

    /// Some rows of one group: dimension, ids and values. An error says in which of the rows.
    #[expect(clippy::type_complexity, reason = "a batch in the making")]
    fn read(
        &mut self,
        max_rows: usize,
        id_offset: u64,
    ) -> Result<Option<(usize, Vec<String>, Vec<f32>)>, (usize, String)> {
        let here = |error: ParquetError| (0, error.to_string());
        let Some(group) = self.group().map_err(here)? else {
            return Ok(None);
        };
        let wanted = max_rows.min(group.rows_left);
        let (mut levels, mut vectors) = (Levels::default(), Vec::new());
        let rows =
            read_numbers(&mut group.vectors, wanted, &mut levels, &mut vectors).map_err(here)?;
        if rows != wanted {
            return Err((
                rows,
                "the column of vectors ends before this row".to_owned(),
            ));
        }
        let lengths = levels.lengths(group.most_defined)?;
        let ids = match &mut group.ids {
            Some((column, most_defined)) => Some(read_ids(column, wanted, *most_defined)?),
            None => None,
        };
        group.rows_left -= wanted;
        let dimension = *self.dimension.get_or_insert(lengths[0]);
        for (row, &length) in lengths.iter().enumerate() {
            if length != dimension || length as u64 > MOST_DIMENSIONS {
                let reason = format!("this vector has {length} values, the first has {dimension}");
                return Err((row, reason));
            }
        }
        let numbers = || super::row_numbers(id_offset + self.next_row, wanted);
        Ok(Some((dimension, ids.unwrap_or_else(numbers), vectors)))
    }

    /// The group that has rows left, if any has.
    fn group(&mut self) -> Result<Option<&mut Group>, ParquetError> {
        while self.group.as_ref().is_none_or(|group| group.rows_left == 0) {
            if self.next_group >= self.file.num_row_groups() {
                return Ok(None);
            }
            let group = self.file.get_row_group(self.next_group)?;
            let schema = group.metadata().schema_descr();
            let most_defined = |column: usize| schema.column(column).max_def_level();
            let ids = match self.ids {
                Some(column) => Some((group.get_column_reader(column)?, most_defined(column))),
                None => None,
            };
            let rows = group.metadata().num_rows();
            self.group = Some(Group {
                vectors: group.get_column_reader(self.vectors)?,
                most_defined: most_defined(self.vectors),
                ids,
                rows_left: usize::try_from(rows).unwrap_or_default(),
            });
            self.next_group += 1;
        }
        Ok(self.group.as_mut())
    }
}

impl fmt::Debug for ParquetRows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("ParquetRows");
        shown.field("path", &self.path).finish_non_exhaustive()
    }
}

impl Levels {
    /// How many values each row has. Every one must be there.
    fn lengths(&self, most_defined: i16) -> Result<Vec<usize>, (usize, String)> {
        let mut lengths = Vec::new();
        for (&defined, &repeated) in self.defined.iter().zip(&self.repeated) {
            if repeated == 0 {
                lengths.push(0);
            }
            if defined != most_defined {
                let row = lengths.len().saturating_sub(1);
                return Err((
                    row,
                    "this vector is missing, empty, or has a null in it".to_owned(),
                ));
            }
            if let Some(length) = lengths.last_mut() {
                *length += 1;
            }
        }
        Ok(lengths)
    }
}

/// What a column is called, whatever it consists of.
fn name(column: &ColumnDescriptor) -> &str {
    column.path().parts().first().map_or("", String::as_str)
}

fn is_of_vectors(column: &ColumnDescriptor) -> bool {
    let is_of_numbers = match column.physical_type() {
        Type::FLOAT | Type::DOUBLE => true,
        Type::INT32 => column.converted_type() != ConvertedType::UINT_32,
        Type::FIXED_LEN_BYTE_ARRAY => column.type_length() == 2,
        _ => false,
    };
    is_of_numbers && column.max_rep_level() == 1
}

fn is_of_ids(column: &ColumnDescriptor) -> bool {
    matches!(
        column.physical_type(),
        Type::BYTE_ARRAY | Type::INT32 | Type::INT64
    )
}

fn vector_column(columns: &[&ColumnDescriptor]) -> Result<usize, String> {
    let candidates: Vec<usize> = (0..columns.len())
        .filter(|&column| is_of_vectors(columns[column]))
        .collect();
    let named = VECTOR_NAMES.iter().find_map(|wanted| {
        let mut candidates = candidates.iter();
        candidates.find(|&&column| name(columns[column]) == *wanted)
    });
    match (named, &candidates[..]) {
        (Some(&column), _) | (None, &[column]) => Ok(column),
        (None, []) => Err(
            "no column of it holds lists of numbers: float32, float64, float16 or int32".to_owned(),
        ),
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|&one| name(columns[one])).collect();
            Err(format!(
                "the vectors could be in any of the columns {}; call theirs \"vector\"",
                names.join(", ")
            ))
        }
    }
}

/// Appends the values of so many rows, each the nearest float32.
fn read_numbers(
    column: &mut ColumnReader,
    rows: usize,
    levels: &mut Levels,
    values: &mut Vec<f32>,
) -> Result<usize, ParquetError> {
    let (defined, repeated) = (Some(&mut levels.defined), Some(&mut levels.repeated));
    let (rows, ..) = match column {
        ColumnReader::FloatColumnReader(column) => {
            column.read_records(rows, defined, repeated, values)?
        }
        ColumnReader::DoubleColumnReader(column) => {
            let mut wide = Vec::new();
            let read = column.read_records(rows, defined, repeated, &mut wide)?;
            values.extend(wide.into_iter().map(|value| value as f32));
            read
        }
        ColumnReader::Int32ColumnReader(column) => {
            let mut whole = Vec::new();
            let read = column.read_records(rows, defined, repeated, &mut whole)?;
            values.extend(whole.into_iter().map(|value| value as f32));
            read
        }
        ColumnReader::FixedLenByteArrayColumnReader(column) => {
            let mut halves = Vec::new();
            let read = column.read_records(rows, defined, repeated, &mut halves)?;
            for half in halves {
                let bytes = half.data().try_into();
                let bytes =
                    bytes.map_err(|_| ParquetError::General("half a float16".to_owned()))?;
                values.push(f16::from_le_bytes(bytes).to_f32());
            }
            read
        }
        _ => return Err(ParquetError::General("these are no numbers".to_owned())),
    };
    Ok(rows)
}

/// The ids of so many rows. An error says in which of them.
fn read_ids(
    column: &mut ColumnReader,
    rows: usize,
    most_defined: i16,
) -> Result<Vec<String>, (usize, String)> {
    let mut defined = Vec::new();
    let read = match column {
        ColumnReader::ByteArrayColumnReader(column) => {
            let text = |text: ByteArray| text.as_utf8().map(str::to_owned);
            read_plain(column, rows, &mut defined)
                .map(|texts| texts.into_iter().map(text).collect())
        }
        ColumnReader::Int32ColumnReader(column) => {
            read_plain(column, rows, &mut defined).map(in_digits)
        }
        ColumnReader::Int64ColumnReader(column) => {
            read_plain(column, rows, &mut defined).map(in_digits)
        }
        _ => Err(ParquetError::General("these are no ids".to_owned())),
    };
    let ids: Vec<Result<String, ParquetError>> = read.map_err(|error| (0, error.to_string()))?;
    if let Some(row) = defined.iter().position(|&defined| defined != most_defined) {
        return Err((row, "its id is missing".to_owned()));
    }
    if ids.len() != rows {
        return Err((
            ids.len(),
            "the column of ids ends before this row".to_owned(),
        ));
    }
    let ids = ids.into_iter().enumerate();
    ids.map(|(row, id)| id.map_err(|_| (row, "its id is not UTF-8".to_owned())))
        .collect()
}

/// The values of so many rows of a column without lists.
fn read_plain<T: DataType>(
    column: &mut ColumnReaderImpl<T>,
    rows: usize,
    defined: &mut Vec<i16>,
) -> Result<Vec<T::T>, ParquetError> {
    let mut values = Vec::new();
    column.read_records(rows, Some(defined), None, &mut values)?;
    Ok(values)
}

fn in_digits<T: ToString>(numbers: Vec<T>) -> Vec<Result<String, ParquetError>> {
    let numbers = numbers.iter();
    numbers.map(|number| Ok(number.to_string())).collect()
}

#[cfg(test)]
#[path = "parquet_test.rs"]
mod tests;
