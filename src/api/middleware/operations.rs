//! Cost of a response, in the trailers that SpiceDB has for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tonic::codegen::http::header::{HeaderMap, HeaderName};

const DISPATCHED: HeaderName =
    HeaderName::from_static("io.spicedb.respmeta.dispatchedoperationscount");
const CACHED: HeaderName = HeaderName::from_static("io.spicedb.respmeta.cachedoperationscount");

/// Cost of a response; handlers put it into their response's extensions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operations(Arc<OperationCounts>);

#[derive(Debug, Default)]
struct OperationCounts {
    dispatched: AtomicU64,
    cached: AtomicU64,
}

impl Operations {
    /// Adds checks that were evaluated, and checks that were answered from the cache.
    pub(crate) fn add(&self, dispatched: u64, cached: u64) {
        self.0.dispatched.fetch_add(dispatched, Ordering::Relaxed);
        self.0.cached.fetch_add(cached, Ordering::Relaxed);
    }

    /// A response whose trailers carry these counts, as they are when it ends.
    pub(crate) fn respond<M>(self, message: M) -> tonic::Response<M> {
        let mut response = tonic::Response::new(message);
        response.extensions_mut().insert(self);
        response
    }

    /// Inserts the counts as they are now.
    pub(super) fn insert_into(&self, trailers: &mut HeaderMap) {
        trailers.insert(DISPATCHED, self.0.dispatched.load(Ordering::Relaxed).into());
        trailers.insert(CACHED, self.0.cached.load(Ordering::Relaxed).into());
    }
}
