//! The one table from errors to gRPC codes and reasons.

use super::parts;
use super::proto::authzed::api::v1::ErrorReason;
use crate::caveat::CaveatError;
use crate::database::DatabaseError;
use crate::engine::EngineError;
use crate::schema::{Diagnostic, Position, RelationshipError, Stage, UnknownName};
use prost::Message as _;
use std::collections::HashMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

const DOMAIN: &str = "authzed.com";

/// The longest message, in bytes. Statuses travel in headers, for which clients keep as little as 8 KiB.
const MESSAGE_BYTES_MAX: usize = 1_500;
/// The longest metadata value, in bytes.
const METADATA_BYTES_MAX: usize = 500;

/// A status with a `google.rpc.ErrorInfo`.
pub(super) fn with_reason(
    code: Code,
    reason: ErrorReason,
    message: impl Into<String>,
    metadata: impl IntoIterator<Item = (&'static str, String)>,
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
    tonic_types::Status::decode(status.details())
        .ok()
        .filter(|message| message.code != 0)
        .unwrap_or_else(|| tonic_types::Status {
            code: status.code().into(),
            message: status.message().to_owned(),
            details: Vec::new(),
        })
}

/// The answer to a call that is not served.
pub(super) fn unserved(rpc: &str) -> Status {
    Status::unimplemented(format!("this server does not serve `{rpc}`"))
}

/// The answer to a request that the database refused.
pub(super) fn of_database(error: DatabaseError) -> Status {
    let message = error.to_string();
    match error {
        DatabaseError::RevisionExpired { .. } | DatabaseError::RevisionFuture { .. } => {
            Status::out_of_range(format!("invalid revision: {message}"))
        }
        DatabaseError::Schema(diagnostics) => of_schema(&diagnostics),
        DatabaseError::StoredSchema { .. } => Status::failed_precondition(message),
        DatabaseError::SchemaRemoval { removal, example, .. } => with_reason(
            Code::InvalidArgument,
            ErrorReason::SchemaTypeError,
            message,
            removal.metadata(example.as_deref()),
        ),
        DatabaseError::UnknownName(name) => of_unknown_name(message, &name),
        DatabaseError::EmptyFilter => {
            with_reason(Code::InvalidArgument, ErrorReason::InvalidFilter, message, [])
        }
        DatabaseError::ReadOfPermission { definition, permission } => with_reason(
            Code::FailedPrecondition,
            ErrorReason::SchemaTypeError,
            message,
            [("definition_name", definition), ("relation_or_permission_name", permission)],
        ),
        DatabaseError::Relationship { error, .. } => of_relationship(message, &error),
        DatabaseError::TooManyUpdates { count, max } => with_reason(
            Code::InvalidArgument,
            ErrorReason::TooManyUpdatesInRequest,
            message,
            [("update_count", count.to_string()), ("maximum_updates_allowed", max.to_string())],
        ),
        DatabaseError::TooManyPreconditions { count, max } => with_reason(
            Code::InvalidArgument,
            ErrorReason::TooManyPreconditionsInRequest,
            message,
            [
                ("precondition_count", count.to_string()),
                ("maximum_updates_allowed", max.to_string()),
            ],
        ),
        DatabaseError::MetadataTooLarge { bytes, max } => with_reason(
            Code::InvalidArgument,
            ErrorReason::TransactionMetadataTooLarge,
            message,
            [
                ("metadata_byte_size", bytes.to_string()),
                ("maximum_allowed_metadata_byte_size", max.to_string()),
            ],
        ),
        DatabaseError::DuplicateUpdate(relationship) => with_reason(
            Code::InvalidArgument,
            ErrorReason::UpdatesOnSameRelationship,
            message,
            [
                ("definition_name", relationship.resource.object_type().to_owned()),
                ("relationship", parts::key_text(&relationship)),
            ],
        ),
        DatabaseError::ContextTooLarge { relationship, bytes, max } => with_reason(
            Code::InvalidArgument,
            ErrorReason::MaxRelationshipContextSize,
            message,
            [
                ("relationship", parts::key_text(&relationship)),
                ("max_allowed_size", max.to_string()),
                ("context_size", bytes.to_string()),
            ],
        ),
        DatabaseError::AlreadyExists(relationship) => with_reason(
            Code::AlreadyExists,
            ErrorReason::AttemptToRecreateRelationship,
            message,
            parts::of_relationship(&relationship),
        ),
        DatabaseError::PreconditionFailed(precondition) => with_reason(
            Code::FailedPrecondition,
            ErrorReason::WriteOrDeletePreconditionFailure,
            message,
            parts::of_precondition(&precondition),
        ),
        DatabaseError::TooManyToDelete { limit, filter } => with_reason(
            Code::InvalidArgument,
            ErrorReason::TooManyRelationshipsForTransactionalDelete,
            message,
            [("limit", limit.to_string())]
                .into_iter()
                .chain(parts::of_filter(&filter, &parts::FILTER)),
        ),
        DatabaseError::Engine(error) => of_engine(&error),
        DatabaseError::Read(_) => unreadable(message),
        DatabaseError::Commit { .. } => {
            tracing::error!(message, "a write failed");
            Status::internal(message)
        }
        DatabaseError::Closed => Status::unavailable(message),
    }
}

/// The answer to a schema with faults. Every one is told; the first one's place is in the metadata, counted from 0.
fn of_schema(diagnostics: &[Diagnostic]) -> Status {
    let Some(first) = diagnostics.first() else {
        return Status::invalid_argument("the schema is not valid");
    };
    let lines: Vec<String> = diagnostics.iter().map(schema_fault).collect();
    let (code, reason) = match first.stage {
        Stage::Parse => (Code::InvalidArgument, ErrorReason::SchemaParseError),
        Stage::Type | Stage::Lint => (Code::FailedPrecondition, ErrorReason::SchemaTypeError),
    };
    let (start, end) = (first.start(), first.end());
    let from_zero = |number: usize| number.saturating_sub(1).to_string();
    with_reason(
        code,
        reason,
        lines.join("\n"),
        [
            ("start_line_number", from_zero(start.line)),
            ("start_column_position", from_zero(start.column)),
            ("end_line_number", from_zero(end.line)),
            ("end_column_position", from_zero(end.column)),
            ("source_code", first.source_code().to_owned()),
        ],
    )
}

fn schema_fault(diagnostic: &Diagnostic) -> String {
    let kind = match diagnostic.stage {
        Stage::Parse => "parse error",
        Stage::Type | Stage::Lint => "error",
    };
    let Position { line, column } = diagnostic.start();
    let Diagnostic { source_name, message, help, .. } = diagnostic;
    let help = help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{kind} in `{source_name}`, line {line}, column {column}: {message}{help}")
}

fn of_unknown_name(message: String, name: &UnknownName) -> Status {
    match name {
        UnknownName::Definition { name } => unknown_definition(message, name),
        UnknownName::Relation { definition, name } => unknown_relation(message, definition, name),
    }
}

/// The answer to a relationship that the schema has no place for.
fn of_relationship(message: String, error: &RelationshipError) -> Status {
    match error {
        RelationshipError::UnknownDefinition { name } => unknown_definition(message, name),
        RelationshipError::UnknownRelation { definition, name } => {
            unknown_relation(message, definition, name)
        }
        RelationshipError::UnknownCaveat { name } => unknown_caveat(message, name),
        RelationshipError::IsPermission { definition, permission } => with_reason(
            Code::InvalidArgument,
            ErrorReason::CannotUpdatePermission,
            message,
            [("definition_name", definition.clone()), ("permission_name", permission.clone())],
        ),
        RelationshipError::InvalidSubject {
            definition,
            relation,
            subject_type,
            allowed_caveats,
            ..
        } => {
            let caveats = (!allowed_caveats.is_empty())
                .then(|| ("allowed_caveats", allowed_caveats.join(",")));
            let parts = [
                ("definition_name", definition.clone()),
                ("relation_name", relation.clone()),
                ("subject_type", subject_type.clone()),
            ];
            with_reason(
                Code::InvalidArgument,
                ErrorReason::InvalidSubjectType,
                message,
                parts.into_iter().chain(caveats),
            )
        }
        RelationshipError::Caveat(error) => of_caveat(error),
    }
}

/// The answer to a question that the engine could not answer.
pub(super) fn of_engine(error: &EngineError) -> Status {
    let message = error.to_string();
    match error {
        EngineError::UnknownDefinition { name } => unknown_definition(message, name),
        EngineError::UnknownRelation { definition, name } => {
            unknown_relation(message, definition, name)
        }
        EngineError::UnknownCaveat { name } => unknown_caveat(message, name),
        EngineError::WildcardSubject => with_reason(
            Code::InvalidArgument,
            ErrorReason::WildcardNotAllowed,
            format!("invalid argument: {message}"),
            [("field", "subject.object_id".to_owned())],
        ),
        EngineError::DepthExceeded { .. } => {
            with_reason(Code::FailedPrecondition, ErrorReason::MaximumDepthExceeded, message, [])
        }
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

fn unknown_caveat(message: String, name: &str) -> Status {
    with_reason(
        Code::FailedPrecondition,
        ErrorReason::UnknownCaveat,
        message,
        [("caveat_name", name.to_owned())],
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
