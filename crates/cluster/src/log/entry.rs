//! One log entry as bytes: the same on disk and between nodes.

use std::fmt::Debug;

use bytes::{Buf, BufMut, Bytes};
use openraft::impls::OneshotResponder;
use openraft::{
    BasicNode, CommittedLeaderId, Entry, EntryPayload, LogId, Membership, RaftTypeConfig,
};

use crate::NodeId;
use crate::runtime::Runtime;

/// Kinds of entry. Persisted: never reused.
const BLANK: u8 = 0;
const COMMAND: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// Index, term, node, kind.
const HEADER_BYTES: usize = 8 + 8 + 8 + 1;

/// What a group's entries carry.
pub(crate) trait Command: openraft::AppData + Clone + Debug {
    /// Appends the first of the command's bytes to `head` and returns those that follow: what is
    /// large is not copied.
    fn encode(&self, head: &mut Vec<u8>) -> Vec<Bytes>;
    /// The command that `encode` wrote.
    fn decode(bytes: Bytes) -> Result<Self, String>;
    /// Called when the command enters this node's log: from here on it may take effect.
    fn entered_log(&self) {}
}

/// What the raft groups of this crate have in common.
pub(crate) trait GroupConfig:
    RaftTypeConfig<
        D: Command,
        NodeId = NodeId,
        Node = BasicNode,
        Entry = Entry<Self>,
        AsyncRuntime = Runtime,
        Responder = OneshotResponder<Self>,
    >
{
}

impl<C> GroupConfig for C where
    C: RaftTypeConfig<
            D: Command,
            NodeId = NodeId,
            Node = BasicNode,
            Entry = Entry<C>,
            AsyncRuntime = Runtime,
            Responder = OneshotResponder<C>,
        >
{
}

/// The bytes of an entry, in parts that share the command's.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct EncodedEntry {
    /// Begins with the index.
    pub(super) head: Vec<u8>,
    /// What follows the head.
    pub(super) rest: Vec<Bytes>,
}

impl EncodedEntry {
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.rest.iter().map(Bytes::len).sum::<usize>()
    }

    /// All bytes as one.
    pub(crate) fn into_bytes(self) -> Bytes {
        let mut bytes = self.head;
        bytes.reserve_exact(self.rest.iter().map(Bytes::len).sum());
        for part in &self.rest {
            bytes.extend_from_slice(part);
        }
        bytes.into()
    }
}

/// Index, term and node as little-endian u64, the kind, the payload.
pub(crate) fn encode_entry<C: GroupConfig>(entry: &Entry<C>) -> EncodedEntry {
    let mut head = Vec::with_capacity(HEADER_BYTES);
    head.put_u64_le(entry.log_id.index);
    head.put_u64_le(entry.log_id.leader_id.term);
    head.put_u64_le(entry.log_id.leader_id.node_id);
    let mut rest = Vec::new();
    match &entry.payload {
        EntryPayload::Blank => head.put_u8(BLANK),
        EntryPayload::Normal(command) => {
            head.put_u8(COMMAND);
            rest = command.encode(&mut head);
        }
        EntryPayload::Membership(membership) => {
            head.put_u8(MEMBERSHIP);
            // Maps of numbers and strings always become JSON; were it not so, an empty payload
            // is refused when it is read.
            head.extend(serde_json::to_vec(membership).unwrap_or_default());
        }
    }
    EncodedEntry { head, rest }
}

/// The entry that [`encode_entry`] wrote; shares the bytes.
pub(crate) fn decode_entry<C: GroupConfig>(mut bytes: Bytes) -> Result<Entry<C>, String> {
    if bytes.len() < HEADER_BYTES {
        return Err(format!(
            "a log entry has at least {HEADER_BYTES} bytes, this one has {}",
            bytes.len()
        ));
    }
    let index = bytes.get_u64_le();
    let term = bytes.get_u64_le();
    let node = bytes.get_u64_le();
    let kind = bytes.get_u8();
    let payload = match kind {
        BLANK => EntryPayload::Blank,
        COMMAND => EntryPayload::Normal(
            C::D::decode(bytes).map_err(|reason| format!("log entry {index}: {reason}"))?,
        ),
        MEMBERSHIP => {
            let membership: Membership<NodeId, BasicNode> = serde_json::from_slice(&bytes)
                .map_err(|error| format!("membership in log entry {index}: {error}"))?;
            EntryPayload::Membership(membership)
        }
        unknown => {
            return Err(format!(
                "log entry {index} is of kind {unknown}, which this version does not know"
            ));
        }
    };
    let log_id = LogId::new(CommittedLeaderId::new(term, node), index);
    Ok(Entry { log_id, payload })
}
