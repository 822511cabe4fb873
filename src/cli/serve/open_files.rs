//! Files of a server that other users of the machine can read. Each is warned of where it is opened. A data folder that is open to others
//! is one of its remarks.

use crate::audit::AuditTarget;
use crate::config::{Config, TransportSecurity};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The bit of a mode with which every user can read a file.
const ALL_READ: u32 = 0o004;
/// The bits of everyone but the owner.
const OTHERS: u32 = 0o077;

/// What is open to others, in words.
pub(super) fn names(config: &Config) -> Vec<&'static str> {
    let audit = match &config.audit.target {
        Some(AuditTarget::File(file)) => Some(file.as_path()),
        Some(AuditTarget::StandardOutput) | None => None,
    };
    let is_open = |path: &Path, bits: u32| {
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & bits != 0)
    };
    let found = [
        (tls_keys(config).any(|it| is_open(it, ALL_READ)), "TLS key that every user can read"),
        (audit.is_some_and(|it| is_open(it, OTHERS)), "audit log that others can read"),
    ];
    found.into_iter().filter(|(is_open, _)| *is_open).map(|(_, name)| name).collect()
}

/// The files with the keys of the listeners.
fn tls_keys(config: &Config) -> impl Iterator<Item = &Path> {
    let metrics = config.metrics.address.as_ref().map(|_| &config.metrics.transport);
    let http = config.http.as_ref().map(|http| &http.transport);
    let listeners = [Some(&config.transport), http, metrics];
    listeners.into_iter().flatten().filter_map(|transport| match transport {
        TransportSecurity::Tls(files) => Some(files.key.as_path()),
        TransportSecurity::LoopbackPlaintext | TransportSecurity::Plaintext => None,
    })
}
