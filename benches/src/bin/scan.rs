//! What the kernel costs, against the least it could: reading every code once.
//!
//! `scan [BASE.npy [QUERIES.npy [TRUTH.npy]]]`; without files, random clustered vectors.

use std::hint::black_box;
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use vectra_benches::timing::{measure_in_turns, median, milliseconds};
use vectra_benches::{certified, machine, npy, peak};
use vectra_kernel::{
    Codes, FoldedQuery, QuantizedRows, Query, Rider, TopRows, scan_top, scan_top_many,
};

const K: usize = 10;
const SLACK: usize = 246;
const TURNS: usize = 31;
const SHARED_TURNS: usize = 15;

fn main() -> Result<()> {
    ensure!(
        !cfg!(debug_assertions),
        "figures of a debug build mean nothing; add --release"
    );
    let files: Vec<String> = std::env::args().skip(1).collect();
    let input = Input::load(&files)?;
    let rows = input.base.len() / input.dimension;
    println!(
        "{} × {}, {}: {}\n",
        rows,
        input.dimension,
        input.name,
        machine::describe()
    );

    let start = Instant::now();
    let quantized = QuantizedRows::quantize(input.dimension, &input.base);
    let quantising = start.elapsed();
    let codes = quantized.as_codes();
    let queries: Vec<Query> = input
        .queries
        .iter()
        .map(|values| Query::new(values.clone()))
        .collect::<Result<_, _>>()?;

    speed(&input, &quantized, &queries);
    println!(
        "| quantising, one thread, one run | | {:.0} rows/s | {:.2} GB/s of float32 |",
        rows as f64 / quantising.as_secs_f64(),
        size_of_val(&input.base[..]) as f64 / quantising.as_secs_f64() / 1e9,
    );
    shared(&quantized, &queries);
    answers(&input, codes, &queries);
    Ok(())
}

/// Prints what one query costs, as ratios first.
fn speed(input: &Input, quantized: &QuantizedRows, queries: &[Query]) {
    let codes = quantized.as_codes();
    let bytes = quantized.codes_bytes();
    let halves = halves(quantized);
    let folded: Vec<FoldedQuery> = queries.iter().map(|query| query.fold(codes)).collect();
    let mut next = (0..folded.len()).cycle();
    let mut other = (0..folded.len()).cycle();
    let mut third = (0..folded.len()).cycle();

    let [read_one, read_two, scan_one, scan_two, proven] = measure_in_turns(
        TURNS,
        [
            &mut || {
                black_box(read(bytes));
            },
            &mut || {
                let (first, second) = bytes.split_at(bytes.len() / 2);
                let (a, b) = in_parallel(|| read(first), || read(second));
                black_box(a ^ b);
            },
            &mut || {
                let query = &folded[next.next().unwrap_or(0)];
                black_box(scanned(codes, query));
            },
            &mut || {
                let query = &folded[other.next().unwrap_or(0)];
                black_box(in_parallel(
                    || scanned(halves[0], query),
                    || scanned(halves[1], query),
                ));
            },
            &mut || {
                let query = &queries[third.next().unwrap_or(0)];
                black_box(certified::search(query, codes, &input.base, K, SLACK).rescored);
            },
        ],
    );

    println!("| what | × reading the codes once | fastest | median of {TURNS} |");
    println!("| --- | --- | --- | --- |");
    let lines = [
        ("reading every code, 1 thread", read_one),
        ("reading every code, 2 threads", read_two),
        ("one query, integer scan, 1 thread", scan_one),
        ("one query, integer scan, 2 threads", scan_two),
        ("one query, proven top 10, 1 thread", proven),
    ];
    // The fastest of each: other work on the machine lengthens the two by chance.
    let least = read_one.fastest.min(read_two.fastest).as_secs_f64();
    for (what, time) in lines {
        let ratio = time.fastest.as_secs_f64() / least;
        let (fastest, median) = (milliseconds(time.fastest), milliseconds(time.median));
        println!("| {what} | {ratio:.2} | {fastest:.2} ms | {median:.2} ms |");
    }

    let query = &queries[0];
    let start = Instant::now();
    for _ in 0..1000 {
        black_box(black_box(query).fold(codes));
    }
    println!(
        "| folding one query | | {:.2} µs | |",
        start.elapsed().as_secs_f64() * 1e3
    );
    let start = Instant::now();
    let scored = input.base.chunks_exact(input.dimension).take(10_000);
    let count = scored.len();
    for row in scored {
        black_box(query.score(row));
    }
    println!(
        "| one exact score | | {:.0} ns | |",
        start.elapsed().as_secs_f64() * 1e9 / count as f64
    );
}

