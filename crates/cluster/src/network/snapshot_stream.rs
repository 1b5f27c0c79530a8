//! A snapshot as a stream of messages.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use vectra_wire::v1;
use vectra_wire::v1::snapshot_part::Part;

use super::{Throttle, Transfers};
use crate::{NodeId, Workers};

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

/// Where a snapshot goes, how fast, and who keeps count.
pub(super) struct Passage {
    pub(super) to: NodeId,
    pub(super) throttle: Throttle,
    pub(super) transfers: Transfers,
    pub(super) workers: Workers,
}

/// The messages of one snapshot. A file that cannot be read ends the stream early, which the
/// receiver notices because the end is missing.
pub(super) fn stream_snapshot<S: SnapshotSource>(
    header: v1::SnapshotHeader,
    source: Box<S>,
    passage: Passage,
) -> PartStream {
    let (parts, stream) = mpsc::channel(4);
    tokio::spawn(async move {
        let group = header.group;
        if let Err(reason) = send::<S>(header, source.into(), &parts, &passage).await {
            tracing::warn!(group, %reason, "the snapshot was not sent to its end");
        }
        passage.transfers.end(passage.to);
    });
    Box::pin(ReceiverStream::new(stream))
}

async fn send<S: SnapshotSource>(
    header: v1::SnapshotHeader,
    source: Arc<S>,
    parts: &mpsc::Sender<v1::SnapshotPart>,
    passage: &Passage,
) -> Result<(), String> {
    let send = async |part: Part| {
        let sent = parts.send(v1::SnapshotPart { part: Some(part) }).await;
        sent.map_err(|_| "the receiver has gone".to_owned())
    };
    let from = header.from.unwrap_or_default();
    send(Part::Header(header)).await?;
    for (file, (name, length)) in source.files().into_iter().enumerate() {
        if file < from.files as usize {
            passage.transfers.skipped(passage.to, length);
            continue;
        }
        let is_begun = file == from.files as usize && from.offset > 0;
        let mut offset = if is_begun { from.offset } else { 0 };
        passage.transfers.skipped(passage.to, offset);
        if !is_begun {
            send(Part::File(v1::SnapshotFile { name, length })).await?;
        }
        while offset < length {
            let size = (length - offset).min(CHUNK_BYTES as u64) as usize;
            passage.throttle.pass(size as u64).await;
            let source = source.clone();
            let chunk = passage.workers.run("read", move || {
                let mut data = vec![0; size];
                source.read_at(file, offset, &mut data)?;
                let crc32 = crc32fast::hash(&data);
                Ok::<_, String>(v1::SnapshotChunk {
                    data: data.into(),
                    crc32,
                })
            });
            send(Part::Chunk(chunk.await.flatten()?)).await?;
            offset += size as u64;
            passage.transfers.sent(passage.to, size as u64);
        }
    }
    let manifest = source.manifest()?;
    let crc32 = crc32fast::hash(&manifest);
    send(Part::End(v1::SnapshotEnd { manifest, crc32 })).await
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;

    use super::*;

    /// Two files, of 5 and 7 bytes.
    struct Two;

    impl SnapshotSource for Two {
        fn files(&self) -> Vec<(String, u64)> {
            vec![("a".to_owned(), 5), ("b".to_owned(), 7)]
        }

        fn read_at(&self, file: usize, offset: u64, buffer: &mut [u8]) -> Result<(), String> {
            let content: &[u8] = if file == 0 { b"aaaaa" } else { b"0123456" };
            buffer.copy_from_slice(&content[offset as usize..][..buffer.len()]);
            Ok(())
        }

        fn manifest(&self) -> Result<Bytes, String> {
            Ok(Bytes::from_static(b"manifest"))
        }
    }

    /// The files and chunks that are sent after those that the receiver has.
    async fn sent(files: u32, offset: u64) -> (Vec<String>, u64) {
        let header = v1::SnapshotHeader {
            from: Some(v1::SnapshotPosition { files, offset }),
            ..v1::SnapshotHeader::default()
        };
        let transfers = Transfers::default();
        transfers.begin(2, 12, None);
        let passage = Passage {
            to: 2,
            throttle: Throttle::default(),
            transfers: transfers.clone(),
            workers: Workers::default(),
        };
        let mut parts = stream_snapshot(header, Box::new(Two), passage);
        let mut sent = Vec::new();
        while let Some(part) = parts.next().await {
            match part.part.unwrap() {
                Part::Header(_) => {}
                Part::File(file) => sent.push(file.name),
                Part::Chunk(chunk) => sent.push(String::from_utf8(chunk.data.to_vec()).unwrap()),
                Part::End(_) => sent.push("end".to_owned()),
            }
        }
        (sent, transfers.get(2).unwrap().sent)
    }

    #[tokio::test]
    async fn what_the_receiver_has_is_not_sent_again() {
        assert_eq!(sent(0, 0).await.0, ["a", "aaaaa", "b", "0123456", "end"]);
        assert_eq!(sent(1, 0).await.0, ["b", "0123456", "end"]);
        assert_eq!(
            sent(1, 4).await,
            (vec!["456".to_owned(), "end".to_owned()], 12)
        );
        assert_eq!(sent(2, 0).await, (vec!["end".to_owned()], 12));
    }
}
