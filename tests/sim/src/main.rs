//! A whole cluster in one thread: the very code of `vectra`, over a network, disks, time and chance that
//! are simulated, so that a seed repeats everything. `docs/testing.md` says more.
//!
//! One process runs one seed; this program starts itself for each.

mod chance;
mod clients;
mod clock;
mod cluster;
mod disk;
mod history;
mod host;
mod invariants;
mod network;
mod run;
mod schedule;
mod seeds;
mod trace;
mod world;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::trace::{Messages, Trace};

/// Runs a cluster under faults and checks what must hold.
#[derive(Debug, Parser)]
struct Arguments {
    /// The seed to run, or the first of several.
    #[arg(long, env = "VECTRA_TEST_SEED", default_value_t = 1)]
    seed: u64,
    /// How many seeds, one after the other.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How many at the same time; as many as there are cores, if it is not given.
    #[arg(long)]
    jobs: Option<usize>,
    /// Runs each seed twice and compares the traces.
    #[arg(long)]
    twice: bool,
    /// Digests the messages on the network as well, which takes its time: `--twice` compares those.
    #[arg(long, hide = true)]
    trace: bool,
    /// Runs the one seed in this very process.
    #[arg(long, hide = true)]
    here: bool,
    /// Shows what happens in the one seed.
    #[arg(long)]
    show: bool,
    /// Shows the messages on the network as well.
    #[arg(long, requires = "show")]
    messages: bool,
}

/// Whether anything panicked: tasks of the async runtime hide it.
static PANICKED: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.here || arguments.show {
        // On a thread of its own: what a thread draws once, it draws after the seed is set.
        let run = std::thread::spawn(move || {
            chance::follow(arguments.seed);
            clock::simulate();
            run_here(&arguments)
        });
        return run.join().unwrap_or(ExitCode::FAILURE);
    }
    let range = arguments.seed..arguments.seed.saturating_add(arguments.seeds);
    let jobs = arguments
        .jobs
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1);
    match seeds::run_all(range, jobs, arguments.twice) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the simulation cannot be run: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_here(arguments: &Arguments) -> ExitCode {
    let seed = arguments.seed;
    let trace = Trace::default();
    if arguments.show {
        trace.show();
    }
    if arguments.messages {
        trace.show_messages();
    }
    let logged = tracing_subscriber::fmt::layer()
        .without_time()
        .with_writer(std::io::stderr)
        .with_filter(match std::env::var("VECTRA_LOG") {
            Ok(wanted) => EnvFilter::new(wanted),
            Err(_) => EnvFilter::new("off"),
        });
    let are_messages_noted = arguments.trace || arguments.messages;
    let messages = are_messages_noted.then(|| {
        let of_turmoil = tracing_subscriber::filter::Targets::new();
        let of_turmoil = of_turmoil.with_target("turmoil", tracing::Level::TRACE);
        Messages(trace.clone()).with_filter(of_turmoil)
    });
    tracing_subscriber::registry()
        .with(messages)
        .with(logged)
        .init();
    let report_panic = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICKED.store(true, Ordering::SeqCst);
        report_panic(panic);
    }));

    let report = match run::run(seed, trace) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("seed {seed} cannot be run: {error}");
            return ExitCode::FAILURE;
        }
    };
    let figures = report.figures;
    println!(
        "seed {seed}: {:.0} s, {} events {:016x}, {} acknowledged, {} without outcome, {} read, {} reads \
         refused, {} bytes moved",
        report.lasted.as_secs_f64(),
        report.events,
        report.digest,
        figures.acknowledged,
        figures.without_outcome,
        figures.readings,
        figures.refused_reads,
        report.snapshot_bytes,
    );
    for violation in &report.violations {
        println!("VIOLATED {violation}");
    }
    let has_panicked = PANICKED.load(Ordering::SeqCst);
    if has_panicked {
        println!("VIOLATED nothing panics: see above");
    }
    if report.violations.is_empty() && !has_panicked {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
