//! Errors of the database.

use super::details::{failed, invalid, sizes, with_reason};
use super::engine::from_engine;
use super::request::limit_too_large;
use super::schema::{from_diagnostics, from_relationship, from_unknown_name};
use super::store::{from_read, from_write, read_only};
use crate::api::error_metadata;
use crate::database::{DatabaseError, UnmetPermission};
use crate::proto::authzed::api::v1::ErrorReason;
use crate::relationship::{Precondition, Relationship, RelationshipFilter};
use crate::schema::removals::Removal;
use tonic::{Code, Status};

/// The status for a request that the database refused: one row per error. Rows with metadata have a function below.
pub(crate) fn from_database(error: DatabaseError) -> Status {
    let message = error.to_string();

    match error {
        DatabaseError::RevisionExpired { .. }
        | DatabaseError::ExpirationsCollected { .. }
        | DatabaseError::RevisionFuture { .. }
        | DatabaseError::Time(_) => Status::out_of_range(format!("invalid revision: {message}")),

        DatabaseError::Schema(diagnostics) => from_diagnostics(&diagnostics),
        DatabaseError::StoredSchema { .. } => Status::failed_precondition(message),
        DatabaseError::SchemaRemoval { removal, example, .. } => {
            schema_removal(message, &removal, example.as_deref())
        }
        DatabaseError::UnknownName(name) => from_unknown_name(&name),

        DatabaseError::EmptyFilter => empty_filter(message),
        DatabaseError::FilterOnPermission { definition, permission } => {
            on_permission(ErrorReason::InvalidFilter, message, definition, permission)
        }
        DatabaseError::SetOfPermission { definition, permission } => {
            on_permission(ErrorReason::CannotUpdatePermission, message, definition, permission)
        }
        DatabaseError::Relationship { error, .. } => from_relationship(message, &error),
        DatabaseError::DuplicateUpdate(relationship) => duplicate_update(message, &relationship),
        DatabaseError::AlreadyExists(relationship) => already_exists(message, &relationship),

        DatabaseError::TooManyUpdates { count, max } => too_many_updates(message, count, max),
        DatabaseError::TooManyPreconditions { count, max } => {
            too_many_preconditions(message, count, max)
        }
        DatabaseError::TooManyPermissions { count, max } => {
            too_many_permissions(message, count, max)
        }
        DatabaseError::MetadataTooLarge { bytes, max } => metadata_too_large(message, bytes, max),
        DatabaseError::LimitTooLarge { limit, max } => limit_too_large(limit, max),
        DatabaseError::TooManyToDelete { limit, filter } => {
            too_many_to_delete(message, limit, &filter)
        }

        DatabaseError::PreconditionFailed(failed) => precondition_failed(&failed),
        DatabaseError::PermissionRequired(unmet) => permission_required(message, &unmet),
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

        DatabaseError::Engine(error) => from_engine(&error),
        DatabaseError::Read(error) => from_read(message, &error),
        DatabaseError::Write(failure) | DatabaseError::Commit(failure) => {
            from_write(message, &failure)
        }
        DatabaseError::ReadOnly => read_only(message),
        DatabaseError::Stopped { .. } | DatabaseError::FolderLost | DatabaseError::Closed => {
            Status::unavailable(message)
        }
    }
}

fn schema_removal(message: String, removal: &Removal, example: Option<&Relationship>) -> Status {
    invalid(ErrorReason::SchemaTypeError, message, removal.metadata(example))
}

/// The answer to a request that treats a permission like a relation.
fn on_permission(
    reason: ErrorReason,
    message: String,
    definition: String,
    permission: String,
) -> Status {
    let parts = [("definition_name", definition), ("permission_name", permission)];
    invalid(reason, message, parts)
}

fn already_exists(message: String, relationship: &Relationship) -> Status {
    let reason = ErrorReason::AttemptToRecreateRelationship;
    let parts = error_metadata::from_relationship(relationship);
    with_reason(Code::AlreadyExists, reason, message, parts)
}

fn too_many_updates(message: String, count: usize, max: usize) -> Status {
    let parts = sizes("update_count", count, "maximum_updates_allowed", max);
    invalid(ErrorReason::TooManyUpdatesInRequest, message, parts)
}

fn too_many_preconditions(message: String, count: usize, max: usize) -> Status {
    // `maximum_updates_allowed` is the name of SpiceDB, which clients read.
    let parts = sizes("precondition_count", count, "maximum_updates_allowed", max);
    invalid(ErrorReason::TooManyPreconditionsInRequest, message, parts)
}

fn too_many_permissions(message: String, count: usize, max: usize) -> Status {
    let parts = sizes("permission_count", count, "maximum_permissions_allowed", max);
    invalid(ErrorReason::TooManyPreconditionsInRequest, message, parts)
}

fn metadata_too_large(message: String, bytes: usize, max: usize) -> Status {
    let parts = sizes("metadata_byte_size", bytes, "maximum_allowed_metadata_byte_size", max);
    invalid(ErrorReason::TransactionMetadataTooLarge, message, parts)
}

fn too_many_to_delete(message: String, limit: u32, filter: &RelationshipFilter) -> Status {
    let parts = error_metadata::from_filter(filter, &error_metadata::FILTER);
    let parts = parts.into_iter().chain([("limit", limit.to_string())]);
    invalid(ErrorReason::TooManyRelationshipsForTransactionalDelete, message, parts)
}

fn precondition_failed(precondition: &Precondition) -> Status {
    let parts = error_metadata::from_precondition(precondition);
    let shown = error_metadata::precondition_text(precondition);
    let message = format!("unable to satisfy write precondition `{shown}`");
    failed(ErrorReason::WriteOrDeletePreconditionFailure, message, parts)
}

fn permission_required(message: String, unmet: &UnmetPermission) -> Status {
    let parts = error_metadata::from_unmet_permission(unmet);
    failed(ErrorReason::WriteOrDeletePreconditionFailure, message, parts)
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
    let parts = error_metadata::from_filter(filter, &error_metadata::NEW_FILTER);
    let parts = parts.into_iter().chain([("counter_name", name)]);
    failed(ErrorReason::CounterAlreadyRegistered, message, parts)
}

fn empty_filter(message: String) -> Status {
    invalid(ErrorReason::InvalidFilter, message, [("filter", String::new())])
}
