//! Options of `kilwa serve` for the audit log.

use super::defaults::defaults;
use crate::audit::{AuditTarget, WhenFull};
use crate::config::Config;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// The audit log.
#[derive(Debug, Args)]
#[command(next_help_heading = "Audit log")]
#[expect(clippy::struct_field_names, reason = "they are the names of the flags")]
pub(super) struct AuditArgs {
    /// File for a record of every call as a line of JSON (`CloudEvents` 1.0), or `-` for standard output. Without it nothing
    /// is recorded.
    #[arg(long, env = "KILWA_AUDIT_LOG", value_name = "FILE")]
    audit_log: Option<PathBuf>,
    /// Size in bytes at which the file is renamed to `FILE.1` and a new one is begun.
    #[arg(
        long,
        env = "KILWA_AUDIT_LOG_MAX_SIZE",
        default_value = defaults().audit.file_bytes_max.to_string(),
        value_parser = clap::value_parser!(u64).range(1..),
        value_name = "BYTES"
    )]
    audit_log_max_size: u64,
    /// Number of renamed files that are kept.
    #[arg(
        long,
        env = "KILWA_AUDIT_LOG_MAX_FILES",
        default_value = defaults().audit.old_files_max.to_string(),
        value_parser = clap::value_parser!(u16).range(0..=10_000),
        value_name = "COUNT"
    )]
    audit_log_max_files: u16,
    /// What happens when records come faster than they can be written.
    #[arg(
        long,
        env = "KILWA_AUDIT_LOG_WHEN_FULL",
        value_enum,
        default_value_t,
        value_name = "CHOICE"
    )]
    audit_log_when_full: WhenFullArg,
    /// Number of records that may wait to be written.
    #[arg(
        long,
        env = "KILWA_AUDIT_LOG_QUEUE_LENGTH",
        default_value = defaults().audit.queue_length.to_string(),
        value_parser = clap::value_parser!(u32).range(1..=1_000_000),
        value_name = "COUNT"
    )]
    audit_log_queue_length: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum WhenFullArg {
    /// Drop records, count them, and report the count in the log.
    #[default]
    Drop,
    /// Refuse calls with UNAVAILABLE.
    Refuse,
}

impl AuditArgs {
    /// Copies the options into a configuration.
    pub(super) fn apply(&self, config: &mut Config) {
        config.audit.target = self.audit_log.as_ref().map(|path| {
            if path.as_os_str() == "-" {
                AuditTarget::StandardOutput
            } else {
                AuditTarget::File(path.clone())
            }
        });
        config.audit.file_bytes_max = self.audit_log_max_size;
        config.audit.old_files_max = usize::from(self.audit_log_max_files);
        config.audit.when_full = match self.audit_log_when_full {
            WhenFullArg::Drop => WhenFull::Drop,
            WhenFullArg::Refuse => WhenFull::Refuse,
        };
        config.audit.queue_length =
            usize::try_from(self.audit_log_queue_length).unwrap_or(usize::MAX);
    }
}
