//! What gathering costs the coordinator as there are more nodes: each has one shard of few rows, so that the
//! scan costs next to nothing.

use anyhow::Result;

use super::{Offered, Plan, Run, first_rows, import, run};
use crate::cluster::{Cluster, Shape};
use crate::npy;
use crate::server::before_step;
use crate::vector_set::VectorSet;

/// Rows of each shard, about.
const ROWS: usize = 200;
/// Enough that the coordinator always has something to do, and one, that shows the latency.
const CONNECTIONS: [u16; 2] = [16, 1];

/// Searches over so many nodes.
#[derive(Debug)]
pub struct GatherFigures {
    /// Shard nodes, each with one shard.
    pub nodes: usize,
    /// Connections.
    pub connections: u16,
    /// One after the other.
    pub runs: Vec<Run>,
    /// Resident bytes of the coordinator after them.
    pub coordinator_bytes: u64,
    /// Resident bytes of the largest shard node.
    pub node_bytes: u64,
}

pub(super) async fn measure(
    set: &VectorSet,
    base: &npy::Vectors,
    plan: &Plan,
) -> Result<Vec<GatherFigures>> {
    let mut all = Vec::new();
    for &nodes in &plan.nodes {
        let _ = before_step(format!(
            "{}: one coordinator, {nodes} shard nodes",
            set.title
        ));
        let shape = Shape {
            nodes,
            shards: Some(nodes),
            replicas: 1,
        };
        let rows = first_rows(base, nodes * ROWS, &plan.scratch)?;
        let cluster = Cluster::start(&plan.binary, &plan.scratch, shape).await?;
        import(cluster.client().url(), &rows, plan).await?;
        cluster.settle().await?;
        let mut figures = CONNECTIONS.map(|connections| GatherFigures {
            nodes,
            connections,
            runs: Vec::new(),
            coordinator_bytes: 0,
            node_bytes: 0,
        });
        for _ in 0..plan.rounds.max(1) {
            for figures in &mut figures {
                let taken = || {
                    let taken = cluster.taken()?;
                    Ok((taken.coordinator, taken.nodes))
                };
                let url = cluster.client().url();
                let offered = Offered {
                    connections: figures.connections,
                    rate: None,
                };
                let run = run(url, set, offered, "leader", plan, taken).await?;
                figures.runs.push(run);
                (figures.coordinator_bytes, figures.node_bytes) = cluster.resident()?;
            }
        }
        all.extend(figures);
    }
    Ok(all)
}
