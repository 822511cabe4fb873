//! Workarounds for differences between the `cel` crate and CEL's specification. `tests/it/caveat_cel_fixes.rs` has a test
//! for each, which fails when the crate fixes the difference.
//!
//! - Numbers of different types are compared on one number line. The crate turns ints into doubles first, so that
//!   `dyn(9007199254740993) == dyn(9007199254740992.0)` holds.
//! - A map is iterated in the order of its keys, so that the same query always has the same result. The crate uses the
//!   order of a hash table.
//! - `in` with a value that cannot be a key is false, where the crate fails; and a list can only be added to a list.
//! - A timestamp without a zone is read in UTC. The crate reads it in the offset that it was written with.
//! - `duration` reads the whole of its text, exactly, with `µs` and a sign. The crate reads `1h1d` as `1h`, and counts in
//!   doubles, so that `1.011s` has lost a nanosecond.
//! - `string` of a double is that of `%g`; `double` has no value for a text beyond all doubles; `uint` takes no sign;
//!   `bool` knows `T` and `F`; `int` of a duration is its nanoseconds.

use crate::caveat::eval::budget::{EvalResult, EvalStop, Steps, failed, no_such_overload};
use crate::relationship;
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelOptional,
    CelString, CelTimestamp, CelUInt,
};
use cel::common::value::{CowVal, Val};
use chrono::{DateTime, TimeDelta};
use std::cmp::Ordering;
use std::collections::HashMap;

type Any = dyn Val + 'static;

/// Whether two values are equal. Numbers are compared by value, values of different types are not equal.
pub(in crate::caveat) fn equal(
    left: &Any,
    right: &Any,
    steps: &Steps<'_>,
) -> Result<bool, EvalStop> {
    steps.take(1)?;
    if let (Some(left), Some(right)) = (number(left), number(right)) {
        return Ok(left.order(right) == Some(Ordering::Equal));
    }
    if let (Some(left), Some(right)) =
        (left.downcast_ref::<CelList<'_>>(), right.downcast_ref::<CelList<'_>>())
    {
        if left.inner().len() != right.inner().len() {
            return Ok(false);
        }
        let pairs = left.inner().iter().zip(right.inner());
        return all(pairs, |(left, right)| equal(left.as_ref(), right.as_ref(), steps));
    }

    if let (Some(left), Some(right)) =
        (left.downcast_ref::<CelMap<'_>>(), right.downcast_ref::<CelMap<'_>>())
    {
        return Ok(
            left.inner().len() == right.inner().len() && is_part(left, right, &equal, steps)?
        );
    }
    if let (Some(left), Some(right)) =
        (left.downcast_ref::<CelOptional<'_>>(), right.downcast_ref::<CelOptional<'_>>())
    {
        return match (left.option(), right.option()) {
            (Some(left), Some(right)) => equal(left, right, steps),
            (left, right) => Ok(left.is_none() && right.is_none()),
        };
    }
    steps.take_for_bytes(length(left).min(length(right)))?;
    Ok(left.equals(right))
}

fn all<T>(
    mut parts: impl Iterator<Item = T>,
    mut holds: impl FnMut(T) -> Result<bool, EvalStop>,
) -> Result<bool, EvalStop> {
    parts.try_fold(true, |so_far, part| Ok(so_far && holds(part)?))
}

