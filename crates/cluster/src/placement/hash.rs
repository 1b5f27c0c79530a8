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
        // The first is XXH3's published value for no input.
        let hashes = ["", "item_1", "vec_999", "日本語"].map(hash);
        let forever = [
            0x2d06_8005_38d3_94c2,
            11_093_555_646_308_779_462,
            3_024_349_058_737_592_360,
            1_296_689_438_140_682_423,
        ];
        assert_eq!(hashes, forever);
    }
}
