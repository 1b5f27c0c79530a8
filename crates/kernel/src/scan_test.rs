use std::cmp::Reverse;

use proptest::prelude::*;

use crate::arch::{self, Kernel};
use crate::blocks::Blocks;
use crate::scan::{above, top_many};
use crate::{Codes, FoldedQuery, MAX_DIMENSION, QuantizedRows, Query, Rider, TopRows};

/// Every kernel that this CPU can run, with its name in front of what fails.
fn on_every_kernel(check: impl Fn(&Kernel)) {
    for kernel in arch::available() {
        println!("on {}", kernel.name());
        check(&kernel);
    }
}

fn scan_top(
    kernel: &Kernel,
    codes: Codes<'_>,
    query: &FoldedQuery,
    is_live: impl Fn(u32) -> bool,
    top: &mut TopRows,
) {
    let is_live = &is_live;
    top_many(
        kernel,
        codes,
        &mut [Rider {
            query,
            is_live,
            top,
        }],
    );
}

fn all_scores(kernel: &Kernel, codes: Codes<'_>, query: &FoldedQuery) -> Vec<(i32, u32)> {
    let mut all = Vec::new();
    above(kernel, codes, query, i32::MIN, |_| true, &mut all);
    all
}

/// Codes whose bytes say nothing about any vector: only integer scores matter here.
struct Rows {
    dimension: usize,
    codes: Vec<i8>,
    alphas: Vec<f32>,
    blocks: Blocks,
}

impl Rows {
    fn new(dimension: usize, codes: Vec<i8>) -> Self {
        let mut blocks = Blocks::zeros(dimension, codes.len() / dimension);
        for (row, codes) in codes.chunks_exact(dimension).enumerate() {
            blocks.set_row(row, codes);
        }
        Self {
            dimension,
            codes,
            alphas: vec![1.0; dimension],
            blocks,
        }
    }

    fn as_codes(&self) -> Codes<'_> {
        let rows = self.codes.len() / self.dimension;
        Codes::new(self.dimension, rows, &self.alphas, 0.0, self.blocks.bytes()).unwrap()
    }

    fn naive(&self, query: &FoldedQuery) -> Vec<(i32, u32)> {
        let rows = self.codes.chunks_exact(self.dimension).zip(0u32..);
        rows.map(|(codes, row)| {
            let products = codes.iter().zip(query.codes());
            let score = products.map(|(&c, &q)| i32::from(c) * i32::from(q)).sum();
            (score, row)
        })
        .collect()
    }
}

/// Numbers that look random and are the same in every run.
fn noise(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_add(1);
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    }
}

/// With few distinct codes, so that scores tie.
fn random_rows(dimension: usize, rows: usize, seed: u64, coarse: bool) -> Rows {
    let mut next = noise(seed);
    let code = || match next() {
        n if coarse => (n % 3) as i8 - 1,
        n => (n % 255) as i16 as i8,
    };
    let codes: Vec<i8> = std::iter::repeat_with(code)
        .take(dimension * rows)
        .map(|code| code.max(-127))
        .collect();
    Rows::new(dimension, codes)
}

