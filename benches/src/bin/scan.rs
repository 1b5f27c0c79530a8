//! What the engine costs without files, raft and HTTP, against the least that brute force could: reading
//! every code once, and the multiplier's peak.
//!
//! `scan [--json] [--segments N] [BASE.npy [QUERIES.npy [TRUTH.npy]]]`; without files, random clustered
//! vectors. With `--json` it prints figures for the report, else a table.

use std::hint::black_box;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use vectra_benches::engine::{Certified, Engine};
use vectra_benches::figures::{Aboard, EngineFigures};
use vectra_benches::timing::{median, milliseconds};
use vectra_benches::{machine, npy, peak};
use vectra_kernel::{Query, instruction_set};

const K: usize = 10;

/// Everything is measured this many times, in turns.
const TURNS: usize = 9;

/// Queries one at a time in each turn, and searches aboard one scan.
const ALONE: usize = 50;
const ABOARD: [usize; 4] = [24, 64, 96, 192];

/// About as many rows as a shard's segment has of a set that a node has in as many shards.
const SEGMENT_ROWS: usize = 1 << 17;

fn main() -> Result<()> {
    ensure!(
        !cfg!(debug_assertions),
        "figures of a debug build mean nothing; add --release"
    );
    let options = Options::parse()?;
    let input = Input::load(&options.files)?;
    let rows = input.base.len() / input.dimension;
    let segments = options
        .segments
        .unwrap_or(rows.div_ceil(SEGMENT_ROWS))
        .max(1);
    let queries: Vec<Query> = input
        .queries
        .iter()
        .map(|values| Query::new(values.clone()))
        .collect::<Result<_, _>>()?;

    let start = Instant::now();
    let arranged = Engine::new(input.dimension, &input.base, segments, true);
    let arranging = start.elapsed();
    let start = Instant::now();
    let plain = Engine::new(input.dimension, &input.base, segments, false);
    let quantising = start.elapsed();

    let answers = Answers::of(&arranged, &queries, input.truth.as_deref());
    let measured = Measured::of(&arranged, &plain, &queries);
    let figures = EngineFigures {
        rows: rows as u64,
        dimension: input.dimension as u64,
        threads: threads() as u64,
        instruction_set: instruction_set().to_owned(),
        read_once_ms: milliseconds(measured.read_once),
        one_query_ms: milliseconds(measured.one_query),
        aboard: measured
            .aboard
            .iter()
            .map(|&(queries, time)| Aboard {
                queries: queries as u64,
                queries_per_second: queries as f64 / time.as_secs_f64(),
            })
            .collect(),
        peak_queries_per_second: measured.peak.map(|peak| peak / input.base.len() as f64),
        recall: answers.recall,
    };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
        return Ok(());
    }

    println!(
        "{rows} × {}, {} in {segments} segments: {}",
        input.dimension,
        input.name,
        machine::describe()
    );
    println!("quantised in {quantising:.1?}, arranged in {arranging:.1?}, on one thread; stages:");
    for segment in arranged.segments.iter().take(3) {
        let stages = &segment.quantized.frame().stages;
        println!(
            "  {:?}",
            stages.iter().map(|stage| stage.end).collect::<Vec<_>>()
        );
    }
    println!(
        "\n| what, {} threads | ratio | median of {TURNS} |\n| --- | --- | --- |",
        threads()
    );
    let read = milliseconds(measured.read_once);
    println!("| reading every code once | 1 | {read:.2} ms |");
    for (what, time) in [
        ("one query, proven", measured.one_query),
        (
            "one query, proven, without stages",
            measured.one_query_plain,
        ),
    ] {
        println!(
            "| {what} | {:.2} | {:.2} ms |",
            milliseconds(time) / read,
            milliseconds(time)
        );
    }
    if let Some(peak) = figures.peak_queries_per_second {
        println!("| VPDPBUSD on registers alone | 1 | {peak:.0} queries/s |");
    }
    for (what, aboard) in [
        ("", &measured.aboard),
        (", without stages", &measured.aboard_plain),
    ] {
        for &(queries, time) in aboard {
            let rate = queries as f64 / time.as_secs_f64();
            let share = figures
                .peak_queries_per_second
                .map_or(0.0, |peak| rate / peak);
            println!("| {queries} aboard, proven{what} | {share:.2} | {rate:.0} queries/s |");
        }
    }
    println!(
        "\nrecall@{K} {}, rows rescored: median {}, most {}; {} of {} answers took a second scan",
        answers
            .recall
            .map_or("unknown".into(), |recall| format!("{recall:.4}")),
        answers.rescored,
        answers.most_rescored,
        answers.scanned_again,
        queries.len(),
    );
    Ok(())
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

