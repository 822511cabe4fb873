//! The functions that turn values of one type into another: `int(…)`, `string(…)` and their like.
#![expect(clippy::wildcard_enum_match_arm, reason = "types without an arm have no such conversion")]

use super::time;
use super::value::{Answer, Steps, Value, failed};
use super::{number, value};
use std::sync::Arc;

const INT_OVERFLOW: &str = "integer overflow";
const UINT_OVERFLOW: &str = "unsigned integer overflow";

fn impossible(value: &Value, to: &'static str) -> Answer {
    failed(format!("type conversion error from '{}' to '{to}'", value.type_name()))
}

/// `int(value)`: doubles lose their fraction, moments become seconds and spans nanoseconds.
pub(crate) fn to_int(value: &Value) -> Answer {
    match value {
        Value::Int(_) => Ok(value.clone()),
        Value::Uint(uint) => i64::try_from(*uint).map(Value::Int).or(failed(INT_OVERFLOW)),
        Value::Double(double) => match i64::try_from(number::truncated(*double)) {
            Ok(int) if !double.is_nan() => Ok(Value::Int(int)),
            _ => failed(INT_OVERFLOW),
        },
        Value::String(text) => text.parse().map(Value::Int).or_else(|_| impossible(value, "int")),
        Value::Duration(nanos) => Ok(Value::Int(*nanos)),
        Value::Timestamp(nanos) => match time::seconds_of_timestamp(*nanos) {
            Some(seconds) => Ok(Value::Int(seconds)),
            None => failed(INT_OVERFLOW),
        },
        _ => value::no_such_overload(),
    }
}

/// `uint(value)`.
pub(crate) fn to_uint(value: &Value) -> Answer {
    match value {
        Value::Uint(_) => Ok(value.clone()),
        Value::Int(int) => u64::try_from(*int).map(Value::Uint).or(failed(UINT_OVERFLOW)),
        Value::Double(double) => match u64::try_from(number::truncated(*double)) {
            Ok(uint) if *double >= 0.0 => Ok(Value::Uint(uint)),
            _ => failed(UINT_OVERFLOW),
        },
        Value::String(text) if !text.starts_with('+') => {
            text.parse().map(Value::Uint).or_else(|_| impossible(value, "uint"))
        }
        Value::String(_) => impossible(value, "uint"),
        _ => value::no_such_overload(),
    }
}

/// `double(value)`.
pub(crate) fn to_double(value: &Value) -> Answer {
    match value {
        Value::Double(_) => Ok(value.clone()),
        Value::Int(int) => Ok(Value::Double(number::to_double(i128::from(*int)))),
        Value::Uint(uint) => Ok(Value::Double(number::to_double(i128::from(*uint)))),
        Value::String(text) => match text.parse::<f64>() {
            Ok(double) if double.is_finite() || !text.contains(|c: char| c.is_ascii_digit()) => {
                Ok(Value::Double(double))
            }
            _ => impossible(value, "double"),
        },
        _ => value::no_such_overload(),
    }
}

/// `bool(value)`.
pub(crate) fn to_bool(value: &Value) -> Answer {
    match value {
        Value::Bool(_) => Ok(value.clone()),
        Value::String(text) => match text.as_ref() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => impossible(value, "bool"),
        },
        _ => value::no_such_overload(),
    }
}

/// `bytes(value)`.
pub(crate) fn to_bytes(value: &Value, steps: &mut Steps) -> Answer {
    match value {
        Value::Bytes(_) => Ok(value.clone()),
        Value::String(text) => {
            steps.take_for_bytes(text.len())?;
            Ok(Value::Bytes(Arc::from(text.as_bytes())))
        }
        _ => value::no_such_overload(),
    }
}

/// `duration(value)`.
pub(crate) fn to_duration(value: &Value) -> Answer {
    match value {
        Value::Duration(_) => Ok(value.clone()),
        Value::String(text) => match time::parse_duration(text) {
            Some(nanos) => Ok(Value::Duration(nanos)),
            None => impossible(value, "google.protobuf.Duration"),
        },
        _ => value::no_such_overload(),
    }
}

/// `timestamp(value)`: ints are seconds since the start of 1970.
pub(crate) fn to_timestamp(value: &Value) -> Answer {
    match value {
        Value::Timestamp(_) => Ok(value.clone()),
        Value::Int(seconds) => time::timestamp_of_seconds(*seconds),
        Value::String(text) => match time::parse_timestamp(text) {
            Some(timestamp) => Ok(timestamp),
            None => impossible(value, "google.protobuf.Timestamp"),
        },
        _ => value::no_such_overload(),
    }
}

/// `string(value)`.
pub(crate) fn to_string(value: &Value, steps: &mut Steps) -> Answer {
    let text = match value {
        Value::String(_) => return Ok(value.clone()),
        Value::Bool(bool) => bool.to_string(),
        Value::Int(int) => int.to_string(),
        Value::Uint(uint) => uint.to_string(),
        Value::Double(double) => print_double(*double),
        Value::Duration(nanos) => time::print_duration(*nanos),
        Value::Timestamp(nanos) => time::print_timestamp(*nanos),
        Value::Bytes(bytes) => {
            steps.take_for_bytes(bytes.len())?;
            match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => return failed("invalid UTF-8 in bytes, cannot convert to string"),
            }
        }
        _ => return value::no_such_overload(),
    };
    Ok(Value::text(&text))
}

/// The shortest digits that mean the double, with an exponent from 10^6 on and below 10^-4.
fn print_double(double: f64) -> String {
    if double.is_nan() {
        return "NaN".to_owned();
    }
    if double.is_infinite() {
        return if double > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{double:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{double}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
