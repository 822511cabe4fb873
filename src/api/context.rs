//! Context that all services of a server share.

use crate::api::caller_slots::CallerSlots;
use crate::api::convert::trace::TraceEncoder;
use crate::api::request_limits::RequestLimits;
use crate::api::token::ZedTokens;
use crate::api::workers::Workers;
use crate::database::Proposal;
use crate::metrics::CallMetrics;
use crate::proto::authzed::api::v1::ZedToken;
use std::sync::Arc;
use std::time::Duration;
use tonic::Status;

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
    /// The open imports.
    pub(crate) imports: Arc<CallerSlots>,
    pub(crate) metrics: Arc<CallMetrics>,
}

impl ServiceContext {
    /// Makes a write. Returns the token of the revision that it created, with what it changed. `bytes` is the size of
    /// the request and `writer` the name of the caller; see [`Workers::write`].
    pub(crate) async fn write<P: Proposal>(
        &self,
        bytes: usize,
        proposal: P,
        writer: Option<Arc<str>>,
    ) -> Result<(ZedToken, P::Output), Status> {
        let (revision, output) = self.workers.write(bytes, proposal, writer).await?;
        Ok((self.tokens.token(revision), output))
    }
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
