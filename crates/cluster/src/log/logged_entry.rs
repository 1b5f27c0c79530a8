//! One entry as raft-engine takes it: a protobuf message with one field of bytes.

use std::any::Any;
use std::sync::LazyLock;

use bytes::Bytes;
use protobuf::reflect::MessageDescriptor;
use protobuf::well_known_types::BytesValue;
use protobuf::wire_format::WireTypeLengthDelimited;
use protobuf::{
    Clear, CodedInputStream, CodedOutputStream, Message, ProtobufResult, UnknownFields, rt,
};
use raft_engine::MessageExt;

use super::EncodedEntry;

/// The number of the only field.
const VALUE: u32 = 1;

/// How the engine finds the index of an entry: its bytes start with it.
pub(super) struct Record;

/// A `google.protobuf.BytesValue` whose value may lie in parts: they are put together where the engine
/// gathers what it writes, and nowhere before.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct LoggedEntry {
    /// The first part, or all of the value.
    head: BytesValue,
    rest: Vec<Bytes>,
}

impl MessageExt for Record {
    type Entry = LoggedEntry;

    fn index(entry: &LoggedEntry) -> u64 {
        match entry.head.value.first_chunk::<8>() {
            Some(index) => u64::from_le_bytes(*index),
            None => u64::MAX,
        }
    }
}

impl LoggedEntry {
    pub(super) fn new(entry: EncodedEntry) -> Self {
        let head = BytesValue {
            value: entry.head,
            ..BytesValue::default()
        };
        Self {
            head,
            rest: entry.rest,
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        let (head, rest) = (self.head.value, self.rest);
        EncodedEntry { head, rest }.into_bytes()
    }

    fn value_len(&self) -> usize {
        self.head.value.len() + self.rest.iter().map(Bytes::len).sum::<usize>()
    }
}

impl Message for LoggedEntry {
    fn is_initialized(&self) -> bool {
        self.head.is_initialized()
    }

    fn merge_from(&mut self, input: &mut CodedInputStream<'_>) -> ProtobufResult<()> {
        self.rest.clear();
        self.head.merge_from(input)
    }

    fn write_to_with_cached_sizes(&self, output: &mut CodedOutputStream<'_>) -> ProtobufResult<()> {
        if self.rest.is_empty() {
            return self.head.write_to_with_cached_sizes(output);
        }
        output.write_tag(VALUE, WireTypeLengthDelimited)?;
        output.write_raw_varint32(self.value_len() as u32)?;
        output.write_raw_bytes(&self.head.value)?;
        for part in &self.rest {
            output.write_raw_bytes(part)?;
        }
        output.write_unknown_fields(self.get_unknown_fields())
    }

    fn compute_size(&self) -> u32 {
        let of_head = self.head.compute_size();
        if self.rest.is_empty() {
            return of_head;
        }
        let len = self.value_len() as u32;
        let before_value = rt::tag_size(VALUE) + rt::compute_raw_varint32_size(len);
        before_value + len + rt::unknown_fields_size(self.get_unknown_fields())
    }

    fn get_cached_size(&self) -> u32 {
        self.compute_size()
    }

    fn get_unknown_fields(&self) -> &UnknownFields {
        self.head.get_unknown_fields()
    }

    fn mut_unknown_fields(&mut self) -> &mut UnknownFields {
        self.head.mut_unknown_fields()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }

    fn descriptor(&self) -> &'static MessageDescriptor {
        self.head.descriptor()
    }

    fn new() -> Self {
        Self::default()
    }

    fn descriptor_static() -> &'static MessageDescriptor {
        BytesValue::descriptor_static()
    }

    fn default_instance() -> &'static Self {
        static INSTANCE: LazyLock<LoggedEntry> = LazyLock::new(LoggedEntry::default);
        &INSTANCE
    }
}

impl Clear for LoggedEntry {
    fn clear(&mut self) {
        self.head.clear();
        self.rest.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_entry_in_parts_is_written_as_if_it_were_whole(
            head in prop::collection::vec(any::<u8>(), 8..300),
            rest in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20_000), 0..4),
        ) {
            let value = [head.clone(), rest.concat()].concat();
            let index = u64::from_le_bytes(*head.first_chunk().unwrap());
            let rest = rest.into_iter().map(Bytes::from).collect();
            let entry = LoggedEntry::new(EncodedEntry { head, rest });
            prop_assert_eq!(Record::index(&entry), index);

            let whole = BytesValue { value: value.clone(), ..BytesValue::default() };
            let written = entry.write_to_bytes().unwrap();
            prop_assert_eq!(entry.compute_size() as usize, written.len());
            prop_assert_eq!(&written, &whole.write_to_bytes().unwrap());

            let read = LoggedEntry::parse_from_bytes(&written).unwrap();
            prop_assert_eq!(Record::index(&read), index);
            prop_assert_eq!(read.into_bytes(), value);
        }
    }
}
