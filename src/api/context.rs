//! Context that all services of a server share.

use crate::api::convert::trace::TraceEncoder;
use crate::api::request_limits::RequestLimits;
use crate::api::token::ZedTokens;
use crate::api::workers::Workers;
use std::sync::Arc;
use std::time::Duration;

/// Context that all services of a server share.
#[derive(Clone, Debug)]
pub(crate) struct ServiceContext {
    pub(crate) workers: Arc<Workers>,
    pub(crate) tokens: ZedTokens,
    pub(crate) traces: TraceEncoder,
    pub(crate) limits: RequestLimits,
    pub(crate) streams: StreamTimeouts,
    /// How long the client of an import may send nothing.
    pub(crate) import_idle_max: Duration,
}

/// How long a stream waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamTimeouts {
    /// For one result.
    pub(crate) idle_max: Duration,
    /// For the client to receive results, in total. The revision of the stream is pinned against garbage collection
    /// meanwhile, however often the client receives one.
    pub(crate) client_max: Duration,
}
