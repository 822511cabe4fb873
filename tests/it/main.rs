//! Everything that is tested through the public surface, as one binary: one module a topic.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot unwrap must fail"
)]

mod database;
mod recovery;
mod schema_operators;
mod schema_support;
mod store;
mod store_model;
