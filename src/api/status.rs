//! The table from errors to gRPC codes and reasons. No other module chooses a code, which a test holds.

use crate::api::error_metadata;
use crate::caveat::CaveatError;
use crate::database::DatabaseError;
use crate::engine::EngineError;
use crate::proto::authzed::api::v1::ErrorReason;
use crate::proto::field_errors::FieldErrors;
use crate::relationship::{ReadError, Relationship, RelationshipFilter};
use crate::schema::{
    DependencyError, Diagnostic, DiagnosticStage, Position, RelationshipError, UnknownName,
};
use crate::store::WriteFailure;
use prost::Message as _;
use std::collections::HashMap;
use std::time::Duration;
use tonic::codegen::http::HeaderMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

const DOMAIN: &str = "authzed.com";

/// What tonic says of a message that it does not take.
const TOO_LARGE: &str = "message length too large";

/// The longest message, in bytes. Statuses travel in headers, encoded twice, for which clients keep as little as 8 KiB.
const MESSAGE_BYTES_MAX: usize = 1_000;
/// The longest metadata value, in bytes: no name or id is cut.
const METADATA_BYTES_MAX: usize = 1_100;

/// A status with a `google.rpc.ErrorInfo`.
pub(crate) fn with_reason(
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

/// The answer to a request with invalid fields: each is named in the details and in the message.
pub(crate) fn invalid_fields(errors: &FieldErrors) -> Status {
    let reason = ErrorReason::Unspecified.as_str_name();
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    for (field, rule) in errors.shown() {
        details.add_bad_request_violation(field, rule);
    }

    let message = match errors.lines().as_slice() {
        [only] => format!("validation error: {only}"),
        lines => format!("validation errors:\n - {}", lines.join("\n - ")),
    };
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// The answer to a request that a reader refused without noting why, which is a bug.
pub(crate) fn refused_without_reason() -> Status {
    Status::internal("a request was refused without a reason")
}

/// A status that blames the request.
fn invalid(
    reason: ErrorReason,
    message: String,
    metadata: impl IntoIterator<Item = (&'static str, String)>,
) -> Status {
    with_reason(Code::InvalidArgument, reason, message, metadata)
}

/// A status that blames what is stored.
fn failed(
    reason: ErrorReason,
    message: String,
    metadata: impl IntoIterator<Item = (&'static str, String)>,
) -> Status {
    with_reason(Code::FailedPrecondition, reason, message, metadata)
}

/// How much there was, and how much may be.
fn sizes(
    name: &'static str,
    size: usize,
    max_name: &'static str,
    max: usize,
) -> [(&'static str, String); 2] {
    [(name, size.to_string()), (max_name, max.to_string())]
}

/// Gives the headers that end a call with a failure an `ErrorInfo` without a reason, when they tell nothing more than
/// code and message. So every failure has the same form, including those of the middleware.
pub(crate) fn explain(headers: &mut HeaderMap) {
    let Some(status) = Status::from_header_map(headers) else { return };
    if status.code() == Code::Ok || !status.details().is_empty() {
        return;
    }
    let mut code = status.code();
    if code == Code::OutOfRange && status.message().contains(TOO_LARGE) {
        // To clients of this protocol, out of range are revisions.
        code = Code::ResourceExhausted;
    }
    let message = Some(status.message()).filter(|message| !message.is_empty());
    let message = message.unwrap_or_else(|| code.description());
    let explained = with_reason(code, ErrorReason::Unspecified, message, []);
    // What can be sent once, can be sent again.
    let _ = explained.add_header(headers);
}

/// The status as a message inside of a response.
pub(crate) fn to_message(status: &Status) -> tonic_types::Status {
    tonic_types::Status::decode(status.details())
        .ok()
        .filter(|message| message.code != 0)
        .unwrap_or_else(|| tonic_types::Status {
            code: status.code().into(),
            message: status.message().to_owned(),
            details: Vec::new(),
        })
}

/// The answer to a request that the database refused.
#[expect(clippy::too_many_lines, reason = "a table with a row for each error")]
pub(crate) fn of_database(error: DatabaseError) -> Status {
    let message = error.to_string();

    match error {
        DatabaseError::RevisionExpired { .. }
        | DatabaseError::ExpirationsCollected { .. }
        | DatabaseError::RevisionFuture { .. }
        | DatabaseError::Time(_) => Status::out_of_range(format!("invalid revision: {message}")),
        DatabaseError::Schema(diagnostics) => of_schema(&diagnostics),
        DatabaseError::StoredSchema { .. } => Status::failed_precondition(message),
        DatabaseError::SchemaRemoval { removal, example, .. } => {
            let parts = removal.metadata(example.as_deref());
            invalid(ErrorReason::SchemaTypeError, message, parts)
        }
        DatabaseError::UnknownName(name) => of_name(&name),
        DatabaseError::EmptyFilter => empty_filter(message),
        DatabaseError::FilterOnPermission { definition, permission } => {
            let parts = [("definition_name", definition), ("permission_name", permission)];
            invalid(ErrorReason::InvalidFilter, message, parts)
        }
        DatabaseError::SetOfPermission { definition, permission } => {
            let parts = [("definition_name", definition), ("permission_name", permission)];
            invalid(ErrorReason::CannotUpdatePermission, message, parts)
        }
        DatabaseError::Relationship { error, .. } => of_relationship(message, &error),
        DatabaseError::TooManyUpdates { count, max } => {
            let parts = sizes("update_count", count, "maximum_updates_allowed", max);
            invalid(ErrorReason::TooManyUpdatesInRequest, message, parts)
        }
        DatabaseError::TooManyPreconditions { count, max } => {
            let parts = sizes("precondition_count", count, "maximum_updates_allowed", max);
            invalid(ErrorReason::TooManyPreconditionsInRequest, message, parts)
        }
        DatabaseError::MetadataTooLarge { bytes, max } => {
            let allowed = "maximum_allowed_metadata_byte_size";
            let parts = sizes("metadata_byte_size", bytes, allowed, max);
            invalid(ErrorReason::TransactionMetadataTooLarge, message, parts)
        }
        DatabaseError::DuplicateUpdate(relationship) => duplicate_update(message, &relationship),
        DatabaseError::LimitTooLarge { limit, max } => limit_too_large(limit, max),
        DatabaseError::AlreadyExists(relationship) => with_reason(
            Code::AlreadyExists,
            ErrorReason::AttemptToRecreateRelationship,
            message,
            error_metadata::of_relationship(&relationship),
        ),
        DatabaseError::PreconditionFailed(precondition) => {
            let parts = error_metadata::of_precondition(&precondition);
            failed(ErrorReason::WriteOrDeletePreconditionFailure, message, parts)
        }
        DatabaseError::TooManyPermissions { count, max } => {
            let parts = sizes("permission_count", count, "maximum_permissions_allowed", max);
            invalid(ErrorReason::TooManyPreconditionsInRequest, message, parts)
        }
        DatabaseError::PermissionRequired(unmet) => failed(
            ErrorReason::WriteOrDeletePreconditionFailure,
            message,
            error_metadata::of_unmet_permission(&unmet),
        ),
        DatabaseError::TooManyToDelete { limit, filter } => {
            let parts = error_metadata::of_filter(&filter, &error_metadata::FILTER);
            let parts = parts.into_iter().chain([("limit", limit.to_string())]);
            invalid(ErrorReason::TooManyRelationshipsForTransactionalDelete, message, parts)
        }
        DatabaseError::CounterRegistered { name, filter } => {
            counter_registered(message, name, &filter)
        }
        DatabaseError::CounterUnknown { name } => counter_unknown(message, name),
        DatabaseError::LookupsTooLarge { .. }
        | DatabaseError::QueueFull(_)
        | DatabaseError::NoRoom { .. }
        | DatabaseError::ImportTooLarge { .. }
        | DatabaseError::TooManyImports { .. } => Status::resource_exhausted(message),
        DatabaseError::Contended => Status::aborted(message),
        DatabaseError::Fault => Status::internal(message),
        DatabaseError::Engine(error) => of_engine(&error),
        DatabaseError::Read(error) => unreadable(message, &error),
        DatabaseError::Write(failure) | DatabaseError::Commit(failure) => {
            unwritable(message, &failure)
        }
        DatabaseError::ReadOnly => read_only(message),
        DatabaseError::Stopped { .. } | DatabaseError::Closed => Status::unavailable(message),
    }
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

/// The answer to a limit that is larger than what may be asked for.
pub(crate) fn limit_too_large(limit: u32, max: u32) -> Status {
    invalid(
        ErrorReason::ExceedsMaximumAllowableLimit,
        format!("provided limit {limit} is greater than maximum allowed of {max}"),
        [("limit_provided", limit.to_string()), ("maximum_limit_allowed", max.to_string())],
    )
}

/// The answer to a filter whose conditions do not go together, with those that are set.
pub(crate) fn invalid_filter(rule: &str, given: &[(&str, &String)]) -> Status {
    let set = given.iter().filter(|(_, value)| !value.is_empty());
    let set: Vec<String> = set.map(|(name, value)| format!("{name}:{value:?}")).collect();
    invalid(
        ErrorReason::InvalidFilter,
        format!("the relationship filter provided is not valid: {rule}"),
        [("filter", set.join(" "))],
    )
}

/// The answer to a schema with faults. The message has all of them, the metadata has the range and names of the first, counted
/// from 0.
pub(crate) fn of_schema(diagnostics: &[Diagnostic]) -> Status {
    let Some(first) = diagnostics.first() else {
        return Status::invalid_argument("the schema is not valid");
    };
    let lines: Vec<String> = diagnostics.iter().map(schema_fault).collect();
    let (code, reason) = match first.stage {
        DiagnosticStage::Parse => (Code::InvalidArgument, ErrorReason::SchemaParseError),
        DiagnosticStage::Type | DiagnosticStage::Lint => {
            (Code::FailedPrecondition, ErrorReason::SchemaTypeError)
        }
    };
    let (start, end) = (first.start(), first.end());

    let from_zero = |number: usize| number.saturating_sub(1).to_string();
    let place = [
        ("start_line_number", from_zero(start.line)),
        ("start_column_position", from_zero(start.column)),
        ("end_line_number", from_zero(end.line)),
        ("end_column_position", from_zero(end.column)),
        ("source_code", first.source_code().to_owned()),
    ];
    let metadata = place.into_iter().chain(first.names.iter().cloned());

    with_reason(code, reason, lines.join("\n"), metadata)
}

fn schema_fault(diagnostic: &Diagnostic) -> String {
    let kind = match diagnostic.stage {
        DiagnosticStage::Parse => "parse error",
        DiagnosticStage::Type | DiagnosticStage::Lint => "error",
    };
    let Position { line, column } = diagnostic.start();
    let Diagnostic { source_name, message, help, .. } = diagnostic;
    let help = help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{kind} in `{source_name}`, line {line}, column {column}: {message}{help}")
}

/// The answer to a name that the schema does not have.
pub(crate) fn of_name(name: &UnknownName) -> Status {
    let message = name.to_string();
    match name {
        UnknownName::Definition { name } => unknown_definition(message, name),
        UnknownName::Relation { definition, name } => unknown_relation(message, definition, name),
    }
}

/// The answer to a request for the dependencies of something that is not a permission.
pub(crate) fn of_dependency(error: &DependencyError) -> Status {
    match error {
        DependencyError::Unknown(name) => of_name(name),
        DependencyError::NotAPermission { name } => invalid(
            ErrorReason::UnknownRelationOrPermission,
            error.to_string(),
            [("relationName", name.clone())],
        ),
    }
}

/// The answer to a relationship that the schema has no place for.
fn of_relationship(message: String, error: &RelationshipError) -> Status {
    match error {
        RelationshipError::UnknownDefinition { name } => unknown_definition(message, name),
        RelationshipError::UnknownRelation { definition, name } => {
            unknown_relation(message, definition, name)
        }
        RelationshipError::IsPermission { definition, permission } => invalid(
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
            invalid(ErrorReason::InvalidSubjectType, message, parts.into_iter().chain(caveats))
        }
        RelationshipError::Caveat(error) => of_caveat(error),
    }
}

/// The answer to a query that the engine could not evaluate.
pub(crate) fn of_engine(error: &EngineError) -> Status {
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
        EngineError::Caveat(error) => of_caveat(error),
        EngineError::Read(error) => unreadable(message, error),
    }
}

/// The answer to a context that does not fit its caveat.
pub(crate) fn of_caveat(error: &CaveatError) -> Status {
    let message = error.to_string();
    match error {
        CaveatError::UnknownParameter { caveat, parameter }
        | CaveatError::ParameterType { caveat, parameter, .. } => invalid(
            ErrorReason::CaveatParameterTypeError,
            message,
            [("caveat_name", caveat.clone()), ("parameter_name", parameter.clone())],
        ),
        CaveatError::Evaluation { caveat, .. } | CaveatError::Exhausted { caveat, .. } => {
            invalid(ErrorReason::CaveatEvaluationError, message, [("caveat_name", caveat.clone())])
        }
    }
}

fn duplicate_update(message: String, relationship: &Relationship) -> Status {
    let definition = relationship.resource.object_type().to_owned();
    let parts = [("definition_name", definition), ("relationship", relationship.to_string())];
    invalid(ErrorReason::UpdatesOnSameRelationship, message, parts)
}

/// The answer to a call about a counter that is not there.
fn counter_unknown(message: String, name: String) -> Status {
    failed(ErrorReason::CounterNotRegistered, message, [("counter_name", name)])
}

fn counter_registered(message: String, name: String, filter: &RelationshipFilter) -> Status {
    let parts = error_metadata::of_filter(filter, &error_metadata::NEW_FILTER);
    let parts = parts.into_iter().chain([("counter_name", name)]);
    failed(ErrorReason::CounterAlreadyRegistered, message, parts)
}

fn empty_filter(message: String) -> Status {
    invalid(ErrorReason::InvalidFilter, message, [("filter", String::new())])
}

fn unknown_definition(message: String, name: &str) -> Status {
    failed(ErrorReason::UnknownDefinition, message, [("definition_name", name.to_owned())])
}

fn unknown_caveat(message: String, name: &str) -> Status {
    failed(ErrorReason::UnknownCaveat, message, [("caveat_name", name.to_owned())])
}

fn unknown_relation(message: String, definition: &str, name: &str) -> Status {
    failed(
        ErrorReason::UnknownRelationOrPermission,
        message,
        [
            ("definition_name", definition.to_owned()),
            ("relation_or_permission_name", name.to_owned()),
        ],
    )
}

fn read_only(message: String) -> Status {
    with_reason(Code::Unavailable, ErrorReason::ServiceReadOnly, message, [])
}

/// The answer to a failed read. Reads that fail with UNAVAILABLE may be repeated.
fn unreadable(message: String, error: &ReadError) -> Status {
    if error.is_corrupt() {
        tracing::error!(message, "stored data are corrupt");
        return Status::data_loss(message);
    }
    if error.is_not_cached() {
        tracing::error!(message, "a read from memory was not repeated from disk");
        return Status::internal(message);
    }
    tracing::error!(message, "the store cannot be read");
    Status::unavailable(message)
}

/// The answer to a failed write. It has no code with which clients repeat a call by themselves: after a failed commit the
/// write may have been made.
fn unwritable(message: String, failure: &WriteFailure) -> Status {
    match failure {
        WriteFailure::DiskFull { .. } => {
            tracing::error!(message, "the disk of the data folder is full");
            Status::resource_exhausted(message)
        }
        WriteFailure::Io { .. } => {
            tracing::error!(message, "a write failed");
            Status::internal(message)
        }
    }
}

/// A text of at most so many bytes.
fn cut(text: String, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text;
    }
    let end = text.floor_char_boundary(bytes_max);
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// The answer to a call that failed because of a bug.
pub(crate) fn server_fault(message: &'static str) -> Status {
    Status::internal(message)
}

/// The end of a stream whose next result takes too long.
pub(crate) fn stream_idle(idle_max: Duration) -> Status {
    Status::deadline_exceeded(format!(
        "operation took longer than allowed {idle_max:?} to complete"
    ))
}

/// The end of a stream whose client receives the results too slowly.
pub(crate) fn client_too_slow(client_max: Duration) -> Status {
    Status::deadline_exceeded(format!(
        "the client took the results too slowly: the stream waited for it for more than {client_max:?} in total; continue from the last cursor"
    ))
}

/// The end of a watch whose client receives the changes too slowly.
pub(crate) fn watcher_too_slow(buffer_length: u32, write_timeout: Duration) -> Status {
    Status::resource_exhausted(format!(
        "watch disconnected: the client did not take its changes in time ({buffer_length} waited for {write_timeout:?}); resume from the last `changes_through`"
    ))
}

/// The answer to a malformed request or argument.
pub(crate) fn invalid_request(message: impl Into<String>) -> Status {
    Status::invalid_argument(message)
}

/// The answer to an invalid cursor.
pub(crate) fn invalid_cursor(message: &str) -> Status {
    invalid(ErrorReason::InvalidCursor, message.to_owned(), [])
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

/// The answer to a call without a well-formed key.
pub(crate) fn unauthenticated(message: &'static str) -> Status {
    Status::unauthenticated(message)
}

/// The answer to a call with a key that is not one of the server's.
pub(crate) fn wrong_key() -> Status {
    Status::permission_denied("invalid preshared key: invalid token")
}

/// The answer to a call whose deadline has passed.
pub(crate) fn deadline_passed() -> Status {
    Status::deadline_exceeded("the deadline of the call has passed")
}

/// The answer to an import whose client sends nothing.
pub(crate) fn import_idle(idle_max: Duration) -> Status {
    Status::deadline_exceeded(format!(
        "the import was given up, because the client sent nothing for {idle_max:?}; nothing was imported"
    ))
}

/// The answer to a call that waited too long for a database that is being reopened.
pub(crate) fn reopening() -> Status {
    Status::unavailable("the data folder is being opened again after a failed write: try again")
}

/// The answer to a call that comes while the server stops.
pub(crate) fn shutting_down() -> Status {
    Status::unavailable("the server is shutting down")
}