/// Whether every key of a map is in another, with a value that is as it has to be.
fn is_part(
    part: &CelMap<'static>,
    whole: &CelMap<'static>,
    fits: &dyn Fn(&Any, &Any, &Steps<'_>) -> Result<bool, EvalStop>,
    steps: &Steps<'_>,
) -> Result<bool, EvalStop> {
    let Some(indexer) = whole.as_indexer() else { return Ok(false) };
    all(part.inner().iter(), |(key, value)| match indexer.get(key.inner()) {
        Ok(other) => fits(value.as_ref(), other.as_ref(), steps),
        Err(_) => Ok(false),
    })
}

/// `part.isSubtreeOf(whole)`: whether every key of a map is in another with an equal value, maps within maps likewise.
pub(in crate::caveat) fn is_subtree(
    part: &Any,
    whole: &Any,
    steps: &Steps<'_>,
) -> Result<bool, EvalStop> {
    match (part.downcast_ref::<CelMap<'_>>(), whole.downcast_ref::<CelMap<'_>>()) {
        (Some(part), Some(whole)) => is_part(part, whole, &equal_or_subtree, steps),
        _ => no_such_overload(),
    }
}

fn equal_or_subtree(value: &Any, other: &Any, steps: &Steps<'_>) -> Result<bool, EvalStop> {
    let are_maps = [value, other].iter().all(|value| value.downcast_ref::<CelMap<'_>>().is_some());
    if !are_maps {
        return equal(value, other, steps);
    }
    steps.take(1)?;
    is_subtree(value, other, steps)
}

/// How two values of one type, or two numbers, are ordered.
pub(in crate::caveat) fn order(
    left: &Any,
    right: &Any,
    steps: &Steps<'_>,
) -> Result<Ordering, EvalStop> {
    if let (Some(left), Some(right)) = (number(left), number(right)) {
        let order = left.order(right);
        return order.map_or_else(|| failed("NaN values cannot be ordered"), Ok);
    }
    steps.take_for_bytes(length(left).min(length(right)))?;
    let order = left.as_comparer().and_then(|own| own.compare(right).ok());
    order.map_or_else(no_such_overload, Ok)
}

/// `value in container`: an element of a list, or a key of a map.
pub(in crate::caveat) fn contains(
    container: &Any,
    value: &Any,
    steps: &Steps<'_>,
) -> Result<bool, EvalStop> {
    if let Some(list) = container.downcast_ref::<CelList<'_>>() {
        for element in list.inner() {
            if equal(value, element.as_ref(), steps)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    match container.as_container() {
        Some(map) => Ok(map.contains(value).unwrap_or(false)),
        None => no_such_overload(),
    }
}

/// Whether both values are lists, or neither is. The crate would add any iterable value to a list.
pub(in crate::caveat) fn are_addable(left: &Any, right: &Any) -> bool {
    let is_list = |value: &Any| value.downcast_ref::<CelList<'_>>().is_some();
    is_list(left) == is_list(right)
}

/// The values that a macro iterates over: a list's elements, or a map's keys in order.
pub(in crate::caveat) fn elements<'b>(
    value: &'b CowVal<'_, 'static>,
) -> Result<Vec<&'b Any>, EvalStop> {
    if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        return Ok(list.inner().iter().map(AsRef::as_ref).collect());
    }
    let Some(map) = value.downcast_ref::<CelMap<'_>>() else {
        let kind = value.get_type().name();
        return failed(format!("got '{kind}', expected a list or map to go through"));
    };
    let mut keys: Vec<&CelMapKey<'static>> = map.inner().keys().collect();
    keys.sort();
    Ok(keys.into_iter().map(CelMapKey::inner).collect())
}

/// Whether entries contain a key, or the same number of the other integer type.
pub(in crate::caveat) fn has_key<V>(
    entries: &HashMap<CelMapKey<'static>, V>,
    key: &CelMapKey<'_>,
) -> bool {
    let twin = match key {
        CelMapKey::Int(int) => u64::try_from(*int.inner()).ok().map(CelMapKey::from),
        CelMapKey::UInt(uint) => i64::try_from(*uint.inner()).ok().map(CelMapKey::from),
        CelMapKey::Bool(_) | CelMapKey::String(_) => None,
    };
    entries.contains_key(&key.clone().into_static())
        || twin.is_some_and(|twin| entries.contains_key(&twin))
}

/// The length of a string or of bytes, in bytes.
pub(in crate::caveat) fn length(value: &Any) -> usize {
    let text = value.downcast_ref::<CelString<'_>>().map(|text| text.inner().len());
    let bytes = value.downcast_ref::<CelBytes<'_>>().map(|bytes| bytes.inner().len());
    text.or(bytes).unwrap_or_default()
}

/// A number of any type.
#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Double(f64),
}

fn number(value: &Any) -> Option<Number> {
    let int = value.downcast_ref::<CelInt>().map(|int| Number::Whole(i128::from(*int.inner())));
    let uint = || value.downcast_ref::<CelUInt>().map(|uint| Number::Whole((*uint.inner()).into()));
    let double = || value.downcast_ref::<CelDouble>().map(|double| Number::Double(*double.inner()));
    int.or_else(uint).or_else(double)
}

