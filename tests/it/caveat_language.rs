//! The expression language, operation by operation: CEL's specification as a table.

use crate::caveat::judged;

fn all_are(expected: &str, bodies: &[&str]) {
    for body in bodies {
        assert_eq!(judged("", body, "{}", "{}"), expected, "{body}");
    }
}

fn fail(table: &[(&str, &str)]) {
    for (body, message) in table {
        assert_eq!(judged("", body, "{}", "{}"), *message, "{body}");
    }
}

#[test]
fn arithmetic_fails_rather_than_wraps() {
    all_are(
        "true",
        &[
            "1 + 2 * 3 == 7",
            "7 / -2 == -3 && -7 % 3 == -1 && 7 % -3 == 1",
            "-9223372036854775808 + 9223372036854775807 == -1",
            "0xff == 255 && -0x10 == -16",
            "2u * 3u - 5u == 1u",
            "1.0 / 0.0 > 1.0 && -1.0 / 0.0 < 1.0",
            "0.1 + 0.2 != 0.3",
            "'a' + 'b' == 'ab' && b'a' + b'b' == b'ab' && [1] + [2] == [1, 2]",
        ],
    );
    fail(&[
        ("9223372036854775807 + 1 == 1", "integer overflow"),
        ("-9223372036854775808 - 1 == 1", "integer overflow"),
        ("9223372036854775807 * 2 == 1", "integer overflow"),
        ("-(-9223372036854775807 - 1) == 1", "integer overflow"),
        ("(-9223372036854775807 - 1) / -1 == 1", "integer overflow"),
        ("(-9223372036854775807 - 1) % -1 == 1", "integer overflow"),
        ("0u - 1u == 1u", "unsigned integer overflow"),
        ("18446744073709551615u + 1u == 1u", "unsigned integer overflow"),
        ("1 / 0 == 1", "division by zero"),
        ("1u / 0u == 1u", "division by zero"),
        ("1 % 0 == 1", "modulus by zero"),
        ("dyn(1) + dyn(1.0) == 2", "no such overload"),
        ("dyn('a') - dyn('b') == 1", "no such overload"),
        ("-dyn('a') == 1", "no such overload"),
    ]);
}

#[test]
fn equality_knows_numbers_of_all_types_and_tells_all_else_apart() {
    all_are(
        "true",
        &[
            "dyn(1) == dyn(1u) && dyn(1) == dyn(1.0) && dyn(1u) == dyn(1.0)",
            "dyn(1) != dyn(1.5) && dyn(-1) != dyn(18446744073709551615u)",
            "dyn(9007199254740993) != dyn(9007199254740992.0)",
            "dyn(9223372036854775807) != dyn(9223372036854775808.0)",
            "dyn(1) != dyn('1') && dyn(0) != dyn(false) && dyn(0) != dyn(null)",
            "double('NaN') != double('NaN') && dyn(double('NaN')) != dyn(1)",
            "0.0 == -0.0",
            "[1, 2] != [1] && [1, 2] == [1, 2] && dyn([1]) == dyn([1.0])",
            "{'a': 1} == {'a': 1} && {'a': 1} != {'b': 1} && dyn({1: 1}) == dyn({1u: 1.0})",
            "null == null && timestamp(0) != null && duration('0s') != null",
            "b'a' == b'a' && dyn(b'a') != dyn('a')",
            "optional.of(1) == optional.of(1) && optional.none() != optional.of(1)",
            "type(1) == int && type(1) != string && type(type(1)) == type",
        ],
    );
}

#[test]
fn order_is_within_a_type_and_among_numbers() {
    all_are(
        "true",
        &[
            "1 < 2 && 2 <= 2 && 3 > 2 && 2 >= 2 && !(2 < 2)",
            "false < true && 'a' < 'b' && 'B' < 'a' && 'a' < 'aa' && b'a' < b'b'",
            "dyn(1) < dyn(1.5) && dyn(-1) < dyn(0u) && dyn(2u) > dyn(1.5)",
            "dyn(9007199254740993) > dyn(9007199254740992.0)",
            "duration('1h') < duration('61m') && timestamp(1) > timestamp(0)",
        ],
    );
    fail(&[
        ("dyn(1) < dyn('1')", "no such overload"),
        ("dyn([1]) < dyn([2])", "no such overload"),
        ("double('NaN') < 1.0", "NaN values cannot be ordered"),
    ]);
}

