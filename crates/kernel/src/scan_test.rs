use std::cmp::Reverse;

use proptest::prelude::*;

use crate::arch::{self, Kernel};
use crate::probe::{Probed, probe_on};
use crate::scan::{above, top_many};
use crate::{
    Codes, FoldedQuery, Frame, MAX_DIMENSION, QuantizedRows, Query, Rider, TopRows, oracle,
};

/// Every kernel that this CPU can run, with its name in front of what fails.
fn on_every_kernel(check: impl Fn(&Kernel)) {
    for kernel in arch::available() {
        println!("on {}", kernel.name());
        check(&kernel);
    }
}

/// Numbers that look random and are the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// In −1…1.
    fn value(&mut self) -> f32 {
        (self.next() % 20_001) as f32 / 10_000.0 - 1.0
    }

    /// Vectors around a few centres, with leading dimensions that vary most; some of them twice.
    fn clustered(&mut self, dimension: usize, rows: usize) -> Vec<f32> {
        let centres: Vec<Vec<f32>> = (0..5)
            .map(|_| (0..dimension).map(|_| self.value()).collect())
            .collect();
        let mut vectors: Vec<f32> = Vec::with_capacity(rows * dimension);
        for row in 0..rows {
            if row > 0 && self.next().is_multiple_of(9) {
                let copied = self.next() as usize % row * dimension;
                vectors.extend_from_within(copied..copied + dimension);
                continue;
            }
            let centre = &centres[self.next() as usize % centres.len()];
            let spread = |i: usize| 0.5 * 0.7f32.powi(i as i32 / 2) + 0.01;
            vectors.extend((0..dimension).map(|i| centre[i] + spread(i) * self.value()));
        }
        vectors
    }
}

/// What a scan has to find, from the codes alone: the integer score of every row.
fn naive(rows: &QuantizedRows, query: &FoldedQuery) -> Vec<(i64, u32)> {
    let codes = rows.codes();
    let frame = rows.frame();
    let shift_after = |i: usize| -> u32 {
        let ranges = frame
            .ranges()
            .skip_while(|range| range.dimensions.end <= i)
            .skip(1);
        ranges.map(|range| range.shift).sum()
    };
    let weight: Vec<i64> = (0..frame.dimension)
        .map(|i| {
            let both = FoldedQuery::whole(query.coarse()[i].into(), query.fine()[i].into());
            both << shift_after(i)
        })
        .collect();
    codes
        .chunks_exact(frame.dimension)
        .map(|row| {
            row.iter()
                .zip(&weight)
                .map(|(&code, w)| i64::from(code) * w)
                .sum()
        })
        .zip(0..)
        .collect()
}

/// In the order given, or rotated and in stages that end at these dimensions.
fn quantized(dimension: usize, vectors: &[f32], ends: &[usize]) -> (QuantizedRows, Vec<u32>) {
    if ends.is_empty() {
        let rows = QuantizedRows::quantize(dimension, vectors);
        let order = (0..rows.rows() as u32).collect();
        (rows, order)
    } else {
        QuantizedRows::in_stages(dimension, vectors, ends)
    }
}

