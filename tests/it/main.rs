//! The integration tests, one binary: each module drives the crate through its public surface.

mod check_in_cycles;
mod schema_operators;
mod schema_support;
