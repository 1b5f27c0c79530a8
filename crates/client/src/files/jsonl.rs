//! JSON lines: `{"id": "…", "vector": […]}`, one vector a line.

use std::path::Path;

use serde::de::{DeserializeOwned, IgnoredAny};

use super::source::Source;
use super::{VectorBatch, garbled};
use crate::{ClientError, Place};

/// Longest line that is read: a vector of the most dimensions fits several times.
const LONGEST_LINE: u64 = 16 << 20;

/// The lines of a file. Blank ones are no rows.
#[derive(Debug)]
pub(super) struct Lines {
    source: Source,
    line: Vec<u8>,
    line_number: u64,
    next_row: u64,
    dimension: Option<usize>,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, ClientError> {
        let source = Source::open(path)?;
        Ok(Self {
            source,
            line: Vec::new(),
            line_number: 0,
            next_row: 0,
            dimension: None,
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.source.length()
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
        let mut ids = Vec::new();
        let mut vectors = Vec::new();
        while ids.len() < max_rows && self.source.read_line(&mut self.line, LONGEST_LINE)? {
            self.line_number += 1;
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            let id = self.append_row(&mut vectors).map_err(|reason| {
                garbled(self.source.path(), Place::Line(self.line_number), reason)
            })?;
            ids.push(id.unwrap_or_else(|| (id_offset + self.next_row).to_string()));
            self.next_row += 1;
        }
        let (Some(dimension), false) = (self.dimension, ids.is_empty()) else {
            return Ok(None);
        };
        let end = self.source.offset();
        Ok(Some(VectorBatch {
            first_row,
            dimension,
            ids,
            vectors,
            end,
        }))
    }

    /// Appends the line's vector and returns its id.
    fn append_row(&mut self, vectors: &mut Vec<f32>) -> Result<Option<String>, String> {
        if self.line.len() as u64 == LONGEST_LINE && !self.line.ends_with(b"\n") {
            return Err(format!("the line is longer than {LONGEST_LINE} bytes"));
        }
        let before = vectors.len();
        let id = parse_object(self.line.trim_ascii_end(), vectors)?;
        let got = vectors.len() - before;
        match self.dimension {
            None => self.dimension = Some(got),
            Some(expected) if expected != got => {
                return Err(format!(
                    "this vector has {got} values, the first has {expected}"
                ));
            }
            Some(_) => {}
        }
        Ok(id)
    }
}

/// Reads `{"id": "…", "vector": […]}`, appends the vector's values, each the float32 nearest to
/// what is written, and returns the id if there is one. Further members are passed over.
///
/// # Errors
/// What is wrong and at which column, counted from 1.
pub fn parse_object(text: &[u8], vector: &mut Vec<f32>) -> Result<Option<String>, String> {
    let mut cursor = Cursor { text, at: 0 };
    let mut id = None;
    let mut has_vector = false;
    cursor.expect(b'{')?;
    if !cursor.take(b'}') {
        loop {
            let member = cursor.json::<String>("the name of a member")?;
            cursor.expect(b':')?;
            match member.as_str() {
                "id" if id.is_some() => return Err(cursor.complaint("a second id")),
                "id" => id = Some(cursor.json("an id, a string")?),
                "vector" if has_vector => return Err(cursor.complaint("a second vector")),
                "vector" => {
                    cursor.numbers(vector)?;
                    has_vector = true;
                }
                _ => {
                    cursor.json::<IgnoredAny>("a value")?;
                }
            }
            if cursor.take(b'}') {
                break;
            }
            cursor.expect(b',')?;
        }
    }
    cursor.skip_whitespace();
    if cursor.at < text.len() {
        return Err(cursor.complaint("the object ends before this"));
    }
    if !has_vector {
        return Err("the object has no \"vector\"".to_owned());
    }
    Ok(id)
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_whitespace(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_ascii_start().len();
    }

    /// Passes over whitespace, then over `byte` if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_whitespace();
        let is_next = self.rest().first() == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.take(byte) {
            return Ok(());
        }
        Err(self.complaint(&format!("{:?} is missing", char::from(byte))))
    }

    /// Reads one JSON value of a kind.
    fn json<T: DeserializeOwned>(&mut self, what: &str) -> Result<T, String> {
        self.skip_whitespace();
        let mut values = serde_json::Deserializer::from_slice(self.rest()).into_iter::<T>();
        match values.next() {
            Some(Ok(value)) => {
                self.at += values.byte_offset();
                Ok(value)
            }
            _ => Err(self.complaint(&format!("{what} is missing or malformed"))),
        }
    }

    /// Reads an array of numbers. The standard library rounds each decimal to the nearest float32
    /// directly; a detour over float64 could be off by one.
    fn numbers(&mut self, values: &mut Vec<f32>) -> Result<(), String> {
        self.expect(b'[')?;
        if self.take(b']') {
            return Err(self.complaint("the vector is empty"));
        }
        loop {
            self.skip_whitespace();
            let rest = self.rest();
            let length = rest
                .iter()
                .position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
                .unwrap_or(rest.len());
            let number = rest
                .get(..length)
                .and_then(|number| std::str::from_utf8(number).ok())
                .and_then(|number| number.parse::<f32>().ok())
                .ok_or_else(|| self.complaint("a number is missing or malformed"))?;
            if !number.is_finite() {
                return Err(self.complaint("the number is beyond float32"));
            }
            values.push(number);
            self.at += length;
            if self.take(b']') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn complaint(&self, what: &str) -> String {
        format!("column {}: {what}", self.at + 1)
    }
}
