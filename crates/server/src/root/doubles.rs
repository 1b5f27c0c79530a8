//! Two processes that say to be the same node.
//!
//! A node's id lies in its data directory. If that was copied, two processes vote and acknowledge
//! as one, and what the cluster has agreed on is worth nothing. So a process that announces itself
//! as a node that another process was a moment ago is let in only once that one has fallen silent,
//! as it does when it is restarted; if both go on, the later one is refused.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use vectra_cluster::NodeId;

/// A process that has not announced itself for so long has ended, or is as good as that: it does so
/// twice a second.
const SILENT: Duration = Duration::from_millis(1_600);

/// A message of a process that has ended may arrive this much later than its successor's first.
const DELAYED: Duration = Duration::from_secs(1);

/// Which process each node is.
#[derive(Default)]
pub(super) struct Doubles {
    nodes: HashMap<NodeId, Owner>,
}

struct Owner {
    incarnation: u64,
    grpc: String,
    heard: Instant,
    /// Another process that says to be this node, and when it said so first.
    challenger: Option<(u64, Instant)>,
}

/// Whether a process may go on as the node that it says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Admission {
    Welcome,
    /// Another process was this node a moment ago: wait and see whether it has ended.
    NotYet,
    /// Another process is this node: why, and what to do.
    Refused(String),
}

impl Doubles {
    /// A process announces itself `now`.
    pub(super) fn admit(
        &mut self,
        node: NodeId,
        incarnation: u64,
        grpc: &str,
        now: Instant,
    ) -> Admission {
        let newcomer = || Owner {
            incarnation,
            grpc: grpc.to_owned(),
            heard: now,
            challenger: None,
        };
        let owner = self.nodes.entry(node).or_insert_with(newcomer);
        if owner.incarnation == incarnation {
            owner.heard = now;
            return Admission::Welcome;
        }
        if now.duration_since(owner.heard) > SILENT {
            *owner = newcomer();
            return Admission::Welcome;
        }
        let since = match owner.challenger {
            Some((known, since)) if known == incarnation => since,
            _ => now,
        };
        owner.challenger = Some((incarnation, since));
        if owner.heard > since + DELAYED {
            return Admission::Refused(format!(
                "another process, reached at {}, is node {node} already: this data directory is a \
                 copy of its one, or the other way round. Start this process with an empty data \
                 directory, or stop the other one first",
                owner.grpc
            ));
        }
        Admission::NotYet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Announcements at these milliseconds by these incarnations, and what the last one is told.
    fn told(announcements: &[(u64, u64)]) -> Admission {
        let mut doubles = Doubles::default();
        let start = Instant::now();
        let mut last = Admission::NotYet;
        for (at, incarnation) in announcements {
            let now = start + Duration::from_millis(*at);
            last = doubles.admit(7, *incarnation, "shard-1:8100", now);
        }
        last
    }

    #[test]
    fn a_restarted_node_waits_until_the_process_before_is_silent() {
        assert_eq!(told(&[(0, 1), (300, 2)]), Admission::NotYet);
        assert_eq!(
            told(&[(0, 1), (300, 2), (800, 2), (1_300, 2), (1_800, 2)]),
            Admission::Welcome
        );
        assert_eq!(told(&[(0, 1), (9_000, 2)]), Admission::Welcome);
    }

    #[test]
    fn the_later_of_two_that_go_on_is_refused_and_the_first_is_not() {
        let both = [
            (0, 1),
            (300, 2),
            (500, 1),
            (800, 2),
            (1_000, 1),
            (1_300, 2),
            (1_500, 1),
            (1_800, 2),
        ];
        let Admission::Refused(reason) = told(&both) else {
            panic!("{:?}", told(&both));
        };
        assert!(reason.contains("shard-1:8100"), "{reason}");
        assert_eq!(told(&both[..7]), Admission::Welcome);
    }

    #[test]
    fn a_last_message_that_was_delayed_accuses_nobody() {
        assert_eq!(
            told(&[(0, 1), (300, 2), (900, 1), (1_300, 2)]),
            Admission::NotYet
        );
        assert_eq!(
            told(&[(0, 1), (300, 2), (900, 1), (2_600, 2)]),
            Admission::Welcome
        );
    }
}
