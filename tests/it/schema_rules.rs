//! Which relationships, deletions and filters a schema admits, and who can be where at all.

use crate::schema_support::schema;
use kilwa::relationship::{Relationship, RelationshipFilter, SubjectFilter, SubjectRelationFilter};
use kilwa::schema::{RelationshipError, Schema};

const SCHEMA: &str = "use expiration
caveat on_day(day int) { day == 1 }
caveat at_hour(hour int) { hour == 1 }
definition user {}
definition robot {}
definition team {
    relation member: user | team#member
    relation banned: user
    permission active = member - banned
}
definition doc {
    relation parent: doc
    relation viewer: user | team#member | team#active | user:* with on_day
    relation timed: user with expiration | user with on_day and expiration
    relation limited: user with on_day | user with at_hour
    permission view = viewer + parent->view
    permission robots = nil
}";

/// Errors, one in a line; `ok` when there is none.
fn checked(
    rule: impl Fn(&Schema, &Relationship) -> Result<(), RelationshipError>,
    texts: &[&str],
) -> String {
    let schema = schema(SCHEMA);
    let lines: Vec<String> = texts
        .iter()
        .map(|text| match rule(&schema, &text.parse().unwrap()) {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.to_string(),
        })
        .collect();
    lines.join("\n")
}

#[test]
fn allowed_forms_may_be_written() {
    let texts = [
        "doc:d#viewer@user:u",
        "doc:d#viewer@team:t#member",
        "doc:d#viewer@team:t#active",
        "doc:d#viewer@user:*[on_day]",
        "doc:d#viewer@user:*[on_day:{\"day\":1}]",
        "doc:d#timed@user:u[expiration:2030-01-01T00:00:00Z]",
        "doc:d#timed@user:u[on_day][expiration:2030-01-01T00:00:00Z]",
        "doc:d#parent@doc:d",
    ];
    assert_eq!(checked(Schema::check_relationship, &texts), ["ok"; 8].join("\n"));
    assert_eq!(checked(Schema::check_deletion, &texts), ["ok"; 8].join("\n"));
}

