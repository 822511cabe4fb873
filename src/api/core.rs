//! What all services of a server share.

use super::debug::Teller;
use super::from_proto::RequestLimits;
use super::stream::Patience;
use super::token::Tokens;
use super::workers::Workers;
use std::sync::Arc;
use std::time::Duration;

/// What all services of a server share.
#[derive(Clone, Debug)]
pub(super) struct Core {
    pub(super) workers: Arc<Workers>,
    pub(super) tokens: Tokens,
    pub(super) teller: Teller,
    pub(super) limits: RequestLimits,
    pub(super) streams: Patience,
    /// How long the client of an import may send nothing.
    pub(super) import_idle_max: Duration,
}
