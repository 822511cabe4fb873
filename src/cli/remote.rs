//! The way to a running server: one connection, and calls that wait for their answer.

use super::folder::{default_data_dir, read_key};
use crate::api::proto::authzed::api::v1::permissions_service_client::PermissionsServiceClient;
use crate::api::proto::authzed::api::v1::schema_service_client::SchemaServiceClient;
use clap::Args;
use std::error::Error as _;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio_stream::StreamExt as _;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::StatusExt as _;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is taken, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Which server to speak to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Connection {
    /// Address of the server.
    #[arg(
        long,
        env = "KILWA_ENDPOINT",
        default_value = "127.0.0.1:50051",
        value_name = "HOST:PORT"
    )]
    endpoint: String,
    /// Preshared key; for a server on this machine it is found in the data folder.
    #[arg(long, env = "KILWA_TOKEN", hide_env_values = true, value_name = "KEY")]
    token: Option<String>,
    /// Folder in which a server on this machine left its key.
    #[arg(long, env = "KILWA_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Speak without TLS, which is the only way so far.
    #[arg(long)]
    insecure: bool,
}

/// Why a call came to nothing, in one line.
#[derive(Debug)]
pub(super) struct Failure(String);

impl Failure {
    pub(super) fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
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

/// A connection that is made with the first call.
pub(super) struct Remote {
    runtime: Runtime,
    wire: Wire,
    address: String,
}

impl Connection {
    pub(super) fn open(&self) -> Result<Remote, Failure> {
        let address = self.endpoint.strip_prefix("http://").unwrap_or(&self.endpoint);
        if address.starts_with("https://") {
            return Err(Failure::new("TLS is not supported: give the endpoint as `host:port`"));
        }
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| Failure::new(format!("`{address}` is not an endpoint: {error}")))?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("no runtime: {error}")))?;
        let channel = {
            let _inside = runtime.enter();
            endpoint.connect_timeout(CONNECT_TIMEOUT).connect_lazy()
        };
        let wire = InterceptedService::new(channel, self.bearer(address)?);
        Ok(Remote { runtime, wire, address: address.to_owned() })
    }

    fn bearer(&self, address: &str) -> Result<Bearer, Failure> {
        let Some(key) = self.token.clone().or_else(|| self.found_key(address)) else {
            return Ok(Bearer(None));
        };
        let value = format!("Bearer {}", key.trim()).parse();
        let value =
            value.map_err(|_| Failure::new("the token holds characters that no key has"))?;
        Ok(Bearer(Some(value)))
    }

    /// The key in the data folder, which no other machine gets to see.
    fn found_key(&self, address: &str) -> Option<String> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let local = host == "localhost" || host == "[::1]" || host.starts_with("127.");
        let data_dir = || self.data_dir.clone().unwrap_or_else(default_data_dir);
        local.then(|| read_key(&data_dir())).flatten()
    }
}

impl Remote {
    pub(super) fn permissions(&self) -> PermissionsServiceClient<Wire> {
        PermissionsServiceClient::new(self.wire.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(super) fn schema(&self) -> SchemaServiceClient<Wire> {
        SchemaServiceClient::new(self.wire.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Waits for the answer to a call.
    pub(super) fn wait<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        let answer = self.runtime.block_on(call);
        answer.map(Response::into_inner).map_err(|status| self.failure(&status))
    }

    /// Takes each message of a stream as it comes.
    pub(super) fn each<T>(
        &self,
        mut stream: Streaming<T>,
        mut take: impl FnMut(T),
    ) -> Result<(), Failure> {
        while let Some(message) = self.runtime.block_on(stream.next()) {
            take(message.map_err(|status| self.failure(&status))?);
        }
        Ok(())
    }

    fn failure(&self, status: &Status) -> Failure {
        let transport = status.source().filter(|source| source.is::<tonic::transport::Error>());
        if transport.is_some() {
            let reason = innermost(status);
            return Failure::new(format!("no server answers at `{}`: {reason}", self.address));
        }
        let reason = status.get_details_error_info().map(|info| info.reason);
        Failure::new(describe(status.code(), reason.as_deref(), status.message()))
    }
}

/// The root of an error.
fn innermost(status: &Status) -> String {
    let mut error: &dyn std::error::Error = status;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Code, reason and message of a failed call.
pub(super) fn describe(code: Code, reason: Option<&str>, message: &str) -> String {
    let code = screaming(&format!("{code:?}"));
    let short = reason.map(|reason| reason.strip_prefix("ERROR_REASON_").unwrap_or(reason));
    match short.filter(|reason| !reason.is_empty()) {
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
