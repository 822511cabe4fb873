//! Messages as JSON, straight from their encoded form.
//!
//! Most messages are encoded field after field in the order of their numbers, so that their JSON can be written while they are
//! read, without a tree of values between. What is encoded otherwise, and messages whose JSON is not that of their fields,
//! such as `google.protobuf.Struct`, are decoded by their descriptors. Both ways write the same.

use crate::proto::{WireValue, next_field};
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor,
};
use serde::Serialize;
use std::collections::HashMap;
use std::io::Write as _;
use std::str;

/// Messages with JSON of their own.
const WELL_KNOWN: &str = "google.protobuf.";
/// The deepest nesting of messages that the decoder accepts too.
const DEPTH_MAX: usize = 100;
/// The most `oneof`s of a message whose members are distinguished.
const ONEOFS_MAX: usize = 64;

/// Writes messages of a pool.
pub(super) struct MessageJson {
    all: Vec<MessageForm>,
    by_name: HashMap<String, usize>,
}

/// How messages of one type are written.
struct MessageForm {
    descriptor: MessageDescriptor,
    /// By number. `None` for messages that are decoded by their descriptors.
    fields: Option<Vec<Option<FieldForm>>>,
}

/// How a field is written.
struct FieldForm {
    /// Its name as a member of an object, with the colon.
    key: String,
    content: JsonContent,
    is_list: bool,
    /// Whether it is written when it is zero or empty.
    shows_default: bool,
    /// A bit for the `oneof` of which it is a member; 0 for none.
    oneof: u64,
}

enum JsonContent {
    Text,
    Bool,
    /// A signed number; `is_quoted` where JavaScript's numbers are too small for it.
    Signed {
        is_quoted: bool,
    },
    Unsigned {
        is_quoted: bool,
    },
    Enum(EnumNames),
    Message(usize),
}

impl JsonContent {
    /// Whether this is its zero or empty value.
    fn is_default(&self, value: WireValue<'_>) -> bool {
        match (self, value) {
            (Self::Text | Self::Message(_), WireValue::Delimited(bytes)) => bytes.is_empty(),
            (
                Self::Bool | Self::Signed { .. } | Self::Unsigned { .. } | Self::Enum(_),
                WireValue::Varint(number),
            ) => number == 0,
            // A malformed message, which is not written.
            (_, WireValue::Varint(_) | WireValue::Delimited(_) | WireValue::Other) => false,
        }
    }
}

/// The names of an enum's values.
pub(super) struct EnumNames(Vec<(i32, String)>);

impl EnumNames {
    /// Those of an enum.
    pub(super) fn new(descriptor: &EnumDescriptor) -> Self {
        // Of several names of a number the first one counts, as for the descriptor.
        Self(descriptor.values().map(|value| (value.number(), value.name().to_owned())).collect())
    }

    /// The name of a number as it is encoded; `None` for a number that has none.
    pub(super) fn get(&self, encoded: u64) -> Option<&str> {
        let number = i32::try_from(encoded.cast_signed()).ok()?;
        self.0.iter().find(|(known, _)| *known == number).map(|(_, name)| name.as_str())
    }
}

impl MessageJson {
    /// Writes the messages of a pool.
    pub(super) fn new(pool: &DescriptorPool) -> Self {
        let messages: Vec<MessageDescriptor> = pool.all_messages().collect();
        let names = messages.iter().map(|message| message.full_name().to_owned());
        let by_name = names.zip(0..).collect();
        let all = messages.into_iter().map(|message| MessageForm::new(message, &by_name)).collect();
        Self { all, by_name }
    }

    /// The index of a message type, for [`Self::write`].
    pub(super) fn index(&self, message: &MessageDescriptor) -> Option<usize> {
        self.by_name.get(message.full_name()).copied()
    }

