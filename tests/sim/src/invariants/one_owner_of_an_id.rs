//! At any moment, in any map that any node knows, each id belongs to one shard; and only that one has it.

use std::collections::BTreeMap;

use vectra_cluster::{PlacementMap, placement};

use super::replicas_are_equal::rows_of;
use crate::world::World;

/// Whether the shards of each collection cover every hash once.
pub(crate) fn check_map(map: &PlacementMap) -> Result<(), String> {
    for (name, collection) in &map.collections {
        let mut next = Some(0);
        for id in &collection.shards {
            let shard = map.shards.get(id);
            let shard = shard.ok_or_else(|| format!("{name}: shard {id} is not in the map"))?;
            if Some(shard.first) != next || shard.last < shard.first {
                return Err(format!(
                    "map {}: shard {id} of {name} begins at {} where {next:?} is the next hash",
                    map.version, shard.first
                ));
            }
            next = shard.last.checked_add(1);
        }
        if next.is_some() {
            return Err(format!("map {}: {name} ends before {next:?}", map.version));
        }
    }
    Ok(())
}

/// Whether, once nothing is under way, every row lies in the one shard that its id belongs to.
pub(crate) fn check_rows(world: &World) -> Result<(), String> {
    let mut owners = BTreeMap::new();
    for (name, node) in world.nodes() {
        let Some(leaf) = node.leaf() else {
            continue;
        };
        let map = node.map().borrow().clone();
        for (shard, group) in leaf.groups().all() {
            for id in rows_of(&group.shard().view())?.into_keys() {
                let Some(placed) = map.shards.get(&shard) else {
                    return Err(format!("{name} has shard {shard}, which is in no map"));
                };
                let hash = placement::hash(&id);
                if !(placed.first..=placed.last).contains(&hash) {
                    return Err(format!(
                        "{id} lies in shard {shard}, whose range it is not in"
                    ));
                }
                let owner = *owners.entry(id.clone()).or_insert(shard);
                if owner != shard {
                    return Err(format!("{id} lies in shard {owner} and in shard {shard}"));
                }
            }
        }
    }
    Ok(())
}
