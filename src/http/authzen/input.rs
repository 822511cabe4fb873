//! The JSON of requests: entities, actions and context, with what is wrong with them.

use super::mapping::AuthzenMapping;
use crate::proto::authzed::api::v1 as wire;
use crate::relationship::{Context, NameKind, require_name, to_object_id};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// What a request is wrong in.
pub(super) type InputMistake = String;

/// A JSON object.
pub(super) type Members = Map<String, Value>;

/// A subject or a resource.
#[derive(Clone, Debug)]
pub(super) struct Entity {
    pub(super) kind: String,
    /// Empty where a search has none.
    pub(super) id: String,
    properties: Members,
}

/// What is done with a resource.
#[derive(Clone, Debug)]
pub(super) struct AuthzenAction {
    pub(super) name: String,
    properties: Members,
}

/// Reads a body that has to be one JSON object, without names that occur twice.
pub(super) fn read_object(body: &[u8]) -> Result<Members, InputMistake> {
    let UniqueValue(value) = serde_json::from_slice(body)
        .map_err(|error| format!("the body is not valid JSON: {error}"))?;
    let Value::Object(members) = value else {
        return Err("the body must be a JSON object".to_owned());
    };
    Ok(members)
}

/// A member that is an object, if it is there.
pub(super) fn object<'m>(
    members: &'m Members,
    name: &str,
) -> Result<Option<&'m Members>, InputMistake> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(format!("`{name}` must be an object")),
    }
}

fn text(members: &Members, of: &str, name: &str) -> Result<String, InputMistake> {
    match members.get(name) {
        None | Some(Value::Null) => Err(format!("`{of}.{name}` is required")),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(format!("`{of}.{name}` must be a string")),
    }
}

fn properties(members: &Members, of: &str) -> Result<Members, InputMistake> {
    match members.get("properties") {
        None | Some(Value::Null) => Ok(Members::new()),
        Some(Value::Object(properties)) => Ok(properties.clone()),
        Some(_) => Err(format!("`{of}.properties` must be an object")),
    }
}

impl Entity {
    /// The entity of a member, with its id.
    pub(super) fn read(members: &Members, name: &str) -> Result<Self, InputMistake> {
        let entity = object(members, name)?.ok_or_else(|| format!("`{name}` is required"))?;
        Ok(Self { id: text(entity, name, "id")?, ..Self::read_type(members, name)? })
    }

    /// The entity of a member whose id is what is searched.
    pub(super) fn read_type(members: &Members, name: &str) -> Result<Self, InputMistake> {
        let entity = object(members, name)?.ok_or_else(|| format!("`{name}` is required"))?;
        let (kind, properties) = (text(entity, name, "type")?, properties(entity, name)?);
        Ok(Self { kind, id: String::new(), properties })
    }

    /// The object that it is; none when no object can have its type or id.
    pub(super) fn object(&self, mapping: &AuthzenMapping) -> Option<wire::ObjectReference> {
        let object_id = to_object_id(&self.id);
        require_name(NameKind::ObjectId, &object_id).ok()?;
        Some(wire::ObjectReference { object_type: mapping.definition(&self.kind)?, object_id })
    }

    /// The same as a subject.
    pub(super) fn subject(&self, mapping: &AuthzenMapping) -> Option<wire::SubjectReference> {
        let object = Some(self.object(mapping)?);
        Some(wire::SubjectReference { object, optional_relation: String::new() })
    }
}

impl AuthzenAction {
    /// The action of a member.
    pub(super) fn read(members: &Members) -> Result<Self, InputMistake> {
        let action = object(members, "action")?.ok_or("`action` is required")?;
        Ok(Self {
            name: text(action, "action", "name")?,
            properties: properties(action, "action")?,
        })
    }
}

/// The caveat context of a request: its properties, and its context, which overrides them.
pub(super) fn context(
    members: &Members,
    mapping: &AuthzenMapping,
    subject: &Entity,
    action: Option<&AuthzenAction>,
    resource: &Entity,
) -> Result<Option<prost_types::Struct>, InputMistake> {
    let prefixes = mapping.prefixes();
    let mut values = Members::new();
    let mut add = |prefix: &str, properties: &Members| {
        for (name, value) in properties {
            values.insert(format!("{prefix}{name}"), value.clone());
        }
    };
    add(&prefixes.subject, &subject.properties);
    add(&prefixes.resource, &resource.properties);
    if let Some(action) = action {
        add(&prefixes.action, &action.properties);
    }
    if let Some(context) = object(members, "context")? {
        add("", context);
    }
    let context = Context::from_map(values);
    Ok(crate::proto::encode::optional_context(&context))
}

/// JSON whose objects have each name once.
struct UniqueValue(Value);

impl<'de> Deserialize<'de> for UniqueValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(UniqueValue(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Members::new();
        while let Some((name, UniqueValue(value))) = members.next_entry::<String, _>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("the name `{name}` occurs twice")));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}
