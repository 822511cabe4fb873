//! Errors of calls: the meaning of a status, as one line for the user.

use std::error::Error as _;
use tonic::{Code, Status};
use tonic_types::{ErrorInfo, StatusExt as _};

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The endpoint is malformed.
    #[error("`{endpoint}` is not an endpoint: write it like `127.0.0.1:50051`")]
    Endpoint {
        /// The endpoint as given.
        endpoint: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The key has characters that a header cannot hold.
    #[error("the token has characters that a key cannot have: use printable ASCII")]
    Key,
    /// The file that was named for the key.
    #[error("the token file `{path}` cannot be used: {reason}")]
    TokenFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The runtime of the client could not be started.
    #[error("calls cannot be made: {0}")]
    Setup(String),
    /// No connection to the endpoint.
    #[error("no server answers at `{endpoint}`: {reason}; {}", unreachable_hint(.reason, *.flags))]
    Unreachable {
        /// The endpoint.
        endpoint: String,
        /// The flags that say where it is.
        flags: ServerFlags,
        /// The error of the network.
        reason: String,
    },
    /// The connection ended before the call did.
    #[error(
        "the connection to `{endpoint}` was lost before the call was complete, as when the server ends: {reason}"
    )]
    Lost {
        /// The endpoint.
        endpoint: String,
        /// The error of the connection.
        reason: String,
    },
    /// The server requires a key, or another one than was sent.
    #[error("{message}: {}", .hint.as_deref().unwrap_or(KEY_HINT))]
    Denied {
        /// The message of the server.
        message: String,
        /// Where the key that was sent came from and how to give another one; `None` if the connection was not told.
        hint: Option<String>,
    },
    /// The server has no schema yet.
    #[error("{0}; write one with `kilwa schema write FILE`")]
    NoSchema(String),
    /// The server refused the call.
    #[error("{0}")]
    Refused(String),
    /// The relationship or name to create exists already.
    #[error("{0}")]
    Exists(String),
    /// The call sends or requests more than `max`, the server's limit for one call.
    #[error("{message}")]
    TooMany {
        /// The message of the server.
        message: String,
        /// The limit.
        max: u32,
    },
    /// The response does not conform to the protocol.
    #[error("unexpected response from the server: {0}")]
    UnexpectedResponse(String),
}

/// Which flags of a command are about a server, for advice in errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerFlags {
    /// `--endpoint` and those beside it.
    #[default]
    Usual,
    /// `--to-endpoint` and those beside it: of a second server, which is written to.
    Destination,
}

impl ServerFlags {
    /// A flag of this server, by its name without a prefix.
    fn flag(self, name: &str) -> String {
        match self {
            Self::Usual => format!("`--{name}`"),
            Self::Destination => format!("`--to-{name}`"),
        }
    }
}

/// What to do about a key when nothing is known of its source.
const KEY_HINT: &str = "set KILWA_TOKEN or `--token`; a server that generated its key keeps it in the file \
                        `preshared.key` of its data folder";

impl CallError {
    /// The error for the status of a call to `endpoint`.
    pub(super) fn from_status(
        status: &Status,
        endpoint: &str,
        flags: ServerFlags,
        key_hint: Option<&str>,
    ) -> Self {
        let transport = status.source().filter(|source| source.is::<tonic::transport::Error>());
        if transport.is_some() {
            let (endpoint, reason) = (endpoint.to_owned(), innermost(status));
            return Self::Unreachable { endpoint, flags, reason };
        }

        // A status from a server has no source.
        if status.code() == Code::Unknown && status.source().is_some() {
            return Self::Lost { endpoint: endpoint.to_owned(), reason: innermost(status) };
        }

        let info = status.get_details_error_info();
        let reason = info.as_ref().map(|info| info.reason.as_str());
        let message = describe(status.code(), reason, status.message());
        match info.as_ref().and_then(exceeded_limit) {
            Some(max) => Self::TooMany { message, max },
            None if status.code() == Code::AlreadyExists => Self::Exists(message),
            None if concerns_key(status) => Self::Denied {
                message: denied(status.code(), message),
                hint: key_hint.map(str::to_owned),
            },
            None if concerns_missing_schema(status) => Self::NoSchema(message),
            None => Self::Refused(message),
        }
    }
}

/// The problem with the key. A server's own text speaks of gRPC metadata, which users of the commands do not see.
fn denied(code: Code, message: String) -> String {
    if code == Code::Unauthenticated && message.contains("no key was sent") {
        return "UNAUTHENTICATED: invalid preshared key: no key was sent".to_owned();
    }
    message
}

