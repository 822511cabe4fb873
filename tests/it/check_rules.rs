//! The rules of a check, one by one, where the definitions are ambiguous.

use crate::reference::case::{Asked, now};
use crate::schema_support::schema;
use kilwa::engine::{EngineError, EvalContext, check};
use kilwa::relationship::{Permissionship, RelationshipSet};

const SCHEMA: &str = "
use expiration
use self
caveat first(a int) { a == 1 }
caveat second(b int) { b == 1 }
caveat divides(a int, by int) { a / by == 1 }
definition user {}
definition group {
    relation member: user | group#member | group#all
    permission all = member
    permission nobody = nil
}
definition folder {
    relation owner: user
    relation viewer: user with first
    permission view = viewer + owner
}
definition document {
    relation reader: user | user:* | user with first | user with second | group#member | group:*
    relation divided: user with divides
    relation banned: user with second
    relation parent: folder | folder with second | folder#viewer | group
    relation until: user with expiration
    permission read = reader - banned
    permission read_and = reader & divided
    permission read_or = reader + divided
    permission not_divided = reader - divided
    permission inherited = parent->view
    permission shared = parent.all(view)
    permission itself = self
    permission nobody = nil
}";

/// Checks these relationships, one a line.
fn ask(relationships: &str, question: &str, context: &str) -> Result<Permissionship, EngineError> {
    let schema = schema(SCHEMA);
    let lines = relationships.lines().map(str::trim).filter(|line| !line.is_empty());
    let set: RelationshipSet = lines.map(|line| line.parse().unwrap()).collect();
    for stored in set.iter() {
        schema.check_relationship(stored).unwrap();
    }
    let requested = Asked::parse(&format!("{question} with {context}"));
    Ok(check(&EvalContext::new(&schema, &set.visible_at(now())), &requested.question())?
        .permissionship)
}

#[track_caller]
fn assert_yes(relationships: &str, questions: &[&str]) {
    for question in questions {
        assert_eq!(
            ask(relationships, question, "{}").unwrap(),
            Permissionship::HasPermission,
            "{question}"
        );
    }
}

#[track_caller]
fn assert_no(relationships: &str, questions: &[&str]) {
    for question in questions {
        let answer = ask(relationships, question, "{}").unwrap();
        assert_eq!(answer, Permissionship::NoPermission, "{question}");
    }
}

