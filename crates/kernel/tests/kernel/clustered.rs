//! Vectors in clusters, as embeddings are, the same ones in every run.

use crate::numbers::Numbers;

/// `clusters` × `per_cluster` rows and one query per cluster.
pub(crate) struct Clustered {
    pub(crate) dimension: usize,
    pub(crate) rows: Vec<f32>,
    pub(crate) queries: Vec<Vec<f32>>,
}

pub(crate) fn clustered(
    dimension: usize,
    clusters: usize,
    per_cluster: usize,
    seed: u64,
) -> Clustered {
    let mut numbers = Numbers(seed);
    let centres: Vec<Vec<f32>> = (0..clusters)
        .map(|_| (0..dimension).map(|_| numbers.bell()).collect())
        .collect();
    let mut near = |centre: &[f32]| -> Vec<f32> {
        centre
            .iter()
            .map(|value| value + 0.6 * numbers.bell())
            .collect()
    };
    let mut rows = Vec::new();
    for _ in 0..per_cluster {
        for centre in &centres {
            rows.extend(near(centre));
        }
    }
    let queries = centres.iter().map(|centre| near(centre)).collect();
    Clustered {
        dimension,
        rows,
        queries,
    }
}
