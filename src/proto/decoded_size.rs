//! How much memory a message takes once it is decoded, measured on its bytes before anything is built.
//!
//! An empty entry of a repeated field is two bytes on the wire and some hundred in memory. So the bytes are walked along the
//! descriptors, and whatever decoding would allocate is added up, rounded up. Nothing is allocated meanwhile.

use crate::proto::FILE_DESCRIPTOR_SET;
use prost_reflect::{Cardinality, DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Every message type of the protocol.
pub(crate) static SHAPES: LazyLock<MessageShapes> = LazyLock::new(|| {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET)
        .map(|pool| MessageShapes::of(&pool))
        .unwrap_or_default()
});

/// How deep messages may lie in one another, the request itself included: as deep as the decoder goes.
const DEPTH_MAX: usize = 101;
/// A `String`, a `Vec` or a `BTreeMap` without what it points to.
const HANDLE_BYTES: usize = 24;
/// A number, or the tag of an enum.
const WORD_BYTES: usize = 8;
/// What an allocation takes beside its content.
const ALLOCATION_BYTES: usize = 16;
/// Initial capacity of a list and of a node of a map, in entries.
const LIST_ENTRIES_MIN: usize = 4;
const NODE_ENTRIES: usize = 11;
/// The capacity of a growing list is up to twice its length; a node of a map may be half full.
const GROWTH: usize = 2;

/// Wire types.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const DELIMITED: u64 = 2;
const FOUR_BYTES: u64 = 5;

/// Every message type of the protocol, by its full name.
#[derive(Debug, Default)]
pub(crate) struct MessageShapes {
    by_name: HashMap<String, usize>,
    all: Vec<MessageShape>,
}

/// What is known of one message type.
#[derive(Debug, Default)]
struct MessageShape {
    /// What one message takes without what its strings, lists and maps point to, in bytes.
    bytes: usize,
    /// By field number.
    fields: Vec<Option<FieldShape>>,
}

#[derive(Clone, Debug)]
struct FieldShape {
    name: String,
    content: FieldContent,
    count: FieldCount,
}

#[derive(Clone, Copy, Debug)]
enum FieldContent {
    Number,
    Text,
    Message(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldCount {
    One,
    List,
    Map,
}

/// Why a message is not to be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SizeError {
    /// It would take more memory than it may. The field of the request in which that shows.
    Memory(String),
    /// Its messages lie too deep in one another.
    Depth,
    /// It has a group, which no message of this protocol has.
    Group,
}

/// Why a walk ended early.
enum WalkStop {
    SizeError(SizeError),
    /// No message. The decoder will stop at the same place, and say why.
    Malformed,
}

impl MessageShapes {
    fn of(pool: &DescriptorPool) -> Self {
        let messages: Vec<MessageDescriptor> = pool.all_messages().collect();
        let by_name: HashMap<String, usize> = messages
            .iter()
            .enumerate()
            .map(|(index, message)| (message.full_name().to_owned(), index))
            .collect();
        let all = messages.iter().map(|message| MessageShape::of(message, &by_name)).collect();
        Self { by_name, all }
    }

    /// The bytes of memory that a message of this type takes once it is decoded, at least as many as it does; at most
    /// `bytes_max`.
    pub(crate) fn measure(
        &self,
        full_name: &str,
        message: &[u8],
        bytes_max: usize,
    ) -> Result<usize, SizeError> {
        let Some(shape) = self.by_name.get(full_name) else { return Ok(0) };
        let mut walk = SizeWalk { shapes: self, bytes: 0, bytes_max };
        match walk.message(*shape, message, DEPTH_MAX) {
            Err(WalkStop::SizeError(reason)) => Err(reason),
            Ok(()) | Err(WalkStop::Malformed) => Ok(walk.bytes),
        }
    }
}

impl MessageShape {
    fn of(message: &MessageDescriptor, by_name: &HashMap<String, usize>) -> Self {
        let mut fields = Vec::new();
        for descriptor in message.fields() {
            let Ok(number) = usize::try_from(descriptor.number()) else { continue };
            if fields.len() <= number {
                fields.resize(number + 1, None);
            }
            if let Some(slot) = fields.get_mut(number) {
                *slot = Some(FieldShape::of(&descriptor, by_name));
            }
        }
        Self { bytes: inline_bytes(message, &mut Vec::new()), fields }
    }
}

impl FieldShape {
    fn of(field: &FieldDescriptor, by_name: &HashMap<String, usize>) -> Self {
        let kind = field.kind();
        let message = kind.as_message().and_then(|message| by_name.get(message.full_name()));
        let content = match (message, is_text(&kind)) {
            (Some(shape), _) => FieldContent::Message(*shape),
            (None, true) => FieldContent::Text,
            (None, false) => FieldContent::Number,
        };
        let count = match (field.is_map(), field.cardinality()) {
            (true, _) => FieldCount::Map,
            (false, Cardinality::Repeated) => FieldCount::List,
            (false, Cardinality::Optional | Cardinality::Required) => FieldCount::One,
        };
        Self { name: field.name().to_owned(), content, count }
    }
}

/// The size of a message's struct. Fields of a `oneof` share their memory; a message that contains itself is boxed.
fn inline_bytes(message: &MessageDescriptor, around: &mut Vec<String>) -> usize {
    around.push(message.full_name().to_owned());
    let mut bytes = 0;
    for field in message.fields().filter(|field| field.containing_oneof().is_none()) {
        bytes += field_bytes(&field, around);
    }
    for oneof in message.oneofs() {
        let largest = oneof.fields().map(|field| field_bytes(&field, around)).max();
        bytes += WORD_BYTES + largest.unwrap_or_default();
    }
    around.pop();
    bytes
}

fn field_bytes(field: &FieldDescriptor, around: &mut Vec<String>) -> usize {
    let kind = field.kind();
    if field.is_list() || field.is_map() || is_text(&kind) {
        return HANDLE_BYTES;
    }
    match kind.as_message() {
        Some(message) if !around.iter().any(|name| name == message.full_name()) => {
            WORD_BYTES + inline_bytes(message, around)
        }
        Some(_) | None => WORD_BYTES,
    }
}

fn is_text(kind: &Kind) -> bool {
    matches!(kind, Kind::String | Kind::Bytes)
}

/// A walk through the bytes of one message.
struct SizeWalk<'s> {
    shapes: &'s MessageShapes,
    bytes: usize,
    bytes_max: usize,
}

