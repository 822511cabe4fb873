//! Requests that are refused before they reach the database.

use super::details::{DOMAIN, invalid, sizes, with_detail, with_reason};
use super::field_rules::violations;
use crate::api::error_metadata;
use crate::proto::authzed::api::v1::ErrorReason;
use crate::proto::field_errors::FieldErrors;
use crate::relationship::Relationship;
use std::collections::HashMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The answer to a request with invalid fields: each is named in the details and in the message.
///
/// The details are a `google.rpc.BadRequest`, in Kilwa's words, and the `buf.validate.Violations` that clients of SpiceDB know.
pub(crate) fn invalid_fields(message_type: &str, errors: &FieldErrors) -> Status {
    let reason = ErrorReason::Unspecified.as_str_name();
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    for error in errors.shown() {
        details.add_bad_request_violation(error.field(), error.rule());
    }

    let message = match errors.lines().as_slice() {
        [only] => format!("validation error: {only}"),
        lines => format!("validation errors:\n - {}", lines.join("\n - ")),
    };
    let status = Status::with_error_details(Code::InvalidArgument, message, details);
    with_detail(&status, &violations(message_type, errors))
}

/// The answer to a request that a reader refused without noting why, which is a bug.
pub(crate) fn refused_without_reason() -> Status {
    Status::internal("a request was refused without a reason")
}

/// The answer to a malformed request or argument.
pub(crate) fn invalid_request(message: impl Into<String>) -> Status {
    Status::invalid_argument(message)
}

/// The answer to a request that ends within a message, or within what stands before one.
pub(crate) fn message_cut_short() -> Status {
    invalid_request(
        "the request ends within a message: send as many bytes as the length before the message says",
    )
}

/// The answer to a request without a message.
pub(crate) fn no_message() -> Status {
    invalid_request("the request has no message: this method takes one, which may be empty")
}

/// The answer to a request with several messages where one is taken.
pub(crate) fn too_many_messages() -> Status {
    invalid_request("the request has more than one message: this method takes one")
}

/// The answer to a message whose first byte, which says whether it is compressed, says something else.
pub(crate) fn unknown_message_flag(flag: u8) -> Status {
    invalid_request(format!(
        "the request is not one of gRPC: a message begins with {flag}, and must begin with 0, or with 1 when it is compressed"
    ))
}

/// The answer to a compressed message of which the headers do not say how it is compressed. gRPC has `INTERNAL` for it, with
/// which every client could make it look as if the server had failed.
pub(crate) fn encoding_not_named() -> Status {
    invalid_request(
        "a message is marked as compressed, and the header `grpc-encoding` does not say how: name it there, or send the message as it is",
    )
}

/// What a status is that the library has for a message which cannot be read. It knows faults of the server alone.
pub(crate) fn unreadable_message(status: Status) -> Status {
    if !matches!(status.code(), Code::Internal | Code::Unknown) {
        return status;
    }
    let reason = status.message().trim_end_matches(", while sending request");
    invalid_request(format!("the request has a message that cannot be read: {reason}"))
}

/// The answer to a filter with conflicting conditions, which the metadata lists.
pub(crate) fn invalid_filter(rule: &str, given: &[(&str, &String)]) -> Status {
    let set = given.iter().filter(|(_, value)| !value.is_empty());
    let set: Vec<String> = set.map(|(name, value)| format!("{name}:{value:?}")).collect();
    invalid(
        ErrorReason::InvalidFilter,
        format!("the relationship filter provided is not valid: {rule}"),
        [("filter", set.join(" "))],
    )
}

/// The answer to an invalid cursor.
pub(crate) fn invalid_cursor(message: &str) -> Status {
    invalid(ErrorReason::InvalidCursor, message.to_owned(), [])
}

/// The answer to a limit over the maximum.
pub(crate) fn limit_too_large(limit: u32, max: u32) -> Status {
    invalid(
        ErrorReason::ExceedsMaximumAllowableLimit,
        format!("provided limit {limit} is greater than maximum allowed of {max}"),
        [("limit_provided", limit.to_string()), ("maximum_limit_allowed", max.to_string())],
    )
}

/// The answer to a relationship whose caveat, context included, is too large.
pub(crate) fn caveat_too_large(relationship: &Relationship, bytes: usize, max: usize) -> Status {
    let key = error_metadata::key_text(relationship);
    let message =
        format!("provided relationship `{key}` exceeded maximum allowed caveat size of {max}");
    let sizes = sizes("context_size", bytes, "max_allowed_size", max);
    let parts = sizes.into_iter().chain([("relationship", key)]);
    invalid(ErrorReason::MaxRelationshipContextSize, message, parts)
}

/// The answer to a request with more checks than one call may have.
pub(crate) fn too_many_checks(count: usize, maximum: usize) -> Status {
    invalid(
        ErrorReason::Unspecified,
        format!("check count of {count} is greater than maximum allowed of {maximum}"),
        [("check_count", count.to_string()), ("maximum_checks_allowed", maximum.to_string())],
    )
}

/// The answer to a request that needs more memory than it may take.
pub(crate) fn memory_exhausted(message: String) -> Status {
    with_reason(Code::ResourceExhausted, ErrorReason::Unspecified, message, [])
}

/// The answer to a read of a schema that was never written.
pub(crate) fn no_schema() -> Status {
    Status::not_found("no schema has been defined; please call WriteSchema to start")
}

/// The answer to an exact snapshot of another store.
pub(crate) fn foreign_snapshot() -> Status {
    Status::failed_precondition(
        "the ZedToken is from another store, so its exact snapshot cannot be read here: use a token that this server gave out, or `at_least_as_fresh`",
    )
}
