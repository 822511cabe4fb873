//! Where a check starts, how long its rules' chains are and whether it is traced makes no difference to its answer.

use crate::schema_support::schema;
use kilwa::engine::{CheckQuery, CheckResult, EngineError, EvalContext, Limits, check_each};
use kilwa::relationship::{
    Context, ObjectRef, Permissionship, Relationship, RelationshipSet, Subject, Timestamp,
    VisibleSet,
};
use kilwa::schema::Schema;
use std::fmt::Write as _;

const GROUPS: &str = "
    definition user {}
    caveat first(one bool) { one }
    caveat second(two bool) { two }
    definition group {
        relation member: user | user with first
            | group#member | group#member with first | group#member with second
    }";

/// How many permissions, each of which is just the one before.
const CHAIN_LENGTH: usize = 1_500;

fn relationships(text: &str) -> RelationshipSet {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| line.parse::<Relationship>().unwrap()).collect()
}

/// Checks in one call whether the user `ann` has this permission on each of these objects.
fn ask(
    schema: &Schema,
    set: &RelationshipSet,
    (permission, objects): (&str, &[&str]),
    change: impl Fn(&mut EvalContext<'_, VisibleSet<'_>>),
) -> Vec<Result<CheckResult, EngineError>> {
    let reader = set.visible_at(Timestamp::from_unix(0, 0).unwrap());
    let mut scope = EvalContext::new(schema, &reader);
    change(&mut scope);
    let (subject, context) = (Subject::new("user", "ann", "").unwrap(), Context::default());
    let objects: Vec<ObjectRef> = objects.iter().map(|object| object.parse().unwrap()).collect();
    let ask = |resource| CheckQuery { resource, permission, subject: &subject, context: &context };
    check_each(&scope, &objects.iter().map(ask).collect::<Vec<_>>())
}

#[test]
fn what_is_missing_in_a_cycle_does_not_depend_on_where_one_starts() {
    let set = relationships(
        "group:a#member@user:ann[first]
         group:a#member@group:b#member
         group:b#member@group:a#member[second]",
    );
    let both = ["one", "two"].map(str::to_owned).into();
    let missing = Permissionship::Conditional(both);
    for objects in [["group:a", "group:b"], ["group:b", "group:a"]] {
        for answer in ask(&schema(GROUPS), &set, ("member", &objects), |_| {}) {
            assert_eq!(answer.unwrap().permissionship, missing);
        }
    }
}

#[test]
fn a_chain_of_permissions_needs_no_stack() {
    let mut text = "definition user {}\ndefinition doc {\nrelation base: user".to_owned();
    text.push_str("\npermission step0 = base");
    for step in 1..CHAIN_LENGTH {
        write!(text, "\npermission step{step} = step{}", step - 1).unwrap();
    }
    let schema = schema(&format!("{text}\n}}"));
    let walk = move || {
        let set = relationships("doc:1#base@user:ann");
        let last = format!("step{}", CHAIN_LENGTH - 1);
        ask(&schema, &set, (&last, &["doc:1"]), |_| {}).remove(0).unwrap().permissionship
    };
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(walk).unwrap();
    assert_eq!(thread.join().unwrap(), Permissionship::HasPermission);
}

#[test]
fn a_trace_makes_no_way_longer() {
    let schema = schema(
        "definition user {}
         definition doc {
             relation owner: user
             permission edit = owner
             permission view = edit
         }",
    );
    let set = relationships("doc:1#owner@user:ann");
    for depth_max in 0..4 {
        let limits = Limits { depth_max: Some(depth_max), ..Limits::default() };
        for tracing in [false, true] {
            let answer = ask(&schema, &set, ("view", &["doc:1"]), |scope| {
                (scope.limits, scope.tracing) = (limits, tracing);
            });
            assert_eq!(answer[0].is_ok(), depth_max >= 3, "{depth_max} {tracing}");
        }
    }
}

#[test]
fn every_item_tells_its_whole_way() {
    let set = relationships(
        "group:a#member@group:b#member
         group:b#member@user:ann",
    );
    let twice = ["group:a", "group:a"];
    for answer in ask(&schema(GROUPS), &set, ("member", &twice), |scope| scope.tracing = true) {
        assert_eq!(answer.unwrap().trace.unwrap().children.len(), 1);
    }
}
