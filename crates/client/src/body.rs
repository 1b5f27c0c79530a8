//! Request bodies in JSON, written straight from flat float32 values.
//!
//! Each value is written with as few digits as read back to the same float32, integral ones
//! without a fraction.

use crate::{ClientError, Consistency, Precision};

/// Above this, not every integer is a float32 and the shortest digits may be fewer than all.
const EXACT_INTEGERS: f32 = 16_777_216.0;

/// The body of `POST /search`; what is not given is left to the server.
///
/// # Errors
/// [`ClientError::Argument`] if a value is not finite.
pub fn search_body(
    vector: &[f32],
    k: usize,
    precision: Option<Precision>,
    consistency: Option<Consistency>,
) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::with_capacity(vector.len() * 12 + 48);
    body.extend_from_slice(b"{\"vector\":");
    write_vector(&mut body, vector)
        .map_err(|index| not_finite("the query vector", vector, index))?;
    body.extend_from_slice(b",\"k\":");
    body.extend_from_slice(itoa::Buffer::new().format(k).as_bytes());
    if let Some(precision) = precision {
        body.extend_from_slice(b",\"precision\":\"");
        body.extend_from_slice(precision.name().as_bytes());
        body.push(b'"');
    }
    if let Some(consistency) = consistency {
        body.extend_from_slice(b",\"consistency\":\"");
        body.extend_from_slice(consistency.name().as_bytes());
        body.push(b'"');
    }
    body.push(b'}');
    Ok(body)
}

/// The body of `POST /delete`.
#[must_use]
pub fn delete_body(ids: &[String]) -> Vec<u8> {
    let mut body = b"{\"ids\":".to_vec();
    write_ids(&mut body, ids);
    body.push(b'}');
    body
}

/// Appends a JSON array of strings.
pub(crate) fn write_ids(body: &mut Vec<u8>, ids: &[String]) {
    body.push(b'[');
    for (row, id) in ids.iter().enumerate() {
        if row > 0 {
            body.push(b',');
        }
        write_string(body, id);
    }
    body.push(b']');
}

/// Appends a JSON array, or gives the index of the first value that is not finite.
fn write_vector(body: &mut Vec<u8>, vector: &[f32]) -> Result<(), usize> {
    let mut integer = itoa::Buffer::new();
    let mut float = zmij::Buffer::new();
    body.push(b'[');
    for (index, &value) in vector.iter().enumerate() {
        if !value.is_finite() {
            return Err(index);
        }
        if index > 0 {
            body.push(b',');
        }
        let negative_zero = value == 0.0 && value.is_sign_negative();
        if value.fract() == 0.0 && value.abs() < EXACT_INTEGERS && !negative_zero {
            body.extend_from_slice(integer.format(value as i32).as_bytes());
        } else {
            body.extend_from_slice(float.format_finite(value).as_bytes());
        }
    }
    body.push(b']');
    Ok(())
}

/// Appends a JSON string.
fn write_string(body: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    body.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => body.extend_from_slice(&[b'\\', byte]),
            0..0x20 => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                body.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
            _ => body.push(byte),
        }
    }
    body.push(b'"');
}

/// The refusal of a vector whose value at `index` is not finite.
pub(crate) fn not_finite(what: &str, vector: &[f32], index: usize) -> ClientError {
    let value = vector.get(index).copied().unwrap_or(f32::NAN);
    ClientError::Argument(format!(
        "{what}: value {index} is {value}; every value must be finite"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_float_reads_back_to_the_same_bits() {
        let mut bits = 0x9E37_79B9_u32;
        let mut values = vec![
            0.0,
            -0.0,
            f32::MIN_POSITIVE,
            f32::from_bits(1),
            f32::MAX,
            f32::MIN,
            16_777_215.0,
            16_777_216.0,
            -16_777_217.0,
            1e-38,
            3e38,
        ];
        while values.len() < 20_000 {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = f32::from_bits(bits);
            if value.is_finite() {
                values.push(value);
            }
        }
        let mut body = Vec::new();
        write_vector(&mut body, &values).unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        let inner = text.strip_prefix('[').unwrap().strip_suffix(']').unwrap();
        for (written, value) in inner.split(',').zip(&values) {
            assert_eq!(
                written.parse::<f32>().unwrap().to_bits(),
                value.to_bits(),
                "{written}"
            );
        }
    }

    #[test]
    fn ids_are_escaped_as_json_wants_it() {
        let ids = ["a\"b\\c\n\u{1}é/".to_owned()];
        let body: serde_json::Value = serde_json::from_slice(&delete_body(&ids)).unwrap();
        assert_eq!(body["ids"][0], ids[0].as_str());
    }

    #[test]
    fn a_value_that_is_not_finite_is_refused_with_its_place() {
        let error = search_body(&[1.0, f32::NAN], 5, None, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the query vector: value 1 is NaN; every value must be finite"
        );
    }

    #[test]
    fn a_search_body_names_the_precision_only_when_asked() {
        let plain = search_body(&[0.5, 1.0], 5, None, None).unwrap();
        assert_eq!(plain, br#"{"vector":[0.5,1],"k":5}"#);
        let sq8 = search_body(&[0.5], 2, Some(Precision::Sq8), None).unwrap();
        assert_eq!(sq8, br#"{"vector":[0.5],"k":2,"precision":"sq8"}"#);
        let any = search_body(&[0.5], 2, None, Some(Consistency::Any)).unwrap();
        assert_eq!(any, br#"{"vector":[0.5],"k":2,"consistency":"any"}"#);
    }
}
