//! Checks: the evaluator on relationships in memory, and the database on relationships on disk.

use super::graph::{self, CASES, Case};
use super::now;
use criterion::Criterion;
use kilwa::database::{Consistency, Database, DatabaseOptions, WriteRequest};
use kilwa::engine::{self, CheckQuery, EvalContext};
use kilwa::relationship::{
    Context, Permissionship, RelationshipSet, RelationshipUpdate, UpdateOperation,
};
use kilwa::schema;
use kilwa::store::{Store, StoreOptions};
use std::path::Path;

/// Relationships in one write while the graph is loaded.
const CHUNK: usize = 1000;

pub(crate) fn in_memory(criterion: &mut Criterion) {
    let schema = schema::compile(graph::SCHEMA).unwrap();
    let set: RelationshipSet = graph::relationships().collect();
    let reader = set.visible_at(now());
    let scope = EvalContext::new(&schema, &reader);
    each_case(criterion, "check in memory", |question| {
        engine::check(&scope, question).unwrap().permissionship
    });
}

pub(crate) fn on_disk(criterion: &mut Criterion) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // Without a cache, every check walks the whole way.
    let database = load(folder.path(), DatabaseOptions { cache_bytes: 0, ..Default::default() });
    each_case(criterion, "check on disk", |question| check(&database, question));
    drop(database);
    let database = open(folder.path(), DatabaseOptions::default());
    each_case(criterion, "check on disk, cached", |question| check(&database, question));
}

fn each_case(
    criterion: &mut Criterion,
    name: &str,
    check: impl Fn(&CheckQuery<'_>) -> Permissionship,
) {
    let mut group = criterion.benchmark_group(name);
    for Case { name, resource, subject, yes } in &CASES {
        let question = CheckQuery {
            resource: &resource.parse().unwrap(),
            permission: "view",
            subject: &subject.parse().unwrap(),
            context: &Context::default(),
        };
        assert_eq!(check(&question) == Permissionship::HasPermission, *yes, "{name}");
        group.bench_function(*name, |bench| bench.iter(|| check(&question)));
    }
    group.finish();
}

/// Checks at the latest revision, as a fully consistent check does.
fn check(database: &Database, question: &CheckQuery<'_>) -> Permissionship {
    let view = database.view(Consistency::FullyConsistent, now()).unwrap();
    view.check(question, false).unwrap().permissionship
}

fn open(folder: &Path, options: DatabaseOptions) -> Database {
    Database::new(Store::open(folder, &StoreOptions::default()).unwrap(), options)
}

/// A database with the graph in it.
fn load(folder: &Path, options: DatabaseOptions) -> Database {
    let unsynced = StoreOptions { sync: false, ..StoreOptions::default() };
    let database = Database::new(Store::open(folder, &unsynced).unwrap(), options);
    database.write_schema(now(), graph::SCHEMA).unwrap();
    let updates: Vec<_> = graph::relationships()
        .map(|relationship| RelationshipUpdate { operation: UpdateOperation::Touch, relationship })
        .collect();
    for chunk in updates.chunks(CHUNK) {
        let request = WriteRequest { updates: chunk.to_vec(), ..WriteRequest::default() };
        database.write(now(), request).unwrap();
    }
    database
}
