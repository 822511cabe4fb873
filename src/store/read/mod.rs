//! Reads at one revision: snapshots, reads by filter, the change log and expirations.

pub(super) mod changelog;
pub(super) mod decode;
pub(super) mod expirations;
mod match_cursor;
mod ordered;
mod ordered_subjects;
pub(super) mod page;
pub(super) mod reader;
pub(super) mod row_cursor;
mod row_index;
pub(super) mod scan_budget;
mod scan_plan;
pub(super) mod scan_position;
pub(super) mod snapshot;
mod sweep;
