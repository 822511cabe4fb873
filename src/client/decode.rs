//! Conversions of responses into the vocabulary; invalid responses become [`CallError::UnexpectedResponse`].

use super::call_error::CallError;
use crate::proto::authzed::api::v1 as wire;
use crate::proto::authzed::api::v1::PartialCaveatInfo;
use crate::proto::field_errors::{Field, FieldErrors};
use crate::proto::{decode, decode_context};
use crate::relationship::{Context, Permissionship, Relationship, RelationshipUpdate, Timestamp};
use prost_types::Struct;

fn decoded<T>(read: impl FnOnce(&mut FieldErrors) -> Option<T>) -> Result<T, CallError> {
    let mut errors = FieldErrors::default();
    let value = read(&mut errors).filter(|_| errors.is_empty());
    value.ok_or_else(|| CallError::UnexpectedResponse(errors.lines().join(", ")))
}

pub(super) fn relationship(message: Option<wire::Relationship>) -> Result<Relationship, CallError> {
    decoded(|errors| decode::relationship(errors, Field::root("relationship"), message))
}

pub(super) fn relationships(
    messages: Vec<wire::Relationship>,
) -> Result<Vec<Relationship>, CallError> {
    messages.into_iter().map(|message| relationship(Some(message))).collect()
}

pub(super) fn update(message: wire::RelationshipUpdate) -> Result<RelationshipUpdate, CallError> {
    decoded(|errors| decode::update(errors, Field::root("updates"), message))
}

pub(super) fn timestamp(
    field: &'static str,
    message: prost_types::Timestamp,
) -> Result<Timestamp, CallError> {
    decoded(|errors| decode::timestamp(errors, Field::root(field), message))
}

pub(super) fn context(field: &'static str, message: Struct) -> Result<Context, CallError> {
    decoded(|errors| decode_context::context(errors, Field::root(field), Some(message)))
}

/// A permissionship. Every call numbers its values alike.
pub(super) fn permissionship(value: i32, caveat_info: Option<PartialCaveatInfo>) -> Permissionship {
    use wire::check_permission_response::Permissionship as WirePermissionship;
    match WirePermissionship::try_from(value).unwrap_or_default() {
        WirePermissionship::HasPermission => Permissionship::HasPermission,
        WirePermissionship::ConditionalPermission => {
            let missing = caveat_info.unwrap_or_default().missing_required_context;
            Permissionship::Conditional(missing.into_iter().collect())
        }
        WirePermissionship::NoPermission | WirePermissionship::Unspecified => {
            Permissionship::NoPermission
        }
    }
}

/// The text of a token; empty if the server sent none.
pub(super) fn token(token: Option<wire::ZedToken>) -> String {
    token.unwrap_or_default().token
}
