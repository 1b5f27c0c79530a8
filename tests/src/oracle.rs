//! The right answer of a search, by brute force in float64.

use std::collections::BTreeMap;

use crate::http::{Hit, SearchAnswer};

/// Rounding of a float32 score against the float64 one, with room for summing 4,096 products.
const SCORE_TOLERANCE: f64 = 2e-6;

/// Cosine of two vectors.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let mut product = 0.0;
    let mut norm_a = 0.0;
    let mut norm_b = 0.0;
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (f64::from(x), f64::from(y));
        product += x * y;
        norm_a += x * x;
        norm_b += y * y;
    }
    // One root each: the product of the squared norms could leave the range of float64.
    product / (norm_a.sqrt() * norm_b.sqrt())
}

/// Panics unless `answer` is the proven top `k` of `rows` for `query`: as many hits as there are, at
/// each rank a row whose true score is that rank's true score, ordered by score and then by id.
#[track_caller]
pub fn assert_true_top_k(
    rows: &BTreeMap<String, Vec<f32>>,
    query: &[f32],
    k: usize,
    answer: &SearchAnswer,
) {
    assert!(answer.certified, "an exact search answers certified");
    let mut truth: Vec<f64> = rows.values().map(|row| cosine(row, query)).collect();
    truth.sort_by(|a, b| b.total_cmp(a));
    truth.truncate(k);

    assert_eq!(
        answer.hits.len(),
        truth.len(),
        "hits of {} rows at k {k}",
        rows.len()
    );
    for (rank, (hit, expected)) in answer.hits.iter().zip(&truth).enumerate() {
        let Some(row) = rows.get(&hit.id) else {
            panic!("rank {rank}: {:?} was never stored, or was deleted", hit.id)
        };
        let score = cosine(row, query);
        assert!(
            (score - expected).abs() <= SCORE_TOLERANCE,
            "rank {rank}: {:?} scores {score}, but the true score at this rank is {expected}",
            hit.id
        );
        assert!(
            (f64::from(hit.score) - score).abs() <= SCORE_TOLERANCE,
            "rank {rank}: {:?} is answered with score {}, its true score is {score}",
            hit.id,
            hit.score
        );
    }
    assert_in_order(&answer.hits);
}

/// Panics unless hits are ordered by score, equal scores by id, and no id comes twice.
#[track_caller]
pub fn assert_in_order(hits: &[Hit]) {
    for pair in hits.windows(2) {
        let [a, b] = pair else { continue };
        let in_order = a.score > b.score || (a.score == b.score && a.id < b.id);
        assert!(in_order, "{a:?} must not come before {b:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> BTreeMap<String, Vec<f32>> {
        let rows = [
            ("near", [1.0, 0.1]),
            ("far", [0.1, 1.0]),
            ("away", [-1.0, 0.0]),
        ];
        rows.map(|(id, row)| (id.to_owned(), row.to_vec())).into()
    }

    fn answer(ids: &[&str], certified: bool) -> SearchAnswer {
        let rows = rows();
        let hit = |id: &&str| {
            let score = cosine(&rows[*id], &[1.0, 0.0]) as f32;
            Hit {
                id: (*id).to_owned(),
                score,
            }
        };
        SearchAnswer {
            hits: ids.iter().map(hit).collect(),
            certified,
        }
    }

    fn accepts(answer: &SearchAnswer) -> bool {
        std::panic::catch_unwind(|| assert_true_top_k(&rows(), &[1.0, 0.0], 2, answer)).is_ok()
    }

    #[test]
    fn only_the_true_neighbours_in_their_order_are_accepted() {
        assert!(accepts(&answer(&["near", "far"], true)));
        assert!(!accepts(&answer(&["near", "far"], false)), "not certified");
        assert!(!accepts(&answer(&["far", "near"], true)), "wrong order");
        assert!(
            !accepts(&answer(&["near", "away"], true)),
            "a neighbour is missing"
        );
        assert!(!accepts(&answer(&["near"], true)), "too few");
        assert!(!accepts(&answer(&["near", "near"], true)), "one twice");
    }
}
