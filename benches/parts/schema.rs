//! Compiling the schemas of the example systems.

use criterion::{Criterion, Throughput};
use kilwa::schema;
use std::fs;
use std::hint::black_box;
use std::path::Path;

const SYSTEMS: [&str; 5] = ["gotify", "jetlinks", "gitpod", "apollo", "dify"];

pub(crate) fn compile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    for system in SYSTEMS {
        let path = format!("schema-examples/{system}/schema.zed");
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
        group.throughput(Throughput::Bytes(text.len().try_into().unwrap()));
        group.bench_function(system, |bench| {
            bench.iter(|| schema::compile(black_box(&text)).unwrap());
        });
    }
    group.finish();
}
