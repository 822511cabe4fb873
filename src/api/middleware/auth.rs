//! Who calls: by a key or a client certificate.

use crate::access::{Callers, CallersError, Credential, KeyHash, Principal, Standing};
use crate::api::client_certificate::ClientCertificate;
use crate::api::status;
use crate::telemetry::Throttle;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Status;
use tonic::codegen::http::header::AUTHORIZATION;
use tonic::codegen::http::{HeaderMap, Request};

const SCHEME: &str = "bearer";

/// How often the log says that a call was refused because of its key.
const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The callers that may call. `None` asks for no key.
#[derive(Clone)]
pub struct Keys(Option<Arc<Callers>>);

/// The name of a caller, in the extensions of its request. Not there where no key is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerName(pub Arc<str>);

impl Keys {
    /// Callers without limits, with these keys.
    pub fn new(keys: &[String]) -> Result<Self, CallersError> {
        Ok(Self::of(Arc::new(Callers::new(keys, None)?)))
    }

    /// These callers.
    pub fn of(callers: Arc<Callers>) -> Self {
        Self(Some(callers))
    }

    /// Admits every caller, with or without a key. For tests.
    pub fn none_needed() -> Self {
        Self(None)
    }

    /// Whether a key is so short that it can be guessed.
    pub fn has_short_key(&self) -> bool {
        self.0.as_ref().is_some_and(|callers| callers.has_short_key())
    }

    /// The callers, where some are known.
    pub fn callers(&self) -> Option<&Arc<Callers>> {
        self.0.as_ref()
    }

    /// The caller of a request, by the key that its headers show or, without one, by the client's certificate.
    pub(crate) fn admit<B>(&self, request: &Request<B>) -> Result<Option<Principal>, Status> {
        let Some(callers) = &self.0 else { return Ok(None) };
        let mut shown = request.headers().get_all(AUTHORIZATION).iter();
        let Some(first) = shown.next() else {
            return by_certificate(callers, request).map(Some);
        };
        if shown.any(|other| other != first) {
            return Err(status::unauthenticated(
                "invalid preshared key: two different keys were sent, send one",
            ));
        }
        let key = first.to_str().ok().and_then(bearer).ok_or_else(|| {
            status::unauthenticated(
                "invalid preshared key: malformed authorization, it must read `Bearer <key>`",
            )
        })?;

        match callers.by_key(key) {
            Some(caller) => Ok(Some(caller)),
            None => match callers.by_token(key) {
                Some(found) => found.map(Some).map_err(status::from_token),
                None => Err(status::wrong_key()),
            },
        }
    }
}

impl Keys {
    /// The standing of the caller of a request, which [`Keys::admit`] has found.
    pub(crate) fn standing<B>(&self, request: &Request<B>, caller: &Principal) -> Option<Standing> {
        let callers = Arc::clone(self.0.as_ref()?);
        let credential = if let Some(key) = shown_key(request.headers()) {
            if callers.by_key(key).is_some() {
                Credential::Key(KeyHash::from_key(key))
            } else {
                Credential::Token(key.to_owned())
            }
        } else {
            let certificate = request.extensions().get::<Arc<ClientCertificate>>()?;
            let names = certificate.names().map(|(kind, name)| (kind, name.to_owned()));
            Credential::Certificate(names.collect())
        };
        Some(Standing::new(callers, credential, caller.clone()))
    }
}

/// The caller with the client's certificate.
fn by_certificate<B>(callers: &Callers, request: &Request<B>) -> Result<Principal, Status> {
    let missing = || status::unauthenticated(status::NO_KEY);
    let certificate = request.extensions().get::<Arc<ClientCertificate>>();
    let certificate = certificate.filter(|_| callers.knows_certificates()).ok_or_else(missing)?;
    callers.by_certificate(certificate.names()).ok_or_else(|| {
        status::unauthenticated(
            "no key was sent, and no name in the client's certificate has a role: add the metadata `authorization: Bearer <key>`, or the name to the access file",
        )
    })
}

/// Logs that a call was refused because of its key: who called and why, but nothing that was sent.
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

/// Shows no key.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.0).finish()
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
