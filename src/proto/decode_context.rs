//! `google.protobuf.Struct` to caveat contexts and metadata.

use super::field_errors::{Breach, Field, FieldErrors};
use crate::relationship::Context;
use prost_types::value::Kind;
use prost_types::{Struct, Value as ProtoValue};
use serde_json::{Map, Number, Value};

/// Maximum nesting depth of the objects and lists of a context.
const DEPTH_MAX: usize = 32;

/// The context that a message holds; an absent message holds an empty one.
pub(crate) fn context(
    errors: &mut FieldErrors,
    field: Field<'_>,
    message: Option<Struct>,
) -> Option<Context> {
    let Some(message) = message else {
        return Some(Context::default());
    };
    match map(message, DEPTH_MAX) {
        Ok(fields) => Some(Context::from_map(fields)),
        Err(rule) => {
            errors.add(field, Breach::Other, rule);
            None
        }
    }
}

fn map(message: Struct, depth_left: usize) -> Result<Map<String, Value>, String> {
    let depth_left = deeper(depth_left)?;
    let mut object = Map::new();
    for (name, item) in message.fields {
        let item = value(item, depth_left).map_err(|rule| at(&name, rule))?;
        object.insert(name, item);
    }
    Ok(object)
}

fn value(message: ProtoValue, depth_left: usize) -> Result<Value, String> {
    Ok(match message.kind {
        None => {
            return Err("a value without a kind is not allowed; null is `null_value`".to_owned());
        }
        Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::NumberValue(number)) => Value::Number(finite(number)?),
        Some(Kind::StructValue(message)) => Value::Object(map(message, depth_left)?),
        Some(Kind::ListValue(message)) => {
            let depth_left = deeper(depth_left)?;
            let items = message.values.into_iter().map(|item| value(item, depth_left));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
    })
}

fn finite(number: f64) -> Result<Number, String> {
    Number::from_f64(number)
        .ok_or_else(|| format!("`{number}` is not a number that can be compared"))
}

fn deeper(depth_left: usize) -> Result<usize, String> {
    depth_left
        .checked_sub(1)
        .ok_or_else(|| format!("values may lie at most {DEPTH_MAX} levels deep in one another"))
}

/// A rule with the name of the value that breaks it; the names around it would only hide it.
fn at(name: &str, rule: String) -> String {
    const NAME_CHARS_MAX: usize = 40;
    if rule.starts_with("in ") {
        return rule;
    }
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    format!("in `{name}`: {rule}")
}
