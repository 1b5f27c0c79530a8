//! What lets a follower know how old its state is, without asking.
//!
//! A leader hands each follower's own clock back to it, with what has been agreed on. If the leader
//! held its lease all the while, nobody else led, and nothing more had been agreed on when the
//! follower's clock showed that. So the age is measured by one clock, and a message that was on its
//! way for long, or lay unread in a process that was stopped, says how old it is.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use openraft::{BasicNode, LogId, RaftMetrics, ServerState, Vote};
use tokio::sync::watch;

use super::Lease;
use crate::NodeId;
use crate::log::AtOpen;

/// Whether this member may vouch for its group. Clones share it; without an office it may not.
#[derive(Clone, Default)]
pub(crate) struct Voucher {
    office: Arc<OnceLock<Office>>,
}

/// What a member's word rests on.
pub(crate) struct Office {
    pub(crate) node: NodeId,
    pub(crate) metrics: watch::Receiver<RaftMetrics<NodeId, BasicNode>>,
    pub(crate) lease: Lease,
    /// How long the lease lasts.
    pub(crate) length: Duration,
    pub(crate) at_open: AtOpen,
}

impl Voucher {
    /// From now on this member may vouch whenever it leads.
    pub(crate) fn take(&self, office: Office) {
        // A group is started once.
        let _ = self.office.set(office);
    }

    /// Whether the leader of `vote` is certainly the only one at this moment, and `committed`
    /// covers what all leaders before it have acknowledged.
    pub(super) fn stands(&self, vote: Vote<NodeId>, committed: Option<LogId<NodeId>>) -> bool {
        let Some(office) = self.office.get() else {
            return false;
        };
        let metrics = office.metrics.borrow();
        let leads = metrics.state == ServerState::Leader && metrics.vote == vote;
        let members = metrics.membership_config.membership();
        leads
            && office.at_open.is_behind(committed, &vote)
            && (office.lease).is_held(office.node, vote, members, office.length)
    }
}
