//! Cost of a response, in the trailers that SpiceDB has for it.

use crate::engine::Statistics;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tonic::codegen::http::header::{HeaderMap, HeaderName, HeaderValue};

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
    reads: AtomicU64,
    depth: AtomicU64,
}

/// The work that was done for a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallWork {
    /// Relations and permissions that were visited.
    pub(crate) visits: u64,
    /// Intermediate results that were taken from the cache.
    pub(crate) cached: u64,
    /// Reads of relationships.
    pub(crate) reads: u64,
    /// The longest path.
    pub(crate) depth: u64,
}

impl Operations {
    /// The work of these queries.
    pub(crate) fn of(statistics: &[Statistics]) -> Self {
        let operations = Self::default();
        for work in statistics {
            operations.add(work);
        }
        operations
    }

    /// Adds the work of a query.
    pub(crate) fn add(&self, work: &Statistics) {
        self.0.dispatched.fetch_add(work.visits, Ordering::Relaxed);
        self.0.cached.fetch_add(work.cache_hits, Ordering::Relaxed);
        self.0.reads.fetch_add(work.reads, Ordering::Relaxed);
        self.0.depth.fetch_max(work.depth, Ordering::Relaxed);
    }

    /// The work so far.
    pub(super) fn work(&self) -> CallWork {
        let OperationCounts { dispatched, cached, reads, depth } = &*self.0;
        let [visits, cached, reads, depth] =
            [dispatched, cached, reads, depth].map(|count| count.load(Ordering::Relaxed));
        CallWork { visits, cached, reads, depth }
    }

    /// A response whose trailers carry these counts, as they are when it ends.
    pub(crate) fn respond<M>(self, message: M) -> tonic::Response<M> {
        let mut response = tonic::Response::new(message);
        response.extensions_mut().insert(self);
        response
    }

    /// Inserts the counts as they are now; zeros without any.
    pub(super) fn insert_into(counts: Option<&Self>, trailers: &mut HeaderMap) {
        let CallWork { visits, cached, .. } = counts.map(Self::work).unwrap_or_default();
        trailers.insert(DISPATCHED, number(visits));
        trailers.insert(CACHED, number(cached));
    }
}

/// A number as the value of a header. The usual ones take no memory.
fn number(number: u64) -> HeaderValue {
    match number {
        0 => HeaderValue::from_static("0"),
        1 => HeaderValue::from_static("1"),
        _ => number.into(),
    }
}
