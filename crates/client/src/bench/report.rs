//! What a load run found.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// The figures of a run. Latencies are in milliseconds, from the first byte sent to the last
/// byte received.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadReport {
    /// Searches answered in a second of the measured time.
    pub qps: f64,
    /// Half of the searches took no longer.
    pub p50_ms: f64,
    /// Nine of ten searches took no longer.
    pub p90_ms: f64,
    /// Of a hundred searches, ninety-nine took no longer.
    pub p99_ms: f64,
    /// The slowest search.
    pub max_ms: f64,
    /// Requests that were not answered with 200, from the warm-up to the end.
    pub errors: u64,
    /// The same by kind.
    pub errors_by_kind: BTreeMap<String, u64>,
    /// Part of the true k nearest neighbours that were found, over all queries; none without a
    /// truth to compare with.
    pub recall: Option<f64>,
    /// Part of the answers that carried a certificate.
    pub certified: Option<f64>,
    /// Searches answered in the measured time.
    pub answered: u64,
    /// Queries whose answers recall and certified are about.
    pub queries: u64,
    /// Measured seconds.
    pub seconds: f64,
    /// Connections.
    pub connections: usize,
    /// Neighbours asked for.
    pub k: usize,
}

impl fmt::Display for LoadReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{:.0} queries/s  ({} answered in {:.1} s over {} connections, k = {})",
            self.qps, self.answered, self.seconds, self.connections, self.k
        )?;
        writeln!(
            formatter,
            "latency    p50 {:.2} ms  p90 {:.2} ms  p99 {:.2} ms  max {:.2} ms",
            self.p50_ms, self.p90_ms, self.p99_ms, self.max_ms
        )?;
        if let Some(recall) = self.recall {
            writeln!(
                formatter,
                "recall@{}  {recall:.4} over {} queries",
                self.k, self.queries
            )?;
        }
        if let Some(certified) = self.certified {
            writeln!(formatter, "certified  {:.1} %", certified * 100.0)?;
        }
        write!(formatter, "errors     {}", self.errors)?;
        for (kind, count) in &self.errors_by_kind {
            write!(formatter, "\n  {count} × {kind}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_at_a_glance() {
        let report = LoadReport {
            qps: 5012.4,
            p50_ms: 12.345,
            p90_ms: 15.0,
            p99_ms: 20.5,
            max_ms: 31.25,
            errors: 3,
            errors_by_kind: BTreeMap::from([("status 429".to_owned(), 3)]),
            recall: Some(1.0),
            certified: Some(1.0),
            answered: 50_124,
            queries: 500,
            seconds: 10.0,
            connections: 64,
            k: 10,
        };
        assert_eq!(
            report.to_string(),
            "5012 queries/s  (50124 answered in 10.0 s over 64 connections, k = 10)\n\
             latency    p50 12.35 ms  p90 15.00 ms  p99 20.50 ms  max 31.25 ms\n\
             recall@10  1.0000 over 500 queries\n\
             certified  100.0 %\n\
             errors     3\n  3 × status 429"
        );
    }
}