#[test]
fn other_forms_may_not() {
    let texts = [
        "thing:d#viewer@user:u",
        "doc:d#owner@user:u",
        "doc:d#view@user:u",
        "doc:d#viewer@thing:u",
        "doc:d#viewer@team:t#owner",
        "doc:d#viewer@team:t",
        "doc:d#viewer@user:*",
        "doc:d#viewer@robot:r",
        "doc:d#viewer@user:u[on_day]",
        "doc:d#viewer@user:u[expiration:2030-01-01T00:00:00Z]",
        "doc:d#viewer@user:u[off_day]",
        "doc:d#timed@user:u",
        "doc:d#limited@user:u",
        "doc:d#viewer@user:*[on_day:{\"hour\":1}]",
        "doc:d#limited@user:u[on_day][expiration:2030-01-01T00:00:00Z]",
    ];
    insta::assert_snapshot!(checked(Schema::check_relationship, &texts), @"
    object definition `thing` not found
    relation/permission `owner` not found under definition `doc`
    cannot write a relationship to permission `view` under definition `doc`
    object definition `thing` not found
    relation/permission `owner` not found under definition `team`
    subjects of type `team` are not allowed on relation `doc#viewer`; did you mean `team#member`?
    subjects of type `user:*` are not allowed on relation `doc#viewer`; did you mean `user:* with on_day`?
    subjects of type `robot` are not allowed on relation `doc#viewer`
    subjects of type `user with on_day` are not allowed on relation `doc#viewer`; did you mean `user`?
    subjects of type `user with expiration` are not allowed on relation `doc#viewer`; did you mean `user`?
    subjects of type `user with off_day` are not allowed on relation `doc#viewer`; did you mean `user`?
    subjects of type `user` are not allowed on relation `doc#timed`; did you mean `user with expiration`?
    subjects of type `user` are not allowed on relation `doc#limited` without one of the following caveats: on_day, at_hour
    unknown parameter `hour` for caveat `on_day`
    subjects of type `user with on_day and expiration` are not allowed on relation `doc#limited`; did you mean `user with on_day`?
    ");
}

#[test]
fn deletions_need_not_name_what_a_relationship_carries() {
    let texts = [
        "doc:d#viewer@user:*",
        "doc:d#timed@user:u",
        "doc:d#timed@user:u[on_day]",
        "doc:d#limited@user:u",
        "doc:d#viewer@user:*[on_day:{\"hour\":1}]",
        "doc:d#viewer@user:u[on_day]",
        "doc:d#viewer@user:u[expiration:2030-01-01T00:00:00Z]",
        "doc:d#viewer@user:u[off_day]",
        "doc:d#view@user:u",
        "doc:d#viewer@team:t",
        "thing:d#viewer@user:u",
    ];
    insta::assert_snapshot!(checked(Schema::check_deletion, &texts), @"
    ok
    ok
    ok
    ok
    ok
    subjects of type `user with on_day` are not allowed on relation `doc#viewer`; did you mean `user`?
    ok
    subjects of type `user with off_day` are not allowed on relation `doc#viewer`; did you mean `user`?
    cannot write a relationship to permission `view` under definition `doc`
    subjects of type `team` are not allowed on relation `doc#viewer`; did you mean `team#member`?
    object definition `thing` not found
    ");
}

#[test]
fn filters_name_what_exists() {
    let schema = schema(SCHEMA);
    let filter =
        |resource: Option<&str>, relation: Option<&str>, subject: Option<(&str, Option<&str>)>| {
            let filter = RelationshipFilter {
                resource_type: resource.map(str::to_owned),
                resource_id: None,
                relation: relation.map(str::to_owned),
                subject: subject.map(|(subject_type, relation)| SubjectFilter {
                    subject_type: subject_type.to_owned(),
                    subject_id: None,
                    relation: match relation {
                        None => SubjectRelationFilter::Any,
                        Some("") => SubjectRelationFilter::Itself,
                        Some(name) => SubjectRelationFilter::Named(name.to_owned()),
                    },
                }),
            };
            schema.check_filter(&filter).map_err(|error| error.to_string())
        };
    assert_eq!(filter(None, None, None), Ok(()));
    assert_eq!(filter(Some("doc"), Some("view"), Some(("team", Some("active")))), Ok(()));
    assert_eq!(filter(None, Some("nowhere"), Some(("team", Some("")))), Ok(()));
    assert_eq!(
        filter(Some("thing"), None, None).unwrap_err(),
        "object definition `thing` not found"
    );
    assert_eq!(
        filter(Some("doc"), Some("owner"), None).unwrap_err(),
        "relation/permission `owner` not found under definition `doc`"
    );
    assert_eq!(
        filter(None, None, Some(("thing", None))).unwrap_err(),
        "object definition `thing` not found"
    );
    assert_eq!(
        filter(None, None, Some(("user", Some("friend")))).unwrap_err(),
        "relation/permission `friend` not found under definition `user`"
    );
}

#[test]
fn a_subject_can_only_be_where_the_schema_lets_it() {
    let schema = schema(
        "use self
         definition user {}
         definition robot {}
         definition team { relation member: user | team#member; relation lead: robot }
         definition folder { relation owner: team#member; permission view = owner; relation open: robot:* }
         definition doc {
             relation folder: folder
             relation robot: robot
             permission view = folder->view
             permission both = view & robot
             permission but = view - robot
             permission own = self
             permission none = nil + folder->nothing
         }",
    );
    let can = |node: &str, subject: &str| {
        let find = |text: &str| {
            let (definition, name) = text.split_once('#').unwrap();
            let definition = schema.find_definition(definition).unwrap().id;
            schema.find_node(definition, name).unwrap().id
        };
        let (subject_type, relation) = match subject.split_once('#') {
            Some((subject_type, _)) => (subject_type, Some(find(subject))),
            None => (subject, None),
        };
        let subject_type = schema.find_definition(subject_type).unwrap().id;
        schema.can_reach(find(node), subject_type, relation)
    };
    assert!(can("doc#view", "user") && !can("doc#view", "robot") && !can("doc#view", "team"));
    assert!(
        can("doc#view", "team#member")
            && can("doc#view", "folder#view")
            && can("doc#view", "folder#owner")
    );
    assert!(!can("doc#view", "team#lead") && !can("doc#view", "doc#robot"));
    assert!(can("doc#view", "doc#view") && can("doc#none", "doc#none"));
    assert!(can("doc#both", "robot") && can("doc#both", "user"));
    assert!(can("doc#but", "user") && !can("doc#but", "robot"));
    assert!(can("doc#own", "doc") && !can("doc#own", "user"));
    assert!(!can("doc#none", "user"));
    assert!(can("folder#open", "robot"));
}
