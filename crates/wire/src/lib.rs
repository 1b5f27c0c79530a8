//! Messages and services generated from `/proto`, and the one place that converts their parts.

use bytes::Bytes;

/// Version 1 of the protocol.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("vectra.v1");
}

/// Vectors travel as little-endian float32, not as repeated floats: one copy instead of a parse.
pub fn floats_to_bytes(values: &[f32]) -> Bytes {
    let mut bytes = Vec::with_capacity(values.len() * 4);
    for value in values {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes.into()
}

/// The floats of [`floats_to_bytes`], or `None` where the length is no multiple of four.
pub fn floats_from_bytes(bytes: &[u8]) -> Option<Vec<f32>> {
    let (words, rest) = bytes.as_chunks::<4>();
    rest.is_empty()
        .then(|| words.iter().map(|word| f32::from_le_bytes(*word)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_come_back_with_the_same_bits() {
        let values = [0.0, -0.0, 1.5, f32::MIN_POSITIVE / 2.0, f32::MAX, -3.25];
        let back = floats_from_bytes(&floats_to_bytes(&values)).unwrap();
        let bits = |floats: &[f32]| {
            floats
                .iter()
                .map(|value| value.to_bits())
                .collect::<Vec<_>>()
        };
        assert_eq!(bits(&back), bits(&values));
    }

    #[test]
    fn half_a_float_is_refused() {
        assert_eq!(floats_from_bytes(&[0, 0, 128, 63, 1]), None);
    }
}
