//! Merges what the leaves found into the global top-k.

use super::Hit;

/// The best `k` of all hits: by score, then by id, so that ties never flicker.
pub(crate) fn merge(mut hits: Vec<Hit>, k: usize) -> Vec<Hit> {
    hits.sort_unstable_by(|left, right| {
        right
            .score
            .total_cmp(&left.score)
            .then_with(|| left.id.cmp(&right.id))
    });
    hits.truncate(k);
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_are_ordered_by_id() {
        let hit = |id: &str, score| Hit {
            id: id.to_owned(),
            score,
        };
        let merged = merge(
            vec![hit("b", 0.5), hit("c", 0.9), hit("a", 0.5), hit("d", -1.0)],
            3,
        );
        let ids: Vec<_> = merged.iter().map(|hit| hit.id.as_str()).collect();
        assert_eq!(ids, ["c", "a", "b"]);
    }
}
