//! Equality between values of any types, order between values of one type, and membership.

use super::number;
use super::value::{Answer, Map, Steps, Stop, Value, failed, no_such_overload};
use std::cmp::Ordering;

/// Whether two values are equal. Numbers are by what they count, values of different types are not.
pub(crate) fn equal(left: &Value, right: &Value, steps: &mut Steps) -> Result<bool, Stop> {
    steps.take(1)?;
    Ok(match (left, right) {
        (Value::Null, Value::Null) | (Value::Optional(None), Value::Optional(None)) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::String(left), Value::String(right)) => {
            steps.take_for_bytes(left.len().min(right.len()))?;
            left == right
        }
        (Value::Bytes(left), Value::Bytes(right)) => {
            steps.take_for_bytes(left.len().min(right.len()))?;
            left == right
        }
        (Value::Duration(left), Value::Duration(right)) => left == right,
        (Value::Timestamp(left), Value::Timestamp(right)) => left == right,
        (Value::Address(left), Value::Address(right)) => left == right,
        (Value::Type(left), Value::Type(right)) => left == right,
        (Value::List(left), Value::List(right)) => equal_lists(left, right, steps)?,
        (Value::Map(left), Value::Map(right)) => {
            left.len() == right.len() && is_part(left, right, Depth::Equal, steps)?
        }
        (Value::Optional(Some(left)), Value::Optional(Some(right))) => equal(left, right, steps)?,
        (left, right) => number::order(left, right) == Some(Ordering::Equal),
    })
}

fn equal_lists(left: &[Value], right: &[Value], steps: &mut Steps) -> Result<bool, Stop> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (left, right) in left.iter().zip(right) {
        if !equal(left, right, steps)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How the values of a map that is part of another compare.
#[derive(Clone, Copy)]
enum Depth {
    /// They are equal.
    Equal,
    /// Maps among them are parts themselves, everything else is equal.
    Part,
}

/// Whether every entry of `part` is in `whole`.
fn is_part(part: &Map, whole: &Map, depth: Depth, steps: &mut Steps) -> Result<bool, Stop> {
    for (key, value) in part.iter() {
        let Some(other) = whole.get(key) else { return Ok(false) };
        let same = match (depth, value, other) {
            (Depth::Part, Value::Map(value), Value::Map(other)) => {
                steps.take(1)?;
                is_part(value, other, depth, steps)?
            }
            _ => equal(value, other, steps)?,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether every key of a map is in another with an equal value, maps within maps likewise.
pub(crate) fn is_subtree(part: &Value, whole: &Value, steps: &mut Steps) -> Answer {
    match (part, whole) {
        (Value::Map(part), Value::Map(whole)) => {
            is_part(part, whole, Depth::Part, steps).map(Value::Bool)
        }
        _ => no_such_overload(),
    }
}

/// How two values of one type, or two numbers, are ordered.
pub(crate) fn order(left: &Value, right: &Value, steps: &mut Steps) -> Result<Ordering, Stop> {
    Ok(match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::String(left), Value::String(right)) => {
            steps.take_for_bytes(left.len().min(right.len()))?;
            left.cmp(right)
        }
        (Value::Bytes(left), Value::Bytes(right)) => {
            steps.take_for_bytes(left.len().min(right.len()))?;
            left.cmp(right)
        }
        (Value::Duration(left), Value::Duration(right)) => left.cmp(right),
        (Value::Timestamp(left), Value::Timestamp(right)) => left.cmp(right),
        (
            Value::Int(_) | Value::Uint(_) | Value::Double(_),
            Value::Int(_) | Value::Uint(_) | Value::Double(_),
        ) => match number::order(left, right) {
            Some(order) => order,
            None => return failed("NaN values cannot be ordered"),
        },
        _ => return no_such_overload(),
    })
}

/// `value in container`: an element of a list, or a key of a map.
pub(crate) fn contains(value: &Value, container: &Value, steps: &mut Steps) -> Answer {
    match (container, value.as_key()) {
        (Value::List(values), _) => {
            for element in values.iter() {
                if equal(value, element, steps)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        (Value::Map(map), Some(key)) => Ok(Value::Bool(map.get(&key).is_some())),
        (Value::Map(_), None) => Ok(Value::Bool(false)),
        _ => no_such_overload(),
    }
}

/// The order of a map's entries. An int and a uint that count the same are the same key.
pub(crate) fn order_of_keys(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        _ => number::order(left, right).unwrap_or_else(|| left.type_name().cmp(right.type_name())),
    }
}
