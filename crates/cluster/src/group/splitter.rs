//! Splits a shard whose placement asks for it: its leader proposes the entry.

use std::time::Duration;

use tokio::time::timeout;

use super::members::Members;
use crate::machine::{ShardCommand, Split};
use crate::placement;

/// A split that no majority agrees on for so long is looked at again.
const AGREEMENT: Duration = Duration::from_secs(10);

impl Members {
    /// Proposes the split that the map asks for, unless it is done.
    pub(super) async fn split(
        &self,
        placed: &placement::Shard,
        split: &placement::Split,
    ) -> Result<(), String> {
        let children = self.progress.children();
        if children.iter().any(|child| child.shard == split.child) {
            return Ok(());
        }
        let command = ShardCommand::split(Split {
            child: split.child,
            range: placed.range(),
            at: split.at,
        });
        tracing::info!(shard = self.shard, child = split.child, "a shard splits");
        // Followers may apply it before this leader does, and the child take writes at once.
        self.progress.begin_split();
        let written = timeout(AGREEMENT, self.raft.client_write(command)).await;
        let written = written.map_err(|_| "no majority agrees on the split".to_owned())?;
        let outcome = written.map_err(|error| error.to_string())?;
        if let Some(reason) = outcome.data.split_refused {
            return Err(reason);
        }
        // Followers learn with this that it is agreed on, and make the child's copy.
        let beat = self.raft.trigger().heartbeat().await;
        beat.map_err(|error| error.to_string())
    }
}