impl SizeWalk<'_> {
    fn message(
        &mut self,
        shape: usize,
        mut rest: &[u8],
        depth_left: usize,
    ) -> Result<(), WalkStop> {
        let depth_left = depth_left.checked_sub(1).ok_or(WalkStop::SizeError(SizeError::Depth))?;
        let shapes = self.shapes;
        let shape = shapes.all.get(shape).ok_or(WalkStop::Malformed)?;

        // The lists and maps that have an entry already, by field number.
        let mut begun = 0_u64;
        while !rest.is_empty() {
            let key = varint(&mut rest)?;
            let number = usize::try_from(key >> 3).map_err(|_| WalkStop::Malformed)?;
            let field = shape.fields.get(number).and_then(Option::as_ref);
            // Numbers beyond 63 do not occur; each of their entries would count as a first one.
            let bit = u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number));
            let bit = bit.unwrap_or_default();
            let is_first = begun & bit == 0;
            begun |= bit;
            match key & 7 {
                VARINT => {
                    varint(&mut rest)?;
                    self.number(field, is_first)?;
                }
                EIGHT_BYTES => {
                    take(&mut rest, 8)?;
                    self.number(field, is_first)?;
                }
                FOUR_BYTES => {
                    take(&mut rest, 4)?;
                    self.number(field, is_first)?;
                }
                DELIMITED => {
                    let length = varint(&mut rest)?;
                    let length = usize::try_from(length).map_err(|_| WalkStop::Malformed)?;
                    let content = take(&mut rest, length)?;
                    if let Some(field) = field {
                        self.delimited(field, content, is_first, depth_left)?;
                    }
                }
                _ => return Err(WalkStop::SizeError(SizeError::Group)),
            }
        }

        Ok(())
    }

    fn number(&mut self, field: Option<&FieldShape>, is_first: bool) -> Result<(), WalkStop> {
        match field {
            None
            | Some(FieldShape { content: FieldContent::Number, count: FieldCount::One, .. }) => {
                Ok(())
            }
            Some(
                field @ FieldShape {
                    content: FieldContent::Number, count: FieldCount::List, ..
                },
            ) => self.add(field, list_entry(WORD_BYTES, is_first)),
            Some(_) => Err(WalkStop::Malformed),
        }
    }

    fn delimited(
        &mut self,
        field: &FieldShape,
        content: &[u8],
        is_first: bool,
        depth_left: usize,
    ) -> Result<(), WalkStop> {
        match (field.content, field.count) {
            // Packed: each number takes a byte at least.
            (FieldContent::Number, FieldCount::List) => {
                self.add(field, GROWTH * WORD_BYTES * content.len())
            }
            (FieldContent::Number, _) | (FieldContent::Text, FieldCount::Map) => {
                Err(WalkStop::Malformed)
            }
            (FieldContent::Text, FieldCount::One) => {
                self.add(field, ALLOCATION_BYTES + content.len())
            }
            (FieldContent::Text, FieldCount::List) => {
                let entry = list_entry(HANDLE_BYTES, is_first);
                self.add(field, entry + ALLOCATION_BYTES + content.len())
            }
            (FieldContent::Message(shape), count) => {
                let inline = self.shapes.all.get(shape).map_or(0, |shape| shape.bytes);
                let entry = match count {
                    FieldCount::One => 0,
                    FieldCount::List => list_entry(inline, is_first),
                    FieldCount::Map => map_entry(inline, is_first),
                };
                self.add(field, entry)?;
                self.message(shape, content, depth_left).map_err(|stop| within(field, stop))
            }
        }
    }

    fn add(&mut self, field: &FieldShape, bytes: usize) -> Result<(), WalkStop> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.bytes_max {
            return Err(WalkStop::SizeError(SizeError::Memory(field.name.clone())));
        }
        Ok(())
    }
}

