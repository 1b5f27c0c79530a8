//! How a coordinator without a cluster gets one: alone, with its peers, or by joining.
//!
//! The first coordinators all start with the same `--peers`. Each asks every peer who it is. As
//! soon as one knows a cluster, the others join that; only when *all* peers answer and none knows
//! one, they found it together. So a first coordinator that lost its disk joins the cluster it
//! once founded, and never founds a second.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::future::join_all;
use tokio::time::{sleep, timeout};
use vectra_cluster::{Network, NodeId, PlacementGroup};
use vectra_wire::v1;
use vectra_wire::v1::coordinator_client::CoordinatorClient;

use super::surroundings::Introduce;

/// Pause between two rounds of asking.
const ROUND: Duration = Duration::from_millis(500);

/// How long a peer may take to say who it is.
const ANSWER: Duration = Duration::from_secs(2);

/// How long a cluster may take to admit a coordinator: it catches up on the placement's log first.
const ADMISSION: Duration = Duration::from_secs(30);

/// How long a coordinator that was admitted may take to hear of it, and how often it looks.
const NEWS: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(50);

/// A coordinator in search of its cluster.
pub(super) struct Founding<'a> {
    pub(super) own: NodeId,
    /// gRPC `name:port` at which the others reach this process.
    pub(super) grpc: &'a str,
    pub(super) placement: &'a PlacementGroup,
    pub(super) network: &'a Network,
    pub(super) introduce: &'a dyn Introduce,
}

impl Founding<'_> {
    /// Returns once this coordinator is a member of a cluster's placement group, or is sure to
    /// become one as soon as its peers have founded it.
    ///
    /// One that went down while it was being admitted knows a cluster that may have forgotten it: it asks again.
    pub(super) async fn settle(&self, peers: &[String], join: &[String]) -> anyhow::Result<()> {
        // One that was taken out is not to ask: who watches the map tells.
        let is_removed = {
            let map = self.placement.map();
            map.borrow().removed_coordinators.contains(&self.own)
        };
        if is_removed || self.placement.is_member().await {
            return Ok(());
        }
        if !join.is_empty() {
            return self.join_by_url(join).await;
        }
        if peers.is_empty() {
            if self.placement.is_initialized().await {
                // Whoever started it does not say whom else to ask.
                return Ok(());
            }
            return self
                .found(BTreeMap::from([(self.own, self.grpc.to_owned())]))
                .await;
        }
        self.settle_with(peers).await
    }

    async fn settle_with(&self, peers: &[String]) -> anyhow::Result<()> {
        for round in 0_u64.. {
            // The peers may have founded the cluster, this node among them, in the meantime.
            if self.placement.is_member().await {
                return Ok(());
            }
            let answers = join_all(peers.iter().map(|peer| self.identify(peer))).await;
            let mut voters = BTreeMap::new();
            let mut silent = Vec::new();
            let mut founded = Vec::new();
            for (peer, answer) in peers.iter().zip(answers) {
                match answer {
                    Ok(answer) => {
                        if answer.cluster_id.is_some() {
                            founded.push(peer.clone());
                        }
                        if let Some(other) = voters.insert(answer.node, peer.clone()) {
                            bail!(
                                "`--peers` names one coordinator twice: {other} and {peer} are \
                                 both node {}",
                                answer.node
                            );
                        }
                    }
                    Err(error) => silent.push(format!("{peer} ({error})")),
                }
            }
            for peer in &founded {
                match self.ask_to_join(peer).await {
                    Ok(()) if self.has_become_member().await => return Ok(()),
                    Ok(()) => {}
                    Err(error) => tracing::warn!(%peer, %error, "not admitted yet; trying again"),
                }
            }
            if silent.is_empty() && founded.is_empty() {
                if !voters.contains_key(&self.own) {
                    bail!(
                        "this coordinator is not among its `--peers` {peers:?}: the same list, with \
                         itself in it, must be given to each of the first ones (use `--join` for more)"
                    );
                }
                return self.found(voters).await;
            }
            // Once a minute at the most after the first time.
            if round % 120 == 4 {
                tracing::info!(waiting_for = ?silent, "waiting for the other first coordinators");
            }
            sleep(ROUND).await;
        }
        Ok(())
    }

    async fn found(&self, voters: BTreeMap<NodeId, String>) -> anyhow::Result<()> {
        let name = cluster_name(voters.keys().copied());
        let Err(error) = self.placement.found(voters, &name).await else {
            return Ok(());
        };
        if self.placement.is_initialized().await {
            // The membership is on disk; the name is proposed until there is one.
            tracing::warn!(%error, "the cluster has no name yet");
            return Ok(());
        }
        Err(error).context("the placement group could not be founded")
    }

    async fn join_by_url(&self, urls: &[String]) -> anyhow::Result<()> {
        loop {
            for url in urls {
                let joined = async {
                    let grpc = self.introduce.grpc_of(url).await?;
                    self.ask_to_join(&grpc).await
                };
                match joined.await {
                    Ok(()) if self.has_become_member().await => return Ok(()),
                    Ok(()) => {}
                    Err(error) => {
                        tracing::warn!(
                            url,
                            error = format!("{error:#}"),
                            "could not join; trying again"
                        );
                    }
                }
            }
            sleep(ROUND).await;
        }
    }

    /// Whether this node hears that it was admitted: one that says so may have lost its office before others
    /// had agreed.
    async fn has_become_member(&self) -> bool {
        let hears = async {
            while !self.placement.is_member().await {
                sleep(LOOK).await;
            }
        };
        timeout(NEWS, hears).await.is_ok()
    }

    async fn identify(&self, peer: &str) -> anyhow::Result<v1::IdentifyResponse> {
        let mut client = CoordinatorClient::new(self.network.channel_to(peer)?);
        let answer = timeout(ANSWER, client.identify(v1::IdentifyRequest { asks: None })).await;
        Ok(answer.context("no answer")??.into_inner())
    }

    async fn ask_to_join(&self, peer: &str) -> anyhow::Result<()> {
        let mut client = CoordinatorClient::new(self.network.channel_to(peer)?);
        let request = v1::JoinRequest {
            node: self.own,
            grpc: self.grpc.to_owned(),
        };
        let joined = timeout(ADMISSION, client.join(request))
            .await
            .context("no answer")??;
        let cluster_id = joined.into_inner().cluster_id;
        tracing::info!(peer, cluster_id, "joined a running cluster");
        Ok(())
    }
}

/// The name of the cluster that these voters found. Each founder proposes it, so it follows from
/// what they all know; it is unique since node ids are random.
pub(super) fn cluster_name(voters: impl IntoIterator<Item = NodeId>) -> String {
    let mut ids: Vec<NodeId> = voters.into_iter().collect();
    ids.sort_unstable();
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("{:016x}", vectra_cluster::placement::hash(&ids.join(",")))
}
