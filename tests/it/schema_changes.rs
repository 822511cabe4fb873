//! The differences between two schemas.

use crate::reference::generate;
use crate::reference::random::Random;
use crate::schema_support::schema;
use kilwa::schema::diff::{SchemaChange, changes};
use kilwa::schema::format::canonical;

const BEFORE: &str = "use expiration
// A condition.
caveat cav(day int, hour int) { day == hour }
caveat lost(day int) { day == 1 }
definition user {}
// A team.
definition team {
    relation member: user
    relation lead: user
    // Everybody.
    permission all = member + lead
}
definition gone {}
definition doc {
    relation owner: user
    // Who may look.
    relation viewer: user | user with cav | user with expiration | team#member
    permission view = owner + viewer
    permission edit = owner
}";

/// The changes from `BEFORE`, one in a line.
fn changed(after: &str) -> String {
    changes(&schema(BEFORE), &schema(after)).iter().map(line).collect::<Vec<_>>().join("\n")
}

fn line(change: &SchemaChange) -> String {
    match change {
        SchemaChange::DefinitionAdded(is) => format!("+ {}", is.name),
        SchemaChange::DefinitionRemoved(was) => format!("- {}", was.name),
        SchemaChange::DefinitionCommentChanged(is) => format!("{} says {:?}", is.name, is.comment),
        SchemaChange::RelationAdded(is) => format!("+ relation {}#{}", is.definition, is.name),
        SchemaChange::RelationRemoved(was) => format!("- relation {}#{}", was.definition, was.name),
        SchemaChange::RelationCommentChanged(is) => {
            format!("{}#{} says {:?}", is.definition, is.name, is.comment)
        }
        SchemaChange::SubjectAdded(of, form) => {
            format!("+ {}#{}@{}", of.definition, of.name, form.text)
        }
        SchemaChange::SubjectRemoved(of, form) => {
            format!("- {}#{}@{}", of.definition, of.name, form.text)
        }
        SchemaChange::PermissionAdded(is) => format!("+ permission {}#{}", is.definition, is.name),
        SchemaChange::PermissionRemoved(was) => {
            format!("- permission {}#{}", was.definition, was.name)
        }
        SchemaChange::PermissionCommentChanged(is) => {
            format!("{}#{} says {:?}", is.definition, is.name, is.comment)
        }
        SchemaChange::PermissionExpressionChanged { permission: is, .. } => {
            format!("= {}#{}", is.definition, is.name)
        }
        SchemaChange::CaveatAdded(is) => format!("+ caveat {}", is.name),
        SchemaChange::CaveatRemoved(was) => format!("- caveat {}", was.name),
        SchemaChange::CaveatCommentChanged(is) => format!("{} says {:?}", is.name, is.comment),
        SchemaChange::CaveatExpressionChanged { caveat: is, .. } => {
            format!("{} = {}", is.name, is.expression)
        }
        SchemaChange::ParameterAdded(is) => format!("+ {}.{}", is.caveat, is.name),
        SchemaChange::ParameterRemoved(was) => format!("- {}.{}", was.caveat, was.name),
        SchemaChange::ParameterTypeChanged { parameter: is, previous_type } => {
            format!("{}.{}: {previous_type} -> {}", is.caveat, is.name, is.parameter_type)
        }
    }
}

#[test]
fn every_kind_of_change_is_reported() {
    let after = "use expiration
// Another condition.
caveat cav(day string, night string) { day == night }
caveat found(day int) { day == 1 }
definition user {}
// A group.
definition team {
    relation member: user
    // All of them.
    permission all = member
    permission lead = member
}
definition fresh {}
definition doc {
    relation owner: user
    relation viewer: user | user:* | user with cav and expiration | team#member
    relation reader: user
    permission view = viewer + owner
}";
    assert_eq!(
        changed(after),
        "\
+ fresh
- gone
+ caveat found
- caveat lost
+ relation doc#reader
- permission doc#edit
= doc#view
doc#viewer says \"\"
- doc#viewer@user with cav
- doc#viewer@user with expiration
+ doc#viewer@user with cav and expiration
+ doc#viewer@user:*
team says \"// A group.\"
- relation team#lead
+ permission team#lead
= team#all
team#all says \"// All of them.\"
cav says \"// Another condition.\"
- cav.hour
+ cav.night
cav.day: int -> string
cav = day == night"
    );
}

#[test]
fn spelling_alone_is_no_change() {
    let respelled = BEFORE
        .replace("day == hour", "\n  day==hour // the same\n")
        .replace("owner + viewer", "(owner) + (viewer)")
        .replace("definition user {}", "definition user {\n}");
    assert_eq!(changed(&respelled), "");
}

