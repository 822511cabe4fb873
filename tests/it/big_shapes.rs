//! Shapes that break engines: long chains, wide groups, lattices with more paths than atoms, cycles.

use crate::readers::CountingReader;
use crate::reference::case::{Asked, now};
use kilwa::engine::{CheckResult, EvalContext, check};
use kilwa::relationship::{
    ObjectRef, Permissionship, Relationship, RelationshipReader, RelationshipSet, Subject,
    VisibleSet,
};
use kilwa::schema::{Schema, compile};

const SCHEMA: &str = "
definition user {}
definition group {
  relation member: user | group#member
  relation parent: group
  relation banned: user
  permission inherited = member + parent->inherited
  permission allowed = inherited - banned
  permission everywhere = member + parent.all(everywhere)
}";

fn schema() -> Schema {
    compile(SCHEMA).unwrap()
}

fn group(number: usize) -> ObjectRef {
    ObjectRef::new("group", number.to_string()).unwrap()
}

fn user(name: &str) -> Subject {
    Subject::Object(ObjectRef::new("user", name).unwrap())
}

fn stored(resource: ObjectRef, relation: &str, subject: Subject) -> Relationship {
    Relationship {
        resource,
        relation: relation.to_owned(),
        subject,
        caveat: None,
        expires_at: None,
    }
}

fn members_of(number: usize) -> Subject {
    Subject::Userset(group(number), "member".to_owned())
}

fn ask<R: RelationshipReader>(schema: &Schema, reader: &R, question: &str) -> CheckResult {
    check(&EvalContext::new(schema, reader), &Asked::parse(question).question()).unwrap()
}

#[track_caller]
fn assert_requested<R: RelationshipReader>(
    schema: &Schema,
    reader: &R,
    question: &str,
    expected: bool,
) {
    let permissionship = ask(schema, reader, question).permissionship;
    let expected =
        if expected { Permissionship::HasPermission } else { Permissionship::NoPermission };
    assert_eq!(permissionship, expected, "{question}");
}

/// Each group is in the one before it; the last one holds `user:end`.
fn chain(length: usize) -> RelationshipSet {
    let links = (1..length).map(|number| stored(group(number - 1), "member", members_of(number)));
    links.chain([stored(group(length - 1), "member", user("end"))]).collect()
}

/// Each group is the parent of the one before it; the last one holds `user:end`.
fn ancestors(length: usize) -> RelationshipSet {
    let links = (1..length)
        .map(|number| stored(group(number - 1), "parent", Subject::Object(group(number))));
    links.chain([stored(group(length - 1), "member", user("end"))]).collect()
}

fn ask_chains(length: usize) {
    let schema = schema();
    let relationships = chain(length);
    let visible = relationships.visible_at(now());
    assert_requested(&schema, &visible, "group:0#member@user:end", true);
    assert_requested(&schema, &visible, "group:0#member@user:nobody", false);
    assert_requested(
        &schema,
        &visible,
        &format!("group:0#member@group:{}#member", length - 1),
        true,
    );
    let relationships = ancestors(length);
    let visible = relationships.visible_at(now());
    for permission in ["inherited", "allowed", "everywhere"] {
        assert_requested(&schema, &visible, &format!("group:0#{permission}@user:end"), true);
        assert_requested(&schema, &visible, &format!("group:0#{permission}@user:nobody"), false);
    }
}

#[test]
fn a_chain_of_a_thousand_groups() {
    ask_chains(1_000);
}

#[test]
fn a_chain_of_a_hundred_thousand_groups() {
    ask_chains(100_000);
}

#[test]
fn a_group_with_a_million_members() {
    let schema = schema();
    let relationships: RelationshipSet = (0..1_000_000)
        .map(|number| stored(group(1), "member", user(&number.to_string())))
        .chain([
            stored(group(0), "member", members_of(1)),
            stored(group(1), "member", members_of(2)),
            stored(group(2), "member", user("deep")),
        ])
        .collect();
    let visible = relationships.visible_at(now());
    for (question, expected) in [
        ("group:1#member@user:777777", true),
        ("group:1#member@user:nobody", false),
        ("group:0#member@user:999999", true),
        ("group:0#inherited@user:nobody", false),
        ("group:0#inherited@user:deep", true),
    ] {
        let reader = CountingReader::new(visible);
        assert_requested(&schema, &reader, question, expected);
        let (reads, returned) = (reader.reads(), reader.returned());
        assert!(reads <= 30 && returned <= 30, "{question}: {reads} reads, {returned} returned");
    }
}

/// `depth` levels of two groups, each in both of the level above: 2^depth ways from top to bottom.
fn lattice(depth: usize, link: impl Fn(usize) -> (&'static str, Subject)) -> RelationshipSet {
    let mut relationships = RelationshipSet::default();
    for level in 0..depth {
        for (from, to) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
            let (relation, subject) = link(2 * level + to);
            relationships.insert(stored(group(2 * level + from), relation, subject));
        }
    }
    relationships.insert(stored(group(2 * depth), "member", user("bottom")));
    relationships
}

