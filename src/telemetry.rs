//! Logs: what the server tells about itself on standard error.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal as _};
use std::panic::{self, PanicHookInfo};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// How many panics are logged in a second at most, so that calls which panic do not fill a disk.
const PANIC_LINES_MAX: u32 = 20;

/// Libraries below gRPC that log each frame, connection and timer at `debug`.
const LIBRARIES: &[&str] = &["h2", "hyper", "hyper_util", "tower", "tonic", "mio", "want"];

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

/// Starts the logs of this process. Panics are logged with their place instead of with their message, which may have parts of the
/// data; `debug` shows it.
pub fn start(format: LogFormat, level: &str) -> Result<(), TelemetryError> {
    let wrong = || TelemetryError::Level { level: level.to_owned() };
    // To the filter a word that is no level is the name of something that logs, at any level.
    let is_wrong = |rule: &str| {
        rule.trim().is_empty() || !rule.contains('=') && rule.parse::<LevelFilter>().is_err()
    };

    if level.split(',').any(is_wrong) {
        return Err(wrong());
    }

    let filter = EnvFilter::try_new(with_quiet_libraries(level)).map_err(|_| wrong())?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
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
    panic::set_hook(Box::new(log_panic));

    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a line of the log is of the time at which it is written"
)]
fn log_panic(panic: &PanicHookInfo<'_>) {
    static THROTTLE: Throttle = Throttle::new(PANIC_LINES_MAX, Duration::from_secs(1));
    let Some(suppressed) = THROTTLE.admit(Instant::now()) else { return };
    let place = panic.location().map(tracing::field::display);
    let current = thread::current();
    // The environment says whether there is one. It has names of functions and no values.
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    let backtrace = backtrace.as_ref().map(tracing::field::display);
    tracing::error!(
        place,
        thread = current.name(),
        backtrace,
        suppressed,
        "a panic, which is a fault in Kilwa: please report it with this line"
    );
    tracing::debug!(message_of_panic = panic.payload_as_str(), "a panic");
}

/// The same rules, in which a level that is meant for Kilwa does not show every frame of HTTP/2. Libraries that a rule names
/// keep it.
fn with_quiet_libraries(level: &str) -> String {
    let is_detailed = |rule: &str| {
        let level = rule.trim().parse::<LevelFilter>();
        level.is_ok_and(|level| level > LevelFilter::INFO)
    };
    if !level.split(',').any(is_detailed) {
        return level.to_owned();
    }

    let mut rules: Vec<String> = level.split(',').map(str::to_owned).collect();
    for library in LIBRARIES {
        let is_named = |rule: &str| {
            let target = rule.trim().split(['=', '[']).next().unwrap_or_default();
            target.split("::").next() == Some(*library)
        };
        if !level.split(',').any(is_named) {
            rules.push(format!("{library}=info"));
        }
    }
    rules.join(",")
}

/// Bounds how often something is logged, and counts what is left out.
#[derive(Debug)]
pub struct Throttle {
    lines_max: u32,
    interval: Duration,
    window: Mutex<ThrottleWindow>,
}

#[derive(Debug)]
struct ThrottleWindow {
    start: Option<Instant>,
    lines: u32,
    suppressed: u64,
}

impl Throttle {
    /// At most so many lines in each interval.
    pub const fn new(lines_max: u32, interval: Duration) -> Self {
        let window = ThrottleWindow { start: None, lines: 0, suppressed: 0 };
        Self { lines_max, interval, window: Mutex::new(window) }
    }

    /// Whether a line may be written now; if so, how many lines were left out since the last one that was written.
    pub fn admit(&self, now: Instant) -> Option<u64> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |start: Instant| now.saturating_duration_since(start) >= self.interval;
        if window.start.is_none_or(is_over) {
            window.start = Some(now);
            window.lines = 0;
        }

        if window.lines >= self.lines_max {
            window.suppressed += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_quiet_unless_they_are_named() {
        for level in ["info", "warn,kilwa::calls=debug", "h2=trace"] {
            assert_eq!(with_quiet_libraries(level), level);
        }
        let debug = with_quiet_libraries("debug");
        assert!(debug.starts_with("debug,h2=info,hyper=info"), "{debug}");
        let named = with_quiet_libraries("trace,h2::proto=debug");
        assert!(!named.contains("h2=info") && named.contains("hyper=info"), "{named}");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn a_throttle_counts_what_it_leaves_out() {
        let interval = Duration::from_secs(1);
        let throttle = Throttle::new(2, interval);
        let start = Instant::now();
        let admitted: Vec<_> = (0..4).map(|_| throttle.admit(start)).collect();
        assert_eq!(admitted, [Some(0), Some(0), None, None]);
        assert_eq!(throttle.admit(start + interval), Some(2));
        assert_eq!(throttle.admit(start + interval), Some(0));
    }
}