impl Number {
    /// Compares two numbers by value; `None` when one is NaN.
    fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(left), Self::Whole(right)) => Some(left.cmp(&right)),
            (Self::Double(left), Self::Double(right)) => left.partial_cmp(&right),
            (Self::Double(double), Self::Whole(whole)) => against_whole(double, whole),
            (Self::Whole(whole), Self::Double(double)) => {
                against_whole(double, whole).map(Ordering::reverse)
            }
        }
    }
}

/// Compares exactly, where converting the whole number to a double would round it.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "`as` saturates far beyond all whole numbers that there are"
)]
fn against_whole(double: f64, whole: i128) -> Option<Ordering> {
    let floor = double.floor();
    (!double.is_nan()).then(|| (floor as i128).cmp(&whole).then(floor.total_cmp(&double).reverse()))
}

/// The result of a function that is implemented here instead of in the crate; `None` for any other function.
pub(in crate::caveat) fn function<'b>(
    name: &str,
    arguments: &[CowVal<'b, 'static>],
) -> Option<EvalResult<'b>> {
    let [value] = arguments else { return None };
    let text = value.downcast_ref::<CelString<'_>>().map(CelString::inner);
    let double = value.downcast_ref::<CelDouble>();
    let span = value.downcast_ref::<CelDuration>();
    let impossible = |to: &str| failed(format!("type conversion error from 'string' to '{to}'"));

    match (name, text) {
        ("duration", Some(text)) => Some(match parse_duration(text) {
            Some(nanos) => Ok(CowVal::owned(CelDuration::from(TimeDelta::nanoseconds(nanos)))),
            None => impossible("google.protobuf.Duration"),
        }),
        ("timestamp", Some(text)) => Some(match parse_timestamp(text) {
            Some(at) => Ok(CowVal::owned(at)),
            None => impossible("google.protobuf.Timestamp"),
        }),
        ("double", Some(text)) => Some(match text.parse::<f64>() {
            Ok(double) if double.is_finite() || !text.contains(|c: char| c.is_ascii_digit()) => {
                Ok(CowVal::owned(CelDouble::from(double)))
            }
            _ => impossible("double"),
        }),
        ("uint", Some(text)) if text.starts_with('+') => Some(impossible("uint")),
        ("bool", Some("T")) => Some(Ok(CowVal::owned(CelBool::from(true)))),
        ("bool", Some("F")) => Some(Ok(CowVal::owned(CelBool::from(false)))),
        ("string", None) => {
            double.map(|double| Ok(CowVal::owned(CelString::from(print_double(*double.inner())))))
        }
        ("int", None) => {
            let nanos = span.and_then(|span| span.inner().num_nanoseconds());
            nanos.map(|nanos| Ok(CowVal::owned(CelInt::from(nanos))))
        }
        _ => None,
    }
}

/// The point in time of an RFC 3339 text, in UTC.
pub(in crate::caveat) fn parse_timestamp(text: &str) -> Option<CelTimestamp> {
    let at = relationship::Timestamp::parse(text).ok()?;
    let at = DateTime::from_timestamp(at.unix_seconds(), at.subsec_nanos())?;
    Some(CelTimestamp::from(at.fixed_offset()))
}

/// The units of a duration with their nanoseconds; longer names first.
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
];

/// The duration of a text such as `1h30m` or `-1.5s`, in nanoseconds.
pub(in crate::caveat) fn parse_duration(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "0" {
        return Some(0);
    }
    let mut rest = unsigned;
    let mut total: i128 = 0;
    loop {
        let (amount, after) = split_amount(rest)?;
        total = total.checked_add(amount)?;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    i64::try_from(if text.starts_with('-') { -total } else { total }).ok()
}

/// Splits a number with its unit from the text.
fn split_amount(text: &str) -> Option<(i128, &str)> {
    let (whole, rest) = split_digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (unit, nanos) = UNITS.iter().find(|(unit, _)| leading_unit(rest) == *unit)?;
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let parts: i128 = format!("{fraction:0<18.18}").parse().ok()?;
    let amount = whole.checked_mul(*nanos)?.checked_add(parts * nanos / 10_i128.pow(18))?;
    Some((amount, rest.get(unit.len()..)?))
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// The text before the next number.
fn leading_unit(text: &str) -> &str {
    let end = text.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// The shortest digits that represent the double, with an exponent from 10^6 on and below 10^-4.
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