#[test]
fn logic_takes_a_decided_term_over_one_that_fails() {
    all_are(
        "true",
        &[
            "true || 1 / 0 == 1",
            "1 / 0 == 1 || true",
            "!(false && 1 / 0 == 1)",
            "!(1 / 0 == 1 && false)",
            "true || dyn(1)",
            "dyn(1) || true",
            "[0, 1].exists(x, 1 / x == 1)",
            "![0, 2].all(x, 1 / x == 1)",
            "true ? true : 1 / 0 == 1",
            "false || false || (true && true)",
        ],
    );
    fail(&[
        ("false || 1 / 0 == 1", "division by zero"),
        ("1 / 0 == 1 || 1 % 0 == 1", "division by zero"),
        ("dyn(1) || false", "no such overload"),
        ("dyn(1) && true", "no such overload"),
        ("!dyn(1)", "no such overload"),
        ("dyn(1) ? true : false", "no such overload"),
        ("[0, 2].exists(x, 1 / x == 1)", "division by zero"),
        ("[dyn(1)].all(x, x)", "no such overload"),
    ]);
}

#[test]
fn lists_and_maps_are_indexed_searched_and_walked() {
    all_are(
        "true",
        &[
            "[1, 2][1] == 2 && dyn([1, 2])[1.0] == 2 && dyn([1, 2])[dyn(1u)] == 2",
            "{'a': 1}.a == 1 && {'a': 1}['a'] == 1 && {true: 1}[true] == 1",
            "{1: 'a'}[dyn(1.0)] == 'a' && {1: 'a'}[dyn(1u)] == 'a'",
            "1 in [1, 2] && !(3 in [1, 2]) && dyn(1.0) in [1] && !('a' in [dyn(1)])",
            "'a' in {'a': 1} && dyn(1u) in {1: 2} && !(dyn([1]) in {1: 2})",
            "has({'a': 1}.a) && !has({'a': 1}.b) && !has({'a': dyn(1)}.a.b)",
            "size([1, 2]) == 2 && {'a': 1}.size() == 1 && [].size() == 0",
            "[1, 2, 3].all(x, x > 0) && [1, 2, 3].exists(x, x == 3) && [].all(x, false)",
            "[1, 2, 1].exists_one(x, x == 2) && ![1, 2, 1].exists_one(x, x == 1)",
            "[1, 2, 3].filter(x, x % 2 == 1) == [1, 3]",
            "[1, 2].map(x, x * 2) == [2, 4] && [1, 2].map(x, x > 1, x * 2) == [4]",
            "{'b': 1, 'a': 2}.map(k, k) == ['a', 'b'] && {'a': 1}.exists(k, k == 'a')",
            "[[1], [2]].all(x, x.all(y, y > 0)) && [1].all(x, [2].all(x, x == 2) && x == 1)",
            "[1, 'a', 2.0].size() == 3",
            "[1, 2].existsOne(x, x == 2) && [1].map(x, [x].map(x, x + 1)) == [[2]]",
            "{1: 'a'}[dyn(1.0)] == 'a' && {true: 1, 'true': 2, 1: 3}.size() == 3",
            "{2: 'b', 1: 'a'}.map(k, k) == [1, 2] && {'a': 1}.all(k, {k: 1}.all(k, k == 'a'))",
            "{'a': [{'b': [1, 2]}]}.a[0].b[1] == 2 && !(dyn('b') in {'a': 1})",
        ],
    );
    fail(&[
        ("[1][1] == 1", "index out of bounds: 1"),
        ("[1][-1] == 1", "index out of bounds: -1"),
        ("dyn([1])['a'] == 1", "unsupported index type 'string' in list"),
        ("dyn([1]).a == 1", "unsupported index type 'string' in list"),
        ("dyn([1])[0.5] == 1", "unsupported index value 0.5 in list"),
        ("{'a': 1}.b == 1", "no such key: b"),
        ("{'a': 1}['b'] == 1", "no such key: b"),
        ("dyn(1).b == 1", "no such key: b"),
        ("dyn(1) in dyn(1)", "no such overload"),
        ("dyn(1).all(x, true)", "got 'int', expected a list or map to go through"),
        ("[1, 0].exists_one(x, 1 / x == 1)", "division by zero"),
        ("{'a': 1, 'a': 2}.size() == 1", "repeated key in a map"),
        ("{1: 1, dyn(1u): 2}.size() == 1", "repeated key in a map"),
        ("{dyn([1]): 1}.size() == 1", "unsupported key type: list"),
    ]);
}