    /// Appends the JSON of an encoded message. `None`, and nothing is appended, when it is not one of this type.
    pub(super) fn write(&self, index: usize, bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
        self.write_nested(index, bytes, out, DEPTH_MAX)
    }

    fn write_nested(
        &self,
        index: usize,
        bytes: &[u8],
        out: &mut Vec<u8>,
        depth_left: usize,
    ) -> Option<()> {
        let depth_left = depth_left.checked_sub(1)?;
        let form = self.all.get(index)?;
        let start = out.len();
        if let Some(fields) = &form.fields
            && self.write_fields(fields, bytes, out, depth_left).is_some()
        {
            return Some(());
        }

        out.truncate(start);
        let message = DynamicMessage::decode(form.descriptor.clone(), bytes).ok()?;
        if serde_json::to_writer(&mut *out, &message).is_err() {
            // Such as a timestamp beyond the year 9999.
            out.truncate(start);
            return None;
        }
        Some(())
    }

    /// Writes a message whose fields are all known and in their order. `None` for others, after some of it has been written.
    fn write_fields(
        &self,
        fields: &[Option<FieldForm>],
        mut rest: &[u8],
        out: &mut Vec<u8>,
        depth_left: usize,
    ) -> Option<()> {
        out.push(b'{');
        let (mut last, mut oneofs, mut is_in_list) = (0, 0, false);
        while !rest.is_empty() {
            let (number, value) = next_field(&mut rest)?;
            let field = fields.get(usize::try_from(number).ok()?)?.as_ref()?;
            if number < last || (number == last && !field.is_list) || oneofs & field.oneof != 0 {
                return None;
            }
            oneofs |= field.oneof;
            if number == last {
                out.push(b',');
            } else {
                if is_in_list {
                    out.push(b']');
                }
                is_in_list = field.is_list;
                last = number;
                if !field.shows_default && field.content.is_default(value) {
                    continue;
                }
                if out.last() != Some(&b'{') {
                    out.push(b',');
                }
                out.extend_from_slice(field.key.as_bytes());
                if field.is_list {
                    out.push(b'[');
                }
            }

            self.write_value(&field.content, value, out, depth_left)?;
        }

        if is_in_list {
            out.push(b']');
        }
        out.push(b'}');
        Some(())
    }

    fn write_value(
        &self,
        content: &JsonContent,
        value: WireValue<'_>,
        out: &mut Vec<u8>,
        depth_left: usize,
    ) -> Option<()> {
        match (content, value) {
            (JsonContent::Text, WireValue::Delimited(bytes)) => {
                write_json(out, str::from_utf8(bytes).ok()?);
            }
            (JsonContent::Message(index), WireValue::Delimited(bytes)) => {
                self.write_nested(*index, bytes, out, depth_left)?;
            }

            (JsonContent::Bool, WireValue::Varint(value)) => write_json(out, &(value != 0)),
            (JsonContent::Signed { is_quoted: true }, WireValue::Varint(value)) => {
                write!(out, "\"{}\"", value.cast_signed()).ok()?;
            }
            (JsonContent::Unsigned { is_quoted: true }, WireValue::Varint(value)) => {
                write!(out, "\"{value}\"").ok()?;
            }
            (JsonContent::Signed { is_quoted: false }, WireValue::Varint(value)) => {
                write_json(out, &i32::try_from(value.cast_signed()).ok()?);
            }
            (JsonContent::Unsigned { is_quoted: false }, WireValue::Varint(value)) => {
                write_json(out, &u32::try_from(value).ok()?);
            }
            (JsonContent::Enum(names), WireValue::Varint(value)) => match names.get(value) {
                Some(name) => write_json(out, name),
                None => write_json(out, &i32::try_from(value.cast_signed()).ok()?),
            },
            (_, WireValue::Varint(_) | WireValue::Delimited(_) | WireValue::Other) => return None,
        }
        Some(())
    }
}

