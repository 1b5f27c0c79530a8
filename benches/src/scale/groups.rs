//! What raft groups cost while nothing happens: heartbeats, announcements, memory.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::sleep;

use super::{Plan, first_rows, import};
use crate::cluster::{Cluster, Shape};
use crate::npy;
use crate::server::before_step;
use crate::vector_set::VectorSet;

const NODES: usize = 3;
/// Rows of each shard, about.
const ROWS: usize = 20;

/// Three nodes at rest, each with a replica of every shard.
#[derive(Debug)]
pub struct GroupsFigures {
    /// Shards: raft groups on each node.
    pub shards: usize,
    /// Seconds of a core that the coordinator takes each second.
    pub coordinator: f64,
    /// Seconds of a core that a shard node takes each second, on average.
    pub node: f64,
    /// Resident bytes of the largest shard node.
    pub node_bytes: u64,
}

pub(super) async fn measure(
    set: &VectorSet,
    base: &npy::Vectors,
    plan: &Plan,
) -> Result<Vec<GroupsFigures>> {
    let mut all = Vec::new();
    for &shards in &plan.groups {
        let _ = before_step(format!("{}: {shards} raft groups at rest", set.title));
        let shape = Shape {
            nodes: NODES,
            shards: Some(shards),
            replicas: NODES,
        };
        let rows = first_rows(base, shards * ROWS, &plan.scratch)?;
        let cluster = Cluster::start(&plan.binary, &plan.scratch, shape).await?;
        import(cluster.client().url(), &rows, plan).await?;
        cluster.until_led().await?;
        // Leaders are spread, checkpoints written.
        sleep(Duration::from_secs(10)).await;
        let (start, before) = (Instant::now(), cluster.taken()?);
        sleep(plan.measured).await;
        let (seconds, after) = (start.elapsed().as_secs_f64(), cluster.taken()?);
        let (_, node_bytes) = cluster.resident()?;
        all.push(GroupsFigures {
            shards,
            coordinator: (after.coordinator - before.coordinator) / seconds,
            node: (after.nodes - before.nodes) / seconds / NODES as f64,
            node_bytes,
        });
    }
    Ok(all)
}
