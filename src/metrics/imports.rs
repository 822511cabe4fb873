//! Open imports.

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Open imports.
#[derive(Debug, Default)]
pub struct ImportMetrics {
    open: AtomicU64,
}

/// An import that counts as open until this is dropped.
#[derive(Debug)]
pub struct OpenImport<'m>(&'m ImportMetrics);

impl ImportMetrics {
    /// Counts an import as open.
    pub fn open(&self) -> OpenImport<'_> {
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenImport(self)
    }

    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Open imports, whose clients send relationships or wait for their result";
        let open = encoder.encode_descriptor("kilwa_imports", help, None, MetricType::Gauge)?;
        ConstGauge::new(self.open.load(Ordering::Relaxed)).encode(open)
    }
}

impl Drop for OpenImport<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
