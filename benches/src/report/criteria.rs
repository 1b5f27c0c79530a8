//! What is wanted, and how it follows from what was measured.

use super::OfSet;
use crate::figures::{LoadRun, PeerFigures, SetFigures, WritingFigures, median_of};
use crate::timing;

/// Which way a figure should be off its mark.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    pub(super) fn mark(self) -> f64 {
        match self {
            Self::AtLeast(mark) | Self::AtMost(mark) => mark,
        }
    }

    pub(super) fn is_met_by(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(mark) => figure >= mark,
            Self::AtMost(mark) => figure <= mark,
        }
    }
}

/// How a figure is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    /// A part of one, to four digits: 0.9999 must not look like 1.
    Part,
    /// So many times something else.
    Times,
    PerSecond,
    Milliseconds,
    Gigabytes,
    Count,
}

/// The sets on which a criterion is judged; it is shown for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    Everywhere,
    /// Its mark was set for that one.
    OnSift,
}

/// A line of the table.
pub(super) struct Criterion {
    pub(super) what: &'static str,
    pub(super) goal: Goal,
    pub(super) unit: Unit,
    pub(super) judged: Judged,
    pub(super) figure: fn(OfSet<'_>) -> Option<f64>,
}

use Goal::{AtLeast, AtMost};
use Judged::{Everywhere, OnSift};
use Unit::{Count, Gigabytes, Milliseconds, Part, PerSecond, Times};

const fn line(
    what: &'static str,
    goal: Goal,
    unit: Unit,
    judged: Judged,
    figure: fn(OfSet<'_>) -> Option<f64>,
) -> Criterion {
    Criterion {
        what,
        goal,
        unit,
        judged,
        figure,
    }
}

/// The table, line by line.
pub(super) const CRITERIA: &[Criterion] = &[
    line(
        "recall@10 over HTTP, default precision, the least of all runs",
        AtLeast(1.0),
        Part,
        Everywhere,
        |set| least(set.http?, |run| run.recall),
    ),
    line(
        "answers certified, the least of all runs",
        AtLeast(1.0),
        Part,
        Everywhere,
        |set| least(set.http?, |run| run.certified),
    ),
    line(
        "searches not answered with 200, all runs",
        AtMost(0.0),
        Count,
        Everywhere,
        |set| Some(all_runs(set.http?).map(|run| run.errors as f64).sum()),
    ),
    line(
        "one query, engine alone ÷ reading all codes once",
        AtMost(0.6),
        Times,
        OnSift,
        |set| Some(set.engine?.one_query_ms / set.engine?.read_once_ms),
    ),
    line(
        "64 or more queries aboard, engine alone ÷ VPDPBUSD's peak for brute force",
        AtLeast(0.9),
        Times,
        OnSift,
        |set| Some(aboard(set)? / set.engine?.peak_queries_per_second?),
    ),
    line(
        "queries/s over HTTP, 64 connections",
        AtLeast(4_000.0),
        PerSecond,
        OnSift,
        |set| median_of(searches(set, 64)?, |run| run.qps),
    ),
    line(
        "p99 over HTTP, 64 connections",
        AtMost(30.0),
        Milliseconds,
        OnSift,
        |set| median_of(searches(set, 64)?, |run| run.p99_ms),
    ),
    line(
        "p50 over HTTP, one connection",
        AtMost(2.0),
        Milliseconds,
        OnSift,
        one_connection,
    ),
    line(
        "ingest over HTTP, JSON, vectors/s",
        AtLeast(100_000.0),
        PerSecond,
        OnSift,
        |set| timing::median_of(set.http?.json.vectors_per_second.iter().copied()),
    ),
    line(
        "ingest over HTTP, `vectra import`, vectors/s",
        AtLeast(250_000.0),
        PerSecond,
        OnSift,
        |set| timing::median_of(set.http?.binary.vectors_per_second.iter().copied()),
    ),
    line(
        "queries/s over HTTP ÷ best peer in process",
        AtLeast(5.0),
        Times,
        OnSift,
        |set| Some(median_of(searches(set, 64)?, |run| run.qps)? / best_rate(set)?),
    ),
    line(
        "queries/s, engine alone ÷ best peer",
        AtLeast(5.0),
        Times,
        OnSift,
        |set| Some(aboard(set)? / best_rate(set)?),
    ),
    line(
        "one query over HTTP ÷ best peer in process",
        AtMost(0.5),
        Times,
        OnSift,
        |set| Some(one_connection(set)? / best_latency(set)?),
    ),
    line(
        "one query, engine alone ÷ best peer",
        AtMost(0.5),
        Times,
        OnSift,
        |set| Some(set.engine?.one_query_ms / best_latency(set)?),
    ),
    line(
        "resident after a restart",
        AtMost(0.15),
        Gigabytes,
        OnSift,
        |set| Some(set.http?.memory.after_restart.resident as f64 / 1e9),
    ),
    line(
        "resident under search load, the most",
        AtMost(0.15),
        Gigabytes,
        OnSift,
        |set| {
            let memory = &set.http?.memory;
            let most = memory.most_under_load.max(memory.after_load.resident);
            Some(most as f64 / 1e9)
        },
    ),
    line(
        "resident during the start, the most",
        AtMost(0.165),
        Gigabytes,
        OnSift,
        |set| Some(set.http?.memory.at_start.peak as f64 / 1e9),
    ),
    line(
        "p99 beside writes ÷ without, 64 connections",
        AtMost(2.0),
        Times,
        OnSift,
        |set| beside_writes(set, 64),
    ),
    line(
        "p99 beside writes ÷ without, one connection",
        AtMost(2.0),
        Times,
        OnSift,
        |set| beside_writes(set, 1),
    ),
    line(
        "processor time per query and row, 1,000,000 ÷ 100,000 rows",
        AtMost(1.15),
        Times,
        OnSift,
        |set| Some(cost_per_row(set, 1_000_000)? / cost_per_row(set, 100_000)?),
    ),
    line(
        "processor time per query and row, 4,000,000 ÷ 100,000 rows",
        AtMost(1.15),
        Times,
        OnSift,
        |set| Some(cost_per_row(set, 4_000_000)? / cost_per_row(set, 100_000)?),
    ),
    line(
        "processor time per query and row, 4,000,000 ÷ 1,000,000 rows",
        AtMost(1.15),
        Times,
        OnSift,
        |set| Some(cost_per_row(set, 4_000_000)? / cost_per_row(set, 1_000_000)?),
    ),
];

fn all_runs(http: &SetFigures) -> impl Iterator<Item = &LoadRun> {
    let searches = http.searches.iter().flat_map(|figures| &figures.runs);
    let growth = http.growth.iter().flat_map(|figures| &figures.runs);
    let writing = http.writing.iter();
    let writing = writing.flat_map(|figures| figures.without.iter().chain(&figures.with));
    searches.chain(growth).chain(writing)
}

fn least(http: &SetFigures, figure: impl Fn(&LoadRun) -> Option<f64>) -> Option<f64> {
    all_runs(http).filter_map(figure).min_by(f64::total_cmp)
}

fn searches(set: OfSet<'_>, connections: u16) -> Option<&[LoadRun]> {
    let mut searches = set.http?.searches.iter();
    let figures = searches.find(|figures| figures.connections == connections)?;
    Some(&figures.runs)
}

fn one_connection(set: OfSet<'_>) -> Option<f64> {
    median_of(searches(set, 1)?, |run| run.p50_ms)
}

/// Queries a second of the engine alone, at best of all numbers aboard from 64 on.
fn aboard(set: OfSet<'_>) -> Option<f64> {
    let many = set.engine?.aboard.iter().filter(|scan| scan.queries >= 64);
    let rates = many.map(|scan| scan.queries_per_second);
    rates.max_by(f64::total_cmp)
}

fn best_rate(set: OfSet<'_>) -> Option<f64> {
    let rates = set.peers?.peers.iter().map(|peer: &PeerFigures| peer.qps);
    rates.max_by(f64::total_cmp)
}

fn best_latency(set: OfSet<'_>) -> Option<f64> {
    let latencies = set.peers?.peers.iter().map(|peer| peer.p50_ms);
    latencies.min_by(f64::total_cmp)
}

fn beside_writes(set: OfSet<'_>, connections: u16) -> Option<f64> {
    let mut writing = set.http?.writing.iter();
    let figures: &WritingFigures = writing.find(|figures| figures.connections == connections)?;
    let with = median_of(&figures.with, |run| run.p99_ms)?;
    Some(with / median_of(&figures.without, |run| run.p99_ms)?)
}

/// Processor seconds of the server per query and row, of the growing set at that size.
pub(super) fn cost_per_row(set: OfSet<'_>, rows: u64) -> Option<f64> {
    let mut growth = set.http?.growth.iter();
    let figures = growth.find(|figures| figures.rows == rows)?;
    Some(median_of(&figures.runs, |run| run.server_cpu_per_query)? / rows as f64)
}
