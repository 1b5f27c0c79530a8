//! Copies that have left their group, and go.
//!
//! What a copy has acknowledged as a member must not be lost. So it goes only if the map names a
//! position in the shard's log where it is no member, and the last membership that it knows itself
//! is older: then everything it acknowledged was before, and is with those that stayed. Or if the one that it knows
//! gives it no vote and was not agreed on, as far as it knows: a leader with an old map wanted it back and lost its
//! office, and nobody else may ever have heard of that. Nothing that a member without a vote acknowledges counts.
//!
//! A copy that the map neither places here nor names as having left was opened by an older map, which a
//! coordinator that had just started still had: after it had gone already, so there is nothing in it. Or it
//! was made by a split that this node came to late.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{ShardGroups, log_id_of};
use crate::log::GroupLog;
use crate::machine::ShardConfig;
use crate::network::group_of;
use crate::placement::Position;
use crate::{GroupStatus, NodeId, PlacementMap, ShardId};

/// A search or a compaction may hold on to a copy that is dropped for so long.
const RELEASE: Duration = Duration::from_secs(10);
const RELEASE_PAUSE: Duration = Duration::from_millis(50);

impl ShardGroups {
    /// Drops the copies that have left their group and could not be dropped before. Whether some
    /// are still there.
    pub async fn drop_left(&self) -> bool {
        let map = Arc::clone(&self.host.map.borrow());
        let own = self.host.node;
        let left: Vec<ShardId> = map
            .shards
            .iter()
            .filter(|(_, shard)| shard.left.contains_key(&own))
            .map(|(id, _)| *id)
            .collect();
        let is_stopped = |id: &ShardId| self.get(*id).is_none() && self.directory_of(*id).exists();
        if left.iter().any(is_stopped) {
            // Its own membership must be known before it may go.
            if let Err(error) = self.reconcile(&map).await {
                tracing::warn!(%error, "a copy that should be dropped cannot be read");
            }
        } else if !left.is_empty() {
            let _one_at_a_time = self.host.reconciling.lock().await;
            self.drop_all_left(&map).await;
        }
        left.iter().any(|id| self.directory_of(*id).exists())
    }

    pub(super) async fn drop_all_left(&self, map: &PlacementMap) {
        for (id, shard) in &map.shards {
            let own = self.host.node;
            let is_there = self.get(*id).is_some() || self.directory_of(*id).exists();
            let dropped = match shard.left.get(&own) {
                Some(left) if is_there => {
                    let may_go = |status: &GroupStatus| has_left(status, own, *left);
                    self.drop_replica(*id, Some(*left), may_go).await
                }
                None if is_there
                    && !shard.hosts().contains(&own)
                    && (self.get(*id).is_some() || self.was_never_used(*id).await) =>
                {
                    self.drop_replica(*id, None, is_untouched).await
                }
                Some(_) | None => continue,
            };
            if let Err(reason) = dropped {
                tracing::info!(shard = *id, %reason, "a copy that is no longer placed here stays");
            }
        }
    }

    /// Whether a copy was only made by a split, which this node came to so late that the child had moved
    /// elsewhere: it never was a member of that, and nobody counts on it.
    async fn was_never_used(&self, id: ShardId) -> bool {
        let log = GroupLog::<ShardConfig>::open(&self.host.engine, group_of(id)).await;
        log.is_ok_and(|log| log.vote().is_none() && log.last().is_none())
    }

