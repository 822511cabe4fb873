//! What a new schema takes away, and which relationships forbid it.

use crate::schema_support::schema;
use kilwa::relationship::Relationship;
use kilwa::schema::diff::{Removal, removals};

const BEFORE: &str = "use expiration
caveat cav(day int, hour int) { day == hour }
caveat gone(day int) { day == 1 }
definition user {}
definition team {
    relation member: user
    relation lead: user
    permission all = member + lead
}
definition doc {
    relation owner: user
    relation viewer: user | user:* | user with cav | user with expiration | user with cav and expiration | team#member
    permission view = owner
}";

/// The removals, with those of these relationships that each would orphan.
fn removed(after: &str, stored: &[&str]) -> String {
    let removals = removals(&schema(BEFORE), &schema(after));
    let stored: Vec<Relationship> = stored.iter().map(|text| text.parse().unwrap()).collect();
    let lines: Vec<String> = removals
        .iter()
        .map(|removal| {
            let example = stored.iter().find(|stored| removal.matches(stored));
            let found = |stored: &Relationship| removal.filters().iter().any(|f| f.matches(stored));
            assert!(example.is_none_or(found), "what matches is found by a filter");
            format!("{} {:?}", removal.message(example), removal.metadata(example))
        })
        .collect();
    lines.join("\n")
}

#[test]
fn additions_and_changes_of_what_is_computed_take_nothing_away() {
    let after = "use expiration
caveat cav(hour int, day int, more int) { day == hour && more == 1 }
definition extra {}
definition user { relation friend: user }
definition team {
    relation member: user | extra
    relation lead: user
    relation all: user
}
definition doc {
    relation viewer: team#member | user | user:* | user with cav | user with expiration | user with cav and expiration
    relation owner: user#friend | user
}";
    assert_eq!(removed(after, &[]), "");
    assert_eq!(removed(BEFORE, &[]), "");
}

#[test]
fn definitions_and_relations_go_when_nothing_is_stored_in_them() {
    let after = "definition user {}
definition doc { relation viewer: user; permission owner = viewer }";
    let stored = [
        "team:t#member@user:u",
        "doc:d#owner@user:u",
        "doc:d#viewer@user:u",
        "doc:d#viewer@user:*",
        "doc:d#viewer@user:u[cav]",
        "doc:d#viewer@user:u[expiration:2030-01-01T00:00:00Z]",
        "doc:d#viewer@user:u[cav][expiration:2030-01-01T00:00:00Z]",
        "doc:d#viewer@team:t#member",
    ];
    insta::assert_snapshot!(removed(after, &stored), @r"
    ");
    insta::assert_snapshot!(removed("", &[]), @r"
    ");
}

#[test]
fn a_relation_goes_only_when_nothing_names_its_members() {
    let after = BEFORE.replace("relation member: user", "permission member = lead");
    insta::assert_snapshot!(removed(&after, &["doc:d#viewer@team:t#member"]), @r"
    ");
}

#[test]
fn each_form_of_subject_goes_by_itself() {
    let after = BEFORE.replace("relation viewer: user | ", "relation viewer: ");
    let others = ["doc:d#viewer@user:*", "doc:d#viewer@user:u[cav]", "doc:d#owner@user:u"];
    insta::assert_snapshot!(removed(&after, &others), @r"
    ");
    let removals = removals(&schema(BEFORE), &schema(&after));
    assert!(removals[0].matches(&"doc:d#viewer@user:u".parse().unwrap()));
    let Removal::AllowedSubject { allowed, .. } = &removals[0] else { panic!() };
    assert_eq!((allowed.subject_type.as_str(), allowed.is_wildcard), ("user", false));
}

#[test]
fn parameters_never_go_but_caveats_may() {
    let after = BEFORE
        .replace(
            "caveat cav(day int, hour int) { day == hour }",
            "caveat cav(day string) { day == 'x' }",
        )
        .replace("caveat gone(day int) { day == 1 }", "");
    insta::assert_snapshot!(removed(&after, &[]), @r"
    ");
    let removals = removals(&schema(BEFORE), &schema(&after));
    assert!(removals.iter().all(Removal::is_always_forbidden));
    assert!(removals.iter().all(|removal| removal.filters().is_empty()));
}
