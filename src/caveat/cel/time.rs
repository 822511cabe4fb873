//! Moments and spans: how they are written, how they are read off a calendar, where they end.

use super::value::{Answer, Stop, Value, failed, no_such_overload};
use crate::relationship;
use chrono::{DateTime, Datelike, Offset, TimeZone, Timelike, Utc};

const NANOS_A_SECOND: i128 = 1_000_000_000;

/// The units that a span is written in, with their nanoseconds; longer names first.
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", NANOS_A_SECOND),
    ("m", 60 * NANOS_A_SECOND),
    ("h", 3_600 * NANOS_A_SECOND),
];

/// What is read off a calendar or a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Year,
    /// From 0.
    Month,
    /// The day of the month, from 1.
    Date,
    /// From 0.
    DayOfMonth,
    /// From 0, a Sunday.
    DayOfWeek,
    /// From 0.
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// A span of these nanoseconds.
pub(crate) fn duration(nanos: i128) -> Answer {
    let nanos = i64::try_from(nanos).map_err(|_| Stop::Failed("duration overflow".to_owned()))?;
    Ok(Value::Duration(nanos))
}

/// The moment these nanoseconds after the start of 1970.
pub(crate) fn timestamp(nanos: i128) -> Answer {
    let seconds = i64::try_from(nanos.div_euclid(NANOS_A_SECOND)).ok();
    let known = seconds.and_then(|seconds| relationship::Timestamp::from_unix(seconds, 0).ok());
    match known {
        Some(_) => Ok(Value::Timestamp(nanos)),
        None => failed("timestamp overflow"),
    }
}

/// The moment these seconds after the start of 1970.
pub(crate) fn timestamp_of_seconds(seconds: i64) -> Answer {
    timestamp(i128::from(seconds) * NANOS_A_SECOND)
}

/// Whole seconds since the start of 1970.
pub(crate) fn seconds_of_timestamp(nanos: i128) -> Option<i64> {
    i64::try_from(nanos.div_euclid(NANOS_A_SECOND)).ok()
}

/// The moment that an RFC 3339 text names.
pub(crate) fn parse_timestamp(text: &str) -> Option<Value> {
    let at = relationship::Timestamp::parse(text).ok()?;
    let seconds = i128::from(at.unix_seconds()) * NANOS_A_SECOND;
    Some(Value::Timestamp(seconds + i128::from(at.subsec_nanos())))
}

/// A moment in RFC 3339, in UTC, with as many digits of a second as it needs.
pub(crate) fn print_timestamp(nanos: i128) -> String {
    let fraction = fraction(nanos.rem_euclid(NANOS_A_SECOND));
    format!("{}{fraction}Z", in_utc(nanos).format("%Y-%m-%dT%H:%M:%S"))
}

/// The span that a text such as `1h30m` or `-1.5s` writes, in nanoseconds.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "0" {
        return Some(0);
    }
    let mut rest = unsigned;
    let mut total: i128 = 0;
    loop {
        let (amount, after) = take_amount(rest)?;
        total = total.checked_add(amount)?;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    i64::try_from(if text.starts_with('-') { -total } else { total }).ok()
}

/// Takes a number with its unit off the text.
fn take_amount(text: &str) -> Option<(i128, &str)> {
    let (whole, rest) = take_digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), take_digits);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (unit, nanos) = UNITS.iter().find(|(unit, _)| unit_of(rest) == *unit)?;
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let parts: i128 = format!("{fraction:0<18.18}").parse().ok()?;
    let amount = whole.checked_mul(*nanos)?.checked_add(parts * nanos / 10_i128.pow(18))?;
    Some((amount, rest.get(unit.len()..)?))
}

fn take_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// What stands before the next number.
fn unit_of(text: &str) -> &str {
    let end = text.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// A span in seconds, as `5405.5s`.
pub(crate) fn print_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = i128::from(nanos).abs();
    format!("{sign}{}{}s", nanos / NANOS_A_SECOND, fraction(nanos % NANOS_A_SECOND))
}

