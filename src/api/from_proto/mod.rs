//! Messages to the words of the rooms below: the only place that refuses malformed input.
//!
//! Every function here reads a whole request and either gives back what it asks for or a status that names everything
//! that is wrong with it, each with its place in the message.

mod checks;
mod context;
mod counters;
mod expansions;
mod field;
mod lookups;
mod own_writes;
mod permissions;
mod relationships;
mod schema;
mod validation;
mod watch;

pub(super) use checks::{Asked, bulk_items, check};
pub(super) use counters::{counter, counter_name};
pub(super) use expansions::{AskedSubjects, expand, subjects};
pub(super) use lookups::{SoughtResources, lookup_resources, lookup_resources_within};
pub(super) use own_writes::{delete_object, own_write, set_relation};
pub(super) use permissions::{listing, time};
pub(super) use relationships::{deletion, export, import, read_filter, write};
pub(super) use schema::{comparison_schema, reflection_filters, schema_text};
pub(super) use validation::{assertions, parts, required};
pub(super) use watch::{Watching, watch};

use super::status;
use tonic::Status;

/// How much a request may hold. What the database limits itself is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Bytes of a check's caveat context, as a serialized `google.protobuf.Struct`; `None` for no limit.
    pub context_bytes_max: Option<usize>,
    /// Bytes of a caveat that a relationship carries, its context included, as a serialized `ContextualizedCaveat`.
    pub caveat_bytes_max: usize,
    /// Checks in one bulk check.
    pub checks_max: usize,
    /// The largest limit of a read.
    pub read_limit_max: u32,
    /// The largest limit of a lookup of resources.
    pub lookup_resources_limit_max: u32,
    /// The most relationships in one message of an export.
    pub export_limit_max: u32,
    /// The memory that the requests under way may take together, in bytes.
    pub all_bytes_max: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            context_bytes_max: Some(4_096),
            caveat_bytes_max: 25_000,
            checks_max: 10_000,
            read_limit_max: 1_000,
            lookup_resources_limit_max: 1_000,
            export_limit_max: 10_000,
            all_bytes_max: 256 << 20,
        }
    }
}

/// The limit that a request sets, where 0 means none.
fn result_limit(provided: u32, maximum: u32) -> Result<Option<u32>, Status> {
    if provided > maximum {
        return Err(status::limit_too_large(provided, maximum));
    }
    Ok((provided > 0).then_some(provided))
}
