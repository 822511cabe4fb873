//! Benchmarks of the parts: compiling schemas, checks in memory and on disk, lookups, writes.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a program for measuring: it stops at what it did not expect, and reads the clock"
)]

mod check;
mod graph;
mod lookup;
mod schema;
mod write;

use criterion::Criterion;
use kilwa::relationship::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    schema::compile(&mut criterion);
    check::in_memory(&mut criterion);
    check::on_disk(&mut criterion);
    lookup::in_memory(&mut criterion);
    write::batches(&mut criterion);
    criterion.final_summary();
}

fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix(elapsed.as_secs().try_into().unwrap(), elapsed.subsec_nanos()).unwrap()
}
