//! The services of `authzed.api.v1`, the protocol of SpiceDB's clients.

mod check_answer;
pub(crate) mod check_bulk;
pub(crate) mod counters;
pub(crate) mod delete;
pub(crate) mod expand;
pub(crate) mod experimental;
pub(crate) mod export;
pub(crate) mod fast_bulk;
pub(crate) mod fast_check;
pub(crate) mod import;
pub(crate) mod lookup_resources;
pub(crate) mod lookup_subjects;
pub(crate) mod permissions;
pub(crate) mod read;
pub(crate) mod schema;
pub(crate) mod watch;
