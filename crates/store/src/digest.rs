//! What two replicas compare to know whether they hold the same rows.

use xxhash_rust::xxh3::Xxh3;

use crate::{ShardView, StoreError};

impl ShardView {
    /// One number for all live rows, ids and float32 bits: two views with the same rows have the same,
    /// in whatever segments and order they lie, and two that differ have another one but for a chance
    /// of 2⁻¹²⁸. Reads every row from disk, so it takes as long as that and blocks.
    ///
    /// The sum, modulo 2¹²⁸, of each row's 128-bit XXH3 over the length of its id, the id, and the
    /// values' bits, all little-endian.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] or [`StoreError::Io`] if ids or rows cannot be read.
    pub fn digest(&self) -> Result<u128, StoreError> {
        let mut sum = 0_u128;
        let mut vector = Vec::with_capacity(self.dimension());
        for part in self.parts() {
            for row in (0..part.rows()).filter(|row| part.is_live(*row)) {
                let id = part.id(row)?;
                part.read_vector(row, &mut vector)?;
                sum = sum.wrapping_add(digest_of(&id, &vector));
            }
        }
        Ok(sum)
    }
}

fn digest_of(id: &str, vector: &[f32]) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(&(id.len() as u64).to_le_bytes());
    hash.update(id.as_bytes());
    for value in vector {
        hash.update(&value.to_bits().to_le_bytes());
    }
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use crate::{Shard, StoreOptions, WriteBatch};

    fn shard_of(directory: &std::path::Path, batches: &[WriteBatch]) -> Shard {
        let shard = Shard::open(directory, 2, StoreOptions::default()).unwrap();
        for batch in batches {
            shard.apply(&batch.encode()).unwrap();
        }
        shard
    }

    fn upsert(rows: &[(&str, [f32; 2])]) -> WriteBatch {
        WriteBatch::Upsert {
            ids: rows.iter().map(|(id, _)| (*id).to_owned()).collect(),
            dimension: 2,
            vectors: rows.iter().flat_map(|(_, vector)| *vector).collect(),
        }
    }

    #[test]
    fn the_same_rows_have_one_digest_however_they_came_and_lie() {
        let home = tempfile::tempdir().unwrap();
        let one = shard_of(
            &home.path().join("one"),
            &[upsert(&[("a", [1.0, 2.0]), ("b", [3.0, 4.0])])],
        );
        let detour = [
            upsert(&[("b", [3.0, 4.0]), ("c", [1.0, 1.0]), ("a", [9.0, 9.0])]),
            WriteBatch::Delete {
                ids: vec!["c".to_owned()],
            },
            upsert(&[("a", [1.0, 2.0])]),
        ];
        let other = shard_of(&home.path().join("other"), &detour);
        assert_eq!(one.view().digest().unwrap(), other.view().digest().unwrap());
        other.seal(other.freeze(Vec::new().into())).unwrap();
        assert_eq!(one.view().digest().unwrap(), other.view().digest().unwrap());
    }

    #[test]
    fn a_single_bit_a_lost_row_or_another_id_changes_it() {
        let home = tempfile::tempdir().unwrap();
        let rows: [&[(&str, [f32; 2])]; 5] = [
            &[],
            &[("a", [1.0, 0.0]), ("b", [1.0, 2.0])],
            &[("a", [1.0, -0.0]), ("b", [1.0, 2.0])],
            &[("a", [1.0, 0.0])],
            &[("a", [1.0, 2.0]), ("b", [1.0, 0.0])],
        ];
        let digests: std::collections::BTreeSet<u128> = (0..)
            .zip(rows)
            .map(|(number, rows)| {
                let shard = shard_of(&home.path().join(number.to_string()), &[upsert(rows)]);
                shard.view().digest().unwrap()
            })
            .collect();
        assert_eq!(digests.len(), rows.len());
    }
}