#[test]
fn optionals_stand_for_what_may_be_absent() {
    all_are(
        "true",
        &[
            "{'a': 1}[?'a'].value() == 1 && {'a': 1}.?a.value() == 1 && [1][?0].value() == 1",
            "!{'a': 1}[?'b'].hasValue() && !{'a': 1}.?b.hasValue() && ![1][?1].hasValue()",
            "{'a': {'b': 1}}.?a.b.value() == 1 && !{'a': {'b': 1}}.?x.b.hasValue()",
            "{'a': {'b': 1}}.?a.?c.orValue(5) == 5",
            "optional.of(1).or(optional.of(1 / 0)).value() == 1",
            "optional.none().or(optional.of(2)).value() == 2",
            "optional.of(1).orValue(1 / 0) == 1 && optional.none().orValue(2) == 2",
            "optional.of(null).hasValue() && !optional.ofNonZeroValue('').hasValue()",
            "!optional.ofNonZeroValue(0.0).hasValue() && optional.ofNonZeroValue(1).hasValue()",
            "optional.of(1).optMap(x, x + 1).value() == 2 && !optional.none().optMap(x, x).hasValue()",
            "optional.of(3).optFlatMap(x, x > 2 ? optional.of(x) : optional.none()).value() == 3",
            "!optional.none().optFlatMap(x, optional.of(x)).hasValue()",
            "optional.of('a').value() == 'a' && optional.of([1]).value() == [1]",
            "[[1], [2]][?1].orValue([]) == [2] && {'a': 'b'}.?a.orValue('') == 'b'",
            "[?optional.of(1), ?optional.none()] == [1]",
            "{?'a': optional.of(1), ?'b': optional.none()} == {'a': 1}",
            "has({'a': {'b': 1}}.?a.b) && !has({'a': {'b': 1}}.?x.b)",
        ],
    );
    fail(&[
        ("optional.none().value() == 1", "optional.none() dereference"),
        ("optional.of(1).optFlatMap(x, dyn(x)).hasValue()", "no such overload"),
        ("[?dyn(1)].size() == 0", "no such overload"),
    ]);
}

#[test]
fn texts_are_counted_in_characters_and_searched() {
    all_are(
        "true",
        &[
            "'héllo'.size() == 5 && size('🐱') == 1 && size(b'\\303\\251') == 2 && ''.size() == 0",
            "'abc'.contains('b') && 'abc'.startsWith('a') && 'abc'.endsWith('c') && 'a'.contains('')",
            "'abc'.matches('b') && matches('abc', '^a.c$') && !'abc'.matches('^b')",
            r#"'a\tb\n\x41\u00e9\U0001F431\101\'\"\\\?\`' == "a\tb\nAé🐱A'\"\\?`""#,
            r"r'\d' == '\\d' && '''a'b''' == 'a\'b' && b'\xff\377' == b'\377\xff'",
        ],
    );
}

