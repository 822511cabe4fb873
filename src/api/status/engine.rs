//! Errors of evaluation.

use super::caveat::from_caveat;
use super::details::{failed, invalid};
use super::schema::{unknown_definition, unknown_relation};
use super::store::from_read;
use crate::engine::EngineError;
use crate::proto::authzed::api::v1::ErrorReason;
use tonic::Status;

/// The answer to a query that the engine could not evaluate.
pub(crate) fn from_engine(error: &EngineError) -> Status {
    let message = error.to_string();

    match error {
        EngineError::UnknownDefinition { name } => unknown_definition(message, name),
        EngineError::UnknownRelation { definition, name } => {
            unknown_relation(message, definition, name)
        }
        EngineError::UnknownCaveat { name } => unknown_caveat(message, name),
        EngineError::WildcardSubject => invalid(
            ErrorReason::WildcardNotAllowed,
            format!("invalid argument: {message}"),
            [("field", "subject.object_id".to_owned())],
        ),
        EngineError::WildcardLookup => invalid(
            ErrorReason::WildcardNotAllowed,
            format!("invalid argument: {message}"),
            [("field", "subject_id".to_owned())],
        ),
        EngineError::DepthExceeded { .. } => failed(ErrorReason::MaximumDepthExceeded, message, []),
        EngineError::PathTooLong { path: way, .. } => {
            failed(ErrorReason::MaximumDepthExceeded, message, [("way", way.join(" -> "))])
        }
        EngineError::CyclicExclusion { cycle } | EngineError::EndlessTree { cycle } => {
            failed(ErrorReason::MaximumDepthExceeded, message, [("cycle", cycle.join(" -> "))])
        }
        EngineError::WorkExceeded { .. } | EngineError::NoRoom => {
            Status::resource_exhausted(message)
        }
        EngineError::TimeExceeded { .. } => Status::deadline_exceeded(message),
        EngineError::Interrupted => Status::cancelled(message),
        EngineError::Caveat(error) => from_caveat(error),
        EngineError::Read(error) => from_read(message, error),
    }
}

fn unknown_caveat(message: String, name: &str) -> Status {
    failed(ErrorReason::UnknownCaveat, message, [("caveat_name", name.to_owned())])
}