/// Prints what many queries aboard one scan cost, against what the multiplier alone could do.
fn shared(quantized: &QuantizedRows, queries: &[Query]) {
    let codes = quantized.as_codes();
    let halves = halves(quantized);
    let folded: Vec<FoldedQuery> = queries.iter().map(|query| query.fold(codes)).collect();
    let aboard =
        |count: usize| -> Vec<&FoldedQuery> { folded.iter().cycle().take(count).collect() };
    let (few, many) = (aboard(64), aboard(96));
    let both = |queries: &[&FoldedQuery], capacity: usize| {
        black_box(in_parallel(
            || scanned_together(halves[0], queries, capacity),
            || scanned_together(halves[1], queries, capacity),
        ));
    };
    let mut peaks = Vec::new();
    let [few_deep, few_short, many_deep, many_short, _] = measure_in_turns(
        SHARED_TURNS,
        [
            &mut || both(&few, K + SLACK),
            &mut || both(&few, K),
            &mut || both(&many, K + SLACK),
            &mut || both(&many, K),
            &mut || {
                let peak = peak::multiply_adds_per_second;
                let (a, b) = in_parallel(peak, peak);
                peaks.extend(a.zip(b).map(|(a, b)| a + b));
            },
        ],
    );

    let peak = peaks.into_iter().max_by(f64::total_cmp);
    let peak_queries = peak.map(|peak| peak / (codes.rows() * codes.dimension()) as f64);
    let share = |queries_per_second: f64| {
        peak_queries.map_or_else(String::new, |peak| {
            format!("{:.2}", queries_per_second / peak)
        })
    };
    println!("\n| what, 2 threads | × VPDPBUSD peak | fastest | median of {SHARED_TURNS} |");
    println!("| --- | --- | --- | --- |");
    for (count, capacity, times) in [
        (few.len(), K + SLACK, few_deep),
        (few.len(), K, few_short),
        (many.len(), K + SLACK, many_deep),
        (many.len(), K, many_short),
    ] {
        let fastest = count as f64 / times.fastest.as_secs_f64();
        let median = count as f64 / times.median.as_secs_f64();
        println!(
            "| {count} queries aboard, {capacity} rows kept | {} | {fastest:.0} queries/s | {median:.0} queries/s |",
            share(fastest),
        );
    }
    if let (Some(peak), Some(queries)) = (peak, peak_queries) {
        println!(
            "| VPDPBUSD on registers alone | 1 | {queries:.0} queries/s, {:.0} GMAC/s | |",
            peak / 1e9
        );
    }
}

fn scanned_together(codes: Codes<'_>, queries: &[&FoldedQuery], capacity: usize) -> Option<i32> {
    let mut tops = vec![TopRows::new(capacity); queries.len()];
    let mut riders: Vec<Rider<'_>> = queries
        .iter()
        .zip(&mut tops)
        .map(|(query, top)| Rider {
            query,
            is_live: &|_| true,
            top,
        })
        .collect();
    scan_top_many(codes, &mut riders);
    tops.iter().filter_map(TopRows::threshold).max()
}

/// Prints how good the integer ranking is, and what the proof takes.
fn answers(input: &Input, codes: Codes<'_>, queries: &[Query]) {
    let (mut rescored, mut again, mut plain_found, mut proven_found) = (Vec::new(), 0, 0, 0);
    for (number, query) in queries.iter().enumerate() {
        let folded = query.fold(codes);
        let mut top = TopRows::new(K + SLACK);
        scan_top(codes, &folded, |_| true, &mut top);
        let plain: Vec<u32> = top
            .clone()
            .into_sorted()
            .iter()
            .take(K)
            .map(|row| row.1)
            .collect();
        let proven = certified::finish(query, &folded, codes, &input.base, K, top);
        rescored.push(proven.rescored);
        again += usize::from(proven.scanned_again);

        let proven: Vec<u32> = proven.rows.iter().map(|row| row.1).collect();
        let right = input
            .truth
            .as_ref()
            .map_or(&proven[..], |truth| &truth[number][..K]);
        plain_found += plain.iter().filter(|row| right.contains(row)).count();
        proven_found += proven.iter().filter(|row| right.contains(row)).count();
    }
    let possible = (K * queries.len()) as f64;
    let truth = if input.truth.is_some() {
        "the given truth"
    } else {
        "the proven answer"
    };
    println!(
        "\n{} queries, k = {K}, {SLACK} further candidates kept; against {truth}:\n",
        queries.len()
    );
    println!("| what | figure |\n| --- | --- |");
    println!(
        "| recall@{K} of the integer ranking | {:.4} |",
        plain_found as f64 / possible
    );
    println!(
        "| recall@{K} of the proven answer | {:.4} |",
        proven_found as f64 / possible
    );
    let most = rescored.iter().max().copied().unwrap_or_default();
    println!("| rows rescored, median | {} |", median(rescored));
    println!("| rows rescored, most | {most} |");
    println!("| queries that needed a second scan | {again} |");
}

