//! The task that exports spans.

use super::counts::SpanCounts;
use super::endpoint;
use super::http_client;
use super::options::{TraceError, TraceOptions, TraceProtocol};
use super::span::SpanRecord;
use super::tls_files::TlsFileTexts;
use crate::telemetry::Throttle;
use opentelemetry::InstrumentationScope;
use opentelemetry_otlp::{
    Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// How many spans are exported at once at most.
const BATCH_MAX: usize = 512;
/// How long a span waits for others at most.
const BATCH_TIME: Duration = Duration::from_secs(1);
/// How long the collector may take for a batch.
const EXPORT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long the end of the server waits for the last spans.
const FLUSH_MAX: Duration = Duration::from_secs(3);
/// How often the log says that spans cannot be exported.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// Exports the spans of a recorder, once it runs.
pub struct TraceExport {
    records: Receiver<SpanRecord>,
    protocol: TraceProtocol,
    endpoint: Option<String>,
    tls: TlsFileTexts,
    service_name: String,
    counts: Arc<SpanCounts>,
}

/// A running export. It ends when this is dropped.
#[derive(Debug)]
pub struct RunningExport {
    /// Dropped to end it.
    stop: oneshot::Sender<()>,
    task: JoinSet<()>,
}

impl TraceExport {
    pub(super) fn new(
        options: &TraceOptions,
        protocol: TraceProtocol,
        records: Receiver<SpanRecord>,
        counts: Arc<SpanCounts>,
    ) -> Result<Self, TraceError> {
        let endpoint = endpoint::of(options, protocol)?;
        let (tls, service_name) = (TlsFileTexts::read(&options.tls)?, options.service_name.clone());
        Ok(Self { records, protocol, endpoint, tls, service_name, counts })
    }

    /// Starts the task, which needs a runtime. It does not wait for the collector.
    pub fn run(self) -> Result<RunningExport, TraceError> {
        let exporter = self.exporter()?;
        tracing::info!(endpoint = self.endpoint, protocol = ?self.protocol, "exporting traces");
        let (stop, stopped) = oneshot::channel();
        let batches = SpanBatches { exporter, scope: scope(), counts: self.counts };
        let mut task = JoinSet::new();
        task.spawn(run(self.records, batches, stopped));
        Ok(RunningExport { stop, task })
    }

    fn exporter(&self) -> Result<SpanExporter, TraceError> {
        let builder = SpanExporter::builder();
        let built = match self.protocol {
            TraceProtocol::Grpc => {
                let builder = builder.with_tonic();
                match &self.endpoint {
                    Some(endpoint) if endpoint.starts_with("https://") => {
                        builder.with_endpoint(endpoint).with_tls_config(tls_config(&self.tls))
                    }
                    Some(endpoint) => builder.with_endpoint(endpoint),
                    None => builder,
                }
                .build()
            }
            TraceProtocol::Http => {
                let builder = builder.with_http().with_protocol(Protocol::HttpBinary);
                match &self.endpoint {
                    Some(endpoint) if endpoint.starts_with("https://") => {
                        let client = http_client::with_tls(&self.tls, EXPORT_TIME_MAX)?;
                        builder.with_endpoint(endpoint).with_http_client(client)
                    }
                    Some(endpoint) => builder.with_endpoint(endpoint),
                    None => builder,
                }
                .build()
            }
        };

        let mut exporter = built.map_err(|error| TraceError::Exporter(error.to_string()))?;
        let resource = Resource::builder().with_service_name(self.service_name.clone()).build();
        exporter.set_resource(&resource);
        Ok(exporter)
    }
}

/// TLS of gRPC with these files.
fn tls_config(files: &TlsFileTexts) -> ClientTlsConfig {
    let config = match &files.authorities {
        Some(authorities) => {
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authorities))
        }
        None => ClientTlsConfig::new().with_enabled_roots(),
    };
    match &files.identity {
        Some((certificate, key)) => config.identity(Identity::from_pem(certificate, key)),
        None => config,
    }
}

impl fmt::Debug for TraceExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceExport")
            .field("protocol", &self.protocol)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl RunningExport {
    /// Exports what is left, for some seconds at most.
    pub async fn finish(mut self) {
        drop(self.stop);
        if timeout(FLUSH_MAX, self.task.join_next()).await.is_err() {
            tracing::warn!("the last spans could not be exported in time");
        }
    }
}

/// What spans are said to come from.
fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("kilwa").with_version(env!("CARGO_PKG_VERSION")).build()
}

/// Exports until it is stopped, and then what is left; or until there is no recorder any more.
async fn run(
    mut records: Receiver<SpanRecord>,
    batches: SpanBatches,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut is_stopped = false;
    while !is_stopped {
        let mut batch = Vec::new();
        let mut batch_end: Option<Instant> = None;
        while batch.len() < BATCH_MAX && !is_stopped {
            let room = BATCH_MAX - batch.len();
            let waits = batch_end.is_some();
            let end = batch_end.unwrap_or_else(Instant::now);
            tokio::select! {
                _ = &mut stopped => is_stopped = true,
                received = records.recv_many(&mut batch, room) => {
                    if received == 0 {
                        is_stopped = true;
                    }
                    batch_end.get_or_insert_with(|| Instant::now() + BATCH_TIME);
                }
                () = sleep_until(end), if waits => break,
            }
        }
        batches.export(batch).await;
    }

    let mut rest = Vec::new();
    while let Ok(record) = records.try_recv() {
        rest.push(record);
        if rest.len() == BATCH_MAX {
            batches.export(std::mem::take(&mut rest)).await;
        }
    }
    batches.export(rest).await;
}

/// Gives batches to the collector.
struct SpanBatches {
    exporter: SpanExporter,
    scope: InstrumentationScope,
    counts: Arc<SpanCounts>,
}

impl SpanBatches {
    /// Exports a batch. What the collector does not take is lost, and counted.
    async fn export(&self, batch: Vec<SpanRecord>) {
        static THROTTLE: Throttle = Throttle::new(1, LOG_INTERVAL);
        if batch.is_empty() {
            return;
        }
        let length = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let spans = batch.into_iter().map(|record| record.into_span(&self.scope)).collect();
        let error = match timeout(EXPORT_TIME_MAX, self.exporter.export(spans)).await {
            Ok(Ok(())) => {
                add(&self.counts.exported, length);
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the collector does not answer".to_owned(),
        };

        add(&self.counts.failed, length);
        if let Some(suppressed) = THROTTLE.admit(Instant::now().into_std()) {
            tracing::warn!(error, spans = length, suppressed, "spans cannot be exported");
        }
    }
}

fn add(count: &AtomicU64, added: u64) {
    count.fetch_add(added, Ordering::Relaxed);
}
