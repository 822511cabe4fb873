//! Caveats: compilation, contexts, three-valued evaluation, bounds.

use kilwa::caveat::{
    Caveat, CaveatError, CaveatResult, CompileErrorKind, Parameter, ParameterType, Steps,
};
use kilwa::relationship::Context;
use proptest::prelude::*;

/// The type that a text such as `list<int>` writes.
fn type_of(text: &str) -> ParameterType {
    match text.split_once('<') {
        Some((name, rest)) => {
            let argument = type_of(rest.strip_suffix('>').unwrap());
            ParameterType::from_name(name, vec![argument]).unwrap()
        }
        None => ParameterType::from_name(text, Vec::new()).unwrap(),
    }
}

/// The parameters that `a int, b list<int>` writes.
fn parameters(text: &str) -> Vec<Parameter> {
    let written = text.split(", ").filter(|parameter| !parameter.is_empty());
    written
        .map(|parameter| {
            let (name, written_type) = parameter.split_once(' ').unwrap();
            Parameter { name: name.to_owned(), parameter_type: type_of(written_type) }
        })
        .collect()
}

fn compiled(given: &str, body: &str) -> Caveat {
    Caveat::compile("c", "", parameters(given), body)
        .unwrap_or_else(|errors| panic!("`{body}` does not compile: {}", errors[0]))
}

/// `true`, `false`, `missing a b`, or the failure.
pub(crate) fn judged(given: &str, body: &str, stored: &str, request: &str) -> String {
    let (stored, request) = (Context::parse(stored).unwrap(), Context::parse(request).unwrap());
    match compiled(given, body).evaluate(&stored, &request, &Steps::default()) {
        Ok(CaveatResult::True) => "true".to_owned(),
        Ok(CaveatResult::False) => "false".to_owned(),
        Ok(CaveatResult::Missing(names)) => {
            format!("missing {}", names.into_iter().collect::<Vec<_>>().join(" "))
        }
        Err(CaveatError::Evaluation { message, .. }) => message,
        Err(error @ CaveatError::Exhausted { .. }) => {
            error.to_string().rsplit_once(": ").unwrap().1.to_owned()
        }
        Err(error) => error.to_string(),
    }
}

/// Every fault with the text that it is about.
fn faults(given: &str, body: &str) -> Vec<String> {
    let errors = Caveat::compile("c", "", parameters(given), body).unwrap_err();
    let shown = |error: &kilwa::caveat::CompileError| {
        let message = error.to_string();
        let message = message.strip_prefix("invalid expression for caveat `c`: ");
        let message = message.map_or_else(|| error.to_string(), str::to_owned);
        format!("{message} @ {}", body.get(error.range.clone()).unwrap())
    };
    errors.iter().map(shown).collect()
}

#[test]
fn types_are_read_and_printed() {
    for text in ["any", "int", "list<string>", "map<list<list<ipaddress>>>"] {
        assert_eq!(type_of(text).to_string(), text);
    }
    let refused =
        |name: &str, arguments| ParameterType::from_name(name, arguments).unwrap_err().to_string();
    assert_eq!(refused("foo", vec![]), "unknown type `foo`");
    assert_eq!(refused("list", vec![]), "type `list` requires 1 generic types; found 0");
    assert_eq!(
        refused("int", vec![ParameterType::Any]),
        "type `int` requires 0 generic types; found 1"
    );
    let mut deep = ParameterType::Int;
    for _ in 0..15 {
        deep = ParameterType::from_name("list", vec![deep]).unwrap();
    }
    assert_eq!(refused("map", vec![deep]), "type `map` is nested more than 16 levels deep");
}

