//! Traces: one span for each call, given to an OpenTelemetry collector over OTLP.
//!
//! A call that is sampled leaves a small record in a bounded queue when it ends; a task makes spans of the records and exports
//! them in batches. A collector that is slow or away costs spans, which are counted, and never holds up a call.

mod answer_token;
mod counts;
mod endpoint;
mod export;
mod http_client;
mod methods;
mod options;
mod parent;
mod recorder;
mod span;
mod tls_files;

pub use answer_token::TokenSlot;
pub use counts::SpanTotals;
pub use export::{RunningExport, TraceExport};
pub use options::{TraceError, TraceOptions, TraceProtocol, TraceTls};
pub use recorder::{ActiveSpan, TraceRecorder};
pub use span::{SpanEnd, SpanWork};
