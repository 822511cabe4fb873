//! Validation files: what is accepted, refused and reported, and at which position.

use crate::outside::corpus_files;
use kilwa::engine::EngineError;
use kilwa::relationship::{ParseError, Timestamp};
use kilwa::schema::Severity;
use kilwa::validation::{
    Expectation, InlineFile, Report, ReportOutcome, RunOptions, parse_assertions, read_assertions,
    validate_file, validate_inline,
};
use std::cell::Cell;
use std::time::Duration;

fn now() -> Timestamp {
    Timestamp::parse("2026-01-01T00:00:00Z").unwrap()
}

fn unhurried() -> RunOptions<'static> {
    RunOptions::unhurried(now())
}

fn no_files(name: &str) -> Result<String, String> {
    Err(format!("there is no `{name}`"))
}

fn validate(text: &str) -> Report {
    validate_file("test.yaml", text, &no_files, &unhurried()).unwrap()
}

/// Everything that a report complains about, one a line, in the order of its parts.
fn complaints(report: &Report) -> Vec<String> {
    let mut lines: Vec<String> =
        report.diagnostics().map(|d| format!("{} {}: {}", d.start(), d.code, d.message)).collect();
    for result in report.assertions.iter().filter(|result| !result.holds()) {
        lines.push(format!("{} {}", result.assertion.location.start(), result.message()));
    }
    for failure in report.expected.iter().flat_map(|result| &result.failures) {
        lines.push(format!("{} {}", failure.location.start(), failure.mismatch));
    }
    lines
}

