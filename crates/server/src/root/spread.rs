//! Over which nodes a read is spread.

use vectra_cluster::Consistency;

/// Which of its replicas is asked first for a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    /// The leader.
    OverLeaders,
    /// The same node for as many shards as possible, another one each time: the fewer nodes a search needs,
    /// the less it costs them all.
    OverFewestNodes,
}

impl Spread {
    pub(super) fn of(consistency: Consistency) -> Self {
        match consistency {
            Consistency::Any => Self::OverFewestNodes,
            Consistency::Leader | Consistency::Linearizable => Self::OverLeaders,
        }
    }
}
