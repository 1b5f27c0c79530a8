//! The report as a page of Markdown.

use std::fmt::Write;

use super::criteria::{CRITERIA, Criterion, Goal, Judged, Unit, cost_per_row};
use super::{Measured, OfSet};
use crate::figures::median_of;
use crate::vector_set;

/// The whole page: occasion, the table, and what stands behind it.
#[must_use]
pub fn render(measured: &Measured) -> String {
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = head(&mut page, measured)
        .and_then(|()| table(&mut page, measured))
        .and_then(|()| peers(&mut page, measured))
        .and_then(|()| details(&mut page, measured))
        .and_then(|()| loads(&mut page, measured));
    page
}

fn head(page: &mut String, measured: &Measured) -> std::fmt::Result {
    let occasion = &measured.occasion;
    writeln!(page, "# `just bench`, {}\n", occasion.date)?;
    writeln!(
        page,
        "Commit {}, on an {}; {}. k = 10 throughout; server and load generator share the cores. \
         Medians of repeated runs.\n",
        occasion.revision, occasion.machine, occasion.surroundings
    )?;
    if measured.http.as_ref().is_some_and(|http| http.quick) {
        writeln!(
            page,
            "**Shortened runs (`--quick`), once each: to see that it works, no result.**\n"
        )?;
    }
    if measured.peers.is_none() {
        writeln!(page, "**The peers were SKIPPED: not measured.**\n")?;
    }
    Ok(())
}

fn table(page: &mut String, measured: &Measured) -> std::fmt::Result {
    write!(page, "| what | wanted |")?;
    for (_, title) in vector_set::known() {
        write!(page, " {title} | ÷ wanted | |")?;
    }
    writeln!(page, "\n| --- | --- |{}", " --- | --- | --- |".repeat(2))?;
    for criterion in CRITERIA {
        let sign = match criterion.goal {
            Goal::AtLeast(_) => "≥",
            Goal::AtMost(_) => "≤",
        };
        let mark = written(criterion.goal.mark(), criterion.unit);
        write!(page, "| {} | {sign} {mark} |", criterion.what)?;
        for (key, _) in vector_set::known() {
            cells(page, criterion, key, measured.of_set(key))?;
        }
        writeln!(page)?;
    }
    writeln!(
        page,
        "\n\"–\" is shown beside, not judged: the mark was set for SIFT-1M.\n"
    )
}

fn cells(page: &mut String, criterion: &Criterion, key: &str, set: OfSet<'_>) -> std::fmt::Result {
    let Some(figure) = (criterion.figure)(set) else {
        return write!(page, " not measured | | |");
    };
    let verdict = match criterion.judged {
        Judged::OnSift if key != "sift1m" => "–",
        _ if criterion.goal.is_met_by(figure) => "pass",
        _ => "**short**",
    };
    let ratio = match criterion.goal.mark() {
        0.0 => String::new(),
        mark => format!("{:.2}", figure / mark),
    };
    let figure = written(figure, criterion.unit);
    write!(page, " {figure} | {ratio} | {verdict} |")
}

fn peers(page: &mut String, measured: &Measured) -> std::fmt::Result {
    let Some(peers) = &measured.peers else {
        return Ok(());
    };
    writeln!(
        page,
        "## Peers, in process, {} threads, beside Vectra\n\n\
         | set | engine | recall@10 | one query, p50 | queries/s, at best | asked in |\n\
         | --- | --- | --- | --- | --- | --- |",
        peers.threads
    )?;
    for (key, title) in vector_set::known() {
        let set = measured.of_set(key);
        for peer in set.peers.iter().flat_map(|set| &set.peers) {
            writeln!(
                page,
                "| {title} | {} {} ({}) | {:.4} | {:.2} ms | {:.0} | {} |",
                peer.name,
                peer.version,
                peer.detail,
                peer.recall,
                peer.p50_ms,
                peer.qps,
                peer.qps_with
            )?;
        }
        if let Some(engine) = set.engine {
            for scan in &engine.aboard {
                writeln!(
                    page,
                    "| {title} | Vectra, engine alone | {} | {:.2} ms | {:.0} | {} queries aboard |",
                    engine
                        .recall
                        .map_or_else(String::new, |recall| format!("{recall:.4}")),
                    engine.one_query_ms,
                    scan.queries_per_second,
                    scan.queries
                )?;
            }
        }
        for figures in set.http.iter().flat_map(|http| &http.searches) {
            writeln!(
                page,
                "| {title} | Vectra over HTTP | {:.4} | {:.2} ms | {:.0} | {} connection(s) |",
                median_of(&figures.runs, |run| run.recall.unwrap_or_default()).unwrap_or_default(),
                median_of(&figures.runs, |run| run.p50_ms).unwrap_or_default(),
                median_of(&figures.runs, |run| run.qps).unwrap_or_default(),
                figures.connections
            )?;
        }
    }
    writeln!(page)
}

