//! Converts the JSON values of a context to the types of parameters.

use crate::caveat::eval::cel_fixes;
use crate::caveat::eval::ip::IpValue;
use crate::caveat::parameter::ParameterType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelNull,
    CelString,
};
use cel::common::value::Val;
use chrono::TimeDelta;
use serde_json::Value;
use std::collections::HashMap;

/// A value in an expression.
type CelValue = Box<dyn Val>;

/// The smallest double that does not fit into an int.
const INT_LIMIT: f64 = 9_223_372_036_854_775_808.0;

/// Converts a JSON value to a type.
///
/// # Errors
///
/// A message that says why the value does not have the type.
pub(super) fn convert(value: &Value, wanted: &ParameterType) -> Result<CelValue, String> {
    let converted = match wanted {
        ParameterType::Any => return Ok(any(value)),
        ParameterType::Bool => value
            .as_bool()
            .map(|value| boxed(CelBool::from(value)))
            .ok_or_else(|| format!("`true` or `false` is required, but found {}", shown(value))),
        ParameterType::String => text(value, "a string").map(string),
        ParameterType::Int => whole(value, i64::MIN),
        ParameterType::Uint => whole(value, 0),
        ParameterType::Double => double(value),
        ParameterType::Bytes => bytes(value),
        ParameterType::Duration => duration(value),
        ParameterType::Timestamp => timestamp(value),
        ParameterType::IpAddress => ip_address(value),
        ParameterType::List(element) => list(value, element),
        ParameterType::Map(element) => map(value, element),
    };

    converted.map_err(|message| format!("for {wanted}: {message}"))
}

/// Converts any JSON value; numbers become doubles.
fn any(value: &Value) -> CelValue {
    match value {
        Value::Null => boxed(CelNull),
        Value::Bool(value) => boxed(CelBool::from(*value)),
        Value::Number(number) => boxed(CelDouble::from(number.as_f64().unwrap_or_default())),
        Value::String(text) => string(text),
        Value::Array(values) => boxed(CelList::from(values.iter().map(any).collect::<Vec<_>>())),
        Value::Object(fields) => map_from(fields.iter().map(|(name, value)| (name, any(value)))),
    }
}

fn boxed(value: impl Val + 'static) -> CelValue {
    Box::new(value)
}

fn string(text: &str) -> CelValue {
    boxed(CelString::from(text.to_owned()))
}

fn map_from<'n>(entries: impl Iterator<Item = (&'n String, CelValue)>) -> CelValue {
    let entries = entries.map(|(name, value)| (CelMapKey::from(name.clone()), value));
    boxed(CelMap::from(entries.collect::<HashMap<_, _>>()))
}

/// A whole number of at least `least`, as a JSON number or a string of decimal digits.
fn whole(value: &Value, least: i64) -> Result<CelValue, String> {
    let found = if let Value::String(digits) = value {
        digits.parse::<i64>().ok().or_else(|| digits.parse::<f64>().ok().and_then(whole_double))
    } else {
        value.as_f64().and_then(whole_double)
    };
    match found.filter(|found| *found >= least) {
        Some(found) => Ok(boxed(CelInt::from(found))),
        None if value.is_string() => {
            let wanted = if least < 0 { "int64" } else { "uint64" };
            Err(format!("a {wanted} value is required, but found invalid {}", text_value(value)))
        }
        None if least < 0 => Err(format!("a whole number is required, but found {}", shown(value))),
        None => Err(format!("a whole number from 0 on is required, but found {}", shown(value))),
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "the range and the fraction are checked before"
)]
fn whole_double(double: f64) -> Option<i64> {
    let fits = double.fract() == 0.0 && (-INT_LIMIT..INT_LIMIT).contains(&double);
    fits.then_some(double as i64)
}

fn double(value: &Value) -> Result<CelValue, String> {
    let found = match value {
        Value::String(digits) => digits.parse::<f64>().ok(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.as_f64()
        }
    };
    match found.filter(|found| found.is_finite()) {
        Some(found) => Ok(boxed(CelDouble::from(found))),
        None if value.is_string() => {
            Err(format!("a float64 value is required, but found invalid {}", text_value(value)))
        }
        None => Err(format!("a number is required, but found {}", shown(value))),
    }
}

fn bytes(value: &Value) -> Result<CelValue, String> {
    let encoded = text(value, "a base64 string")?;
    let decoded = STANDARD.decode(encoded).map_err(|error| {
        format!("a base64 string is required, but found {}: {error}", shown(value))
    })?;
    Ok(boxed(CelBytes::from(decoded)))
}

fn duration(value: &Value) -> Result<CelValue, String> {
    let nanos = cel_fixes::parse_duration(text(value, "a duration string such as `1h30m`")?);
    let span = nanos.map(|nanos| boxed(CelDuration::from(TimeDelta::nanoseconds(nanos))));
    span.ok_or_else(|| {
        format!("a duration such as `1h30m` is required, but found {}", shown(value))
    })
}

fn timestamp(value: &Value) -> Result<CelValue, String> {
    let wanted = "an RFC 3339 string such as `2030-01-02T03:04:05Z`";
    cel_fixes::parse_timestamp(text(value, wanted)?)
        .map(boxed)
        .ok_or_else(|| format!("{wanted} is required, but found {}", shown(value)))
}

fn ip_address(value: &Value) -> Result<CelValue, String> {
    let address = IpValue::parse(text(value, "an IP address string")?);
    address
        .map(boxed)
        .ok_or_else(|| format!("an IP address is required, but found {}", shown(value)))
}

fn list(value: &Value, wanted: &ParameterType) -> Result<CelValue, String> {
    let Value::Array(values) = value else {
        return Err(format!("a list is required, but found {}", shown(value)));
    };
    let converted = values.iter().enumerate().map(|(at, value)| {
        convert(value, wanted).map_err(|message| format!("item {at} is invalid: {message}"))
    });
    Ok(boxed(CelList::from(converted.collect::<Result<Vec<_>, _>>()?)))
}

fn map(value: &Value, wanted: &ParameterType) -> Result<CelValue, String> {
    let Value::Object(fields) = value else {
        return Err(format!("a map is required, but found {}", shown(value)));
    };
    let converted = fields.iter().map(|(name, value)| match convert(value, wanted) {
        Ok(value) => Ok((name, value)),
        Err(message) => Err(format!("the value of `{name}` is invalid: {message}")),
    });
    Ok(map_from(converted.collect::<Result<Vec<_>, String>>()?.into_iter()))
}

fn text<'v>(value: &'v Value, wanted: &str) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| format!("{wanted} is required, but found {}", shown(value)))
}

/// A string as SpiceDB's messages about numbers show it.
fn text_value(value: &Value) -> String {
    shown(value).replacen("the string", "string value", 1)
}

/// The value as shown in messages: its type and its start.
fn shown(value: &Value) -> String {
    let kind = match value {
        Value::Null => return "null".to_owned(),
        Value::Bool(_) => "the bool",
        Value::Number(_) => "the number",
        Value::String(_) => "the string",
        Value::Array(_) => return "a list".to_owned(),
        Value::Object(_) => return "a map".to_owned(),
    };
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let beginning: String = text.chars().take(60).collect();
    let rest = if beginning.len() < text.len() { "…" } else { "" };
    format!("{kind} `{beginning}{rest}`")
}
