//! The machines of a run, and what happens to them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use turmoil::Sim;
use vectra_server::config::Role;

use crate::chance::source;
use crate::clock;
use crate::host::{FOUNDERS, live};
use crate::schedule::{Event, Parting, Target};
use crate::world::World;
use rand::Rng;

/// Shard nodes at the beginning.
const SHARD_NODES: usize = 3;
/// One step of the simulated time.
pub(crate) const TICK: Duration = Duration::from_millis(2);
/// Messages that wait for a reader.
const READ_BUFFER: usize = 1 << 14;
/// The longest run there may be.
const LONGEST: Duration = Duration::from_secs(3_600);

/// A simulated cluster.
pub(crate) struct Cluster {
    sim: Sim<'static>,
    world: Arc<World>,
    machines: Vec<String>,
    down: BTreeSet<String>,
    crashed_last: Option<String>,
    shard_nodes: usize,
    coordinators: usize,
}

impl Cluster {
    pub(crate) fn new(world: Arc<World>) -> Self {
        let mut random = source(world.seed, "network");
        let slowest = random.random_range(2..=30);
        let sim = turmoil::Builder::new()
            .rng_seed(random.random())
            .simulation_duration(LONGEST)
            .tick_duration(TICK)
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(slowest))
            .tcp_capacity(READ_BUFFER)
            .enable_random_order()
            .build();
        let mut cluster = Self {
            sim,
            world,
            machines: Vec::new(),
            down: BTreeSet::new(),
            crashed_last: None,
            shard_nodes: 0,
            coordinators: 0,
        };
        for name in FOUNDERS {
            cluster.add(name.to_owned(), Role::Coordinator);
            cluster.coordinators += 1;
        }
        for _ in 0..SHARD_NODES {
            cluster.join_shard();
        }
        cluster
    }

    fn join_shard(&mut self) {
        self.shard_nodes += 1;
        self.add(format!("shard-{}", self.shard_nodes), Role::Shard);
    }

    fn add(&mut self, name: String, role: Role) {
        self.world.add(&name, role);
        let world = Arc::clone(&self.world);
        let host = name.clone();
        self.sim.host(name.as_str(), move || {
            live(Arc::clone(&world), host.clone(), role)
        });
        self.machines.push(name);
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.sim.elapsed()
    }

    /// Lets time go on by a tick. A node that gives up is a violation.
    pub(crate) fn step(&mut self) {
        if let Err(error) = self.sim.step() {
            self.world.violation(format!("no node gives up: {error}"));
        }
        clock::show(self.sim.elapsed());
    }

    /// Makes something happen.
    pub(crate) fn apply(&mut self, event: &Event) {
        self.world
            .trace
            .note(self.sim.elapsed(), &format!("{event:?}"));
        match event {
            Event::Crash(target) => {
                for name in self.chosen(*target) {
                    self.crash(&name);
                    self.crashed_last = Some(name);
                }
            }
            Event::CrashShards => self.crash_all(&self.world.names(Role::Shard)),
            Event::CrashAll => self.crash_all(&self.machines.clone()),
            Event::Start(target) => self.start(*target),
            Event::Lose(target) => self.lose(*target),
            Event::Part(parting) => self.part(*parting),
            Event::Heal => self.of_all_pairs(|sim, one, other| sim.repair(one, other)),
            Event::Stall(target) => {
                let stalled = self.chosen(*target);
                for (one, other) in self.pairs_between(&stalled) {
                    self.sim.hold(one.as_str(), other.as_str());
                }
            }
            Event::Resume => self.of_all_pairs(|sim, one, other| sim.release(one, other)),
            Event::SlowDisk(target, is_slow) => {
                for name in self.chosen(*target) {
                    if let Some(disk) = self.world.disk(&name) {
                        disk.set_slow(*is_slow);
                    }
                }
            }
            Event::JoinShard => self.join_shard(),
            Event::JoinCoordinator => {
                self.coordinators += 1;
                self.add(
                    format!("coordinator-{}", self.coordinators),
                    Role::Coordinator,
                );
            }
            Event::Drain(target) => self.drain(*target),
        }
    }

    fn crash_all(&mut self, names: &[String]) {
        for name in names {
            self.crash(name);
        }
    }

    fn crash(&mut self, name: &str) {
        if !self.down.insert(name.to_owned()) {
            return;
        }
        self.note(&format!("{name} crashes"));
        if let Some(disk) = self.world.disk(name)
            && let Err(error) = disk.cut_power()
        {
            self.world
                .violation(format!("the simulation's own disk fails: {error}"));
        }
        self.world.stopped(name);
        self.sim.crash(name);
    }

    fn start(&mut self, target: Target) {
        let names: Vec<String> = match target {
            Target::Last => self.crashed_last.iter().cloned().collect(),
            _ => self.down.iter().cloned().collect(),
        };
        for name in names {
            if self.world.expected().contains(&name) && self.down.remove(&name) {
                self.note(&format!("{name} starts"));
                if let Some(disk) = self.world.disk(&name) {
                    disk.restore_power();
                }
                self.sim.bounce(name.as_str());
            }
        }
    }

    /// Only a machine without which each shard could still have its three replicas. Where one is just being
    /// emptied, it is needed after all: then nobody wants that any more.
    fn lose(&mut self, target: Target) {
        let shard_nodes = self.world.names(Role::Shard);
        let names = self.chosen(target);
        if shard_nodes.len() <= SHARD_NODES {
            return;
        }
        for name in names {
            self.note(&format!("{name} is lost"));
            self.crash(&name);
            self.world.lost(&name);
        }
        let mut left = self.world.names(Role::Shard);
        left.retain(|name| !self.world.is_to_be_drained(name));
        if left.len() < SHARD_NODES {
            self.note("no machine is to be emptied any more");
            self.world.ask_to_keep_all();
        }
    }

    /// Only where enough shard nodes are left.
    fn drain(&mut self, target: Target) {
        let nodes = self.world.nodes();
        let map = nodes.values().map(|node| node.map().borrow().clone());
        let Some(map) = map.max_by_key(|map| map.version) else {
            return;
        };
        let kept = map.nodes.values().filter(|node| !node.draining).count();
        if kept <= SHARD_NODES || self.world.names(Role::Shard).len() <= SHARD_NODES {
            return;
        }
        for name in self.chosen(target) {
            if let Some(node) = nodes.get(&name) {
                self.note(&format!("{name} is to be emptied"));
                self.world.ask_to_drain(&name, node.id());
            }
        }
    }

    fn part(&mut self, parting: Parting) {
        let pairs = match parting {
            Parting::Alone(target) | Parting::Unheard(target) | Parting::Deaf(target) => {
                let chosen = self.chosen(target);
                self.pairs_between(&chosen)
            }
            Parting::FromPeers(number) => {
                let chosen = self.chosen(Target::Shard(number));
                let peers = self.world.names(Role::Shard);
                let pairs = self.pairs_between(&chosen);
                pairs
                    .into_iter()
                    .filter(|(_, other)| peers.contains(other))
                    .collect()
            }
            Parting::Pair(coordinator, shard) => {
                let mut chosen = self.chosen(Target::Coordinator(coordinator));
                chosen.extend(self.chosen(Target::Shard(shard)));
                self.pairs_between(&chosen)
            }
            Parting::Between(one, other) => {
                let (one, other) = (
                    self.chosen(Target::Shard(one)),
                    self.chosen(Target::Shard(other)),
                );
                let pairs = one.into_iter().zip(other);
                pairs.filter(|(one, other)| one != other).collect()
            }
        };
        for (one, other) in pairs {
            let (one, other) = (one.as_str(), other.as_str());
            match parting {
                Parting::Unheard(_) => self.sim.partition_oneway(one, other),
                Parting::Deaf(_) => self.sim.partition_oneway(other, one),
                _ => self.sim.partition(one, other),
            }
        }
    }

    fn chosen(&self, target: Target) -> Vec<String> {
        let of = |role: Role, number: usize| {
            let names = self.world.names(role);
            names
                .get(number % names.len().max(1))
                .cloned()
                .into_iter()
                .collect()
        };
        match target {
            Target::Shard(number) => of(Role::Shard, number),
            Target::Coordinator(number) => of(Role::Coordinator, number),
            Target::Last => self.crashed_last.iter().cloned().collect(),
            Target::All => self.machines.clone(),
        }
    }

    /// Each of these with each of the others.
    fn pairs_between(&self, side: &[String]) -> Vec<(String, String)> {
        let others: Vec<&String> = self
            .machines
            .iter()
            .filter(|name| !side.contains(name))
            .collect();
        let pairs = side.iter().flat_map(|one| {
            others
                .iter()
                .map(move |other| (one.clone(), (*other).clone()))
        });
        pairs.collect()
    }

    fn of_all_pairs(&self, change: impl Fn(&Sim<'static>, &str, &str)) {
        for (place, one) in self.machines.iter().enumerate() {
            for other in &self.machines[place + 1..] {
                change(&self.sim, one, other);
            }
        }
    }

    fn note(&self, what: &str) {
        self.world.trace.note(self.sim.elapsed(), what);
    }
}
