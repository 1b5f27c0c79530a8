//! What goes wrong, and when: all of it drawn from the seed before anything begins.
//!
//! Network faults come one after the other (turmoil cannot hold and drop messages of one link at the same
//! time); crashes, slow disks, joins and drains may come on top of them and of each other.

use std::time::Duration;

use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

use crate::chance::{happens, source};

/// Nothing goes wrong before the cluster is founded and has data.
const FIRST: Duration = Duration::from_secs(6);
/// How long faults come.
const FAULTS: Duration = Duration::from_secs(40);

/// Something that happens to the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The power of one machine fails; what was not synced is gone.
    Crash(Target),
    /// The power of all shard nodes fails at the same moment.
    CrashShards,
    /// The power of every machine fails at the same moment.
    CrashAll,
    /// Machines that are down start again, this one or all.
    Start(Target),
    /// A machine burns down. Where that would lose acknowledged data, nothing happens.
    Lose(Target),
    /// Messages between two sides are dropped.
    Part(Parting),
    /// All messages pass again.
    Heal,
    /// What a machine sends and is sent waits: nothing is lost, nothing arrives.
    Stall(Target),
    /// What waited arrives.
    Resume,
    /// A disk becomes slow, or fast again.
    SlowDisk(Target, bool),
    /// A new shard node joins.
    JoinShard,
    /// A new coordinator joins.
    JoinCoordinator,
    /// A shard node is emptied.
    Drain(Target),
}

/// A machine, chosen when the event happens among those that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The shard node with this number, counted round.
    Shard(usize),
    /// The coordinator with this number, counted round.
    Coordinator(usize),
    /// The one that was chosen last for a crash.
    Last,
    /// All.
    All,
}

/// Who does not hear whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parting {
    /// One machine and all others.
    Alone(Target),
    /// All others do not hear this one.
    Unheard(Target),
    /// This one does not hear the others.
    Deaf(Target),
    /// A shard node and the other shard nodes; coordinators are heard.
    FromPeers(usize),
    /// A coordinator together with a shard node, and the rest.
    Pair(usize, usize),
    /// Two shard nodes and each other.
    Between(usize, usize),
}

/// The events of a seed, in order.
pub(crate) fn schedule(seed: u64) -> Vec<(Duration, Event)> {
    let mut random = source(seed, "schedule");
    let mut events = Vec::new();
    let end = FIRST + FAULTS;
    network(&mut random, end, &mut events);
    crashes(&mut random, end, &mut events);
    disks(&mut random, end, &mut events);
    changes(&mut random, &mut events);
    events.push((end, Event::Heal));
    events.push((end, Event::Resume));
    events.push((end, Event::SlowDisk(Target::All, false)));
    events.push((end, Event::Start(Target::All)));
    events.sort_by_key(|(at, _)| *at);
    events
}

fn network(random: &mut SmallRng, end: Duration, events: &mut Vec<(Duration, Event)>) {
    let mut at = FIRST + millis(random, 0..5_000);
    while at < end {
        let lasts = millis(random, 300..9_000);
        let (begins, ends) = if happens(random, 0.25) {
            (Event::Stall(machine(random)), Event::Resume)
        } else {
            (Event::Part(parting(random)), Event::Heal)
        };
        events.push((at, begins));
        events.push(((at + lasts).min(end), ends));
        at += lasts + millis(random, 500..8_000);
    }
}

fn crashes(random: &mut SmallRng, end: Duration, events: &mut Vec<(Duration, Event)>) {
    let mut at = FIRST + millis(random, 0..8_000);
    while at < end {
        let down = millis(random, 200..6_000);
        let (crash, restarts) = match random.random_range(0..10) {
            0 => (Event::CrashAll, Target::All),
            1 | 2 => (Event::CrashShards, Target::All),
            _ => (Event::Crash(machine(random)), Target::Last),
        };
        events.push((at, crash));
        // Sometimes for so long that it is replaced meanwhile.
        let stays_down = restarts == Target::Last && happens(random, 0.15);
        if !stays_down {
            events.push(((at + down).min(end), Event::Start(restarts)));
        }
        at += down + millis(random, 500..9_000);
    }
}

fn disks(random: &mut SmallRng, end: Duration, events: &mut Vec<(Duration, Event)>) {
    let mut at = FIRST + millis(random, 0..15_000);
    while at < end {
        let lasts = millis(random, 1_000..10_000);
        events.push((at, Event::SlowDisk(machine(random), true)));
        events.push(((at + lasts).min(end), Event::SlowDisk(Target::All, false)));
        at += lasts + millis(random, 2_000..15_000);
    }
}

/// What is asked of the cluster while all this goes on.
fn changes(random: &mut SmallRng, events: &mut Vec<(Duration, Event)>) {
    let moment = |random: &mut SmallRng| FIRST + millis(random, 0..30_000);
    for _ in 0..random.random_range(0..=2) {
        events.push((moment(random), Event::JoinShard));
    }
    if happens(random, 0.3) {
        events.push((moment(random), Event::JoinCoordinator));
    }
    if happens(random, 0.4) {
        let target = Target::Shard(random.random_range(0..8));
        events.push((moment(random), Event::Drain(target)));
    }
    if happens(random, 0.15) {
        let target = Target::Shard(random.random_range(0..8));
        events.push((moment(random), Event::Lose(target)));
    }
}

fn machine(random: &mut SmallRng) -> Target {
    let number = random.random_range(0..8);
    if happens(random, 0.7) {
        Target::Shard(number)
    } else {
        Target::Coordinator(number)
    }
}

fn parting(random: &mut SmallRng) -> Parting {
    let (one, other) = (random.random_range(0..8), random.random_range(0..8));
    let kinds = [
        Parting::Alone(machine(random)),
        Parting::Unheard(machine(random)),
        Parting::Deaf(machine(random)),
        Parting::FromPeers(one),
        Parting::Pair(one, other),
        Parting::Between(one, other),
    ];
    kinds
        .choose(random)
        .copied()
        .unwrap_or(Parting::FromPeers(one))
}

fn millis(random: &mut SmallRng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(random.random_range(range))
}
