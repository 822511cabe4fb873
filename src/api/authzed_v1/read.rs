//! `ReadRelationships`: relationships by filter.

use crate::api::call_access::CallAccess;
use crate::api::context::ServiceContext;
use crate::api::cursor::{self, CursorScope};
use crate::api::paging::{PageReader, PageSource, PagedRead, RemainingResults, ResultPage};
use crate::api::{convert, status};
use crate::database::{ReadPage, ReadPosition};
use crate::proto::authzed::api::v1::{ReadRelationshipsRequest, ReadRelationshipsResponse};
use crate::proto::encode;
use crate::relationship::{RelationshipFilter, RelationshipScope};
use std::sync::Arc;
use tonic::Status;

/// Relationships in a page: few in the first, so that it comes soon; then more, because each page seeks in every relation.
const FIRST_PAGE_COUNT: usize = 200;
const PAGE_COUNT_MAX: usize = 1_000;

/// Relationships that match a filter, after a position.
pub(crate) struct RelationshipReadSource {
    filter: RelationshipFilter,
    /// Relationships outside of it are left out.
    within: Option<Arc<RelationshipScope>>,
    remaining: RemainingResults,
    after: Option<ReadPosition>,
}

pub(crate) fn read(
    context: &ServiceContext,
    access: &CallAccess,
    mut request: ReadRelationshipsRequest,
) -> Result<PagedRead<RelationshipReadSource>, Status> {
    let cursor = request.optional_cursor.take();
    let scope = CursorScope::new(context.tokens, "ReadRelationships", &request);
    let consistency = context.tokens.consistency(request.consistency.take())?;
    let limits = context.limits;
    Ok(PagedRead::new(scope, consistency, cursor.as_ref(), |position| {
        let after = position.map(|position| cursor::read_position(&position)).transpose()?;
        let ReadRelationshipsRequest { relationship_filter, optional_limit, .. } = request;
        let (filter, limit) = convert::read_filter(relationship_filter, optional_limit, limits)?;
        let (filter, within) = (access.narrow(filter)?, access.scope());
        let remaining = RemainingResults::new(limit);
        Ok(RelationshipReadSource { filter, within, remaining, after })
    }))
}

impl PageSource for RelationshipReadSource {
    type Message = ReadRelationshipsResponse;

    const QUEUED_MAX: u32 = 256;

    fn read_page(
        &mut self,
        reader: &PageReader<'_, '_>,
    ) -> Result<ResultPage<Self::Message>, Status> {
        let page_max = if self.after.is_none() { FIRST_PAGE_COUNT } else { PAGE_COUNT_MAX };
        // Rows that are left out do not count, so the pages of a caller with a part of the data are not as small as its limit.
        let count_max = match &self.within {
            Some(_) => page_max,
            None => self.remaining.page_size(page_max),
        };
        let ReadPage { mut rows, next } = reader
            .view
            .read(&self.filter, self.after.as_ref(), count_max)
            .map_err(status::from_database)?;

        if let Some(scope) = &self.within {
            // Before they are counted: what is left out must not use up the limit.
            rows.retain(|(relationship, _)| scope.covers(relationship));
            rows.truncate(self.remaining.page_size(rows.len()));
        }
        self.remaining.subtract(rows.len());
        let is_last = next.is_none() || self.remaining.is_exhausted();
        self.after = next;
        let message = |(relationship, position): &(_, ReadPosition)| ReadRelationshipsResponse {
            read_at: Some(reader.read_at.clone()),
            relationship: Some(encode::relationship(relationship)),
            after_result_cursor: Some(reader.cursor(&position.to_bytes())),
        };
        Ok(ResultPage { messages: rows.iter().map(message).collect(), is_last })
    }
}
