//! Vectors that a careless bound fails on: dead dimensions, dimensions of 1e-32 beside ones of
//! 1e37, denormals, outliers, duplicates, and rows that are the query, or nearly, or its opposite.

use proptest::collection::vec;
use proptest::prelude::*;

/// A query and rows of its dimension, every one a valid vector.
#[derive(Debug, Clone)]
pub(crate) struct Vectors {
    pub(crate) query: Vec<f32>,
    /// Row-major.
    pub(crate) rows: Vec<f32>,
}

impl Vectors {
    pub(crate) fn dimension(&self) -> usize {
        self.query.len()
    }

    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.rows[row * self.dimension()..][..self.dimension()]
    }

    pub(crate) fn row_count(&self) -> usize {
        self.rows.len() / self.dimension()
    }
}

/// Where a row comes from, apart from its scale.
#[derive(Debug, Clone)]
enum Origin {
    Fresh,
    CopyOf(prop::sample::Index),
    Query { towards: f64, noise: f64 },
}

/// Few and many dimensions, now and then the most there can be.
pub(crate) fn vectors() -> impl Strategy<Value = Vectors> {
    prop_oneof![
        4 => of_shape(1..6, 1..40),
        4 => of_shape(6..100, 1..30),
        2 => of_shape(100..300, 1..12),
    ]
}

/// The most dimensions there can be.
pub(crate) fn widest_vectors() -> impl Strategy<Value = Vectors> {
    of_shape(4096..4097, 1..4)
}

fn of_shape(
    dimensions: std::ops::Range<usize>,
    rows: std::ops::Range<usize>,
) -> impl Strategy<Value = Vectors> {
    (dimensions, rows).prop_flat_map(|(dimension, rows)| {
        let row = (vec(value(), dimension), origin(), row_scale());
        let scales = prop_oneof![
            Just(vec![1.0; dimension]),
            vec(dimension_scale(), dimension)
        ];
        let query = (vec(value(), dimension), row_scale(), any::<bool>());
        (vec(row, rows), query, scales)
            .prop_map(|(rows, query, scales)| assemble(rows, query, &scales))
    })
}

/// Small whole numbers make ties.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![6 => -1.0..1.0, 1 => Just(0.0), 1 => (-2i8..=2).prop_map(f64::from)]
}

fn origin() -> impl Strategy<Value = Origin> {
    let towards = prop_oneof![Just(1.0), Just(-1.0)];
    let noise = prop_oneof![Just(0.0), Just(1e-7), Just(1e-4), Just(1e-2), Just(0.3)];
    prop_oneof![
        5 => Just(Origin::Fresh),
        1 => any::<prop::sample::Index>().prop_map(Origin::CopyOf),
        2 => (towards, noise).prop_map(|(towards, noise)| Origin::Query { towards, noise }),
    ]
}

fn row_scale() -> impl Strategy<Value = f64> {
    prop_oneof![6 => Just(1.0), 1 => Just(1e-44), 1 => Just(1e-20), 1 => Just(17.3), 1 => Just(1e38)]
}

fn dimension_scale() -> impl Strategy<Value = f64> {
    prop_oneof![
        12 => Just(1.0),
        4 => Just(0.05),
        2 => Just(0.0),
        2 => Just(1e-32),
        1 => Just(1e-44),
        1 => Just(40.0),
        1 => Just(1e20),
    ]
}

type FreshRow = (Vec<f64>, Origin, f64);

fn assemble(rows: Vec<FreshRow>, query: (Vec<f64>, f64, bool), scales: &[f64]) -> Vectors {
    let (query_values, query_scale, query_scaled_like_rows) = query;
    let scaled = |values: &[f64]| -> Vec<f64> {
        values
            .iter()
            .zip(scales)
            .map(|(value, scale)| value * scale)
            .collect()
    };
    let query = if query_scaled_like_rows {
        scaled(&query_values)
    } else {
        query_values
    };

    let mut assembled: Vec<Vec<f32>> = Vec::new();
    for (values, origin, scale) in rows {
        let row = match origin {
            Origin::CopyOf(which) if !assembled.is_empty() => which.get(&assembled).clone(),
            Origin::Query { towards, noise } => {
                let near = query
                    .iter()
                    .zip(&values)
                    .map(|(q, value)| towards * q * (1.0 + noise * value));
                valid(&near.collect::<Vec<f64>>(), scale)
            }
            _ => valid(&scaled(&values), scale),
        };
        assembled.push(row);
    }
    Vectors {
        query: valid(&query, query_scale),
        rows: assembled.concat(),
    }
}

/// Scaled into the finite float32, and not zero.
pub(crate) fn valid(values: &[f64], scale: f64) -> Vec<f32> {
    let finite =
        |value: &f64| (value * scale).clamp(-f64::from(f32::MAX), f64::from(f32::MAX)) as f32;
    let mut values: Vec<f32> = values.iter().map(finite).collect();
    if values.iter().all(|&value| value == 0.0) {
        values[0] = f32::from_bits(1);
    }
    values
}
