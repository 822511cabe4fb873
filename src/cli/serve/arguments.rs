//! What `kilwa serve` can be told.

use super::clock_args::ClockArgs;
use super::connection_args::ConnectionArgs;
use super::stream_args::StreamArgs;
use super::watch_args::WatchArgs;
use super::write_queue_args::WriteQueueArgs;
use crate::cli::data_dir::default_data_dir;
use crate::cli::error::CliError;
use crate::cli::{boolean, duration};
use crate::config::Config;
use crate::telemetry;
use clap::{ArgAction, Args, ValueEnum};
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

/// Runs the server.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(in crate::cli) struct Arguments {
    /// Address for gRPC.
    #[arg(
        long,
        env = "KILWA_GRPC_ADDR",
        default_value = "127.0.0.1:50051",
        value_name = "HOST:PORT"
    )]
    grpc_addr: String,
    /// Key that callers must show; may be given more than once. Without any, the server makes one and keeps it in the
    /// data folder.
    #[arg(
        long,
        env = "KILWA_GRPC_PRESHARED_KEY",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "KEY"
    )]
    grpc_preshared_key: Vec<String>,
    /// Folder for the data. [default: `kilwa` in the user's folder for application data]
    #[arg(long, env = "KILWA_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Validation files and schemas, separated by commas, whose schemas and relationships, taken together, an empty store
    /// starts with.
    #[arg(
        long,
        env = "KILWA_BOOTSTRAP",
        alias = "datastore-bootstrap-files",
        value_delimiter = ',',
        value_name = "FILE"
    )]
    pub(super) bootstrap: Vec<PathBuf>,
    /// For how long older revisions can be read.
    #[arg(
        long,
        env = "KILWA_DATASTORE_GC_WINDOW",
        default_value = "24h",
        value_parser = duration::parse,
        value_name = "DURATION"
    )]
    datastore_gc_window: Duration,
    /// How often older revisions are dropped.
    #[arg(
        long,
        env = "KILWA_DATASTORE_GC_INTERVAL",
        default_value = "3m",
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    datastore_gc_interval: Duration,
    #[command(flatten)]
    clock: ClockArgs,
    /// Whether to refuse calls that write. What an empty store starts with is loaded all the same.
    #[arg(
        long,
        env = "KILWA_DATASTORE_READONLY",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_parser = boolean::parse
    )]
    datastore_readonly: bool,
    /// How long calls may still take after the server was told to stop.
    #[arg(
        long,
        env = "KILWA_SHUTDOWN_GRACE_PERIOD",
        alias = "grpc-shutdown-grace-period",
        default_value = "5s",
        value_parser = duration::parse,
        value_name = "DURATION"
    )]
    shutdown_grace_period: Duration,
    /// What to log: error, warn, info, debug or trace, or rules such as `info,kilwa::calls=debug`, which adds a line for
    /// each call.
    #[arg(long, env = "KILWA_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub(super) log_level: String,
    /// From when on a call is logged at info, as slow. Watches are not.
    #[arg(
        long,
        env = "KILWA_SLOW_CALL_THRESHOLD",
        default_value = "1s",
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    slow_call_threshold: Duration,
    /// How log lines look.
    #[arg(long, env = "KILWA_LOG_FORMAT", value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) log_format: LogFormatArg,
    /// Whether to serve JSON over HTTP, which comes later.
    #[arg(
        long,
        env = "KILWA_HTTP_ENABLED",
        hide = true,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_parser = boolean::parse
    )]
    http_enabled: bool,
    /// Whether to serve metrics, which come later.
    #[arg(
        long,
        env = "KILWA_METRICS_ENABLED",
        hide = true,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_parser = boolean::parse
    )]
    metrics_enabled: bool,
    /// The memory for what was read from disk, in bytes.
    #[arg(
        long,
        env = "KILWA_BLOCK_CACHE_SIZE",
        default_value_t = 256 << 20,
        value_parser = clap::value_parser!(u32).range(1 << 20..),
        value_name = "BYTES"
    )]
    block_cache_size: u32,
    /// Open a store whose log is damaged, without the writes that cannot be read. Says what is lost, and copies the damaged
    /// files into a folder `damaged-…` of the data folder. Without this such a store is refused.
    #[arg(long)]
    recover_log: bool,
    #[command(flatten)]
    writes: WriteQueueArgs,
    #[command(flatten)]
    connections: ConnectionArgs,
    #[command(flatten)]
    watch: WatchArgs,
    #[command(flatten)]
    streams: StreamArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

