//! How right the answers were.

use crate::SearchAnswer;
use crate::files::Neighbours;

/// What all answers together say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quality {
    pub(super) recall: Option<f64>,
    pub(super) certified: Option<f64>,
    /// Queries that were answered.
    pub(super) queries: u64,
}

/// Judges one kept answer a query; a query that was never answered, or not with what a search
/// answers, found nothing.
pub(super) fn judge(answers: &[Vec<u8>], k: usize, truth: Option<&Neighbours>) -> Quality {
    let (mut found, mut wanted, mut certified, mut queries) = (0_u64, 0_u64, 0_u64, 0_u64);
    for (query, answer) in answers.iter().enumerate() {
        let nearest = truth.map(|truth| truth.of(query)).unwrap_or_default();
        let nearest = nearest.get(..k).unwrap_or(nearest);
        wanted += nearest.len() as u64;
        let Ok(answer) = serde_json::from_slice::<SearchAnswer>(answer) else {
            continue;
        };
        queries += 1;
        certified += u64::from(answer.certified);
        found += hits(&answer, nearest);
    }
    let part = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    Quality {
        recall: part(found, wanted),
        certified: part(certified, queries),
        queries,
    }
}

/// How many of `nearest` are among the results, each counted once.
fn hits(answer: &SearchAnswer, nearest: &[i64]) -> u64 {
    let mut returned: Vec<i64> = answer
        .results
        .iter()
        .take(nearest.len())
        .filter_map(|hit| {
            hit.id
                .parse()
                .ok()
                .filter(|row: &i64| row.to_string() == hit.id)
        })
        .collect();
    returned.sort_unstable();
    returned.dedup();
    returned.iter().filter(|row| nearest.contains(row)).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(ids: &[&str], certified: bool) -> Vec<u8> {
        let results: Vec<_> = ids
            .iter()
            .map(|id| serde_json::json!({"id": id, "score": 1.0}))
            .collect();
        serde_json::json!({"results": results, "certified": certified})
            .to_string()
            .into_bytes()
    }

    #[test]
    fn recall_counts_true_neighbours_among_the_first_k() {
        let truth = Neighbours::new(3, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let answers = [answer(&["2", "9"], true), answer(&["4", "5"], false)];
        let quality = judge(&answers, 2, Some(&truth));
        assert_eq!(
            quality,
            Quality {
                recall: Some(0.75),
                certified: Some(0.5),
                queries: 2
            }
        );
    }

    #[test]
    fn a_query_without_an_answer_found_nothing() {
        let truth = Neighbours::new(1, vec![1, 2]).unwrap();
        let answers = [answer(&["1"], true), Vec::new()];
        let quality = judge(&answers, 1, Some(&truth));
        assert_eq!(
            quality,
            Quality {
                recall: Some(0.5),
                certified: Some(1.0),
                queries: 1
            }
        );
    }

    #[test]
    fn an_id_returned_twice_or_spelled_otherwise_counts_once_or_not() {
        let truth = Neighbours::new(2, vec![1, 2]).unwrap();
        let answers = [answer(&["1", "1"], true)];
        assert_eq!(judge(&answers, 2, Some(&truth)).recall, Some(0.5));
        let answers = [answer(&["01", "+2"], true)];
        assert_eq!(judge(&answers, 2, Some(&truth)).recall, Some(0.0));
    }

    #[test]
    fn without_truth_there_is_no_recall() {
        let quality = judge(&[answer(&["1"], true)], 1, None);
        assert_eq!(
            quality,
            Quality {
                recall: None,
                certified: Some(1.0),
                queries: 1
            }
        );
    }
}
