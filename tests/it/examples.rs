//! Coverage of the example systems' validation files: no rule of a schema can change without an assertion failing.

use kilwa::relationship::Timestamp;
use kilwa::schema::{self, Rule};
use kilwa::validation::{Expectation, Report, ReportOutcome, RunOptions, validate_file};
use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

const SYSTEMS: [&str; 5] = ["apollo", "dify", "gitpod", "gotify", "jetlinks"];
const ASSERTIONS_MIN: usize = 40;

/// The validation file of a system, on another schema than its own.
fn report(system: &str, schema: &str) -> Report {
    let text = fs::read_to_string(folder(system).join("validation.yaml")).unwrap();
    let load = |_: &str| -> Result<String, String> { Ok(schema.to_owned()) };
    let now = Timestamp::parse("2030-01-01T00:00:00Z").unwrap();
    validate_file("validation.yaml", &text, &load, &RunOptions::unhurried(now)).unwrap()
}

fn schema_of(system: &str) -> String {
    fs::read_to_string(folder(system).join("schema.zed")).unwrap()
}

fn folder(system: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schema-examples").join(system)
}

#[test]
fn every_permission_is_asserted_to_hold_and_not_to_hold() {
    for system in SYSTEMS {
        let text = schema_of(system);
        let report = report(system, &text);
        assert_eq!(report.outcome(), ReportOutcome::Holds, "{system}");
        assert!(report.assertions.len() >= ASSERTIONS_MIN, "{system}");
        assert!(!report.expected.is_empty(), "{system}");
        let permissions = permissions(&text);
        for expectation in [Expectation::True, Expectation::False] {
            let asserted = asserted(&report, expectation);
            let missing: Vec<_> = permissions.difference(&asserted).collect();
            assert!(
                missing.is_empty(),
                "{system}: never asserted to be {expectation}: {missing:?}"
            );
        }
    }
}

/// `definition#permission` of all permissions.
fn permissions(schema: &str) -> BTreeSet<String> {
    let schema = schema::compile(schema).unwrap();
    let nodes = schema.nodes().iter().filter(|node| matches!(node.rule, Rule::Permission(_)));
    nodes.map(|node| format!("{}#{}", schema.definition(node.definition).name, node.name)).collect()
}

fn asserted(report: &Report, expectation: Expectation) -> BTreeSet<String> {
    let assertions = report.assertions.iter().map(|result| &result.assertion);
    assertions
        .filter(|assertion| assertion.expectation == expectation)
        .map(|assertion| format!("{}#{}", assertion.resource.object_type(), assertion.permission))
        .collect()
}

#[test]
fn a_rule_that_is_changed_fails_an_assertion() {
    for system in SYSTEMS {
        let schema = schema_of(system);
        let changes = changes_of(&schema);
        assert!(changes.len() > 50, "{system}: {} changes", changes.len());
        for (range, replacement) in changes {
            let mut text = schema.clone();
            text.replace_range(range.clone(), replacement);
            let outcome = report(system, &text).outcome();
            let line = schema[..range.start].matches('\n').count() + 1;
            let was = &schema[range];
            assert_eq!(
                outcome,
                ReportOutcome::Fails,
                "{system}: nothing fails with `{replacement}` for `{was}` in line {line}"
            );
        }
    }
}

/// Every operator of a permission replaced by each of the two others, and every operand by `nil`.
fn changes_of(schema: &str) -> Vec<(Range<usize>, &'static str)> {
    let mut changes = Vec::new();
    let mut words = tokens(schema).into_iter().peekable();
    let mut in_permission = false;
    while let Some(token) = words.next() {
        match &schema[token.clone()] {
            "=" => in_permission = true,
            "permission" | "relation" | "}" => in_permission = false,
            _ if !in_permission => {}
            "(" | ")" => {}
            operator @ ("+" | "&" | "-") => {
                let others = ["+", "&", "-"].into_iter().filter(|other| *other != operator);
                changes.extend(others.map(|other| (token.clone(), other)));
            }
            _ => {
                let mut operand = token;
                if words.next_if(|next| &schema[next.clone()] == "->").is_some() {
                    operand.end = words.next().unwrap().end;
                }
                changes.push((operand, "nil"));
            }
        }
    }
    changes
}

/// Names and signs of a schema, without its comments and caveats.
fn tokens(schema: &str) -> Vec<Range<usize>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = schema[at..].chars().next() {
        let rest = &schema[at..];
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let skipped = [("/*", "*/"), ("//", "\n"), ("caveat ", "\n}")]
            .iter()
            .find(|(start, _)| rest.starts_with(*start));
        let length = match skipped {
            Some((_, end)) => rest.find(*end).unwrap() + end.len(),
            None if rest.starts_with("->") => 2,
            None if is_name(first) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
            None => first.len_utf8(),
        };
        if skipped.is_none() && !first.is_whitespace() {
            tokens.push(at..at + length);
        }
        at += length;
    }
    tokens
}
