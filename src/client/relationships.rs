//! Reads, writes and deletions of relationships.

use super::call_error::CallError;
use super::connection::Connection;
use super::decode;
use super::read_consistency::ReadConsistency;
use crate::proto::authzed::api::v1 as wire;
use crate::proto::encode;
use crate::relationship::{Relationship, RelationshipFilter, RelationshipUpdate};

/// The result of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletionResult {
    /// Number of deleted relationships.
    pub count: u64,
    /// Whether no matching relationship remains.
    pub complete: bool,
    /// The token of the deletion.
    pub token: String,
    /// The cursor for the next call. `None` if the deletion is complete, or if the server does not support cursors.
    pub cursor: Option<String>,
}

impl Connection {
    /// Writes all updates or none, and returns the token of the write.
    pub fn write(&self, updates: &[RelationshipUpdate]) -> Result<String, CallError> {
        let request = wire::WriteRelationshipsRequest {
            updates: updates.iter().map(encode::update).collect(),
            ..wire::WriteRelationshipsRequest::default()
        };
        let response = self.wait(self.permissions().write_relationships(request))?;
        Ok(decode::token(response.written_at))
    }

    /// Deletes matching relationships, at most `count_max`. A cursor of an earlier call with the same filter and
    /// `count_max` resumes after what that call deleted.
    pub fn delete(
        &self,
        filter: &RelationshipFilter,
        count_max: u32,
        cursor: Option<String>,
    ) -> Result<DeletionResult, CallError> {
        let request = wire::DeleteRelationshipsRequest {
            relationship_filter: Some(encode::filter(filter)),
            optional_limit: count_max,
            optional_allow_partial_deletions: true,
            optional_cursor: cursor.map(|token| wire::Cursor { token }),
            ..wire::DeleteRelationshipsRequest::default()
        };
        let response = self.wait(self.permissions().delete_relationships(request))?;
        let partial = wire::delete_relationships_response::DeletionProgress::Partial;
        Ok(DeletionResult {
            count: response.relationships_deleted_count,
            complete: response.deletion_progress() != partial,
            token: decode::token(response.deleted_at),
            cursor: response.after_result_cursor.map(|cursor| cursor.token),
        })
    }

    /// Passes matching relationships to `receive`, in order, at most `count_max`. Ends with the first error of either side.
    ///
    /// One stream without a limit returns everything, because the largest limit depends on the server. The stream is
    /// cancelled once `count_max` relationships have arrived.
    pub fn read<E: From<CallError>>(
        &self,
        filter: &RelationshipFilter,
        consistency: &ReadConsistency,
        count_max: Option<u32>,
        mut receive: impl FnMut(Relationship) -> Result<(), E>,
    ) -> Result<(), E> {
        let request = wire::ReadRelationshipsRequest {
            consistency: Some(consistency.to_message()),
            relationship_filter: Some(encode::filter(filter)),
            ..wire::ReadRelationshipsRequest::default()
        };
        let mut stream = self.wait(self.permissions().read_relationships(request))?;
        let mut left = count_max.unwrap_or(u32::MAX);
        while left > 0
            && let Some(response) = self.next(&mut stream)?
        {
            receive(decode::relationship(response.relationship)?)?;
            left -= u32::from(count_max.is_some());
        }
        Ok(())
    }
}
