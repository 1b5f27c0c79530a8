//! A shard node makes itself known, twice a second, to every coordinator, and learns the map.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use futures::future::join_all;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use vectra_cluster::{Network, PlacementMap};
use vectra_wire::v1;
use vectra_wire::v1::coordinator_client::CoordinatorClient;

use super::identity::DataDirectory;
use super::surroundings::Introduce;
use crate::leaf::Leaf;

/// Between two announcements.
const PERIOD: Duration = Duration::from_millis(500);

/// Leaders of many shards change together.
const GATHER: Duration = Duration::from_millis(20);

/// How long a coordinator may take to answer one.
const ANSWER: Duration = Duration::from_secs(2);

/// The largest map taken from a coordinator.
const MAX_MAP_BYTES: usize = 64 << 20;

/// A shard node on its way to, and in, a cluster.
pub(super) struct Announcer {
    pub(super) data: Arc<DataDirectory>,
    pub(super) grpc: String,
    pub(super) http: String,
    /// HTTP addresses of coordinators to ask while no map is known.
    pub(super) seeds: Vec<String>,
    pub(super) introduce: Arc<dyn Introduce>,
    pub(super) network: Network,
    pub(super) leaf: Leaf,
    pub(super) map: watch::Sender<Arc<PlacementMap>>,
}

impl Announcer {
    /// Announces for ever. Returns only with the reason why this node may not go on.
    pub(super) async fn run(self) -> anyhow::Error {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unheard = 0_u64;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                // An election that the coordinators do not know of costs every request a detour.
                () = self.leaf.groups().leader_changed() => tokio::time::sleep(GATHER).await,
            }
            let heard = match self.announce_to_all().await {
                Ok(heard) => heard,
                Err(reason) => return reason,
            };
            unheard = if heard { 0 } else { unheard + 1 };
            if unheard % 60 == 10 {
                tracing::warn!(seeds = ?self.seeds, "no coordinator answers; still trying");
            }
        }
    }

    /// Whether any coordinator answered.
    async fn announce_to_all(&self) -> anyhow::Result<bool> {
        let coordinators = self.coordinators().await;
        let map_version = self.map.borrow().version;
        let announcement =
            announcement(&self.data, &self.leaf, &self.grpc, &self.http, map_version);
        let answers = join_all(
            coordinators
                .iter()
                .map(|address| announce(&self.network, address, &announcement)),
        );
        let mut heard = false;
        for (address, answer) in coordinators.iter().zip(answers.await) {
            match answer {
                Ok(answer) => {
                    self.learn(answer)?;
                    heard = true;
                }
                Err(error) => tracing::debug!(address, %error, "a coordinator does not answer"),
            }
        }
        Ok(heard)
    }

    /// gRPC addresses: from the map, and while there is none from the seeds.
    async fn coordinators(&self) -> BTreeSet<String> {
        let known: BTreeSet<String> = self
            .map
            .borrow()
            .coordinators
            .values()
            .map(|found| found.grpc.clone())
            .collect();
        if !known.is_empty() {
            return known;
        }
        let asked = join_all(self.seeds.iter().map(|seed| async move {
            let grpc = timeout(ANSWER, self.introduce.grpc_of(seed)).await;
            grpc.ok()?.ok()
        }));
        asked.await.into_iter().flatten().collect()
    }

    fn learn(&self, answer: v1::AnnounceResponse) -> anyhow::Result<()> {
        if let Some(refused) = answer.refused {
            bail!(refused);
        }
        self.data.bind_to(&answer.cluster_id)?;
        if answer.map.is_empty() {
            return Ok(());
        }
        let map: PlacementMap = match serde_json::from_slice(&answer.map) {
            Ok(map) => map,
            Err(error) => {
                tracing::error!(%error, "a coordinator sent a map that this version cannot read");
                return Ok(());
            }
        };
        self.map.send_if_modified(|known| {
            let newer = map.version > known.version;
            if newer {
                *known = Arc::new(map);
            }
            newer
        });
        Ok(())
    }
}

/// What a shard node says of itself.
pub(super) fn announcement(
    data: &DataDirectory,
    leaf: &Leaf,
    grpc: &str,
    http: &str,
    map_version: u64,
) -> v1::AnnounceRequest {
    v1::AnnounceRequest {
        node: data.node(),
        cluster_id: data.cluster_id(),
        grpc: grpc.to_owned(),
        http: http.to_owned(),
        map_version,
        replicas: leaf.reports(),
        memory_bytes: leaf.memory_bytes(),
        sent_bytes: leaf.sent_bytes(),
        machine: leaf.machine(),
        incarnation: data.incarnation(),
    }
}

async fn announce(
    network: &Network,
    address: &str,
    announcement: &v1::AnnounceRequest,
) -> anyhow::Result<v1::AnnounceResponse> {
    let mut client = CoordinatorClient::new(network.channel_to(address)?)
        .max_decoding_message_size(MAX_MAP_BYTES);
    Ok(timeout(ANSWER, client.announce(announcement.clone()))
        .await??
        .into_inner())
}
