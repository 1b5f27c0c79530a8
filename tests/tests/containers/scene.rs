//! A cluster under load, and who struck it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use vectra_tests::containers::invariants::{nothing_acknowledged_is_lost, replicas_hold_the_same};
use vectra_tests::containers::traffic::{DIMENSION, Manners, Writer, search_until};
use vectra_tests::containers::{Cluster, Front, Record};
use vectra_tests::model::Model;
use vectra_tests::skip::skipped;
use vectra_tests::until::Until;
use vectra_tests::vectors::{numbered, random_vectors, seeded};

/// Rows that are there before anything happens, and that nobody touches.
const ROWS: usize = 300;
const SEARCHERS: u64 = 2;
const WRITERS: u64 = 2;

/// A cluster, its balancer, and all that was ever written to it.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    pub(crate) front: Front,
    pub(crate) model: Mutex<Model>,
    seed: u64,
    _alone: MutexGuard<'static, ()>,
}

impl Scene {
    /// Starts a cluster with some rows, one at a time on this machine. `None` where it cannot, which it
    /// says.
    pub(crate) fn start(what: &str) -> Option<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = match Cluster::start() {
            Ok(cluster) => cluster,
            Err(reason) => {
                skipped(what, &reason);
                return None;
            }
        };
        let mut model = Model::default();
        let ids = numbered("row-", ROWS);
        let vectors = random_vectors(&mut seeded(1), ROWS, DIMENSION);
        cluster.apis()[0].ingest(&ids, &vectors);
        model.ingested(&ids, &vectors);
        cluster.wait_until_whole();
        Some(Self {
            front: Front::new(&cluster.urls()),
            cluster,
            model: Mutex::new(model),
            seed: 100,
            _alone: alone,
        })
    }

    /// What clients meet with while `happens`.
    pub(crate) fn under_load(
        &mut self,
        manners: Manners,
        happens: impl FnOnce(&Cluster),
    ) -> Record {
        self.front.wait_for_all();
        self.seed += SEARCHERS + WRITERS;
        let seed = self.seed;
        let record = Mutex::new(Record::default());
        let end = Until::default();
        let Self {
            cluster,
            front,
            model,
            ..
        } = &*self;
        let (end, record_of) = (&end, &record);
        thread::scope(|clients| {
            let _ends = end.dropped();
            for client in 0..SEARCHERS {
                let random = seeded(seed + client);
                clients.spawn(move || search_until(end, front, manners, random, record_of));
            }
            for client in 0..WRITERS {
                let random = seeded(seed + SEARCHERS + client);
                let writer = Writer {
                    front,
                    manners,
                    name: format!("writer-{client}"),
                    model,
                    record: record_of,
                };
                clients.spawn(move || writer.write_until(end, random));
            }
            happens(cluster);
        });
        record.into_inner().unwrap()
    }

    /// What must hold once nobody writes any more.
    #[track_caller]
    pub(crate) fn check_what_is_stored(&self) {
        self.cluster.wait_until_whole();
        self.front.wait_for_all();
        nothing_acknowledged_is_lost(&self.front, &mut self.model.lock().unwrap());
        replicas_hold_the_same(&self.front, self.cluster.shards.len());
    }
}