    /// Drops a copy. Where it has been made a member again meanwhile, what it has acknowledged since must
    /// not be lost: it stays. `left` is where the shard's log says that this node is no member.
    async fn drop_replica(
        &self,
        id: ShardId,
        left: Option<Position>,
        may_go: impl Fn(&GroupStatus) -> bool,
    ) -> Result<(), String> {
        if let Some(group) = self.get(id) {
            if !may_go(&group.status()) {
                return Err("it is a member again".to_owned());
            }
            self.host.running.send_modify(|running| {
                running.remove(&id);
            });
            group.shutdown().await;
            if !may_go(&group.status()) {
                return Err("it became a member again".to_owned());
            }
            let shard = Arc::downgrade(group.shard());
            self.leaving_mut().insert(id, shard);
        }
        // Whoever still works on the files must not meet those of a copy to come.
        let leaving = self.leaving_mut().get(&id).cloned();
        let mut waited = Duration::ZERO;
        while leaving
            .as_ref()
            .is_some_and(|shard| shard.strong_count() > 0)
        {
            if waited > RELEASE {
                return Err("it is still being used".to_owned());
            }
            tokio::time::sleep(RELEASE_PAUSE).await;
            waited += RELEASE_PAUSE;
        }
        self.leaving_mut().remove(&id);
        let log = GroupLog::<ShardConfig>::open(&self.host.engine, group_of(id)).await;
        let log = log.map_err(|error| error.to_string())?;
        let left = left.map(log_id_of);
        log.clear(left).await.map_err(|error| error.to_string())?;
        let directory = self.directory_of(id);
        let path = directory.clone();
        (self.host.engine.workers())
            .run("remove", move || remove_directory(&path))
            .await?
            .map_err(|error| format!("{}: {error}", directory.display()))?;
        self.faults_mut().remove(&id);
        tracing::info!(shard = id, "dropped a copy that is no longer placed here");
        Ok(())
    }

    /// The shards that have left this node, and of which it holds nothing any more.
    pub fn dropped(&self) -> Vec<ShardId> {
        let map = self.host.map.borrow();
        let dropped = map.shards.iter().filter(|(id, shard)| {
            shard.left.contains_key(&self.host.node)
                && self.get(**id).is_none()
                && !self.directory_of(**id).exists()
        });
        dropped.map(|(id, _)| *id).collect()
    }
}

/// Whether nothing that `node` has acknowledged as a member came after it had `left`.
fn has_left(status: &GroupStatus, node: NodeId, left: Position) -> bool {
    let is_agreed_on = status.members_as_of.map(|position| position.index) <= status.applied;
    let counts = status.voters.contains(&node) || (status.learners.contains(&node) && is_agreed_on);
    status.members_as_of < Some(left) || !counts
}

/// Whether a copy has acknowledged nothing, and knows of no member.
fn is_untouched(status: &GroupStatus) -> bool {
    status.members_as_of.is_none() && status.last_log.is_none()
}

/// Removes a directory under a name that nobody takes for a shard's, if a crash comes in between.
fn remove_directory(path: &Path) -> std::io::Result<()> {
    let dropped = path.with_extension("dropped");
    if dropped.exists() {
        std::fs::remove_dir_all(&dropped)?;
    }
    if path.exists() {
        std::fs::rename(path, &dropped)?;
        std::fs::remove_dir_all(&dropped)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const NODE: NodeId = 4;

    fn at(term: u64, index: u64) -> Position {
        Position {
            term,
            node: 1,
            index,
        }
    }

    #[test]
    fn a_copy_goes_unless_it_may_have_acknowledged_something_since_it_left() {
        let others = BTreeSet::from([1, 2, 3]);
        let back = BTreeSet::from([1, 2, NODE]);
        let status = |voters: &BTreeSet<NodeId>, learner, as_of: Position, applied| GroupStatus {
            voters: voters.clone(),
            learners: BTreeSet::from_iter(learner),
            members_as_of: Some(as_of),
            applied: Some(applied),
            ..GroupStatus::default()
        };
        let has_left = |status: &GroupStatus| has_left(status, NODE, at(4, 40));
        assert!(has_left(&status(&back, None, at(2, 30), 30)), "before that");
        assert!(has_left(&status(&others, None, at(4, 40), 40)));
        assert!(!has_left(&status(&back, None, at(4, 45), 44)), "its vote");
        let learner = Some(NODE);
        assert!(!has_left(&status(&others, learner, at(4, 45), 45)));
        assert!(
            has_left(&status(&others, learner, at(4, 45), 44)),
            "nobody has agreed on it"
        );
    }
}
