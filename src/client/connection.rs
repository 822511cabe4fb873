//! The connection, and what a failed call says.

use crate::proto::authzed::api::v1::permissions_service_client::PermissionsServiceClient;
use crate::proto::authzed::api::v1::schema_service_client::SchemaServiceClient;
use crate::proto::authzed::api::v1::watch_service_client::WatchServiceClient;
use crate::proto::kilwa::v1::lookup_service_client::LookupServiceClient;
use crate::proto::kilwa::v1::permissions_service_client::PermissionsServiceClient as OwnPermissionsClient;
use crate::proto::kilwa::v1::relationships_service_client::RelationshipsServiceClient;
use crate::proto::kilwa::v1::watch_service_client::WatchServiceClient as OwnWatchServiceClient;
use std::error::Error as _;
use std::fmt;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio_stream::StreamExt as _;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorInfo, StatusExt as _};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is taken, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The endpoint is none.
    #[error("`{endpoint}` is not an endpoint: write it like `127.0.0.1:50051`")]
    Endpoint {
        /// The endpoint as given.
        endpoint: String,
    },
    /// TLS was asked for.
    #[error("TLS is not supported: give the endpoint as `host:port`")]
    Tls,
    /// The key holds characters that no header can carry.
    #[error("the token holds characters that no key has")]
    Key,
    /// The machinery of calls could not be set up.
    #[error("calls cannot be made: {0}")]
    Setup(String),
    /// Nobody answers.
    #[error("no server answers at `{endpoint}`: {reason}; {}", unreachable_hint(.reason))]
    Unreachable {
        /// Where nobody answers.
        endpoint: String,
        /// What the network says.
        reason: String,
    },
    /// The server asks for a key, or for another one than was shown.
    #[error(
        "{0}: set KILWA_TOKEN or `--token`; a server that generated its key keeps it in the file `preshared.key` of its \
         data folder"
    )]
    Denied(String),
    /// The server has no schema yet.
    #[error("{0}; write one with `kilwa schema write FILE`")]
    NoSchema(String),
    /// The server refused the call.
    #[error("{0}")]
    Refused(String),
    /// Something that was to be created is there already.
    #[error("{0}")]
    Exists(String),
    /// The server takes no more than `max` of what was sent or asked for in one call.
    #[error("{message}")]
    TooMany {
        /// What the server says.
        message: String,
        /// How many it takes.
        max: u32,
    },
    /// The server answered with something that means nothing here.
    #[error("the server sent what no server should send: {0}")]
    Nonsense(String),
}

/// A channel that shows the key with each call.
pub(super) type Wire = InterceptedService<Channel, Bearer>;

/// Puts the key into a call's metadata.
#[derive(Clone, Debug)]
pub(super) struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            request.metadata_mut().insert("authorization", key.clone());
        }
        Ok(request)
    }
}

