//! The receiving end of a snapshot.

use bytes::Bytes;
use openraft::{BasicNode, Raft, Snapshot, SnapshotMeta, Vote};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};
use vectra_store::{ReceivedSnapshot, SnapshotReceiver};
use vectra_wire::v1;
use vectra_wire::v1::snapshot_part::Part;

use super::fatal;
use crate::group::PartialSnapshot;
use crate::log::GroupConfig;
use crate::machine::{PlacementConfig, PlacementSnapshot, ShardSnapshot};
use crate::network::vote_from_wire;
use crate::{NodeId, ShardGroup, Workers};

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
    let Ok(mut partial) = group.receiving().clone().try_lock_owned() else {
        return Err(busy());
    };

    let from = header.from.unwrap_or_default();
    let held = position_of(partial.as_ref(), &header);
    if held.unwrap_or_default() != from {
        *partial = None;
        return Err(Status::failed_precondition(
            "what had come of this snapshot is there no more: send all of it",
        ));
    }
    if held.is_none() {
        // Removes first what came of another.
        *partial = None;
        let receiver = group.shard().receive().map_err(|error| storage(&error))?;
        let of = identity(&header);
        *partial = Some(PartialSnapshot { of, receiver });
    }
    let (sender, received_parts) = mpsc::channel(4);
    let workers = group.workers().clone();
    // The writer keeps the guard, for it may outlive a call that is given up.
    let writing = tokio::spawn(async move {
        let received = write_to_disk(&mut partial, received_parts, &workers).await;
        received.map(|received| (received, partial))
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

/// How much of a snapshot is here from an attempt before.
pub(super) fn position(
    group: &ShardGroup,
    header: &v1::SnapshotHeader,
) -> Result<Option<v1::SnapshotPosition>, Status> {
    let partial = group.receiving().try_lock().map_err(|_| busy())?;
    Ok(position_of(partial.as_ref(), header))
}

fn position_of(
    partial: Option<&PartialSnapshot>,
    header: &v1::SnapshotHeader,
) -> Option<v1::SnapshotPosition> {
    let partial = partial.filter(|partial| partial.of == identity(header))?;
    let (files, offset) = partial.receiver.position();
    let files = u32::try_from(files).ok()?;
    Some(v1::SnapshotPosition { files, offset })
}

fn identity(header: &v1::SnapshotHeader) -> (Bytes, u32) {
    (header.meta.clone(), header.manifest_crc32)
}

fn busy() -> Status {
    Status::unavailable("another snapshot of this shard is being received")
}

/// Writes what comes. If that ends too early, what has come stays for another attempt; if it is
/// not sound, or the disk refuses, it goes.
async fn write_to_disk(
    partial: &mut Option<PartialSnapshot>,
    mut parts: mpsc::Receiver<Part>,
    workers: &Workers,
) -> Result<ReceivedSnapshot, Status> {
    while let Some(part) = parts.recv().await {
        if let Part::End(end) = &part {
            let manifest = checked(end.manifest.clone(), end.crc32)?;
            let whole = partial.take().ok_or_else(ended_early)?;
            let finishing = workers.run("receive", move || whole.receiver.finish(&manifest));
            let received = finishing.await.map_err(Status::internal)?;
            return received.map_err(|error| storage(&error));
        }
        let mut begun = partial.take().ok_or_else(ended_early)?;
        let writing = workers.run("receive", move || {
            write_part(&mut begun.receiver, part)?;
            Ok(begun)
        });
        *partial = Some(writing.await.map_err(Status::internal).flatten()?);
    }
    Err(ended_early())
}

fn write_part(receiver: &mut SnapshotReceiver, part: Part) -> Result<(), Status> {
    let written = match part {
        Part::Header(_) | Part::End(_) => {
            return Err(Status::invalid_argument(
                "a snapshot has one header, one end",
            ));
        }
        Part::File(file) => receiver.begin_file(&file.name, file.length),
        Part::Chunk(chunk) => receiver.write(&checked(chunk.data, chunk.crc32)?),
    };
    written.map_err(|error| storage(&error))
}

fn ended_early() -> Status {
    Status::aborted("the snapshot ended before its end")
}

async fn next(parts: &mut Parts) -> Result<Part, Status> {
    match parts.message().await?.and_then(|message| message.part) {
        Some(part) => Ok(part),
        None => Err(ended_early()),
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
