//! What happens to a cluster: processes die, sleep and lose sight of each other, by a schedule that
//! follows from a seed.

use std::fmt;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;

use crate::links::Links;
use crate::process::Vectra;
use crate::sandbox::Sandbox;

/// The longest that a fault lasts: long enough for an election, and for what follows it.
const LONGEST: u64 = 6_000;
/// The last moment at which a fault begins.
const LATEST: u64 = 2_500;

/// A process of a cluster, by its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// A coordinator.
    Coordinator(usize),
    /// A shard node.
    Shard(usize),
}

/// Something that happens, and passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`, and a start on the same directory.
    Kill(Member),
    /// The same to every shard node at once.
    KillEveryShard,
    /// SIGSTOP, and SIGCONT.
    Freeze(Member),
    /// Nothing passes between it and the other processes.
    Isolate(Member),
    /// It hears none of the others, and they hear it.
    Deafen(Member),
    /// None of the others hears it, and it hears them.
    Mute(Member),
    /// Nothing passes between it and the others of its kind.
    CutOffFromPeers(Member),
    /// Nothing passes between these two and the rest.
    Split(Member, Member),
    /// Nothing passes between these two.
    Part(Member, Member),
}

/// A fault in its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// What happens.
    pub fault: Fault,
    /// How long after the beginning of the round.
    pub after: Duration,
    /// How long it lasts.
    pub lasting: Duration,
}

/// The faults of one round: one to three that may overlap, in a cluster of so many processes.
pub fn schedule(random: &mut StdRng, coordinators: usize, shards: usize) -> Vec<Strike> {
    let count = random.random_range(1..=3);
    let mut strikes: Vec<Strike> = Vec::with_capacity(count);
    while strikes.len() < count {
        let strike = Strike {
            fault: any_fault(random, coordinators, shards),
            after: Duration::from_millis(random.random_range(300..LATEST)),
            lasting: Duration::from_millis(random.random_range(200..LONGEST)),
        };
        // A dead process cannot sleep.
        let is_possible = strikes.iter().all(|other| !strike.fault.meets(other.fault));
        if is_possible {
            strikes.push(strike);
        }
    }
    strikes
}

fn any_fault(random: &mut StdRng, coordinators: usize, shards: usize) -> Fault {
    // Shard nodes twice as often as coordinators: theirs is the data.
    let member = |random: &mut StdRng| match random.random_range(0..3) {
        0 => Member::Coordinator(random.random_range(0..coordinators)),
        _ => Member::Shard(random.random_range(0..shards)),
    };
    let victim = member(random);
    match random.random_range(0..20) {
        0..3 => Fault::Kill(victim),
        3..5 => Fault::KillEveryShard,
        5..8 => Fault::Freeze(victim),
        8..10 => Fault::Isolate(victim),
        10..12 => Fault::Deafen(victim),
        12..14 => Fault::Mute(victim),
        // Where a leader goes on believing that it leads, and is asked.
        14..16 => Fault::CutOffFromPeers(victim),
        16..19 => Fault::Split(
            Member::Coordinator(random.random_range(0..coordinators)),
            Member::Shard(random.random_range(0..shards)),
        ),
        _ => loop {
            let other = member(random);
            if other != victim {
                return Fault::Part(victim, other);
            }
        },
    }
}

impl Fault {
    /// Whether both are about the life of one process.
    fn meets(self, other: Self) -> bool {
        match self {
            Self::Kill(victim) | Self::Freeze(victim) => other.stops(victim),
            Self::KillEveryShard => matches!(
                other,
                Self::KillEveryShard
                    | Self::Kill(Member::Shard(_))
                    | Self::Freeze(Member::Shard(_))
            ),
            _ => false,
        }
    }

    fn stops(self, member: Member) -> bool {
        match self {
            Self::Kill(victim) | Self::Freeze(victim) => victim == member,
            Self::KillEveryShard => matches!(member, Member::Shard(_)),
            _ => false,
        }
    }
}

/// Lets everything of the schedule happen and pass, and tells each of it as it does. Returns when
/// all processes run and nothing is cut.
pub fn strike(
    cluster: &mut Sandbox,
    links: &Links,
    strikes: &[Strike],
    mut tell: impl FnMut(String),
) {
    let mut moments: Vec<(Duration, bool, Fault)> = strikes
        .iter()
        .flat_map(|strike| {
            let end = strike.after + strike.lasting;
            [
                (strike.after, true, strike.fault),
                (end, false, strike.fault),
            ]
        })
        .collect();
    moments.sort_by_key(|(at, ..)| *at);
    let start = Instant::now();
    for (at, begins, fault) in moments {
        thread::sleep(at.saturating_sub(start.elapsed()));
        if begins {
            tell(format!("{fault}"));
            begin(cluster, links, fault);
        } else {
            end(cluster, links, fault);
            tell(format!("{fault}: over"));
        }
    }
}

