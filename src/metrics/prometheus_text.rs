//! The older text form of Prometheus, made from `OpenMetrics`: there the name of a counter has its suffix also in the lines that
//! describe it, and neither units nor the end are marked.

use std::fmt::Write as _;

/// The same metrics in the text form of Prometheus.
pub(super) fn from_open_metrics(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut help = None;
    for line in text.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described.split_once(' ');
        } else if let Some((name, kind)) = type_of(line) {
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some((_, help)) = help.take() {
                // Writing into memory does not fail.
                let _ = writeln!(written, "# HELP {name}{suffix} {help}");
            }
            let _ = writeln!(written, "# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with('#') {
            written.push_str(line);
            written.push('\n');
        }
    }
    written
}

fn type_of(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("# TYPE ")?.split_once(' ')
}
