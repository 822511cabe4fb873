//! The protocol: generated messages, services and clients, and conversions between messages and the vocabulary.
//!
//! Servers and clients share this module, so that each conversion is written once.

pub(crate) mod bulk_answer;
pub(crate) mod check_fields;
mod codec;
pub(crate) mod decode;
pub(crate) mod decode_context;
pub(crate) mod decoded_size;
pub(crate) mod encode;
pub(crate) mod field_errors;
mod generated;
mod wire_fields;

pub(crate) use codec::{DecodeGuard, admit_decoding, guard_decoding};
pub(crate) use generated::served_descriptors;
pub use generated::{ENVOY_FILE_DESCRIPTOR_SET, FILE_DESCRIPTOR_SET, authzed, buf, envoy, kilwa};
pub(crate) use wire_fields::{WireValue, next_field};

/// Prefix of the `source` of a trace step below which steps were left out.
pub const TRUNCATED_TRACE_SOURCE: &str = "kilwa-cut:";
