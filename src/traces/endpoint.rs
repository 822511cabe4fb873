//! The URL of a collector.

use super::options::{TraceError, TraceOptions, TraceProtocol};
use tonic::codegen::http::Uri;

/// The path to which OTLP over HTTP sends spans, unless a URL has another one.
const HTTP_PATH: &str = "/v1/traces";

/// The URL of the collector that the options name, if they name one.
pub(super) fn of(
    options: &TraceOptions,
    protocol: TraceProtocol,
) -> Result<Option<String>, TraceError> {
    let Some(given) = options.endpoint.as_deref().filter(|given| !given.is_empty()) else {
        return Ok(None);
    };
    let wrong = || TraceError::Endpoint { endpoint: given.to_owned() };
    let url = if given.contains("://") {
        given.to_owned()
    } else {
        let scheme = if options.insecure { "http" } else { "https" };
        format!("{scheme}://{given}")
    };

    let parsed: Uri = url.parse().map_err(|_| wrong())?;
    if parsed.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(TraceError::Credentials);
    }
    let has_host = parsed.authority().is_some_and(|authority| {
        // An authority that is more than a host has a port, which the parser takes as any text.
        let has_port = authority.as_str() == authority.host() || authority.port_u16().is_some();
        !authority.host().is_empty() && has_port
    });
    if !has_host || !matches!(parsed.scheme_str(), Some("http" | "https")) {
        return Err(wrong());
    }

    let has_path = protocol == TraceProtocol::Grpc || parsed.path().len() > 1;
    let url = if has_path { url } else { format!("{}{HTTP_PATH}", url.trim_end_matches('/')) };
    Ok(Some(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(protocol: TraceProtocol, given: &str, insecure: bool) -> String {
        let endpoint = Some(given.to_owned());
        let options = TraceOptions { endpoint, insecure, ..TraceOptions::default() };
        match of(&options, protocol) {
            Ok(url) => url.unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_host_and_port_are_completed() {
        use TraceProtocol::{Grpc, Http};
        for (protocol, given, insecure, expected) in [
            (Grpc, "otel:4317", true, "http://otel:4317"),
            (Grpc, "otel:4317", false, "https://otel:4317"),
            (Grpc, "http://otel:4317", false, "http://otel:4317"),
            (Http, "otel:4318", true, "http://otel:4318/v1/traces"),
            (Http, "http://otel:4318/", false, "http://otel:4318/v1/traces"),
            (Http, "http://otel:4318/own/path", false, "http://otel:4318/own/path"),
            (Http, "otel:4318", false, "https://otel:4318/v1/traces"),
            (Grpc, "", false, ""),
        ] {
            assert_eq!(url(protocol, given, insecure), expected, "{given}");
        }
    }

    #[test]
    fn what_cannot_be_reached_is_refused() {
        use TraceProtocol::Grpc;
        for given in ["ftp://otel:1", "http://", "otel:port", "a b:4317"] {
            let error = url(Grpc, given, true);
            assert!(error.contains(given) && error.contains("--otel-endpoint"), "{error}");
        }
        let error = url(Grpc, "http://me:secret@otel:4317", true);
        assert!(
            error.contains("OTEL_EXPORTER_OTLP_HEADERS") && !error.contains("secret"),
            "{error}"
        );
    }
}
