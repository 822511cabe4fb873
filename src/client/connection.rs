//! Connections to a server.

use super::call_error::{CallError, ServerFlags};
use super::misspelt_name::MisspeltName;
use super::tls::ClientTls;
use crate::proto::authzed::api::v1::permissions_service_client::PermissionsServiceClient;
use crate::proto::authzed::api::v1::schema_service_client::SchemaServiceClient;
use crate::proto::authzed::api::v1::watch_service_client::WatchServiceClient;
use crate::proto::kilwa::v1::lookup_service_client::LookupServiceClient;
use crate::proto::kilwa::v1::permissions_service_client::PermissionsServiceClient as KilwaPermissionsServiceClient;
use crate::proto::kilwa::v1::relationships_service_client::RelationshipsServiceClient;
use crate::proto::kilwa::v1::watch_service_client::WatchServiceClient as KilwaWatchServiceClient;
use std::fmt;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio_stream::StreamExt as _;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

/// How long establishing a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of a response message in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A channel that sends the key with each call.
pub(super) type AuthorizedChannel = InterceptedService<Channel, BearerToken>;

/// Adds the key to the metadata of a call.
#[derive(Clone, Debug)]
pub(super) struct BearerToken(Option<MetadataValue<Ascii>>);

impl Interceptor for BearerToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            request.metadata_mut().insert("authorization", key.clone());
        }
        Ok(request)
    }
}

/// A connection to a server, established by the first call.
pub struct Connection {
    runtime: Runtime,
    channel: AuthorizedChannel,
    endpoint: String,
    flags: ServerFlags,
    key_hint: Option<String>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection to `host:port`, or with TLS to `https://host:port`, that sends `key` with each call.
    pub fn open(endpoint: &str, key: Option<&str>) -> Result<Self, CallError> {
        let tls = endpoint.starts_with("https://").then(ClientTls::default);
        Self::open_with(endpoint, key, tls.as_ref())
    }

    /// The same, with TLS as given, or without it.
    pub fn open_with(
        endpoint: &str,
        key: Option<&str>,
        tls: Option<&ClientTls>,
    ) -> Result<Self, CallError> {
        let address = ["http://", "https://"]
            .into_iter()
            .find_map(|scheme| endpoint.strip_prefix(scheme))
            .unwrap_or(endpoint);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let no_endpoint = || CallError::Endpoint { endpoint: endpoint.to_owned() };
        let channel = Endpoint::from_shared(format!("{scheme}://{address}"));
        let mut channel = channel.map_err(|_| no_endpoint())?;
        // Without a port, that of web servers would be used, which is certainly wrong.
        if channel.uri().port().is_none() {
            return Err(no_endpoint());
        }
        if let Some(tls) = tls {
            channel = tls.apply(channel)?;
        }

        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| CallError::Setup(error.to_string()))?;
        let connected = {
            let _inside = runtime.enter();
            channel.connect_timeout(CONNECT_TIMEOUT).connect_lazy()
        };
        let key = key.map(|key| format!("Bearer {}", key.trim()).parse()).transpose();
        let bearer = BearerToken(key.map_err(|_| CallError::Key)?);
        let channel = InterceptedService::new(connected, bearer);

        Ok(Self {
            runtime,
            channel,
            endpoint: address.to_owned(),
            flags: ServerFlags::Usual,
            key_hint: None,
        })
    }

    /// The same connection, whose errors about the key say where the key came from and how to give another one.
    #[must_use]
    pub fn with_key_hint(mut self, hint: String) -> Self {
        self.key_hint = Some(hint);
        self
    }

    /// The same connection, whose errors name these flags.
    #[must_use]
    pub fn with_flags(mut self, flags: ServerFlags) -> Self {
        self.flags = flags;
        self
    }

    /// Address of the server.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) fn channel(&self) -> AuthorizedChannel {
        self.channel.clone()
    }

    pub(super) fn permissions(&self) -> PermissionsServiceClient<AuthorizedChannel> {
        PermissionsServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(super) fn kilwa_permissions(&self) -> KilwaPermissionsServiceClient<AuthorizedChannel> {
        KilwaPermissionsServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(super) fn schema(&self) -> SchemaServiceClient<AuthorizedChannel> {
        SchemaServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(super) fn relationships(&self) -> RelationshipsServiceClient<AuthorizedChannel> {
        RelationshipsServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(super) fn lookups(&self) -> LookupServiceClient<AuthorizedChannel> {
        LookupServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(super) fn watcher(&self) -> WatchServiceClient<AuthorizedChannel> {
        WatchServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(super) fn kilwa_watcher(&self) -> KilwaWatchServiceClient<AuthorizedChannel> {
        KilwaWatchServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Runs a future of this connection to its end.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Waits for the response to a call.
    pub(super) fn wait<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CallError> {
        let answer = self.runtime.block_on(call);
        answer.map(Response::into_inner).map_err(|status| self.explained(&status))
    }

    /// Waits for the next message of a stream.
    pub(super) fn next<T>(&self, stream: &mut Streaming<T>) -> Result<Option<T>, CallError> {
        let message = self.runtime.block_on(stream.next());
        message.transpose().map_err(|status| self.explained(&status))
    }

    /// The error for the status of a call, with the name that was probably meant if the server does not know one. That asks
    /// the server for its schema, so this must not be called within `block_on`.
    fn explained(&self, status: &Status) -> CallError {
        match (self.error(status), MisspeltName::of(status)) {
            (CallError::Refused(message), Some(unknown)) => {
                let schema = self.read_schema().ok();
                let near = schema.and_then(|(text, _)| unknown.nearest(&text));
                let near = near.map(|near| format!("; did you mean `{near}`?"));
                CallError::Refused(message + &near.unwrap_or_default())
            }
            (error, _) => error,
        }
    }

    /// The error for the status of a call.
    pub(super) fn error(&self, status: &Status) -> CallError {
        CallError::from_status(status, &self.endpoint, self.flags, self.key_hint.as_deref())
    }
}
