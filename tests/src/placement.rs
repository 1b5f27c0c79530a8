//! Where `GET /cluster` says that replicas and leaders are.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::http::Api;
use crate::wait::eventually_within;
use std::time::Duration;

/// Copies are made and dropped in this time, on a machine that is busy with other tests.
const REST: Duration = Duration::from_secs(180);

/// Who holds and leads what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// The shards of each node, by the id of the node.
    pub held: BTreeMap<u64, usize>,
    /// Those that it leads.
    pub led: BTreeMap<u64, usize>,
    /// How many replicas each shard has.
    pub replicas: Vec<usize>,
    /// Whether all shards have a leader, and nothing is on its way, splitting or faulty.
    pub is_at_rest: bool,
}

impl Placement {
    /// Reads an answer of `GET /cluster`.
    pub fn of(cluster: &Value) -> Self {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let mut placement = Self {
            is_at_rest: list(&cluster["moves"]).is_empty() && list(&cluster["splits"]).is_empty(),
            ..Self::default()
        };
        for node in list(&cluster["nodes"]) {
            if let Some(id) = node["id"].as_u64() {
                placement.held.insert(id, 0);
                placement.led.insert(id, 0);
            }
        }
        for shard in list(&cluster["shards"]) {
            let replicas = list(&shard["replicas"]);
            placement.replicas.push(replicas.len());
            for node in replicas.iter().filter_map(Value::as_u64) {
                *placement.held.entry(node).or_default() += 1;
            }
            match shard["leader"].as_u64() {
                Some(leader) => *placement.led.entry(leader).or_default() += 1,
                None => placement.is_at_rest = false,
            }
            placement.is_at_rest &= list(&shard["faults"]).is_empty();
        }
        placement
    }

    /// Whether every shard has so many replicas.
    pub fn is_replicated(&self, times: usize) -> bool {
        !self.replicas.is_empty() && self.replicas.iter().all(|replicas| *replicas == times)
    }
}

/// The difference between the largest and the smallest count.
pub fn spread(counts: &BTreeMap<u64, usize>) -> usize {
    let most = counts.values().max().copied().unwrap_or_default();
    most - counts.values().min().copied().unwrap_or_default()
}

/// The id of the node that is reached at this gRPC address.
pub fn node_at(cluster: &Value, grpc: &str) -> Option<u64> {
    let nodes = cluster["nodes"].as_array()?;
    nodes.iter().find(|node| node["grpc"] == grpc)?["id"].as_u64()
}

/// Waits until nothing moves and the placement is as wanted.
#[track_caller]
pub fn wait_for_placement(
    api: &Api,
    awaited: &str,
    is_wanted: impl Fn(&Placement) -> bool,
) -> Placement {
    eventually_within(REST, awaited, || {
        let cluster = api.try_cluster()?;
        let placement = Placement::of(&cluster);
        if placement.is_at_rest && is_wanted(&placement) {
            Ok(placement)
        } else {
            Err(cluster.to_string())
        }
    })
}
