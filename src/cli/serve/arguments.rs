//! Options of `kilwa serve`.

use super::access_args::AccessArgs;
use super::audit_args::AuditArgs;
use super::clock_args::ClockArgs;
use super::common_args::CommonArgs;
use super::defaults::defaults;
use super::ext_authz_args::ExtAuthzArgs;
use super::http_args::HttpArgs;
use super::metrics_args::MetricsArgs;
use super::stream_args::StreamArgs;
use super::tls_args::TlsArgs;
use super::trace_args::TraceArgs;
use super::watch_args::WatchArgs;
use super::write_queue_args::WriteQueueArgs;
use crate::cli::data_dir::default_data_dir;
use crate::cli::{boolean, duration};
use crate::config::Config;
use clap::{ArgAction, Args};
use std::path::PathBuf;
use std::time::Duration;

/// Runs the server.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Preshared key that clients must send; may be repeated. Without one, the server generates a key and stores it in
    /// the data folder.
    #[arg(
        long,
        env = "KILWA_GRPC_PRESHARED_KEY",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "KEY"
    )]
    grpc_preshared_key: Vec<String>,
    /// Data folder. [default: `kilwa` in the user's folder for application data]
    #[arg(long, env = "KILWA_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Validation files (.yaml) and schemas (.zed), separated by commas, to load into an empty store.
    #[arg(
        long,
        env = "KILWA_BOOTSTRAP",
        alias = "datastore-bootstrap-files",
        value_delimiter = ',',
        value_name = "FILE"
    )]
    pub(super) bootstrap: Vec<PathBuf>,
    /// How long older revisions can be read (history window). With 0 only the latest revision is certain to be readable:
    /// older ones are dropped at the next garbage collection, unless a call in progress reads them.
    #[arg(
        long,
        env = "KILWA_DATASTORE_GC_WINDOW",
        default_value = duration::text(defaults().store.history_window),
        value_parser = duration::parse,
        value_name = "DURATION"
    )]
    datastore_gc_window: Duration,
    /// Interval of garbage collection, which deletes revisions older than the history window.
    #[arg(
        long,
        env = "KILWA_DATASTORE_GC_INTERVAL",
        default_value = duration::text(defaults().garbage_collection_interval),
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    datastore_gc_interval: Duration,
    #[command(flatten)]
    clock: ClockArgs,
    /// Whether to refuse calls that write. A bootstrap is loaded nevertheless.
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
    /// Memory of the block cache for data read from disk, in bytes.
    #[arg(
        long,
        env = "KILWA_BLOCK_CACHE_SIZE",
        default_value = defaults().store.block_cache_bytes.to_string(),
        value_parser = clap::value_parser!(u32).range(1 << 20..),
        value_name = "BYTES"
    )]
    block_cache_size: u32,
    /// Whether to refuse to start in a data folder that is missing or empty, instead of beginning with an empty store there. For
    /// every start but the first, so that a volume that is not mounted, or lost, does not become a server that denies everything.
    #[arg(
        long,
        env = "KILWA_REQUIRE_EXISTING_DATA",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_parser = boolean::parse
    )]
    require_existing_data: bool,
    /// Open a store with a damaged write-ahead log, without the writes that cannot be read. The lost writes are
    /// reported, and the damaged files are copied to a folder `damaged-…` in the data folder. Without this option such
    /// a store is refused.
    #[arg(long)]
    recover_log: bool,
    #[command(flatten)]
    pub(super) common: CommonArgs,
    /// Time for which calls are still accepted after a stop signal, with the health at `NOT_SERVING`, so that load balancers
    /// notice.
    #[arg(
        long,
        env = "KILWA_GRPC_SHUTDOWN_DRAIN_DELAY",
        default_value = "0s",
        value_parser = duration::parse,
        value_name = "DURATION"
    )]
    grpc_shutdown_drain_delay: Duration,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    pub(super) access: AccessArgs,
    #[command(flatten)]
    audit: AuditArgs,
    #[command(flatten)]
    writes: WriteQueueArgs,
    #[command(flatten)]
    watch: WatchArgs,
    #[command(flatten)]
    streams: StreamArgs,
    #[command(flatten)]
    metrics: MetricsArgs,
    #[command(flatten)]
    traces: TraceArgs,
    #[command(flatten)]
    http: HttpArgs,
    #[command(flatten)]
    ext_authz: ExtAuthzArgs,
}

impl Arguments {
    /// The absolute path of the data folder.
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
        config.store.require_existing = self.require_existing_data;
        config.garbage_collection_interval = self.datastore_gc_interval;

        self.common.apply(&mut config);
        config.shutdown_drain_delay = self.grpc_shutdown_drain_delay;
        self.tls.apply(&mut config);
        self.access.apply(&mut config);
        self.audit.apply(&mut config);
        self.writes.apply(&mut config);
        self.watch.apply(&mut config);
        self.streams.apply(&mut config);
        self.metrics.apply(&mut config);
        self.traces.apply(&mut config);
        self.http.apply(&mut config);
        self.ext_authz.apply(&mut config);
        config.read_only = self.datastore_readonly;
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        arguments: Arguments,
    }

    /// A default that its flag cannot express would silently become another one.
    #[test]
    fn without_flags_the_options_are_those_of_the_library() {
        let folder = "/var/lib/kilwa";
        let parsed = Program::parse_from(["kilwa", "--data-dir", folder]).arguments.config();
        let expected = Config::new(PathBuf::from(folder));
        assert_eq!(format!("{parsed:#?}"), format!("{expected:#?}"));
    }
}
