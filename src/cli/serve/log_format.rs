//! Format of the log.

use crate::telemetry;
use clap::ValueEnum;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormatArg {
    #[default]
    #[value(alias = "console", alias = "auto")]
    Text,
    Json,
}

impl From<LogFormatArg> for telemetry::LogFormat {
    fn from(format: LogFormatArg) -> Self {
        match format {
            LogFormatArg::Text => Self::Text,
            LogFormatArg::Json => Self::Json,
        }
    }
}
