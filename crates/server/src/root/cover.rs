//! Answers of several leaves that together tell of each shard once.

use vectra_cluster::ShardId;

/// Answers, none of which tells of a shard that another one tells of: two replicas of a shard may
/// answer as of different moments, and a search must not see two versions of a row.
pub(super) struct Cover<T> {
    parts: Vec<(Vec<ShardId>, T)>,
}

impl<T> Cover<T> {
    /// Takes an answer about these shards in place of those that tell of some of them, and of
    /// nothing else. An answer cannot be divided, so it is left out if one of those does; and so it
    /// is if it tells nothing new.
    pub(super) fn offer(&mut self, shards: Vec<ShardId>, answer: T) {
        let tells = |shard: &ShardId| shards.contains(shard);
        let is_in_part = |part: &[ShardId]| part.iter().any(tells) && !part.iter().all(tells);
        let tells_nothing_new = shards.iter().all(|shard| self.has(*shard));
        if tells_nothing_new || self.parts.iter().any(|(part, _)| is_in_part(part)) {
            return;
        }
        self.parts.retain(|(part, _)| !part.iter().any(tells));
        self.parts.push((shards, answer));
    }

    /// Whether one of the answers tells of `shard`.
    pub(super) fn has(&self, shard: ShardId) -> bool {
        self.parts.iter().any(|(part, _)| part.contains(&shard))
    }

    pub(super) fn into_answers(self) -> impl Iterator<Item = T> {
        self.parts.into_iter().map(|(_, answer)| answer)
    }
}

impl<T> Default for Cover<T> {
    fn default() -> Self {
        Self { parts: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers that are left, of these sets of shards, each named by its place.
    fn left(offers: &[&[ShardId]]) -> Vec<usize> {
        let mut cover = Cover::default();
        for (place, shards) in offers.iter().enumerate() {
            cover.offer(shards.to_vec(), place);
        }
        cover.into_answers().collect()
    }

    #[test]
    fn the_first_answer_of_a_shard_wins() {
        assert_eq!(left(&[&[1, 2], &[3], &[1, 2], &[2], &[]]), [0, 1]);
    }

    #[test]
    fn a_larger_answer_takes_the_place_of_smaller_ones() {
        assert_eq!(left(&[&[1], &[2], &[4], &[1, 2, 3]]), [2, 3]);
    }

    #[test]
    fn no_shard_is_told_of_twice() {
        assert_eq!(left(&[&[1, 2], &[2, 3]]), [0]);
        assert_eq!(left(&[&[1, 2], &[2, 3], &[3]]), [0, 2]);
    }
}