#[test]
fn patterns_are_those_of_re2() {
    all_are(
        "true",
        &[
            r"'a1'.matches(r'^a\d$') && !'٣'.matches(r'\d') && '٣'.matches(r'\D')",
            r"'a_1'.matches(r'^\w+$') && !'é'.matches(r'\w') && 'é'.matches(r'[^\w]')",
            r"!'\u00a0'.matches(r'\s') && ' '.matches(r'[\s]')",
            r"'é foo'.matches(r'\bfoo\b') && 'a[b'.matches(r'[[]') && 'a&b'.matches(r'[&&]')",
            r"'a.b'.matches(r'^\Qa.b\E$') && !'axb'.matches(r'^\Qa.b\E$')",
            r"'A'.matches(r'\101') && 'A'.matches(r'\x41') && 'A'.matches(r'\x{41}')",
            r"'<'.matches(r'\<') && !'a'.matches(r'\<') && 'a{'.matches(r'^a{$')",
            r"'a]'.matches(r'[]]') && 'λ'.matches(r'\p{Greek}') && 'b'.matches('(?i)B')",
            r"'aaa'.matches('^a{2,3}$') && 'x-y'.matches(r'[\w-]-')",
            r"'ab'.matches('[[:alpha:]]+') && '\n'.matches('(?s)^.$') && !'\n'.matches('^.$')",
        ],
    );
    for pattern in ["(", r"(a)\1", "(?=a)", "*"] {
        let body = format!("'a'.matches('' + r'{pattern}')");
        let message = judged("", &body, "{}", "{}");
        assert!(message.starts_with("the pattern `"), "{message}");
    }
}

#[test]
fn values_are_converted() {
    all_are(
        "true",
        &[
            "int(1.9) == 1 && int(-1.9) == -1 && int(5u) == 5 && int('-5') == -5 && int('+5') == 5",
            "uint(1.9) == 1u && uint(5) == 5u && uint('5') == 5u",
            "double(1) == 1.0 && double('1e3') == 1000.0 && double('-inf') < 0.0",
            "int(timestamp('1970-01-01T00:00:05.9Z')) == 5 && int(duration('1s')) == 1000000000",
            "bool('t') && bool('TRUE') && !bool('0') && bool(true)",
            "string(1) == '1' && string(1u) == '1' && string(true) == 'true' && string('a') == 'a'",
            "string(1.0) == '1' && string(0.5) == '0.5' && string(123456.0) == '123456'",
            "string(1234567.0) == '1.234567e+06' && string(0.00001) == '1e-05'",
            "string(1e21) == '1e+21' && string(1.0 / 0.0) == '+Inf' && string(-0.0) == '-0'",
            "string(b'abc') == 'abc' && bytes('é') == b'\\303\\251'",
            "string(duration('1h30m5.5s')) == '5405.5s' && string(duration('-1ms')) == '-0.001s'",
            "string(timestamp('2024-02-29T10:01:02.5+02:00')) == '2024-02-29T08:01:02.5Z'",
            "string(timestamp(0)) == '1970-01-01T00:00:00Z'",
            "timestamp(5) == timestamp('1970-01-01T00:00:05Z')",
            "duration('1.5h') == duration('90m') && duration('.5h') == duration('30m')",
            "duration('0') == duration('0s') && duration('-1h') == duration('0s') - duration('1h')",
        ],
    );
    fail(&[
        ("int(1e3) == 1001 || int(1e19) == 1", "`int` of `10000000000000000000`: integer overflow"),
        ("int(-9223372036854775808.0) == 1", "`int` of `-9223372036854776000`: integer overflow"),
        ("int(double('NaN')) == 1", "`int` of `NaN`: integer overflow"),
        ("int(18446744073709551615u) == 1", "`int` of `18446744073709551615`: integer overflow"),
        ("uint(-1) == 1u", "`uint` of `-1`: unsigned integer overflow"),
        ("uint(-0.5) == 0u", "`uint` of `-0.5`: unsigned integer overflow"),
        ("int('x') == 1", "`int` of `x`: string parse error: invalid digit found in string"),
        ("int(' 5') == 5", "`int` of ` 5`: string parse error: invalid digit found in string"),
        ("uint('+5') == 5u", "type conversion error from 'string' to 'uint'"),
        ("double('x') == 1.0", "type conversion error from 'string' to 'double'"),
        ("double('1e400') == 1.0", "type conversion error from 'string' to 'double'"),
        ("bool('yes')", "`bool` of `yes`: Type conversion error from 'string' to 'bool'"),
        (
            r"string(b'\377') == ''",
            "`string` of `bytes`: invalid UTF-8 in bytes, cannot convert to string",
        ),
        (
            "duration('1d') < duration('1h')",
            "type conversion error from 'string' to 'google.protobuf.Duration'",
        ),
        (
            "timestamp('x') < timestamp(0)",
            "type conversion error from 'string' to 'google.protobuf.Timestamp'",
        ),
        (
            "timestamp(253402300800) < timestamp(0)",
            "`timestamp` of `253402300800`: timestamp out of range",
        ),
    ]);
}

