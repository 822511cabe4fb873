//! What a new schema takes away, and which relationships forbid it.

use crate::schema_support::schema;
use kilwa::relationship::Relationship;
use kilwa::schema::removals::{Removal, removals};

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
    insta::assert_snapshot!(removed(after, &stored), @r#"
    cannot delete object definition `team`, as at least one relationship exists under it: team:t#member@user:u [("operation", "delete_object_definition"), ("resource_type", "team"), ("relationship", "team:t#member@user:u")]
    cannot delete relation `owner` in object definition `doc`, as at least one relationship exists under it: doc:d#owner@user:u [("operation", "delete_relation"), ("resource_type", "doc"), ("relation", "owner"), ("relationship", "doc:d#owner@user:u")]
    cannot remove allowed type `user:*` from relation `viewer` in object definition `doc`, as a relationship exists with it: doc:d#viewer@user:* [("operation", "remove_allowed_type"), ("resource_type", "doc"), ("relation", "viewer"), ("allowed_type", "user:*"), ("relationship", "doc:d#viewer@user:*")]
    cannot remove allowed type `user with cav` from relation `viewer` in object definition `doc`, as a relationship exists with it: doc:d#viewer@user:u[cav] [("operation", "remove_allowed_type"), ("resource_type", "doc"), ("relation", "viewer"), ("allowed_type", "user with cav"), ("relationship", "doc:d#viewer@user:u[cav]")]
    cannot remove allowed type `user with expiration` from relation `viewer` in object definition `doc`, as a relationship exists with it: doc:d#viewer@user:u[expiration:2030-01-01T00:00:00Z] [("operation", "remove_allowed_type"), ("resource_type", "doc"), ("relation", "viewer"), ("allowed_type", "user with expiration"), ("relationship", "doc:d#viewer@user:u[expiration:2030-01-01T00:00:00Z]")]
    cannot remove allowed type `user with cav and expiration` from relation `viewer` in object definition `doc`, as a relationship exists with it: doc:d#viewer@user:u[cav][expiration:2030-01-01T00:00:00Z] [("operation", "remove_allowed_type"), ("resource_type", "doc"), ("relation", "viewer"), ("allowed_type", "user with cav and expiration"), ("relationship", "doc:d#viewer@user:u[cav][expiration:2030-01-01T00:00:00Z]")]
    cannot remove allowed type `team#member` from relation `viewer` in object definition `doc`, as a relationship exists with it: doc:d#viewer@team:t#member [("operation", "remove_allowed_type"), ("resource_type", "doc"), ("relation", "viewer"), ("allowed_type", "team#member"), ("relationship", "doc:d#viewer@team:t#member")]
    "#);
    insta::assert_snapshot!(removed("", &[]), @r#"
    cannot delete object definition `user`, as at least one relationship exists under it [("operation", "delete_object_definition"), ("resource_type", "user")]
    cannot delete object definition `team`, as at least one relationship exists under it [("operation", "delete_object_definition"), ("resource_type", "team")]
    cannot delete object definition `doc`, as at least one relationship exists under it [("operation", "delete_object_definition"), ("resource_type", "doc")]
    "#);
}

#[test]
fn a_relation_goes_only_when_nothing_names_its_members() {
    let after = BEFORE.replace("relation member: user", "permission member = lead");
    insta::assert_snapshot!(removed(&after, &["doc:d#viewer@team:t#member"]), @r#"
    cannot delete relation `member` in object definition `team`, as at least one relationship references it as part of a subject: doc:d#viewer@team:t#member [("operation", "delete_relation_reverse_check"), ("resource_type", "team"), ("relation", "member"), ("relationship", "doc:d#viewer@team:t#member")]
    "#);
}

#[test]
fn each_form_of_subject_goes_by_itself() {
    let after = BEFORE.replace("relation viewer: user | ", "relation viewer: ");
    let others = ["doc:d#viewer@user:*", "doc:d#viewer@user:u[cav]", "doc:d#owner@user:u"];
    insta::assert_snapshot!(removed(&after, &others), @r#"
    cannot remove allowed type `user` from relation `viewer` in object definition `doc`, as a relationship exists with it [("operation", "remove_allowed_type"), ("resource_type", "doc"), ("relation", "viewer"), ("allowed_type", "user")]
    "#);
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
    insta::assert_snapshot!(removed(&after, &[]), @r#"
    cannot change the type of parameter `day` on caveat `cav` [("operation", "change_parameter_type"), ("caveat_name", "cav"), ("parameter_name", "day")]
    cannot remove parameter `hour` on caveat `cav` [("operation", "remove_parameter"), ("caveat_name", "cav"), ("parameter_name", "hour")]
    "#);
    let removals = removals(&schema(BEFORE), &schema(&after));
    assert!(removals.iter().all(Removal::is_always_forbidden));
    assert!(removals.iter().all(|removal| removal.filters().is_empty()));
}
