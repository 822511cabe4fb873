//! The text of a scrape.

use super::calls::CallMetrics;
use super::prometheus_text;
use super::reading::{ReadingCollector, ReadingSource};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// The metrics of a server, and how they are written.
#[derive(Debug, Default)]
pub struct Exposition {
    registry: Registry,
}

/// The form in which metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// The text form of Prometheus, version 0.0.4.
    Prometheus,
}

impl TextFormat {
    /// The form for a client with this `Accept` header: `OpenMetrics` when it is named.
    pub fn from_accept(accept: Option<&str>) -> Self {
        let is_open = |accept: &str| accept.contains("application/openmetrics-text");
        if accept.is_some_and(is_open) { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

impl Exposition {
    /// Adds the ended calls.
    pub fn add_calls(&mut self, calls: Arc<CallMetrics>) {
        self.registry.register_collector(Box::new(calls));
    }

    /// Adds what is read at each scrape.
    pub fn add_source(&mut self, source: ReadingSource) {
        self.registry.register_collector(Box::new(ReadingCollector(source)));
    }

    /// Every metric, as it is now.
    pub fn text(&self, format: TextFormat) -> String {
        let mut written = String::new();
        // Writing into memory does not fail.
        let _ = text::encode(&mut written, &self.registry);
        match format {
            TextFormat::OpenMetrics => written,
            TextFormat::Prometheus => prometheus_text::from_open_metrics(&written),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Reading;

    #[test]
    fn both_forms_hold_the_same_samples() {
        let mut exposition = Exposition::default();
        let readings = || {
            vec![
                Reading::counter("kilwa_things", "Things that came", 3),
                Reading::gauge("kilwa_open", "Things that are open", 2),
            ]
        };
        exposition.add_source(Box::new(readings));
        assert_eq!(
            exposition.text(TextFormat::OpenMetrics),
            "# HELP kilwa_things Things that came\n# TYPE kilwa_things counter\nkilwa_things_total 3\n# HELP kilwa_open Things that are open\n# TYPE kilwa_open gauge\nkilwa_open 2\n# EOF\n"
        );
        assert_eq!(
            exposition.text(TextFormat::Prometheus),
            "# HELP kilwa_things_total Things that came\n# TYPE kilwa_things_total counter\nkilwa_things_total 3\n# HELP kilwa_open Things that are open\n# TYPE kilwa_open gauge\nkilwa_open 2\n"
        );
    }

    #[test]
    fn open_metrics_are_for_those_who_ask_for_them() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert_eq!(TextFormat::from_accept(Some(prometheus)), TextFormat::OpenMetrics);
        assert_eq!(TextFormat::from_accept(Some("text/plain")), TextFormat::Prometheus);
        assert_eq!(TextFormat::from_accept(None), TextFormat::Prometheus);
    }
}
