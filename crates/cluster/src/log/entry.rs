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
    /// Appends the command's bytes.
    fn encode(&self, into: &mut Vec<u8>);
    /// The command that `encode` wrote.
    fn decode(bytes: Bytes) -> Result<Self, String>;
    /// About how many bytes `encode` appends.
    fn encoded_len(&self) -> usize;
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

/// Index, term and node as little-endian u64, the kind, the payload.
pub(crate) fn encode_entry<C: GroupConfig>(entry: &Entry<C>) -> Vec<u8> {
    let payload_bytes = match &entry.payload {
        EntryPayload::Normal(command) => command.encoded_len(),
        EntryPayload::Blank | EntryPayload::Membership(_) => 256,
    };
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload_bytes);
    bytes.put_u64_le(entry.log_id.index);
    bytes.put_u64_le(entry.log_id.leader_id.term);
    bytes.put_u64_le(entry.log_id.leader_id.node_id);
    match &entry.payload {
        EntryPayload::Blank => bytes.put_u8(BLANK),
        EntryPayload::Normal(command) => {
            bytes.put_u8(COMMAND);
            command.encode(&mut bytes);
        }
        EntryPayload::Membership(membership) => {
            bytes.put_u8(MEMBERSHIP);
            // Maps of numbers and strings always become JSON; were it not so, an empty payload
            // is refused when it is read.
            bytes.extend(serde_json::to_vec(membership).unwrap_or_default());
        }
    }
    bytes
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