#[test]
fn a_lattice_with_a_billion_ways() {
    const DEPTH: usize = 30;
    let schema = schema();
    let usersets = lattice(DEPTH, |number| ("member", members_of(number)));
    let parents = lattice(DEPTH, |number| ("parent", Subject::Object(group(number))));
    for (relationships, permission) in [
        (&usersets, "member"),
        (&usersets, "allowed"),
        (&parents, "inherited"),
        (&parents, "allowed"),
    ] {
        for (user, expected) in [("bottom", true), ("nobody", false)] {
            let reader = CountingReader::new(relationships.visible_at(now()));
            let question = format!("group:0#{permission}@user:{user}");
            assert_requested(&schema, &reader, &question, expected);
            let (reads, edges) = (reader.reads(), relationships.len());
            assert!(reads <= 8 * edges, "{question}: {reads} reads for {edges} edges");
        }
    }
    // One of the two groups at the bottom is empty, so not every way ends well.
    let visible = parents.visible_at(now());
    assert_requested(&schema, &visible, "group:0#everywhere@user:bottom", false);
    let (left, right) = (format!("group:{}", 2 * DEPTH), format!("group:{}", 2 * DEPTH + 1));
    let mut parents = parents.clone();
    parents.insert(format!("{right}#member@user:bottom").parse().unwrap());
    let visible = parents.visible_at(now());
    assert_requested(&schema, &visible, "group:0#everywhere@user:bottom", true);
    assert_requested(&schema, &visible, &format!("{left}#everywhere@user:bottom"), true);
}

#[test]
fn a_circle_of_a_thousand_groups() {
    let schema = schema();
    let mut relationships = chain(1_000);
    relationships.insert(stored(group(999), "member", members_of(0)));
    let visible = relationships.visible_at(now());
    for start in [0, 1, 500, 999] {
        assert_requested(&schema, &visible, &format!("group:{start}#member@user:end"), true);
        assert_requested(&schema, &visible, &format!("group:{start}#allowed@user:end"), true);
        assert_requested(&schema, &visible, &format!("group:{start}#member@user:nobody"), false);
        assert_requested(&schema, &visible, &format!("group:{start}#member@group:7#member"), true);
    }
}

#[test]
fn a_direct_member_costs_two_reads() {
    let schema = compile("definition user {}\ndefinition document {\n relation viewer: user\n permission view = viewer\n}").unwrap();
    let relationships: RelationshipSet =
        ["document:d#viewer@user:ann".parse().unwrap()].into_iter().collect();
    for (question, expected) in [
        ("document:d#viewer@user:ann", true),
        ("document:d#viewer@user:bob", false),
        ("document:d#view@user:ann", true),
        ("document:d#view@user:bob", false),
    ] {
        let reader = CountingReader::new(relationships.visible_at(now()));
        assert_requested(&schema, &reader, question, expected);
        assert!(reader.reads() <= 2, "{question}: {} reads", reader.reads());
    }
}

#[test]
fn what_no_relationship_could_make_true_costs_no_read() {
    let schema = schema();
    let relationships = chain(3);
    let visible: VisibleSet<'_> = relationships.visible_at(now());
    let reader = CountingReader::new(visible);
    assert_requested(&schema, &reader, "group:0#member@group:1", false);
    assert_requested(&schema, &reader, "group:0#banned@group:1#member", false);
    assert_eq!(reader.reads(), 0);
}

/// Every group is in every other one; `inside` is in the last of them.
fn everyone_in_everyone(count: usize, link: &str, inside: &str) -> RelationshipSet {
    let mut relationships = RelationshipSet::default();
    for (left, right) in (0..count).flat_map(|left| (0..count).map(move |right| (left, right))) {
        if left != right {
            let text = format!("group:{left}#member@group:{right}#member{link}");
            relationships.insert(text.parse().unwrap());
        }
    }
    relationships.insert(format!("group:{}#member@{inside}", count - 1).parse().unwrap());
    relationships
}

/// The caveat of the link between the groups, the member of the last one, the subject, and whether the answer depends on the day.
type Dense = (&'static str, &'static str, &'static str, Permissionship);

fn ask_everyone(count: usize, cases: &[Dense]) {
    let schema = compile(
        "caveat on_day(day string) { day == 'monday' }
        definition user {}
        definition group {
          relation member: user | user with on_day | group#member | group#member with on_day
          relation banned: user
          permission allowed = member - banned
        }",
    )
    .unwrap();
    for (link, inside, requested, expected) in cases {
        let relationships = everyone_in_everyone(count, link, inside);
        let reader = CountingReader::new(relationships.visible_at(now()));
        let question = format!("group:0#allowed@{requested}");
        assert_eq!(ask(&schema, &reader, &question).permissionship, *expected, "{link} {inside}");
        let (reads, edges) = (reader.reads(), relationships.len());
        assert!(reads <= 4 * edges, "{link} {inside}: {reads} reads for {edges} edges");
    }
}

#[test]
fn groups_that_all_contain_each_other() {
    ask_everyone(
        60,
        &[
            ("", "user:in", "user:in", Permissionship::HasPermission),
            ("", "user:in", "user:out", Permissionship::NoPermission),
            ("[on_day]", "user:in", "user:out", Permissionship::NoPermission),
            ("[on_day:{\"day\":\"monday\"}]", "user:in", "user:in", Permissionship::HasPermission),
            ("[on_day:{\"day\":\"sunday\"}]", "user:in", "user:in", Permissionship::NoPermission),
        ],
    );
}

#[test]
fn groups_that_all_contain_each_other_on_a_condition() {
    let missing = Permissionship::Conditional(["day".to_owned()].into());
    ask_everyone(
        60,
        &[
            ("", "user:in[on_day]", "user:in", missing.clone()),
            ("[on_day]", "user:in", "user:in", missing),
        ],
    );
}
