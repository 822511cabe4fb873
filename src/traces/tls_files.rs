//! The files that TLS to a collector needs.

use super::options::{TraceError, TraceTls};
use std::fs;
use std::path::Path;

/// The texts of these files, in PEM form.
pub(super) struct TlsFileTexts {
    /// The authorities to trust instead of the system's.
    pub(super) authorities: Option<Vec<u8>>,
    /// The server's own certificate and its key.
    pub(super) identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl TlsFileTexts {
    /// Reads them.
    pub(super) fn read(tls: &TraceTls) -> Result<Self, TraceError> {
        let read = |path: &Path| {
            fs::read(path).map_err(|error| {
                let reason = error.to_string();
                TraceError::TlsFile { path: path.to_owned(), reason }
            })
        };
        let authorities = tls.authorities.as_deref().map(read).transpose()?;
        let identity = match &tls.identity {
            Some((certificate, key)) => Some((read(certificate)?, read(key)?)),
            None => None,
        };
        Ok(Self { authorities, identity })
    }
}
