//! Replicas answer identically, for they hold the same rows to the bit.

use serde_json::Value;

use crate::containers::Front;
use crate::wait::eventually;

/// Waits until all replicas of every shard have applied the same entries, and panics if they then hold
/// anything different. To be called when nobody writes any more.
#[track_caller]
pub fn replicas_hold_the_same(front: &Front, replicas: usize) {
    eventually("all replicas have applied the same", || {
        let api = front.api().ok_or("no coordinator is ready")?;
        let answer = api.try_get("/cluster/digests")?;
        if answer.status != 200 {
            return Err(answer.describe());
        }
        let digests = answer.json();
        let shards = digests["shards"].as_array().cloned().unwrap_or_default();
        let differ: Vec<&Value> = shards
            .iter()
            .filter(|shard| shard["equal"] == false)
            .collect();
        assert!(differ.is_empty(), "replicas differ: {differ:#?}");
        let is_compared = |shard: &Value| {
            let held = shard["replicas"].as_array().map_or(0, Vec::len);
            shard["equal"] == true && held == replicas
        };
        if !shards.is_empty() && shards.iter().all(is_compared) {
            Ok(())
        } else {
            Err(digests.to_string())
        }
    });
}
