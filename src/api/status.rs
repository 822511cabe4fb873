//! The one table from errors to gRPC codes and reasons.

use super::proto::authzed::api::v1::ErrorReason;
use crate::caveat::CaveatError;
use crate::engine::EngineError;
use crate::relationship::Relationship;
use prost::Message as _;
use std::collections::HashMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

const DOMAIN: &str = "authzed.com";

/// The longest message, in bytes. Statuses travel in headers, for which clients keep as little as 8 KiB.
const MESSAGE_BYTES_MAX: usize = 1_500;
/// The longest metadata value, in bytes.
const METADATA_BYTES_MAX: usize = 500;

/// Metadata of a reason: names and values.
type Metadata<const N: usize> = [(&'static str, String); N];

/// A status with a `google.rpc.ErrorInfo`.
pub(super) fn with_reason<const N: usize>(
    code: Code,
    reason: ErrorReason,
    message: impl Into<String>,
    metadata: Metadata<N>,
) -> Status {
    let metadata: HashMap<String, String> = metadata
        .into_iter()
        .map(|(name, value)| (name.to_owned(), cut(value, METADATA_BYTES_MAX)))
        .collect();
    let details = ErrorDetails::with_error_info(reason.as_str_name(), DOMAIN, metadata);
    Status::with_error_details(code, cut(message.into(), MESSAGE_BYTES_MAX), details)
}

/// The status as a message inside of a response.
pub(super) fn to_message(status: &Status) -> tonic_types::Status {
    tonic_types::Status::decode(status.details()).ok().filter(|message| message.code != 0).unwrap_or_else(
        || tonic_types::Status {
            code: status.code().into(),
            message: status.message().to_owned(),
            details: Vec::new(),
        },
    )
}

/// The text of a relationship without what it carries, which may be long.
pub(super) fn key_text(relationship: &Relationship) -> String {
    let Relationship { resource, relation, subject, .. } = relationship;
    format!("{resource}#{relation}@{subject}")
}

/// The answer to a question that the engine could not answer.
pub(super) fn of_engine(error: &EngineError) -> Status {
    let message = error.to_string();
    match error {
        EngineError::UnknownDefinition { name } => unknown_definition(message, name),
        EngineError::UnknownRelation { definition, name } => {
            unknown_relation(message, definition, name)
        }
        EngineError::UnknownCaveat { name } => with_reason(
            Code::FailedPrecondition,
            ErrorReason::UnknownCaveat,
            message,
            [("caveat_name", name.clone())],
        ),
        EngineError::WildcardSubject => with_reason(
            Code::InvalidArgument,
            ErrorReason::WildcardNotAllowed,
            format!("invalid argument: {message}"),
            [("field", "subject.object_id".to_owned())],
        ),
        EngineError::DepthExceeded { .. } => with_reason(
            Code::FailedPrecondition,
            ErrorReason::MaximumDepthExceeded,
            message,
            [],
        ),
        EngineError::CyclicExclusion { cycle } => with_reason(
            Code::FailedPrecondition,
            ErrorReason::MaximumDepthExceeded,
            message,
            [("cycle", cycle.join(" -> "))],
        ),
        EngineError::WorkExceeded { .. } => Status::resource_exhausted(message),
        EngineError::Interrupted => Status::cancelled(message),
        EngineError::Caveat(error) => of_caveat(error),
        EngineError::Read(_) => unreadable(message),
    }
}

/// The answer to a context that does not fit its caveat.
pub(super) fn of_caveat(error: &CaveatError) -> Status {
    let message = error.to_string();
    match error {
        CaveatError::UnknownParameter { caveat, parameter }
        | CaveatError::ParameterType { caveat, parameter, .. } => with_reason(
            Code::InvalidArgument,
            ErrorReason::CaveatParameterTypeError,
            message,
            [("caveat_name", caveat.clone()), ("parameter_name", parameter.clone())],
        ),
        CaveatError::Evaluation { caveat, .. } => with_reason(
            Code::InvalidArgument,
            ErrorReason::CaveatEvaluationError,
            message,
            [("caveat_name", caveat.clone())],
        ),
    }
}

fn unknown_definition(message: String, name: &str) -> Status {
    with_reason(
        Code::FailedPrecondition,
        ErrorReason::UnknownDefinition,
        message,
        [("definition_name", name.to_owned())],
    )
}

fn unknown_relation(message: String, definition: &str, name: &str) -> Status {
    with_reason(
        Code::FailedPrecondition,
        ErrorReason::UnknownRelationOrPermission,
        message,
        [
            ("definition_name", definition.to_owned()),
            ("relation_or_permission_name", name.to_owned()),
        ],
    )
}

fn unreadable(message: String) -> Status {
    tracing::error!(message, "the store cannot be read");
    Status::unavailable(message)
}

/// A text of at most so many bytes.
fn cut(text: String, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text;
    }
    let end = text.floor_char_boundary(bytes_max);
    format!("{}…", text.get(..end).unwrap_or_default())
}