/// How much a request may hold and cost.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(in crate::cli) struct LimitArgs {
    /// The longest way from a resource to a subject, in relations and permissions. [default: none]
    #[arg(
        long,
        env = "KILWA_DISPATCH_MAX_DEPTH",
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    dispatch_max_depth: Option<u32>,
    /// The most relations and permissions of objects that one check may look into.
    #[arg(
        long,
        env = "KILWA_MAX_CHECK_VISITS",
        default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u64).range(1..),
        value_name = "COUNT"
    )]
    max_check_visits: u64,
    /// The most reads of the store that one check may need.
    #[arg(
        long,
        env = "KILWA_MAX_CHECK_READS",
        default_value_t = 4_000_000,
        value_parser = clap::value_parser!(u64).range(1..),
        value_name = "COUNT"
    )]
    max_check_reads: u64,
    /// The most steps that the caveats of one check may take together.
    #[arg(
        long,
        env = "KILWA_MAX_CHECK_CAVEAT_STEPS",
        default_value_t = 100_000_000,
        value_parser = clap::value_parser!(u64).range(1..),
        value_name = "COUNT"
    )]
    max_check_caveat_steps: u64,
    /// How long one check may take, or all checks of one bulk check together.
    #[arg(
        long,
        env = "KILWA_MAX_CHECK_DURATION",
        default_value = "60s",
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    max_check_duration: Duration,
    /// The largest caveat context of a check, in bytes; 0 or less for no limit.
    #[arg(
        long,
        env = "KILWA_MAX_CAVEAT_CONTEXT_SIZE",
        default_value_t = 4096,
        allow_negative_numbers = true,
        value_name = "BYTES"
    )]
    max_caveat_context_size: i64,
    /// The largest caveat context that a relationship may store, in bytes.
    #[arg(
        long,
        env = "KILWA_MAX_RELATIONSHIP_CONTEXT_SIZE",
        default_value_t = 25_000,
        value_name = "BYTES"
    )]
    max_relationship_context_size: usize,
    /// The most updates of one write.
    #[arg(
        long,
        env = "KILWA_WRITE_RELATIONSHIPS_MAX_UPDATES_PER_CALL",
        default_value = "1000",
        value_name = "COUNT"
    )]
    write_relationships_max_updates_per_call: NonZero<usize>,
    /// The most preconditions of one write or deletion.
    #[arg(
        long,
        env = "KILWA_UPDATE_RELATIONSHIPS_MAX_PRECONDITIONS_PER_CALL",
        default_value_t = 1000,
        value_name = "COUNT"
    )]
    update_relationships_max_preconditions_per_call: usize,
    /// The largest limit that a read may ask for.
    #[arg(
        long,
        env = "KILWA_MAX_READ_RELATIONSHIPS_LIMIT",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    max_read_relationships_limit: u32,
    /// The largest limit that a lookup of resources may ask for.
    #[arg(
        long,
        env = "KILWA_MAX_LOOKUP_RESOURCES_LIMIT",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    max_lookup_resources_limit: u32,
    /// The most memory that one lookup may need for the objects between a subject and its resources, in bytes.
    #[arg(
        long,
        env = "KILWA_MAX_LOOKUP_MEMORY",
        default_value_t = 256 << 20,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "BYTES"
    )]
    max_lookup_memory: u32,
    /// The most memory that all requests under way may need together from their first byte to the end of their answer, in
    /// bytes. What goes beyond it is refused with `RESOURCE_EXHAUSTED`.
    #[arg(
        long,
        env = "KILWA_MAX_REQUESTS_MEMORY",
        default_value_t = 256 << 20,
        value_parser = clap::value_parser!(u32).range(1 << 20..),
        value_name = "BYTES"
    )]
    max_requests_memory: u32,
    /// The most subjects that a tree, or a part of a lookup of subjects, may need in memory at once.
    #[arg(
        long,
        env = "KILWA_MAX_LOOKUP_SUBJECTS",
        default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u64).range(1..),
        value_name = "COUNT"
    )]
    max_lookup_subjects: u64,
    /// The most relationships in one message of an export.
    #[arg(
        long,
        env = "KILWA_MAX_BULK_EXPORT_RELATIONSHIPS_LIMIT",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    max_bulk_export_relationships_limit: u32,
    /// The largest limit that a deletion may ask for.
    #[arg(
        long,
        env = "KILWA_MAX_DELETE_RELATIONSHIPS_LIMIT",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    max_delete_relationships_limit: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LogFormatArg {
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

impl Arguments {
    /// Requires that nothing is asked for which does not exist yet.
    pub(super) fn require_features(&self) -> Result<(), CliError> {
        for (asked, flag) in
            [(self.http_enabled, "--http-enabled"), (self.metrics_enabled, "--metrics-enabled")]
        {
            if asked {
                return Err(CliError::new(format!(
                    "`{flag}` is not supported yet: leave it out, or say `{flag}=false`"
                )));
            }
        }
        Ok(())
    }

    pub(super) fn address(&self) -> String {
        listen_address(&self.grpc_addr)
    }

    /// The data folder, so that it is found from anywhere.
    fn data_dir(&self) -> PathBuf {
        let dir = self.data_dir.clone().unwrap_or_else(default_data_dir);
        std::path::absolute(&dir).unwrap_or(dir)
    }

    pub(super) fn config(&self) -> Config {
        let mut config = Config::new(self.data_dir());
        config.keys.clone_from(&self.grpc_preshared_key);
        config.store.history_window = self.datastore_gc_window;
        self.clock.apply(&mut config);
        config.store.block_cache_bytes =
            usize::try_from(self.block_cache_size).unwrap_or(usize::MAX);
        config.recover_log = self.recover_log;
        config.garbage_collection_interval = self.datastore_gc_interval;
        config.slow_call = self.slow_call_threshold;
        config.shutdown_grace = self.shutdown_grace_period;
        self.writes.configure(&mut config);
        self.connections.apply(&mut config);
        self.watch.configure(&mut config);
        self.streams.configure(&mut config);
        config.read_only = self.datastore_readonly;
        self.limits.apply(&mut config);
        config
    }
}

impl LimitArgs {
    /// Sets them.
    pub(in crate::cli) fn apply(&self, config: &mut Config) {
        config.database.limits.depth_max = self.dispatch_max_depth;
        config.database.limits.visits_max = self.max_check_visits;
        config.database.limits.reads_max = self.max_check_reads;
        config.database.limits.caveat_steps_max = self.max_check_caveat_steps;
        config.database.limits.time_max = Some(self.max_check_duration);
        config.requests.caveat_bytes_max = self.max_relationship_context_size;
        config.database.updates_max = self.write_relationships_max_updates_per_call.get();
        config.database.preconditions_max = self.update_relationships_max_preconditions_per_call;
        config.requests.context_bytes_max =
            usize::try_from(self.max_caveat_context_size).ok().filter(|bytes| *bytes > 0);
        config.requests.read_limit_max = self.max_read_relationships_limit;
        config.requests.lookup_resources_limit_max = self.max_lookup_resources_limit;
        config.database.limits.lookup_bytes_max = self.max_lookup_memory;
        config.requests.all_bytes_max =
            usize::try_from(self.max_requests_memory).unwrap_or(usize::MAX);
        config.database.limits.subjects_max = self.max_lookup_subjects;
        config.requests.export_limit_max = self.max_bulk_export_relationships_limit;
        config.database.delete_limit_max = self.max_delete_relationships_limit;
    }
}

/// The address to listen at; without a host it is every address of this machine.
pub(in crate::cli) fn listen_address(given: &str) -> String {
    match given.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => given.to_owned(),
    }
}