const SCHEMA: &str = "\
schema: |-
  caveat on_day(day string) { day == \"monday\" }
  definition user {}
  definition group {
    relation member: user | group#member | user with on_day
  }
  definition document {
    relation viewer: user | user:* | group#member
    relation banned: user
    permission view = viewer - banned
  }
";

/// A file with this schema, so that what follows starts in line 12.
fn with_schema(rest: &str) -> Report {
    validate(&format!("{SCHEMA}{rest}"))
}

#[test]
fn a_file_that_holds() {
    let report = with_schema(
        "relationships: |-
  // ann and the group
  document:plan#viewer@user:ann

  document:plan#viewer@group:eng#member
  group:eng#member@user:cat[on_day]
  group:eng#member@user:old[on_day:{\"day\": \"monday\"}]
assertions:
  assertTrue:
    - document:plan#view@user:ann#...
    - 'document:plan#view@user:cat with {\"day\": \"monday\"}'
    - document:plan#view@group:eng#member
  assertCaveated:
    - document:plan#view@user:cat
  assertFalse:
    - 'document:plan#view@user:cat with {\"day\": \"tuesday\"}'
validation:
  document:plan#view:
    - '[user:ann] is <document:plan#viewer>'
    - '[group:eng#member] is <document:plan#viewer>'
    - '[user:cat[...]] is <group:eng#member>'
    - '[user:old[...]] is <group:eng#member>'
  document:other#view: []
",
    );
    assert_eq!(complaints(&report), Vec::<String>::new());
    assert_eq!(report.outcome(), ReportOutcome::Holds);
    assert_eq!(report.relationships_count, 4);
    assert_eq!((report.assertions.len(), report.expected.len()), (5, 2));
}

#[test]
fn empty_blocks_are_no_fault() {
    for empty in ["", "''", "null", "~", "{}", "[]"] {
        let rest = format!("assertions: {empty}\nvalidation: {empty}\n");
        assert_eq!(with_schema(&rest).outcome(), ReportOutcome::Holds, "{empty}");
        let rest = format!("assertions:\n  assertTrue: {empty}\n  assertFalse: {empty}\n");
        assert_eq!(with_schema(&rest).outcome(), ReportOutcome::Holds, "{empty}");
    }
    for empty in ["", "''", "null", "{}"] {
        let rest = format!("relationships: {empty}\n");
        assert_eq!(with_schema(&rest).outcome(), ReportOutcome::Holds, "{empty}");
    }
    assert_eq!(validate("schema: ''\n").outcome(), ReportOutcome::Holds);
    assert_eq!(with_schema("something: [else, {entirely: 1}]\n").outcome(), ReportOutcome::Holds);
}

#[test]
fn every_refusal_has_its_line() {
    for (rest, wanted) in [
        ("a: [1,\nb: 2\n", "yaml"),
        ("relationships:\n  - document:plan#viewer@user:ann\n", "13:3 file-shape"),
        ("assertions: [a]\n", "12:13 file-shape"),
        ("assertions:\n  assertTrue: one\n", "13:15 file-shape"),
        ("assertions:\n  assertTrue:\n    - [x]\n", "14:7 file-shape"),
        ("validation: text\n", "12:13 file-shape"),
        ("namespace_configs: [a]\n", "12:1 file-shape"),
        ("validation_tuples: [a]\n", "12:1 file-shape"),
        ("relationships: ''\nrelationships: ''\n", "13:1 file-shape"),
        ("schemaFile: other.zed\n", "schema-twice"),
        ("relationships: |-\n  document:plan#viewer\n", "13:3 relationship:"),
        (
            "relationships: |-\n  document:plan#viewer@user:ann\n  document:plan#viewer@user:ann\n",
            "14:3 relationship-repeated",
        ),
        ("assertions:\n  assertTrue:\n    - document:plan#view\n", "14:7 assertion:"),
        (
            "assertions:\n  assertTrue:\n    - 'document:plan#view@user:ann with {'\n",
            "14:8 assertion: the context is not valid JSON",
        ),
        (
            "assertions:\n  assertTrue:\n    - document:plan#view@user:ann[on_day]\n",
            "14:7 assertion: an assertion has no `[on_day]`",
        ),
        ("validation:\n  document:plan: []\n", "13:3 expected-key"),
        ("validation:\n  document:plan#view:\n    - '[nobody] is <a>'\n", "14:8 expected-subject"),
    ] {
        let report = with_schema(rest);
        let found = complaints(&report);
        assert!(found.iter().any(|line| line.contains(wanted)), "{rest}\n{found:#?}");
        assert_eq!(report.outcome(), ReportOutcome::Unusable, "{rest}");
    }
    assert_eq!(complaints(&validate("")), ["1:1 schema-missing: the file has no schema"]);
    for (schema, start) in
        [("schema: null", "1:1"), ("schema:", "1:1"), ("x-a: b\nschema: ~", "2:1")]
    {
        let report = validate(&format!("{schema}\nrelationships: ''\n"));
        assert_eq!(
            complaints(&report),
            [format!("{start} schema-missing: the file has no schema")]
        );
        assert_eq!(report.outcome(), ReportOutcome::Unusable, "{schema}");
    }
    assert_eq!(complaints(&validate("- a\n")).len(), 2);
}

#[test]
fn a_schema_inside_yaml_points_at_the_yaml() {
    for text in [
        "schema: |-\n  definition user {}\n  definition group {\n    relation member: usr\n  }\n",
        "schema: >-\n  definition user {}\n\n  definition group {\n    relation member: usr\n  }\n",
        "schema: \"definition user {}\\ndefinition group {\\n  relation member: usr\\n}\"\n",
        "é: ü\nschema: |2+\n  definition user {}\n  definition group {\n  \trelation member: usr\n  }\n",
        "schema: |-\r\n  definition user {}\r\n  definition group {\r\n    relation member: usr\r\n  }\r\n",
    ] {
        let report = validate(text);
        let places: Vec<_> = report.errors().map(|d| d.source.get(d.span.clone())).collect();
        assert_eq!(places, [Some("usr")], "{text}");
        assert!(report.errors().all(|d| &*d.source_name == "test.yaml" && &*d.source == text));
    }
}

#[test]
fn a_turned_assertion_fails_with_its_line_and_a_trace() {
    let report = with_schema(
        "relationships: document:plan#viewer@user:ann
assertions:
  assertFalse:
    - document:plan#view@user:ann
  assertTrue:
    - document:plan#view@user:bob
    - document:plan#vew@user:ann
",
    );
    assert_eq!(report.outcome(), ReportOutcome::Fails);
    assert_eq!(
        complaints(&report),
        [
            "15:7 expected `document:plan#view@user:ann` to be false, but it is true",
            "17:7 expected `document:plan#view@user:bob` to be true, but it is false",
            "18:7 `document:plan#vew@user:ann` has no answer: relation/permission `vew` not found under definition `document`",
        ]
    );
    let traces: Vec<bool> = report.assertions.iter().map(|result| result.trace.is_some()).collect();
    assert_eq!(traces, [true, true, false]);
}

#[test]
fn relationships_must_fit_the_schema() {
    let report = with_schema(
        "relationships: |-
  document:plan#view@user:ann
  document:plan#nobody@user:ann
  document:plan#viewer@group:eng
  group:eng#member@user:ann[on_day:{\"hour\": 1}]
assertions:
  assertTrue:
    - document:plan#view@user:ann
",
    );
    assert_eq!(report.outcome(), ReportOutcome::Unusable);
    let lines: Vec<usize> = report.errors().map(|error| error.start().line).collect();
    assert_eq!(lines, [13, 14, 15, 16]);
    assert!(report.assertions.is_empty());
}

#[test]
fn two_relationships_with_one_key_are_a_repetition_whatever_their_caveats() {
    let report = with_schema(
        "relationships: |-
  group:eng#member@user:ann
  group:eng#member@user:ann[on_day]
",
    );
    assert_eq!(report.outcome(), ReportOutcome::Unusable);
    assert!(complaints(&report)[0].starts_with("14:3 relationship-repeated"));
}

#[test]
fn every_way_to_miss_expected_relations_is_reported() {
    let report = with_schema(
        "relationships: |-
  document:plan#viewer@user:*
  document:plan#banned@user:bad
  document:plan#viewer@group:eng#member
  group:eng#member@user:cat[on_day]
validation:
  document:plan#view:
    - is <document:plan#viewer>
    - '[user:ann] is <document:plan#viewer>'
    - '[user:* - {user:worse}] is <document:plan#viewer>'
    - '[group:eng#member - {user:bad}] is <group:eng#member>'
    - '[user:cat] is <group:eng#member>'
  group:eng#member: []
  group:eng#membr: []
",
    );
    insta::assert_snapshot!(complaints(&report).join("\n"), @r"
    19:7 `is <document:plan#viewer>` names no subject: write it like `[user:ann] is <document:plan#viewer>`
    20:8 `user:ann` is expected in `document:plan#view`, but is not in it
    21:8 `user:*` is expected in `document:plan#view` without `user:worse`, but was found without `user:bad`
    22:8 `group:eng#member` is expected in `document:plan#view` through `<group:eng#member>`, but was found through `<document:plan#viewer>`
    22:8 `group:eng#member` is one subject and can have no exceptions
    23:8 `user:cat` is expected in `document:plan#view` without a caveat, but was found under a caveat
    24:3 `user:cat` is in `group:eng#member`, but is not listed
    25:3 the expected relations cannot be compared: `group` has no relation or permission `membr`
    ");
}

#[test]
fn expansion_walks_cycles_arrows_and_every_operator() {
    let report = validate(
        "schema: |-
  definition user {}
  definition folder {
    relation parent: folder
    relation owner: user
    relation member: user | folder#member
    permission view = owner + parent->view
    permission all_see = parent.all(view)
    permission both = owner & view
  }
relationships: |-
  folder:a#parent@folder:b
  folder:b#parent@folder:a
  folder:a#owner@user:ann
  folder:b#owner@user:bob
  folder:c#parent@folder:a
  folder:c#parent@folder:d
  folder:d#owner@user:ann
  folder:e#member@folder:f#member
  folder:f#member@folder:e#member
  folder:f#member@user:eve
validation:
  folder:a#view: ['[user:ann] is <folder:a#owner>', '[user:bob] is <folder:b#owner>']
  folder:c#all_see: ['[user:ann] is <folder:a#owner>/<folder:d#owner>']
  folder:z#all_see: []
  folder:a#both: ['[user:ann] is <folder:a#owner>']
  folder:e#member:
    - '[folder:f#member] is <folder:e#member>'
    - '[folder:e#member] is <folder:f#member>'
    - '[user:eve] is <folder:f#member>'
",
    );
    assert_eq!(complaints(&report), Vec::<String>::new());
    assert_eq!(report.expected.len(), 5);
}

#[test]
fn a_cycle_through_an_exclusion_is_reported() {
    let report = validate(
        "schema: |-
  definition user {}
  definition folder {
    relation parent: folder
    relation owner: user
    permission view = owner - parent->view
  }
relationships: |-
  folder:a#parent@folder:a
  folder:a#owner@user:ann
validation:
  folder:a#view: []
",
    );
    assert_eq!(report.outcome(), ReportOutcome::Fails);
    assert!(complaints(&report)[0].contains("depends on itself"), "{:?}", complaints(&report));
}

#[test]
fn a_long_chain_of_groups_is_expanded_and_checked() {
    let links = (0..20_000).map(|at| format!("  group:g{at}#member@group:g{}#member\n", at + 1));
    let text = format!(
        "{SCHEMA}relationships: |-\n{}  group:g20000#member@user:ann\nassertions:\n  assertTrue: [group:g0#member@user:ann]\nvalidation:\n  group:g19999#member: []\n",
        links.collect::<String>()
    );
    let report = validate(&text);
    assert!(report.assertions[0].holds(), "{}", report.assertions[0].message());
    assert_eq!(report.expected[0].failures.len(), 2);
}

#[test]
fn expired_relationships_are_not_there() {
    let report = validate(
        "schema: |-
  use expiration
  definition user {}
  definition group {
    relation member: user with expiration
  }
relationships: |-
  group:a#member@user:old[expiration:2020-01-01T00:00:00Z]
  group:a#member@user:new[expiration:2030-01-01T00:00:00Z]
assertions:
  assertTrue: [group:a#member@user:new]
  assertFalse: [group:a#member@user:old]
validation:
  group:a#member: ['[user:new] is <group:a#member>']
",
    );
    assert_eq!(complaints(&report), Vec::<String>::new());
}

#[test]
fn a_schema_file_is_read_by_its_path_from_the_files_folder() {
    let load = |name: &str| match name {
        "schemas/main.zed" => Ok("use import\nimport \"user.zed\"\n".to_owned()),
        "schemas/user.zed" | "../main.zed" | "/etc/main.zed" | "a/../../b.zed" => {
            Ok("definition user {}\n".to_owned())
        }
        "../broken.zed" | "./broken.zed" => Ok("definition user {\n".to_owned()),
        other => no_files(other),
    };
    let run = |path: &str| {
        let text = format!("schemaFile: '{path}'\n");
        validate_file("dir/test.yaml", &text, &load, &unhurried()).unwrap()
    };
    assert_eq!(complaints(&run("schemas/main.zed")), Vec::<String>::new());
    assert!(complaints(&run("none.zed"))[0].contains("cannot be read: there is no `none.zed`"));
    for path in ["../main.zed", "/etc/main.zed", "a/../../b.zed"] {
        assert_eq!(complaints(&run(path)), Vec::<String>::new(), "{path}");
    }
    for (path, name) in [("./broken.zed", "dir/broken.zed"), ("../broken.zed", "broken.zed")] {
        let broken = run(path);
        assert!(broken.errors().all(|error| &*error.source_name == name), "{path}");
        assert_eq!(broken.outcome(), ReportOutcome::Unusable);
    }
}

#[test]
fn a_schema_alone_is_compiled() {
    let good = validate_file("user.zed", "definition user {}\n", &no_files, &unhurried()).unwrap();
    assert_eq!((good.outcome(), good.is_schema), (ReportOutcome::Holds, true));
    let bad = validate_file("user.zed", "definition user {\n", &no_files, &unhurried()).unwrap();
    assert_eq!(bad.outcome(), ReportOutcome::Unusable);
}

#[test]
fn parts_are_validated_like_a_file() {
    let parts = InlineFile {
        schema: "definition user {}\ndefinition doc {\n  relation viewer: user\n}\n",
        relationships: "doc:1#viewer@user:ann\n// more\ndoc:1#viewer@user:bob",
        assertions: vec![
            (Expectation::True, "doc:1#viewer@user:ann"),
            (Expectation::False, "doc:1#viewer@user:bob"),
        ],
        expected: vec![("doc:1#viewer", vec!["[user:ann] is <doc:1#viewer>"])],
    };
    let report = validate_inline(&parts, &unhurried()).unwrap();
    assert_eq!(
        complaints(&report),
        [
            "2:1 expected `doc:1#viewer@user:bob` to be false, but it is true",
            "1:1 `user:bob` is in `doc:1#viewer`, but is not listed",
        ]
    );
    let (assertions, findings) =
        parse_assertions(&[(Expectation::True, "doc:1#viewer@user:ann"), (Expectation::True, "x")]);
    assert_eq!((assertions.len(), findings[0].diagnostic.start().line), (1, 2));
}

#[test]
fn the_assertions_of_a_file_can_be_read_alone() {
    let text = "schema: nonsense\nassertions:\n  assertTrue:\n    - doc:1#view@user:ann\n";
    let (assertions, findings) = read_assertions("live.yaml", text);
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(assertions[0].location.start().line, 4);
    // A block with a misspelt key does not look as if it passed.
    let (assertions, findings) = read_assertions("live.yaml", "assertion:\n  assertTrue: [x]\n");
    let found = &findings[0].diagnostic;
    assert_eq!((assertions.len(), found.code, found.severity), (0, "unknown-key", Severity::Error));
}

/// Relationships, assertions and expected relations: 600 of each.
fn much() -> String {
    let ids = || 0..600;
    let lines = |line: &dyn Fn(u32) -> String| ids().map(line).collect::<String>();
    format!(
        "{SCHEMA}relationships: |\n{}assertions:\n  assertTrue:\n{}validation:\n{}",
        lines(&|id| format!("  document:{id}#viewer@user:ann\n")),
        lines(&|id| format!("    - document:{id}#view@user:ann\n")),
        lines(&|id| format!("  document:{id}#view: ['[user:ann] is <document:{id}#viewer>']\n")),
    )
}

/// Whichever stage it has come to, a validation asks again soon, and not once more after it was interrupted.
#[test]
fn a_validation_ends_when_nobody_waits_for_it() {
    let text = much();
    for patience in [0, 1, 2, 3, 4, 300, 602, 603, 700, 1_000, 1_200] {
        let requested = Cell::new(0);
        let interrupted = || {
            requested.set(requested.get() + 1);
            requested.get() > patience
        };
        let setting = RunOptions { interrupted: &interrupted, ..unhurried() };
        let ended = validate_file("test.yaml", &text, &no_files, &setting).unwrap_err();
        assert!(matches!(ended, EngineError::Interrupted), "{ended}");
        assert_eq!(requested.get(), patience + 1);
    }
    let report = validate(&text);
    assert_eq!((report.outcome(), report.expected.len()), (ReportOutcome::Holds, 600));
}

/// The bound holds for everything in the file together: no stage and no check starts again from zero.
#[test]
fn a_whole_validation_may_take_so_long() {
    let (text, second) = (much(), Duration::from_secs(1));
    for looks in [0, 3, 300, 1_000] {
        let looked = Cell::new(0);
        let stopwatch = || {
            looked.set(looked.get() + 1);
            second * looked.get()
        };
        let time_max = Some(second * looks);
        let setting = RunOptions { stopwatch: &stopwatch, time_max, ..unhurried() };
        let ended = validate_file("test.yaml", &text, &no_files, &setting).unwrap_err();
        assert!(matches!(ended, EngineError::TimeExceeded { .. }), "{ended}");
        assert_eq!(looked.get(), looks + 1);
    }
}

#[test]
fn no_text_panics() {
    let seed = format!(
        "{SCHEMA}relationships: |\n  document:plan#viewer@user:ann\nassertions:\n  assertTrue: [\"document:plan#view@user:ann\"]\nvalidation:\n  document:plan#view: ['[user:* - {{user:a}}] is <document:plan#viewer>']\n"
    );
    for cut in (0..seed.len()).step_by(7) {
        let (start, end) = seed.split_at(cut);
        for text in [start.to_owned(), end.to_owned(), format!("{start}{}", &end[1..])] {
            drop(validate(&text));
        }
        for noise in ["é", "\u{0}", "\t", "&a *a ", "]", "'", "\"", "\u{feff}", "%", "|"] {
            drop(validate(&format!("{start}{noise}{end}")));
        }
    }
}

#[test]
fn the_corpus_holds() {
    let mut wrong = Vec::new();
    for file in corpus_files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let report =
            validate_file(&file.to_string_lossy(), &text, &no_files, &unhurried()).unwrap();
        if report.outcome() != ReportOutcome::Holds {
            wrong.push(format!("{}\n  {}", file.display(), complaints(&report).join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_error_of_an_assertion_is_that_of_its_question() {
    let error = kilwa::validation::Assertion::parse(Expectation::True, "x").unwrap_err();
    assert_eq!(
        error.to_string(),
        "x".parse::<kilwa::relationship::Relationship>()
            .map_err(|e: ParseError| e)
            .unwrap_err()
            .to_string()
    );
}
