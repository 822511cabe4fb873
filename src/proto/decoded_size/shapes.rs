//! The message types of the protocol, as far as their size in memory depends on them.

use crate::proto::served_descriptors;
use prost_reflect::{Cardinality, DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Every message type of the protocol.
pub(super) static SHAPES: LazyLock<MessageShapes> = LazyLock::new(|| {
    served_descriptors().map(|pool| MessageShapes::from_pool(&pool)).unwrap_or_default()
});

/// A `String`, a `Vec` or a `BTreeMap` without what it points to.
pub(super) const HANDLE_BYTES: usize = 24;
/// A number, or the tag of an enum.
pub(super) const WORD_BYTES: usize = 8;

/// Every message type of the protocol, by its full name.
#[derive(Debug, Default)]
pub(super) struct MessageShapes {
    by_name: HashMap<String, usize>,
    all: Vec<MessageShape>,
}

/// The layout of one message type.
#[derive(Debug, Default)]
pub(super) struct MessageShape {
    /// What one message takes without what its strings, lists and maps point to, in bytes.
    pub(super) bytes: usize,
    /// By field number.
    pub(super) fields: Vec<Option<FieldShape>>,
}

#[derive(Clone, Debug)]
pub(super) struct FieldShape {
    pub(super) name: String,
    pub(super) content: FieldContent,
    pub(super) count: FieldCount,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum FieldContent {
    Number,
    Text,
    Message(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldCount {
    One,
    List,
    Map,
}

impl MessageShapes {
    fn from_pool(pool: &DescriptorPool) -> Self {
        let messages: Vec<MessageDescriptor> = pool.all_messages().collect();
        let by_name: HashMap<String, usize> = messages
            .iter()
            .enumerate()
            .map(|(index, message)| (message.full_name().to_owned(), index))
            .collect();
        let all = messages.iter().map(|message| MessageShape::new(message, &by_name)).collect();
        Self { by_name, all }
    }

    /// The index of a message type.
    pub(super) fn index(&self, full_name: &str) -> Option<usize> {
        self.by_name.get(full_name).copied()
    }

    /// The message type with an index.
    pub(super) fn get(&self, index: usize) -> Option<&MessageShape> {
        self.all.get(index)
    }
}

impl MessageShape {
    fn new(message: &MessageDescriptor, by_name: &HashMap<String, usize>) -> Self {
        let mut fields = Vec::new();
        for descriptor in message.fields() {
            let Ok(number) = usize::try_from(descriptor.number()) else { continue };
            if fields.len() <= number {
                fields.resize(number + 1, None);
            }
            if let Some(slot) = fields.get_mut(number) {
                *slot = Some(FieldShape::new(&descriptor, by_name));
            }
        }
        Self { bytes: inline_bytes(message, &mut Vec::new()), fields }
    }
}

impl FieldShape {
    fn new(field: &FieldDescriptor, by_name: &HashMap<String, usize>) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::authzed::api::v1 as proto;
    use prost::{Message, Name};

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
}
