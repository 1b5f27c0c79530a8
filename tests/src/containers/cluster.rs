//! The containers of one cluster.

use std::fmt;

use crate::compose::{Compose, docker_engine, must, run};
use crate::http::Api;
use crate::placement::{spread, wait_for_placement};
use crate::sandbox::wait_for_nodes;
use crate::wait::eventually;

const COORDINATORS: [&str; 3] = ["coordinator-1", "coordinator-2", "coordinator-3"];
const SHARDS: usize = 3;

/// Three coordinators and three shard nodes, taken down with their volumes when dropped.
#[derive(Debug)]
pub struct Cluster {
    compose: Compose,
    /// The coordinators.
    pub coordinators: Vec<Node>,
    /// The shard nodes.
    pub shards: Vec<Node>,
}

/// One container of it.
#[derive(Debug, Clone)]
pub struct Node {
    pub(super) id: String,
    /// The name by which the others look for it.
    pub(super) service: String,
    pub(super) network: String,
    number: usize,
}

impl Cluster {
    /// Starts it and waits until all are there; or says what this machine lacks for that.
    pub fn start() -> Result<Self, String> {
        docker_engine().map_err(|_| "no Docker engine".to_owned())?;
        let compose = Compose::find_with_open_ports()?;
        compose.up(&[]);
        let node = |service: &str, number: usize, id: String| Node {
            id,
            service: service.to_owned(),
            network: compose.network(),
            number,
        };
        let coordinator = |(number, service): (usize, &&str)| {
            let id = compose.containers(service).swap_remove(0);
            node(service, number + 1, id)
        };
        let coordinators = COORDINATORS.iter().enumerate().map(coordinator).collect();
        let shards = compose.containers("shard").into_iter().enumerate();
        let shards: Vec<Node> = shards
            .map(|(number, id)| node("shard", number + 1, id))
            .collect();
        assert_eq!(shards.len(), SHARDS, "{shards:?}");
        let cluster = Self {
            compose,
            coordinators,
            shards,
        };
        for api in cluster.apis() {
            wait_for_nodes(&api, SHARDS);
        }
        Ok(cluster)
    }

    /// Where the coordinators answer.
    pub fn urls(&self) -> Vec<String> {
        self.compose.urls()
    }

    /// A client of each coordinator.
    pub fn apis(&self) -> Vec<Api> {
        self.urls().iter().map(|url| Api::new(url)).collect()
    }

    /// Every container, coordinators first.
    pub fn nodes(&self) -> Vec<Node> {
        let all = self.coordinators.iter().chain(&self.shards);
        all.cloned().collect()
    }

    /// Waits until every coordinator is ready and sees every shard node, every shard has its three
    /// replicas, and every node leads as many shards as the others.
    #[track_caller]
    pub fn wait_until_whole(&self) {
        for api in self.apis() {
            eventually(&format!("{} is ready", api.base()), || {
                match api.try_get("/ready")? {
                    ready if ready.status == 200 => Ok(()),
                    other => Err(other.describe()),
                }
            });
            wait_for_nodes(&api, SHARDS);
            let awaited = "three replicas everywhere, and every node leads its share";
            wait_for_placement(&api, awaited, |placement| {
                placement.is_replicated(SHARDS) && spread(&placement.led) <= 1
            });
        }
    }

    /// Runs `docker COMMAND` on all containers at once.
    #[track_caller]
    pub fn all_at_once(&self, command: &[&str]) {
        let nodes = self.nodes();
        let ids: Vec<&str> = nodes.iter().map(|node| node.id.as_str()).collect();
        must(run("docker", &[command, &ids].concat(), &[]));
    }
}

impl Node {
    /// `docker restart`: SIGTERM, the time that `docker-compose.yml` grants, and a start.
    #[track_caller]
    pub fn restart(&self) {
        must(run("docker", &["restart", "--time", "30", &self.id], &[]));
    }

    /// Its address in the cluster's network; empty while it has none.
    #[track_caller]
    pub(super) fn address(&self) -> String {
        let format = format!(
            "{{{{with index .NetworkSettings.Networks {:?}}}}}{{{{.IPAddress}}}}{{{{end}}}}",
            self.network
        );
        must(run(
            "docker",
            &["inspect", "--format", &format, &self.id],
            &[],
        ))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.service.as_str() {
            "shard" => write!(to, "shard-{}", self.number),
            service => write!(to, "{service}"),
        }
    }
}