/// One round of everything that a scan promises, on every kernel.
fn check(
    dimension: usize,
    vectors: &[f32],
    ends: &[usize],
    queries: &[Vec<f32>],
    capacities: &[usize],
) {
    let (rows, order) = quantized(dimension, vectors, ends);
    rows.frame().check().unwrap();
    let codes = rows.as_codes();
    let all = 0..rows.rows();
    let is_live = |row: u32| row % 7 != 3;
    let queries: Vec<Query> = queries
        .iter()
        .map(|values| Query::new(values.clone()).unwrap())
        .collect();
    let folded: Vec<FoldedQuery> = queries.iter().map(|query| query.fold(codes)).collect();
    let row_of = |row: u32| &vectors[order[row as usize] as usize * dimension..][..dimension];

    let exact: Vec<Vec<f32>> = queries
        .iter()
        .map(|query| {
            (0..rows.rows() as u32)
                .map(|row| query.score(row_of(row)))
                .collect()
        })
        .collect();
    let scores: Vec<Vec<(i64, u32)>> = folded.iter().map(|query| naive(&rows, query)).collect();
    for ((query, folded), (exact, scores)) in
        queries.iter().zip(&folded).zip(exact.iter().zip(&scores))
    {
        for &(score, row) in scores {
            let truth = oracle::cosine(query.values(), row_of(row));
            let (lower, upper) = (folded.lower(score), folded.upper(score));
            assert!(lower <= truth && truth <= upper, "{lower} {truth} {upper}");
            let rounded = f64::from(exact[row as usize]);
            assert!(
                lower <= rounded && rounded <= upper,
                "{lower} {rounded} {upper}"
            );
            assert!(score >= folded.floor_for(exact[row as usize]));
        }
    }

    on_every_kernel(|kernel| {
        // Together, with and without floors.
        for with_floor in [false, true] {
            let floors: Vec<f32> = exact
                .iter()
                .map(|exact| {
                    let mut sorted = exact.clone();
                    sorted.sort_by(|a, b| b.total_cmp(a));
                    if with_floor {
                        sorted.get(9).copied().unwrap_or(-1.0)
                    } else {
                        f32::NEG_INFINITY
                    }
                })
                .collect();
            let mut tops: Vec<TopRows> = capacities
                .iter()
                .map(|&capacity| TopRows::new(capacity))
                .collect();
            let mut riders: Vec<Rider<'_>> = folded
                .iter()
                .zip(&mut tops)
                .zip(&floors)
                .map(|((query, top), &floor)| Rider {
                    query,
                    floor,
                    is_live: &is_live,
                    top,
                })
                .collect();
            // In two stretches: the second goes on with what the first found.
            let middle = (all.end / 2).next_multiple_of(16).min(all.end);
            top_many(kernel, codes, 0..middle, &mut riders);
            top_many(kernel, codes, middle..all.end, &mut riders);
            for ((top, scores), (&floor, (exact, &capacity))) in tops
                .into_iter()
                .zip(&scores)
                .zip(floors.iter().zip(exact.iter().zip(capacities)))
            {
                let mut best: Vec<_> = scores
                    .iter()
                    .copied()
                    .filter(|&(_, row)| is_live(row))
                    .collect();
                best.sort_by_key(|&(score, row)| (Reverse(score), row));
                let kept = best.len().min(capacity);
                if with_floor {
                    // Whatever may reach the floor is there, or turned away for something better.
                    let dropped = top.best_dropped();
                    let found = top.into_sorted();
                    for &(score, row) in &best[..kept] {
                        if exact[row as usize] >= floor {
                            assert!(found.contains(&(score, row)), "row {row} is lost");
                        }
                    }
                    let best_lost = best[kept..]
                        .iter()
                        .find(|row| exact[row.1 as usize] >= floor);
                    assert!(best_lost.is_none_or(|row| dropped >= Some(row.0)));
                } else {
                    assert_eq!(top.best_dropped(), best.get(kept).map(|row| row.0));
                    assert_eq!(top.into_sorted(), best[..kept].to_vec());
                }
            }
        }
        // Alone, down to a score.
        for (query, scores) in folded.iter().zip(&scores) {
            for floor in [
                i64::MIN,
                scores.first().map_or(0, |row| row.0),
                i64::MAX / 2,
            ] {
                let mut found = Vec::new();
                above(
                    kernel,
                    codes,
                    all.clone(),
                    query,
                    floor,
                    is_live,
                    &mut found,
                );
                let expected: Vec<_> = scores
                    .iter()
                    .copied()
                    .filter(|&(score, row)| score >= floor && is_live(row))
                    .collect();
                assert_eq!(found, expected);
            }
        }
        // A probe offers only live rows, and of a segment that it sees whole, all of them.
        for (query, scores) in folded.iter().zip(&scores) {
            let part = [Probed { codes, query }];
            let all = rows.rows();
            let probed = probe_on(kernel, &part, all, all, |_, row| is_live(row));
            let mut found: Vec<u32> = probed.into_iter().map(|(_, row)| row).collect();
            found.sort_unstable();
            let live: Vec<u32> = scores
                .iter()
                .map(|row| row.1)
                .filter(|&row| is_live(row))
                .collect();
            assert_eq!(found, live);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_kernel_finds_what_the_codes_say_and_bounds_hold(
        dimension in 1usize..140,
        rows in 0usize..200,
        seed: u64,
        stages in prop::collection::btree_set(1usize..30, 0..4),
        capacities in prop::collection::vec(0usize..60, 1..30),
    ) {
        let mut noise = Noise(seed);
        let vectors = noise.clustered(dimension, rows);
        let queries: Vec<Vec<f32>> = capacities
            .iter()
            .map(|_| {
                let mut query = noise.clustered(dimension, 1);
                query[0] += 0.001;
                query
            })
            .collect();
        check(dimension, &vectors, &[], &queries, &capacities);
        if rows > 0 {
            let mut ends: Vec<usize> = stages.iter().map(|groups| groups * 4).collect();
            ends.retain(|&end| end < dimension);
            ends.push(dimension);
            check(dimension, &vectors, &ends, &queries, &capacities);
        }
    }
}

#[test]
fn rows_of_which_few_dimensions_tell_are_arranged_and_others_are_not() {
    let mut noise = Noise(1);
    let (dimension, rows) = (128, 2300);
    let vectors = noise.clustered(dimension, rows);
    let (arranged, mut order) = QuantizedRows::arrange(dimension, &vectors);
    let ends: Vec<usize> = arranged
        .frame()
        .stages
        .iter()
        .map(|stage| stage.end)
        .collect();
    assert!(
        ends.len() > 1 && arranged.frame().leaves.is_some(),
        "{ends:?}"
    );
    order.sort_unstable();
    assert_eq!(order, (0..rows as u32).collect::<Vec<_>>());
    let queries: Vec<Vec<f32>> = (0..27).map(|_| noise.clustered(dimension, 1)).collect();
    let capacities: Vec<usize> = (0..27).map(|n| [0, 1, 10, 40, 5000][n % 5]).collect();
    check(dimension, &vectors, &ends, &queries, &capacities);

    let scattered: Vec<f32> = (0..dimension * rows).map(|_| noise.value()).collect();
    let (plain, order) = QuantizedRows::arrange(dimension, &scattered);
    assert_eq!(plain, QuantizedRows::quantize(dimension, &scattered));
    assert_eq!(order, (0..rows as u32).collect::<Vec<_>>());
}

#[test]
fn awkward_vectors_keep_every_bound() {
    let dimension = 20;
    let mut noise = Noise(11);
    let plain = noise.clustered(dimension, 1200);
    let each = |change: &dyn Fn(usize, usize, f32) -> f32| -> Vec<f32> {
        let place = |at: usize| (at / dimension, at % dimension);
        plain
            .iter()
            .enumerate()
            .map(|(at, &value)| change(place(at).0, place(at).1, value))
            .collect()
    };
    let sets = [
        (
            "dead dimensions",
            each(&|_, i, value| if i % 3 == 0 { 0.0 } else { value }),
        ),
        (
            "nearly dead ones",
            each(&|_, i, value| if i % 3 == 0 { value * 1e-30 } else { value }),
        ),
        (
            "constant ones",
            each(&|_, i, value| if i == 4 { 3.0 } else { value }),
        ),
        (
            "one huge outlier",
            each(&|row, i, value| if (row, i) == (77, 5) { 1e20 } else { value }),
        ),
        ("denormals", each(&|_, _, value| value * 1e-41)),
        ("all the same", each(&|_, i, _| 1.0 + i as f32)),
        (
            "zero rows",
            each(&|row, _, value| if row % 5 == 0 { 0.0 } else { value }),
        ),
        (
            "single axes",
            each(&|row, i, _| if row % dimension == i { 1.0 } else { 0.0 }),
        ),
        (
            "largest floats",
            each(&|_, _, value| value.signum() * f32::MAX),
        ),
    ];
    for (what, vectors) in sets {
        println!("{what}");
        let mut queries: Vec<Vec<f32>> =
            vec![vectors[..dimension].to_vec(), plain[..dimension].to_vec()];
        queries.retain(|query| query.iter().any(|&value| value != 0.0));
        queries.push(vec![1e-45; dimension]);
        let capacities = vec![30; queries.len()];
        for ends in [&[][..], &[8, 20], &[4, 12, 20]] {
            check(dimension, &vectors, ends, &queries, &capacities);
        }
    }
}

#[test]
fn the_most_dimensions_and_the_largest_codes_stay_within_32_bits() {
    let mut vectors = vec![1.0f32; MAX_DIMENSION];
    vectors.extend([-1.0f32; MAX_DIMENSION]);
    vectors.extend((0..MAX_DIMENSION).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }));
    let queries = [
        vectors[..MAX_DIMENSION].to_vec(),
        vectors[MAX_DIMENSION..2 * MAX_DIMENSION].to_vec(),
    ];
    check(MAX_DIMENSION, &vectors, &[], &queries, &[2, 3]);
}

#[test]
fn only_rows_that_could_change_the_answer_are_asked_about() {
    let mut noise = Noise(9);
    let vectors: Vec<f32> = (0..16 * 20_000).map(|_| noise.value()).collect();
    let rows = QuantizedRows::quantize(16, &vectors);
    let query = Query::new((0..16).map(|_| noise.value()).collect())
        .unwrap()
        .fold(rows.as_codes());
    on_every_kernel(|kernel| {
        let asked = std::cell::Cell::new(0);
        let is_live = |_| {
            asked.set(asked.get() + 1);
            true
        };
        let mut top = TopRows::new(10);
        let rider = Rider {
            query: &query,
            floor: f32::NEG_INFINITY,
            is_live: &is_live,
            top: &mut top,
        };
        top_many(kernel, rows.as_codes(), 0..20_000, &mut [rider]);
        assert!(asked.get() < 2_000, "{} of 20,000 rows", asked.get());
    });
}

#[test]
fn a_probe_finds_the_neighbourhood() {
    let mut noise = Noise(5);
    let vectors = noise.clustered(32, 6000);
    let (rows, order) = QuantizedRows::in_stages(32, &vectors, &[20, 32]);
    let codes = rows.as_codes();
    on_every_kernel(|kernel| {
        let looked_for = (0..60).map(|n| n * 97);
        let found = looked_for.clone().filter(|&wanted| {
            let vector = &vectors[wanted * 32..][..32];
            let query = Query::new(vector.to_vec()).unwrap();
            let query = &query.fold(codes);
            let found = probe_on(kernel, &[Probed { codes, query }], 512, 10, |_, _| true);
            let is_same = |row: u32| &vectors[order[row as usize] as usize * 32..][..32] == vector;
            found.into_iter().any(|(_, row)| is_same(row))
        });
        assert!(found.count() >= 45, "of {}", looked_for.count());
    });
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let mut noise = Noise(5);
    let vectors = noise.clustered(24, 1500);
    let (rows, _) = QuantizedRows::in_stages(24, &vectors, &[8, 16, 24]);
    let sound = rows.frame();
    sound.check().unwrap();
    type Change<'a> = &'a dyn Fn(&mut Frame);
    let broken: [(&str, Change<'_>); 10] = [
        ("a missing α", &|frame| frame.alphas.truncate(23)),
        ("a negative α", &|frame| frame.alphas[3] = -1.0),
        ("a centre of NaN", &|frame| frame.centre[3] = f32::NAN),
        ("no stages", &|frame| frame.stages.clear()),
        ("a stage beyond the end", &|frame| frame.stages[0].end = 28),
        ("a stage within a group", &|frame| frame.stages[0].end += 1),
        ("a missing tail", &|frame| frame.stages[0].tails.truncate(2)),
        ("an endless tail", &|frame| {
            frame.stages[0].tails[0] = f32::INFINITY
        }),
        ("shifts that overflow", &|frame| frame.lead_shift = 24),
        ("missing means", &|frame| {
            frame.leaves.as_mut().unwrap().codes.truncate(64)
        }),
    ];
    for (what, change) in broken {
        let mut frame = sound.clone();
        change(&mut frame);
        assert!(frame.check().is_err(), "{what}");
    }
    assert!(Codes::new(sound, &rows.codes_bytes()[64..]).is_err());
}
