//! Options of `kilwa serve` for traces.

use super::defaults::defaults;
use crate::cli::boolean;
use crate::config::Config;
use crate::traces::{TraceOptions, TraceProtocol, TraceTls};
use clap::{ArgAction, Args, ValueEnum};
use std::env;
use std::path::PathBuf;

/// Traces.
#[derive(Debug, Args)]
#[command(next_help_heading = "Traces")]
#[expect(clippy::struct_field_names, reason = "they are the names of the flags")]
pub(super) struct TraceArgs {
    /// How the spans of calls are exported to an OpenTelemetry collector.
    #[arg(long, env = "KILWA_OTEL_PROVIDER", value_enum, default_value_t, value_name = "PROVIDER")]
    otel_provider: TraceProviderArg,
    /// Collector to export spans to, as a URL or as host and port. Without it, that of the variables
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` and `OTEL_EXPORTER_OTLP_ENDPOINT`, or port 4317 (gRPC) or 4318 (HTTP) of this machine.
    #[arg(long, env = "KILWA_OTEL_ENDPOINT", value_name = "ENDPOINT")]
    otel_endpoint: Option<String>,
    /// Whether to connect to a collector that is given as host and port without TLS.
    #[arg(
        long,
        env = "KILWA_OTEL_INSECURE",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_parser = boolean::parse
    )]
    otel_insecure: bool,
    /// Service name of the spans.
    #[arg(
        long,
        env = "KILWA_OTEL_SERVICE_NAME",
        default_value = defaults().traces.service_name,
        value_name = "NAME"
    )]
    otel_service_name: String,
    /// Share of the calls without a parent span that are sampled, from 0 to 1. A call with a parent span is sampled if the
    /// parent is.
    #[arg(
        long,
        env = "KILWA_OTEL_SAMPLE_RATIO",
        default_value = defaults().traces.sample_ratio.to_string(),
        value_parser = ratio,
        value_name = "RATIO"
    )]
    otel_sample_ratio: f64,
    /// Headers in which the parent of a span is passed: those of the W3C (`traceparent` and `tracestate`) are the only ones
    /// that are supported.
    #[arg(
        long,
        env = "KILWA_OTEL_TRACE_PROPAGATOR",
        default_value = W3C,
        value_parser = propagator,
        value_name = "NAME"
    )]
    otel_trace_propagator: String,
}

/// The propagator that is supported.
const W3C: &str = "w3c";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum TraceProviderArg {
    /// Not at all.
    #[default]
    None,
    /// OTLP over gRPC.
    Otlpgrpc,
    /// OTLP over HTTP/1.1, in protobuf.
    Otlphttp,
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "a number from 0 to 1 is needed, such as 0.01".to_owned())
}

fn propagator(text: &str) -> Result<String, String> {
    if text == W3C {
        Ok(text.to_owned())
    } else {
        Err("only the propagator `w3c` is supported: leave the flag out, and let clients send `traceparent`".to_owned())
    }
}

/// A variable that is a convention of OpenTelemetry, and no setting of Kilwa.
fn variable(name: &str) -> Option<String> {
    env::var_os(name)?.into_string().ok().filter(|value| !value.is_empty())
}

/// The value of a variable of OpenTelemetry's exporters: that for traces, or else that for everything.
fn standard(name: &str) -> Option<String> {
    variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"))
        .or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{name}")))
}

impl TraceArgs {
    /// The collector that the variables of OpenTelemetry name. Over HTTP, the one for everything is the start of a URL.
    fn standard_endpoint(&self) -> Option<String> {
        let endpoint = standard("ENDPOINT")?;
        let is_for_traces = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").is_some();
        let is_http = self.otel_provider == TraceProviderArg::Otlphttp;
        if is_http && !is_for_traces {
            return Some(format!("{}/v1/traces", endpoint.trim_end_matches('/')));
        }
        Some(endpoint)
    }

    /// Copies the options into a configuration.
    pub(super) fn apply(&self, config: &mut Config) {
        config.traces = TraceOptions {
            protocol: match self.otel_provider {
                TraceProviderArg::None => None,
                TraceProviderArg::Otlpgrpc => Some(TraceProtocol::Grpc),
                TraceProviderArg::Otlphttp => Some(TraceProtocol::Http),
            },
            endpoint: self.otel_endpoint.clone().or_else(|| self.standard_endpoint()),
            insecure: self.otel_insecure
                || standard("INSECURE").is_some_and(|text| text.eq_ignore_ascii_case("true")),
            tls: TraceTls {
                authorities: standard("CERTIFICATE").map(PathBuf::from),
                identity: standard("CLIENT_CERTIFICATE")
                    .map(PathBuf::from)
                    .zip(standard("CLIENT_KEY").map(PathBuf::from)),
            },
            service_name: self.otel_service_name.clone(),
            sample_ratio: self.otel_sample_ratio,
            ..TraceOptions::default()
        };
    }
}
