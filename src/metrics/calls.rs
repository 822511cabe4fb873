//! Calls by service, method and code, with their durations.

use super::closings::ClosingMetrics;
use super::evaluations::EvaluationMetrics;
use super::histogram::DurationHistogram;
use super::http::HttpMetrics;
use super::imports::ImportMetrics;
use super::limits::LimitMetrics;
use super::shards::Shards;
use super::watches::WatchMetrics;
use crate::proto::served_descriptors;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prost_reflect::MethodDescriptor;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The names of the codes as Go's gRPC libraries write them, which SpiceDB's dashboards expect, by number.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];
/// The number of a code that is none.
const UNKNOWN: usize = 2;

/// The ended calls of every method, and what the services did for them. Methods that no service has count as one.
#[derive(Debug)]
pub struct CallMetrics {
    by_path: HashMap<String, Arc<MethodCalls>>,
    /// In the order in which they are written.
    methods: Vec<Arc<MethodCalls>>,
    other: Arc<MethodCalls>,
    evaluations: EvaluationMetrics,
    watches: WatchMetrics,
    imports: ImportMetrics,
    limits: LimitMetrics,
    closings: ClosingMetrics,
    http: HttpMetrics,
}

/// The ended calls of one method.
#[derive(Debug)]
pub struct MethodCalls {
    service: String,
    method: String,
    kind: &'static str,
    counters: Shards<MethodCounters>,
}

#[derive(Debug, Default)]
struct MethodCounters {
    by_code: [AtomicU64; CODES.len()],
    durations: DurationHistogram,
}

impl CallMetrics {
    /// No calls yet, of the methods of every service.
    pub fn new() -> Self {
        let pool = served_descriptors().unwrap_or_default();
        let by_path = pool.services().flat_map(|service| {
            let calls = |method: MethodDescriptor| {
                let path = format!("/{}/{}", service.full_name(), method.name());
                let calls = MethodCalls::new(service.full_name(), method.name(), kind(&method));
                (path, Arc::new(calls))
            };
            service.methods().map(calls).collect::<Vec<_>>()
        });
        let by_path: BTreeMap<String, Arc<MethodCalls>> = by_path.collect();

        Self {
            methods: by_path.values().cloned().collect(),
            by_path: by_path.into_iter().collect(),
            other: Arc::new(MethodCalls::new("unknown", "unknown", "unary")),
            evaluations: EvaluationMetrics::default(),
            watches: WatchMetrics::default(),
            imports: ImportMetrics::default(),
            limits: LimitMetrics::default(),
            closings: ClosingMetrics::default(),
            http: HttpMetrics::default(),
        }
    }

    /// The evaluated checks.
    pub fn evaluations(&self) -> &EvaluationMetrics {
        &self.evaluations
    }

    /// The open watches.
    pub fn watches(&self) -> &WatchMetrics {
        &self.watches
    }

    /// The open imports.
    pub fn imports(&self) -> &ImportMetrics {
        &self.imports
    }

    /// The limits that were reached.
    pub fn limits(&self) -> &LimitMetrics {
        &self.limits
    }

    /// The connections that the server has closed of itself.
    pub fn closings(&self) -> &ClosingMetrics {
        &self.closings
    }

    /// The requests over HTTP.
    pub fn http(&self) -> &HttpMetrics {
        &self.http
    }

    /// The calls of the method with this path.
    pub fn method(&self, path: &str) -> Arc<MethodCalls> {
        Arc::clone(self.by_path.get(path).unwrap_or(&self.other))
    }

    fn all(&self) -> impl Iterator<Item = &MethodCalls> {
        self.methods.iter().chain([&self.other]).map(Arc::as_ref)
    }
}

impl Default for CallMetrics {
    fn default() -> Self {
        Self::new()
    }
}

/// As Go's gRPC middleware names it.
fn kind(method: &MethodDescriptor) -> &'static str {
    match (method.is_client_streaming(), method.is_server_streaming()) {
        (false, false) => "unary",
        (true, false) => "client_stream",
        (false, true) => "server_stream",
        (true, true) => "bidi_stream",
    }
}

impl MethodCalls {
    fn new(service: &str, method: &str, kind: &'static str) -> Self {
        Self {
            service: service.to_owned(),
            method: method.to_owned(),
            kind,
            counters: Shards::default(),
        }
    }

    /// Counts a call that ended with this gRPC code after this time.
    pub fn record(&self, code: i32, elapsed: Duration) {
        let code = usize::try_from(code).unwrap_or(UNKNOWN);
        self.counters.count(|MethodCounters { by_code, durations }| {
            if let Some(count) = by_code.get(code).or(by_code.get(UNKNOWN)) {
                count.fetch_add(1, Ordering::Relaxed);
            }
            durations.record(elapsed);
        });
    }