#[test]
fn what_is_missing_is_named_unless_it_is_not_needed() {
    let given = "a int, b int, c bool, l list<int>, m map<any>";
    let table = [
        // One decided term decides, in either order.
        ("a == 1 || b == 1", r#"{"a": 1}"#, "true"),
        ("b == 1 || a == 1", r#"{"a": 1}"#, "true"),
        ("a == 1 || b == 1", r#"{"a": 2}"#, "missing b"),
        ("a == 1 && b == 1", r#"{"a": 2}"#, "false"),
        ("b == 1 && a == 1", r#"{"a": 2}"#, "false"),
        ("a == 1 && b == 1", r#"{"a": 1}"#, "missing b"),
        ("a == 1 && b == 1", "{}", "missing a b"),
        ("a == 1 || b == 1", "{}", "missing a b"),
        ("!(a == 1)", "{}", "missing a"),
        // An operator needs both sides, and says so at once.
        ("a + b == 2", "{}", "missing a b"),
        ("a < b", r#"{"b": 1}"#, "missing a"),
        // Only the condition is known to be needed, whatever the branches say.
        ("c ? a == 1 : b == 1", "{}", "missing c"),
        ("c ? true : true", "{}", "missing c"),
        ("c ? a == 1 : b == 1", r#"{"c": true}"#, "missing a"),
        ("c ? a == 1 : b == 1", r#"{"c": false, "b": 1}"#, "true"),
        // A missing term outweighs one that fails; a decided one outweighs both.
        ("a == 1 || 1 / 0 == 1", "{}", "missing a"),
        ("1 / 0 == 1 || a == 1", "{}", "missing a"),
        ("1 / 0 == 1 || a == 1", r#"{"a": 1}"#, "true"),
        ("1 / 0 == 1 || a == 1", r#"{"a": 2}"#, "division by zero"),
        ("1 / 0 == 1 && a == 1", r#"{"a": 2}"#, "false"),
        ("1 / 0 == 1 && a == 1", r#"{"a": 1}"#, "division by zero"),
        // Macros over what is there, with what is missing inside, and the other way round.
        ("[1, 2].exists(x, x == a || x == 1)", "{}", "true"),
        ("[1, 2].exists(x, x == a)", "{}", "missing a"),
        ("[1, 2].all(x, x == a && b == 1)", "{}", "missing a b"),
        ("[1, 2].all(x, x == 1 || x == a)", "{}", "missing a"),
        ("[1, 2].all(x, x < 2 && x < a)", "{}", "false"),
        ("[1, 2].exists_one(x, x == a)", "{}", "missing a"),
        ("[1, 2].map(x, x + a) == [2, 3]", "{}", "missing a"),
        ("[1, 2].filter(x, x > a).size() == 1", "{}", "missing a"),
        ("[].all(x, x == a)", "{}", "true"),
        ("l.all(x, x == a)", "{}", "missing l"),
        ("l.all(x, x == a)", r#"{"l": []}"#, "true"),
        ("[a, 1].exists(x, x == 1)", "{}", "missing a"),
        // A macro's variable hides a parameter of its name.
        ("[1].all(a, a == 1) && a == 2", r#"{"a": 2}"#, "true"),
        ("[1].all(a, .a == 2) && a == 2", r#"{"a": 2}"#, "true"),
        // Fields name the whole parameter.
        ("m.x.y == 1", "{}", "missing m"),
        ("has(m.x)", "{}", "missing m"),
        ("has(m.x)", r#"{"m": {}}"#, "false"),
        ("has(m.x.y)", r#"{"m": {}}"#, "no such key: x"),
        ("m.?x.orValue(1) == 1", "{}", "missing m"),
        ("optional.of(1).orValue(a) == 1", "{}", "true"),
        ("m.?x.orValue(a) == 1", r#"{"m": {}}"#, "missing a"),
    ];
    for (body, request, expected) in table {
        let used = parameters(given)
            .into_iter()
            .filter(|p| body.contains(&p.name))
            .map(|p| format!("{} {}", p.name, p.parameter_type))
            .filter(|p| faults_without(p, given, body))
            .collect::<Vec<_>>()
            .join(", ");
        assert_eq!(judged(&used, body, "{}", request), expected, "{body} with {request}");
    }
}

/// Whether the body does not compile without this parameter.
fn faults_without(parameter: &str, given: &str, body: &str) -> bool {
    let others: Vec<&str> = given.split(", ").filter(|other| *other != parameter).collect();
    let errors = Caveat::compile("c", "", parameters(&others.join(", ")), body).err();
    let unused = |kind: &CompileErrorKind| matches!(kind, CompileErrorKind::UnusedParameter { .. });
    errors.is_some_and(|errors| errors.iter().any(|error| !unused(&error.kind)))
}

#[test]
fn a_stored_value_wins_and_other_names_are_ignored() {
    assert_eq!(judged("a int", "a == 1", r#"{"a": 1}"#, r#"{"a": 2}"#), "true");
    assert_eq!(judged("a int", "a == 1", r#"{"a": 1}"#, r#"{"a": "no int"}"#), "true");
    assert_eq!(judged("a int", "a == 1", "{}", r#"{"a": 1, "b": [], "c": null}"#), "true");
    assert_eq!(judged("a int", "a == 1", r#"{"a": 1}"#, "{}"), "true");
}

#[test]
fn a_stored_context_holds_only_parameters_of_their_types() {
    let caveat = compiled("a int, b string", "a == 1 && b == 'x'");
    let checked = |stored: &str| {
        let checked = caveat.check_stored(&Context::parse(stored).unwrap());
        checked.map_err(|error| error.to_string())
    };
    assert_eq!(checked("{}"), Ok(()));
    assert_eq!(checked(r#"{"a": "17"}"#), Ok(()));
    assert_eq!(checked(r#"{"z": 1}"#), Err("unknown parameter `z` for caveat `c`".to_owned()));
    assert_eq!(
        checked(r#"{"a": 1.5}"#),
        Err("type error for parameters for caveat `c`: could not convert context parameter `a`: \
             for int: a whole number is required, but found the number `1.5`"
            .to_owned())
    );
}

#[test]
fn context_values_are_converted_by_type() {
    let accepted = [
        ("int", r#"[1, -1, 0, "1", "-1", "+1", "1e3", 1e15]"#),
        ("uint", r#"[0, 1, "9223372036854775807"]"#),
        ("double", r#"[0, 1.5, "1.5", "-1", "1e3"]"#),
        ("bool", "[true, false]"),
        ("string", r#"["", "é"]"#),
        ("bytes", r#"["", "AQI="]"#),
        ("duration", r#"["2h", "1h30m", "-1.5h", "0", "+1s", ".5s", "1µs", "1us2ns"]"#),
        ("timestamp", r#"["2024-01-01T00:00:00Z", "2024-01-01T00:00:00.5+14:00"]"#),
        ("ipaddress", r#"["1.2.3.4", "::1", "::ffff:1.2.3.4"]"#),
        ("list<int>", r#"[[], [1, "2"]]"#),
        ("map<int>", r#"[{}, {"a": 1}]"#),
        ("any", r#"[null, 1, "a", [1, "a"], {"a": {"b": null}}]"#),
    ];
    let refused = [
        ("int", r#"[1.5, "1.5", true, null, "x", "", " 1", "9223372036854775808", 1e300, [], {}]"#),
        ("uint", r#"[-1, "-1", 1.5, null]"#),
        ("double", r#"["x", "", true, null, "Inf", "NaN"]"#),
        ("bool", r#"["true", 1, null]"#),
        ("string", "[1, true, null, [], {}]"),
        ("bytes", r#"["AQI", "-_==", 1, null]"#),
        ("duration", r#"["", "1", "1d", "h", "1h 2m", "1.s.", 5, null, "9223372036854775808ns"]"#),
        ("timestamp", r#"["", "2024-01-01", "2024-02-30T00:00:00Z", "10000-01-01T00:00:00Z", 5]"#),
        ("ipaddress", r#"["", "1.2.3", "01.2.3.4", "1.2.3.4/8", "fe80::1%eth0", 5]"#),
        ("list<int>", r#"[1, "a", ["x"], {"a": 1}, null, [null]]"#),
        ("map<int>", r#"[1, [], {"a": "x"}, null, {"a": null}]"#),
    ];
    let fits = |wanted: &str, value: &serde_json::Value| {
        let caveat = compiled(&format!("p {wanted}"), "dyn(p) == dyn(p)");
        caveat.check_stored(&Context::parse(&format!(r#"{{"p": {value}}}"#)).unwrap()).is_ok()
    };
    for (table, expected) in [(&accepted[..], true), (&refused[..], false)] {
        for (wanted, values) in table {
            let values: Vec<serde_json::Value> = serde_json::from_str(values).unwrap();
            for value in values {
                assert_eq!(fits(wanted, &value), expected, "{value} as {wanted}");
            }
        }
    }
}

#[test]
fn converted_values_are_what_was_written() {
    let table = [
        ("p int", "p == 9007199254740993", r#"{"p": "9007199254740993"}"#),
        // A JSON number is a double, which cannot count that far.
        ("p int", "p == 9007199254740992", r#"{"p": 9007199254740993}"#),
        ("p uint", "p == 5 && p - 6 == -1 && type(p) == int", r#"{"p": 5}"#),
        ("p double", "p == 1.5", r#"{"p": "1.5"}"#),
        ("p bytes", r"p == b'\001\002'", r#"{"p": "AQI="}"#),
        ("p duration", "p == duration('90m')", r#"{"p": "1h30m"}"#),
        (
            "p timestamp",
            "p == timestamp('2023-12-31T22:00:00Z')",
            r#"{"p": "2024-01-01T00:00:00+02:00"}"#,
        ),
        ("p ipaddress, q ipaddress", "p == q", r#"{"p": "::ffff:1.2.3.4", "q": "1.2.3.4"}"#),
        (
            "p list<timestamp>",
            "p[0] < p[1]",
            r#"{"p": ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"]}"#,
        ),
        ("p map<list<int>>", "p.a[0] + 1 == 2", r#"{"p": {"a": [1]}}"#),
        ("p any", "p == 1 && p + 1.0 == 2.0", r#"{"p": 1}"#),
        ("p any", "p == null", r#"{"p": null}"#),
    ];
    for (given, body, request) in table {
        assert_eq!(judged(given, body, "{}", request), "true", "{body}");
    }
    assert_eq!(judged("p any", "p + 1 == 2", "{}", r#"{"p": 1}"#), "no such overload");
}

#[test]
fn addresses_lie_in_networks() {
    let within = |address: &str, network: &str| {
        let request = format!(r#"{{"p": "{address}", "n": "{network}"}}"#);
        judged("p ipaddress, n string", "p.in_cidr(n)", "{}", &request)
    };
    let table = [
        ("10.1.2.3", "10.0.0.0/8", "true"),
        ("10.1.2.3", "10.1.2.3/8", "true"),
        ("10.1.2.3", "10.1.2.3/32", "true"),
        ("10.1.2.4", "10.1.2.3/32", "false"),
        ("11.1.2.3", "10.0.0.0/8", "false"),
        ("10.1.2.3", "0.0.0.0/0", "true"),
        ("10.1.2.3", "::/0", "false"),
        ("::ffff:10.1.2.3", "10.0.0.0/8", "true"),
        ("10.1.2.3", "::ffff:10.0.0.0/104", "true"),
        ("fe80::1", "fe80::/10", "true"),
        ("2001:db8::1", "2001:db8::/32", "true"),
        ("2001:db9::1", "2001:db8::/32", "false"),
        ("10.1.2.3", "10.0.0.0/33", "invalid CIDR string: `10.0.0.0/33`"),
        ("10.1.2.3", "10.0.0.0/08", "invalid CIDR string: `10.0.0.0/08`"),
        ("10.1.2.3", "10.0.0.0/+8", "invalid CIDR string: `10.0.0.0/+8`"),
        ("10.1.2.3", "10.0.0.0/", "invalid CIDR string: `10.0.0.0/`"),
        ("10.1.2.3", "10.1.2.3", "invalid CIDR string: `10.1.2.3`"),
        ("10.1.2.3", "foo", "invalid CIDR string: `foo`"),
    ];
    for (address, network, expected) in table {
        assert_eq!(within(address, network), expected, "{address} in {network}");
    }
}

#[test]
fn maps_are_parts_of_maps() {
    let part = |part: &str, whole: &str| {
        let request = format!(r#"{{"p": {part}, "w": {whole}}}"#);
        judged("p map<any>, w map<any>", "p.isSubtreeOf(w)", "{}", &request)
    };
    let table = [
        ("{}", "{}", "true"),
        (r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#, "true"),
        (r#"{"a": 1, "b": 2}"#, r#"{"a": 1}"#, "false"),
        (r#"{"a": {"b": 1}}"#, r#"{"a": {"b": 1, "c": 2}}"#, "true"),
        (r#"{"a": {"b": 1}}"#, r#"{"a": 1}"#, "false"),
        (r#"{"a": [1, 2]}"#, r#"{"a": [1, 2]}"#, "true"),
        (r#"{"a": [1, 2]}"#, r#"{"a": [2, 1]}"#, "false"),
        (r#"{"a": null}"#, "{}", "false"),
    ];
    for (smaller, larger, expected) in table {
        assert_eq!(part(smaller, larger), expected, "{smaller} in {larger}");
    }
}

/// Compares every fault but unused parameters, with the text that it is about.
fn have_faults(table: &[(&str, &[&str])]) {
    let given = "a int, d double, u uint, s string, x any, l list<int>, t timestamp";
    for (body, expected) in table {
        let found: Vec<String> = faults(given, body)
            .into_iter()
            .filter(|fault| !fault.starts_with("parameter `"))
            .collect();
        assert_eq!(found, *expected, "{body}");
    }
}

#[test]
fn what_is_no_expression_is_refused_with_its_place() {
    have_faults(&[
        ("a ==", &["expected an expression, found the end of the expression @ "]),
        ("(a == 1", &["expected `)`, found the end of the expression @ "]),
        ("a = 1", &["the character `=` means nothing here @ ="]),
        ("a == 1 1", &["expected the end of the expression, found `1` @ 1"]),
        ("s == 'x", &["the text is not closed; it needs another `'` @ '"]),
        (
            r"s == 'a\q'",
            &[r"`\q` begins no escape that is known here; write `\\` for a backslash @ \q"],
        ),
        (
            "a == 9223372036854775808",
            &["the number does not fit into 64 bits @ 9223372036854775808"],
        ),
        ("if == 1", &["`if` is a reserved word and cannot be a name @ if"]),
        (
            "t == google.protobuf.Timestamp{}",
            &["messages such as `a.b.C{}` cannot be made in a caveat; use a function such as \
               `timestamp(\"…\")` @ google.protobuf.Timestamp{}"],
        ),
        ("(a == 1]", &["expected `)`, found `]` @ ]"]),
        ("a == 1)", &["`)` closes nothing @ )"]),
        ("a == 1 &&", &["expected an expression, found the end of the expression @ "]),
        ("é == 1", &["the character `é` means nothing here @ é"]),
        ("s == 'é' && a = 1", &["the character `=` means nothing here @ ="]),
        ("s == 'é' 1", &["expected the end of the expression, found `1` @ 1"]),
        ("a ? 1", &["expected `:`, found the end of the expression @ "]),
        ("l == [1,, 2]", &["expected `]`, found `,` @ ,"]),
        ("s == '\n'", &["the text is not closed; it needs another `'` @ '"]),
        (
            "u == 18446744073709551616u",
            &["the number does not fit into 64 bits @ 18446744073709551616u"],
        ),
        ("d == 1e400", &["`1e400` is too large for a double @ 1e400"]),
        ("x.`a` == 1", &["the character ``` means nothing here @ `"]),
        ("x..a == 1", &["expected an expression, found `.` @ ."]),
        (r"b'\u0041' == b''", &[r"`b'\u0041'` has an escape that means nothing here @ b'\u0041'"]),
        (r"s == '\ud800'", &[r"`'\ud800'` has an escape that means nothing here @ '\ud800'"]),
    ]);
}

#[test]
fn types_that_do_not_fit_are_all_found_at_once() {
    have_faults(&[
        (
            "foo == 1 && bar == 2",
            &["undeclared reference to `foo` @ foo", "undeclared reference to `bar` @ bar"],
        ),
        (
            "l.all(level, leval > 1) && s.contain('a')",
            &[
                "undeclared reference to `leval`; did you mean `level`? @ leval",
                "undeclared reference to `contain`: there is no such function; did you mean `contains`? \
                 @ s.contain('a')",
            ],
        ),
        (
            "((a + s) * 2) == -(1).f && {a: 1}[s] == [(s)][s]",
            &[
                "found no matching overload for `+` applied to `(int, string)` @ a + s",
                "type `int` does not support field selection @ (1).f",
                "found no matching overload for `[]` applied to `(map<int, int>, string)` @ {a: 1}[s]",
                "found no matching overload for `[]` applied to `(list<string>, string)` @ [(s)][s]",
            ],
        ),
        ("a", &["caveat expression must result in a boolean value: found `int` @ a"]),
        (
            "x",
            &["caveat expression must result in a boolean value: found `any`; compare it with \
               something, as in `… == true` @ x"],
        ),
        (
            "1 + s == 2 || s < 3",
            &[
                "found no matching overload for `+` applied to `(int, string)` @ 1 + s",
                "found no matching overload for `<` applied to `(string, int)` @ s < 3",
            ],
        ),
        (
            "d > 1",
            &[
                "found no matching overload for `>` applied to `(double, int)`; an int is no double: \
               write `1.0`, or convert with `double(…)` @ d > 1",
            ],
        ),
        (
            "u == 1u",
            &["found no matching overload for `==` applied to `(int, uint)`; an int is no uint, \
               and parameters of type uint are ints: write `1` @ u == 1u"],
        ),
        ("!a", &["expected type `bool` but found `int` @ a"]),
        ("a && true", &["expected type `bool` but found `int` @ a"]),
    ]);
}

#[test]
fn functions_that_are_not_there_or_called_wrongly_are_refused() {
    have_faults(&[
        (
            "now() < t",
            &[
                "undeclared reference to `now`: a caveat has no clock; pass the time as a parameter \
               of type timestamp @ now()",
            ],
        ),
        (
            "s.lowerAscii() == 'a'",
            &["undeclared reference to `lowerAscii`: there is no such function @ s.lowerAscii()"],
        ),
        (
            "math.greatest(a, 1) == 1 && cel.bind(v, a, v == 1)",
            &[
                "undeclared reference to `math.greatest`: there is no such function @ math.greatest(a, 1)",
                "undeclared reference to `cel.bind`: there is no such function @ cel.bind(v, a, v == 1)",
            ],
        ),
        (
            "contains(s, 'a')",
            &["`contains` is called on a value: write `value.contains(…)` @ contains(s, 'a')"],
        ),
        ("l.all(v, v)", &["expected type `bool` but found `int` @ v"]),
        ("s.all(v, true)", &["expected a list or map to go through, found `string` @ s"]),
        ("s.f == 1", &["type `string` does not support field selection @ s.f"]),
        ("has(a)", &["`has` takes a field, as in `has(a.b)` @ a"]),
        ("l.all(1, true)", &["the first argument must be a simple name for the variable @ 1"]),
        ("l.all(.v, true)", &["the first argument must be a simple name for the variable @ .v"]),
        ("x.?f.optFlatMap(v, 1).hasValue()", &["expected type `optional` but found `int` @ 1"]),
        ("s.matches('(')", &["the pattern `(` is no regular expression: unclosed group @ '('"]),
    ]);
}

#[test]
fn every_parameter_is_used() {
    assert_eq!(
        faults("a int, b int, v int", " a == 1 && [1].all(v, v == 1) "),
        [
            "parameter `b` for caveat `c` is unused @ a == 1 && [1].all(v, v == 1)",
            "parameter `v` for caveat `c` is unused @ a == 1 && [1].all(v, v == 1)",
        ]
    );
    // In every place where an expression may stand.
    compiled(
        "a int, b int, c bool, d any, e int, f list<int>, g bool, h any",
        "c ? {a: b}[1] == 2 : ([?optional.of(d)] == [e] && f.all(v, v == f[0] && g) && has(h.x))",
    );
}

#[test]
fn the_canonical_body_is_the_same_caveat_in_one_spelling() {
    let given = "a int, c bool, l list<int>, m map<any>, s string, d double, b bytes";
    let table = [
        ("m.x == 1?c:true", "(m.x == 1) ? c : true"),
        ("  s=='it\\'s \"q\"\\n' // why\n", r#"s == "it's \"q\"\n""#),
        ("(a+1)*2 == ((4))", "(a + 1) * 2 == 4"),
        ("(a==1&&c)||c", "a == 1 && c || c"),
        ("a==1&&(c||c)", "a == 1 && (c || c)"),
        ("a==1||(c||c)", "a == 1 || c || c"),
        ("a-(a-1) == a-1-1", "a - (a - 1) == a - 1 - 1"),
        ("!!c", "c"),
        ("!(a==1)", "!(a == 1)"),
        (
            "-(5) == a && - 5 == a && --a == 1 && -a == 1",
            "-(5) == a && -5 == a && a == 1 && -a == 1",
        ),
        ("c?(c?c:c):(c?c:c)", "c ? (c ? c : c) : (c ? c : c)"),
        ("l.exists( v,v==a )", "l.exists(v, v == a)"),
        ("l.map(v,v>1,v*2)==[4,]", "l.map(v, v > 1, v * 2) == [4]"),
        (
            "m['a'][?0].hasValue() && m.?a.b.hasValue()",
            r#"m["a"][?0].hasValue() && m.?a.b.hasValue()"#,
        ),
        ("{'a':1,?'b':optional.of(2),}=={}", r#"{"a": 1, ?"b": optional.of(2)} == {}"#),
        ("(l+l).size()==0x10", "(l + l).size() == 16"),
        ("d==1e30&&d==.5&&d==1.0&&d==1e-7", "d == 1e30 && d == 0.5 && d == 1.0 && d == 1e-7"),
        (
            r"b==b'a\377\x00' && s==r'\d' && s=='''x
y'''",
            r#"b == b"a\377\000" && s == "\\d" && s == "x\ny""#,
        ),
        ("(a==1)in[true]", "a == 1 in [true]"),
        ("c==(a<1)", "c == (a < 1)"),
        (
            "a == 1 && a == 2 && a == 3 && a == 4 && a == 5 && a == 6 && a == 7 && a == 8 && a == 9",
            "a == 1 && a == 2 && a == 3 && a == 4 && a == 5 && a == 6 && a == 7 && a == 8 &&\na == 9",
        ),
    ];
    for (body, expected) in table {
        let used: Vec<&str> =
            given.split(", ").filter(|parameter| faults_without(parameter, given, body)).collect();
        let caveat = compiled(&used.join(", "), body);
        assert_eq!(caveat.canonical_body(), expected);
        assert_eq!(compiled(&used.join(", "), expected).canonical_body(), expected);
        assert_eq!(caveat.body(), body.trim());
    }
}

#[test]
fn nesting_is_bounded_and_what_is_allowed_does_not_overflow_the_stack() {
    let given = "c bool, a int, x any";
    let nested = |levels: usize| {
        [
            format!("{}c{}", "(".repeat(levels), ")".repeat(levels)),
            format!("{}c{}", "!(".repeat(levels), ")".repeat(levels)),
            format!("{}c", "c ? c : ".repeat(levels)),
            format!("{}1{} == []", "[".repeat(levels), "]".repeat(levels)),
            format!("{}1{} == {{}}", "{1: ".repeat(levels), "}".repeat(levels)),
            format!("x{} == 1", ".f".repeat(levels)),
            format!("x{} == 1", "[0]".repeat(levels)),
            format!("a{} == 1", " + a".repeat(levels)),
            format!("{}a{} == 1", "-(".repeat(levels), ")".repeat(levels)),
            format!("{}c{}", "[1].all(v, ".repeat(levels), ")".repeat(levels)),
            format!("x{} == []", ".map(v, [v])".repeat(levels)),
            format!("{}0{} == 1", "x[c ? ".repeat(levels / 2), " : 1]".repeat(levels / 2)),
            format!("{}c{}", "(c ? !".repeat(levels / 2), " : c)".repeat(levels / 2)),
        ]
    };
    for body in nested(90).into_iter().chain(nested(96)) {
        let used: Vec<&str> =
            given.split(", ").filter(|parameter| faults_without(parameter, given, &body)).collect();
        let caveat = compiled(&used.join(", "), &body);
        let context = Context::parse(r#"{"a": 1, "c": true, "x": [1]}"#).unwrap();
        let _ = caveat.evaluate(&context, &Context::default(), &Steps::default());
        assert_eq!(
            compiled(&used.join(", "), &caveat.canonical_body()).canonical_body(),
            caveat.canonical_body()
        );
    }
    for body in nested(250) {
        let errors = Caveat::compile("c", "", parameters(given), &body).unwrap_err();
        assert!(errors[0].to_string().contains("nested more than 100 levels"), "{}", errors[0]);
    }
    // Every level makes its variable deeper by as much as may still be written.
    let values = (1..12).rev().fold("[c].all(v, ".to_owned(), |body, depth| {
        format!("{body}{}v{}.all(v, ", "[".repeat(depth * 7), "]".repeat(depth * 7))
    });
    let values = format!("{values}v == v{}", ")".repeat(12));
    assert_eq!(judged("c bool", &values, "{}", r#"{"c": true}"#), "true");
    let doubling = format!("x{} == []", ".map(v, {v: v})".repeat(90));
    assert_eq!(faults("x any", &doubling).len(), 89);
    let shared = format!("x{0} == x{0}", ".map(v, [v, v])".repeat(90));
    assert_eq!(
        judged("x any", &shared, "{}", r#"{"x": [1]}"#),
        "the expression takes more than 1000000 steps on this context"
    );
    let endless = [
        "(", "[", "{1:", "-(", "!(", "c?", "a+", "a.", "a[", "c&&(", "f(", "''+", "!", "-", ")",
        "'", "\"\"\"", "r'", "1 ", ", ", ". ", "//", "?", "a in ", "`", "\\",
    ];
    for repeated in endless {
        let length = 100_000 / repeated.len();
        Caveat::compile("c", "", parameters(given), &repeated.repeat(length)).unwrap_err();
    }
}

#[test]
fn long_bodies_are_refused_and_wide_ones_are_not() {
    let wide = format!("a == 1{}", " || a == 1".repeat(9_000));
    assert_eq!(judged("a int", &wide, "{}", r#"{"a": 2}"#), "false");
    let long = format!("{wide}{}", " || a == 1".repeat(2_000));
    let errors = Caveat::compile("c", "", parameters("a int"), &long).unwrap_err();
    assert!(matches!(errors[0].kind, CompileErrorKind::TooLarge { .. }));
    let blank = format!("{}a == 1", " ".repeat(200_000));
    assert_eq!(compiled("a int", &blank).body(), "a == 1");
}

#[test]
fn an_evaluation_takes_a_bounded_number_of_steps() {
    let list = serde_json::Value::from(vec![1; 5_000]);
    let request = format!(r#"{{"l": {list}, "s": "{}"}}"#, "a".repeat(25_000));
    for body in [
        "l.all(p, l.all(q, p + q > 0)) && s != ''",
        "l.exists(p, l.exists(q, p + q < 0)) || true || s != ''",
        "l.map(p, l + l).size() > 0 && s != ''",
        "l.map(p, s + s + s).size() > 0",
        "l.all(p, s.matches('(a+)+$'))",
        "l.all(p, s.matches(s))",
        "l.all(p, l == l) && s != ''",
        "l.all(p, !(p + 1 in l)) && s != ''",
    ] {
        let answer = judged("l list<int>, s string", body, "{}", &request);
        assert_eq!(
            answer, "the expression takes more than 1000000 steps on this context",
            "{body}"
        );
    }
}

#[test]
fn an_evaluation_takes_no_more_steps_than_it_is_given() {
    let caveat = compiled("l list<int>", "l.all(p, p > 0)");
    let request = Context::parse(r#"{"l": [1, 2, 3, 4, 5]}"#).unwrap();
    let within = |steps: &Steps<'_>| caveat.evaluate(&Context::default(), &request, steps);
    let plenty = Steps::default();
    assert_eq!(within(&plenty), Ok(CaveatResult::True));
    let needed = plenty.taken();
    assert_eq!(within(&Steps::at_most(needed)), Ok(CaveatResult::True));
    for fewer in 0..needed {
        let error = within(&Steps::at_most(fewer)).unwrap_err();
        assert_eq!(error, CaveatError::Exhausted { caveat: "c".to_owned(), steps_max: fewer });
    }
    // To take over a value costs steps as well, whether or not it is looked at.
    let long = compiled("s string, ok bool", "ok || s == ''");
    let request = Context::parse(&format!(r#"{{"ok": true, "s": "{}"}}"#, "a".repeat(32_000)));
    let steps = Steps::default();
    assert_eq!(
        long.evaluate(&Context::default(), &request.unwrap(), &steps),
        Ok(CaveatResult::True)
    );
    assert!(steps.taken() > 1_000);
}

#[test]
fn many_threads_evaluate_one_caveat() {
    let caveat =
        compiled("a int, l list<int>", "l.exists(x, x == a) && string(a).matches('^[0-9]$')");
    let stored = Context::parse(r#"{"l": [1, 2, 3]}"#).unwrap();
    std::thread::scope(|scope| {
        for a in 0..8_i64 {
            let (caveat, stored) = (&caveat, &stored);
            scope.spawn(move || {
                let request = Context::parse(&format!(r#"{{"a": {a}}}"#)).unwrap();
                let expected =
                    if (1..=3).contains(&a) { CaveatResult::True } else { CaveatResult::False };
                for _ in 0..200 {
                    let answer = caveat.evaluate(stored, &request, &Steps::default());
                    assert_eq!(answer, Ok(expected.clone()));
                }
            });
        }
    });
}

/// Words of the language, in any order.
fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a", "l", "m", "x", "(", ")", "[", "]", "{", "}", ".", ",", ":", "?", "&&", "||", "!", "-",
        "+", "*", "/", "%", "==", "!=", "<", ">=", " in ", "1", "0x1f", "2u", "1.5", "'s'",
        "b'\\377'", "true", "null", "size", "has", "all", "map", "exists", "optional", "of", "dyn",
        "int", "duration", "'1h'", "matches", "// c\n", "\"\"\"", "'", "\\", "é", "r'", "`",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing panics; what compiles prints to what compiles to the same; places lie in the body.
    #[test]
    fn no_text_makes_it_panic(words in prop::collection::vec(word(), 0..24), noise in ".{0,8}") {
        for body in [words.concat(), words.join(" "), noise] {
            match Caveat::compile("c", "", parameters("a int, l list<int>, m map<any>"), &body) {
                Ok(caveat) => {
                    let canonical = caveat.canonical_body();
                    let given = parameters("a int, l list<int>, m map<any>");
                    let again = Caveat::compile("c", "", given, &canonical).unwrap();
                    prop_assert_eq!(again.canonical_body(), canonical);
                }
                Err(errors) => {
                    for error in errors {
                        prop_assert!(body.get(error.range).is_some());
                    }
                }
            }
        }
    }
}
