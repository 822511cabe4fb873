//! What a permission needs, and what a relation feeds.

use crate::schema_support::schema;
use kilwa::schema::{DependencyError, Node, Schema, UnknownName};

const SCHEMA: &str = "use self
definition user {}
definition org {
    relation admin: user
    relation member: user | team#all
}
definition team {
    relation lead: user
    relation banned: user
    relation sub: team#all
    permission all = lead + sub - banned
}
definition doc {
    relation org: org
    relation folder: doc | org
    relation tag: doc:*
    relation viewer: user | user:* | team#all
    permission view = viewer + org->admin + folder->view
    permission nowhere = org->missing
    permission edit = view & org.all(member)
    permission mine = self
    permission nobody = nil
}";

fn names(schema: &Schema, nodes: &[&Node]) -> String {
    let name = |node: &&Node| format!("{}#{}", schema.definition(node.definition).name, node.name);
    nodes.iter().map(name).collect::<Vec<_>>().join(" ")
}

fn needs(definition: &str, permission: &str) -> String {
    let schema = schema(SCHEMA);
    names(&schema, &schema.dependencies(definition, permission).unwrap())
}

fn feeds(definition: &str, relation: &str) -> String {
    let schema = schema(SCHEMA);
    let relation = Some(relation).filter(|name| !name.is_empty());
    names(&schema, &schema.dependents(definition, relation).unwrap())
}

#[test]
fn a_permission_needs_whatever_can_change_it() {
    assert_eq!(needs("team", "all"), "team#banned team#lead team#sub");
    assert_eq!(
        needs("doc", "view"),
        "doc#folder doc#org doc#viewer org#admin team#all team#banned team#lead team#sub"
    );
    assert_eq!(
        needs("doc", "edit"),
        "doc#folder doc#org doc#view doc#viewer org#admin org#member team#all team#banned team#lead team#sub"
    );
}

#[test]
fn what_leads_nowhere_needs_nothing() {
    assert_eq!(needs("doc", "nowhere"), "");
    assert_eq!(needs("doc", "mine"), "");
    assert_eq!(needs("doc", "nobody"), "");
}

#[test]
fn a_relation_feeds_what_its_subjects_play_a_part_in() {
    assert_eq!(feeds("org", "admin"), "doc#edit doc#view");
    assert_eq!(
        feeds("team", "banned"),
        "doc#edit doc#view doc#viewer org#member team#all team#sub"
    );
    // It says where an arrow goes, but its own subjects are not looked for there.
    assert_eq!(feeds("doc", "org"), "");
    assert_eq!(feeds("doc", "view"), "doc#edit");
}

#[test]
fn objects_feed_what_takes_them_or_their_wildcard() {
    assert_eq!(
        feeds("user", ""),
        "doc#edit doc#view doc#viewer org#admin org#member team#all team#banned team#lead team#sub"
    );
    assert_eq!(feeds("doc", ""), "doc#folder doc#mine doc#tag");
    // A wildcard takes objects, not usersets.
    assert_eq!(feeds("doc", "nobody"), "");
}

#[test]
fn missing_names_are_reported() {
    let schema = schema(SCHEMA);
    let no_definition = UnknownName::Definition { name: "other".to_owned() };
    let no_relation =
        UnknownName::Relation { definition: "doc".to_owned(), name: "other".to_owned() };
    assert_eq!(schema.dependents("other", None).unwrap_err(), no_definition);
    assert_eq!(schema.dependents("doc", Some("other")).unwrap_err(), no_relation);
    let unknown = DependencyError::Unknown;
    assert_eq!(schema.dependencies("other", "view").unwrap_err(), unknown(no_definition));
    assert_eq!(schema.dependencies("doc", "other").unwrap_err(), unknown(no_relation));
    let relation = DependencyError::NotAPermission { name: "viewer".to_owned() };
    assert_eq!(schema.dependencies("doc", "viewer").unwrap_err(), relation);
}

#[test]
fn a_chain_of_10000_permissions_is_followed_to_its_end() {
    let link = |at: usize| format!("permission p_{at:05} = p_{:05}\n", at + 1);
    let chain = (0..10_000).map(link).collect::<Vec<_>>().concat();
    let text =
        format!("definition user {{}}\ndefinition doc {{\n{chain}relation p_10000: user\n}}");
    let schema = schema(&text);
    assert_eq!(schema.dependencies("doc", "p_00000").unwrap().len(), 10_000);
    assert_eq!(schema.dependents("doc", Some("p_10000")).unwrap().len(), 10_000);
    assert_eq!(schema.dependents("user", None).unwrap().len(), 10_001);
}
