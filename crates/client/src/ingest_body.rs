//! The body of `POST /ingest`: a form of vectors and their ids.

use bytes::Bytes;
use half::f16;

use crate::ClientError;
use crate::body::{not_finite, write_ids};
use crate::files::{Element, npy_header};

/// An ingest ready to be sent. Clones share the bytes, so that a retry need not make them again.
///
/// A form of two parts: `ids`, a JSON array, and `vectors`, a `.npy` file of the narrowest type that has each
/// value to the bit: many vectors were uint8 or float16 before they were float32, and a quarter of the bytes
/// is a quarter of the way for both ends.
#[derive(Debug, Clone)]
pub struct IngestBody {
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
        let element = narrowest(vectors);
        let id_bytes: usize = ids.iter().map(|id| id.len() + 4).sum();
        let mut body = Vec::with_capacity(id_bytes + vectors.len() * element.size() + 1024);
        begin_part(&mut body, &boundary, "ids", "application/json");
        write_ids(&mut body, ids);
        body.extend_from_slice(b"\r\n");
        begin_part(&mut body, &boundary, "vectors", "application/x-npy");
        body.extend_from_slice(&npy_header(element, ids.len(), dimension));
        write_values(&mut body, element, vectors);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        Ok(Self {
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

/// The type of the fewest bytes that holds each of the values, to the bit.
fn narrowest(values: &[f32]) -> Element {
    if all_are(values, |value| f32::from(value as u8)) {
        Element::U8
    } else if all_are(values, |value| f16::from_f32(value).to_f32()) {
        Element::F16
    } else {
        Element::F32
    }
}

/// Whether each value is what remains of it. Some are looked at side by side, without a branch a value.
fn all_are(values: &[f32], narrow: impl Fn(f32) -> f32) -> bool {
    let is = |value: f32| value.to_bits() == narrow(value).to_bits();
    let mut some = values.chunks(64);
    some.all(|some| some.iter().fold(true, |all, &value| all & is(value)))
}

/// Appends values that this type holds, little-endian.
fn write_values(body: &mut Vec<u8>, element: Element, values: &[f32]) {
    match element {
        Element::U8 => body.extend(values.iter().map(|&value| value as u8)),
        Element::F16 => write(body, values, |value| f16::from_f32(value).to_le_bytes()),
        _ => write(body, values, f32::to_le_bytes),
    }
}

fn write<const BYTES: usize>(body: &mut Vec<u8>, values: &[f32], encode: fn(f32) -> [u8; BYTES]) {
    let start = body.len();
    body.resize(start + values.len() * BYTES, 0);
    let (written, _) = body[start..].as_chunks_mut::<BYTES>();
    for (bytes, &value) in written.iter_mut().zip(values) {
        *bytes = encode(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ingest_body_is_a_form_of_ids_and_an_array() {
        let ids = ["item_1".to_owned(), "line\nbreak".to_owned()];
        let body = IngestBody::new(&ids, 1, &[1.5e-20, -0.0]).unwrap();
        let boundary = &body.boundary;
        let mut expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"ids\"\r\n\
             Content-Type: application/json\r\n\r\n[\"item_1\",\"line\\u000abreak\"]\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"vectors\"\r\n\
             Content-Type: application/x-npy\r\n\r\n"
        )
        .into_bytes();
        expected.extend(npy_header(Element::F32, 2, 1));
        expected.extend(1.5e-20f32.to_le_bytes());
        expected.extend([0, 0, 0, 0x80]);
        expected.extend(format!("\r\n--{boundary}--\r\n").bytes());
        assert_eq!(body.bytes, expected);
        assert_eq!(boundary.len(), 32);
        let other = IngestBody::new(&ids, 1, &[1.5e-20, -0.0]).unwrap();
        assert_ne!(*boundary, other.boundary);
    }

    #[test]
    fn values_travel_in_the_narrowest_type_that_has_them_to_the_bit() {
        let cases: [(&[f32], Element); 8] = [
            (&[0.0, 1.0, 255.0], Element::U8),
            (&[0.0, 256.0], Element::F16),
            (&[0.0, -1.0], Element::F16),
            // Zero with a sign is not the zero of a byte.
            (&[3.0, -0.0], Element::F16),
            (
                &[0.5, f16::MIN_POSITIVE_SUBNORMAL.to_f32(), 65504.0],
                Element::F16,
            ),
            (&[0.5, 65536.0], Element::F32),
            (&[0.1], Element::F32),
            (&[f32::MIN_POSITIVE, f32::MAX], Element::F32),
        ];
        for (values, element) in cases {
            assert_eq!(narrowest(values), element, "{values:?}");
            let mut bytes = Vec::new();
            write_values(&mut bytes, element, values);
            let mut read = Vec::new();
            element.append_floats(&bytes, &mut read);
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&read), bits(values));
        }
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
