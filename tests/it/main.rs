//! The integration tests, one binary: each module drives the crate through its public surface.

mod schema_diff;
mod schema_errors;
mod schema_files;
mod schema_format;
mod schema_limits;
mod schema_lint;
mod schema_operators;
mod schema_rules;
mod schema_support;
mod schema_syntax;
