//! Format of the log.

use crate::telemetry;
use clap::ValueEnum;
use std::ffi::OsString;

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

/// Whether a command line starts a server whose log is JSON. Found without parsing it, which may fail.
pub(in crate::cli) fn asks_for_json(
    arguments: &[OsString],
    variable: impl Fn(&str) -> Option<OsString>,
) -> bool {
    let is_json = |value: &OsString| value.eq_ignore_ascii_case("json");
    if !arguments.iter().any(|argument| argument == "serve" || argument == "serve-testing") {
        return false;
    }

    let mut following = arguments.iter().skip_while(|argument| *argument != "--log-format").skip(1);
    if let Some(value) = following.next() {
        return is_json(value);
    }
    let mut joined = arguments.iter().filter_map(|a| a.to_str()?.strip_prefix("--log-format="));
    if let Some(value) = joined.next() {
        return value.eq_ignore_ascii_case("json");
    }
    ["KILWA_LOG_FORMAT", "SPICEDB_LOG_FORMAT"]
        .iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()))
        .is_some_and(|value| is_json(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(line: &str, value: Option<&str>) -> bool {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        asks_for_json(&arguments, |name| {
            value.filter(|_| name == "KILWA_LOG_FORMAT").map(OsString::from)
        })
    }

    #[test]
    fn json_is_found_in_flags_and_variables_of_servers() {
        assert!(asks("kilwa serve --log-format json", None));
        assert!(asks("kilwa serve-testing --log-format=json --wrong", None));
        assert!(asks("kilwa serve", Some("json")));
        assert!(!asks("kilwa serve --log-format text", Some("json")));
        assert!(!asks("kilwa serve", Some("")));
        assert!(!asks("kilwa health", Some("json")));
    }
}