/// Nanoseconds of a second as `.345`, and nothing for none.
fn fraction(nanos: i128) -> String {
    if nanos == 0 {
        return String::new();
    }
    format!(".{nanos:09}").trim_end_matches('0').to_owned()
}

/// A part of a moment in a time zone, or the whole of a span in that unit.
pub(crate) fn part(value: &Value, part: Part, zone: Option<&Value>) -> Answer {
    match (value, zone) {
        (Value::Timestamp(nanos), None) => Ok(part_of_moment(*nanos, part)),
        (Value::Timestamp(nanos), Some(Value::String(zone))) => {
            let offset = offset_seconds(zone, *nanos)?;
            Ok(part_of_moment(nanos + i128::from(offset) * NANOS_A_SECOND, part))
        }
        (Value::Duration(nanos), None) => part_of_span(*nanos, part),
        _ => no_such_overload(),
    }
}

fn part_of_moment(nanos: i128, part: Part) -> Value {
    let at = in_utc(nanos);
    Value::Int(match part {
        Part::Year => i64::from(at.year()),
        Part::Month => i64::from(at.month0()),
        Part::Date => i64::from(at.day()),
        Part::DayOfMonth => i64::from(at.day0()),
        Part::DayOfWeek => i64::from(at.weekday().num_days_from_sunday()),
        Part::DayOfYear => i64::from(at.ordinal0()),
        Part::Hours => i64::from(at.hour()),
        Part::Minutes => i64::from(at.minute()),
        Part::Seconds => i64::from(at.second()),
        Part::Milliseconds => i64::from(at.timestamp_subsec_millis()),
    })
}

fn part_of_span(nanos: i64, part: Part) -> Answer {
    let unit = match part {
        Part::Hours => 3_600_000_000_000,
        Part::Minutes => 60_000_000_000,
        Part::Seconds => 1_000_000_000,
        Part::Milliseconds => 1_000_000,
        Part::Year
        | Part::Month
        | Part::Date
        | Part::DayOfMonth
        | Part::DayOfWeek
        | Part::DayOfYear => return no_such_overload(),
    };
    Ok(Value::Int(nanos / unit))
}

/// The seconds that a zone, a name or an offset such as `+02:30`, is ahead of UTC at a moment.
fn offset_seconds(zone: &str, nanos: i128) -> Result<i32, Stop> {
    let offset = match zone.split_once(':') {
        Some((hours, minutes)) => fixed_offset(hours, minutes),
        None if zone.is_empty() => Some(0),
        None => named_offset(zone, nanos),
    };
    offset.ok_or_else(|| Stop::Failed(format!("unknown time zone `{zone}`")))
}

fn fixed_offset(hours: &str, minutes: &str) -> Option<i32> {
    let hours_ahead: i32 = hours.parse().ok().filter(|hours| (-99..=99).contains(hours))?;
    let minutes: i32 = minutes.parse().ok().filter(|minutes| (0..=59).contains(minutes))?;
    let minutes = if hours.starts_with('-') { -minutes } else { minutes };
    Some(hours_ahead * 3_600 + minutes * 60)
}

fn named_offset(zone: &str, nanos: i128) -> Option<i32> {
    let zone: chrono_tz::Tz = zone.parse().ok()?;
    let offset = zone.offset_from_utc_datetime(&in_utc(nanos).naive_utc());
    Some(offset.fix().local_minus_utc())
}

/// Moments, moved by a zone's offset or not, lie well within what the calendar knows.
fn in_utc(nanos: i128) -> DateTime<Utc> {
    let seconds = seconds_of_timestamp(nanos).unwrap_or_default();
    let rest = u32::try_from(nanos.rem_euclid(NANOS_A_SECOND)).unwrap_or_default();
    DateTime::from_timestamp(seconds, rest).unwrap_or_default()
}
