//! The small values that a group keeps beside its entries. Names and layouts are persisted.

use bytes::{Buf, BufMut};
use openraft::{CommittedLeaderId, LogId, Vote};

use crate::NodeId;

/// The vote: term u64, node u64, committed u8.
pub(super) const VOTE: &[u8] = b"vote";
/// The last purged entry: term u64, node u64, index u64.
pub(super) const PURGED: &[u8] = b"purged";
/// The last entry known to be committed: term u64, node u64, index u64.
pub(super) const COMMITTED: &[u8] = b"committed";
/// Where the group's log says that this node is no member, as of when its copy was dropped: term u64, node
/// u64, index u64.
pub(super) const LEFT: &[u8] = b"left";
/// The index at which the log ends although the engine holds more: u64. Absent if it does not.
pub(super) const END: &[u8] = b"end";

/// The first byte of every value.
const LAYOUT: u8 = 1;

pub(super) fn encode_vote(vote: &Vote<NodeId>) -> Vec<u8> {
    let mut bytes = vec![LAYOUT];
    bytes.put_u64_le(vote.leader_id.term);
    bytes.put_u64_le(vote.leader_id.node_id);
    bytes.put_u8(u8::from(vote.committed));
    bytes
}

pub(super) fn decode_vote(bytes: &[u8]) -> Result<Vote<NodeId>, String> {
    let mut fields = fields_of(bytes, 17, "vote")?;
    let (term, node) = (fields.get_u64_le(), fields.get_u64_le());
    Ok(match fields.get_u8() {
        0 => Vote::new(term, node),
        _ => Vote::new_committed(term, node),
    })
}

pub(super) fn encode_log_id(log_id: &LogId<NodeId>) -> Vec<u8> {
    let mut bytes = vec![LAYOUT];
    bytes.put_u64_le(log_id.leader_id.term);
    bytes.put_u64_le(log_id.leader_id.node_id);
    bytes.put_u64_le(log_id.index);
    bytes
}

pub(super) fn decode_log_id(bytes: &[u8]) -> Result<LogId<NodeId>, String> {
    let mut fields = fields_of(bytes, 24, "log position")?;
    let leader = CommittedLeaderId::new(fields.get_u64_le(), fields.get_u64_le());
    Ok(LogId::new(leader, fields.get_u64_le()))
}

pub(super) fn encode_end(end: u64) -> Vec<u8> {
    let mut bytes = vec![LAYOUT];
    bytes.put_u64_le(end);
    bytes
}

pub(super) fn decode_end(bytes: &[u8]) -> Result<u64, String> {
    Ok(fields_of(bytes, 8, "end of the log")?.get_u64_le())
}

fn fields_of<'a>(bytes: &'a [u8], length: usize, what: &str) -> Result<&'a [u8], String> {
    match bytes.split_first() {
        Some((&LAYOUT, fields)) if fields.len() == length => Ok(fields),
        Some((&LAYOUT, fields)) => Err(format!(
            "the {what} should have {length} bytes and has {}",
            fields.len()
        )),
        Some((layout, _)) => Err(format!(
            "the {what} has layout {layout}, this version reads layout {LAYOUT}"
        )),
        None => Err(format!("the {what} is empty")),
    }
}
