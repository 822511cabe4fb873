//! The log line of a started server: what is on, where, and what is unsafe.

use super::access_args;
use crate::audit::AuditTarget;
use crate::config::{Config, KeySource, TransportSecurity};
use crate::file_mode::FileMode;
use crate::server::Server;
use std::net::SocketAddr;

const OFF: &str = "off";

/// Logs what a server serves that listens at an address.
pub(super) fn log(address: SocketAddr, config: &Config, server: &Server) {
    let version = env!("CARGO_PKG_VERSION");
    let (data_dir, remarks) = (config.data_dir.display(), server.remarks());
    let tls = transport(&config.transport);
    let keys = match server.key_source() {
        KeySource::Given => "given",
        KeySource::AccessFile(_) => "access file",
        KeySource::Kept(_) | KeySource::Made(_) => "data folder",
    };

    let http = server.http_url().unwrap_or_else(|| OFF.to_owned());
    let metrics = server.metrics_address().map_or_else(|| OFF.to_owned(), |at| at.to_string());
    let audit = match &config.audit.target {
        None => OFF.to_owned(),
        Some(AuditTarget::StandardOutput) => "standard output".to_owned(),
        Some(AuditTarget::File(file)) => file.display().to_string(),
    };
    let is_on = |is_on| if is_on { "on" } else { OFF };
    let traces = is_on(config.traces.protocol.is_some());
    let ext_authz = is_on(config.ext_authz_file.is_some());
    let profiles = is_on(config.metrics.profiles);
    let read_only = is_on(config.read_only);

    let unsafe_settings = unsafe_settings(config, server);
    tracing::info!(
        version,
        %address,
        %data_dir,
        remarks,
        tls,
        keys,
        http,
        metrics,
        audit,
        traces,
        ext_authz,
        profiles,
        read_only,
        unsafe_settings,
        "serving gRPC"
    );
}

fn transport(transport: &TransportSecurity) -> &'static str {
    match transport {
        TransportSecurity::LoopbackPlaintext | TransportSecurity::Plaintext => OFF,
        TransportSecurity::Tls(files) if files.client_ca.is_some() => "client certificates",
        TransportSecurity::Tls(_) => "on",
    }
}

/// The settings, and modes of files, that take a protection away, separated by commas; `none` without any.
fn unsafe_settings(config: &Config, server: &Server) -> String {
    let http = config.http.as_ref().map(|http| &http.transport);
    let metrics = config.metrics.address.as_ref().map(|_| &config.metrics.transport);
    let is_plain = |transport| transport == &TransportSecurity::Plaintext;
    let settings = [
        (is_plain(&config.transport), "plain text for gRPC"),
        (http.is_some_and(is_plain), "plain text for HTTP"),
        (metrics.is_some_and(is_plain), "plain text for metrics"),
        (has_exposed_profiles(config, server), "profiles for other machines"),
        (access_args::has_shown_keys(), "key on the command line"),
        (config.accept_clock, "clock accepted"),
        (config.recover_log, "damaged log accepted"),
        (server.has_open_tls_key(), "TLS key that every user can read"),
        (has_open_audit_log(config), "audit log that others can read"),
    ];

    let found = settings.iter().filter(|(applies, _)| *applies);
    let found = found.map(|(_, name)| (*name).to_owned());
    let changeable = server.open_files().into_iter();
    let changeable =
        changeable.map(|file| format!("file that every user can change: {}", file.display()));
    let found: Vec<_> = found.chain(changeable).collect();
    if found.is_empty() { "none".to_owned() } else { found.join(", ") }
}

/// Whether other machines can ask for profiles, which show what the process does and slow it down.
fn has_exposed_profiles(config: &Config, server: &Server) -> bool {
    let is_exposed = |at: SocketAddr| !at.ip().is_loopback();
    config.metrics.profiles && server.metrics_address().is_some_and(is_exposed)
}

/// Whether other users than its owner can read or change the file of the audit log.
fn has_open_audit_log(config: &Config) -> bool {
    let Some(AuditTarget::File(file)) = &config.audit.target else { return false };
    FileMode::at(file).is_ok_and(FileMode::is_open_to_others)
}
