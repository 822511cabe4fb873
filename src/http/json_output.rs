//! Messages as JSON: with their defaults, and `null` for each unset message outside of a `oneof`.

use crate::proto::FILE_DESCRIPTOR_SET;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _,
    SerializeOptions, Value as FieldValue,
};
use serde_json::Value;
use std::sync::LazyLock;

const ANY: &str = "google.protobuf.Any";
/// Messages whose JSON is no object of their fields.
const WELL_KNOWN: &str = "google.protobuf.";

static STATUS: LazyLock<Option<MessageDescriptor>> = LazyLock::new(|| {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).ok()?.get_message_by_name("google.rpc.Status")
});

/// The JSON of an encoded message; nothing when it is not one of this type.
pub(super) fn object(message_type: MessageDescriptor, bytes: &[u8]) -> Option<Value> {
    value(&DynamicMessage::decode(message_type, bytes).ok()?)
}

/// The JSON of an encoded `google.rpc.Status`, which the details of a failed call hold.
pub(super) fn status(bytes: &[u8]) -> Option<Value> {
    let status = DynamicMessage::decode(STATUS.clone()?, bytes).ok()?;
    let has_code = status.get_field_by_name("code").is_some_and(|code| code.as_i32() != Some(0));
    has_code.then(|| value(&status)).flatten()
}

fn value(message: &DynamicMessage) -> Option<Value> {
    let options = SerializeOptions::new().skip_default_fields(false);
    let mut value = message.serialize_with_options(serde_json::value::Serializer, &options).ok()?;
    add_nulls(message, &mut value);
    Some(value)
}

fn add_nulls(message: &DynamicMessage, value: &mut Value) {
    if message.descriptor().full_name() == ANY {
        if let Some(inner) = unpacked(message) {
            add_nulls(&inner, value);
        }
        return;
    }
    let Value::Object(members) = value else { return };
    for field in message.descriptor().fields() {
        if message.has_field(&field) {
            if let Kind::Message(kind) = field.kind()
                && let Some(member) = members.get_mut(field.json_name())
                && (!kind.full_name().starts_with(WELL_KNOWN) || kind.full_name() == ANY)
            {
                add_nulls_below(&message.get_field(&field), member);
            }
        } else if is_nullable(&field) {
            members.insert(field.json_name().to_owned(), Value::Null);
        }
    }
}

fn add_nulls_below(field: &FieldValue, value: &mut Value) {
    match (field, value) {
        (FieldValue::Message(message), value) => add_nulls(message, value),
        (FieldValue::List(list), Value::Array(values)) => {
            for (item, value) in list.iter().zip(values) {
                add_nulls_below(item, value);
            }
        }
        // No map of the protocol holds messages.
        _ => {}
    }
}

/// The message that a `google.protobuf.Any` holds, if it is one of the protocol.
fn unpacked(any: &DynamicMessage) -> Option<DynamicMessage> {
    let (type_url, bytes) = (any.get_field_by_name("type_url")?, any.get_field_by_name("value")?);
    let (_, name) = type_url.as_str()?.rsplit_once('/')?;
    let message_type = any.descriptor().parent_pool().get_message_by_name(name)?;
    let is_plain = !name.starts_with(WELL_KNOWN);
    DynamicMessage::decode(message_type, bytes.as_bytes()?.as_ref()).ok().filter(|_| is_plain)
}

/// A field that can be unset, outside of a `oneof`: a single message, and any of an older syntax. An `optional` field of proto3
/// counts as a `oneof` of its own.
fn is_nullable(field: &FieldDescriptor) -> bool {
    field.supports_presence() && field.containing_oneof().is_none()
}
