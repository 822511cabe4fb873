//! Preshared keys: who may call at all.

use crate::api::status;
use crate::telemetry::Throttle;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use subtle::{Choice, ConstantTimeEq as _};
use tokio::time::Instant;
use tonic::Status;
use tonic::codegen::http::HeaderMap;
use tonic::codegen::http::header::AUTHORIZATION;

const SCHEME: &str = "bearer";

/// How often the log says that a call was refused because of its key.
const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// From this length on, in bytes, a key is hard to guess if it is random.
const STRONG_KEY_BYTES: usize = 16;

/// The keys that callers may show. Any one of them opens everything. `None` asks for no key.
#[derive(Clone)]
pub struct Keys(Option<Vec<String>>);

/// Keys that cannot protect anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// There is no key.
    #[error("a server needs at least one preshared key")]
    Missing,
    /// A key is the empty text or has blanks around it, which no header can carry.
    #[error("a preshared key must not be empty and not start or end with a blank")]
    Blank,
}

impl Keys {
    /// The keys of this list.
    pub fn new(keys: Vec<String>) -> Result<Self, KeysError> {
        if keys.is_empty() {
            return Err(KeysError::Missing);
        }
        if keys.iter().any(|key| key.is_empty() || key.trim() != key) {
            return Err(KeysError::Blank);
        }
        Ok(Self(Some(keys)))
    }

    /// Admits every caller, with or without a key. For tests.
    pub fn none_needed() -> Self {
        Self(None)
    }

    /// Whether a key is so short that it can be guessed.
    pub fn has_short_key(&self) -> bool {
        let mut keys = self.0.iter().flatten();
        keys.any(|key| key.len() < STRONG_KEY_BYTES)
    }

    /// Requires that the headers of a call show one of the keys.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<(), Status> {
        let Some(keys) = &self.0 else { return Ok(()) };
        let shown = headers.get(AUTHORIZATION).ok_or_else(|| {
            status::unauthenticated(
                "invalid preshared key: no key was sent, add the metadata `authorization: Bearer <key>`",
            )
        })?;
        let key = shown.to_str().ok().and_then(bearer).ok_or_else(|| {
            status::unauthenticated(
                "invalid preshared key: malformed authorization, it must read `Bearer <key>`",
            )
        })?;
        if holds(keys, key) { Ok(()) } else { Err(status::wrong_key()) }
    }
}

/// Logs that a call was refused because of its key: who called and why, but nothing that was sent. The address is unknown
/// where an earlier call of the connection had a valid key.
pub(crate) fn log_refusal(peer: Option<SocketAddr>, refusal: &Status) {
    static THROTTLE: Throttle = Throttle::new(1, REFUSAL_LOG_INTERVAL);
    let Some(suppressed) = THROTTLE.admit(Instant::now().into_std()) else { return };
    let peer = peer.map(tracing::field::display);
    tracing::warn!(
        peer,
        reason = refusal.message(),
        suppressed,
        "a call without a valid key was refused"
    );
}

/// Compares every key in full, so that the time it takes reveals nothing about them.
fn holds(keys: &[String], shown: &str) -> bool {
    let equal = |key: &String| key.as_bytes().ct_eq(shown.as_bytes());
    keys.iter().map(equal).fold(Choice::from(0), |found, one| found | one).into()
}

/// Says how many keys there are, and none of them.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.as_ref().map_or(0, Vec::len))
    }
}

/// The key that the headers of a call show, if they show one.
pub fn shown_key(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok().and_then(bearer)
}

/// The key of a header value `Bearer <key>`.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case(SCHEME) && !key.is_empty()).then_some(key)
}
