//! Processor time of a search: a cluster of one coordinator and three shard nodes with three replicas of
//! everything, against `vectra serve`, on the same rows and in turns.

use anyhow::Result;

use super::{Plan, Run, first_rows, import, run};
use crate::cluster::{Cluster, Shape};
use crate::npy;
use crate::process;
use crate::server::{Server, before_step};
use crate::vector_set::VectorSet;

/// What the server does by default.
const LEADER: &str = "leader";
/// A busy server and an idle one.
const CONNECTIONS: [u16; 2] = [64, 1];

/// Searches with as many connections.
#[derive(Debug)]
pub struct CostFigures {
    /// Rows that both hold.
    pub rows: usize,
    /// Connections.
    pub connections: u16,
    /// Of `vectra serve`.
    pub serve: Vec<Run>,
    /// Of the cluster, each shard answered by its leader.
    pub cluster: Vec<Run>,
    /// The same, any replica answering.
    pub any: Vec<Run>,
    /// Resident bytes of `vectra serve` after them.
    pub serve_bytes: u64,
    /// Resident bytes of the coordinator, and of the largest shard node.
    pub cluster_bytes: (u64, u64),
}

pub(super) async fn measure(
    set: &VectorSet,
    base: &npy::Vectors,
    plan: &Plan,
) -> Result<Vec<CostFigures>> {
    let mut all = Vec::new();
    for &rows in &plan.rows {
        all.extend(beside_each_other(rows, set, base, plan).await?);
    }
    Ok(all)
}

async fn beside_each_other(
    count: usize,
    set: &VectorSet,
    base: &npy::Vectors,
    plan: &Plan,
) -> Result<[CostFigures; 2]> {
    let step = format!("{}: {count} rows, serve and a cluster of three", set.title);
    let _ = before_step(step);
    let rows = first_rows(base, count, &plan.scratch)?;
    let server = Server::start(&plan.binary, &plan.scratch).await?;
    import(server.client().url(), &rows, plan).await?;
    server.settle().await?;
    let shape = Shape {
        nodes: 3,
        shards: None,
        replicas: 3,
    };
    let cluster = Cluster::start(&plan.binary, &plan.scratch, shape).await?;
    import(cluster.client().url(), &rows, plan).await?;
    cluster.settle().await?;

    let mut figures = CONNECTIONS.map(|connections| CostFigures {
        rows: count,
        connections,
        serve: Vec::new(),
        cluster: Vec::new(),
        any: Vec::new(),
        serve_bytes: 0,
        cluster_bytes: (0, 0),
    });
    for _ in 0..plan.rounds.max(1) {
        for figures in &mut figures {
            let connections = figures.connections;
            let of_server = || Ok((process::cpu_seconds(server.process())?, 0.0));
            let url = server.client().url().to_owned();
            let serve = run(&url, set, connections, LEADER, plan, of_server).await?;
            figures.serve.push(serve);
            let of_cluster = || {
                let taken = cluster.taken()?;
                Ok((taken.coordinator, taken.nodes))
            };
            let url = cluster.client().url();
            let in_cluster = run(url, set, connections, LEADER, plan, &of_cluster).await?;
            figures.cluster.push(in_cluster);
            let any = run(url, set, connections, "any", plan, &of_cluster).await?;
            figures.any.push(any);
            figures.serve_bytes = server.memory()?.resident;
            figures.cluster_bytes = cluster.resident()?;
        }
    }
    Ok(figures)
}
