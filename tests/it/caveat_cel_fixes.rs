//! Bugs of the `cel` crate against CEL's specification, each with the crate's answer and the right one: when
//! one of these fails because the crate is fixed, `src/caveat/eval/cel_fixes.rs` needs one workaround less.

use crate::caveat::judged;
use cel::{Context, Env, ExecutionError, Value};
use std::sync::Arc;

/// The crate's result for an expression without parameters.
fn crate_says(body: &str) -> Result<Value, ExecutionError> {
    let env = Arc::new(Env::stdlib());
    let program = env.compile(body).unwrap();
    program.execute(&Context::with_env(env))
}

/// Expressions that hold, and do not for the crate.
fn hold(bodies: &[&str]) {
    for body in bodies {
        assert_eq!(judged("", body, "{}", "{}"), "true", "{body}");
        assert_ne!(crate_says(body), Ok(Value::Bool(true)), "the crate has this right: {body}");
    }
}

/// Expressions that fail, and do not for the crate.
fn fail(table: &[(&str, &str)]) {
    for (body, message) in table {
        assert_eq!(judged("", body, "{}", "{}"), *message, "{body}");
        assert!(crate_says(body).is_ok(), "the crate has this right: {body}");
    }
}

#[test]
fn numbers_of_different_types_stand_on_one_number_line() {
    hold(&[
        "dyn(9007199254740993) != dyn(9007199254740992.0)",
        "dyn(9007199254740992.0) != dyn(9007199254740993)",
        "dyn(9223372036854775807) < dyn(9223372036854775808.0)",
        "dyn(18446744073709551615u) < dyn(18446744073709551616.0)",
        "dyn([9007199254740993]) != dyn([9007199254740992.0])",
        "dyn({'a': 9007199254740993}) != dyn({'a': 9007199254740992.0})",
        "!(dyn(9007199254740993) in [9007199254740992.0])",
    ]);
}

#[test]
fn a_map_is_walked_through_in_the_order_of_its_keys() {
    // Two dozen keys are not in order by chance.
    let letters: Vec<String> = ('a'..='x').map(|letter| format!("'{letter}'")).collect();
    let entries: Vec<String> = letters.iter().rev().map(|key| format!("{key}: 1")).collect();
    let body = format!("{{{}}}.map(k, k) == [{}]", entries.join(", "), letters.join(", "));
    hold(&[&body]);
}

#[test]
fn what_can_be_no_key_is_in_no_map() {
    hold(&["!(dyn([1]) in {1: 2})", "!(dyn(null) in {'a': 2})"]);
}

#[test]
fn lists_are_added_to_lists_only() {
    fail(&[("([1] + dyn({'a': 1})).size() == 2", "no such overload")]);
}

#[test]
fn timestamps_are_read_in_utc_unless_a_zone_is_named() {
    hold(&[
        "timestamp('2024-01-01T00:00:00+02:00').getHours() == 22",
        "timestamp('2024-01-01T00:00:00+02:00').getFullYear() == 2023",
        "(timestamp('2024-01-01T00:30:00+02:00') + duration('1h')).getDate() == 31",
    ]);
}

#[test]
fn durations_are_read_whole_and_exactly() {
    let nonsense = "type conversion error from 'string' to 'google.protobuf.Duration'";
    hold(&["duration('1.011s') == duration('1011ms')", "duration('1µs') == duration('1000ns')"]);
    fail(&[
        ("duration('1h1d') == duration('1h')", nonsense),
        ("duration('1h ') == duration('1h')", nonsense),
        ("duration('1e3s') == duration('1000s')", nonsense),
    ]);
}

#[test]
fn doubles_are_written_with_an_exponent_where_they_are_long() {
    hold(&["string(1e21) == '1e+21'", "string(0.00001) == '1e-05'", "string(1.0 / 0.0) == '+Inf'"]);
}

#[test]
fn texts_that_are_no_numbers_are_none() {
    fail(&[
        ("double('1e400') > 1.0", "type conversion error from 'string' to 'double'"),
        ("uint('+5') == 5u", "type conversion error from 'string' to 'uint'"),
    ]);
}

#[test]
fn bools_are_read_from_capital_letters_and_spans_turn_into_nanoseconds() {
    hold(&["bool('T') && !bool('F')", "int(duration('1.5s')) == 1500000000"]);
}
