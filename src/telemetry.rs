//! Logs: what the server tells about itself on standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Logs that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is none.
    #[error(
        "`{level}` is no log level: use `error`, `warn`, `info`, `debug` or `trace`, or rules such as `kilwa=debug,info`"
    )]
    Level {
        /// The level as given.
        level: String,
    },
    /// Logs are already set up in this process.
    #[error("the logs are already set up: {0}")]
    Twice(#[from] TryInitError),
}

/// Starts the logs of this process. At `info`, every call leaves a line when it is done.
pub fn start(format: LogFormat, level: &str) -> Result<(), TelemetryError> {
    let filter =
        EnvFilter::try_new(level).map_err(|_| TelemetryError::Level { level: level.to_owned() })?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::CLOSE)
        .with_target(false)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => logs.finish().try_init()?,
        LogFormat::Json => logs.json().finish().try_init()?,
    }
    Ok(())
}
