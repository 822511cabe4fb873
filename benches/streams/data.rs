//! The relationships, and the lookups whose number of results is known.

use super::Arguments;

pub(crate) const SCHEMA: &str = "
definition user {}
definition folder { relation viewer: user }
definition document {
  relation viewer: user
  relation folder: folder
  relation banned: user
  permission view = viewer + folder->viewer
  permission allowed = view - banned
}";

/// Relationships in one part of an import.
pub(crate) const PART: u32 = 1_000;
/// Documents in one folder.
const PER_FOLDER: u32 = 10;

/// A relationship: resource type and id, relation, subject type and id.
pub(crate) type Row = (&'static str, String, &'static str, &'static str, String);

/// The documents of the first subject, in parts.
pub(crate) fn documents(arguments: &Arguments) -> impl Iterator<Item = Vec<Row>> + use<> {
    // An odd factor leads to every number once, so ids do not arrive in order.
    let count = arguments.documents;
    parts(count, move |n| {
        let number = u64::from(n) * 7_919 % u64::from(count);
        ("document", format!("d{number:07}"), "viewer", "user", "ann".to_owned())
    })
}

/// The folders of the second subject with their documents, in parts.
pub(crate) fn folders(arguments: &Arguments) -> impl Iterator<Item = Vec<Row>> + use<> {
    let folders = arguments.folders;
    let shared =
        parts(folders, |n| ("folder", format!("f{n:06}"), "viewer", "user", "ben".to_owned()));
    let inside = parts(folders * PER_FOLDER, move |n| {
        ("document", format!("e{n:06}"), "folder", "folder", format!("f{:06}", n % folders))
    });
    shared.chain(inside)
}

fn parts(count: u32, row: impl Fn(u32) -> Row) -> impl Iterator<Item = Vec<Row>> {
    (0..count.div_ceil(PART))
        .map(move |part| (part * PART..count.min((part + 1) * PART)).map(&row).collect())
}

/// A lookup of documents.
pub(crate) struct Lookup {
    pub(crate) name: &'static str,
    pub(crate) permission: &'static str,
    pub(crate) subject: &'static str,
    pub(crate) expected: usize,
}

pub(crate) fn lookups(arguments: &Arguments) -> [Lookup; 4] {
    let documents = usize::try_from(arguments.documents).unwrap();
    let inside = usize::try_from(arguments.folders * PER_FOLDER).unwrap();
    [
        Lookup { name: "one source", permission: "view", subject: "ann", expected: documents },
        Lookup {
            name: "a source each folder",
            permission: "view",
            subject: "ben",
            expected: inside,
        },
        Lookup {
            name: "one source, checked",
            permission: "allowed",
            subject: "ann",
            expected: documents,
        },
        Lookup {
            name: "a source each folder, checked",
            permission: "allowed",
            subject: "ben",
            expected: inside,
        },
    ]
}
