//! How a cluster's data is spread over its nodes, and what it cost to spread it so.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What each node holds, and has sent to others, as `GET /cluster` tells.
#[derive(Debug, Clone, Default)]
pub struct Shares {
    shards: BTreeMap<u64, Shard>,
    /// Bytes of replicas' files sent since the node's start.
    sent: BTreeMap<u64, u64>,
    /// Nodes that are to hold nothing.
    emptied: BTreeSet<u64>,
}

#[derive(Debug, Clone)]
struct Shard {
    rows: u64,
    /// Of the files of one copy.
    bytes: u64,
    nodes: BTreeSet<u64>,
}

impl Shares {
    /// Reads an answer of `GET /cluster`.
    pub fn of(cluster: &Value) -> Self {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        let shard = |shard: &Value| {
            let nodes = list(&shard["replicas"]).iter().map(number).collect();
            let (rows, bytes) = (number(&shard["rows"]), number(&shard["bytes"]));
            (number(&shard["id"]), Shard { rows, bytes, nodes })
        };
        let sent = |node: &Value| (number(&node["id"]), number(&node["sent_bytes"]));
        Self {
            shards: list(&cluster["shards"]).iter().map(shard).collect(),
            sent: list(&cluster["nodes"]).iter().map(sent).collect(),
            emptied: BTreeSet::new(),
        }
    }

    /// The same, these nodes not counted among those that should hold a share.
    pub fn without(self, emptied: &BTreeSet<u64>) -> Self {
        let emptied = emptied.clone();
        Self { emptied, ..self }
    }

    /// Bytes of one copy of each shard.
    pub fn bytes(&self) -> u64 {
        self.shards.values().map(|shard| shard.bytes).sum()
    }

    /// Bytes of replicas' files sent by all nodes since their start.
    pub fn sent(&self) -> u64 {
        self.sent.values().sum()
    }

    /// How far the node that is furthest from it is from an even share of the rows: 0.1 is a tenth of
    /// that share.
    pub fn unevenness(&self) -> f64 {
        let mut held: BTreeMap<u64, u64> = self.sent.keys().map(|node| (*node, 0)).collect();
        held.retain(|node, _| !self.emptied.contains(node));
        for shard in self.shards.values() {
            for node in &shard.nodes {
                *held.entry(*node).or_default() += shard.rows;
            }
        }
        let even = held.values().sum::<u64>() as f64 / held.len() as f64;
        let off = held.values().map(|rows| (*rows as f64 - even).abs() / even);
        off.fold(0.0, f64::max)
    }

    /// The least bytes that had to be sent to come from these shares to those `now`: each copy that a
    /// node has now and had not then, once, as large as it was then.
    pub fn least_to(&self, now: &Self) -> u64 {
        let missing = |(id, then): (&u64, &Shard)| {
            let added = now
                .shards
                .get(id)
                .map(|now| now.nodes.difference(&then.nodes).count());
            then.bytes * added.unwrap_or_default() as u64
        };
        self.shards.iter().map(missing).sum()
    }

    /// Panics unless every node holds about as many rows as any other.
    #[track_caller]
    pub fn assert_even(&self, within: f64) {
        let unevenness = self.unevenness();
        println!("rows are within {:.1} % of even", unevenness * 100.0);
        assert!(unevenness <= within, "off by {unevenness}: {self:#?}");
    }

    /// Panics unless what was sent since `then` is about the least that had to be. Sending next to
    /// nothing would mean that nobody counted.
    #[track_caller]
    pub fn assert_little_was_sent_since(&self, then: &Self, at_most: f64) {
        let (sent, least) = (self.sent() - then.sent(), then.least_to(self));
        let times = sent as f64 / least as f64;
        println!("{sent} bytes were sent, {times:.2} × the least possible");
        assert!(
            (0.8..=at_most).contains(&times),
            "{sent} of {least}: {self:#?}"
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shares(replicas: [[u64; 2]; 3], sent: u64) -> Shares {
        let shard = |(id, replicas): (usize, [u64; 2])| json!({"id": id, "rows": 100 + id, "bytes": 1_000, "replicas": replicas});
        let shards: Vec<Value> = replicas.into_iter().enumerate().map(shard).collect();
        let nodes: Vec<Value> = (1..=3)
            .map(|id| json!({"id": id, "sent_bytes": sent}))
            .collect();
        Shares::of(&json!({"shards": shards, "nodes": nodes}))
    }

    #[test]
    fn a_node_that_holds_nothing_counts_unless_it_is_to() {
        let even = shares([[1, 2], [2, 3], [3, 1]], 0);
        assert!(even.unevenness() < 0.01, "{even:?}");
        let two = shares([[1, 2], [1, 2], [1, 2]], 0);
        assert_eq!(two.unevenness(), 1.0);
        assert_eq!(two.without(&BTreeSet::from([3])).unevenness(), 0.0);
    }

    #[test]
    fn the_least_is_every_copy_that_is_new_where_it_is() {
        let then = shares([[1, 2], [1, 2], [1, 2]], 500);
        let now = shares([[1, 2], [2, 3], [3, 1]], 1_200);
        assert_eq!(then.least_to(&now), 2_000);
        now.assert_little_was_sent_since(&then, 1.2);
        assert!(std::panic::catch_unwind(|| now.assert_little_was_sent_since(&then, 1.0)).is_err());
    }
}