#[test]
fn moments_and_spans_are_calculated_and_read_off() {
    let with_moment = |body: &str| {
        let request = r#"{"t": "2024-02-29T08:01:02.345678901Z"}"#;
        judged("t timestamp", body, "{}", request)
    };
    for body in [
        "t.getFullYear() == 2024 && t.getMonth() == 1 && t.getDate() == 29",
        "t.getDayOfMonth() == 28 && t.getDayOfWeek() == 4 && t.getDayOfYear() == 59",
        "t.getHours() == 8 && t.getMinutes() == 1 && t.getSeconds() == 2",
        "t.getMilliseconds() == 345",
        "t.getHours('+02:30') == 10 && t.getMinutes('+02:30') == 31 && t.getHours('2:00') == 10",
        "t.getHours('-02:30') == 5 && t.getDate('-09:00') == 28 && t.getHours('') == 8",
        "t.getHours('Europe/Berlin') == 9 && t.getHours('America/New_York') == 3",
        "t.getHours('UTC') == 8",
        "(t + duration('130d'.size() == 4 ? '3120h' : '')).getHours('Europe/Berlin') == 10",
        "t - timestamp('2024-02-29T08:01:02Z') == duration('345678901ns')",
        "t + duration('24h') == timestamp('2024-03-01T08:01:02.345678901Z')",
        "duration('1h') + t == t - duration('-1h')",
    ] {
        assert_eq!(with_moment(body), "true", "{body}");
    }
    assert_eq!(
        with_moment("t.getHours('Nowhere') == 1"),
        "`getHours` of `Nowhere`: unknown time zone Nowhere"
    );
    assert_eq!(
        with_moment("t.getHours('1:xx') == 1"),
        "`getHours` of `1:xx`: invalid digit found in string"
    );
    all_are(
        "true",
        &[
            "duration('1h30m5.5s').getHours() == 1 && duration('1h30m').getMinutes() == 90",
            "duration('1h30m5.5s').getSeconds() == 5405",
            "duration('1h30m5.5s').getMilliseconds() == 5405500",
            "duration('-90m').getHours() == -1",
            "duration('1h') + duration('30m') == duration('90m')",
            "timestamp('0001-01-01T00:00:00Z') < timestamp('9999-12-31T23:59:59.999999999Z')",
            "timestamp('1969-12-31T23:59:59.5Z').getMilliseconds() == 500",
        ],
    );
    fail(&[
        ("timestamp('9999-12-31T23:59:59Z') + duration('1s') > timestamp(0)", "timestamp overflow"),
        (
            "timestamp('0001-01-01T00:00:00Z') - duration('1ns') < timestamp(0)",
            "timestamp overflow",
        ),
        ("timestamp('9999-01-01T00:00:00Z') - timestamp(0) > duration('0s')", "duration overflow"),
        ("duration('2562047h') + duration('2562047h') > duration('0s')", "duration overflow"),
    ]);
}