fn random_query(codes: Codes<'_>, seed: u64, coarse: bool) -> FoldedQuery {
    let mut next = noise(seed ^ 0x5555);
    let steps = if coarse { 3 } else { 255 };
    let mut values: Vec<f32> = (0..codes.dimension())
        .map(|_| (next() % steps) as f32 - (steps / 2) as f32)
        .collect();
    values[0] += 0.5;
    Query::new(values).unwrap().fold(codes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn a_scan_alone_or_shared_is_the_naive_one_on_every_kernel(
        dimension in 1usize..300,
        rows in 0usize..200,
        seed: u64,
        coarse: bool,
        capacities in prop::collection::vec(0usize..80, 0..30),
        dead_every in 2u32..9,
        floor_from in 0usize..200,
    ) {
        let rows = random_rows(dimension, rows, seed, coarse);
        let codes = rows.as_codes();
        let queries: Vec<FoldedQuery> = (0u64..)
            .zip(&capacities)
            .map(|(n, _)| random_query(codes, seed.wrapping_add(n), coarse))
            .collect();
        let is_live = |row: u32| !(row + 1).is_multiple_of(dead_every);

        on_every_kernel(|kernel| {
            let mut tops: Vec<TopRows> = capacities.iter().map(|&n| TopRows::new(n)).collect();
            let mut riders: Vec<Rider<'_>> = queries
                .iter()
                .zip(&mut tops)
                .map(|(query, top)| Rider { query, is_live: &is_live, top })
                .collect();
            top_many(kernel, codes, &mut riders);

            for ((query, shared), &capacity) in queries.iter().zip(tops).zip(&capacities) {
                let mut alone = TopRows::new(capacity);
                scan_top(kernel, codes, query, is_live, &mut alone);
                let naive = rows.naive(query);
                assert_eq!(all_scores(kernel, codes, query), naive);

                let floor = naive.get(floor_from).map_or(7, |found| found.0);
                let mut found = Vec::new();
                above(kernel, codes, query, floor, is_live, &mut found);
                let mut best = naive;
                best.retain(|&(_, row)| is_live(row));
                let reached: Vec<_> = best.iter().copied().filter(|row| row.0 >= floor).collect();
                assert_eq!(found, reached);

                best.sort_by_key(|&(score, row)| (Reverse(score), row));
                let kept = best.len().min(capacity);
                for top in [shared, alone] {
                    assert_eq!(top.best_dropped(), best.get(kept).map(|row| row.0));
                    assert_eq!(top.into_sorted(), best[..kept].to_vec());
                }
            }
        });
    }
}

#[test]
fn many_rows_shared_in_chunks_are_the_naive_scan() {
    let rows = random_rows(101, 6000, 3, false);
    let codes = rows.as_codes();
    let queries: Vec<FoldedQuery> = (0..43).map(|n| random_query(codes, n, false)).collect();
    on_every_kernel(|kernel| {
        let mut tops = vec![TopRows::new(30); queries.len()];
        let mut riders: Vec<Rider<'_>> = queries
            .iter()
            .zip(&mut tops)
            .map(|(query, top)| Rider {
                query,
                is_live: &|row| row % 7 != 0,
                top,
            })
            .collect();
        top_many(kernel, codes, &mut riders);
        for (query, top) in queries.iter().zip(tops) {
            let mut best = rows.naive(query);
            best.retain(|row| row.1 % 7 != 0);
            best.sort_by_key(|&(score, row)| (Reverse(score), row));
            assert_eq!(top.best_dropped(), Some(best[30].0));
            assert_eq!(top.into_sorted(), best[..30].to_vec());
        }
    });
}

#[test]
fn the_largest_sums_are_exact_at_any_floor() {
    let mut codes = vec![127i8; MAX_DIMENSION];
    codes.extend([-127i8; MAX_DIMENSION]);
    let rows = Rows::new(MAX_DIMENSION, codes);
    let codes = rows.as_codes();
    let largest = 4096 * 127 * 127;
    on_every_kernel(|kernel| {
        for sign in [1.0, -1.0] {
            let query = Query::new(vec![sign; MAX_DIMENSION]).unwrap().fold(codes);
            let score = largest * sign as i32;
            let both = [(score, 0), (-score, 1)];
            for (floor, expected) in [
                (i32::MIN, &both[..]),
                (-largest, &both[..]),
                (i32::MAX, &[][..]),
                (largest + 1, &[][..]),
            ] {
                let mut found = Vec::new();
                above(kernel, codes, &query, floor, |_| true, &mut found);
                assert_eq!(found, expected);
            }
            let mut found = Vec::new();
            above(kernel, codes, &query, largest, |_| true, &mut found);
            assert_eq!(found, [(largest, u32::from(sign < 0.0))]);
        }
    });
}

#[test]
fn rows_that_only_fill_a_block_are_never_found() {
    let rows = Rows::new(3, [-9i8; 3 * 17].to_vec());
    let codes = rows.as_codes();
    let query = Query::new(vec![1.0; 3]).unwrap().fold(codes);
    on_every_kernel(|kernel| {
        let mut top = TopRows::new(40);
        scan_top(kernel, codes, &query, |row| row < 17, &mut top);
        assert_eq!(top.len(), 17);
        assert_eq!(top.best_dropped(), None);
        assert_eq!(all_scores(kernel, codes, &query).len(), 17);
    });
}

#[test]
fn only_rows_that_could_change_the_answer_are_asked_about() {
    let rows = random_rows(16, 20_000, 9, false);
    let codes = rows.as_codes();
    let query = random_query(codes, 1, false);
    on_every_kernel(|kernel| {
        let asked = std::cell::Cell::new(0);
        let is_live = |_| {
            asked.set(asked.get() + 1);
            true
        };
        scan_top(kernel, codes, &query, is_live, &mut TopRows::new(10));
        assert!(asked.get() < 2_000, "{} of 20,000 rows", asked.get());
    });
}

/// Scores grow with the row: every row beats the ones before it.
fn rows_towards_the_query() -> (QuantizedRows, FoldedQuery) {
    let vectors: Vec<f32> = (0..20).flat_map(|row| [1.0, row as f32 / 20.0]).collect();
    let quantized = QuantizedRows::quantize(2, &vectors);
    let folded = Query::new(vec![0.0, 1.0])
        .unwrap()
        .fold(quantized.as_codes());
    (quantized, folded)
}

#[test]
fn a_dead_row_is_neither_kept_nor_turned_away() {
    let (quantized, folded) = rows_towards_the_query();
    let mut top = TopRows::new(3);
    crate::scan_top(quantized.as_codes(), &folded, |row| row < 3, &mut top);
    assert_eq!(top.best_dropped(), None);
    let rows: Vec<u32> = top.into_sorted().iter().map(|&(_, row)| row).collect();
    assert_eq!(rows, [2, 1, 0]);
}

#[test]
fn the_best_row_turned_away_is_remembered() {
    let (quantized, folded) = rows_towards_the_query();
    let mut all = Vec::new();
    crate::scan_above(quantized.as_codes(), &folded, i32::MIN, |_| true, &mut all);
    let mut top = TopRows::new(3);
    crate::scan_top(quantized.as_codes(), &folded, |row| row != 18, &mut top);
    assert_eq!(top.best_dropped(), Some(all[15].0));
    assert_eq!(top.into_sorted(), [all[19], all[17], all[16]]);
}

#[test]
fn a_lower_row_displaces_an_equal_one_offered_before() {
    let quantized = QuantizedRows::quantize(1, &[3.0, 5.0]);
    let folded = Query::new(vec![1.0]).unwrap().fold(quantized.as_codes());
    let score = 127 * 127;
    let mut top = TopRows::new(2);
    for row in [7, 8, 9] {
        top.offer(score, row);
    }
    crate::scan_top(quantized.as_codes(), &folded, |_| true, &mut top);
    assert_eq!(top.into_sorted(), [(score, 0), (score, 1)]);
}

#[test]
fn only_live_rows_at_or_above_the_floor_are_found() {
    let (quantized, folded) = rows_towards_the_query();
    let mut all = Vec::new();
    crate::scan_above(quantized.as_codes(), &folded, i32::MIN, |_| true, &mut all);
    let mut found = Vec::new();
    crate::scan_above(
        quantized.as_codes(),
        &folded,
        all[17].0,
        |row| row != 18,
        &mut found,
    );
    assert_eq!(found, [all[17], all[19]]);
}
