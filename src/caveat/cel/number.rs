//! Arithmetic that fails instead of wrapping, and numbers of different types beside each other.

use super::time;
use super::value::{Answer, Steps, Stop, Value, failed, no_such_overload};
use std::cmp::Ordering;
use std::sync::Arc;

const INT_OVERFLOW: &str = "integer overflow";
const UINT_OVERFLOW: &str = "unsigned integer overflow";

/// `left + right`.
pub(crate) fn add(left: &Value, right: &Value, steps: &mut Steps) -> Answer {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => int(left.checked_add(*right)),
        (Value::Uint(left), Value::Uint(right)) => uint(left.checked_add(*right)),
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(left + right)),
        (Value::String(left), Value::String(right)) => {
            steps.take_for_bytes(left.len() + right.len())?;
            Ok(Value::text(&format!("{left}{right}")))
        }
        (Value::Bytes(left), Value::Bytes(right)) => {
            steps.take_for_bytes(left.len() + right.len())?;
            Ok(Value::Bytes(Arc::from([left.as_ref(), right.as_ref()].concat())))
        }
        (Value::List(left), Value::List(right)) => {
            steps.take(left.len() + right.len())?;
            Ok(Value::List(left.iter().chain(right.iter()).cloned().collect()))
        }
        (Value::Duration(left), Value::Duration(right)) => {
            time::duration(i128::from(*left) + i128::from(*right))
        }
        (Value::Timestamp(at), Value::Duration(span))
        | (Value::Duration(span), Value::Timestamp(at)) => time::timestamp(at + i128::from(*span)),
        _ => no_such_overload(),
    }
}

/// `left - right`.
pub(crate) fn subtract(left: &Value, right: &Value) -> Answer {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => int(left.checked_sub(*right)),
        (Value::Uint(left), Value::Uint(right)) => uint(left.checked_sub(*right)),
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(left - right)),
        (Value::Duration(left), Value::Duration(right)) => {
            time::duration(i128::from(*left) - i128::from(*right))
        }
        (Value::Timestamp(left), Value::Timestamp(right)) => time::duration(left - right),
        (Value::Timestamp(at), Value::Duration(span)) => time::timestamp(at - i128::from(*span)),
        _ => no_such_overload(),
    }
}

/// `left * right`.
pub(crate) fn multiply(left: &Value, right: &Value) -> Answer {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => int(left.checked_mul(*right)),
        (Value::Uint(left), Value::Uint(right)) => uint(left.checked_mul(*right)),
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(left * right)),
        _ => no_such_overload(),
    }
}

/// `left / right`; whole numbers are cut off towards zero.
pub(crate) fn divide(left: &Value, right: &Value) -> Answer {
    match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => {
            failed("division by zero")
        }
        (Value::Int(left), Value::Int(right)) => int(left.checked_div(*right)),
        (Value::Uint(left), Value::Uint(right)) => uint(left.checked_div(*right)),
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(left / right)),
        _ => no_such_overload(),
    }
}

/// `left % right`, with the sign of `left`.
pub(crate) fn modulo(left: &Value, right: &Value) -> Answer {
    match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => {
            failed("modulus by zero")
        }
        (Value::Int(left), Value::Int(right)) => int(left.checked_rem(*right)),
        (Value::Uint(left), Value::Uint(right)) => uint(left.checked_rem(*right)),
        _ => no_such_overload(),
    }
}

/// `-value`.
pub(crate) fn negate(value: &Value) -> Answer {
    if let Value::Int(value) = value {
        return int(value.checked_neg());
    }
    if let Value::Double(value) = value {
        return Ok(Value::Double(-value));
    }
    no_such_overload()
}

fn int(value: Option<i64>) -> Answer {
    value.map(Value::Int).ok_or_else(|| Stop::Failed(INT_OVERFLOW.to_owned()))
}

fn uint(value: Option<u64>) -> Answer {
    value.map(Value::Uint).ok_or_else(|| Stop::Failed(UINT_OVERFLOW.to_owned()))
}

/// How two numbers of whatever types stand on the number line. `None` when one is NaN or no number.
pub(crate) fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(right),
        (Value::Double(left), right) => against_whole(*left, as_whole(right)?),
        (left, Value::Double(right)) => {
            against_whole(*right, as_whole(left)?).map(Ordering::reverse)
        }
        (left, right) => Some(as_whole(left)?.cmp(&as_whole(right)?)),
    }
}

fn as_whole(value: &Value) -> Option<i128> {
    if let Value::Int(value) = value {
        return Some(i128::from(*value));
    }
    if let Value::Uint(value) = value { Some(i128::from(*value)) } else { None }
}

/// Exact, where turning the whole number into a double would round it.
fn against_whole(double: f64, whole: i128) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    let floor = truncated(double.floor());
    Some(floor.cmp(&whole).then(double.partial_cmp(&double.floor())?))
}

/// The whole number that a double is, if it is one that fits into 65 bits.
pub(crate) fn whole(double: f64) -> Option<i128> {
    (double.fract() == 0.0 && double.abs() <= 2.0_f64.powi(64)).then(|| truncated(double))
}

/// The double without its fraction. The largest and smallest stand for all beyond; NaN is 0.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "the standard library has no other way; `as` saturates"
)]
pub(crate) fn truncated(double: f64) -> i128 {
    double as i128
}

/// The nearest double.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "the standard library has no other way; rounding is what CEL asks for"
)]
pub(crate) fn to_double(whole: i128) -> f64 {
    whole as f64
}
