//! Processor time of a search: a cluster of one coordinator and three shard nodes with three replicas of
//! everything, against `vectra serve`, on the same rows and in turns.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::{Offered, Plan, Run, first_rows, import, rates, run};
use crate::cluster::{Cluster, Shape};
use crate::npy;
use crate::process;
use crate::server::{Server, before_step};
use crate::vector_set::VectorSet;

/// Rows that came last are sealed once nothing was written for half a minute (`seal_after`): not while it is measured.
const SEALED: Duration = Duration::from_secs(35);
/// For so long both are looked at before anything is searched.
const AT_REST: Duration = Duration::from_secs(5);
/// What the server does by default.
const LEADER: &str = "leader";
/// A busy server, one client alone, and the same client with pauses, where both have as much time to do nothing:
/// a core that was idle for a millisecond takes a third more time for the same scan.
const OFFERED: [Offered; 3] = [
    Offered {
        connections: 64,
        rate: None,
    },
    Offered {
        connections: 1,
        rate: None,
    },
    Offered {
        connections: 1,
        rate: Some(100),
    },
];

/// Searches under the same load.
#[derive(Debug)]
pub struct CostFigures {
    /// Rows that both hold.
    pub rows: usize,
    /// The load on them.
    pub offered: Offered,
    /// Of `vectra serve`.
    pub serve: Vec<Run>,
    /// Of the cluster, each shard answered by its leader.
    pub cluster: Vec<Run>,
    /// The same, any replica answering.
    pub any: Vec<Run>,
    /// What is taken a second while nothing is searched, by `vectra serve`, and by the whole cluster. It is in the runs as well.
    pub at_rest: (f64, f64),
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
) -> Result<[CostFigures; OFFERED.len()]> {
    let step = format!("{}: {count} rows, serve and a cluster of three", set.title);
    let _ = before_step(step);
    let rows = first_rows(base, count, &plan.scratch)?;
    let server = Server::start(&plan.binary, &plan.scratch).await?;
    import(server.client().url(), &rows, plan).await?;
    let shape = Shape {
        nodes: 3,
        shards: None,
        replicas: 3,
    };
    let cluster = Cluster::start(&plan.binary, &plan.scratch, shape).await?;
    import(cluster.client().url(), &rows, plan).await?;
    sleep(SEALED).await;
    server.settle().await?;
    cluster.settle().await?;

    let of_server = || Ok((process::cpu_seconds(server.process())?, 0.0));
    let of_cluster = || {
        let taken = cluster.taken()?;
        Ok((taken.coordinator, taken.nodes))
    };
    let (server_rests, cluster_rests) =
        tokio::try_join!(rates(AT_REST, &of_server), rates(AT_REST, &of_cluster))?;
    let mut figures = OFFERED.map(|offered| CostFigures {
        rows: count,
        offered,
        serve: Vec::new(),
        cluster: Vec::new(),
        any: Vec::new(),
        at_rest: (server_rests.0, cluster_rests.0 + cluster_rests.1),
        serve_bytes: 0,
        cluster_bytes: (0, 0),
    });
    for _ in 0..plan.rounds.max(1) {
        for figures in &mut figures {
            let offered = figures.offered;
            let url = server.client().url().to_owned();
            let serve = run(&url, set, offered, LEADER, plan, &of_server).await?;
            figures.serve.push(serve);
            let url = cluster.client().url();
            let in_cluster = run(url, set, offered, LEADER, plan, &of_cluster).await?;
            figures.cluster.push(in_cluster);
            let any = run(url, set, offered, "any", plan, &of_cluster).await?;
            figures.any.push(any);
            figures.serve_bytes = server.memory()?.resident;
            figures.cluster_bytes = cluster.resident()?;
        }
    }
    Ok(figures)
}
