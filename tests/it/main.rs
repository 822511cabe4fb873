//! The integration tests, one binary: each module drives the crate through its public surface.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that cannot go on must fail, one that is skipped must say so"
)]

mod cli;
mod database;
mod recovery;
mod schema_operators;
mod schema_support;
mod server;
mod server_support;
mod store;
mod store_model;
mod validation;
mod wire;
mod wire_check;
mod wire_cursors;
mod wire_relationships;
mod wire_schema;
mod wire_tokens;
mod wire_validation;
