//! `ExportBulkRelationships`: whole stores, in large messages.

use crate::api::call_access::CallAccess;
use crate::api::context::ServiceContext;
use crate::api::cursor::{self, CursorScope};
use crate::api::paging::{PageReader, PageSource, PagedRead, ResultPage};
use crate::api::{convert, status};
use crate::database::{ReadPage, ReadPosition};
use crate::proto::authzed::api::v1 as proto;
use crate::proto::encode;
use crate::relationship::{RelationshipFilter, RelationshipScope};
use prost::Message as _;
use std::marker::PhantomData;
use std::sync::Arc;
use tonic::Status;

/// Relationships that are read at once, at first and at most.
const FIRST_READ_COUNT: usize = 100;
const READ_COUNT_MAX: usize = 2_000;
/// Size in bytes from which a message is complete: most clients receive at most 4 MiB.
const MESSAGE_BYTES: usize = 1 << 20;

/// All relationships, or those that match a filter, after a position. `M` is the message of either service.
pub(crate) struct ExportSource<M> {
    filter: Option<RelationshipFilter>,
    /// Relationships outside of it are left out.
    within: Option<Arc<RelationshipScope>>,
    count_max: usize,
    /// How far it has read.
    after: Option<ReadPosition>,
    /// The position of the last relationship that was sent. What was left out since must not be in a cursor.
    sent: Option<ReadPosition>,
    message: PhantomData<fn() -> M>,
}

/// A message of an export.
pub(crate) trait ExportMessage: Send + Unpin + 'static {
    fn new(cursor: proto::Cursor, relationships: Vec<proto::Relationship>) -> Self;
}

impl ExportMessage for proto::ExportBulkRelationshipsResponse {
    fn new(cursor: proto::Cursor, relationships: Vec<proto::Relationship>) -> Self {
        Self { after_result_cursor: Some(cursor), relationships }
    }
}

impl ExportMessage for proto::BulkExportRelationshipsResponse {
    fn new(cursor: proto::Cursor, relationships: Vec<proto::Relationship>) -> Self {
        Self { after_result_cursor: Some(cursor), relationships }
    }
}

impl From<proto::BulkExportRelationshipsRequest> for proto::ExportBulkRelationshipsRequest {
    fn from(request: proto::BulkExportRelationshipsRequest) -> Self {
        Self {
            consistency: request.consistency,
            optional_limit: request.optional_limit,
            optional_cursor: request.optional_cursor,
            optional_relationship_filter: request.optional_relationship_filter,
        }
    }
}

/// A cursor belongs to the filter alone: page size and consistency may differ from call to call.
pub(crate) fn export<M: ExportMessage>(
    context: &ServiceContext,
    access: &CallAccess,
    request: proto::ExportBulkRelationshipsRequest,
) -> Result<PagedRead<ExportSource<M>>, Status> {
    let proto::ExportBulkRelationshipsRequest {
        consistency,
        optional_limit,
        optional_cursor,
        optional_relationship_filter: filter,
    } = request;
    let selected = filter.clone().unwrap_or_default();
    let scope = CursorScope::new(context.tokens, "ExportBulkRelationships", &selected);
    let consistency = context.tokens.consistency(consistency)?;
    let limits = context.limits;
    Ok(PagedRead::new(scope, consistency, optional_cursor.as_ref(), |position| {
        let (filter, count_max) = convert::export(filter, optional_limit, limits)?;
        let after = position.map(|position| cursor::read_position(&position)).transpose()?;
        let filter = filter.map(|filter| access.narrow(filter)).transpose()?;
        let (within, sent) = (access.scope(), None);
        Ok(ExportSource { filter, within, count_max, after, sent, message: PhantomData })
    }))
}

impl<M: ExportMessage> PageSource for ExportSource<M> {
    type Message = M;

    const QUEUED_MAX: u32 = 2;

    fn read_page(
        &mut self,
        reader: &PageReader<'_, '_>,
    ) -> Result<ResultPage<Self::Message>, Status> {
        let (relationships, is_last) = self.read_message(reader)?;
        let last = self.sent.as_ref().filter(|_| !relationships.is_empty());
        let message = last.map(|last| M::new(reader.cursor(&last.to_bytes()), relationships));
        Ok(ResultPage { messages: message.into_iter().collect(), is_last })
    }
}

impl<M> ExportSource<M> {
    /// The relationships of the next message, and whether none follow.
    fn read_message(
        &mut self,
        reader: &PageReader<'_, '_>,
    ) -> Result<(Vec<proto::Relationship>, bool), Status> {
        let mut message = Vec::new();
        let mut bytes_left = MESSAGE_BYTES;
        while message.len() < self.count_max && bytes_left > 0 {
            // As many as will fit, estimated by the size of those before.
            let fitting = match message.len() {
                0 => FIRST_READ_COUNT,
                count => bytes_left.saturating_mul(count) / (MESSAGE_BYTES - bytes_left).max(1) + 1,
            };
            let count_max = fitting.min(READ_COUNT_MAX).min(self.count_max - message.len());
            let (filter, after) = (self.filter.as_ref(), self.after.as_ref());
            let ReadPage { rows, next } =
                reader.view.export(filter, after, count_max).map_err(status::from_database)?;

            let found = message.len();
            for (relationship, position) in rows {
                if self.within.as_ref().is_some_and(|scope| !scope.covers(&relationship)) {
                    self.after = Some(position);
                    continue;
                }
                if bytes_left == 0 {
                    // The next message starts with the rest.
                    return Ok((message, false));
                }
                let relationship = encode::relationship(&relationship);
                bytes_left = bytes_left.saturating_sub(relationship.encoded_len());
                message.push(relationship);
                self.sent = Some(position.clone());
                self.after = Some(position);
            }

            match next {
                None => return Ok((message, true)),
                Some(next) => self.after = Some(next),
            }
            // Gives the worker thread to others before the next rows are looked at.
            if message.len() == found {
                break;
            }
        }
        Ok((message, false))
    }
}