fn scanned(codes: Codes<'_>, query: &FoldedQuery) -> Option<i32> {
    let mut top = TopRows::new(K + SLACK);
    scan_top(codes, query, |_| true, &mut top);
    top.threshold()
}

/// Touches every byte, eight to a word, and lets the compiler use its widest registers.
fn read(bytes: &[u8]) -> u64 {
    let mut sums = [0u64; 16];
    for block in bytes.as_chunks::<128>().0 {
        for (sum, word) in sums.iter_mut().zip(block.as_chunks::<8>().0) {
            *sum ^= u64::from_ne_bytes(*word);
        }
    }
    sums.iter().fold(0, |all, sum| all ^ sum)
}

/// The first and the second half of the rows, parted between two blocks of 16.
fn halves(quantized: &QuantizedRows) -> [Codes<'_>; 2] {
    let (dimension, rows) = (quantized.dimension(), quantized.rows());
    let first_rows = (rows / 2).next_multiple_of(16).min(rows);
    let bytes = quantized.codes_bytes();
    let (first, second) = bytes.split_at(Codes::encoded_len(dimension, first_rows));
    [(first, first_rows), (second, rows - first_rows)].map(|(bytes, rows)| {
        let (alphas, residual_norm) = (quantized.alphas(), quantized.residual_norm());
        Codes::new(dimension, rows, alphas, residual_norm, bytes)
            .unwrap_or_else(|error| unreachable!("halves of valid codes are valid: {error}"))
    })
}

fn in_parallel<A: Send, B>(first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B) -> (A, B) {
    thread::scope(|scope| {
        let other = scope.spawn(first);
        let here = second();
        match other.join() {
            Ok(there) => (there, here),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// What to measure with.
struct Input {
    name: String,
    dimension: usize,
    base: Vec<f32>,
    queries: Vec<Vec<f32>>,
    truth: Option<Vec<Vec<u32>>>,
}

impl Input {
    fn load(files: &[String]) -> Result<Self> {
        let Some(base_file) = files.first() else {
            return Ok(Self::random(200_000, 128, 200));
        };
        let base_file = Path::new(base_file);
        let base = npy::read_vectors(base_file)?;
        let queries = match files.get(1) {
            Some(file) => npy::read_vectors(Path::new(file))?.values,
            None => {
                base.values[..base.dimension * 200.min(base.values.len() / base.dimension)].to_vec()
            }
        };
        ensure!(
            queries.len().is_multiple_of(base.dimension),
            "queries of another dimension than the base"
        );
        let truth = files
            .get(2)
            .map(|file| npy::read_truth(Path::new(file)))
            .transpose()?;
        Ok(Self {
            name: base_file
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into()),
            dimension: base.dimension,
            queries: queries
                .chunks_exact(base.dimension)
                .map(<[f32]>::to_vec)
                .collect(),
            base: base.values,
            truth,
        })
    }

    fn random(rows: usize, dimension: usize, queries: usize) -> Self {
        let mut random = StdRng::seed_from_u64(1);
        let centres: Vec<f32> = (0..queries * dimension)
            .map(|_| random.random_range(-1.0..1.0))
            .collect();
        let mut near = |cluster: usize| -> Vec<f32> {
            let centre = &centres[cluster * dimension..][..dimension];
            centre
                .iter()
                .map(|value| value + random.random_range(-0.5..0.5))
                .collect()
        };
        let base = (0..rows).flat_map(|row| near(row % queries)).collect();
        let queries = (0..queries).map(near).collect();
        Self {
            name: "random clusters".into(),
            dimension,
            base,
            queries,
            truth: None,
        }
    }
}
