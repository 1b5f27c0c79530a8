//! Vectors that vary most along a few axes, as embeddings do: what stages are for. The axes are none
//! of the coordinates.

use proptest::prelude::*;

use crate::adversarial::{Vectors, valid};
use crate::numbers::Numbers;

/// What makes such a set; the vectors are the same in every run.
#[derive(Debug, Clone)]
pub(crate) struct Decaying {
    pub(crate) dimension: usize,
    pub(crate) rows: usize,
    pub(crate) clusters: usize,
    /// So many axes vary alike.
    pub(crate) alike: usize,
    /// Of the others, axis i varies by (1 + i − alike) to the power of minus this.
    pub(crate) decay: f32,
    /// One row in so many is odd: a duplicate, the query or its opposite, nearly the query, of
    /// extreme length, or along a single coordinate. None for 0.
    pub(crate) odd_one_in: usize,
    pub(crate) seed: u64,
}

/// Sets of which most are scanned in stages.
pub(crate) fn decaying() -> impl Strategy<Value = Decaying> {
    let dimension = prop_oneof![1 => 8usize..40, 4 => 40usize..100];
    let shape = (dimension, 1024usize..1500, 1usize..40);
    let odd_one_in = prop_oneof![Just(0usize), Just(200), Just(40), Just(5)];
    (shape, 0usize..30, 0.5f32..2.0, odd_one_in, any::<u64>()).prop_map(
        |((dimension, rows, clusters), alike, decay, odd_one_in, seed)| Decaying {
            dimension,
            rows,
            clusters,
            alike,
            decay,
            odd_one_in,
            seed,
        },
    )
}

/// Sets that certainly are, in two stages or three, with and without odd rows.
pub(crate) fn staged() -> [Decaying; 3] {
    let plain = Decaying {
        dimension: 96,
        rows: 1_300,
        clusters: 30,
        alike: 0,
        decay: 0.8,
        odd_one_in: 0,
        seed: 1,
    };
    [
        Decaying {
            dimension: 45,
            decay: 1.3,
            odd_one_in: 40,
            ..plain.clone()
        },
        Decaying {
            dimension: 144,
            rows: 2_100,
            clusters: 17,
            alike: 23,
            decay: 1.0,
            ..plain.clone()
        },
        plain,
    ]
}

impl Decaying {
    pub(crate) fn vectors(&self) -> Vectors {
        let mut numbers = Numbers(self.seed);
        let axes = Axes::new(self, &mut numbers);
        let centres: Vec<Vec<f32>> = (0..self.clusters)
            .map(|_| axes.spread(&mut numbers))
            .collect();
        let near_a_centre = |numbers: &mut Numbers| -> Vec<f32> {
            let centre = &centres[numbers.below(centres.len())];
            let away = axes.spread(numbers);
            let row: Vec<f32> = centre.iter().zip(away).map(|(c, a)| c + 0.3 * a).collect();
            axes.place(row)
        };
        let query = near_a_centre(&mut numbers);
        let mut rows: Vec<Vec<f32>> = Vec::with_capacity(self.rows);
        for _ in 0..self.rows {
            let fresh = near_a_centre(&mut numbers);
            let is_odd = self.odd_one_in > 0 && numbers.below(self.odd_one_in) == 0;
            let row = match is_odd {
                true => odd(fresh, &query, &rows, &mut numbers),
                false => fresh,
            };
            rows.push(row);
        }
        Vectors {
            query,
            rows: rows.concat(),
        }
    }
}

/// Where the axes lie: coordinates mirrored at a hyperplane (Householder 1958), and moved off the
/// origin.
struct Axes {
    scales: Vec<f32>,
    normal: Vec<f32>,
    offset: Vec<f32>,
}

impl Axes {
    fn new(set: &Decaying, numbers: &mut Numbers) -> Self {
        let mut bells = || -> Vec<f32> { (0..set.dimension).map(|_| numbers.bell()).collect() };
        let mut normal = bells();
        let length = normal.iter().map(|value| value * value).sum::<f32>().sqrt();
        normal.iter_mut().for_each(|value| *value /= length);
        let offset = bells().iter().map(|value| 0.1 * value).collect();
        let scale = |i: usize| (1.0 + i.saturating_sub(set.alike) as f32).powf(-set.decay);
        Self {
            scales: (0..set.dimension).map(scale).collect(),
            normal,
            offset,
        }
    }

    /// A vector along the axes, each coordinate on its scale.
    fn spread(&self, numbers: &mut Numbers) -> Vec<f32> {
        self.scales
            .iter()
            .map(|scale| scale * numbers.bell())
            .collect()
    }

    /// Turns a vector along the axes into one along the coordinates.
    fn place(&self, mut vector: Vec<f32>) -> Vec<f32> {
        let along: f32 = vector.iter().zip(&self.normal).map(|(v, n)| v * n).sum();
        for ((value, normal), offset) in vector.iter_mut().zip(&self.normal).zip(&self.offset) {
            *value += offset - 2.0 * along * normal;
        }
        vector
    }
}

fn odd(fresh: Vec<f32>, query: &[f32], before: &[Vec<f32>], numbers: &mut Numbers) -> Vec<f32> {
    let scaled = |values: &[f32], scale: f64| -> Vec<f32> {
        let values: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
        valid(&values, scale)
    };
    let near_the_query = |noise: f32| -> Vec<f32> {
        let near = query.iter().zip(&fresh).map(|(q, value)| q + noise * value);
        near.collect()
    };
    match numbers.below(10) {
        0 => before.last().cloned().unwrap_or(fresh),
        1 if !before.is_empty() => before[numbers.below(before.len())].clone(),
        2 => query.to_vec(),
        3 => scaled(query, -1.0),
        4 => near_the_query(1e-6),
        5 => near_the_query(1e-2),
        6 => scaled(&fresh, 1e-44),
        7 => scaled(&fresh, 1e38),
        8 => vec![0.0; fresh.len()],
        _ => {
            let mut single = vec![0.0; fresh.len()];
            single[numbers.below(fresh.len())] = -1e-30;
            single
        }
    }
}
