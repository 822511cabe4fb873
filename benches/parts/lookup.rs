//! Lookups of resources on relationships in memory.

use super::now;
use criterion::Criterion;
use kilwa::engine::{EvalContext, LookupResourcesQuery, ResourceFilter, ResourceLookup};
use kilwa::relationship::{Context, Relationship, RelationshipSet};
use kilwa::schema;

const SCHEMA: &str = "
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
    relation banned: user
    permission view = viewer + folder->view
    permission allowed = view - banned
}";

/// Documents that everybody in one group may view, half of them by one of the folders.
const DOCUMENTS: usize = 20_000;
const FOLDERS: usize = 1_000;

fn relationships() -> impl Iterator<Item = Relationship> {
    let documents = (0..DOCUMENTS).map(|n| {
        if n % 2 == 0 {
            format!("document:d{n:06}#viewer@group:all#member")
        } else {
            format!("document:d{n:06}#folder@folder:f{}", n % FOLDERS)
        }
    });
    let folders = (0..FOLDERS).map(|n| format!("folder:f{n}#viewer@group:all#member"));
    let few = [
        "group:all#member@user:ann",
        "document:one#viewer@user:ben",
        "document:two#viewer@group:few#member",
        "group:few#member@user:ben",
    ];
    let texts = documents.chain(folders).chain(few.map(str::to_owned));
    texts.map(|text| text.parse().unwrap())
}

pub(crate) fn in_memory(criterion: &mut Criterion) {
    let schema = schema::compile(SCHEMA).unwrap();
    let set: RelationshipSet = relationships().collect();
    let reader = set.visible_at(now());
    let scope = EvalContext::new(&schema, &reader);
    let mut group = criterion.benchmark_group("lookup in memory");
    for (name, subject, permission, count_max, expected) in [
        ("2 of 20,000", "user:ben", "view", usize::MAX, 2),
        ("2 of 20,000, each checked", "user:ben", "allowed", usize::MAX, 2),
        ("a page of 100", "user:ann", "view", 100, 100),
        ("a page of 100, each checked", "user:ann", "allowed", 100, 100),
        ("all 20,000", "user:ann", "view", usize::MAX, DOCUMENTS),
    ] {
        let subject = subject.parse().unwrap();
        let (context, within) = (Context::default(), ResourceFilter::default());
        let sought = LookupResourcesQuery {
            resource_type: "document",
            permission,
            subject: &subject,
            context: &context,
            within: &within,
        };
        let look_up = || {
            let (mut lookup, _) = ResourceLookup::start(&scope, &sought, None).unwrap();
            let mut count = 0;
            loop {
                let page = lookup.next_page(&scope, &sought, count_max - count).unwrap();
                count += page.found.len();
                if page.ended || count == count_max {
                    return count;
                }
            }
        };
        assert_eq!(look_up(), expected, "{name}");
        group.bench_function(name, |bench| bench.iter(look_up));
    }
    group.finish();
}
