//! Requests over HTTP, which are counted whether or not they became a call.

use super::histogram::DurationHistogram;
use super::shards::Shards;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The labels of the methods that routes have, and of all others.
const METHODS: [&str; 6] = ["get", "post", "put", "delete", "options", "other"];
/// Status codes lie between these.
const STATUSES: std::ops::Range<u16> = 100..600;

/// Requests over HTTP by method and status.
#[derive(Debug, Default)]
pub struct HttpMetrics([Shards<RequestCounters>; METHODS.len()]);

#[derive(Debug)]
struct RequestCounters {
    durations: DurationHistogram,
    /// By status code, from the lowest.
    by_status: Vec<AtomicU64>,
}

impl Default for RequestCounters {
    fn default() -> Self {
        Self {
            durations: DurationHistogram::default(),
            by_status: STATUSES.map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl HttpMetrics {
    /// Counts a request with this method whose response, with this status, began after this time.
    pub fn record(&self, method: &str, status: u16, elapsed: Duration) {
        let is_method = |label: &&str| label.eq_ignore_ascii_case(method);
        let row = METHODS.iter().position(is_method).unwrap_or(METHODS.len() - 1);
        let Some(counters) = self.0.get(row) else { return };
        counters.count(|counters| {
            counters.durations.record(elapsed);
            let index = usize::from(status.saturating_sub(STATUSES.start));
            if let Some(count) = counters.by_status.get(index) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Duration of requests over HTTP in seconds, to the start of the response; named as in SpiceDB";
        let name = "spicedb_rest_gateway_request_duration_seconds";
        let mut durations = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (method, counters) in METHODS.iter().zip(&self.0) {
            let all = || counters.all().map(|counters| &counters.durations);
            if !all().all(DurationHistogram::is_empty) {
                DurationHistogram::encode(all(), durations.encode_family(&[("method", *method)])?)?;
            }
        }

        let help = "Requests over HTTP, by method and status code";
        let mut requests =
            encoder.encode_descriptor("kilwa_http_requests", help, None, MetricType::Counter)?;
        for (method, counters) in METHODS.iter().zip(&self.0) {
            for (index, status) in STATUSES.enumerate() {
                let one = |counters: &RequestCounters| {
                    counters.by_status.get(index).map_or(0, |count| count.load(Ordering::Relaxed))
                };
                let count = counters.sum(one);
                // Codes that never came are left out: there would be thousands of series of zeros.
                if count > 0 {
                    let status = status.to_string();
                    let labels = [("method", *method), ("code", status.as_str())];
                    ConstCounter::new(count).encode(requests.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}
