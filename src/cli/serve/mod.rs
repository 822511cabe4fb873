//! `kilwa serve`.

mod access_args;
mod arguments;
mod audit_args;
mod banner;
mod clock_args;
mod common_args;
mod connection_args;
mod defaults;
mod ext_authz_args;
mod http_args;
mod limit_args;
mod log_format;
mod metrics_args;
mod overload_args;
mod start_line;
mod stream_args;
mod tls_args;
mod trace_args;
mod watch_args;
mod write_queue_args;

use super::error::CliError;
use super::registration::Registration;
use super::spicedb::AdoptionNotes;
use super::{render, source_files};
use crate::audit::AuditTarget;
use crate::cli::exit::Exit;
use crate::config::{Bootstrap, KeySource};
use crate::relationship::Relationship;
use crate::server;
use crate::validation::SchemaNeed;
pub(super) use arguments::Arguments;
use banner::Banner;
pub(super) use common_args::{CommonArgs, listen_address};
pub(super) use log_format::asks_for_json;
use std::env;
use std::net::SocketAddr;
use std::path::Path;

pub(super) fn run(arguments: &Arguments, notes: &AdoptionNotes) -> Result<Exit, CliError> {
    arguments.common.start_log()?;
    notes.log();

    arguments.access.warn_of_shown_keys();
    let mut config = arguments.config();
    let mut example = None;
    if !arguments.bootstrap.is_empty() {
        let data = source_files::read_all(&arguments.bootstrap, SchemaNeed::Required)?;
        config.bootstrap = Some(bootstrap(data.schema, data.relationships));
        example = data.example;
    }

    // Kept until the server has ended.
    let mut registration = None;
    server::run_until_signal(&arguments.common.address(), &config, |address, server| {
        if matches!(server.key_source(), KeySource::Kept(_) | KeySource::Made(_)) {
            registration = register(address, &config.data_dir);
        }
        start_line::log(address, &config, server);
        if arguments.common.logs_json() || config.audit.target == Some(AuditTarget::StandardOutput)
        {
            // Both streams may be read as JSON.
            return;
        }
        let (data_dir, keys) = (&config.data_dir, server.key_source());
        let tls = server.tls_access(address);
        let http = server.http_url();
        let banner = Banner { program: program(), address, data_dir, keys, tls, http };
        // The server works without a reader of its banner, so an error here is ignored.
        drop(render::out(&banner.text(server.contents(), example.as_ref())));
    })?;
    drop(registration);
    Ok(Exit::Success)
}

/// Lets the commands of this user find the key. Without it they need the data folder, so a failure is no obstacle.
fn register(address: SocketAddr, data_dir: &Path) -> Option<Registration> {
    match Registration::write(address, data_dir) {
        Ok(registration) => Some(registration),
        Err(error) => {
            tracing::debug!(%error, "commands do not find the key by themselves");
            None
        }
    }
}

/// The bootstrap of an empty store.
pub(super) fn bootstrap(schema: Option<String>, relationships: Vec<Relationship>) -> Bootstrap {
    Bootstrap { schema: schema.unwrap_or_default(), relationships }
}

/// The name by which a shell calls this program: its plain name if that is found in PATH, its path otherwise.
fn program() -> String {
    let Ok(this) = env::current_exe() else { return "kilwa".to_owned() };
    let folders = env::var_os("PATH").unwrap_or_default();
    let mut programs = env::split_paths(&folders).map(|folder| folder.join("kilwa"));
    let found = programs.find(|program| program.is_file()).and_then(|p| p.canonicalize().ok());
    if found.is_some_and(|found| this.canonicalize().is_ok_and(|this| this == found)) {
        "kilwa".to_owned()
    } else {
        banner::quoted(&this.display().to_string())
    }
}