    /// How many calls ended with each code.
    fn by_code(&self) -> [u64; CODES.len()] {
        let mut totals = [0; CODES.len()];
        for counters in self.counters.all() {
            for (total, count) in totals.iter_mut().zip(&counters.by_code) {
                *total += count.load(Ordering::Relaxed);
            }
        }
        totals
    }

    fn durations(&self) -> impl Iterator<Item = &DurationHistogram> {
        self.counters.all().map(|counters| &counters.durations)
    }

    fn labels(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("grpc_service", &self.service),
            ("grpc_method", &self.method),
            ("grpc_type", self.kind),
        ]
    }
}

impl Collector for CallMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Calls that ended, by service, method and code";
        let mut handled =
            encoder.encode_descriptor("grpc_server_handled", help, None, MetricType::Counter)?;
        for calls in self.all() {
            for (count, code) in calls.by_code().into_iter().zip(CODES) {
                // Codes that a method never had are left out: there would be hundreds of series of zeros.
                if count > 0 {
                    let labels = [calls.labels(), vec![("grpc_code", code)]].concat();
                    ConstCounter::new(count).encode(handled.encode_family(&labels)?)?;
                }
            }
        }

        let help = "Duration of calls in seconds, from their headers to the end of their response";
        let name = "grpc_server_handling_seconds";
        let mut handling = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for calls in self.all() {
            if !calls.durations().all(DurationHistogram::is_empty) {
                let labels = calls.labels();
                DurationHistogram::encode(calls.durations(), handling.encode_family(&labels)?)?;
            }
        }

        self.evaluations.encode(&mut encoder)?;
        self.watches.encode(&mut encoder)?;
        self.imports.encode(&mut encoder)?;
        self.http.encode(&mut encoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    const CHECK: &str = "/authzed.api.v1.PermissionsService/CheckPermission";

    fn text(calls: CallMetrics) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(calls));
        let mut text = String::new();
        text::encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn a_call_is_in_the_bucket_whose_bound_it_does_not_pass() {
        let calls = CallMetrics::new();
        calls.method(CHECK).record(0, Duration::from_secs(1));
        calls.method(CHECK).record(7, Duration::from_millis(1_001));
        calls.method(CHECK).record(0, Duration::from_mins(1));
        let text = text(calls);
        let labels = "grpc_service=\"authzed.api.v1.PermissionsService\",grpc_method=\"CheckPermission\",grpc_type=\"unary\"";
        for line in [
            format!("grpc_server_handled_total{{{labels},grpc_code=\"OK\"}} 2\n"),
            format!("grpc_server_handled_total{{{labels},grpc_code=\"PermissionDenied\"}} 1\n"),
            format!("grpc_server_handling_seconds_bucket{{le=\"0.5\",{labels}}} 0\n"),
            format!("grpc_server_handling_seconds_bucket{{le=\"1.0\",{labels}}} 1\n"),
            format!("grpc_server_handling_seconds_bucket{{le=\"2.0\",{labels}}} 2\n"),
            format!("grpc_server_handling_seconds_bucket{{le=\"+Inf\",{labels}}} 3\n"),
            format!("grpc_server_handling_seconds_sum{{{labels}}} 62.001\n"),
            format!("grpc_server_handling_seconds_count{{{labels}}} 3\n"),
        ] {
            assert!(text.contains(&line), "{line} is not in {text}");
        }
    }

    #[test]
    fn calls_on_all_threads_are_counted_together() {
        let calls = CallMetrics::new();
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| calls.method(CHECK).record(0, Duration::from_secs(3)));
            }
        });
        let text = text(calls);
        for end in ["grpc_code=\"OK\"} 40\n", "_sum{", "_count{"] {
            assert!(text.contains(end), "{end} is not in {text}");
        }
        let values = text.lines().filter(|line| line.contains("_sum{") || line.contains("_count{"));
        let values: Vec<_> = values.filter_map(|line| Some(line.rsplit_once(' ')?.1)).collect();
        assert!(values.starts_with(&["120.0", "40"]), "{values:?}");
    }

    #[test]
    fn the_text_of_a_caller_is_no_label() {
        let calls = CallMetrics::new();
        calls.method("/authzed.api.v1.PermissionsService/Mine").record(12, Duration::ZERO);
        calls.method("/mine/mine").record(99, Duration::ZERO);
        let text = text(calls);
        assert!(!text.contains("ine\""), "{text}");
        let labels = "grpc_service=\"unknown\",grpc_method=\"unknown\",grpc_type=\"unary\"";
        for code in ["Unimplemented", "Unknown"] {
            let line = format!("grpc_server_handled_total{{{labels},grpc_code=\"{code}\"}} 1\n");
            assert!(text.contains(&line), "{line} is not in {text}");
        }
    }
}