fn details(page: &mut String, measured: &Measured) -> std::fmt::Result {
    writeln!(page, "## Behind the table\n")?;
    for (key, title) in vector_set::known() {
        let set = measured.of_set(key);
        let Some(http) = set.http else { continue };
        let gigabytes = |bytes: u64| bytes as f64 / 1e9;
        let memory = &http.memory;
        writeln!(
            page,
            "- {title}, memory after a restart: {:.3} GB, of which {:.3} are mapped files and {:.3} \
             not; after searches {:.3} GB.",
            gigabytes(memory.after_restart.resident),
            gigabytes(memory.after_restart.mapped),
            gigabytes(memory.after_restart.anonymous),
            gigabytes(memory.after_load.resident)
        )?;
        for (body, ingest) in [("JSON", &http.json), ("binary", &http.binary)] {
            let Some(after) = ingest.memory_after.last() else {
                continue;
            };
            writeln!(
                page,
                "- {title}, {body} ingest: {:.3} GB at the peak, {:.3} GB after it; runs {} vectors/s.",
                gigabytes(after.peak),
                gigabytes(after.resident),
                list(&ingest.vectors_per_second)
            )?;
        }
        for writing in &http.writing {
            writeln!(
                page,
                "- {title}, {} connection(s) beside {} rows/s written: p99 {} ms, without {} ms; {} \
                 segments came to be meanwhile.",
                writing.connections,
                list(&writing.rows_per_second),
                list(
                    &writing
                        .with
                        .iter()
                        .map(|run| run.p99_ms)
                        .collect::<Vec<_>>()
                ),
                list(
                    &writing
                        .without
                        .iter()
                        .map(|run| run.p99_ms)
                        .collect::<Vec<_>>()
                ),
                writing.new_segments
            )?;
        }
        for growth in &http.growth {
            writeln!(
                page,
                "- {title}, {} rows: {} queries/s at 64 connections, {:.3} ns of processor time per \
                 query and row.",
                grouped(growth.rows as f64),
                list(&growth.runs.iter().map(|run| run.qps).collect::<Vec<_>>()),
                cost_per_row(set, growth.rows).unwrap_or_default() * 1e9
            )?;
        }
    }
    writeln!(page)
}

fn loads(page: &mut String, measured: &Measured) -> std::fmt::Result {
    writeln!(
        page,
        "## Load average before each step\n\n| step | load |\n| --- | --- |"
    )?;
    for step in &measured.steps {
        writeln!(page, "| {} | {:.2} |", step.step, step.load_average)?;
    }
    Ok(())
}

fn written(figure: f64, unit: Unit) -> String {
    match unit {
        Unit::Part => format!("{figure:.4}"),
        Unit::Times => format!("{figure:.2} ×"),
        Unit::PerSecond | Unit::Count => grouped(figure),
        Unit::Milliseconds => format!("{figure:.2} ms"),
        Unit::Gigabytes => format!("{figure:.3} GB"),
    }
}

/// A whole number with a comma between thousands.
fn grouped(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn list(figures: &[f64]) -> String {
    let write = |&figure: &f64| match figure {
        100.0.. => grouped(figure),
        _ => format!("{figure:.2}"),
    };
    figures.iter().map(write).collect::<Vec<_>>().join(" / ")
}

#[cfg(test)]
#[path = "report_test.rs"]
mod tests;