#[test]
fn a_schema_and_its_canonical_text_are_the_same() {
    let mut random = Random::new(5);
    for _ in 0..200 {
        let text = generate::specimen(&mut random, 0).case().schema;
        let schema = schema(&text);
        let printed = crate::schema_support::schema(&canonical(&schema));
        assert_eq!(changes(&schema, &printed), [], "{text}");
    }
}

#[test]
#[expect(clippy::wildcard_enum_match_arm, reason = "what changed did not come or go")]
fn there_and_back_again_adds_what_was_removed() {
    let mut random = Random::new(7);
    let kind = |change: &SchemaChange| match change {
        SchemaChange::DefinitionAdded(is) => format!("a {}", is.name),
        SchemaChange::DefinitionRemoved(was) => format!("r {}", was.name),
        SchemaChange::RelationAdded(is) => format!("a {}#{}", is.definition, is.name),
        SchemaChange::RelationRemoved(was) => format!("r {}#{}", was.definition, was.name),
        SchemaChange::PermissionAdded(is) => format!("a {}#{}", is.definition, is.name),
        SchemaChange::PermissionRemoved(was) => format!("r {}#{}", was.definition, was.name),
        SchemaChange::SubjectAdded(of, form) => {
            format!("a {}#{}@{}", of.definition, of.name, form.text)
        }
        SchemaChange::SubjectRemoved(of, form) => {
            format!("r {}#{}@{}", of.definition, of.name, form.text)
        }
        other => format!("c {}", line(other)),
    };
    let mut texts = (0..100).map(|_| generate::specimen(&mut random, 0).case().schema);
    let mut before = schema(&texts.next().unwrap());
    for text in texts {
        let after = schema(&text);
        let forth: Vec<String> = changes(&before, &after).iter().map(kind).collect();
        let back: Vec<String> = changes(&after, &before).iter().map(kind).collect();
        let only = |changes: &[String], mark: &str| {
            let mut only: Vec<String> = changes
                .iter()
                .filter_map(|change| change.strip_prefix(mark).map(str::to_owned))
                .collect();
            only.sort_unstable();
            only
        };
        assert_eq!(only(&forth, "a "), only(&back, "r "));
        assert_eq!(only(&forth, "r "), only(&back, "a "));
        assert_eq!(only(&forth, "c ").len(), only(&back, "c ").len());
        before = after;
    }
}

#[test]
fn a_change_that_can_take_access_away_is_breaking() {
    let before = "use expiration
caveat cav(day int) { day == 1 }
definition user {}
definition group {
    relation member: user
    permission all = member
}
definition doc {
    relation owner: user
    relation viewer: user | user with cav | group#member
    relation banned: user
    permission blocked = banned
    permission view = owner + viewer
    permission edit = owner & viewer
    permission look = view - blocked
    permission none = nil
}";
    for (was, is, breaking) in [
        ("view = owner + viewer", "view = owner + viewer + banned", None),
        ("view = owner + viewer", "view = viewer + owner", None),
        ("edit = owner & viewer", "edit = viewer", None),
        ("look = view - blocked", "look = view + banned", None),
        ("none = nil", "none = owner", None),
        ("permission none = nil", "permission none = nil\n permission new = owner", None),
        ("relation owner: user", "relation owner: user | user:*", None),
        ("relation owner: user", "// The owner.\n relation owner: user", None),
        ("view = owner + viewer", "view = owner", Some("doc#view")),
        ("view = owner + viewer", "view = owner & viewer", Some("doc#view")),
        ("edit = owner & viewer", "edit = owner & viewer & banned", Some("doc#edit")),
        ("look = view - blocked", "look = view - owner", Some("doc#look")),
        // More subjects who are blocked are fewer who may look.
        ("blocked = banned", "blocked = banned + viewer", Some("doc#blocked")),
        ("    relation banned: user", "    relation banned: user\n    relation new: user", None),
        ("day == 1", "day == 2", Some("cav")),
        ("day int", "day any", Some("day")),
        ("    permission all = member", "", Some("group#all")),
        ("user | user with cav |", "user |", Some("user with cav")),
        ("| group#member", "", Some("group#member")),
    ] {
        assert!(before.contains(was), "{was}");
        let changes = changes(&schema(before), &schema(&before.replace(was, is)));
        let found = changes.iter().filter(|change| change.breaking_reason().is_some());
        let lines = found.map(line).collect::<Vec<_>>().join("\n");
        match breaking {
            Some(name) => assert!(lines.contains(name), "{was} -> {is}: {lines}"),
            None => assert_eq!(lines, "", "{was} -> {is}"),
        }
    }
}
