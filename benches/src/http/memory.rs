//! What a server with the whole set holds in memory.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::Plan;
use crate::figures::MemoryFigures;
use crate::server::Server;
use crate::vector_set::VectorSet;

const CONNECTIONS: u16 = 64;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Restarts the server and searches it; the server ends with this.
pub(super) async fn measure(
    mut server: Server,
    set: &VectorSet,
    plan: &Plan,
    rows: u64,
) -> Result<MemoryFigures> {
    server.restart(rows).await?;
    let at_start = server.memory()?;
    server.settle().await?;
    let after_restart = server.memory()?;

    // Its ids are no row numbers, so there is no truth to compare with.
    let load = server.bench(set, false, CONNECTIONS, plan.measured);
    let mut most_under_load = 0;
    tokio::select! {
        run = load => { run?; }
        // Only ends if the server does.
        failed = async {
            loop {
                match server.memory() {
                    Ok(memory) => most_under_load = memory.resident.max(most_under_load),
                    Err(error) => break error,
                }
                sleep(BETWEEN_LOOKS).await;
            }
        } => return Err(failed),
    }
    Ok(MemoryFigures {
        at_start,
        after_restart,
        most_under_load,
        after_load: server.memory()?,
    })
}
