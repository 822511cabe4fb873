//! The error of a read.

use std::fmt;
use std::time::Duration;

/// A read that failed. Never an answer: a relationship that could not be read is not a relationship that is absent.
#[derive(Debug, thiserror::Error)]
#[error("{}{reason}", prefix(*.kind))]
pub struct ReadError {
    /// What went wrong, for the operator.
    pub reason: String,
    kind: ReadErrorKind,
}

/// The kind of a failed read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadErrorKind {
    Failed,
    Corrupt,
    NotCached,
    Interrupted,
    TimedOut(Duration),
}

fn prefix(kind: ReadErrorKind) -> &'static str {
    match kind {
        ReadErrorKind::Corrupt => "the stored data are corrupt, restore a backup: ",
        ReadErrorKind::Failed
        | ReadErrorKind::NotCached
        | ReadErrorKind::Interrupted
        | ReadErrorKind::TimedOut(_) => "relationships cannot be read: ",
    }
}

impl ReadError {
    /// A failure of the system.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self::with_kind(ReadErrorKind::Failed, reason)
    }

    /// Stored data are not what was written. Repeating the read does not help.
    pub fn corrupt(reason: impl fmt::Display) -> Self {
        Self::with_kind(ReadErrorKind::Corrupt, reason)
    }

    /// The read was limited to memory, and needs data that are not there.
    pub fn not_cached() -> Self {
        Self::with_kind(ReadErrorKind::NotCached, "the data are not in memory")
    }

    /// The read was cancelled because its caller no longer waits.
    pub fn interrupted() -> Self {
        Self::with_kind(ReadErrorKind::Interrupted, "the caller no longer waits")
    }

    /// The read was cancelled because it took longer than allowed.
    pub fn timed_out(time_max: Duration) -> Self {
        Self::with_kind(
            ReadErrorKind::TimedOut(time_max),
            format!("it took longer than {time_max:?}"),
        )
    }

    fn with_kind(kind: ReadErrorKind, reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string(), kind }
    }

    /// Whether stored data are not what was written.
    pub fn is_corrupt(&self) -> bool {
        self.kind == ReadErrorKind::Corrupt
    }

    /// Whether the same read may succeed where it is allowed to wait for a disk.
    pub fn is_not_cached(&self) -> bool {
        self.kind == ReadErrorKind::NotCached
    }

    /// Whether the read was cancelled because its caller no longer waits.
    pub fn is_interrupted(&self) -> bool {
        self.kind == ReadErrorKind::Interrupted
    }

    /// The time allowed, when the read was cancelled because it took longer.
    pub fn timed_out_after(&self) -> Option<Duration> {
        match self.kind {
            ReadErrorKind::TimedOut(time_max) => Some(time_max),
            ReadErrorKind::Failed
            | ReadErrorKind::Corrupt
            | ReadErrorKind::NotCached
            | ReadErrorKind::Interrupted => None,
        }
    }
}
