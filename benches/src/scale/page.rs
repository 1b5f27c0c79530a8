//! The figures as a page.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{CostFigures, GatherFigures, GroupsFigures, Plan, Run, ScaleFigures};
use crate::machine;
use crate::timing::median_of;

/// What a cluster may cost of what `vectra serve` does.
const WANTED: f64 = 1.2;

/// The page that is kept in `benches/results`.
#[must_use]
pub fn page(figures: &ScaleFigures, plan: &Plan, date: &str, revision: &str) -> String {
    let mut text = format!(
        "# What a cluster costs, {date}\n\n`vectra` {revision}, release, on {}, {}. Everything runs on this one \
         machine, the load generator included; medians of {} rounds of {:.0} s in turns, k = 10.\n\n",
        machine::describe(),
        machine::surroundings(),
        plan.rounds,
        plan.measured.as_secs_f64(),
    );
    cost(&mut text, &figures.cost);
    gather(&mut text, &figures.gather);
    groups(&mut text, &figures.groups);
    text
}

fn cost(text: &mut String, figures: &[CostFigures]) {
    let mut rows_at_rest = BTreeMap::new();
    text.push_str(
        "## A search in a cluster of three, beside `vectra serve`\n\nThe first SIFT descriptors; one coordinator and \
         three shard nodes with three replicas of everything, and one `vectra serve`. Processor time is user and \
         system of all processes but the load generator's.\n\n\
         | rows, connections | | CPU a search | of that the coordinator | of serve's | of both without what is taken at rest \
         | queries/s, p50, p99 | resident |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for one in figures {
        rows_at_rest.insert(one.rows, one.at_rest);
        let _ = writeln!(
            text,
            "| {}, {}{} | serve | {:.0} µs | | | | {} | {:.0} MB |",
            one.rows,
            one.offered.connections,
            one.offered
                .rate
                .map(|rate| format!(" at {rate} a second"))
                .unwrap_or_default(),
            median(&one.serve, total) * 1e6,
            seen(&one.serve),
            one.serve_bytes as f64 / 1e6,
        );
        let (coordinator, node) = one.cluster_bytes;
        for (name, runs) in [
            ("cluster, leaders", &one.cluster),
            ("cluster, any", &one.any),
        ] {
            // Each round against its own: a machine that is slow for a while is slow for both.
            let ratio_without = |(serve_rests, cluster_rests): (f64, f64)| {
                let rounds = one.serve.iter().zip(runs);
                let ratios = rounds.map(|(serve, cluster)| {
                    let serve = total(serve) - serve_rests / serve.load.qps;
                    (total(cluster) - cluster_rests / cluster.load.qps) / serve
                });
                median_of(ratios).unwrap_or_default()
            };
            let ratio = ratio_without((0.0, 0.0));
            let verdict = if ratio <= WANTED { "" } else { ", too much" };
            let _ = writeln!(
                text,
                "| | {name} | {:.0} µs | {:.0} µs | **{ratio:.2}**{verdict} | {:.2} | {} | coordinator {:.0} MB, node {:.0} MB |",
                median(runs, total) * 1e6,
                median(runs, |run| run.front) * 1e6,
                ratio_without(one.at_rest),
                seen(runs),
                coordinator as f64 / 1e6,
                node as f64 / 1e6,
            );
        }
    }
    text.push('\n');
    for (rows, (serve, cluster)) in rows_at_rest {
        let _ = writeln!(
            text,
            "At rest, with {rows} rows, `vectra serve` takes {:.1} % of a core, all processes of the cluster {:.1} %.",
            serve * 100.0,
            cluster * 100.0,
        );
    }
    text.push('\n');
}

fn gather(text: &mut String, figures: &[GatherFigures]) {
    text.push_str(
        "## What one coordinator gathers\n\nEach node has one shard of some 200 rows, without other replicas: the scan \
         costs next to nothing, what is left is asking and gathering.\n\n\
         | shard nodes | connections | queries/s, p50, p99 | coordinator: CPU a search | and node | a node: CPU a search | \
         coordinator, node resident |\n| --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for one in figures {
        let nodes = one.nodes as f64;
        let front = median(&one.runs, |run| run.front);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} µs | {:.1} µs | {:.0} µs | {:.0} MB, {:.0} MB |",
            one.nodes,
            one.connections,
            seen(&one.runs),
            front * 1e6,
            front / nodes * 1e6,
            median(&one.runs, |run| run.nodes) / nodes * 1e6,
            one.coordinator_bytes as f64 / 1e6,
            one.node_bytes as f64 / 1e6,
        );
    }
}

fn groups(text: &mut String, figures: &[GroupsFigures]) {
    text.push_str(
        "\n## Raft groups at rest\n\nThree shard nodes with a replica of every shard each, nothing written, nothing \
         searched.\n\n\
         | groups on each node | a node: of a core | each group | coordinator: of a core | node resident |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for one in figures {
        let _ = writeln!(
            text,
            "| {} | {:.1} % | {:.0} µs a second | {:.1} % | {:.0} MB |",
            one.shards,
            one.node * 100.0,
            one.node / one.shards as f64 * 1e6,
            one.coordinator * 100.0,
            one.node_bytes as f64 / 1e6,
        );
    }
}

fn total(run: &Run) -> f64 {
    run.front + run.nodes
}

fn median(runs: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    median_of(runs.iter().map(figure)).unwrap_or_default()
}

fn seen(runs: &[Run]) -> String {
    let figure = |of: fn(&Run) -> f64| median(runs, of);
    let errors: u64 = runs.iter().map(|run| run.load.errors).sum();
    let failed = if errors == 0 {
        String::new()
    } else {
        format!(", {errors} errors")
    };
    format!(
        "{:.0}, {:.2} ms, {:.2} ms{failed}",
        figure(|run| run.load.qps),
        figure(|run| run.load.p50_ms),
        figure(|run| run.load.p99_ms),
    )
}
