//! Lookups of resources, page by page.

use crate::api::context::ServiceContext;
use crate::api::convert::{self, SoughtResources};
use crate::api::cursor::{self, Call, Place};
use crate::api::middleware::layer::Operations;
use crate::api::result_stream::Sink;
use crate::api::status;
use crate::database::{ActiveLookup, Consistency, ViewPin};
use crate::engine::{FoundResource, Statistics};
use crate::proto::authzed::api::v1::{
    LookupPermissionship, LookupResourcesRequest, LookupResourcesResponse, PartialCaveatInfo,
};
use crate::proto::kilwa::v1::LookupResourcesWithinRequest;
use crate::relationship::ReadPoint;
use std::sync::Arc;
use tonic::Status;

/// How many results are found at once.
const PAGE_COUNT_MAX: usize = 500;

/// A lookup that was asked for. What is wrong with it comes out after the moment has been looked at.
pub(crate) struct LookupResources {
    call: Call,
    operations: Operations,
    wanted: Result<Wanted, Status>,
    stage: Stage,
}

/// What a lookup wants.
struct Wanted {
    sought: Arc<SoughtResources>,
    left: Option<usize>,
    /// The last id that the client has.
    after: Option<String>,
}

/// How far it has come.
enum Stage {
    Asked(Consistency),
    Under(Box<Way>),
}

/// A lookup under way.
struct Way {
    /// For the whole stream, so that nothing expires in the middle of it.
    point: ReadPoint,
    /// So that it can still be read when the last page's turn comes.
    _held: ViewPin,
    lookup: ActiveLookup,
}

/// One page, and where it ended.
struct Page {
    results: Vec<LookupResourcesResponse>,
    next: Option<LookupResources>,
}

impl LookupResources {
    pub(crate) fn new(
        context: &ServiceContext,
        operations: Operations,
        mut request: LookupResourcesRequest,
    ) -> Result<Self, Status> {
        let cursor = request.optional_cursor.take();
        let call = Call::new(context.tokens, "LookupResources", &request);
        let consistency = context.tokens.consistency(request.consistency.take())?;
        let place = cursor.map(|cursor| call.place(&cursor)).transpose();
        let read = || convert::lookup_resources(request, context.limits);
        Ok(Self::at(call, operations, consistency, place, read))
    }

    pub(crate) fn within(
        context: &ServiceContext,
        operations: Operations,
        mut request: LookupResourcesWithinRequest,
    ) -> Result<Self, Status> {
        let cursor = request.lookup.as_mut().and_then(|lookup| lookup.optional_cursor.take());
        let call = Call::new(context.tokens, "LookupResourcesWithin", &request);
        let consistency = request.lookup.as_mut().and_then(|lookup| lookup.consistency.take());
        let consistency = context.tokens.consistency(consistency)?;
        let place = cursor.map(|cursor| call.place(&cursor)).transpose();
        let LookupResourcesWithinRequest { lookup, resource_ids, resource_id_prefix } = request;
        let read = || {
            let (ids, prefix) = (resource_ids, resource_id_prefix);
            convert::lookup_resources_within(lookup, ids, prefix, context.limits)
        };
        Ok(Self::at(call, operations, consistency, place, read))
    }

    fn at(
        call: Call,
        operations: Operations,
        consistency: Consistency,
        place: Result<Option<Place>, Status>,
        read: impl FnOnce() -> Result<(SoughtResources, Option<u32>), Status>,
    ) -> Self {
        let consistency = match &place {
            Ok(Some(Place { revision, .. })) => consistency.exactly(*revision),
            Ok(None) | Err(_) => consistency,
        };
        let wanted = place.and_then(|place| {
            let after = place.map(|place| last_id(place.position)).transpose()?;
            let (sought, limit) = read()?;
            let left = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(Wanted { sought: Arc::new(sought), left, after })
        });
        Self { call, operations, wanted, stage: Stage::Asked(consistency) }
    }

    /// Looks to the end and sends every result.
    pub(crate) async fn send(
        self,
        context: ServiceContext,
        sink: Sink<LookupResourcesResponse>,
    ) -> Result<(), Status> {
        let mut next = Some(self);
        while let Some(lookup) = next.take() {
            let page = sink.wait(lookup.page(&context)).await?;
            for result in page.results {
                sink.send(result).await?;
            }
            next = page.next;
        }
        Ok(())
    }

    async fn page(self, context: &ServiceContext) -> Result<Page, Status> {
        let tokens = context.tokens;
        context
            .workers
            .run(move |job| {
                let Self { call, operations, wanted, stage } = self;
                let view = job.view(stage.consistency())?;
                let mut wanted = wanted?;
                let sought = wanted.sought.sought();
                let revision = view.revision();
                let mut way = match stage {
                    Stage::Under(way) => way,
                    Stage::Asked(_) => {
                        let held = view.pin();
                        let (lookup, cost) = view
                            .start_lookup(
                                &sought,
                                wanted.after.as_deref(),
                                wanted.sought.with_debug,
                                job.interrupted,
                            )
                            .map_err(status::of_database)?;
                        add(&operations, &cost);
                        Box::new(Way { point: view.point(), _held: held, lookup })
                    }
                };
                let count_max = wanted.left.unwrap_or(usize::MAX).min(PAGE_COUNT_MAX);
                let page = view
                    .continue_lookup(&mut way.lookup, &sought, count_max, job.interrupted)
                    .map_err(status::of_database)?;
                add(&operations, &page.statistics);
                let token = tokens.token(revision);
                let results = page.found.iter().map(|found| LookupResourcesResponse {
                    looked_up_at: Some(token.clone()),
                    after_result_cursor: Some(call.cursor(revision, found.object_id.as_bytes())),
                    ..response(found)
                });
                let results: Vec<_> = results.collect();
                wanted.left = wanted.left.map(|left| left.saturating_sub(results.len()));
                if page.ended {
                    return Ok(Page { results, next: None });
                }
                if wanted.left == Some(0) {
                    if let Some(last) = page.found.last() {
                        view.park_lookup(way.lookup, &sought, &last.object_id);
                    }
                    return Ok(Page { results, next: None });
                }
                let stage = Stage::Under(way);
                Ok(Page {
                    results,
                    next: Some(Self { call, operations, wanted: Ok(wanted), stage }),
                })
            })
            .await
    }
}

impl Stage {
    /// What the next page reads.
    fn consistency(&self) -> Consistency {
        match self {
            Self::Asked(consistency) => *consistency,
            Self::Under(way) => Consistency::AsOf(way.point),
        }
    }
}

fn add(operations: &Operations, cost: &Statistics) {
    operations.add(cost.visits, cost.cache_hits);
}

fn response(found: &FoundResource) -> LookupResourcesResponse {
    let missing: Vec<String> = found.missing.iter().cloned().collect();
    let permissionship = if missing.is_empty() {
        LookupPermissionship::HasPermission
    } else {
        LookupPermissionship::ConditionalPermission
    };
    LookupResourcesResponse {
        resource_object_id: found.object_id.clone(),
        permissionship: permissionship.into(),
        partial_caveat_info: (!missing.is_empty())
            .then_some(PartialCaveatInfo { missing_required_context: missing }),
        ..LookupResourcesResponse::default()
    }
}

fn last_id(position: Vec<u8>) -> Result<String, Status> {
    String::from_utf8(position)
        .map_err(|_| cursor::invalid("error decoding cursor: it names no place in these results"))
}
