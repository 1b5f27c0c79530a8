use super::*;
use proptest::prelude::*;

fn manifest() -> Manifest {
    let entry = |number, rows| SegmentEntry {
        number,
        rows,
        segment_len: 640,
        segment_crc: 1,
        ids_len: 7,
        ids_crc: 3,
        vectors_len: 1_000,
        vectors_crc: 2,
    };
    Manifest {
        dimension: 3,
        next_number: 9,
        mark: Some(Bytes::from_static(b"term 3, index 17")),
        segments: vec![
            (entry(2, 10), Arc::new(RoaringBitmap::from_iter([0, 9]))),
            (
                entry(8, 100_000),
                Arc::new(RoaringBitmap::from_iter(7..70_000)),
            ),
        ],
    }
}

fn decode(bytes: &[u8]) -> Result<Manifest, StoreError> {
    Manifest::decode(bytes, Path::new("manifest"))
}

/// The manifest's bytes with a checksum that fits, whatever they say.
fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    let version = u32::from_le_bytes(bytes[8..12].try_into().unwrap());
    let crc = checksum(version, &bytes[HEADER_LEN..]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn a_manifest_comes_back() {
    assert_eq!(decode(&manifest().encode()).unwrap(), manifest());
    let empty = Manifest {
        dimension: 1,
        next_number: 1,
        mark: None,
        segments: Vec::new(),
    };
    assert_eq!(decode(&empty.encode()).unwrap(), empty);
    let marked = Manifest {
        mark: Some(Bytes::new()),
        ..empty
    };
    assert_eq!(decode(&marked.encode()).unwrap(), marked);
}

#[test]
fn any_flipped_bit_is_found() {
    let bytes = manifest().encode();
    for bit in 0..bytes.len().min(400) * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(
            matches!(decode(&flipped), Err(StoreError::Damaged { .. })),
            "bit {bit}"
        );
    }
}

#[test]
fn a_manifest_cut_short_anywhere_is_refused() {
    let bytes = manifest().encode();
    for len in 0..bytes.len().min(400) {
        assert!(
            matches!(decode(&bytes[..len]), Err(StoreError::Damaged { .. })),
            "{len} bytes"
        );
    }
}

#[test]
fn a_newer_version_is_named_as_such() {
    let mut bytes = manifest().encode().to_vec();
    bytes[8] = 7;
    let error = decode(&signed(bytes)).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::NewerVersion {
                supported: VERSION,
                got: 7,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_tombstone_beyond_the_segment_is_refused() {
    let mut wrong = manifest();
    wrong.segments[0].1 = Arc::new(RoaringBitmap::from_iter([10]));
    assert!(decode(&wrong.encode()).is_err());
}

proptest! {
    #[test]
    fn no_signed_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = manifest().encode()[..16].to_vec();
        bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&body);
        let _ = decode(&signed(bytes));
    }

    #[test]
    fn no_signed_change_makes_it_panic(at in HEADER_LEN..130usize, byte in any::<u8>()) {
        let mut bytes = manifest().encode().to_vec();
        bytes[at] = byte;
        let _ = decode(&signed(bytes));
    }
}
