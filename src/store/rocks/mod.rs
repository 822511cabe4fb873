//! RocksDB: how it is opened, its column families, its errors, and reads that serve snapshots and transactions alike.

pub(super) mod column_family;
pub(super) mod counters;
pub(super) mod database;
pub(super) mod error;
pub(super) mod levels;
pub(super) mod source;
