//! Metrics: the calls as they end, and readings of plain counters at each scrape, written as Prometheus reads them.
//!
//! The modules below keep plain counters and know nothing of this one. Every label has a bounded set of values: names of
//! methods come from the descriptors of the services, never from a caller.

mod calls;
mod closings;
mod evaluations;
mod exposition;
mod histogram;
mod http;
mod imports;
mod limits;
mod prometheus_text;
mod reading;
mod shards;
mod watches;

pub use calls::{CallMetrics, MethodCalls};
pub use closings::{ClosingMetrics, ClosingReason};
pub use evaluations::EvaluationMetrics;
pub use exposition::{Exposition, TextFormat};
pub use http::HttpMetrics;
pub use imports::{ImportMetrics, OpenImport};
pub use limits::{LimitMetrics, ReachedLimit};
pub use reading::{Reading, ReadingKind, ReadingSource, Sample};
pub use watches::{OpenWatch, WatchMetrics};
