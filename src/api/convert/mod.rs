//! Requests to arguments of the modules below; the only module that refuses malformed input.
//!
//! Every function reads a whole request and returns either its arguments or a status that names everything that is wrong
//! with it, each with its field.

mod checks;
mod counters;
mod expansions;
mod history;
mod kilwa_writes;
mod limit;
mod lookups;
mod permissions;
pub(crate) mod reflection;
mod relationships;
mod schema;
pub(crate) mod trace;
mod validation;
pub(crate) mod validation_response;
mod violations;
mod watch;

pub(crate) use checks::{CheckArguments, bulk_items, check};
pub(crate) use counters::{counter, counter_name};
pub(crate) use expansions::{LookupSubjectsArguments, expand, subjects};
pub(crate) use history::history;
pub(crate) use kilwa_writes::{delete_object, kilwa_write, set_relation, write};
pub(crate) use lookups::{LookupResourcesArguments, lookup_resources, lookup_resources_within};
pub(crate) use permissions::{listing, time};
pub(crate) use relationships::{deletion, export, import, read_filter};
pub(crate) use schema::{comparison_schema, reflection_filters, schema_text};
pub(crate) use validation::{assertions, parts, required};
pub(crate) use watch::{WatchFilter, watch};
