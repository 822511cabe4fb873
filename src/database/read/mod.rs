//! Reads: views, and the operations on them.

pub(super) mod change_position;
pub(super) mod changes;
pub(super) mod check;
pub(super) mod history;
pub(super) mod list_permissions;
pub(super) mod lookups;
pub(super) mod relationships;
pub(super) mod view;
