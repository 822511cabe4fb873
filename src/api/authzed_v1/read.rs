//! Relationships, page by page.

use crate::api::context::ServiceContext;
use crate::api::convert;
use crate::api::cursor::{self, Call, Place};
use crate::api::result_stream::Sink;
use crate::api::status;
use crate::database::{Consistency, ReadPage, ReadPosition, ViewPin};
use crate::proto::authzed::api::v1::{ReadRelationshipsRequest, ReadRelationshipsResponse};
use crate::proto::encode;
use crate::relationship::RelationshipFilter;
use std::sync::Arc;
use tonic::Status;

/// How many relationships are read at once: few for the first result to come soon, then more, because each page has to find
/// its place in every relation.
const FIRST_PAGE_COUNT: usize = 200;
const PAGE_COUNT_MAX: usize = 1_000;

/// A read that was asked for. What is wrong with it comes out after the moment has been looked at.
pub(crate) struct Read {
    call: Call,
    consistency: Consistency,
    /// From the first page on, so that the last one is still there when its turn comes.
    held: Option<ViewPin>,
    wanted: Result<Wanted, Status>,
}

/// What a read wants.
struct Wanted {
    filter: Arc<RelationshipFilter>,
    left: Option<usize>,
    after: Option<ReadPosition>,
}

/// One page, and where it ended.
struct Page {
    /// What the next page reads.
    consistency: Consistency,
    held: ViewPin,
    results: Vec<ReadRelationshipsResponse>,
    next: Option<Wanted>,
}

impl Read {
    pub(crate) fn new(
        context: &ServiceContext,
        mut request: ReadRelationshipsRequest,
    ) -> Result<Self, Status> {
        let cursor = request.optional_cursor.take();
        let call = Call::new(context.tokens, "ReadRelationships", &request);
        let mut consistency = context.tokens.consistency(request.consistency.take())?;
        let place = cursor.map(|cursor| call.place(&cursor)).transpose();
        if let Ok(Some(Place { revision, .. })) = &place {
            consistency = consistency.exactly(*revision);
        }
        let wanted = place.and_then(|place| {
            let after = place.map(|place| cursor::read_position(&place.position)).transpose()?;
            Ok(Wanted { after, ..Self::wanted(context, request)? })
        });
        Ok(Self { call, consistency, held: None, wanted })
    }

    fn wanted(
        context: &ServiceContext,
        request: ReadRelationshipsRequest,
    ) -> Result<Wanted, Status> {
        let ReadRelationshipsRequest { relationship_filter, optional_limit, .. } = request;
        let (filter, limit) =
            convert::read_filter(relationship_filter, optional_limit, context.limits)?;
        let left = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(Wanted { filter: Arc::new(filter), left, after: None })
    }

    /// Reads to the end and sends every relationship.
    pub(crate) async fn send(
        self,
        context: ServiceContext,
        sink: Sink<ReadRelationshipsResponse>,
    ) -> Result<(), Status> {
        let mut next = Some(self);
        while let Some(read) = next.take() {
            let call = read.call;
            let page = sink.wait(read.next_results(&context)).await?;
            for result in page.results {
                sink.send(result).await?;
            }
            let (consistency, held) = (page.consistency, Some(page.held));
            next = page.next.map(|wanted| Self { call, consistency, held, wanted: Ok(wanted) });
        }
        Ok(())
    }

    /// The next page that has results, or the last one. Between pages, others use the thread.
    async fn next_results(mut self, context: &ServiceContext) -> Result<Page, Status> {
        loop {
            let call = self.call;
            let Page { consistency, held, results, next } = self.page(context).await?;
            match next {
                Some(wanted) if results.is_empty() => {
                    self = Self { call, consistency, held: Some(held), wanted: Ok(wanted) };
                }
                next => return Ok(Page { consistency, held, results, next }),
            }
        }
    }

    async fn page(self, context: &ServiceContext) -> Result<Page, Status> {
        let Self { call, consistency, held, wanted } = self;
        let tokens = context.tokens;
        context
            .workers
            .run(move |job| {
                let view = job.view(consistency)?;
                let held = held.unwrap_or_else(|| view.pin());
                let wanted = wanted?;
                let revision = view.revision();
                let page_max = match wanted.after {
                    None => FIRST_PAGE_COUNT,
                    Some(_) => PAGE_COUNT_MAX,
                };
                let count_max = wanted.left.unwrap_or(usize::MAX).min(page_max);
                let ReadPage { rows, next } = view
                    .read(&wanted.filter, wanted.after.as_ref(), count_max, job.interrupted)
                    .map_err(status::of_database)?;
                let next = wanted.after_rows(rows.len(), next);
                let result =
                    |(relationship, position): &(_, ReadPosition)| ReadRelationshipsResponse {
                        read_at: Some(tokens.token(revision)),
                        relationship: Some(encode::relationship(relationship)),
                        after_result_cursor: Some(call.cursor(revision, &position.to_bytes())),
                    };
                let results = rows.iter().map(result).collect();
                Ok(Page { consistency: view.pinned(), held, results, next })
            })
            .await
    }
}

impl Wanted {
    /// What is still wanted after so many relationships, when more may follow behind `next`.
    fn after_rows(self, count: usize, next: Option<ReadPosition>) -> Option<Self> {
        let left = self.left.map(|left| left.saturating_sub(count));
        let after = Some(next?);
        (left != Some(0)).then_some(Self { left, after, ..self })
    }
}