impl MessageForm {
    fn new(descriptor: MessageDescriptor, by_name: &HashMap<String, usize>) -> Self {
        let is_plain = !descriptor.full_name().starts_with(WELL_KNOWN)
            && descriptor.oneofs().len() <= ONEOFS_MAX;
        let fields = if is_plain { plain_fields(&descriptor, by_name) } else { None };
        Self { descriptor, fields }
    }
}

/// The fields of a message by number; `None` if there is one that is decoded by its descriptor.
fn plain_fields(
    message: &MessageDescriptor,
    by_name: &HashMap<String, usize>,
) -> Option<Vec<Option<FieldForm>>> {
    let oneofs: HashMap<String, u64> = message
        .oneofs()
        .enumerate()
        .map(|(index, oneof)| (oneof.full_name().to_owned(), 1 << index))
        .collect();
    let mut fields = Vec::new();

    for descriptor in message.fields() {
        let number = usize::try_from(descriptor.number()).ok()?;
        if fields.len() <= number {
            fields.resize_with(number + 1, || None);
        }
        let oneof = descriptor.containing_oneof();
        let oneof = oneof.and_then(|oneof| oneofs.get(oneof.full_name()).copied());
        let form = FieldForm {
            key: format!("{}:", serde_json::to_string(descriptor.json_name()).ok()?),
            content: content(&descriptor, by_name)?,
            is_list: descriptor.is_list(),
            shows_default: descriptor.is_list() || descriptor.supports_presence(),
            oneof: oneof.unwrap_or_default(),
        };
        *fields.get_mut(number)? = Some(form);
    }
    Some(fields)
}

/// What a field holds; `None` for what is decoded by its descriptor.
fn content(field: &FieldDescriptor, by_name: &HashMap<String, usize>) -> Option<JsonContent> {
    match field.kind() {
        _ if field.is_map() => None,
        Kind::String => Some(JsonContent::Text),
        Kind::Message(message) => {
            by_name.get(message.full_name()).copied().map(JsonContent::Message)
        }
        // Numbers of a list may be packed.
        _ if field.is_list() => None,
        Kind::Bool => Some(JsonContent::Bool),
        Kind::Int32 => Some(JsonContent::Signed { is_quoted: false }),
        Kind::Int64 => Some(JsonContent::Signed { is_quoted: true }),
        Kind::Uint32 => Some(JsonContent::Unsigned { is_quoted: false }),
        Kind::Uint64 => Some(JsonContent::Unsigned { is_quoted: true }),
        Kind::Enum(names) => Some(JsonContent::Enum(EnumNames::new(&names))),
        Kind::Double
        | Kind::Float
        | Kind::Sint32
        | Kind::Sint64
        | Kind::Fixed32
        | Kind::Fixed64
        | Kind::Sfixed32
        | Kind::Sfixed64
        | Kind::Bytes => None,
    }
}

