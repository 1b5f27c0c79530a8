//! What a member knows when it starts, and what it has to reach before it speaks for its group.

use openraft::{LogId, Vote};

use crate::NodeId;

/// What was in a group's log when it was opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AtOpen {
    pub(crate) vote: Option<Vote<NodeId>>,
    /// Index of the last entry.
    pub(crate) last: Option<u64>,
}

impl AtOpen {
    /// Whether everything that was acknowledged before this member led by `vote` lies at `position`
    /// or before it.
    ///
    /// What former leaders acknowledged comes before this leader's own first entry; what it
    /// acknowledged itself before a restart was in its log when that was opened.
    pub(crate) fn is_behind(&self, position: Option<LogId<NodeId>>, vote: &Vote<NodeId>) -> bool {
        let is_own = position.is_some_and(|position| {
            let (by, leader) = (position.leader_id, vote.leader_id);
            (by.term, by.node_id) == (leader.term, leader.node_id)
        });
        let leads_on = self.vote == Some(*vote);
        is_own && (!leads_on || position.map(|position| position.index) >= self.last)
    }
}

#[cfg(test)]
mod tests {
    use openraft::CommittedLeaderId;

    use super::*;

    fn position(term: u64, index: u64) -> Option<LogId<NodeId>> {
        Some(LogId::new(CommittedLeaderId::new(term, 1), index))
    }

    #[test]
    fn a_leader_speaks_for_its_predecessors_from_its_own_first_entry_on() {
        let at_open = AtOpen {
            vote: Some(Vote::new(2, 3)),
            last: Some(90),
        };
        let vote = Vote::new_committed(3, 1);
        assert!(!at_open.is_behind(None, &vote));
        assert!(!at_open.is_behind(position(2, 100), &vote));
        assert!(at_open.is_behind(position(3, 7), &vote));
    }

    #[test]
    fn a_leader_that_leads_on_after_a_restart_speaks_for_itself_from_its_last_entry_on() {
        let vote = Vote::new_committed(3, 1);
        let at_open = AtOpen {
            vote: Some(vote),
            last: Some(90),
        };
        assert!(!at_open.is_behind(position(3, 89), &vote));
        assert!(at_open.is_behind(position(3, 90), &vote));
    }
}
