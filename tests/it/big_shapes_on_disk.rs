//! The shapes of `big_shapes` in a database on disk, where they were written, collected and opened again.

use crate::reference::case::Asked;
use kilwa::database::{Consistency, Database, DatabaseOptions};
use kilwa::relationship::{Permissionship, Relationship, Timestamp};
use kilwa::store::StoreOptions;
use std::path::Path;
use tempfile::TempDir;

const SCHEMA: &str = "
definition user {}
definition group {
    relation member: user | group#member
    relation parent: group
    permission inherited = member + parent->inherited
}";

const CHAIN: usize = 100_000;
const CIRCLE: usize = 1_000;
const LEVELS: usize = 30;
const MEMBERS: usize = 50_000;
/// How many relationships are written at once.
const PART: usize = 50_000;

fn now() -> Timestamp {
    Timestamp::from_unix(1_000_000, 0).unwrap()
}

fn open(folder: &Path) -> Database {
    let store = StoreOptions { block_cache_bytes: 8 << 20, sync: false, ..StoreOptions::default() };
    Database::open(folder, &store, DatabaseOptions::default()).unwrap()
}

/// Every shape, under ids of its own.
fn relationships() -> impl Iterator<Item = Relationship> {
    let userset = (1..CHAIN).map(|n| format!("group:c{}#member@group:c{n}#member", n - 1));
    let arrow = (1..CHAIN).map(|n| format!("group:p{}#parent@group:p{n}", n - 1));
    let ends = ["c", "p"].map(|kind| format!("group:{kind}{}#member@user:end", CHAIN - 1));
    let circle =
        (0..CIRCLE).map(|n| format!("group:o{n}#member@group:o{}#member", (n + 1) % CIRCLE));
    let inside = [format!("group:o{}#member@user:end", CIRCLE / 2)];
    let lattice = (0..LEVELS).flat_map(|level| {
        ["aa", "ab", "ba", "bb"].map(|way| {
            let (from, to) = way.split_at(1);
            format!("group:l{level}{from}#member@group:l{}{to}#member", level + 1)
        })
    });
    let bottom = [format!("group:l{LEVELS}a#member@user:end")];
    let members = (0..MEMBERS).map(|n| format!("group:wide#member@user:u{n}"));
    let few = ["group:above#member@group:wide#member".to_owned()];
    userset
        .chain(arrow)
        .chain(ends)
        .chain(circle)
        .chain(inside)
        .chain(lattice)
        .chain(bottom)
        .chain(members)
        .chain(few)
        .map(|text| text.parse().unwrap())
}

fn is_member(database: &Database, question: &str) -> bool {
    let view = database.view(Consistency::FullyConsistent, now()).unwrap();
    view.check(&Asked::parse(question).question(), false).unwrap().permissionship
        == Permissionship::HasPermission
}

#[test]
fn big_shapes_on_disk() {
    let folder = TempDir::new().unwrap();
    let database = open(folder.path());
    database.write_schema(now(), SCHEMA).unwrap();
    let all: Vec<Relationship> = relationships().collect();
    for part in all.chunks(PART) {
        database.import(now(), part).unwrap();
    }
    drop(database);
    let database = open(folder.path());
    for (question, expected) in [
        ("group:c0#member@user:end", true),
        ("group:c0#member@user:nobody", false),
        ("group:p0#inherited@user:end", true),
        ("group:p0#inherited@user:nobody", false),
        ("group:o0#member@user:end", true),
        ("group:o700#inherited@user:end", true),
        ("group:o0#member@user:nobody", false),
        ("group:l0a#member@user:end", true),
        ("group:l0b#inherited@user:nobody", false),
        ("group:wide#member@user:u12345", true),
        ("group:above#inherited@user:u49999", true),
        ("group:above#inherited@user:nobody", false),
    ] {
        assert_eq!(is_member(&database, question), expected, "{question}");
    }
}
