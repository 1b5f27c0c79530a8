//! A cluster as text.

use std::fmt::Write;

use serde_json::Value;

use crate::ClusterStatus;

/// Draws the cluster as aligned tables, one a kind of thing.
#[must_use]
pub fn render_status(status: &ClusterStatus) -> String {
    let nodes = status
        .nodes
        .iter()
        .filter(|node| node.alive.unwrap_or(true))
        .count();
    let leaderless = status
        .shards
        .iter()
        .filter(|shard| word(&shard.leader) == "-")
        .count();
    let memory: u64 = status
        .nodes
        .iter()
        .filter_map(|node| node.memory_bytes)
        .sum();
    let mut text = format!(
        "cluster {}: {} vectors, {} coordinators, {nodes} of {} nodes alive, {} shards, {} in \
         memory\n",
        word(&status.cluster_id),
        status.items,
        status.coordinators.len(),
        status.nodes.len(),
        status.shards.len(),
        bytes(Some(memory)),
    );
    if leaderless > 0 {
        let _ = writeln!(text, "{leaderless} shards have no leader and refuse writes");
    }

    for shard in &status.shards {
        for fault in &shard.faults {
            let _ = writeln!(text, "shard {}: {fault}", word(&shard.id));
        }
        if let Some(reason) = &shard.move_failed {
            let _ = writeln!(
                text,
                "shard {}: a move was given up: {reason}",
                word(&shard.id)
            );
        }
    }

    table(
        &mut text,
        "coordinators",
        &["id", "http", "grpc", "role", "alive"],
        status.coordinators.iter().map(|coordinator| {
            let role = if coordinator.leader {
                "leader"
            } else {
                "follower"
            };
            let http = coordinator.http.clone().unwrap_or_else(|| "-".to_owned());
            let alive = yes_or_no(coordinator.alive);
            vec![
                word(&coordinator.id),
                http,
                coordinator.grpc.clone(),
                role.to_owned(),
                alive,
            ]
        }),
    );
    table(
        &mut text,
        "nodes",
        &["id", "grpc", "alive", "replicas", "leaders", "memory"],
        status.nodes.iter().map(|node| {
            vec![
                word(&node.id),
                node.grpc.clone(),
                if node.draining {
                    format!("{}, draining", yes_or_no(node.alive))
                } else {
                    yes_or_no(node.alive)
                },
                node.replicas.to_string(),
                node.leaders.to_string(),
                bytes(node.memory_bytes),
            ]
        }),
    );
    table(
        &mut text,
        "collections",
        &["name", "dimension", "rows"],
        status.collections.iter().map(|collection| {
            vec![
                collection.name.clone(),
                number(collection.dimension),
                number(collection.rows),
            ]
        }),
    );
    table(
        &mut text,
        "shards",
        &["id", "collection", "rows", "leader", "replicas"],
        status.shards.iter().map(|shard| {
            vec![
                word(&shard.id),
                word(&shard.collection),
                number(shard.rows),
                word(&shard.leader),
                words(&shard.replicas),
            ]
        }),
    );
    table(
        &mut text,
        "moves",
        &[
            "shard", "why", "from", "to", "done", "sent", "of", "rate", "eta",
        ],
        status.moves.iter().map(|one| {
            vec![
                word(&one.shard),
                one.reason.clone(),
                words(&one.from),
                words(&one.to),
                or_dash(one.percent.map(|percent| format!("{percent:.0} %"))),
                bytes(Some(one.sent_bytes)),
                bytes(Some(one.total_bytes)),
                format!("{}/s", bytes(Some(one.bytes_per_second))),
                or_dash(one.eta_seconds.map(|seconds| format!("{seconds} s"))),
            ]
        }),
    );
    if !status.splits.is_empty() {
        table(
            &mut text,
            "splits",
            &["shard", "child", "rows", "leader"],
            status.splits.iter().map(|one| {
                vec![
                    word(&one.shard),
                    word(&one.child),
                    one.child_rows.to_string(),
                    word(&one.child_leader),
                ]
            }),
        );
    }
    text
}

/// Appends a heading and its rows, columns as wide as their widest cell; "none" without rows.
fn table(
    text: &mut String,
    heading: &str,
    columns: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) {
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        let _ = writeln!(text, "\n{heading}: none");
        return;
    }
    let header: Vec<String> = columns.iter().map(|&name| name.to_owned()).collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| {
            let cells = std::iter::once(&header).chain(&rows);
            cells
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        })
        .map(Option::unwrap_or_default)
        .collect();
    let _ = writeln!(text, "\n{heading}");
    for row in std::iter::once(&header).chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "  {cell:<width$}");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

/// A value of JSON in a word; what is not there is a dash.
fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn number(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn yes_or_no(value: Option<bool>) -> String {
    match value {
        None => "-",
        Some(true) => "yes",
        Some(false) => "no",
    }
    .to_owned()
}

fn words(values: &[Value]) -> String {
    let words: Vec<String> = values.iter().map(word).collect();
    or_dash((!words.is_empty()).then(|| words.join(" ")))
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

/// A size as people read it.
fn bytes(value: Option<u64>) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let Some(value) = value else {
        return "-".to_owned();
    };
    let mut size = value as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 {
        format!("{value} {name}")
    } else {
        format!("{size:.1} {name}")
    }
}

#[cfg(test)]
#[path = "status_test.rs"]
mod tests;
