//! Opens one replica and starts its group.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use openraft::{Raft, SnapshotPolicy};
use vectra_store::{Shard, StoreError};

use super::Candidacy;
use super::beat::heartbeats;
use super::election_gate::ElectionGate;
use super::following::Following;
use super::founding::initialize;
use super::freshness::Freshness;
use super::handover::TakingOver;
use super::keeper::Keeper;
use super::leaders::tell_of_leaders;
use super::members::Members;
use super::proposer::Proposer;
use super::read_rounds::ReadRounds;
use super::replay::replay;
use super::shard::Inner;
use super::{Fault, ShardGroup, ShardGroups};
use crate::log::{AtOpen, GroupLog};
use crate::machine::ShardMachine;
use crate::network::{Lease, Office, Peers, Transfers, Voucher, group_of};
use crate::{ShardId, placement};

impl ShardGroups {
    /// Opens the replica of a shard, brings it up to date, and starts its group.
    pub(super) async fn start(
        &self,
        id: ShardId,
        placed: &placement::Shard,
        dimension: usize,
    ) -> Result<ShardGroup, Fault> {
        let host = &self.host;
        let directory = self.directory_of(id);
        let options = host.store.clone();
        let workers = host.engine.workers();
        let shard = workers
            .run("open", move || Shard::open(&directory, dimension, options))
            .await
            .map_err(Fault::passing)?
            .map_err(|error| match error {
                StoreError::Damaged { .. } => Fault::damage(error),
                _ => Fault::passing(error),
            })?;
        let shard = Arc::new(shard);

        let machine = ShardMachine::new(shard.clone(), self.children())
            .map_err(Fault::damage)?
            .with_workers(workers.clone());
        let progress = machine.progress();
        let log = GroupLog::open(&host.engine, group_of(id))
            .await
            .map_err(Fault::passing)?;
        log.check_reaches(machine.last_applied())
            .map_err(Fault::damage)?;
        replay(&log, &machine, &shard)
            .await
            .map_err(Fault::passing)?;
        let at_open = AtOpen {
            vote: log.vote(),
            last: log.last_index(),
        };
        let lease = Lease::default();
        let voucher = Voucher::default();
        let transfers = Transfers::default();
        let peers = Peers {
            network: host.network.clone(),
            group: group_of(id),
            lease: lease.clone(),
            voucher: voucher.clone(),
            transfers: transfers.clone(),
            workers: workers.clone(),
        };
        // Checkpoints and purges are the keeper's.
        let config = host
            .timing
            .raft_config(format!("shard-{id}"), SnapshotPolicy::Never, u64::MAX)
            .map_err(Fault::passing)?;
        let raft = Raft::new(host.node, config, peers, log.clone(), machine.clone())
            .await
            .map_err(Fault::passing)?;
        voucher.take(Office {
            node: host.node,
            metrics: raft.metrics(),
            lease: lease.clone(),
            length: host.timing.read_lease(),
            at_open,
        });

        let keeper = Keeper {
            raft: raft.clone(),
            shard: shard.clone(),
            progress: progress.clone(),
            engine: host.engine.clone(),
            transfers: transfers.clone(),
            log: log.clone(),
            maps: host.map.subscribe(),
            growing: host.growing.join(id, shard.clone(), progress.clone()),
            name: format!("shard-{id}"),
        };
        let following = Following::new(host.node, lease.clone(), host.timing);
        let proposer = Proposer::start(
            raft.clone(),
            shard.clone(),
            progress.clone(),
            host.growing.clone(),
            following.clone(),
        );
        let settled = Arc::new(AtomicU64::new(0));
        let members = Members {
            node: host.node,
            shard: id,
            raft: raft.clone(),
            proposer: proposer.clone(),
            lease: lease.clone(),
            network: host.network.clone(),
            maps: host.map.subscribe(),
            progress: progress.clone(),
            settled: settled.clone(),
            beat: host.beat,
        };
        let replicas = BTreeSet::from_iter(placed.replicas.iter().copied());
        let is_first = placed.replicas.first() == Some(&host.node);
        let patience = if is_first {
            Duration::ZERO
        } else {
            2 * host.timing.election_max
        };
        let candidacy = Candidacy {
            node: host.node,
            group: group_of(id),
            raft: raft.clone(),
            log: log.clone(),
            network: host.network.clone(),
            lease: lease.clone(),
            timing: host.timing,
            gate: ElectionGate::new(),
        };
        let mut tasks = vec![
            tokio::spawn(keeper.run()).abort_handle(),
            tokio::spawn(candidacy.gate.clone().run(candidacy.clone(), host.beat)).abort_handle(),
            tokio::spawn(heartbeats(raft.clone(), host.beat, host.timing.heartbeat)).abort_handle(),
            tokio::spawn(members.run()).abort_handle(),
            tokio::spawn(tell_of_leaders(raft.metrics(), host.leader_changed.clone()))
                .abort_handle(),
        ];
        // A replica that comes to a group later, or that has lost what it had, waits to be found.
        if !placed.founded && replicas.contains(&host.node) {
            let founding = initialize(raft.clone(), replicas, patience);
            tasks.push(tokio::spawn(founding).abort_handle());
        }
        // A group that has come of a split is like one that was just founded: the one that should lead
        // it asks to at once.
        let is_newborn = log.vote().is_none() && machine.is_newborn() && candidacy.may_stand();
        if is_newborn {
            progress.note_birth();
        }
        if is_newborn && is_first {
            raft.trigger()
                .elect()
                .await
                .map_err(|error| Fault::passing(error.to_string()))?;
        }
        Ok(ShardGroup {
            inner: Arc::new(Inner {
                node: host.node,
                proposer,
                progress,
                machine,
                raft,
                shard,
                log,
                lease,
                following,
                freshness: Freshness::new(),
                confirmations: ReadRounds::default(),
                transfers,
                candidacy,
                taking_over: TakingOver::default(),
                settled,
                timing: host.timing,
                at_open,
                tasks,
                receiving: Arc::default(),
            }),
        })
    }
}
