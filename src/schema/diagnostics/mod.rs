//! Diagnostics: errors and lint warnings with their source positions, and how they are collected.

pub(super) mod diagnostic;
pub(super) mod fault;
pub(super) mod odd_character;
pub(super) mod position;
pub(super) mod recovery;
pub(super) mod schema_error;
pub(super) mod source_text;
