//! Logs: what the server tells about itself on standard error.

use std::io::{self, IsTerminal as _};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
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
    let wrong = || TelemetryError::Level { level: level.to_owned() };
    // To the filter a word that is no level is the name of something that logs, at any level.
    if level.split(',').any(|rule| !rule.contains('=') && rule.parse::<LevelFilter>().is_err()) {
        return Err(wrong());
    }
    let filter = EnvFilter::try_new(level).map_err(|_| wrong())?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::CLOSE)
        .with_target(false)
        .with_writer(io::stderr);
    match format {
        // The colors that the subscriber would choose unless `NO_COLOR` is set are for terminals alone.
        LogFormat::Text if !io::stderr().is_terminal() => {
            logs.with_ansi(false).finish().try_init()?;
        }
        LogFormat::Text => logs.finish().try_init()?,
        LogFormat::Json => logs.json().finish().try_init()?,
    }
    Ok(())
}
