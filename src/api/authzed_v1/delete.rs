//! Deletions by filter, whole or in parts that a cursor joins.

use crate::api::call_access::CallAccess;
use crate::api::context::ServiceContext;
use crate::api::convert;
use crate::api::cursor::{self, CursorScope};
use crate::api::status;
use crate::database::{DeleteRequest, ReadPosition};
use crate::proto::authzed::api::v1 as proto;
use prost::Message as _;
use proto::delete_relationships_response::DeletionProgress;
use std::sync::Arc;
use tonic::Status;

/// Deletes the relationships that match a filter. The response to a partial deletion has a cursor to resume.
pub(crate) async fn delete(
    context: &ServiceContext,
    access: &CallAccess,
    mut request: proto::DeleteRelationshipsRequest,
    writer: Option<Arc<str>>,
) -> Result<proto::DeleteRelationshipsResponse, Status> {
    let bytes = request.encoded_len();
    let cursor = request.optional_cursor.take();
    let call = call(context, &request);
    let after = cursor.map(|cursor| resume(call, &request, &cursor)).transpose();
    let deletion = convert::deletion(request)?;
    access.require_prerequisites(&deletion.preconditions, &[])?;
    let filter = access.narrow(deletion.filter)?;
    let deletion = DeleteRequest { filter, within: access.scope(), after: after?, ..deletion };

    let (_, deleted) = context.workers.write(bytes, deletion, writer).await?;

    let next = deleted.last.filter(|_| !deleted.complete);
    let progress =
        if deleted.complete { DeletionProgress::Complete } else { DeletionProgress::Partial };
    Ok(proto::DeleteRelationshipsResponse {
        deleted_at: Some(context.tokens.token(deleted.revision)),
        deletion_progress: progress.into(),
        relationships_deleted_count: deleted.count,
        after_result_cursor: next.map(|last| call.cursor(deleted.revision, &last.to_bytes())),
    })
}

/// The call that a cursor belongs to. Preconditions and metadata may differ from part to part: a precondition that held
/// for the first part need not hold for the next.
fn call(context: &ServiceContext, request: &proto::DeleteRelationshipsRequest) -> CursorScope {
    let bound = proto::DeleteRelationshipsRequest {
        relationship_filter: request.relationship_filter.clone(),
        optional_limit: request.optional_limit,
        ..proto::DeleteRelationshipsRequest::default()
    };
    CursorScope::new(context.tokens, "DeleteRelationships", &bound)
}

/// The position that a cursor names. A deletion that is not done in parts cannot be resumed.
fn resume(
    call: CursorScope,
    request: &proto::DeleteRelationshipsRequest,
    cursor: &proto::Cursor,
) -> Result<ReadPosition, Status> {
    if request.optional_limit == 0 {
        return Err(status::invalid_request("optional_cursor requires optional_limit to be set"));
    }
    if !request.optional_allow_partial_deletions {
        return Err(status::invalid_request(
            "optional_cursor requires optional_allow_partial_deletions to be true",
        ));
    }
    let resumed = call.position(cursor)?;
    cursor::position(&resumed.position)
}