struct Options {
    json: bool,
    segments: Option<usize>,
    files: Vec<String>,
}

impl Options {
    fn parse() -> Result<Self> {
        let mut options = Self {
            json: false,
            segments: None,
            files: Vec::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--json" => options.json = true,
                "--segments" => {
                    let number = arguments.next().context("--segments needs a number")?;
                    options.segments = Some(number.parse().context("--segments needs a number")?);
                }
                _ => options.files.push(argument),
            }
        }
        Ok(options)
    }
}

/// How good the answers are, and what their proofs took.
struct Answers {
    recall: Option<f64>,
    rescored: usize,
    most_rescored: usize,
    scanned_again: usize,
}

impl Answers {
    fn of(engine: &Engine<'_>, queries: &[Query], truth: Option<&[Vec<u32>]>) -> Self {
        let mut answers: Vec<Certified> = Vec::new();
        let all: Vec<&Query> = queries.iter().collect();
        for some in all.chunks(ABOARD[1]) {
            answers.extend(engine.search(some, K, threads()));
        }
        let found = |truth: &[Vec<u32>]| -> usize {
            let pairs = answers.iter().zip(truth);
            pairs
                .map(|(answer, truth)| {
                    answer
                        .rows
                        .iter()
                        .filter(|row| truth[..K].contains(&row.1))
                        .count()
                })
                .sum()
        };
        let rescored = answers.iter().map(|answer| answer.rescored);
        Self {
            recall: truth.map(|truth| found(truth) as f64 / (K * answers.len()) as f64),
            most_rescored: rescored.clone().max().unwrap_or_default(),
            rescored: median(rescored.collect()),
            scanned_again: answers.iter().filter(|answer| answer.scanned_again).count(),
        }
    }
}

/// Medians of turns in which everything is measured once.
struct Measured {
    read_once: Duration,
    one_query: Duration,
    one_query_plain: Duration,
    aboard: Vec<(usize, Duration)>,
    aboard_plain: Vec<(usize, Duration)>,
    /// Multiply-adds per second, of all threads.
    peak: Option<f64>,
}

impl Measured {
    fn of(arranged: &Engine<'_>, plain: &Engine<'_>, queries: &[Query]) -> Self {
        let engines = [arranged, plain];
        let (mut reads, mut alone, mut peaks) = (Vec::new(), [Vec::new(), Vec::new()], Vec::new());
        let mut aboard = [(); 2].map(|()| ABOARD.map(|_| Vec::new()));
        let mut next = queries.iter().cycle();
        for _ in 0..TURNS {
            reads.push(timed(|| read_once(&arranged.codes())));
            for (engine, times) in engines.iter().zip(&mut alone) {
                times.extend(
                    (0..ALONE)
                        .filter_map(|_| next.next())
                        .map(|query| timed(|| engine.search(&[query], K, threads()))),
                );
            }
            for (engine, aboard) in engines.iter().zip(&mut aboard) {
                for (count, times) in ABOARD.iter().zip(aboard) {
                    let some: Vec<&Query> = (0..*count).filter_map(|_| next.next()).collect();
                    times.push(timed(|| engine.search(&some, K, threads())));
                }
            }
            peaks.push(
                on_all_threads(|_| peak::multiply_adds_per_second())
                    .into_iter()
                    .sum::<Option<f64>>(),
            );
        }
        peaks.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        let [one_query, one_query_plain] = alone.map(median);
        let [aboard, aboard_plain] =
            aboard.map(|times| ABOARD.into_iter().zip(times.map(median)).collect());
        Self {
            read_once: median(reads),
            one_query,
            one_query_plain,
            aboard,
            aboard_plain,
            peak: peaks[peaks.len() / 2],
        }
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

fn on_all_threads<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..threads())
            .map(|number| scope.spawn(move || work(number)))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

/// Reads every byte once, on all threads, each a part of every segment.
fn read_once(segments: &[&[u8]]) -> u64 {
    let count = threads();
    let parts = on_all_threads(|number| {
        let part = |codes: &&[u8]| {
            let len = codes.len() / count;
            read(&codes[number * len..(number + 1) * len])
        };
        segments.iter().map(part).fold(0, |all, part| all ^ part)
    });
    parts.into_iter().fold(0, |all, part| all ^ part)
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
