//! The hash that decides to which shard an id belongs.

use xxhash_rust::xxh3::xxh3_64;

/// XXH3, 64 bits, seed 0, of the id's UTF-8 bytes. Stored data depends on it: it never changes.
pub fn hash(id: &str) -> u64 {
    xxh3_64(id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn the_hash_of_an_id_is_the_same_forever() {
        // The first is XXH3's own published value for empty input.
        assert_eq!(hash(""), 0x2d06_8005_38d3_94c2);
        assert_eq!(hash("item_1"), VECTORS[0]);
        assert_eq!(hash("vec_999"), VECTORS[1]);
        assert_eq!(hash("日本語"), VECTORS[2]);
    }

    const VECTORS: [u64; 3] = [0, 0, 0];
}
