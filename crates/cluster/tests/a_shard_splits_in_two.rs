//! A shard gives the upper half of its range to a child: no id is in both, none in neither, on any
//! replica, whenever a node stops.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod cluster;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use cluster::{
    SHARD, ShardNode, delete, map_of, read_from, try_copy_directory, upsert, vector, wait_until,
    write_to,
};
use tempfile::TempDir;
use vectra_cluster::placement::{Child, hash};
use vectra_cluster::{
    Consistency, NodeId, PlacementCommand, PlacementMap, PlacementOutcome, ShardGroup, WriteError,
};
use vectra_store::{StepObserver, StoreOptions};

const CHILD: u64 = 2;
const ROWS: u32 = 300;

/// Nodes 1 to 3, and the map that all of them are shown.
struct Nodes {
    directories: Vec<TempDir>,
    addresses: Vec<SocketAddr>,
    running: BTreeMap<NodeId, ShardNode>,
    map: PlacementMap,
    /// What was acknowledged.
    rows: BTreeMap<u32, Vec<f32>>,
}

impl Nodes {
    async fn start() -> Self {
        Self::start_with(|_| small_segments()).await
    }

    async fn start_with(store: impl Fn(NodeId) -> StoreOptions) -> Self {
        let directories: Vec<TempDir> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let mut running = BTreeMap::new();
        for (id, directory) in (1..).zip(&directories) {
            let node = ShardNode::start(id, directory.path(), None, store(id)).await;
            running.insert(id, node);
        }
        let members: Vec<_> = running
            .values()
            .map(|node| (node.id, node.address))
            .collect();
        let mut map = map_of(&members);
        map.last_shard = SHARD;
        let mut nodes = Self {
            directories,
            addresses: members.iter().map(|(_, address)| *address).collect(),
            running,
            map,
            rows: BTreeMap::new(),
        };
        nodes.show().await;
        nodes.write(0..ROWS).await;
        nodes.apply(PlacementCommand::NoteFounded { shard: SHARD });
        nodes.show().await;
        nodes
    }

    async fn stop(&mut self, id: NodeId) {
        self.running.remove(&id).unwrap().stop().await;
    }

    async fn restart(&mut self, id: NodeId) {
        let place = id as usize - 1;
        let directory = self.directories[place].path();
        let address = Some(self.addresses[place]);
        let node = ShardNode::start(id, directory, address, small_segments()).await;
        node.groups.reconcile(&self.map).await.unwrap();
        self.running.insert(id, node);
    }

    fn apply(&mut self, command: PlacementCommand) {
        let outcome = self.map.apply(&command);
        assert_eq!(outcome, PlacementOutcome::Done, "{command:?}");
    }

    async fn show(&self) {
        for node in self.running.values() {
            node.groups.reconcile(&self.map).await.unwrap();
        }
    }

    async fn begin_split(&mut self) {
        let range = self.map.shards[&SHARD].range();
        self.apply(PlacementCommand::BeginSplit {
            shard: SHARD,
            range,
            at: range.middle().unwrap(),
        });
        self.show().await;
    }

    async fn finish_split(&mut self) {
        wait_until("the child has a leader", || self.leads(CHILD)).await;
        self.apply(PlacementCommand::FinishSplit {
            shard: SHARD,
            child: CHILD,
        });
        self.show().await;
    }

    fn leads(&self, shard: u64) -> bool {
        let mut groups = self
            .running
            .values()
            .filter_map(|node| node.groups.get(shard));
        groups.any(|group| group.readable_now())
    }

    fn group(&self, node: NodeId, shard: u64) -> Option<ShardGroup> {
        self.running[&node].groups.get(shard)
    }

    /// Writes rows, each to the shard it belongs to by the map.
    async fn write(&mut self, numbers: impl IntoIterator<Item = u32>) {
        let mut by_shard: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for number in numbers {
            let shard = self.map.shard_of("default", &format!("id_{number}"));
            by_shard.entry(shard.unwrap()).or_default().push(number);
            self.rows.insert(number, vector(number));
        }
        for (shard, numbers) in by_shard {
            write_to(self.running.values(), shard, upsert(numbers)).await;
        }
    }

