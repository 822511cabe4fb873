//! Open watches, and how far they are behind.

use super::histogram::DurationHistogram;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Open watches, and how far they are behind.
#[derive(Debug, Default)]
pub struct WatchMetrics {
    open: AtomicU64,
    fallen_behind: AtomicU64,
    delays: DurationHistogram,
}

/// A watch that counts as open until this is dropped.
#[derive(Debug)]
pub struct OpenWatch<'m>(&'m WatchMetrics);

impl WatchMetrics {
    /// Counts a watch as open.
    pub fn open(&self) -> OpenWatch<'_> {
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenWatch(self)
    }

    /// Counts a watch that was too slow for the window of recent changes, and reads the change log for itself again.
    pub fn record_fallen_behind(&self) {
        self.fallen_behind.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts changes that were passed to a watcher so long after they were made.
    pub fn record_delay(&self, delay: Duration) {
        self.delays.record(delay);
    }

    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let open =
            encoder.encode_descriptor("kilwa_watches", "Open watches", None, MetricType::Gauge)?;
        ConstGauge::new(self.open.load(Ordering::Relaxed)).encode(open)?;

        let fallen_behind = encoder.encode_descriptor(
            "kilwa_watches_fallen_behind",
            "Times that a watch left the window of recent changes because its client was slow",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(self.fallen_behind.load(Ordering::Relaxed)).encode(fallen_behind)?;

        let help = "Seconds between a change and its being passed to a watcher's connection";
        let delays = encoder.encode_descriptor(
            "kilwa_watch_delay_seconds",
            help,
            None,
            MetricType::Histogram,
        )?;
        DurationHistogram::encode([&self.delays].into_iter(), delays)
    }
}

impl Drop for OpenWatch<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