/// A connection to a server, made with the first call.
pub struct Connection {
    runtime: Runtime,
    wire: Wire,
    endpoint: String,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection to `host:port` that shows `key` with each call.
    pub fn open(endpoint: &str, key: Option<&str>) -> Result<Self, CallError> {
        if endpoint.starts_with("https://") {
            return Err(CallError::Tls);
        }
        let address = endpoint.strip_prefix("http://").unwrap_or(endpoint);
        let no_endpoint = || CallError::Endpoint { endpoint: endpoint.to_owned() };
        let channel = Endpoint::from_shared(format!("http://{address}"));
        let channel = channel.map_err(|_| no_endpoint())?;
        // The port of web servers, which would be meant, is never that of a server.
        if channel.uri().port().is_none() {
            return Err(no_endpoint());
        }
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| CallError::Setup(error.to_string()))?;
        let channel = {
            let _inside = runtime.enter();
            channel.connect_timeout(CONNECT_TIMEOUT).connect_lazy()
        };
        let key = key.map(|key| format!("Bearer {}", key.trim()).parse()).transpose();
        let bearer = Bearer(key.map_err(|_| CallError::Key)?);
        let wire = InterceptedService::new(channel, bearer);
        Ok(Self { runtime, wire, endpoint: address.to_owned() })
    }

    /// Where the server is.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) fn wire(&self) -> Wire {
        self.wire.clone()
    }

    pub(super) fn permissions(&self) -> PermissionsServiceClient<Wire> {
        PermissionsServiceClient::new(self.wire.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(super) fn own_permissions(&self) -> OwnPermissionsClient<Wire> {
        OwnPermissionsClient::new(self.wire.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(super) fn schema(&self) -> SchemaServiceClient<Wire> {
        SchemaServiceClient::new(self.wire.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(super) fn relationships(&self) -> RelationshipsServiceClient<Wire> {
        RelationshipsServiceClient::new(self.wire.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(super) fn lookups(&self) -> LookupServiceClient<Wire> {
        LookupServiceClient::new(self.wire.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(super) fn watcher(&self) -> WatchServiceClient<Wire> {
        WatchServiceClient::new(self.wire.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(super) fn own_watcher(&self) -> OwnWatchServiceClient<Wire> {
        OwnWatchServiceClient::new(self.wire.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Waits for whatever has to do with the connection.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Waits for the answer to a call.
    pub(super) fn wait<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CallError> {
        let answer = self.runtime.block_on(call);
        answer.map(Response::into_inner).map_err(|status| self.error(&status))
    }

    /// Waits for the next message of a stream.
    pub(super) fn next<T>(&self, stream: &mut Streaming<T>) -> Result<Option<T>, CallError> {
        let message = self.runtime.block_on(stream.next());
        message.transpose().map_err(|status| self.error(&status))
    }

    /// What a failed call says.
    pub(super) fn error(&self, status: &Status) -> CallError {
        let transport = status.source().filter(|source| source.is::<tonic::transport::Error>());
        if transport.is_some() {
            let (endpoint, reason) = (self.endpoint.clone(), innermost(status));
            return CallError::Unreachable { endpoint, reason };
        }
        let info = status.get_details_error_info();
        let reason = info.as_ref().map(|info| info.reason.as_str());
        let message = describe(status.code(), reason, status.message());
        match info.as_ref().and_then(most) {
            Some(max) => CallError::TooMany { message, max },
            None if status.code() == Code::AlreadyExists => CallError::Exists(message),
            None if concerns_key(status) => CallError::Denied(denied(status.code(), message)),
            None if concerns_missing_schema(status) => CallError::NoSchema(message),
            None => CallError::Refused(message),
        }
    }
}

/// Whether a server refuses a call because of the key. Kilwa and SpiceDB say it in the same words.
fn concerns_key(status: &Status) -> bool {
    let is_wrong = || {
        status.code() == Code::PermissionDenied
            && status.message().starts_with("invalid preshared key")
    };
    status.code() == Code::Unauthenticated || is_wrong()
}

/// What is wrong with the key. A server speaks of gRPC metadata when there is none, which does not help here.
fn denied(code: Code, message: String) -> String {
    if code == Code::Unauthenticated {
        return "UNAUTHENTICATED: invalid preshared key: no key was sent".to_owned();
    }
    message
}

/// Whether a server refuses to read a schema because there is none.
fn concerns_missing_schema(status: &Status) -> bool {
    status.code() == Code::NotFound
        && status.message().to_lowercase().starts_with("no schema has been defined")
}

/// What the network says once a connection has come about and does not speak HTTP/2: TLS and HTTP/1 end it so.
const NOT_HTTP2: &[&str] =
    &["invalid size", "broken pipe", "reset", "protocol error", "closed", "unexpected end"];

/// What to do when there is no connection, by what the network says.
fn unreachable_hint(reason: &str) -> &'static str {
    let reason = reason.to_lowercase();
    if NOT_HTTP2.iter().any(|words| reason.contains(words)) {
        "what listens there closed the connection: it may need TLS, which these commands do not speak, be another \
         service, or have been stopped"
    } else {
        "start one with `kilwa serve`, or say with `--endpoint` or in KILWA_ENDPOINT where it is"
    }
}

/// How many the server takes in one call, when it refused one for holding or asking for more.
fn most(info: &ErrorInfo) -> Option<u32> {
    let key = match info.reason.as_str() {
        "ERROR_REASON_EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT" => "maximum_limit_allowed",
        "ERROR_REASON_TOO_MANY_UPDATES_IN_REQUEST" => "maximum_updates_allowed",
        _ => return None,
    };
    info.metadata.get(key)?.parse().ok().filter(|max| *max > 0)
}

/// The root of an error.
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
