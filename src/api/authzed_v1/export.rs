//! Whole stores, page by page.

use crate::api::context::ServiceContext;
use crate::api::convert;
use crate::api::cursor::{self, Call, Place};
use crate::api::result_stream::Sink;
use crate::api::status;
use crate::database::{Consistency, ReadPage, ReadPosition, View, ViewPin};
use crate::proto::authzed::api::v1 as proto;
use crate::proto::encode;
use crate::relationship::{RelationshipFilter, Revision};
use prost::Message as _;
use tonic::Status;

/// How many relationships are read at once, to begin with and at most.
const FIRST_READ_COUNT: usize = 100;
const READ_COUNT_MAX: usize = 2_000;
/// A message ends early when it has grown to so many bytes, for most clients take 4 MiB at most.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// An export that was asked for. What is wrong with it comes out after the moment has been looked at.
pub(crate) struct Export {
    call: Call,
    consistency: Consistency,
    /// From the first page on, so that the last one is still there when its turn comes.
    held: Option<ViewPin>,
    wanted: Result<Wanted, Status>,
}

/// What an export wants.
struct Wanted {
    filter: Option<RelationshipFilter>,
    count_max: usize,
    after: Option<ReadPosition>,
}

/// A part of an export, in the form of either service.
pub(crate) trait Part: Send + 'static {
    fn new(cursor: proto::Cursor, relationships: Vec<proto::Relationship>) -> Self;
}

impl Part for proto::ExportBulkRelationshipsResponse {
    fn new(cursor: proto::Cursor, relationships: Vec<proto::Relationship>) -> Self {
        Self { after_result_cursor: Some(cursor), relationships }
    }
}

impl Part for proto::BulkExportRelationshipsResponse {
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

/// One page, and what is wanted behind it.
struct Page {
    revision: Revision,
    /// What the next page reads.
    consistency: Consistency,
    held: ViewPin,
    relationships: Vec<proto::Relationship>,
    wanted: Wanted,
    /// Whether nothing follows.
    ended: bool,
}

impl Export {
    /// A cursor goes on wherever the relationships are the same: page size and consistency may be others.
    pub(crate) fn new(
        context: &ServiceContext,
        request: proto::ExportBulkRelationshipsRequest,
    ) -> Result<Self, Status> {
        let proto::ExportBulkRelationshipsRequest {
            consistency,
            optional_limit,
            optional_cursor,
            optional_relationship_filter: filter,
        } = request;
        let selected = filter.clone().unwrap_or_default();
        let call = Call::new(context.tokens, "ExportBulkRelationships", &selected);
        let mut consistency = context.tokens.consistency(consistency)?;
        let place = optional_cursor.map(|cursor| call.place(&cursor)).transpose();
        if let Ok(Some(Place { revision, .. })) = &place {
            consistency = consistency.exactly(*revision);
        }
        let wanted = place.and_then(|place| {
            let (filter, count_max) = convert::export(filter, optional_limit, context.limits)?;
            let after = place.map(|place| cursor::read_position(&place.position)).transpose()?;
            Ok(Wanted { filter, count_max, after })
        });
        Ok(Self { call, consistency, held: None, wanted })
    }

    /// Reads to the end and sends every page.
    pub(crate) async fn send<P: Part>(
        mut self,
        context: ServiceContext,
        sink: Sink<P>,
    ) -> Result<(), Status> {
        let call = self.call;
        loop {
            let Page { revision, consistency, held, relationships, wanted, ended } =
                sink.wait(self.next_part(&context)).await?;
            if let Some(last) = wanted.after.as_ref().filter(|_| !relationships.is_empty()) {
                let cursor = call.cursor(revision, &last.to_bytes());
                sink.send(P::new(cursor, relationships)).await?;
            }
            if ended {
                return Ok(());
            }
            self = Self { call, consistency, held: Some(held), wanted: Ok(wanted) };
        }
    }

    /// The next page that has relationships, or the last one. Between pages, others use the thread.
    async fn next_part(mut self, context: &ServiceContext) -> Result<Page, Status> {
        loop {
            let call = self.call;
            let page = self.page(context).await?;
            if page.ended || !page.relationships.is_empty() {
                return Ok(page);
            }
            let Page { consistency, held, wanted, .. } = page;
            self = Self { call, consistency, held: Some(held), wanted: Ok(wanted) };
        }
    }

    async fn page(self, context: &ServiceContext) -> Result<Page, Status> {
        let Self { consistency, held, wanted, .. } = self;
        context
            .workers
            .run(move |job| {
                let view = job.view(consistency)?;
                let held = held.unwrap_or_else(|| view.pin());
                let mut wanted = wanted?;
                let (relationships, ended) = wanted.take(&view, job.interrupted)?;
                let (revision, consistency) = (view.revision(), view.pinned());
                Ok(Page { revision, consistency, held, relationships, wanted, ended })
            })
            .await
    }
}

impl Wanted {
    /// The relationships of the next page, and whether nothing follows them.
    fn take(
        &mut self,
        view: &View<'_>,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<(Vec<proto::Relationship>, bool), Status> {
        let mut page = Vec::new();
        let mut left = PAGE_BYTES_MAX;
        while page.len() < self.count_max && left > 0 {
            // As many as will fit, going by the size of those before.
            let fitting = match page.len() {
                0 => FIRST_READ_COUNT,
                count => left.saturating_mul(count) / (PAGE_BYTES_MAX - left).max(1) + 1,
            };
            let count_max = fitting.min(READ_COUNT_MAX).min(self.count_max - page.len());
            let ReadPage { rows, next } = view
                .export(self.filter.as_ref(), self.after.as_ref(), count_max, interrupted)
                .map_err(status::of_database)?;
            let is_empty = rows.is_empty();
            for (relationship, position) in rows {
                if left == 0 {
                    // The rest comes with the next page.
                    return Ok((page, false));
                }
                let message = encode::relationship(&relationship);
                left = left.saturating_sub(message.encoded_len());
                page.push(message);
                self.after = Some(position);
            }
            match next {
                None => return Ok((page, true)),
                Some(next) => self.after = Some(next),
            }
            if is_empty {
                break;
            }
        }
        Ok((page, false))
    }
}
