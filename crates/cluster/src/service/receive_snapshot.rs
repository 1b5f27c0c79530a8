//! The receiving end of a snapshot.

use bytes::Bytes;
use openraft::{BasicNode, Raft, Snapshot, SnapshotMeta, Vote};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};
use vectra_store::{ReceivedSnapshot, SnapshotReceiver};
use vectra_wire::v1;
use vectra_wire::v1::snapshot_part::Part;

use super::fatal;
use crate::log::GroupConfig;
use crate::machine::{PlacementConfig, PlacementSnapshot, ShardSnapshot};
use crate::network::vote_from_wire;
use crate::{NodeId, ShardGroup};

type Parts = Streaming<v1::SnapshotPart>;

/// The first part.
pub(super) async fn header(parts: &mut Parts) -> Result<v1::SnapshotHeader, Status> {
    match next(parts).await? {
        Part::Header(header) => Ok(header),
        _ => Err(Status::invalid_argument(
            "a snapshot begins with its header",
        )),
    }
}

/// Receives and installs a placement. Returns the vote of this member.
pub(super) async fn placement(
    raft: &Raft<PlacementConfig>,
    header: v1::SnapshotHeader,
    mut parts: Parts,
) -> Result<Vote<NodeId>, Status> {
    let (vote, meta) = offered(&header)?;
    if let Some(higher) = outvoted(raft, vote).await? {
        return Ok(higher);
    }
    let Part::End(end) = next(&mut parts).await? else {
        return Err(Status::invalid_argument("a placement has no files"));
    };
    let manifest = checked(end.manifest, end.crc32)?;
    let snapshot = Box::new(PlacementSnapshot(manifest));
    let response = raft
        .install_full_snapshot(vote, Snapshot { meta, snapshot })
        .await;
    Ok(response.map_err(|error| fatal(&error))?.vote)
}

/// Receives and installs a shard. Returns the vote of this member.
pub(super) async fn shard(
    group: &ShardGroup,
    header: v1::SnapshotHeader,
    mut parts: Parts,
) -> Result<Vote<NodeId>, Status> {
    let (vote, meta) = offered(&header)?;
    if let Some(higher) = outvoted(group.raft(), vote).await? {
        return Ok(higher);
    }
    let Ok(one_at_a_time) = group.receiving().clone().try_lock_owned() else {
        return Err(Status::unavailable(
            "another snapshot of this shard is being received",
        ));
    };

    let receiver = group.shard().receive().map_err(|error| storage(&error))?;
    let (sender, received_parts) = mpsc::channel(4);
    // The writer keeps the guard, for it may outlive a call that is given up.
    let writing = tokio::task::spawn_blocking(move || {
        write_to_disk(receiver, received_parts).map(|received| (received, one_at_a_time))
    });
    loop {
        let part = next(&mut parts).await?;
        let is_end = matches!(part, Part::End(_));
        let writer_has_failed = sender.send(part).await.is_err();
        if is_end || writer_has_failed {
            break;
        }
    }
    drop(sender);
    let (received, _one_at_a_time) = writing
        .await
        .map_err(|error| Status::internal(error.to_string()))??;
    let snapshot = Box::new(ShardSnapshot::Received(received));
    let response = group
        .raft()
        .install_full_snapshot(vote, Snapshot { meta, snapshot })
        .await;
    Ok(response.map_err(|error| fatal(&error))?.vote)
}

fn write_to_disk(
    mut receiver: SnapshotReceiver,
    mut parts: mpsc::Receiver<Part>,
) -> Result<ReceivedSnapshot, Status> {
    while let Some(part) = parts.blocking_recv() {
        match part {
            Part::Header(_) => {
                return Err(Status::invalid_argument("a snapshot has one header"));
            }
            Part::File(file) => {
                receiver
                    .begin_file(&file.name, file.length)
                    .map_err(|error| storage(&error))?;
            }
            Part::Chunk(chunk) => {
                let data = checked(chunk.data, chunk.crc32)?;
                receiver.write(&data).map_err(|error| storage(&error))?;
            }
            Part::End(end) => {
                let manifest = checked(end.manifest, end.crc32)?;
                return receiver.finish(&manifest).map_err(|error| storage(&error));
            }
        }
    }
    Err(Status::aborted("the snapshot ended before its end"))
}

async fn next(parts: &mut Parts) -> Result<Part, Status> {
    match parts.message().await?.and_then(|message| message.part) {
        Some(part) => Ok(part),
        None => Err(Status::aborted("the snapshot ended before its end")),
    }
}

fn offered(
    header: &v1::SnapshotHeader,
) -> Result<(Vote<NodeId>, SnapshotMeta<NodeId, BasicNode>), Status> {
    let meta = serde_json::from_slice(&header.meta).map_err(|error| {
        Status::invalid_argument(format!("the snapshot's metadata is not readable: {error}"))
    })?;
    Ok((vote_from_wire(header.vote)?, meta))
}

/// The vote of this member if it is higher: then the sender leads no more.
async fn outvoted<C: GroupConfig>(
    raft: &Raft<C>,
    offered: Vote<NodeId>,
) -> Result<Option<Vote<NodeId>>, Status> {
    let own = raft
        .with_raft_state(|state| *state.vote_ref())
        .await
        .map_err(|error| fatal(&error))?;
    Ok((offered < own).then_some(own))
}

fn checked(data: Bytes, expected: u32) -> Result<Bytes, Status> {
    let found = crc32fast::hash(&data);
    if found == expected {
        return Ok(data);
    }
    Err(Status::data_loss(format!(
        "a part of the snapshot was damaged on its way: its crc32 is {found:08x}, not {expected:08x}"
    )))
}

fn storage(error: &vectra_store::StoreError) -> Status {
    Status::internal(error.to_string())
}
