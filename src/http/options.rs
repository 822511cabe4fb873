//! How requests over HTTP are answered.

use std::path::PathBuf;
use std::time::Duration;

/// How requests over HTTP are answered. [`HttpOptions::default`] has the defaults; every field can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// The origins whose pages may read answers; `*` for every origin.
    pub cors_allowed_origins: Vec<String>,
    /// The longest body of a request, in bytes.
    pub body_bytes_max: usize,
    /// The most bytes of bodies that are held at once, of all requests together.
    pub bodies_bytes_max: usize,
    /// How long the next part of a request's body may take.
    pub body_idle_max: Duration,
    /// How many levels of arrays and objects the JSON of a request may have; at most [`HttpOptions::JSON_DEPTH_LIMIT`].
    pub json_depth_max: u16,
    /// How AuthZEN is answered.
    pub authzen: AuthzenOptions,
}

/// How AuthZEN is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthzenOptions {
    /// The file that maps types, actions and properties to definitions, permissions and caveat context.
    pub mapping_file: Option<PathBuf>,
    /// The URL under which clients reach the server, for the metadata; without it there are none.
    pub base_url: Option<String>,
}

impl HttpOptions {
    /// The deepest JSON that can be allowed: its reader has a bound of its own.
    pub const JSON_DEPTH_LIMIT: u16 = 120;
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            cors_allowed_origins: Vec::new(),
            body_bytes_max: 16 << 20,
            bodies_bytes_max: 256 << 20,
            body_idle_max: Duration::from_secs(30),
            json_depth_max: 100,
            authzen: AuthzenOptions::default(),
        }
    }
}
