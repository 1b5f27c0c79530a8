//! The ids of some rows, as one text, and the hash they are looked up by.

/// Most bytes of one id.
pub const MAX_ID_BYTES: usize = 512;

/// Seed of the hash that indexes ids. It differs from the hash that places ids on shards, so that
/// the hashes of one shard's ids spread over all 64 bits. Part of the format: never changed.
const INDEX_SEED: u64 = 0x7665_6374_7261_6964;

/// The hash by which an id is looked up in a block or a segment: XXH3, 64 bits, seeded.
pub(crate) fn hash_id(id: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(id.as_bytes(), INDEX_SEED)
}

/// Ids by row: one text, and where each id ends in it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Ids {
    ends: Vec<u32>,
    text: String,
}

impl Ids {
    /// Appends the id of the next row. The text must stay under 4 GiB; callers cap it far below.
    pub(crate) fn push(&mut self, id: &str) {
        self.text.push_str(id);
        self.ends.push(self.text.len() as u32);
    }

    pub(crate) fn extend(&mut self, other: &Self) {
        let offset = self.text.len() as u32;
        self.text.push_str(&other.text);
        self.ends.extend(other.ends.iter().map(|end| end + offset));
    }

    /// The same ids in another order, which names the row that each is taken from.
    pub(crate) fn in_order(&self, order: &[u32]) -> Self {
        let mut ordered = Self {
            ends: Vec::with_capacity(self.ends.len()),
            text: String::with_capacity(self.text.len()),
        };
        order.iter().for_each(|&row| ordered.push(self.get(row)));
        ordered
    }

    pub(crate) fn rows(&self) -> u32 {
        self.ends.len() as u32
    }

    /// All ids, one after the other.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The id of a row; a row out of range has the empty id, which no stored row has.
    pub(crate) fn get(&self, row: u32) -> &str {
        let row = row as usize;
        let start = if row == 0 {
            0
        } else {
            self.ends.get(row - 1).copied().unwrap_or(0)
        };
        let end = self.ends.get(row).copied().unwrap_or(start);
        self.text.get(start as usize..end as usize).unwrap_or("")
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.rows()).map(|row| self.get(row))
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        (self.text.len() + 4 * self.ends.len()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_by_row() {
        let mut ids = Ids::default();
        let mut more = Ids::default();
        ids.push("a");
        ids.push("Größe");
        more.push("");
        more.push("z/9");
        ids.extend(&more);
        assert_eq!(ids.iter().collect::<Vec<_>>(), ["a", "Größe", "", "z/9"]);
        assert_eq!(ids.get(4), "");
    }

    #[test]
    fn the_hash_of_an_id_never_changes() {
        // Stored in every segment: a change here makes every existing directory unreadable.
        assert_eq!(hash_id("item_1"), 16_443_117_580_666_679_519);
    }
}
