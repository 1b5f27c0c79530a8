use super::*;
use proptest::prelude::*;

fn upsert(ids: &[&str], dimension: u32, vectors: &[f32]) -> WriteBatch {
    WriteBatch::Upsert {
        ids: ids.iter().map(ToString::to_string).collect(),
        dimension,
        vectors: vectors.to_vec(),
    }
}

fn detail(batch: &[u8], dimension: usize) -> String {
    let checked = EncodedBatch::new(batch);
    let error = match &checked {
        Ok(encoded) => encoded
            .check(dimension)
            .err()
            .map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    error.unwrap()
}

#[test]
fn a_batch_survives_its_encoding_at_any_alignment() {
    let encoded = upsert(
        &["a", "a longer id than fits inline"],
        2,
        &[1.0, -0.0, 1e-45, 3e38],
    )
    .encode();
    for shift in 0..16 {
        let mut shifted = vec![0; shift];
        shifted.extend_from_slice(&encoded);
        let batch = EncodedBatch::new(&shifted[shift..]).unwrap();
        let ArchivedWriteBatch::Upsert { ids, vectors, .. } = batch.check(2).unwrap() else {
            panic!("an upsert became a delete");
        };
        assert_eq!(ids[1].as_str(), "a longer id than fits inline");
        let bits: Vec<u32> = vectors
            .iter()
            .map(|value| value.to_native().to_bits())
            .collect();
        assert_eq!(bits, [1.0f32, -0.0, 1e-45, 3e38].map(f32::to_bits));
    }
}

#[test]
fn what_does_not_fit_is_refused_with_the_reason() {
    assert!(detail(b"VXW", 2).contains("3 bytes are too few"));
    assert!(detail(b"nonsense", 2).contains("VXWB"));
    assert!(detail(b"VXWB\x02\0\0\0", 2).contains("version is 2"));
    assert!(detail(b"VXWB\x01\0\0\0", 2).contains("not valid"));
    assert!(detail(&upsert(&["a"], 3, &[1.0; 3]).encode(), 2).contains("2 dimensions, not 3"));
    assert!(detail(&upsert(&["a"], 2, &[1.0; 4]).encode(), 2).contains("do not match 4 values"));
    assert!(
        detail(&upsert(&["a"], 2, &[1.0, f32::NAN]).encode(), 2).contains("value 1 of vector 0")
    );
    assert!(
        detail(&upsert(&["a", "b"], 2, &[1.0, 0.0, 0.0, -0.0]).encode(), 2).contains("1 is zero")
    );
    assert!(detail(&upsert(&[""], 2, &[1.0; 2]).encode(), 2).contains("id 0 has 0 bytes"));
    let long = WriteBatch::Delete {
        ids: vec!["x".into(), "y".repeat(513)],
    };
    assert!(detail(&long.encode(), 2).contains("id 1 has 513 bytes"));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut framed = b"VXWB\x01\0\0\0".to_vec();
        framed.extend_from_slice(&bytes);
        if let Ok(batch) = EncodedBatch::new(&framed) {
            let _ = batch.check(2);
        }
    }

    #[test]
    fn a_flipped_bit_does_not_make_it_panic(at in 0usize..200, bit in 0u8..8) {
        let mut bytes = upsert(&["a", "a longer id than fits inline"], 2, &[1.0; 4]).encode().to_vec();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(batch) = EncodedBatch::new(&bytes) {
            let _ = batch.check(2);
        }
    }
}

#[test]
fn a_batch_is_decoded_as_it_was_encoded() {
    let delete = WriteBatch::Delete {
        ids: vec!["a".to_owned(), "b".to_owned()],
    };
    for batch in [upsert(&["a", "b"], 2, &[1.0, -0.0, 1e-45, 3e38]), delete] {
        let encoded = batch.encode();
        assert_eq!(WriteBatch::decode(&encoded).unwrap(), batch);
        let shorter = &encoded[..encoded.len() - 8];
        assert!(WriteBatch::decode(shorter).is_err());
    }
}
