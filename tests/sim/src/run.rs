//! One seed from beginning to end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use vectra_cluster::PlacementMap;
use vectra_server::config::Role;

use crate::cluster::Cluster;
use crate::history::Figures;
use crate::invariants::{one_owner_of_an_id, placement_converges, replicas_are_equal};
use crate::schedule::schedule;
use crate::trace::Trace;
use crate::world::{Stage, World};

/// How long the placement may take to come to rest, dead nodes replaced and all.
const CONVERGENCE: Duration = Duration::from_secs(180);
/// How long it must then stay so.
const AT_REST: Duration = Duration::from_secs(3);
/// How long the last reads may take.
const LAST_READS: Duration = Duration::from_secs(120);
/// How often maps and replicas are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What became of a seed.
pub(crate) struct Report {
    pub(crate) digest: u64,
    pub(crate) events: u64,
    pub(crate) lasted: Duration,
    pub(crate) figures: Figures,
    pub(crate) snapshot_bytes: u64,
    pub(crate) violations: Vec<String>,
}

/// Runs a seed, up to the first violation.
pub(crate) fn run(seed: u64, trace: Trace) -> std::io::Result<Report> {
    // Two runs of a seed draw the same name, and the second would draw once more where that one is taken.
    let of_this_process = format!("vectra-simulation-{}-", std::process::id());
    let directory = tempfile::Builder::new()
        .prefix(&of_this_process)
        .tempdir()?;
    // Nodes tell each other of their files in what they report: those must have the same names each time.
    std::env::set_current_dir(directory.path())?;
    let world = World::new(seed, trace.clone());
    let mut run = Run {
        cluster: Cluster::new(Arc::clone(&world)),
        world: Arc::clone(&world),
        maps: BTreeMap::new(),
        looked: Duration::ZERO,
        sent: BTreeMap::new(),
    };
    run.work();
    if run.is_sound() {
        run.come_to_rest();
    }
    if run.is_sound() {
        run.read_all();
    }
    run.explain();
    let lasted = run.cluster.elapsed();
    let snapshot_bytes = run.sent.values().sum();
    let (figures, violations) =
        world.history(|history| (history.figures, history.violations.clone()));
    let (digest, events) = trace.digest();
    Ok(Report {
        digest,
        events,
        lasted,
        figures,
        snapshot_bytes,
        violations,
    })
}

struct Run {
    cluster: Cluster,
    world: Arc<World>,
    /// The shape of each version of the map, as whoever knew it first told it.
    maps: BTreeMap<u64, Arc<PlacementMap>>,
    looked: Duration,
    /// Bytes of snapshots that each run of each node has sent.
    sent: BTreeMap<(String, u64), u64>,
}

impl Run {
    fn is_sound(&self) -> bool {
        self.world.history(|history| history.violations.is_empty())
    }

    /// Says with the violations what every replica is and holds.
    fn explain(&self) {
        if self.is_sound() {
            return;
        }
        let ids = self.world.history(|history| history.violated_ids());
        for (name, node) in self.world.nodes() {
            let map = node.map().borrow().clone();
            let groups = node
                .leaf()
                .map(|leaf| leaf.groups().all())
                .unwrap_or_default();
            let mut text = format!("{name} is node {}, map {}", node.id(), map.version);
            for (shard, group) in groups {
                let status = group.status();
                text += &format!(
                    "\n  shard {shard}: term {}, leader {:?}, last {:?}, applied {:?}, voters {:?}",
                    status.term, status.leader, status.last_log, status.applied, status.voters
                );
                for id in &ids {
                    if map.shard_of("default", id) == Some(shard) {
                        let vector = group.shard().view().find(id).ok().flatten();
                        let found = self
                            .world
                            .history(|history| vector.map(|vector| history.version_of(&vector)));
                        text += &format!("\n    {id}: {found:?}");
                    }
                }
            }
            self.world.trace.note(self.cluster.elapsed(), &text);
        }
    }

    fn work(&mut self) {
        let mut events = schedule(self.world.seed).into_iter().peekable();
        while self.is_sound() {
            while let Some((_, event)) = events.next_if(|(at, _)| *at <= self.cluster.elapsed()) {
                self.cluster.apply(&event);
            }
            if events.peek().is_none() {
                return;
            }
            self.step();
        }
    }

    /// The placement must come to rest under load first, for that is how it should; then without.
    fn come_to_rest(&mut self) {
        let began = self.cluster.elapsed();
        let mut at_rest_since = None;
        while self.is_sound() {
            self.step();
            let elapsed = self.cluster.elapsed();
            if self.world.stage() == Stage::Work && elapsed > began + Duration::from_secs(5) {
                self.world.set_stage(Stage::Rest);
            }
            if self.looked != elapsed || self.world.stage() == Stage::Work {
                continue;
            }
            match placement_converges::check(&self.world) {
                Ok(()) => {
                    let since = *at_rest_since.get_or_insert(elapsed);
                    if elapsed - since >= AT_REST {
                        break;
                    }
                }
                Err(reason) if elapsed > began + CONVERGENCE => {
                    let violation =
                        format!("the placement converges: after {CONVERGENCE:?}, {reason}");
                    self.world.violation(violation);
                }
                Err(_) => at_rest_since = None,
            }
        }
        if !self.is_sound() {
            return;
        }
        self.world.trace.note(self.cluster.elapsed(), "at rest");
        if let Err(reason) = replicas_are_equal::check(&self.world) {
            self.world
                .violation(format!("replicas are equal: {reason}"));
        }
        if let Err(reason) = one_owner_of_an_id::check_rows(&self.world) {
            self.world
                .violation(format!("one owner of an id: {reason}"));
        }
    }

    fn read_all(&mut self) {
        self.world.set_stage(Stage::LastReads);
        let until = self.cluster.elapsed() + LAST_READS;
        let coordinators = self.world.names(Role::Coordinator).len();
        while self.is_sound() && self.world.have_read_all() < coordinators {
            if self.cluster.elapsed() > until {
                self.world
                    .violation("the placement converges: the last reads do not end".to_owned());
            }
            self.step();
        }
    }

    fn step(&mut self) {
        self.cluster.step();
        let elapsed = self.cluster.elapsed();
        if elapsed - self.looked >= LOOK {
            self.looked = elapsed;
            self.look();
        }
    }

    /// Whatever any node knows must be sound at any moment.
    fn look(&mut self) {
        for (name, node) in self.world.nodes() {
            if let Some(leaf) = node.leaf() {
                // Counted since the node's start, so a smaller figure is of another one.
                let sent = leaf.sent_bytes();
                let run = self.sent.keys().filter(|(of, _)| *of == name).count() as u64;
                let last = self
                    .sent
                    .get(&(name.clone(), run.saturating_sub(1)))
                    .copied();
                let run = match last {
                    Some(last) if sent >= last => run - 1,
                    _ => run,
                };
                self.sent.insert((name.clone(), run), sent);
            }
            let map = node.map().borrow().clone();
            let known = self.maps.entry(map.version).or_insert_with(|| {
                if let Err(reason) = one_owner_of_an_id::check_map(&map) {
                    self.world
                        .violation(format!("one owner of an id: {name}: {reason}"));
                }
                Arc::clone(&map)
            });
            if *known != map {
                let version = map.version;
                self.world.violation(format!(
                    "one owner of an id: two maps of version {version}: {known:?} and {map:?} at {name}"
                ));
            }
        }
    }
}
