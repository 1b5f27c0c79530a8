//! A leader that slept (SIGSTOP), or was cut off from the other shard nodes, while another was elected
//! goes on believing that it leads: what was acknowledged meanwhile must be in every answer all the same.

use vectra_tests::http::{Api, Outcome};
#[cfg(target_os = "linux")]
use vectra_tests::links::Links;
#[cfg(target_os = "linux")]
use vectra_tests::placement::{Placement, node_at};
use vectra_tests::process::Vectra;
use vectra_tests::sandbox::Sandbox;
use vectra_tests::vectors::numbered;
use vectra_tests::wait::eventually;

const IDS: usize = 60;
/// One id of so many is fetched.
const STEP: usize = 11;

fn version(number: usize) -> Vec<Vec<f32>> {
    (0..IDS)
        .map(|row| vec![1.0, number as f32, row as f32])
        .collect()
}

fn ingest_until_acknowledged(api: &Api, ids: &[String], vectors: &[Vec<f32>]) {
    eventually("a write is acknowledged by the others", || {
        match api.try_ingest(ids, vectors) {
            Outcome::Acknowledged(_) => Ok(()),
            Outcome::Unknown(reason) => Err(reason),
        }
    });
}

/// Whatever is answered is of this version; that nothing is answered is no lie.
fn assert_never_older(apis: &[Api], ids: &[String], vectors: &[Vec<f32>]) -> usize {
    let mut answered = 0;
    for api in apis {
        for (id, vector) in ids.iter().zip(vectors).step_by(STEP) {
            if let Ok(found) = api.try_fetch(id) {
                assert_eq!(found.as_ref(), Some(vector), "{id} by {}", api.base());
                answered += 1;
            }
        }
        if let Ok(answer) = api.try_search(&vectors[0], 1_000) {
            assert_eq!(answer.hits.len(), ids.len(), "ids found by {}", api.base());
            let best = answer.hits[0].score;
            assert!(
                best > 0.999_999,
                "the best by {} is of an older version: {best}",
                api.base()
            );
            answered += 1;
        }
    }
    answered
}

/// Deposes these nodes in turn by what `begin` does to each and `end` ends; meanwhile, and after, nobody
/// answers from before.
fn depose(cluster: &Sandbox, victims: usize, begin: impl Fn(usize), end: impl Fn(usize)) {
    let apis: Vec<Api> = cluster.coordinators.iter().map(Vectra::api).collect();
    let ids = numbered("id-", IDS);
    ingest_until_acknowledged(&apis[0], &ids, &version(0));
    for victim in 0..victims {
        begin(victim);
        let newest = version(victim + 1);
        ingest_until_acknowledged(&apis[0], &ids, &newest);
        assert_never_older(&apis, &ids, &newest);
        end(victim);
        for _ in 0..20 {
            assert_never_older(&apis, &ids, &newest);
        }
        eventually("every coordinator answers again", || {
            let answered = assert_never_older(&apis, &ids, &newest);
            let wanted = apis.len() * (IDS.div_ceil(STEP) + 1);
            if answered == wanted {
                Ok(())
            } else {
                Err(format!("{answered} of {wanted}"))
            }
        });
    }
}

/// A short deadline: what cannot be answered is not waited for.
const SETTINGS: [(&str, &str); 2] = [("shards", "3"), ("http.timeout", "1s")];

#[test]
fn because_it_slept() {
    let cluster = Sandbox::start_with(3, 3, &SETTINGS);
    depose(
        &cluster,
        3,
        |victim| cluster.shards[victim].freeze(),
        |victim| cluster.shards[victim].thaw(),
    );
}

/// All coordinators reach it, and one of them reaches nobody else: so it is asked.
#[cfg(target_os = "linux")]
#[test]
fn because_its_followers_were_cut_off() {
    let links = Links::default();
    let cluster = Sandbox::start_linked(3, 3, &SETTINGS, &links);
    let ways = |victim: usize| {
        let gate = |one: usize| cluster.shards[one].grpc();
        let cut_off = [gate(victim), cluster.coordinators[2].grpc()];
        let others = (0..3).filter(move |one| *one != victim).map(gate);
        others.flat_map(move |other| {
            cut_off
                .into_iter()
                .flat_map(move |one| [(one, other), (other, one)])
        })
    };
    depose(
        &cluster,
        1,
        |victim| ways(victim).for_each(|(from, to)| links.cut(from, to)),
        |victim| {
            let address = cluster.shards[victim].grpc().to_string();
            eventually("the node that is cut off leads nothing", || {
                let found = cluster.api().try_cluster()?;
                let node = node_at(&found, &address).ok_or("it is not known")?;
                match Placement::of(&found).led[&node] {
                    0 => Ok(()),
                    led => Err(format!("it leads {led} shards")),
                }
            });
            ways(victim).for_each(|(from, to)| links.heal(from, to));
        },
    );
    links.end();
}
