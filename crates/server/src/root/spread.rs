//! Over which nodes a read is spread.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use vectra_cluster::{Consistency, NodeId};

/// Which of its replicas is asked first for a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    /// The leader: nobody else has to be asked, and all nodes work on the search together.
    OverLeaders,
    /// The same node for as many shards as possible: the fewer nodes a search needs, the less it costs them
    /// all. Where only leaders know what was acknowledged, the node asks them, once for all who wait.
    OverFewestNodes,
}

/// What one node is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) node: NodeId,
    /// The machine whose cores it shares with other nodes there; 0 where it shares them with none.
    pub(super) machine: u64,
    /// Searches under way, and how many there may be.
    pub(super) under_way: usize,
    pub(super) may_be: usize,
}

impl Spread {
    /// How a search is spread that is one of so many `under_way`. With one for each of the machines, all of
    /// them have enough to do: then it is better to do less in all than to do one search sooner.
    pub(super) fn of_one_among(under_way: usize, loads: &[Load], consistency: Consistency) -> Self {
        if consistency == Consistency::Any || under_way >= machines(loads).len() {
            Self::OverFewestNodes
        } else {
            Self::OverLeaders
        }
    }

    /// How one row is asked for, which is work for one node only.
    pub(super) fn of_fetch(consistency: Consistency) -> Self {
        match consistency {
            Consistency::Any => Self::OverFewestNodes,
            Consistency::Leader | Consistency::Linearizable => Self::OverLeaders,
        }
    }
}

/// All nodes, in the order in which a search asks them: first of the machine that is asked for the fewest searches
/// at this moment, another one each turn where several are asked for as few; the next of another machine, as far as
/// there are.
///
/// Nodes that share the cores of a machine share what searches cost as well, and the more searches one of them has
/// aboard, the less each of them costs. So of these the busiest comes first, as long as it may be asked for more.
pub(super) fn order(loads: &[Load], turn: usize) -> Vec<NodeId> {
    let mut machines: Vec<Vec<Load>> = machines(loads).into_values().collect();
    if !machines.is_empty() {
        let first = turn % machines.len();
        machines.rotate_left(first);
    }
    machines.sort_by_key(|loads| loads.iter().map(|load| load.under_way).sum::<usize>());
    for loads in &mut machines {
        let is_full = |load: &Load| load.under_way >= load.may_be;
        let mut full: Vec<Load> = loads.extract_if(.., |load| is_full(load)).collect();
        loads.sort_by_key(|load| Reverse(load.under_way));
        // How many searches wait for such a node is not known.
        if !full.is_empty() {
            let first = turn % full.len();
            full.rotate_left(first);
        }
        full.sort_by_key(|load| load.under_way);
        loads.append(&mut full);
    }
    let most = machines.iter().map(Vec::len).max().unwrap_or(0);
    let place = |place: usize| machines.iter().filter_map(move |loads| loads.get(place));
    (0..most).flat_map(place).map(|load| load.node).collect()
}

/// How long an answer may take before another node is asked as well, where `usual` is what nearly all take. Where all
/// nodes share the cores of one machine, another one is no faster, and what it does for this search alone others have to
/// wait for: there it is only asked when the first may have come to a stop.
pub(super) fn hedge_after(loads: &[Load], usual: Duration) -> Duration {
    if share_cores(loads) { 2 * usual } else { usual }
}

/// Whether these are several nodes on one machine.
pub(super) fn share_cores(loads: &[Load]) -> bool {
    loads.len() > 1 && machines(loads).len() == 1
}

/// The nodes of each machine; a node that has cores of its own is a machine.
fn machines(loads: &[Load]) -> BTreeMap<(u64, NodeId), Vec<Load>> {
    let mut machines = BTreeMap::<_, Vec<Load>>::new();
    for load in loads {
        let of_its_own = if load.machine == 0 { load.node } else { 0 };
        machines
            .entry((load.machine, of_its_own))
            .or_default()
            .push(*load);
    }
    machines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(node: NodeId, machine: u64, under_way: usize) -> Load {
        Load {
            node,
            machine,
            under_way,
            may_be: 1_000,
        }
    }

    #[test]
    fn one_search_alone_is_for_all_machines_and_many_are_for_one_each() {
        let apart = [load(1, 0, 0), load(2, 0, 0), load(3, 0, 0)];
        let spread = |under_way| Spread::of_one_among(under_way, &apart, Consistency::Leader);
        assert_eq!(spread(1), Spread::OverLeaders);
        assert_eq!(spread(2), Spread::OverLeaders);
        assert_eq!(spread(3), Spread::OverFewestNodes);
        let any = Spread::of_one_among(1, &apart, Consistency::Any);
        assert_eq!(any, Spread::OverFewestNodes);
        let together = [load(1, 7, 0), load(2, 7, 0), load(3, 7, 0)];
        let alone = Spread::of_one_among(1, &together, Consistency::Leader);
        assert_eq!(alone, Spread::OverFewestNodes);
    }

    #[test]
    fn the_machine_asked_for_the_least_comes_first_and_others_take_turns() {
        let loads = [load(1, 0, 2), load(2, 0, 1), load(3, 0, 1)];
        assert_eq!(order(&loads, 0), [2, 3, 1]);
        assert_eq!(order(&loads, 2), [3, 2, 1]);
        assert!(order(&[], 5).is_empty());
    }

    #[test]
    fn of_nodes_on_one_machine_the_busiest_that_has_room_comes_first() {
        let loads = [load(1, 7, 3), load(2, 7, 5), load(3, 7, 5)];
        for turn in 0..4 {
            assert_eq!(order(&loads, turn), [2, 3, 1]);
        }
        let mut full = [load(1, 7, 3), load(2, 7, 8), load(3, 7, 8)];
        full[1].may_be = 8;
        full[2].may_be = 8;
        assert_eq!(order(&full, 0), [1, 2, 3]);
        assert_eq!(
            order(&full, 1),
            [1, 3, 2],
            "others wait for the second already"
        );
    }

    #[test]
    fn where_all_nodes_share_one_machine_another_is_asked_as_well_only_after_twice_as_long() {
        let usual = Duration::from_millis(30);
        let twice = 2 * usual;
        let together = [load(1, 7, 0), load(2, 7, 0)];
        assert_eq!(hedge_after(&together, usual), twice);
        for elsewhere in [load(3, 8, 0), load(3, 0, 0)] {
            let apart = [together[0], together[1], elsewhere];
            assert_eq!(hedge_after(&apart, usual), usual);
        }
        assert_eq!(hedge_after(&[load(1, 0, 0)], usual), usual);
    }

    #[test]
    fn after_the_first_a_node_of_another_machine_comes() {
        let loads = [load(1, 7, 1), load(2, 7, 0), load(3, 8, 4), load(4, 0, 2)];
        assert_eq!(order(&loads, 0), [1, 4, 3, 2]);
    }
}
