//! A snapshot as a stream of messages.

use std::pin::Pin;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use vectra_wire::v1;
use vectra_wire::v1::snapshot_part::Part;

/// Files travel in pieces of this size.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

/// What a snapshot to send consists of.
pub(crate) trait SnapshotSource: Send + Sync + 'static {
    /// Its files, by name and length.
    fn files(&self) -> Vec<(String, u64)>;
    /// Reads exactly `buffer.len()` bytes of one of the files. Blocks.
    fn read_at(&self, file: usize, offset: u64, buffer: &mut [u8]) -> Result<(), String>;
    /// What ties the files together.
    fn manifest(&self) -> Result<Bytes, String>;
}

pub(super) type PartStream = Pin<Box<ReceiverStream<v1::SnapshotPart>>>;

/// The messages of one snapshot. A file that cannot be read ends the stream early, which the
/// receiver notices because the end is missing.
pub(super) fn stream_snapshot<S: SnapshotSource>(
    header: v1::SnapshotHeader,
    source: Box<S>,
) -> PartStream {
    let (parts, stream) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        let group = header.group;
        if let Err(reason) = send(header, source.as_ref(), &parts) {
            tracing::warn!(group, %reason, "the snapshot was not sent to its end");
        }
    });
    Box::pin(ReceiverStream::new(stream))
}

fn send<S: SnapshotSource>(
    header: v1::SnapshotHeader,
    source: &S,
    parts: &mpsc::Sender<v1::SnapshotPart>,
) -> Result<(), String> {
    let send = |part: Part| {
        parts
            .blocking_send(v1::SnapshotPart { part: Some(part) })
            .map_err(|_| "the receiver has gone".to_owned())
    };
    send(Part::Header(header))?;
    for (file, (name, length)) in source.files().into_iter().enumerate() {
        send(Part::File(v1::SnapshotFile { name, length }))?;
        let mut offset = 0;
        while offset < length {
            let size = (length - offset).min(CHUNK_BYTES as u64) as usize;
            let mut data = vec![0; size];
            source.read_at(file, offset, &mut data)?;
            let crc32 = crc32fast::hash(&data);
            send(Part::Chunk(v1::SnapshotChunk {
                data: data.into(),
                crc32,
            }))?;
            offset += size as u64;
        }
    }
    let manifest = source.manifest()?;
    let crc32 = crc32fast::hash(&manifest);
    send(Part::End(v1::SnapshotEnd { manifest, crc32 }))
}
