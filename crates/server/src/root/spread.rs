//! Over which nodes a read is spread.

use vectra_cluster::Consistency;

/// Which of its replicas is asked first for a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    /// The leader: nobody else has to be asked, and all nodes work on the search together.
    OverLeaders,
    /// The same node for as many shards as possible, another one each time: the fewer nodes a search needs,
    /// the less it costs them all. Where only leaders know what was acknowledged, the node asks them, once
    /// for all who wait.
    OverFewestNodes,
}

impl Spread {
    /// How a search is spread that is one of so many `under_way`. With one for each of the `nodes`, all of
    /// them have enough to do: then it is better to do less in all than to do one search sooner.
    pub(super) fn of_one_among(under_way: usize, nodes: usize, consistency: Consistency) -> Self {
        if consistency == Consistency::Any || under_way >= nodes {
            Self::OverFewestNodes
        } else {
            Self::OverLeaders
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_search_alone_is_for_all_nodes_and_many_are_for_one_each() {
        let spread = |under_way| Spread::of_one_among(under_way, 3, Consistency::Leader);
        assert_eq!(spread(1), Spread::OverLeaders);
        assert_eq!(spread(2), Spread::OverLeaders);
        assert_eq!(spread(3), Spread::OverFewestNodes);
        let any = Spread::of_one_among(1, 3, Consistency::Any);
        assert_eq!(any, Spread::OverFewestNodes);
    }
}