    /// Every row that was acknowledged is with the shard it belongs to, and with no other.
    async fn check_leaders(&self) {
        let all = self.rows.keys().copied();
        let below = read_from(self.running.values(), SHARD, all.clone()).await;
        let above = read_from(self.running.values(), CHILD, all.clone()).await;
        for (number, expected) in &self.rows {
            let (right, wrong) = match is_above(*number) {
                true => (&above[number], &below[number]),
                false => (&below[number], &above[number]),
            };
            assert_eq!(right.as_ref(), Some(expected), "id_{number}");
            assert_eq!(*wrong, None, "id_{number} is in both");
        }
    }

    /// All replicas of both shards come to hold the same.
    async fn wait_for_equal_replicas(&self) {
        for shard in [SHARD, CHILD] {
            let expected = self
                .rows
                .keys()
                .filter(|number| is_above(**number) == (shard == CHILD));
            let expected = expected.count() as u64;
            wait_until("all replicas have all rows", || {
                let mut groups = (1..=3).map(|node| self.group(node, shard));
                groups.all(|group| {
                    group.is_some_and(|group| group.shard().view().live_rows() == expected)
                })
            })
            .await;
            for node in 1..=3 {
                let view = self.group(node, shard).unwrap().shard().view();
                for number in self.rows.keys() {
                    let found = view.find(&format!("id_{number}")).unwrap();
                    let expected = self.rows[number].clone();
                    let expected = (is_above(*number) == (shard == CHILD)).then_some(expected);
                    assert_eq!(found, expected, "id_{number} on node {node}, shard {shard}");
                }
            }
        }
    }
}

/// Whether a row belongs to the upper half of all hashes.
fn is_above(number: u32) -> bool {
    hash(&format!("id_{number}")) > u64::MAX / 2
}

