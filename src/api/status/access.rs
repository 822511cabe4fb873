//! Refusals of callers with roles, and errors as such callers may see them.

use super::details::{cut, explained};
use crate::access::{AccessRefusal, Withheld};
use crate::proto::authzed::api::v1::ErrorReason;
use std::collections::HashMap;
use tonic::codegen::http::HeaderMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The domain of reasons that are Kilwa's own.
const DOMAIN: &str = "kilwa";
/// The reason of every refusal by a role.
const REASON: &str = "ACCESS_DENIED";
/// The text in place of one that may name what a caller may not see.
const WITHHELD: &str = "the call failed; the reason may name data that the caller's roles do not let it read, so it is not shown in full";
/// The longest message, in bytes.
const MESSAGE_BYTES_MAX: usize = 1_000;

/// The answer to a call that the caller's roles do not include. Names what is missing.
pub(crate) fn refused(refusal: &AccessRefusal) -> Status {
    let mut metadata = HashMap::from([("missing".to_owned(), refusal.missing().to_owned())]);
    let mut add = |name: &str, value: &String| metadata.insert(name.to_owned(), value.clone());
    match refusal {
        AccessRefusal::Method { method, .. } => {
            add("method", method);
        }
        AccessRefusal::Definition(definition) => {
            add("definition", definition);
        }
        AccessRefusal::Relation { definition, relation } => {
            add("definition", definition);
            add("relation", relation);
        }
        AccessRefusal::ObjectId { definition, object_id } => {
            add("definition", definition);
            add("object_id", object_id);
        }
        AccessRefusal::OpenFilter
        | AccessRefusal::Precondition
        | AccessRefusal::RequiredPermission
        | AccessRefusal::Trace
        | AccessRefusal::Tree => {}
    }

    let details = ErrorDetails::with_error_info(REASON, DOMAIN, metadata);
    let message = cut(refusal.to_string(), MESSAGE_BYTES_MAX);
    Status::with_error_details(Code::PermissionDenied, message, details)
}

/// Leaves out of the headers of a failed call what its caller may not see.
pub(crate) fn withhold(headers: &mut HeaderMap, withheld: Withheld) {
    let Some(status) = Status::from_header_map(headers) else { return };
    if !is_shown(&status, withheld) {
        // Headers that were parsed from valid ones cannot fail to encode, so the error is ignored.
        let _ = withheld_form(&status).add_header(headers);
    }
}

/// The same status without what its caller may not see.
pub(crate) fn without_withheld(status: Status, withheld: Withheld) -> Status {
    if is_shown(&status, withheld) { status } else { withheld_form(&status) }
}

/// The code and the reason of a status alone.
fn withheld_form(status: &Status) -> Status {
    explained(status.code(), reason(status).as_str_name(), WITHHELD)
}

/// Whether the text and the metadata of a status name nothing but what the request itself names. Closed by default: what
/// is not listed is withheld.
fn is_shown(status: &Status, withheld: Withheld) -> bool {
    let reason = reason(status);

    match status.code() {
        Code::Ok
        | Code::Cancelled
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::NotFound
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::OutOfRange
        | Code::DeadlineExceeded
        | Code::Unimplemented => true,
        Code::InvalidArgument | Code::FailedPrecondition => match reason {
            ErrorReason::InvalidFilter
            | ErrorReason::InvalidCursor
            | ErrorReason::ExceedsMaximumAllowableLimit
            | ErrorReason::TooManyUpdatesInRequest
            | ErrorReason::TooManyPreconditionsInRequest
            | ErrorReason::TooManyRelationshipsForTransactionalDelete
            | ErrorReason::MaxRelationshipContextSize
            | ErrorReason::TransactionMetadataTooLarge
            | ErrorReason::UpdatesOnSameRelationship
            | ErrorReason::WriteOrDeletePreconditionFailure
            | ErrorReason::WildcardNotAllowed
            // Of a text that the request has.
            | ErrorReason::SchemaParseError => true,
            // These name parts of the schema.
            ErrorReason::UnknownDefinition
            | ErrorReason::UnknownRelationOrPermission
            | ErrorReason::UnknownCaveat
            | ErrorReason::InvalidSubjectType
            | ErrorReason::CannotUpdatePermission
            | ErrorReason::CaveatParameterTypeError => !withheld.names,
            // Requests that are malformed; what does not fit the stored state has a reason.
            ErrorReason::Unspecified => status.code() == Code::InvalidArgument,
            // Of a text that the request has, and beside the names of the schema; or else of a relationship that is in the way.
            ErrorReason::SchemaTypeError => {
                status.code() == Code::FailedPrecondition && !withheld.names
            }
            ErrorReason::ServiceReadOnly
            | ErrorReason::CaveatEvaluationError
            | ErrorReason::AttemptToRecreateRelationship
            | ErrorReason::MaximumDepthExceeded
            | ErrorReason::SerializationFailure
            | ErrorReason::TooManyChecksInRequest
            | ErrorReason::InmemoryTooManyConcurrentUpdates
            | ErrorReason::EmptyPrecondition
            | ErrorReason::CounterAlreadyRegistered
            | ErrorReason::CounterNotRegistered
            | ErrorReason::DatastoreNotMigrated => false,
        },
        Code::Unknown | Code::Internal | Code::Unavailable | Code::DataLoss => false,
    }
}

fn reason(status: &Status) -> ErrorReason {
    let info = status.get_details_error_info();
    let reason = info.and_then(|info| ErrorReason::from_str_name(&info.reason));
    reason.unwrap_or(ErrorReason::Unspecified)
}
