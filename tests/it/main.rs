//! The integration tests, one binary: each module drives the crate through its public surface.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on must fail, one that is skipped must say so"
)]

mod cli;
mod schema_operators;
mod schema_support;
mod validation;
mod wire;
