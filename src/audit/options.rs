//! Options of the audit log.

use std::path::PathBuf;
use std::time::Duration;

/// Options of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditOptions {
    /// Where it is written; nowhere without one.
    pub target: Option<AuditTarget>,
    /// The size in bytes at which a file is put aside and a new one begun.
    pub file_bytes_max: u64,
    /// How many files that were put aside are kept.
    pub old_files_max: usize,
    /// What happens to calls when they come faster than they can be written.
    pub when_full: WhenFull,
    /// How many records may wait to be written.
    pub queue_length: usize,
}

/// Where an audit log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditTarget {
    /// Standard output.
    StandardOutput,
    /// A file, which is appended to.
    File(PathBuf),
}

/// What happens when the queue of an audit log is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// Records are dropped, and counted.
    #[default]
    Drop,
    /// Calls are refused before they do anything.
    Refuse,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            target: None,
            file_bytes_max: 100 << 20,
            old_files_max: 10,
            when_full: WhenFull::default(),
            queue_length: 10_000,
        }
    }
}

/// What distinguishes the events of a server from others, and its clock.
#[derive(Clone, Debug)]
pub struct AuditSource {
    /// The source that the events name.
    pub source: String,
    /// Distinguishes the ids of events from those of other runs of the server.
    pub run: String,
    /// The time since the start of 1970.
    pub now: fn() -> Duration,
}
