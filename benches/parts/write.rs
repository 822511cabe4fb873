//! Writes that are on disk when they return.

use super::{graph, now};
use criterion::{Criterion, Throughput};
use kilwa::database::{Database, DatabaseOptions, WriteRequest};
use kilwa::relationship::{RelationshipUpdate, UpdateOperation};
use kilwa::store::{Store, StoreOptions};

pub(crate) fn batches(criterion: &mut Criterion) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = Store::open(folder.path(), &StoreOptions::default()).unwrap();
    let database = Database::new(store, DatabaseOptions::default());
    database.write_schema(now(), graph::SCHEMA).unwrap();
    let mut group = criterion.benchmark_group("write on disk, synced");
    let mut written = 0_u64;
    for count in [1, 100] {
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("{count} new relationships"), |bench| {
            bench.iter(|| {
                database.write(now(), request(written, count)).unwrap();
                written += count;
            });
        });
    }
    group.finish();
}

/// Adds so many relationships that were not there.
fn request(first: u64, count: u64) -> WriteRequest {
    let updates = (first..first + count).map(|number| RelationshipUpdate {
        operation: UpdateOperation::Create,
        relationship: format!("document:d{number}#viewer@user:ann").parse().unwrap(),
    });
    WriteRequest { updates: updates.collect(), ..WriteRequest::default() }
}