/// Appends a value as JSON.
pub(super) fn write_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Texts and numbers are always JSON, and memory takes them.
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::authzed::api::v1 as proto;
    use crate::proto::served_descriptors;
    use proptest::prelude::{ProptestConfig, any, proptest};
    use prost::{Message, Name};
    use serde_json::Value;

    struct BothWays {
        pool: DescriptorPool,
        json: MessageJson,
    }

    impl BothWays {
        fn new() -> Self {
            let pool = served_descriptors().unwrap();
            let json = MessageJson::new(&pool);
            Self { pool, json }
        }

        /// The JSON of bytes, which both ways agree on.
        fn same(&self, name: &str, bytes: &[u8]) -> Option<Value> {
            let descriptor = self.pool.get_message_by_name(name).unwrap();
            let mut out = b"before".to_vec();
            let written = self.json.write(self.json.index(&descriptor).unwrap(), bytes, &mut out);
            let text = out.strip_prefix(b"before").unwrap();
            let written = written.map(|()| serde_json::from_slice(text).unwrap());
            assert!(written.is_some() || text.is_empty());
            let decoded = DynamicMessage::decode(descriptor, bytes).ok();
            let decoded = decoded.and_then(|message| serde_json::to_value(message).ok());
            assert_eq!(written, decoded, "{name} {bytes:?}");
            written
        }

        fn same_message<M: Message + Name>(&self, message: &M) -> Value {
            self.same(&M::full_name(), &message.encode_to_vec()).unwrap()
        }
    }

    fn object(object_type: &str, object_id: &str) -> proto::ObjectReference {
        proto::ObjectReference {
            object_type: object_type.to_owned(),
            object_id: object_id.to_owned(),
        }
    }

    #[test]
    fn a_message_is_written_as_its_descriptor_says() {
        let forms = BothWays::new();
        let number = prost_types::Value { kind: Some(prost_types::value::Kind::NumberValue(0.5)) };
        let context = prost_types::Struct { fields: [("a\"b".to_owned(), number)].into() };
        let subject = proto::SubjectReference {
            object: Some(object("user", "\u{1}ä\\")),
            optional_relation: String::new(),
        };
        let requirement = proto::consistency::Requirement::FullyConsistent(false);
        let check = proto::CheckPermissionRequest {
            consistency: Some(proto::Consistency { requirement: Some(requirement) }),
            resource: Some(object("document", "")),
            permission: "view".to_owned(),
            subject: Some(subject),
            context: Some(context),
            with_tracing: true,
        };
        let json = forms.same_message(&check);
        assert_eq!(json["consistency"]["fullyConsistent"], false);
        assert_eq!(json["subject"]["object"]["objectId"], "\u{1}ä\\");
        assert_eq!(json["context"]["a\"b"], 0.5);

        let update = proto::RelationshipUpdate { operation: 2, ..Default::default() };
        let unknown = proto::RelationshipUpdate { operation: -7, ..Default::default() };
        let updates = vec![update, proto::RelationshipUpdate::default(), unknown];
        let write = proto::WriteRelationshipsRequest { updates, ..Default::default() };
        let json = forms.same_message(&write);
        assert_eq!(json["updates"][0]["operation"], "OPERATION_TOUCH");
        assert_eq!(json["updates"][2]["operation"], -7);
        forms.same_message(&proto::LookupResourcesRequest {
            optional_limit: 7,
            ..Default::default()
        });
        assert_eq!(
            forms.same_message(&proto::CheckPermissionRequest::default()),
            Value::Object(serde_json::Map::new())
        );
    }

    #[test]
    fn a_message_in_another_order_is_written_all_the_same() {
        let forms = BothWays::new();
        let bytes = proto::CheckPermissionRequest {
            resource: Some(object("document", "plan")),
            permission: "view".to_owned(),
            ..Default::default()
        }
        .encode_to_vec();
        let name = "authzed.api.v1.CheckPermissionRequest";

        // Twice: the second one counts, or both are merged.
        let json = forms.same(name, &[bytes.clone(), bytes.clone()].concat()).unwrap();
        assert_eq!(json["resource"]["objectId"], "plan");
        // With a field that it does not have, number 100.
        forms.same(name, &[&bytes[..], &[0xa0, 0x06, 0x01]].concat()).unwrap();
        // The last of a `oneof` counts.
        let both = [0x08, 0x01, 0x20, 0x01];
        let json = forms.same("authzed.api.v1.Consistency", &both).unwrap();
        assert_eq!(json, serde_json::json!({ "fullyConsistent": true }));
        for length in 0..bytes.len() {
            forms.same(name, &bytes[..length]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn any_bytes_are_written_as_the_descriptors_say(bytes in any::<Vec<u8>>()) {
            let forms = BothWays::new();
            for name in ["CheckPermissionRequest", "WriteRelationshipsRequest", "Consistency"] {
                forms.same(&format!("authzed.api.v1.{name}"), &bytes);
            }
        }
    }
}
