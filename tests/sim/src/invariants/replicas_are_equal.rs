//! Once nothing is under way, all replicas of a shard hold the same rows, to the bit.

use std::collections::BTreeMap;

use vectra_cluster::ShardId;
use vectra_store::ShardView;
use xxhash_rust::xxh3::Xxh3;

use crate::world::World;

/// The digests by shard and node that differ, or a replica that is not to be read.
pub(crate) fn check(world: &World) -> Result<(), String> {
    let mut digests = BTreeMap::<ShardId, BTreeMap<String, u64>>::new();
    for (name, node) in world.nodes() {
        let Some(leaf) = node.leaf() else {
            continue;
        };
        for (shard, group) in leaf.groups().all() {
            let digest = digest_of(&group.shard().view())
                .map_err(|reason| format!("shard {shard} on {name}: {reason}"))?;
            digests
                .entry(shard)
                .or_default()
                .insert(name.clone(), digest);
        }
    }
    for (shard, by_node) in digests {
        let mut values = by_node.values();
        let first = values.next();
        if values.any(|digest| Some(digest) != first) {
            return Err(format!("the replicas of shard {shard} differ: {by_node:?}"));
        }
    }
    Ok(())
}

/// A digest of a shard's rows in the order of their ids.
fn digest_of(view: &ShardView) -> Result<u64, String> {
    let mut digest = Xxh3::new();
    for (id, vector) in rows_of(view)? {
        digest.update(&(id.len() as u64).to_le_bytes());
        digest.update(id.as_bytes());
        for value in vector {
            digest.update(&value.to_bits().to_le_bytes());
        }
    }
    Ok(digest.digest())
}

/// The rows of a shard, by id.
pub(crate) fn rows_of(view: &ShardView) -> Result<BTreeMap<String, Vec<f32>>, String> {
    let mut rows = BTreeMap::new();
    for part in view.parts() {
        for row in (0..part.rows()).filter(|row| part.is_live(*row)) {
            let id = part.id(row).map_err(|error| error.to_string())?;
            let mut vector = Vec::new();
            part.read_vector(row, &mut vector)
                .map_err(|error| error.to_string())?;
            if rows.insert(id.clone(), vector).is_some() {
                return Err(format!("{id} is there twice"));
            }
        }
    }
    Ok(rows)
}
