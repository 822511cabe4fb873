//! What all services of a server share.

use crate::api::convert::trace::TraceEncoder;
use crate::api::request_limits::RequestLimits;
use crate::api::result_stream::Patience;
use crate::api::token::Tokens;
use crate::api::workers::Workers;
use std::sync::Arc;
use std::time::Duration;

/// What all services of a server share.
#[derive(Clone, Debug)]
pub(crate) struct ServiceContext {
    pub(crate) workers: Arc<Workers>,
    pub(crate) tokens: Tokens,
    pub(crate) traces: TraceEncoder,
    pub(crate) limits: RequestLimits,
    pub(crate) streams: Patience,
    /// How long the client of an import may send nothing.
    pub(crate) import_idle_max: Duration,
}
