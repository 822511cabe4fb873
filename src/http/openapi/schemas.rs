//! Messages and enums as schemas of their JSON.

use super::comments::Comments;
use super::members::set;
use crate::api::text_rule;
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use prost_types::FieldOptions;
use serde_json::{Map, Value, json};

/// The package whose types are named without it.
const PACKAGE: &str = "authzed.api.v1.";

/// The schemas of the messages and enums that were asked for, and of those in them.
#[derive(Debug)]
pub(super) struct Schemas<'c> {
    comments: &'c Comments,
    known: Map<String, Value>,
}

impl<'c> Schemas<'c> {
    /// No schemas.
    pub(super) fn new(comments: &'c Comments) -> Self {
        Self { comments, known: Map::new() }
    }

    /// All schemas by their name.
    pub(super) fn into_map(self) -> Map<String, Value> {
        self.known
    }

    /// A reference to the schema of a message, or the schema where it is one of protobuf itself.
    pub(super) fn message(&mut self, message: &MessageDescriptor) -> Value {
        if let Some(schema) = well_known(message.full_name()) {
            return schema;
        }
        let name = component_name(message.full_name());
        if !self.known.contains_key(&name) {
            // Its place is taken first, because messages contain themselves.
            self.known.insert(name.clone(), Value::Null);
            let schema = self.object(message);
            self.known.insert(name.clone(), schema);
        }
        reference(&name)
    }

    fn object(&mut self, message: &MessageDescriptor) -> Value {
        let mut properties = Map::new();
        for field in message.fields() {
            let schema = self.field(&field);
            properties.insert(field.json_name().to_owned(), schema);
        }
        let mut schema = json!({"type": "object", "properties": properties});
        let mut about = self.comments.of_message(message).unwrap_or_default().to_owned();
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            let names: Vec<String> =
                oneof.fields().map(|field| format!("`{}`", field.json_name())).collect();
            about.extend([" At most one of ", &names.join(", "), " is set."]);
        }
        describe(&mut schema, Some(about.trim()).filter(|about| !about.is_empty()));
        schema
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        let single = self.kind(field);
        let mut schema = if field.is_map() {
            json!({"type": "object", "additionalProperties": true})
        } else if field.is_list() {
            json!({"type": "array", "items": single})
        } else if matches!(field.kind(), Kind::Message(_)) && field.containing_oneof().is_none() {
            json!({"anyOf": [single, {"type": "null"}]})
        } else if single.get("$ref").is_some() {
            json!({"allOf": [single]})
        } else {
            single
        };
        describe(&mut schema, self.comments.of_field(field));
        let is_deprecated = field.field_descriptor_proto().options.as_ref();
        if is_deprecated.is_some_and(FieldOptions::deprecated) {
            set(&mut schema, "deprecated", true);
        }
        schema
    }

    /// One value of a field.
    fn kind(&mut self, field: &FieldDescriptor) -> Value {
        match field.kind() {
            Kind::Bool => json!({"type": "boolean"}),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({"type": "integer", "format": "int32"})
            }
            Kind::Uint32 | Kind::Fixed32 => {
                json!({"type": "integer", "minimum": 0, "maximum": u32::MAX})
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({"type": "string", "pattern": "^-?[0-9]+$"})
            }
            Kind::Uint64 | Kind::Fixed64 => json!({"type": "string", "pattern": "^[0-9]+$"}),
            Kind::Float | Kind::Double => json!({"type": "number"}),
            Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
            Kind::String => text(field),
            Kind::Message(message) => self.message(&message),
            Kind::Enum(values) => self.values(&values),
        }
    }

    fn values(&mut self, values: &EnumDescriptor) -> Value {
        let name = component_name(values.full_name());
        if !self.known.contains_key(&name) {
            let named: Vec<String> = values.values().map(|value| value.name().to_owned()).collect();
            let mut about = self.comments.of_enum(values).unwrap_or_default().to_owned();
            for value in values.values() {
                if let Some(comment) = self.comments.of_value(&value) {
                    about.extend(["\n- `", value.name(), "`: ", comment]);
                }
            }
            let mut schema = json!({"type": "string", "enum": named});
            describe(&mut schema, Some(about.trim()).filter(|about| !about.is_empty()));
            self.known.insert(name.clone(), schema);
        }
        reference(&name)
    }
}

fn describe(schema: &mut Value, about: Option<&str>) {
    if let Some(about) = about {
        set(schema, "description", about);
    }
}

/// A text, with the rules that requests have to keep.
fn text(field: &FieldDescriptor) -> Value {
    let mut schema = json!({"type": "string"});
    if let Some((bytes_max, pattern)) = text_rule(field) {
        set(&mut schema, "maxLength", bytes_max);
        if let Some(pattern) = pattern {
            set(&mut schema, "pattern", pattern);
        }
    }
    schema
}

/// The JSON of messages that have a form of their own.
fn well_known(name: &str) -> Option<Value> {
    Some(match name {
        "google.protobuf.Timestamp" => json!({"type": "string", "format": "date-time"}),
        "google.protobuf.Duration" => {
            json!({"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?s$"})
        }
        "google.protobuf.Struct" => json!({"type": "object", "additionalProperties": true}),
        "google.protobuf.Any" => json!({
            "type": "object",
            "properties": {"@type": {"type": "string"}},
            "additionalProperties": true,
        }),
        "google.protobuf.Value" => json!({}),
        "google.protobuf.ListValue" => json!({"type": "array", "items": {}}),
        _ => return None,
    })
}

/// The name of the schema of a type. The two packages have types of the same name.
fn component_name(full_name: &str) -> String {
    full_name.strip_prefix(PACKAGE).unwrap_or(full_name).to_owned()
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}
