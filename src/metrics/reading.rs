//! What a counter or gauge of another module says at a scrape.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;

/// The readings of one metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Its name, without the suffix `_total` that counters get.
    pub name: &'static str,
    /// A sentence that says what is counted, with its unit.
    pub help: &'static str,
    /// Whether it only rises.
    pub kind: ReadingKind,
    /// Its values.
    pub samples: Vec<Sample>,
}

/// Whether a metric only rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadingKind {
    /// It only rises until the server stops.
    Counter,
    /// It rises and falls.
    Gauge,
}

/// A value of a metric, for one set of labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The labels, by name.
    pub labels: Vec<(&'static str, &'static str)>,
    /// The value.
    pub value: u64,
}

/// Reads metrics at a scrape.
pub type ReadingSource = Box<dyn Fn() -> Vec<Reading> + Send + Sync>;

impl Reading {
    /// A metric that only rises, without labels.
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        let samples = vec![Sample { labels: Vec::new(), value }];
        Self { name, help, kind: ReadingKind::Counter, samples }
    }

    /// A metric that rises and falls, without labels.
    pub fn gauge(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { kind: ReadingKind::Gauge, ..Self::counter(name, help, value) }
    }

    /// The same with labels for the values that have none yet.
    #[must_use]
    pub fn labelled(mut self, labels: &[(&'static str, &'static str)]) -> Self {
        for sample in self.samples.iter_mut().filter(|sample| sample.labels.is_empty()) {
            labels.clone_into(&mut sample.labels);
        }
        self
    }

    /// The same with one more value.
    #[must_use]
    pub fn with(mut self, labels: &[(&'static str, &'static str)], value: u64) -> Self {
        self.samples.push(Sample { labels: labels.to_vec(), value });
        self
    }
}

/// Writes what a source reads.
pub(super) struct ReadingCollector(pub(super) ReadingSource);

impl fmt::Debug for ReadingCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadingCollector").finish_non_exhaustive()
    }
}

impl Collector for ReadingCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for Reading { name, help, kind, samples } in (self.0)() {
            let metric_type = match kind {
                ReadingKind::Counter => MetricType::Counter,
                ReadingKind::Gauge => MetricType::Gauge,
            };
            let mut metric = encoder.encode_descriptor(name, help, None, metric_type)?;
            for Sample { labels, value } in samples {
                let family = metric.encode_family(&labels)?;
                match kind {
                    ReadingKind::Counter => ConstCounter::new(value).encode(family)?,
                    ReadingKind::Gauge => ConstGauge::new(value).encode(family)?,
                }
            }
        }
        Ok(())
    }
}
