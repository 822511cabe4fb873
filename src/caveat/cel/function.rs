//! What the functions and operators do with values.

use super::ast::Operator;
use super::time::{self, Part};
use super::value::{Answer, Steps, Value, failed, no_such_overload};
use super::{address, compare, conversion, number, pattern};
use regex::Regex;

/// A function or operator that reads all its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Operator(Operator),
    Negate,
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    Part(Part),
    ToInt,
    ToUint,
    ToDouble,
    ToBool,
    ToBytes,
    ToDuration,
    ToTimestamp,
    ToString,
    TypeOf,
    /// `dyn`: the value, of which the type checker knows nothing any more.
    Itself,
    OptionalOf,
    OptionalOfNonZero,
    OptionalNone,
    HasValue,
    ValueOf,
    /// The first of two optionals that has a value; the second one is read only when needed.
    Or,
    /// An optional's value, or else another one, which is read only when needed.
    OrValue,
    InCidr,
    IsSubtreeOf,
}

impl Function {
    /// The function's value for these arguments.
    pub(crate) fn apply(self, arguments: &[Value], steps: &mut Steps) -> Answer {
        match (self, arguments) {
            (Self::Operator(operator), [left, right]) => operate(operator, left, right, steps),
            (Self::Negate, [value]) => number::negate(value),
            (Self::Size, [value]) => size(value, steps),
            (Self::Contains, [Value::String(text), Value::String(part)]) => {
                steps.take_for_bytes(text.len() + part.len())?;
                Ok(Value::Bool(text.contains(part.as_ref())))
            }
            (Self::StartsWith, [Value::String(text), Value::String(part)]) => {
                steps.take_for_bytes(part.len())?;
                Ok(Value::Bool(text.starts_with(part.as_ref())))
            }
            (Self::EndsWith, [Value::String(text), Value::String(part)]) => {
                steps.take_for_bytes(part.len())?;
                Ok(Value::Bool(text.ends_with(part.as_ref())))
            }
            (Self::Matches, [text, Value::String(text_of_pattern)]) => {
                // Compiling is far dearer than anything else that a step stands for.
                steps.take(1_000 + text_of_pattern.len() * 10)?;
                match pattern::compile(text_of_pattern) {
                    Ok(pattern) => matches(text, &pattern, steps),
                    Err(message) => failed(message),
                }
            }
            (Self::Part(part), [value]) => time::part(value, part, None),
            (Self::Part(part), [value, zone]) => time::part(value, part, Some(zone)),
            (Self::ToInt, [value]) => conversion::to_int(value),
            (Self::ToUint, [value]) => conversion::to_uint(value),
            (Self::ToDouble, [value]) => conversion::to_double(value),
            (Self::ToBool, [value]) => conversion::to_bool(value),
            (Self::ToBytes, [value]) => conversion::to_bytes(value, steps),
            (Self::ToDuration, [value]) => conversion::to_duration(value),
            (Self::ToTimestamp, [value]) => conversion::to_timestamp(value),
            (Self::ToString, [value]) => conversion::to_string(value, steps),
            (Self::TypeOf, [value]) => Ok(Value::Type(value.type_name())),
            (Self::Itself, [value]) => Ok(value.clone()),
            (Self::OptionalOfNonZero, [value]) if value.is_zero() => Ok(Value::Optional(None)),
            (Self::OptionalOf | Self::OptionalOfNonZero, [value]) => Ok(Value::some(value.clone())),
            (Self::OptionalNone, []) => Ok(Value::Optional(None)),
            (Self::HasValue, [Value::Optional(value)]) => Ok(Value::Bool(value.is_some())),
            (Self::ValueOf, [Value::Optional(Some(value))]) => Ok(value.as_ref().clone()),
            (Self::ValueOf, [Value::Optional(None)]) => failed("optional.none() dereference"),
            (Self::InCidr, [address, network]) => address::in_cidr(address, network),
            (Self::IsSubtreeOf, [part, whole]) => compare::is_subtree(part, whole, steps),
            _ => no_such_overload(),
        }
    }
}

fn operate(operator: Operator, left: &Value, right: &Value, steps: &mut Steps) -> Answer {
    match operator {
        Operator::Equal => compare::equal(left, right, steps).map(Value::Bool),
        Operator::NotEqual => compare::equal(left, right, steps).map(|same| Value::Bool(!same)),
        Operator::Less => Ok(compare::order(left, right, steps)?.is_lt().into()),
        Operator::LessOrEqual => Ok(compare::order(left, right, steps)?.is_le().into()),
        Operator::Greater => Ok(compare::order(left, right, steps)?.is_gt().into()),
        Operator::GreaterOrEqual => Ok(compare::order(left, right, steps)?.is_ge().into()),
        Operator::In => compare::contains(left, right, steps),
        Operator::Add => number::add(left, right, steps),
        Operator::Subtract => number::subtract(left, right),
        Operator::Multiply => number::multiply(left, right),
        Operator::Divide => number::divide(left, right),
        Operator::Modulo => number::modulo(left, right),
    }
}

/// Characters of a text, bytes, elements or entries.
fn size(value: &Value, steps: &mut Steps) -> Answer {
    let size = match (value, steps) {
        (Value::String(text), steps) => {
            steps.take_for_bytes(text.len())?;
            text.chars().count()
        }
        (Value::Bytes(bytes), _) => bytes.len(),
        (Value::List(values), _) => values.len(),
        (Value::Map(map), _) => map.len(),
        _ => return no_such_overload(),
    };
    i64::try_from(size).map(Value::Int).or(failed("integer overflow"))
}

/// Whether a pattern is found anywhere in a text.
pub(crate) fn matches(text: &Value, pattern: &Regex, steps: &mut Steps) -> Answer {
    let Value::String(text) = text else { return no_such_overload() };
    // The time that a search takes grows with both lengths.
    steps.take_for_bytes(text.len().saturating_mul(1 + pattern.as_str().len() / 8))?;
    Ok(Value::Bool(pattern.is_match(text)))
}
