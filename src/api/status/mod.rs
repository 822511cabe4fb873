//! The table from errors to gRPC codes and reasons. No other module chooses a code, which a test holds.
//!
//! Each file has the rows of one kind of error; `details` gives all of them one form.

mod access;
mod call;
mod caveat;
mod database;
mod details;
mod engine;
mod field_rules;
mod request;
mod schema;
mod store;

pub(crate) use access::{refused, withhold, without_withheld};
pub(crate) use call::{
    CallRefusal, NO_KEY, OverloadRefusal, SHUTTING_DOWN, WRONG_KEY, access_revoked, audit_full,
    broken_off, broken_request, client_too_slow, deadline_passed, fault_of_request, from_token,
    import_idle, interrupted, is_broken_off, panicked, reopening, server_fault, shutting_down,
    stream_idle, too_many_calls_of_key, too_many_imports_of_key, too_many_watches_of_key,
    unauthenticated, watcher_too_slow, wrong_key,
};
pub(crate) use database::from_database;
pub(crate) use details::{explain, to_message};
pub(crate) use engine::from_engine;
pub(crate) use field_rules::text_rule;
pub(crate) use request::{
    caveat_too_large, encoding_not_named, foreign_snapshot, invalid_cursor, invalid_fields,
    invalid_filter, invalid_request, limit_too_large, memory_exhausted, message_cut_short,
    no_message, no_schema, refused_without_reason, too_many_checks, too_many_messages,
    unknown_message_flag, unreadable_message,
};
pub(crate) use schema::{from_dependency, from_diagnostics, from_unknown_name};