/// Names the outer field instead of the inner one: that is what the caller knows.
fn within(field: &FieldShape, stop: WalkStop) -> WalkStop {
    match stop {
        WalkStop::SizeError(SizeError::Memory(_)) => {
            WalkStop::SizeError(SizeError::Memory(field.name.clone()))
        }
        WalkStop::SizeError(_) | WalkStop::Malformed => stop,
    }
}

fn list_entry(bytes: usize, is_first: bool) -> usize {
    if is_first { LIST_ENTRIES_MIN * bytes + ALLOCATION_BYTES } else { GROWTH * bytes }
}

fn map_entry(bytes: usize, is_first: bool) -> usize {
    if is_first { NODE_ENTRIES * bytes + ALLOCATION_BYTES } else { GROWTH * bytes }
}

/// Reads a number of variable length.
fn varint(rest: &mut &[u8]) -> Result<u64, WalkStop> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first().ok_or(WalkStop::Malformed)?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(WalkStop::Malformed)
}

fn take<'b>(rest: &mut &'b [u8], count: usize) -> Result<&'b [u8], WalkStop> {
    let (taken, behind) = rest.split_at_checked(count).ok_or(WalkStop::Malformed)?;
    *rest = behind;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::authzed::api::v1 as proto;
    use prost::{Message, Name};

    const ALL: usize = usize::MAX;

    fn measured<M: Message + Name>(message: &M) -> usize {
        SHAPES.measure(&M::full_name(), &message.encode_to_vec(), ALL).unwrap()
    }

    #[test]
    fn a_struct_is_never_larger_than_is_reckoned() {
        fn require<M: Message + Name>() {
            require_size(&M::full_name(), size_of::<M>());
        }
        fn require_size(name: &str, actual: usize) {
            let reckoned = SHAPES.all[SHAPES.by_name[name]].bytes;
            assert!((actual..=3 * actual + 64).contains(&reckoned), "{name}: {reckoned}, {actual}");
        }
        require::<proto::CheckBulkPermissionsRequestItem>();
        require::<proto::CheckPermissionRequest>();
        require::<proto::RelationshipUpdate>();
        require::<proto::Relationship>();
        require::<proto::Precondition>();

        require::<proto::RelationshipFilter>();
        require::<proto::ContextualizedCaveat>();
        require::<proto::ReflectionSchemaFilter>();
        require::<proto::Consistency>();
        require_size("google.protobuf.Struct", size_of::<prost_types::Struct>());
        require_size("google.protobuf.Value", size_of::<prost_types::Value>());
        require_size("google.protobuf.ListValue", size_of::<prost_types::ListValue>());

        require_size("google.protobuf.Timestamp", size_of::<prost_types::Timestamp>());
    }

    #[test]
    fn empty_entries_are_reckoned_with_what_they_take() {
        let items = vec![proto::CheckBulkPermissionsRequestItem::default(); 1_000];
        let request = proto::CheckBulkPermissionsRequest { items, ..Default::default() };
        let taken = 1_000 * size_of::<proto::CheckBulkPermissionsRequestItem>();
        let reckoned = measured(&request);
        assert!((taken..5 * taken).contains(&reckoned), "{reckoned} for {taken}");
    }

    #[test]
    fn what_is_too_much_is_told_with_its_field() {
        let request = proto::WriteRelationshipsRequest {
            updates: vec![proto::RelationshipUpdate::default(); 1_000],
            ..Default::default()
        };
        let bytes = request.encode_to_vec();
        let name = proto::WriteRelationshipsRequest::full_name();
        let refused = SHAPES.measure(&name, &bytes, 1_000).unwrap_err();
        assert_eq!(refused, SizeError::Memory("updates".to_owned()));
        let strings = proto::WatchRequest {
            optional_object_types: vec![String::new(); 1_000],
            ..Default::default()
        };
        let refused =
            SHAPES.measure(&proto::WatchRequest::full_name(), &strings.encode_to_vec(), 1_000);
        assert_eq!(refused, Err(SizeError::Memory("optional_object_types".to_owned())));
    }

    #[test]
    fn depth_and_groups_are_refused() {
        let mut value = prost_types::Value::default();
        for _ in 0..60 {
            let list = prost_types::ListValue { values: vec![value] };
            value = prost_types::Value { kind: Some(prost_types::value::Kind::ListValue(list)) };
        }
        let name = "google.protobuf.Value";
        let refused = SHAPES.measure(name, &value.encode_to_vec(), ALL);
        assert_eq!(refused, Err(SizeError::Depth));
        assert_eq!(SHAPES.measure(name, &[0x0b, 0x0c], ALL), Err(SizeError::Group));
    }

    #[test]
    fn what_is_no_message_is_left_to_the_decoder() {
        let name = proto::CheckPermissionRequest::full_name();
        for bytes in [&[0xff][..], &[0x0a, 5, 0], &[0x1a], &[0x10, 1], &[0x80; 11]] {
            assert_eq!(SHAPES.measure(&name, bytes, ALL), Ok(0), "{bytes:?}");
            assert!(proto::CheckPermissionRequest::decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
