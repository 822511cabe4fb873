//! `kilwa serve-testing`.

use super::error::CliError;
use super::serve::{ConnectionArgs, LimitArgs, LogFormatArg, bootstrap, listen_address};
use super::spicedb::AdoptionNotes;
use super::{boolean, duration, render, source_files};
use crate::cli::exit::Exit;
use crate::config::Config;
use crate::server::{TestAddresses, run_testing_until_signal};
use crate::telemetry;
use crate::validation::SchemaNeed;
use clap::{ArgAction, Args};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Runs a test server: each key that a client sends gets a separate empty database in memory, until the server ends.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Address to serve gRPC at.
    #[arg(
        long,
        env = "KILWA_GRPC_ADDR",
        default_value = "127.0.0.1:50051",
        value_name = "HOST:PORT"
    )]
    grpc_addr: String,
    /// Address to serve the same databases at, read-only.
    #[arg(
        long,
        env = "KILWA_READONLY_GRPC_ADDR",
        default_value = "127.0.0.1:50052",
        value_name = "HOST:PORT"
    )]
    readonly_grpc_addr: String,
    /// Whether to serve the read-only address.
    #[arg(
        long,
        env = "KILWA_READONLY_GRPC_ENABLED",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true",
        value_parser = boolean::parse
    )]
    readonly_grpc_enabled: bool,
    /// Validation files and schemas, separated by commas, with which each database is bootstrapped.
    #[arg(long, env = "KILWA_LOAD_CONFIGS", value_delimiter = ',', value_name = "FILE")]
    load_configs: Vec<PathBuf>,
    /// How long older revisions can be read (history window).
    #[arg(
        long,
        env = "KILWA_DATASTORE_GC_WINDOW",
        default_value = "1h",
        value_parser = duration::parse,
        value_name = "DURATION"
    )]
    datastore_gc_window: Duration,
    /// Time for running calls to finish after a stop signal.
    #[arg(
        long,
        env = "KILWA_SHUTDOWN_GRACE_PERIOD",
        alias = "grpc-shutdown-grace-period",
        default_value = "5s",
        value_parser = duration::parse,
        value_name = "DURATION"
    )]
    shutdown_grace_period: Duration,
    /// Log level: error, warn, info, debug or trace, or rules such as kilwa=debug,info.
    #[arg(long, env = "KILWA_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    log_level: String,
    /// Format of log lines.
    #[arg(long, env = "KILWA_LOG_FORMAT", value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormatArg,
    #[command(flatten)]
    connections: ConnectionArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

/// Memory of the answer cache of one test database, in bytes.
const CACHE_BYTES: usize = 4 << 20;

pub(super) fn run(arguments: &Arguments, notes: &AdoptionNotes) -> Result<Exit, CliError> {
    telemetry::start(arguments.log_format.into(), &arguments.log_level)?;
    notes.log();
    let read_only = listen_address(&arguments.readonly_grpc_addr);
    let addresses = TestAddresses {
        all: listen_address(&arguments.grpc_addr),
        read_only: arguments.readonly_grpc_enabled.then_some(read_only),
    };
    run_testing_until_signal(&addresses, arguments.config()?, |addresses| {
        if arguments.log_format == LogFormatArg::Json {
            let read_only = addresses.read_only.map(|address| address.to_string());
            tracing::info!(address = %addresses.all, read_only, "serving gRPC for tests");
            return;
        }
        // The server works without a reader of its banner, so an error here is ignored.
        drop(render::out(&banner(&addresses)));
    })?;
    Ok(Exit::Success)
}

impl Arguments {
    fn config(&self) -> Result<Config, CliError> {
        let mut config = Config::new(PathBuf::new());
        config.store.history_window = self.datastore_gc_window;
        config.shutdown_grace = self.shutdown_grace_period;
        config.database.cache_bytes = CACHE_BYTES;
        self.connections.apply(&mut config);
        self.limits.apply(&mut config);
        if !self.load_configs.is_empty() {
            let data = source_files::read_all(&self.load_configs, SchemaNeed::Required)?;
            config.bootstrap = Some(bootstrap(data.schema, data.relationships));
        }
        Ok(config)
    }
}

fn banner(addresses: &TestAddresses<SocketAddr>) -> String {
    let read_only = addresses
        .read_only
        .map(|address| format!("  read-only at {address}\n"))
        .unwrap_or_default();
    let all = addresses.all;
    format!(
        "✓ kilwa serves tests at {all}\n{read_only}  each key has a separate in-memory database\n"
    )
}
