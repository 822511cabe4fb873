//! The integration tests, one binary: each module drives the crate through its public surface.

mod schema_operators;
mod schema_support;
