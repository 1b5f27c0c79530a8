//! Vectors in clusters, as embeddings are, the same ones in every run.

/// Pseudo-random numbers: SplitMix64 (Steele, Lea, Flood 2014).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// In -1…1, bell-shaped.
    fn bell(&mut self) -> f32 {
        let uniform = |bits: u64| (bits >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        (0..4).map(|_| uniform(self.next())).sum::<f32>() / 4.0
    }
}

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
