//! Tests through the public surface, one module a topic.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot unwrap must fail, one that is skipped must say so"
)]

mod clients;
mod support;
mod tenant_lives;
mod wire;
//! The integration tests, one binary: each module drives the crate through its public surface.

mod schema_operators;
mod schema_support;
