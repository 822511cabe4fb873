//! `LookupResources`, and `LookupResourcesWithin` of `kilwa.v1`: resources on which a subject has a permission.

use crate::api::call_access::CallAccess;
use crate::api::context::ServiceContext;
use crate::api::convert::{self, LookupResourcesArguments};
use crate::api::cursor::{self, CursorScope};
use crate::api::middleware::operations::Operations;
use crate::api::paging::{PageReader, PageSource, PagedRead, RemainingResults, ResultPage};
use crate::api::status;
use crate::database::ActiveLookup;
use crate::engine::{FoundResource, LookupResourcesQuery, Statistics};
use crate::metrics::CallMetrics;
use crate::proto::authzed::api::v1::{
    LookupPermissionship, LookupResourcesRequest, LookupResourcesResponse, PartialCaveatInfo,
};
use crate::proto::kilwa::v1::LookupResourcesWithinRequest;
use crate::relationship::RelationshipScope;
use std::sync::Arc;
use tonic::Status;

/// Results that are found at once.
const PAGE_COUNT_MAX: usize = 500;

/// Resources after an id.
pub(crate) struct LookupResourcesSource {
    arguments: LookupResourcesArguments,
    /// Resources outside of it are left out.
    within: Option<Arc<RelationshipScope>>,
    remaining: RemainingResults,
    after: Option<String>,
    operations: Operations,
    metrics: Arc<CallMetrics>,
    /// The lookup under evaluation, from the first page on.
    active: Option<Box<ActiveLookup>>,
}

pub(crate) fn lookup_resources(
    context: &ServiceContext,
    access: &CallAccess,
    operations: Operations,
    mut request: LookupResourcesRequest,
) -> Result<PagedRead<LookupResourcesSource>, Status> {
    let cursor = request.optional_cursor.take();
    let scope = CursorScope::new(context.tokens, "LookupResources", &request);
    let consistency = context.tokens.consistency(request.consistency.take())?;
    let (limits, metrics) = (context.limits, Arc::clone(&context.metrics));
    Ok(PagedRead::new(scope, consistency, cursor.as_ref(), |position| {
        let after = position.map(last_id).transpose()?;
        let (arguments, limit) = convert::lookup_resources(request, limits)?;
        LookupResourcesSource::new(arguments, limit, after, (operations, metrics), access)
    }))
}

pub(crate) fn lookup_resources_within(
    context: &ServiceContext,
    access: &CallAccess,
    operations: Operations,
    mut request: LookupResourcesWithinRequest,
) -> Result<PagedRead<LookupResourcesSource>, Status> {
    let cursor = request.lookup.as_mut().and_then(|lookup| lookup.optional_cursor.take());
    let scope = CursorScope::new(context.tokens, "LookupResourcesWithin", &request);
    let consistency = request.lookup.as_mut().and_then(|lookup| lookup.consistency.take());
    let consistency = context.tokens.consistency(consistency)?;
    let (limits, metrics) = (context.limits, Arc::clone(&context.metrics));
    Ok(PagedRead::new(scope, consistency, cursor.as_ref(), |position| {
        let after = position.map(last_id).transpose()?;
        let LookupResourcesWithinRequest { lookup, resource_ids, resource_id_prefix } = request;
        let (arguments, limit) =
            convert::lookup_resources_within(lookup, resource_ids, resource_id_prefix, limits)?;
        LookupResourcesSource::new(arguments, limit, after, (operations, metrics), access)
    }))
}

impl LookupResourcesSource {
    fn new(
        mut arguments: LookupResourcesArguments,
        limit: Option<u32>,
        after: Option<String>,
        (operations, metrics): (Operations, Arc<CallMetrics>),
        access: &CallAccess,
    ) -> Result<Self, Status> {
        arguments.restrict(access)?;
        let (within, remaining) = (access.scope(), RemainingResults::new(limit));
        Ok(Self { arguments, within, remaining, after, operations, metrics, active: None })
    }

    /// Leaves out the resources that the caller may not see.
    fn retain_inside(&self, found: &mut Vec<FoundResource>) {
        let Some(scope) = &self.within else { return };
        let LookupResourcesQuery { resource_type, permission, subject, .. } =
            self.arguments.query();
        let subject = (subject.object_type(), subject.object_id());
        found.retain(|found| {
            scope.covers_pair((resource_type, &found.object_id, permission), subject)
        });
    }

    fn count(&self, cost: &Statistics) {
        self.operations.add(cost);
        self.metrics.evaluations().record_cache(cost);
    }
}

impl PageSource for LookupResourcesSource {
    type Message = LookupResourcesResponse;

    const QUEUED_MAX: u32 = 256;

    fn read_page(
        &mut self,
        reader: &PageReader<'_, '_>,
    ) -> Result<ResultPage<Self::Message>, Status> {
        let view = reader.view;
        let query = self.arguments.query();
        let mut lookup = if let Some(lookup) = self.active.take() {
            lookup
        } else {
            let (after, with_debug) = (self.after.as_deref(), self.arguments.with_debug);
            let (lookup, cost) =
                view.start_lookup(&query, after, with_debug).map_err(status::from_database)?;
            self.count(&cost);
            Box::new(lookup)
        };

        let count_max = self.remaining.page_size(PAGE_COUNT_MAX);
        let mut page =
            view.continue_lookup(&mut lookup, &query, count_max).map_err(status::from_database)?;
        self.count(&page.statistics);
        self.retain_inside(&mut page.found);
        self.remaining.subtract(page.found.len());

        let is_last = page.ended || self.remaining.is_exhausted();
        if !is_last {
            self.active = Some(lookup);
        } else if !page.ended
            && let Some(last) = page.found.last()
        {
            // The limit is reached: the call with the last cursor resumes here.
            view.park_lookup(*lookup, &query, &last.object_id);
        }

        let message = |found: FoundResource| LookupResourcesResponse {
            looked_up_at: Some(reader.read_at.clone()),
            after_result_cursor: Some(reader.cursor(found.object_id.as_bytes())),
            ..response(found)
        };
        let messages = page.found.into_iter().map(message).collect();
        Ok(ResultPage { messages, is_last })
    }
}

fn response(found: FoundResource) -> LookupResourcesResponse {
    let missing: Vec<String> = found.missing.into_iter().collect();
    let permissionship = if missing.is_empty() {
        LookupPermissionship::HasPermission
    } else {
        LookupPermissionship::ConditionalPermission
    };
    LookupResourcesResponse {
        resource_object_id: found.object_id,
        permissionship: permissionship.into(),
        partial_caveat_info: (!missing.is_empty())
            .then_some(PartialCaveatInfo { missing_required_context: missing }),
        ..LookupResourcesResponse::default()
    }
}

/// The id of the last result, from its cursor.
fn last_id(position: Vec<u8>) -> Result<String, Status> {
    String::from_utf8(position).map_err(|_| cursor::no_position())
}
