//! `authzed.api.v1.WatchService` and `kilwa.v1.WatchService`.

use crate::api::bounded_stream::BoundedStream;
use crate::api::call_access::CallAccess;
use crate::api::caller_slots::{CallerSlot, CallerSlots};
use crate::api::context::ServiceContext;
use crate::api::convert;
use crate::api::status;
use crate::api::watch::feed::Feed;
use crate::api::watch::send_queue::{WatchOptions, watch_stream};
use crate::api::watch::session::{WatchEvent, WatchSession};
use crate::metrics::ReachedLimit;
use crate::proto::authzed::api::v1 as proto;
use crate::proto::authzed::api::v1::watch_service_server::WatchService;
use crate::proto::kilwa::v1 as own;
use crate::proto::kilwa::v1::watch_service_server::WatchService as OwnWatchService;
use prost_types::Struct;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The changes.
#[derive(Clone, Debug)]
pub(crate) struct WatchServices {
    context: ServiceContext,
    options: WatchOptions,
    /// The open watches.
    open: Arc<CallerSlots>,
    /// For watchers that do not want expirations.
    changes: Arc<Feed>,
    /// For those that do.
    changes_and_expirations: Arc<Feed>,
}

/// How many changes are read at once, and so come at most in one response.
const PAGE_COUNT_MAX: u32 = 1000;

impl WatchServices {
    pub(crate) fn new(context: ServiceContext, options: WatchOptions) -> Self {
        let count_max = options.buffer_length.clamp(1, PAGE_COUNT_MAX);
        let feed = || Feed::new(usize::try_from(count_max).unwrap_or(1));
        let open = CallerSlots::new(context.limits.watches_per_key_max);
        Self { context, options, open, changes: feed(), changes_and_expirations: feed() }
    }

    /// A slot for a watch of the caller of a request.
    fn slot<T>(&self, request: &Request<T>) -> Result<CallerSlot, Status> {
        self.open.take(request).ok_or_else(|| {
            self.context.metrics.limits().record(ReachedLimit::Watches);
            status::too_many_watches_of_key(self.open.max())
        })
    }

    /// Answers when it is sure from where on it follows, so that nothing written after that is missed.
    async fn follow<T: From<WatchEvent> + Send + 'static>(
        &self,
        request: proto::WatchRequest,
        (access, slot): (&CallAccess, CallerSlot),
        expirations: bool,
    ) -> Result<Response<BoundedStream<T>>, Status> {
        let (wanted, start) = convert::watch(request, access)?;
        let start = start.map(|token| self.context.tokens.start(&token)).transpose()?;
        let context = self.context.clone();
        let feed = if expirations { &self.changes_and_expirations } else { &self.changes };
        let (feed, wanted) = (Arc::clone(feed), (wanted, expirations));
        let watch = WatchSession::start(context, self.options, feed, wanted, start).await?;
        let metrics = Arc::clone(&self.context.metrics);
        Ok(Response::new(watch_stream((self.options, metrics), |queue| async move {
            let _slot = slot;
            watch.send(queue).await
        })))
    }
}

#[tonic::async_trait]
impl WatchService for WatchServices {
    type WatchStream = BoundedStream<proto::WatchResponse>;

    async fn watch(
        &self,
        request: Request<proto::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (access, slot) = (CallAccess::of(&request), self.slot(&request)?);
        self.follow(request.into_inner(), (&access, slot), false).await
    }
}

#[tonic::async_trait]
impl OwnWatchService for WatchServices {
    type WatchStream = BoundedStream<own::WatchResponse>;

    async fn watch(
        &self,
        request: Request<own::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (access, slot) = (CallAccess::of(&request), self.slot(&request)?);
        let request = request.into_inner();
        let shared = proto::WatchRequest {
            optional_object_types: request.optional_object_types,
            optional_start_cursor: request.optional_start_cursor,
            optional_relationship_filters: request.optional_relationship_filters,
            optional_update_kinds: request.optional_update_kinds,
        };
        self.follow(shared, (&access, slot), request.include_expirations).await
    }
}

impl From<WatchEvent> for proto::WatchResponse {
    fn from(event: WatchEvent) -> Self {
        let WatchEvent { updates, through, metadata, schema_updated, is_checkpoint, .. } = event;
        Self {
            updates: updates.into_iter().filter_map(|update| update.update).collect(),
            changes_through: Some(through),
            optional_transaction_metadata: metadata.clone(),
            schema_updated,
            is_checkpoint,
            full_revision_metadata: all(metadata),
        }
    }
}

impl From<WatchEvent> for own::WatchResponse {
    fn from(event: WatchEvent) -> Self {
        let WatchEvent { updates, through, metadata, schema_updated, is_checkpoint, .. } = event;
        Self {
            written_by: event.writer.as_deref().unwrap_or_default().to_owned(),
            updates,
            changes_through: Some(through),
            optional_transaction_metadata: metadata.clone(),
            schema_updated,
            is_checkpoint,
            full_revision_metadata: all(metadata),
        }
    }
}

/// Everything that was said about a revision: one transaction made it.
fn all(metadata: Option<Struct>) -> Vec<Struct> {
    metadata.into_iter().collect()
}
