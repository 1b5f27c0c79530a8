//! A split as an entry of the shard's log.
//!
//! From its position on, the shard's range is the lower part of what it was, and the upper part is
//! that of a child. Every replica makes the child's copy itself, from the very same rows: the state
//! that a group has whose members have all written its first entry, the one that founds it. Whoever
//! applies the entry once more, after a crash, finds that copy there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{PoisonError, RwLockWriteGuard};

use openraft::{BasicNode, LogId, Membership, StoredMembership};
use serde::{Deserialize, Serialize};

use super::applied::AppliedSplit;
use super::{Applied, Progress, ShardMachine};
use crate::placement::{Child, HashRange, hash};
use crate::{NodeId, ShardId};

/// Gives the upper part of a shard's range to a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Split {
    pub(crate) child: ShardId,
    /// The range before.
    pub(crate) range: HashRange,
    /// The first hash of the child.
    pub(crate) at: u64,
}

impl ShardMachine {
    /// Splits the shard. Why not, if that is the same on every replica, is in the inner result; what
    /// is wrong with this replica in the outer one.
    pub(super) fn apply_split(
        &self,
        log_id: LogId<NodeId>,
        split: &Split,
    ) -> Result<Result<(), String>, String> {
        let before = self.progress.state().applied.clone();
        let (lower, voters) = match before.part_by(split) {
            Ok(parts) => parts,
            Err(reason) => {
                self.progress.end_split();
                return Ok(Err(reason));
            }
        };
        let child = Child {
            shard: split.child,
            range: HashRange {
                first: split.at,
                last: split.range.last,
            },
        };
        let leaves = |id: &str| child.range.contains(hash(id));
        let division = self
            .shard
            .divide(leaves)
            .map_err(|error| error.to_string())?;
        // A copy that is no member yet would belong to nobody, and so would one that had left since: a
        // replica that comes back applies once more what it had applied.
        let node = self.children.node();
        if voters.contains(&node) && !self.children.has_left(split.child) {
            let founded = Some(LogId::default());
            let nodes = voters.iter().map(|node| (*node, BasicNode::default()));
            let nodes: BTreeMap<NodeId, BasicNode> = nodes.collect();
            let founding = Membership::new(vec![voters], nodes);
            let born = Applied {
                last: founded,
                membership: StoredMembership::new(founded, founding),
                range: Some(child.range),
                splits: Vec::new(),
            };
            let directory = self.children.directory_of(split.child);
            division
                .write(&directory, born.encode()?.into())
                .map_err(|error| error.to_string())?;
        }

        let together = self.progress.range_is_changing();
        division.remove();
        {
            let mut state = self.progress.state();
            state.applied.range = Some(lower);
            state.applied.splits.push(AppliedSplit {
                index: log_id.index,
                child,
            });
        }
        self.progress.end_split();
        drop(together);
        tracing::info!(child = split.child, "a shard has split");
        self.children.announce();
        Ok(Ok(()))
    }
}

impl Applied {
    /// The range that is left, and the members that found the child.
    fn part_by(&self, split: &Split) -> Result<(HashRange, BTreeSet<NodeId>), String> {
        if self
            .splits
            .iter()
            .any(|done| done.child.shard == split.child)
        {
            return Err("it has split already".to_owned());
        }
        let is_known = self.range.is_none_or(|range| range == split.range);
        let lower = split.range.below(split.at);
        let Some(lower) = lower.filter(|_| is_known && split.range.contains(split.at)) else {
            return Err("its range is not the one that was to be split".to_owned());
        };
        let members = self.membership.membership();
        let [voters] = members.get_joint_config().as_slice() else {
            return Err("its members are about to change".to_owned());
        };
        if members.learner_ids().next().is_some() {
            return Err("it has a member without a vote".to_owned());
        }
        Ok((lower, voters.clone()))
    }
}

impl Progress {
    /// The ids that belong here; `None` for all that are sent here.
    pub(crate) fn range(&self) -> Option<HashRange> {
        self.state().applied.range
    }

    /// The shards that have split off from this one, oldest first.
    pub(crate) fn children(&self) -> Vec<Child> {
        let state = self.state();
        let splits = state.applied.splits.iter();
        splits.map(|split| split.child).collect()
    }

    /// The index of the first entry that splits off one of the shards that `is_open` says so of.
    pub(crate) fn first_split(&self, is_open: impl Fn(ShardId) -> bool) -> Option<u64> {
        let state = self.state();
        let mut splits = state.applied.splits.iter();
        splits
            .find(|split| is_open(split.child.shard))
            .map(|split| split.index)
    }

    /// Whether a split was applied that no checkpoint covers.
    pub(crate) fn has_unsealed_split(&self) -> bool {
        let splits = self.state().applied.splits.len();
        splits > self.sealed_splits.load(Ordering::Acquire)
    }

    /// Rows and range change together, and nobody reads the one without the other, until the guard is
    /// dropped.
    pub(super) fn range_is_changing(&self) -> RwLockWriteGuard<'_, ()> {
        self.range_changes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What `read` reads of the rows, with the range and the children at the same moment; `None` while
    /// they change.
    pub(crate) fn read_with_range<T>(
        &self,
        read: impl FnOnce() -> T,
    ) -> Option<(T, Option<HashRange>, Vec<Child>)> {
        let _unchanged = self.range_changes.try_read().ok()?;
        Some((read(), self.range(), self.children()))
    }

    /// This replica is about to propose a split: until it has applied that, the upper part may already
    /// be written elsewhere. Should the entry be lost, the next leader proposes it again.
    pub(crate) fn begin_split(&self) {
        self.splitting.store(true, Ordering::SeqCst);
    }

    pub(super) fn end_split(&self) {
        self.splitting.store(false, Ordering::SeqCst);
    }

    /// Whether this replica has proposed a split that it has not applied.
    pub(crate) fn is_splitting(&self) -> bool {
        self.splitting.load(Ordering::SeqCst)
    }
}