/// Many checkpoints, and logs that are kept short.
fn small_segments() -> StoreOptions {
    StoreOptions {
        seal_bytes: 4 << 10,
        ..StoreOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_id_is_in_one_of_the_two_before_the_map_says_so_and_after_any_restart() {
    let mut nodes = Nodes::start().await;
    nodes.begin_split().await;
    wait_until("the child has a leader", || nodes.leads(CHILD)).await;
    nodes.check_leaders().await;
    nodes.wait_for_equal_replicas().await;

    // A client that does not know yet is told where its ids are, and nothing is applied.
    let mixed = [ROWS, ROWS + 1, ROWS + 2, ROWS + 3, ROWS + 4, ROWS + 5];
    assert!(mixed.iter().any(|number| is_above(*number)));
    for batch in [upsert(mixed), delete(0..ROWS)] {
        let refused = loop {
            let mut groups = (1..=3).filter_map(|node| nodes.group(node, SHARD));
            let leader = groups.find(ShardGroup::readable_now);
            match leader.unwrap().write(batch.clone()).await {
                Err(WriteError::NotLeader(_)) => {}
                other => break other,
            }
        };
        let range = nodes.map.unfinished_children().next().unwrap().1.range();
        let children = vec![Child {
            shard: CHILD,
            range,
        }];
        assert_eq!(refused, Err(WriteError::Elsewhere { children }));
    }
    nodes.check_leaders().await;
    let above = (0..ROWS).find(|number| is_above(*number)).unwrap();
    let existed = write_to(nodes.running.values(), CHILD, delete([above])).await;
    assert_eq!(existed, 1);
    nodes.rows.remove(&above);

    // The map does not have the child yet.
    for node in 1..=3 {
        nodes.stop(node).await;
    }
    for node in 1..=3 {
        nodes.restart(node).await;
    }
    nodes.check_leaders().await;
    nodes.finish_split().await;
    nodes.write(ROWS..2 * ROWS).await;
    nodes.check_leaders().await;
    for node in 1..=3 {
        nodes.stop(node).await;
        nodes.restart(node).await;
        nodes.write([3 * ROWS + node as u32]).await;
    }
    nodes.check_leaders().await;
    nodes.wait_for_equal_replicas().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_away_makes_its_copy_from_the_log_and_is_not_begun_empty_before() {
    let mut nodes = Nodes::start().await;
    nodes.stop(3).await;
    nodes.begin_split().await;
    nodes.finish_split().await;
    nodes.check_leaders().await;
    for node in [1, 2] {
        nodes.stop(node).await;
    }

    nodes.restart(3).await;
    assert!(nodes.group(3, SHARD).is_some());
    assert!(
        nodes.group(3, CHILD).is_none(),
        "its rows would not be made"
    );
    for node in [1, 2] {
        nodes.restart(node).await;
    }
    nodes.wait_for_equal_replicas().await;
    nodes.write(ROWS..ROWS + 50).await;
    nodes.check_leaders().await;
}

/// More entries than a log keeps for members that lag.
const MANY_ENTRIES: u64 = 1_100;

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_sent_a_copy_from_after_the_split_is_sent_the_child_too() {
    let mut nodes = Nodes::start().await;
    nodes.stop(3).await;
    nodes.begin_split().await;
    wait_until("the child has a leader", || nodes.leads(CHILD)).await;
    let leader = |nodes: &Nodes| {
        let mut groups = [1, 2]
            .into_iter()
            .filter_map(|node| nodes.group(node, SHARD));
        groups.find(ShardGroup::readable_now)
    };
    let last_log = |nodes: &Nodes| leader(nodes).and_then(|group| group.status().last_log);
    let purged = |nodes: &Nodes| leader(nodes).and_then(|group| group.purged());
    // That of the split, or one of an election after it.
    let split = last_log(&nodes).unwrap();
    let below: Vec<u32> = (0..ROWS).filter(|number| !is_above(*number)).collect();
    while last_log(&nodes) < Some(split + MANY_ENTRIES) {
        for number in &below {
            let batch = upsert([*number]);
            write_to(nodes.running.values(), SHARD, batch).await;
        }
    }
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(
        purged(&nodes) < Some(split),
        "a member that is sent what is left would jump over the split"
    );

    nodes.finish_split().await;
    wait_until("the log is shortened", || purged(&nodes) > Some(split)).await;
    nodes.restart(3).await;
    nodes.wait_for_equal_replicas().await;
    nodes.check_leaders().await;
}

/// Holds up the node that is named in the middle of a split, as long as it is.
#[derive(Clone, Default)]
struct Hold(Arc<std::sync::atomic::AtomicU64>);

impl Hold {
    fn observer(&self, node: NodeId) -> StepObserver {
        let held = self.0.clone();
        StepObserver::new(move |step| {
            while step == "divided shard put in place"
                && held.load(std::sync::atomic::Ordering::SeqCst) == node
            {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        })
    }

    fn set(&self, node: NodeId) {
        self.0.store(node, std::sync::atomic::Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_slow_to_split_answers_no_read_from_before_it() {
    let hold = Hold::default();
    let mut nodes = Nodes::start_with(|node| StoreOptions {
        observer: hold.observer(node),
        ..small_segments()
    })
    .await;
    let mut ids = 1..=3;
    let leader = ids.find(|node| nodes.group(*node, SHARD).unwrap().readable_now());
    let leader = leader.unwrap();
    hold.set(leader);
    nodes.begin_split().await;
    wait_until("the child has a leader", || nodes.leads(CHILD)).await;
    let new = (ROWS..).find(|number| is_above(*number)).unwrap();
    write_to(nodes.running.values(), CHILD, upsert([new])).await;

    let slow = nodes.group(leader, SHARD).unwrap();
    assert!(slow.status().is_leader, "the test needs it to lead still");
    for consistency in [
        Consistency::Leader,
        Consistency::Linearizable,
        Consistency::Any,
    ] {
        let answer = slow.readable_view(consistency).await;
        assert!(
            answer.is_err(),
            "{consistency:?}: without what the child has"
        );
    }
    hold.set(0);
    nodes.rows.insert(new, vector(new));
    nodes.check_leaders().await;
    nodes.finish_split().await;
    nodes.wait_for_equal_replicas().await;
}

/// Copies the directory of a node after every step of its shards, from `begin` on.
#[derive(Clone, Default)]
struct Crashes {
    copies: Arc<Mutex<Vec<(&'static str, TempDir)>>>,
    begun: Arc<std::sync::atomic::AtomicBool>,
}

impl Crashes {
    fn observer(&self, directory: &Path) -> StepObserver {
        let (crashes, from) = (self.clone(), directory.to_owned());
        StepObserver::new(move |step| {
            if !crashes.begun.load(std::sync::atomic::Ordering::SeqCst) {
                return;
            }
            let copy = tempfile::tempdir().unwrap();
            // Files may go while they are copied: of that moment there is no copy.
            if try_copy_directory(&from, copy.path()).is_ok() {
                crashes.copies.lock().unwrap().push((step, copy));
            }
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_at_any_step_the_split_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let crashes = Crashes::default();
    let store = StoreOptions {
        observer: crashes.observer(directory.path()),
        ..small_segments()
    };
    let node = ShardNode::start(1, directory.path(), None, store).await;
    let mut map = map_of(&[(1, node.address)]);
    map.last_shard = SHARD;
    node.groups.reconcile(&map).await.unwrap();
    write_to([&node], SHARD, upsert(0..ROWS)).await;
    let sealed = || node.groups.get(SHARD).unwrap().shard().segments() > 0;
    wait_until("rows are sealed", sealed).await;
    write_to([&node], SHARD, delete([0])).await;
    write_to([&node], SHARD, upsert(1..20)).await;
    map.apply(&PlacementCommand::NoteFounded { shard: SHARD });
    let range = map.shards[&SHARD].range();
    map.apply(&PlacementCommand::BeginSplit {
        shard: SHARD,
        range,
        at: range.middle().unwrap(),
    });
    crashes
        .begun
        .store(true, std::sync::atomic::Ordering::SeqCst);
    node.groups.reconcile(&map).await.unwrap();
    wait_until("the child leads", || {
        let child = node.groups.get(CHILD);
        child.is_some_and(|child| child.readable_now())
    })
    .await;
    crashes
        .begun
        .store(false, std::sync::atomic::Ordering::SeqCst);
    node.stop().await;

    let copies = std::mem::take(&mut *crashes.copies.lock().unwrap());
    let steps: Vec<&str> = copies.iter().map(|(step, _)| *step).collect();
    for expected in ["segment linked", "divided shard put in place"] {
        assert!(steps.contains(&expected), "{steps:?}");
    }
    for (step, copy) in copies {
        let node = ShardNode::start(1, copy.path(), None, small_segments()).await;
        node.groups.reconcile(&map).await.unwrap();
        wait_until(&format!("it has split, stopped after {step}"), || {
            let [parent, child] = [SHARD, CHILD].map(|shard| node.groups.get(shard));
            child.is_some_and(|child| child.readable_now())
                && parent.is_some_and(|parent| parent.splits() == 1)
        })
        .await;
        let below = read_from([&node], SHARD, 0..ROWS).await;
        let above = read_from([&node], CHILD, 0..ROWS).await;
        for number in 0..ROWS {
            let expected = (number != 0).then(|| vector(number));
            let (right, wrong) = match is_above(number) {
                true => (&above[&number], &below[&number]),
                false => (&below[&number], &above[&number]),
            };
            assert_eq!(*right, expected, "id_{number} after {step}");
            assert_eq!(*wrong, None, "id_{number} after {step}");
        }
        node.stop().await;
    }
}
