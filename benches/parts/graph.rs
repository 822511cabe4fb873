//! A graph of documents, folders and groups, with a check for each way through it.

use kilwa::relationship::Relationship;

pub(crate) const SCHEMA: &str = "
definition user {}
definition group { relation member: user }
definition folder {
    relation parent: folder
    relation viewer: user | group#member
    permission view = viewer + parent->view
}
definition document {
    relation folder: folder
    relation viewer: user | group#member
    permission view = viewer + folder->view
}";

/// Folders above the lowest one.
const DEPTH: u32 = 40;
/// Members of the one group.
const MEMBERS: u32 = 1_000_000;

/// A check about `view`, and whether the answer is yes.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) subject: &'static str,
    pub(crate) yes: bool,
}

pub(crate) const CASES: [Case; 6] = [
    Case { name: "direct, yes", resource: "document:note", subject: "user:ann", yes: true },
    Case { name: "direct, no", resource: "document:note", subject: "user:ben", yes: false },
    Case {
        name: "40 folders deep, yes",
        resource: "document:leaf",
        subject: "user:ann",
        yes: true,
    },
    Case {
        name: "40 folders deep, no",
        resource: "document:leaf",
        subject: "user:ben",
        yes: false,
    },
    Case { name: "1 of 10^6, yes", resource: "document:all", subject: "user:u500000", yes: true },
    Case { name: "1 of 10^6, no", resource: "document:all", subject: "user:ben", yes: false },
];

/// Every relationship of the graph.
pub(crate) fn relationships() -> impl Iterator<Item = Relationship> {
    let few = [
        "document:note#viewer@user:ann".to_owned(),
        "document:leaf#folder@folder:f0".to_owned(),
        format!("folder:f{DEPTH}#viewer@user:ann"),
        "document:all#viewer@group:all#member".to_owned(),
    ];
    let chain = (0..DEPTH).map(|n| format!("folder:f{n}#parent@folder:f{}", n + 1));
    let members = (0..MEMBERS).map(|n| format!("group:all#member@user:u{n}"));
    few.into_iter().chain(chain).chain(members).map(|text| text.parse().unwrap())
}
