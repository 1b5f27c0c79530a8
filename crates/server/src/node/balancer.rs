//! Whoever leads the placement group proposes what moves next.
//!
//! It keeps nothing: a plan is made anew every time from the map and from what was heard, and every
//! command says what it expects. So it does not matter when this stops, or goes on elsewhere.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use vectra_cluster::placement::Limits;
use vectra_cluster::{PlacementGroup, PlacementOutcome};

use crate::root::Root;

/// Between two plans.
const PERIOD: Duration = Duration::from_millis(500);

/// How long a command may wait to be agreed on.
const AGREEMENT: Duration = Duration::from_secs(5);

/// Copies that one node receives, or sends, at the same time.
const AT_ONCE: usize = 1;

/// Plans moves and splits while this coordinator leads the placement.
pub(super) struct Balancer {
    pub(super) placement: PlacementGroup,
    pub(super) root: Arc<Root>,
    pub(super) dead_after: Duration,
    pub(super) split_at: u64,
}

impl Balancer {
    /// Goes on for ever.
    pub(super) async fn run(self) {
        let limits = Limits {
            dead_after: self.dead_after,
            at_once: AT_ONCE,
            split_at: self.split_at,
        };
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.placement.leader() == Some(self.placement.node()) {
                self.plan(&limits).await;
            }
        }
    }

    async fn plan(&self, limits: &Limits) {
        if let Err(error) = self.placement.dismiss_removed(AGREEMENT).await {
            tracing::warn!(%error, "a coordinator that was taken out still has its vote");
        }
        let map = Arc::clone(&self.placement.map().borrow());
        let observed = self.root.observe(&map);
        for command in map.plan(&observed, limits) {
            tracing::info!(?command, "the placement changes");
            match self.placement.propose(command, AGREEMENT).await {
                Ok(PlacementOutcome::Refused { reason }) => {
                    tracing::info!(%reason, "the placement has changed already");
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "a change of the placement is not agreed on yet");
                    return;
                }
            }
        }
    }
}