fn begin(cluster: &mut Sandbox, links: &Links, fault: Fault) {
    match fault {
        Fault::Kill(victim) => process(cluster, victim).kill(),
        Fault::KillEveryShard => cluster.shards.iter_mut().for_each(Vectra::kill),
        Fault::Freeze(victim) => process(cluster, victim).freeze(),
        _ => {
            for (from, to) in directions(cluster, fault) {
                links.cut(from, to);
            }
        }
    }
}

fn end(cluster: &mut Sandbox, links: &Links, fault: Fault) {
    match fault {
        Fault::Kill(victim) => process(cluster, victim).spawn(),
        Fault::KillEveryShard => cluster.shards.iter_mut().for_each(Vectra::spawn),
        Fault::Freeze(victim) => process(cluster, victim).thaw(),
        _ => {
            for (from, to) in directions(cluster, fault) {
                links.heal(from, to);
            }
        }
    }
}

/// The directions that a fault cuts, by gates.
fn directions(cluster: &Sandbox, fault: Fault) -> Vec<(SocketAddr, SocketAddr)> {
    let gate = |member| match member {
        Member::Coordinator(place) => cluster.coordinators[place].grpc(),
        Member::Shard(place) => cluster.shards[place].grpc(),
    };
    let all = cluster.coordinators.iter().chain(&cluster.shards);
    let others = |victim| {
        all.clone()
            .map(Vectra::grpc)
            .filter(move |one| *one != victim)
    };
    let into = |victim| others(victim).map(move |other| (other, victim));
    let out_of = |victim| others(victim).map(move |other| (victim, other));
    match fault {
        Fault::Isolate(victim) => {
            let victim = gate(victim);
            into(victim).chain(out_of(victim)).collect()
        }
        Fault::Deafen(victim) => into(gate(victim)).collect(),
        Fault::Mute(victim) => out_of(gate(victim)).collect(),
        Fault::CutOffFromPeers(victim) => {
            let peers = match victim {
                Member::Coordinator(_) => &cluster.coordinators,
                Member::Shard(_) => &cluster.shards,
            };
            let victim = gate(victim);
            let peers = peers
                .iter()
                .map(Vectra::grpc)
                .filter(|peer| *peer != victim);
            peers
                .flat_map(|peer| [(peer, victim), (victim, peer)])
                .collect()
        }
        Fault::Split(one, other) => {
            let side = [gate(one), gate(other)];
            let rest = all.map(Vectra::grpc).filter(|gate| !side.contains(gate));
            rest.flat_map(|far| {
                side.into_iter()
                    .flat_map(move |near| [(near, far), (far, near)])
            })
            .collect()
        }
        Fault::Part(one, other) => {
            let (one, other) = (gate(one), gate(other));
            vec![(one, other), (other, one)]
        }
        Fault::Kill(_) | Fault::KillEveryShard | Fault::Freeze(_) => Vec::new(),
    }
}

fn process(cluster: &mut Sandbox, member: Member) -> &mut Vectra {
    match member {
        Member::Coordinator(place) => &mut cluster.coordinators[place],
        Member::Shard(place) => &mut cluster.shards[place],
    }
}

impl fmt::Display for Member {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Coordinator(place) => write!(to, "coordinator-{}", place + 1),
            Self::Shard(place) => write!(to, "shard-{}", place + 1),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(victim) => write!(to, "kill {victim}"),
            Self::KillEveryShard => write!(to, "kill every shard node"),
            Self::Freeze(victim) => write!(to, "freeze {victim}"),
            Self::Isolate(victim) => write!(to, "isolate {victim}"),
            Self::Deafen(victim) => write!(to, "deafen {victim}"),
            Self::Mute(victim) => write!(to, "mute {victim}"),
            Self::CutOffFromPeers(victim) => write!(to, "cut {victim} off from its peers"),
            Self::Split(one, other) => write!(to, "split {one} and {other} from the rest"),
            Self::Part(one, other) => write!(to, "part {one} and {other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::seeded;

    #[test]
    fn a_seed_gives_one_schedule() {
        let rounds = |seed| {
            let mut random = seeded(seed);
            (0..50)
                .map(|_| schedule(&mut random, 3, 3))
                .collect::<Vec<_>>()
        };
        assert_eq!(rounds(7), rounds(7));
        assert_ne!(rounds(7), rounds(8));
    }

    #[test]
    fn no_process_is_struck_twice_at_once() {
        let mut random = seeded(1);
        for _ in 0..1_000 {
            let strikes = schedule(&mut random, 3, 3);
            for (place, one) in strikes.iter().enumerate() {
                for other in &strikes[place + 1..] {
                    assert!(!one.fault.meets(other.fault), "{strikes:?}");
                    assert!(!other.fault.meets(one.fault), "{strikes:?}");
                }
            }
        }
    }
}
