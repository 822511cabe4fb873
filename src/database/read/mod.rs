//! Reads: views, and what they answer.

pub(super) mod expand;
pub(super) mod export;
pub(super) mod list_permissions;
pub(super) mod lookup_resources;
pub(super) mod lookup_subjects;
pub(super) mod view;
pub(super) mod watch;
