//! `kilwa serve-testing`.

use super::error::CliError;
use super::serve::{CommonArgs, bootstrap, listen_address};
use super::spicedb::AdoptionNotes;
use super::{boolean, duration, render, source_files};
use crate::cli::exit::Exit;
use crate::config::Config;
use crate::server::{TestAddresses, run_testing_until_signal};
use crate::validation::SchemaNeed;
use clap::{ArgAction, Args};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How long the revisions of a test database can be read: no test asks for older ones.
const HISTORY_WINDOW: Duration = Duration::from_hours(1);
/// Memory of the answer cache of one test database, in bytes.
const CACHE_BYTES: usize = 4 << 20;

/// Runs a test server: each key that a client sends gets a separate empty database in memory, until the server ends.
#[derive(Debug, Args)]
pub(super) struct Arguments {
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
        default_value = duration::text(HISTORY_WINDOW),
        value_parser = duration::parse,
        value_name = "DURATION"
    )]
    datastore_gc_window: Duration,
    #[command(flatten)]
    common: CommonArgs,
}

pub(super) fn run(arguments: &Arguments, notes: &AdoptionNotes) -> Result<Exit, CliError> {
    arguments.common.start_log()?;
    notes.log();
    let read_only = listen_address(&arguments.readonly_grpc_addr);
    let addresses = TestAddresses {
        all: arguments.common.address(),
        read_only: arguments.readonly_grpc_enabled.then_some(read_only),
    };
    run_testing_until_signal(&addresses, arguments.config()?, |addresses| {
        if arguments.common.logs_json() {
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
        config.database.cache_bytes = CACHE_BYTES;
        self.common.apply(&mut config);
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
