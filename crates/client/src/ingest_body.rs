//! The body of `POST /ingest`: a form of raw float32 vectors and their ids.

use bytes::Bytes;

use crate::ClientError;
use crate::body::{not_finite, write_ids};

/// Bytes of a value.
const VALUE_BYTES: usize = size_of::<f32>();

/// An ingest ready to be sent. Clones share the bytes, so that a retry need not make them again.
///
/// A form of two parts: `ids`, a JSON array, and `vectors`, rows of little-endian float32.
#[derive(Debug, Clone)]
pub struct IngestBody {
    pub(crate) dimension: usize,
    pub(crate) boundary: String,
    pub(crate) bytes: Bytes,
}

impl IngestBody {
    /// `vectors` holds `ids.len()` rows of `dimension` values, one after the other.
    ///
    /// # Errors
    /// [`ClientError::Argument`] if the counts do not fit or a value is not finite.
    pub fn new(ids: &[String], dimension: usize, vectors: &[f32]) -> Result<Self, ClientError> {
        if dimension == 0 || ids.len().checked_mul(dimension) != Some(vectors.len()) {
            return Err(ClientError::Argument(format!(
                "{} ids of {dimension} dimensions need {} values, there are {}",
                ids.len(),
                ids.len().saturating_mul(dimension),
                vectors.len()
            )));
        }
        if let Some(at) = vectors.iter().position(|value| !value.is_finite()) {
            let (row, position) = (at / dimension, at % dimension);
            let id = ids.get(row).map_or("", String::as_str);
            let vector = vectors.get(at - position..).unwrap_or_default();
            let what = format!("vector {row} (id {id:?})");
            return Err(not_finite(&what, vector, position));
        }

        // 128 random bits: no ids or vectors hold them by chance.
        let boundary = format!("{:032x}", rand::random::<u128>());
        let id_bytes: usize = ids.iter().map(|id| id.len() + 4).sum();
        let mut body = Vec::with_capacity(id_bytes + vectors.len() * VALUE_BYTES + 512);
        begin_part(&mut body, &boundary, "ids", "application/json");
        write_ids(&mut body, ids);
        body.extend_from_slice(b"\r\n");
        begin_part(&mut body, &boundary, "vectors", "application/octet-stream");
        write_floats(&mut body, vectors);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        Ok(Self {
            dimension,
            boundary,
            bytes: Bytes::from(body),
        })
    }

    /// The `Content-Type` to send it with.
    pub(crate) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }
}

fn begin_part(body: &mut Vec<u8>, boundary: &str, name: &str, media_type: &str) {
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\
         Content-Type: {media_type}\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
}

/// Appends the values, little-endian: a plain copy on most machines.
fn write_floats(body: &mut Vec<u8>, values: &[f32]) {
    let start = body.len();
    body.resize(start + values.len() * VALUE_BYTES, 0);
    let (written, _) = body[start..].as_chunks_mut::<VALUE_BYTES>();
    for (bytes, value) in written.iter_mut().zip(values) {
        *bytes = value.to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ingest_body_is_a_form_of_ids_and_raw_values() {
        let ids = ["item_1".to_owned(), "line\nbreak".to_owned()];
        let body = IngestBody::new(&ids, 1, &[1.0, -0.0]).unwrap();
        let boundary = &body.boundary;
        let mut expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"ids\"\r\n\
             Content-Type: application/json\r\n\r\n[\"item_1\",\"line\\u000abreak\"]\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"vectors\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        expected.extend([0, 0, 0x80, 0x3f, 0, 0, 0, 0x80]);
        expected.extend(format!("\r\n--{boundary}--\r\n").bytes());
        assert_eq!(body.bytes, expected);
        assert_eq!(boundary.len(), 32);
        let other = IngestBody::new(&ids, 1, &[1.0, -0.0]).unwrap();
        assert_ne!(*boundary, other.boundary);
    }

    #[test]
    fn a_value_that_is_not_finite_is_refused_with_its_place() {
        let ids = ["a".to_owned(), "b".to_owned()];
        let error = IngestBody::new(&ids, 2, &[1.0, 2.0, 3.0, f32::NAN]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "vector 1 (id \"b\"): value 1 is NaN; every value must be finite"
        );
    }

    #[test]
    fn counts_that_differ_are_refused() {
        let error = IngestBody::new(&["a".to_owned()], 2, &[1.0]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "1 ids of 2 dimensions need 2 values, there are 1"
        );
    }
}
