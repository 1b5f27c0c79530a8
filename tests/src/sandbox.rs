//! A cluster of real processes.

use serde_json::Value;

use crate::http::Api;
#[cfg(target_os = "linux")]
use crate::links::Links;
use crate::process::{Home, Vectra};
use crate::wait::eventually;

/// Coordinators and shard nodes, all on this machine, each with a directory of its own.
#[derive(Debug)]
pub struct Sandbox {
    /// The coordinators, in the order of `--peers`.
    pub coordinators: Vec<Vectra>,
    /// The shard nodes.
    pub shards: Vec<Vectra>,
    /// The directory of all of them.
    pub home: Home,
}

impl Sandbox {
    /// Starts `coordinators` and `shards` and waits until every coordinator sees every node.
    #[track_caller]
    pub fn start(coordinators: usize, shards: usize) -> Self {
        Self::start_with(coordinators, shards, &[])
    }

    /// The same with configuration keys set in every process.
    #[track_caller]
    pub fn start_with(coordinators: usize, shards: usize, settings: &[(&str, &str)]) -> Self {
        Self::start_each(coordinators, shards, settings, |process| process)
    }

    /// The same, with the processes reaching each other through these links.
    #[cfg(target_os = "linux")]
    #[track_caller]
    pub fn start_linked(
        coordinators: usize,
        shards: usize,
        settings: &[(&str, &str)],
        links: &Links,
    ) -> Self {
        Self::start_each(coordinators, shards, settings, |process| {
            process.reached_through(links)
        })
    }

    #[track_caller]
    fn start_each(
        coordinators: usize,
        shards: usize,
        settings: &[(&str, &str)],
        prepare: impl Fn(Vectra) -> Vectra,
    ) -> Self {
        let home = Home::fresh();
        let mut sandbox = Self {
            coordinators: Vec::new(),
            shards: Vec::new(),
            home,
        };
        for number in 1..=coordinators {
            let name = format!("coordinator-{number}");
            let coordinator = Vectra::role("coordinator", &name, &sandbox.home)
                .set("nodes_at_start", &shards.max(1).to_string());
            let coordinator = prepare(with_all(coordinator, settings));
            sandbox.coordinators.push(coordinator);
        }
        let peers: Vec<String> = sandbox
            .coordinators
            .iter()
            .map(|peer| peer.grpc().to_string())
            .collect();
        let peers = peers.join(",");
        sandbox.coordinators = sandbox
            .coordinators
            .drain(..)
            .map(|peer| peer.flag("--peers", &peers))
            .collect();
        for number in 1..=shards {
            let shard = sandbox.shard_node(number);
            sandbox.shards.push(prepare(with_all(shard, settings)));
        }
        sandbox.start_all();
        sandbox
    }

    /// A shard node that is not started yet and knows every coordinator.
    pub fn shard_node(&self, number: usize) -> Vectra {
        let urls: Vec<String> = self.coordinators.iter().map(Vectra::url).collect();
        Vectra::role("shard", &format!("shard-{number}"), &self.home)
            .flag("--join", &urls.join(","))
    }

    /// Starts every process, again, and waits until every coordinator sees every shard node alive.
    #[track_caller]
    pub fn start_all(&mut self) {
        for process in self.coordinators.iter_mut().chain(&mut self.shards) {
            process.spawn();
        }
        for process in self.coordinators.iter_mut().chain(&mut self.shards) {
            process.wait_until_online();
        }
        for coordinator in &self.coordinators {
            wait_for_nodes(&coordinator.api(), self.shards.len());
        }
    }

    /// Kills every process at once.
    pub fn kill_all(&mut self) {
        for process in self.coordinators.iter_mut().chain(&mut self.shards) {
            process.kill();
        }
    }

    /// A client of the first coordinator.
    pub fn api(&self) -> Api {
        self.coordinators[0].api()
    }
}

fn with_all(process: Vectra, settings: &[(&str, &str)]) -> Vectra {
    settings
        .iter()
        .fold(process, |process, (key, value)| process.set(key, value))
}

/// Waits until this server sees `count` shard nodes alive, and not one more.
#[track_caller]
pub fn wait_for_nodes(api: &Api, count: usize) {
    eventually(&format!("{} sees {count} nodes alive", api.base()), || {
        let cluster = api.try_cluster()?;
        let alive = alive_nodes(&cluster);
        if alive == count {
            Ok(())
        } else {
            Err(format!("{alive} alive: {cluster}"))
        }
    });
}

/// Shard nodes that are alive in an answer of `GET /cluster`.
pub fn alive_nodes(cluster: &Value) -> usize {
    let nodes = cluster["nodes"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    nodes.iter().filter(|node| node["alive"] == true).count()
}

/// Waits until every shard of the cluster has a leader.
#[track_caller]
pub fn wait_for_leaders(api: &Api) {
    eventually("every shard has a leader", || {
        let cluster = api.try_cluster()?;
        let shards = cluster["shards"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let led = shards
            .iter()
            .filter(|shard| shard["leader"].is_u64())
            .count();
        let all_led = !shards.is_empty() && led == shards.len();
        if all_led {
            Ok(())
        } else {
            Err(format!("{led} of {}: {cluster}", shards.len()))
        }
    });
}
