//! The work of a check is bounded, and every relationship within the bounds is seen.

use crate::readers::CountingReader;
use crate::reference::case::{Asked, now};
use crate::schema_support::schema;
use kilwa::engine::{
    CheckQuery, CheckResult, EngineError, EvalContext, Limits, Trace, WorkKind, check, check_each,
};
use kilwa::relationship::{
    Context, ObjectRef, Permissionship, RelationshipReader, RelationshipSet, VisibleSet,
};
use kilwa::schema::Schema;
use std::cell::Cell;

const SCHEMA: &str = "
definition user {}
definition group { relation member: user | group#member }
definition folder { relation viewer: user }
definition document {
    relation parent: folder
    relation reader: group#member
    permission view = parent->viewer
    permission view_all = parent.all(viewer)
    permission read = reader
}";

/// More than some pages of a relation's subjects.
const WIDE: usize = 2_000;

fn stored(lines: impl Iterator<Item = String>) -> RelationshipSet {
    lines.map(|line| line.parse().unwrap()).collect()
}

/// Each group is in the one before it; the last one holds `user:end`.
fn chain(length: usize) -> RelationshipSet {
    let links = (1..length).map(|n| format!("group:{}#member@group:{n}#member", n - 1));
    stored(links.chain([format!("group:{}#member@user:end", length - 1)]))
}

fn ask<R: RelationshipReader>(
    scope: &EvalContext<'_, R>,
    question: &str,
) -> Result<CheckResult, EngineError> {
    check(scope, &Asked::parse(question).question())
}

/// Checks within limits a chain that needs 100 visits and 200 reads.
fn ask_within(limits: Limits) -> Result<CheckResult, EngineError> {
    let (schema, set) = (schema(SCHEMA), chain(100));
    let visible = set.visible_at(now());
    ask(&EvalContext { limits, ..EvalContext::new(&schema, &visible) }, "group:0#member@user:end")
}

#[test]
fn a_question_that_visits_too_much_is_refused() {
    let within = |visits_max| ask_within(Limits { visits_max, ..Limits::default() });
    let needed = within(1_000).unwrap().statistics.visits;
    assert_eq!(within(needed).unwrap().permissionship, Permissionship::HasPermission);
    let error = within(needed - 1).unwrap_err();
    assert!(
        matches!(error, EngineError::WorkExceeded { work: WorkKind::Visits, limit } if limit == needed - 1),
        "{error}"
    );
    assert!(error.to_string().contains("visits of relations and permissions"), "{error}");
}

#[test]
fn a_question_that_reads_too_much_is_refused() {
    let within = |reads_max| ask_within(Limits { reads_max, ..Limits::default() });
    let needed = within(1_000).unwrap().statistics.reads;
    assert_eq!(within(needed).unwrap().permissionship, Permissionship::HasPermission);
    let error = within(needed - 1).unwrap_err();
    assert!(
        matches!(error, EngineError::WorkExceeded { work: WorkKind::Reads, limit } if limit == needed - 1),
        "{error}"
    );
}

/// The steps of one check's caveats count together, and a long row of them is interrupted.
#[test]
fn caveats_that_take_too_many_steps_end_the_question() {
    let schema = schema(
        "caveat sums(n int, l list<int>) { l.exists(x, x == n) }
        definition user {}
        definition group { relation member: user with sums | group#member with sums }",
    );
    let text = (0..200).fold(String::new(), |text, n| {
        let caveat = format!(r#"[sums:{{"n":{n},"l":[1,2,3,4,5,6,7,8]}}]"#);
        format!(
            "{text}group:0#member@group:g{n}#member{caveat}\ngroup:g{n}#member@user:b{caveat}\n"
        )
    });
    let set: RelationshipSet = text.lines().map(|line| line.parse().unwrap()).collect();
    let visible = set.visible_at(now());
    let within = |caveat_steps_max| {
        let limits = Limits { caveat_steps_max, ..Limits::default() };
        ask(
            &EvalContext { limits, ..EvalContext::new(&schema, &visible) },
            "group:0#member@user:ann",
        )
    };
    let needed = within(1_000_000).unwrap().statistics.caveat_steps;
    assert_eq!(within(needed).unwrap().permissionship, Permissionship::NoPermission);
    let error = within(needed - 1).unwrap_err();
    assert!(
        matches!(error, EngineError::WorkExceeded { work: WorkKind::CaveatSteps, limit } if limit == needed - 1),
        "{error}"
    );
    assert!(error.to_string().contains("steps in caveats"), "{error}");
}

#[test]
fn a_question_that_leads_too_deep_is_refused() {
    let within = |depth_max| ask_within(Limits { depth_max: Some(depth_max), ..Limits::default() });
    assert_eq!(within(100).unwrap().permissionship, Permissionship::HasPermission);
    let error = within(99).unwrap_err();
    assert!(matches!(error, EngineError::DepthExceeded { depth_max: 99 }), "{error}");
}

/// Reads that never lead to a visit, and visits that need no read, end in time.
#[test]
fn a_question_ends_when_nobody_waits_for_it() {
    let (schema, set) = (schema(SCHEMA), chain(10_000));
    let visible = set.visible_at(now());
    for patience in [0, 1, 7, 40] {
        let requested = Cell::new(0);
        let interrupted = || {
            requested.set(requested.get() + 1);
            requested.get() > patience
        };
        let reader = CountingReader::new(visible);
        let scope = EvalContext { interrupted: &interrupted, ..EvalContext::new(&schema, &reader) };
        let error = ask(&scope, "group:0#member@user:end").unwrap_err();
        assert!(matches!(error, EngineError::Interrupted), "{error}");
        assert_eq!(requested.get(), patience + 1);
        assert!(reader.reads() <= 300 * (patience + 1), "{} reads", reader.reads());
    }
}

#[test]
fn an_error_leaves_nothing_behind_for_the_next_question() {
    let (schema, set) = (schema(SCHEMA), chain(100));
    let visible = set.visible_at(now());
    let limits = Limits { visits_max: 60, ..Limits::default() };
    let scope = EvalContext { limits, ..EvalContext::new(&schema, &visible) };
    let (subject, context) = ("user:end".parse().unwrap(), Context::default());
    let resources = ["group:0", "group:50", "group:0"].map(|text| text.parse().unwrap());
    let ask = |resource| CheckQuery {
        resource,
        permission: "member",
        subject: &subject,
        context: &context,
    };
    let [first, second, third] = resources.each_ref().map(ask);
    let answers = check_each(&scope, &[first, second, third]);
    assert!(matches!(answers[0], Err(EngineError::WorkExceeded { .. })), "{:?}", answers[0]);
    assert_eq!(answers[1].as_ref().unwrap().permissionship, Permissionship::HasPermission);
    assert_eq!(answers[2].as_ref().unwrap().permissionship, Permissionship::HasPermission);
}

/// Two traces of thousands of steps fit, a third does not; every check has at least its root.
#[test]
fn what_many_traces_tell_is_bounded_together() {
    fn count(trace: &Trace) -> usize {
        1 + trace.caveats.len() + trace.children.iter().map(count).sum::<usize>()
    }
    let schema = schema(SCHEMA);
    let set = stored((0..4_000).map(|n| format!("document:d#reader@group:{n}#member")));
    let visible = set.visible_at(now());
    let resources = ["document:d", "document:d", "document:d", "group:0", "document:d"];
    let resources = resources.map(|text| text.parse::<ObjectRef>().unwrap());
    let (subject, context) = ("user:none".parse().unwrap(), Context::default());
    let questions: Vec<CheckQuery<'_>> = resources
        .iter()
        .map(|resource| {
            let permission = if resource.object_type() == "group" { "member" } else { "read" };
            CheckQuery { resource, permission, subject: &subject, context: &context }
        })
        .collect();
    let scope = EvalContext { tracing: true, ..EvalContext::new(&schema, &visible) };
    let traces: Vec<Trace> = check_each(&scope, &questions)
        .into_iter()
        .map(|answer| answer.unwrap().trace.unwrap())
        .collect();
    let counts: Vec<usize> = traces.iter().map(count).collect();
    assert!(counts[0] > 4_000 && counts[1] == counts[0], "{counts:?}");
    assert_eq!(counts[2..], [1, 1, 1]);
    assert!(traces.iter().all(|trace| trace.permissionship == Some(Permissionship::NoPermission)));
    assert!(counts.iter().sum::<usize>() <= 10_000 + counts.len(), "{counts:?}");
}

fn assert_answer(schema: &Schema, visible: VisibleSet<'_>, question: &str, expected: bool) {
    let reader = CountingReader::new(visible);
    let checked = ask(&EvalContext::new(schema, &reader), question).unwrap();
    assert_eq!(checked.permissionship == Permissionship::HasPermission, expected, "{question}");
    assert!(reader.reads() <= 3 * WIDE, "{question}: {} reads", reader.reads());
}

#[test]
fn the_last_of_many_subjects_counts() {
    let schema = schema(SCHEMA);
    let parents = (0..WIDE).map(|n| format!("document:d#parent@folder:{n:05}"));
    let readers = (0..WIDE).map(|n| format!("document:d#reader@group:{n:05}#member"));
    let everywhere = (0..WIDE).map(|n| format!("folder:{n:05}#viewer@user:all"));
    let last = WIDE - 1;
    let nearly_everywhere = (0..last).map(|n| format!("folder:{n:05}#viewer@user:most"));
    let one = [format!("folder:{last:05}#viewer@user:one")];
    let inside = [format!("group:{last:05}#member@user:one")];
    let set = stored(
        parents.chain(readers).chain(everywhere).chain(nearly_everywhere).chain(one).chain(inside),
    );
    let visible = set.visible_at(now());
    for (question, expected) in [
        ("document:d#view@user:one", true),
        ("document:d#view@user:none", false),
        ("document:d#read@user:one", true),
        ("document:d#read@user:none", false),
        ("document:d#view_all@user:all", true),
        ("document:d#view_all@user:most", false),
    ] {
        assert_answer(&schema, visible, question, expected);
    }
}
