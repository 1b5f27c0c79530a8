//! Searches on a server that does nothing else.

use anyhow::Result;

use super::Plan;
use crate::figures::SearchFigures;
use crate::server::Server;
use crate::vector_set::VectorSet;

/// Many connections and one, in turns.
pub(super) async fn measure(
    server: &Server,
    set: &VectorSet,
    plan: &Plan,
) -> Result<Vec<SearchFigures>> {
    let mut searches = [64, 1].map(|connections| SearchFigures {
        connections,
        runs: Vec::new(),
    });
    for _ in 0..plan.rounds.max(1) {
        for figures in &mut searches {
            let connections = figures.connections;
            let run = server.bench(set, true, connections, plan.measured).await?;
            figures.runs.push(run);
        }
    }
    Ok(searches.into())
}