fn missing(names: &[&str]) -> Permissionship {
    Permissionship::Conditional(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn a_userset_is_in_itself_without_any_data() {
    assert_yes(
        "",
        &[
            "document:d#read@document:d#read",
            "document:d#reader@document:d#reader",
            "document:d#nobody@document:d#nobody",
            "document:d#read@document:d#reader",
            "group:g#all@group:g#member",
        ],
    );
    assert_no(
        "",
        &[
            "group:g#member@group:g#all",
            "document:d#read@document:e#read",
            "document:d#reader@document:d#read",
        ],
    );
}

#[test]
fn a_userset_is_where_it_is_named() {
    let named = "document:d#reader@group:g#member";
    assert_yes(named, &["document:d#read@group:g#member"]);
    assert_no(named, &["document:d#read@group:g#all", "document:d#read@group:g"]);
    let by_permission = "group:h#member@group:g#all";
    assert_yes(by_permission, &["group:h#all@group:g#all", "group:h#all@group:g#member"]);
}

#[test]
fn a_wildcard_covers_objects_of_its_type_and_no_usersets() {
    let open = "document:d#reader@user:*\ndocument:e#reader@group:*";
    assert_yes(open, &["document:d#read@user:ann", "document:e#read@group:g"]);
    assert_no(
        open,
        &[
            "document:e#read@group:g#member",
            "document:e#read@group:g#all",
            "document:d#read@group:g",
            "document:e#read@user:ann",
        ],
    );
    let error = ask(open, "document:d#read@user:*", "{}").unwrap_err();
    assert!(matches!(error, EngineError::WildcardSubject), "{error}");
}

#[test]
fn an_arrow_pays_no_heed_to_the_subject_relation() {
    let linked = "document:d#parent@folder:f#viewer\nfolder:f#owner@user:ann";
    assert_yes(linked, &["document:d#inherited@user:ann", "document:d#shared@user:ann"]);
    assert_no(linked, &["document:d#inherited@user:bob"]);
}

#[test]
fn all_wants_every_subject_and_at_least_one() {
    assert_no("", &["document:d#shared@user:ann"]);
    let both = "document:d#parent@folder:f\ndocument:d#parent@folder:g\nfolder:f#owner@user:ann";
    assert_no(both, &["document:d#shared@user:ann"]);
    assert_yes(&format!("{both}\nfolder:g#owner@user:ann"), &["document:d#shared@user:ann"]);
    // A type without the name is passed over by `->`, and stops `.all`.
    let mixed = "document:d#parent@folder:f\ndocument:d#parent@group:g\nfolder:f#owner@user:ann";
    assert_yes(mixed, &["document:d#inherited@user:ann"]);
    assert_no(mixed, &["document:d#shared@user:ann"]);
}

#[test]
fn the_condition_of_a_link_goes_with_what_it_leads_to() {
    let linked = "document:d#parent@folder:f[second]\nfolder:f#owner@user:ann\n\
                  folder:f#viewer@user:bob[first]";
    let ask = |user, context| ask(linked, &format!("document:d#inherited@user:{user}"), context);
    assert_eq!(ask("ann", "{}").unwrap(), missing(&["b"]));
    assert_eq!(ask("ann", r#"{"b": 1}"#).unwrap(), Permissionship::HasPermission);
    assert_eq!(ask("ann", r#"{"b": 2}"#).unwrap(), Permissionship::NoPermission);
    assert_eq!(ask("bob", "{}").unwrap(), missing(&["a", "b"]));
    assert_eq!(ask("bob", r#"{"b": 1}"#).unwrap(), missing(&["a"]));
    // A link that does not hold is not passed over by `.all`: it stops it.
    let both = format!("{linked}\ndocument:d#parent@folder:g\nfolder:g#owner@user:ann");
    let shared = |context| self::ask(&both, "document:d#shared@user:ann", context).unwrap();
    assert_eq!(shared(r#"{"b": 1}"#), Permissionship::HasPermission);
    assert_eq!(shared(r#"{"b": 2}"#), Permissionship::NoPermission);
    assert_eq!(shared("{}"), missing(&["b"]));
}

#[test]
fn only_what_is_needed_is_missing() {
    let stored = "document:d#reader@user:ann[first]\ndocument:d#banned@user:ann[second]";
    let ask = |context| ask(stored, "document:d#read@user:ann", context).unwrap();
    assert_eq!(ask("{}"), missing(&["a", "b"]));
    assert_eq!(ask(r#"{"a": 2}"#), Permissionship::NoPermission);
    assert_eq!(ask(r#"{"a": 1}"#), missing(&["b"]));
    assert_eq!(ask(r#"{"b": 1}"#), Permissionship::NoPermission);
    assert_eq!(ask(r#"{"b": 2}"#), missing(&["a"]));
    assert_eq!(ask(r#"{"a": 1, "b": 2}"#), Permissionship::HasPermission);
    // The stored context takes precedence over the request's, and an unconditional path over a conditional one.
    let fixed = "document:d#reader@user:ann[first:{\"a\": 1}]";
    let answer = self::ask(fixed, "document:d#read@user:ann", r#"{"a": 2}"#).unwrap();
    assert_eq!(answer, Permissionship::HasPermission);
    let open = "document:d#reader@user:ann[first]\ndocument:d#reader@user:*";
    assert_yes(open, &["document:d#read@user:ann"]);
}

#[test]
fn a_caveat_that_fails_is_an_error_unless_something_decides_without_it() {
    let by_zero = r#"{"a": 1, "by": 0}"#;
    let failing = "document:d#divided@user:ann[divides]";
    let open = &format!("{failing}\ndocument:d#reader@user:ann");
    let conditional = &format!("{failing}\ndocument:d#reader@user:ann[second]");
    for (relationships, permission) in [
        (failing, "divided"),
        (failing, "read_or"),
        (open, "read_and"),
        (open, "not_divided"),
        (conditional, "read_or"),
        (conditional, "read_and"),
        (conditional, "not_divided"),
    ] {
        let question = format!("document:d#{permission}@user:ann");
        let error = ask(relationships, &question, by_zero).unwrap_err();
        assert!(matches!(error, EngineError::Caveat(_)), "{question}: {error}");
    }
    let ask = |relationships, permission| {
        ask(relationships, &format!("document:d#{permission}@user:ann"), by_zero).unwrap()
    };
    assert_eq!(ask(open, "read_or"), Permissionship::HasPermission);
    assert_eq!(ask(failing, "read_and"), Permissionship::NoPermission);
    assert_eq!(ask(failing, "not_divided"), Permissionship::NoPermission);
}

#[test]
fn what_has_expired_is_not_there() {
    let until = |time| format!("document:d#until@user:ann[expiration:{time}]");
    assert_yes(&until("2030-01-01T00:00:01Z"), &["document:d#until@user:ann"]);
    assert_no(&until("2030-01-01T00:00:00Z"), &["document:d#until@user:ann"]);
}

#[test]
fn self_is_the_object_and_none_of_its_usersets() {
    assert_yes("", &["document:d#itself@document:d"]);
    assert_no(
        "",
        &[
            "document:d#itself@document:e",
            "document:d#itself@document:d#reader",
            "document:d#itself@user:d",
        ],
    );
}

#[test]
fn names_that_do_not_exist_are_reported_the_resource_first() {
    for (question, reported) in [
        ("planet:d#read@robot:r", "object definition `planet` not found"),
        (
            "document:d#fly@robot:r",
            "relation/permission `fly` not found under definition `document`",
        ),
        ("document:d#read@robot:r", "object definition `robot` not found"),
        (
            "document:d#read@group:g#fly",
            "relation/permission `fly` not found under definition `group`",
        ),
    ] {
        assert_eq!(ask("", question, "{}").unwrap_err().to_string(), reported);
    }
    // Names that exist and cannot meet are a plain no.
    assert_no("", &["folder:f#owner@document:d", "folder:f#owner@group:g#member"]);
}
