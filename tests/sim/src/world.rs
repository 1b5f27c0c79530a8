//! What the simulation knows of its nodes and clients, whatever they know themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vectra_cluster::NodeId;
use vectra_server::config::Role;
use vectra_server::node::Node;

use crate::disk::Disk;
use crate::history::History;
use crate::trace::Trace;

/// How far the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Clients read and write.
    Work,
    /// They rest.
    Rest,
    /// Each coordinator is asked for everything.
    LastReads,
}

/// What all of the simulation shares.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) trace: Trace,
    state: Mutex<State>,
}

struct State {
    stage: Stage,
    roles: BTreeMap<String, Role>,
    disks: BTreeMap<String, Disk>,
    running: BTreeMap<String, Node>,
    lost: BTreeSet<String>,
    /// The machines that are to be emptied, or no longer: which nodes they are, and whether.
    drains: BTreeMap<String, (NodeId, bool)>,
    finished: BTreeSet<String>,
    history: History,
}

impl World {
    pub(crate) fn new(seed: u64, trace: Trace) -> Arc<Self> {
        Arc::new(Self {
            seed,
            trace,
            state: Mutex::new(State {
                stage: Stage::Work,
                roles: BTreeMap::new(),
                disks: BTreeMap::new(),
                running: BTreeMap::new(),
                lost: BTreeSet::new(),
                drains: BTreeMap::new(),
                finished: BTreeSet::new(),
                history: History::default(),
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node that is about to start for the first time.
    pub(crate) fn add(&self, name: &str, role: Role) {
        let random = crate::chance::source(self.seed, &format!("disk of {name}"));
        let mut state = self.state();
        state.roles.insert(name.to_owned(), role);
        state.disks.insert(name.to_owned(), Disk::new(random));
    }

    /// The names of the nodes of a role that are not lost.
    pub(crate) fn names(&self, role: Role) -> Vec<String> {
        let state = self.state();
        let of_role = state.roles.iter().filter(|(_, found)| **found == role);
        of_role
            .map(|(name, _)| name.clone())
            .filter(|name| !state.lost.contains(name))
            .collect()
    }

    /// Every node that should run when all faults are over.
    pub(crate) fn expected(&self) -> BTreeSet<String> {
        let state = self.state();
        let all = state.roles.keys().cloned();
        all.filter(|name| !state.lost.contains(name)).collect()
    }

    pub(crate) fn disk(&self, name: &str) -> Option<Disk> {
        self.state().disks.get(name).cloned()
    }

    pub(crate) fn started(&self, name: &str, node: Node) {
        self.state().running.insert(name.to_owned(), node);
    }

    /// It runs no more; whoever holds it still lets go of it.
    pub(crate) fn stopped(&self, name: &str) {
        let stopped = self.state().running.remove(name);
        drop(stopped);
    }

    /// It runs no more and never will again.
    pub(crate) fn lost(&self, name: &str) {
        self.stopped(name);
        self.state().lost.insert(name.to_owned());
    }

    /// The nodes that run.
    pub(crate) fn nodes(&self) -> BTreeMap<String, Node> {
        self.state().running.clone()
    }

    pub(crate) fn stage(&self) -> Stage {
        self.state().stage
    }

    pub(crate) fn set_stage(&self, stage: Stage) {
        self.state().stage = stage;
    }

    /// The clients shall have this machine emptied.
    pub(crate) fn ask_to_drain(&self, name: &str, node: NodeId) {
        let wanted = (node, true);
        self.state().drains.insert(name.to_owned(), wanted);
    }

    /// The clients shall have every machine used again that was to be emptied.
    pub(crate) fn ask_to_keep_all(&self) {
        let mut state = self.state();
        for (_, is_wanted) in state.drains.values_mut() {
            *is_wanted = false;
        }
    }

    pub(crate) fn is_to_be_drained(&self, name: &str) -> bool {
        let state = self.state();
        state.drains.get(name).is_some_and(|(_, wanted)| *wanted)
    }

    /// The nodes that are to be emptied, or no longer, and that this coordinator does not know that of.
    pub(crate) fn drains_to_ask_for(&self, coordinator: &str) -> Vec<(NodeId, bool)> {
        let state = self.state();
        let Some(node) = state.running.get(coordinator) else {
            return Vec::new();
        };
        let map = node.map();
        let map = map.borrow();
        let is_news = |(node, wanted): &(NodeId, bool)| {
            let known = map.nodes.get(node);
            known.is_some_and(|known| known.draining != *wanted)
        };
        state.drains.values().copied().filter(is_news).collect()
    }

    /// A coordinator has been asked for everything.
    pub(crate) fn has_read_all(&self, name: &str) {
        self.state().finished.insert(name.to_owned());
    }

    pub(crate) fn have_read_all(&self) -> usize {
        self.state().finished.len()
    }

    /// Does something with the history.
    pub(crate) fn history<T>(&self, with: impl FnOnce(&mut History) -> T) -> T {
        with(&mut self.state().history)
    }

    pub(crate) fn violation(&self, what: String) {
        self.history(|history| history.violations.push(what));
    }
}

/// The time of the simulation, inside of a node.
pub(crate) fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}