/// Whether a server refuses a call because of the key. Kilwa and `SpiceDB` use the same texts.
fn concerns_key(status: &Status) -> bool {
    let is_wrong = || {
        status.code() == Code::PermissionDenied
            && status.message().starts_with("invalid preshared key")
    };
    status.code() == Code::Unauthenticated || is_wrong()
}

/// Whether a server refuses a call because of what the key may do.
pub(super) fn concerns_roles(status: &Status) -> bool {
    status.code() == Code::PermissionDenied && !concerns_key(status)
}

/// Whether a server refuses to read a schema because there is none.
fn concerns_missing_schema(status: &Status) -> bool {
    status.code() == Code::NotFound
        && status.message().to_lowercase().starts_with("no schema has been defined")
}

/// Errors of a connection that was established with something other than HTTP/2, such as TLS or HTTP/1.
const NOT_HTTP2: &[&str] =
    &["invalid size", "broken pipe", "reset", "protocol error", "closed", "unexpected end"];

/// Alerts of TLS about the certificate that the client has shown.
const REFUSED_CERTIFICATE: &[&str] = &[
    "unsupportedcertificate",
    "badcertificate",
    "certificateexpired",
    "certificateunknown",
    "certificaterevoked",
];

/// What to do when there is no connection, by the error of the network.
fn unreachable_hint(reason: &str, flags: ServerFlags) -> String {
    let reason = reason.to_lowercase();
    let certificate = flags.flag("client-certificate-path");
    if reason.contains("unknownissuer") {
        let authorities = flags.flag("certificate-path");
        return format!(
            "the server's certificate is from an authority that is not trusted: name its file with {authorities}"
        );
    }
    if reason.contains("invalid peer certificate") {
        return "the server's certificate does not hold for this endpoint: connect by a name in it, or renew it".to_owned();
    }

    if reason.contains("corrupt message") || reason.contains("invalidcontenttype") {
        return "what listens there does not speak TLS: leave out `https://` and the flags for certificates".to_owned();
    }
    if reason.contains("certificaterequired") || reason.contains("certificate required") {
        let key = flags.flag("client-key-path");
        return format!("the server requires a certificate: give it with {certificate} and {key}");
    }
    if reason.contains("received fatal alert: unknownca") {
        return format!(
            "the server does not trust the authority of the client's certificate ({certificate}): give one from an authority \
             in its `--grpc-tls-client-ca-path`"
        );
    }
    if REFUSED_CERTIFICATE.iter().any(|alert| reason.contains(&format!("alert: {alert}"))) {
        return format!(
            "the server does not accept the client's certificate ({certificate}): give one that is valid, meant for clients, \
             and from an authority in its `--grpc-tls-client-ca-path`"
        );
    }
    if NOT_HTTP2.iter().any(|words| reason.contains(words)) {
        let https = flags.flag("endpoint https://HOST:PORT");
        return format!(
            "what listens there closed the connection: it may need TLS ({https}), require a certificate of the client, not \
             trust the one that was given ({certificate}), be another service, or have been stopped"
        );
    }
    match flags {
        ServerFlags::Usual => {
            "start one with `kilwa serve`, or say with `--endpoint` or in KILWA_ENDPOINT where it is"
        }
        ServerFlags::Destination => "start it, or say with `--to-endpoint` where it is",
    }
    .to_owned()
}

/// The limit that the call exceeded, if the server refused it for that.
fn exceeded_limit(info: &ErrorInfo) -> Option<u32> {
    let key = match info.reason.as_str() {
        "ERROR_REASON_EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT" => "maximum_limit_allowed",
        "ERROR_REASON_TOO_MANY_UPDATES_IN_REQUEST" => "maximum_updates_allowed",
        _ => return None,
    };
    info.metadata.get(key)?.parse().ok().filter(|max| *max > 0)
}

/// The innermost source of an error.
fn innermost(status: &Status) -> String {
    let mut error: &dyn std::error::Error = status;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Code, reason and message of a refused call, such as `NOT_FOUND (UNKNOWN_DEFINITION): …`.
pub(super) fn describe(code: Code, reason: Option<&str>, message: &str) -> String {
    let code = screaming(&format!("{code:?}"));
    let short = reason.map(|reason| reason.strip_prefix("ERROR_REASON_").unwrap_or(reason));
    match short.filter(|reason| !["", "UNSPECIFIED"].contains(reason)) {
        Some(reason) => format!("{code} ({reason}): {message}"),
        None => format!("{code}: {message}"),
    }
}

/// `NotFound` as `NOT_FOUND`.
fn screaming(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}
