//! Servers for tests that keep an empty store of its own for each key that they are shown.

use crate::reference::case::{Case, now};
use crate::server_support::touch;
use kilwa::proto::authzed::api::v1 as proto;
use proto::permissions_service_client::PermissionsServiceClient;
use proto::schema_service_client::SchemaServiceClient;
use std::ffi::OsStr;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// How often a program is started before it counts as one that cannot, and how long each start may take.
const STARTS_MAX: usize = 3;
const START_MAX: Duration = Duration::from_mins(1);

/// A store for each key.
const FOR_TESTS: [&str; 2] = ["serve-testing", "--readonly-grpc-enabled=false"];
const OPTIONS_OF_SPICEDB: &[&str] =
    &["--skip-release-check", "--log-level=error", "--grpc-max-conn-age=1h"];
const ONLY_KEY: &str = "key";

/// A server that runs, and is killed when it is dropped.
pub(crate) struct Peer {
    process: Child,
    endpoint: String,
    channel: Channel,
    /// The one key, where the server has one store.
    only_key: Option<&'static str>,
    keys: AtomicUsize,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The oldest `SpiceDB` to compare with: in earlier ones of 1.56 the data in memory has wrong snapshots.
const OLDEST_SPICEDB: [u32; 3] = [1, 56, 2];

/// Requires that a program is a `SpiceDB` to compare with, and gives its version as it prints it.
pub(crate) fn require_spicedb(program: &OsStr) -> String {
    let printed = Command::new(program).arg("version").output().unwrap();
    let printed = String::from_utf8_lossy(&printed.stdout).trim().to_owned();
    let number = printed.rsplit_once('v').map_or("", |(_, number)| number);
    let parts: Vec<u32> =
        number.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect();
    assert!(
        parts.as_slice() >= OLDEST_SPICEDB.as_slice(),
        "`{}` is `{printed}`, which is older than {OLDEST_SPICEDB:?}",
        program.display()
    );
    printed
}

impl Peer {
    /// A `SpiceDB`.
    pub(crate) fn spicedb(program: &OsStr, runtime: &Runtime) -> Self {
        Self::start(program, &[&FOR_TESTS, OPTIONS_OF_SPICEDB].concat(), runtime)
    }

    /// A `SpiceDB` with its data in a database of `PostgreSQL`, which is its only store.
    pub(crate) fn spicedb_on_postgres(program: &OsStr, uri: &str, runtime: &Runtime) -> Self {
        let uri = format!("--datastore-conn-uri={uri}");
        let engine = ["--datastore-engine=postgres", &uri, OPTIONS_OF_SPICEDB[0]];
        let mut migrate = Command::new(program);
        migrate.args(["datastore", "migrate", "head"]).args(engine);
        let migrated = migrate.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(migrated.success(), "the database cannot be prepared");
        let key = format!("--grpc-preshared-key={ONLY_KEY}");
        let serve = [
            "serve",
            &key,
            "--http-enabled=false",
            "--metrics-enabled=false",
            "--dispatch-cluster-enabled=false",
            "--datastore-disable-watch-support",
        ];
        let arguments = [serve.as_slice(), &engine, &OPTIONS_OF_SPICEDB[1..]].concat();
        let mut started = Self::start(program, &arguments, runtime);
        started.only_key = Some(ONLY_KEY);
        started
    }

    /// A Kilwa.
    pub(crate) fn kilwa(runtime: &Runtime) -> Self {
        Self::start(env!("CARGO_BIN_EXE_kilwa").as_ref(), &FOR_TESTS, runtime)
    }

    fn start(program: &OsStr, arguments: &[&str], runtime: &Runtime) -> Self {
        let started = (0..STARTS_MAX).find_map(|_| Self::try_start(program, arguments, runtime));
        started.unwrap_or_else(|| panic!("`{}` does not start", program.display()))
    }

    /// Nothing when the program ends or does not answer, as when another process took the port meanwhile.
    fn try_start(program: &OsStr, arguments: &[&str], runtime: &Runtime) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let endpoint = format!("127.0.0.1:{port}");
        let mut process = Command::new(program)
            .args(arguments)
            .arg(format!("--grpc-addr={endpoint}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let dialed = Endpoint::from_shared(format!("http://{endpoint}")).unwrap();
        let connected = async {
            loop {
                match dialed.connect().await {
                    Ok(channel) => return Some(channel),
                    Err(_) if process.try_wait().unwrap().is_some() => return None,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        let connected = runtime.block_on(async { timeout(START_MAX, connected).await });
        if let Ok(Some(channel)) = connected {
            let keys = AtomicUsize::new(0);
            return Some(Self { process, endpoint, channel, only_key: None, keys });
        }
        drop(process.kill());
        drop(process.wait());
        None
    }

    /// Host and port of its gRPC interface.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Fills the store of a key with a case, without expired relationships.
    pub(crate) async fn load(&self, key: &str, case: &Case) -> Result<(), Status> {
        let mut schemas = SchemaServiceClient::new(self.channel());
        let request = proto::WriteSchemaRequest { schema: case.schema.clone() };
        schemas.write_schema(keyed(key, request)).await?;
        let updates = case
            .relationships
            .iter()
            .filter(|stored| stored.expires_at.is_none_or(|expires_at| now() < expires_at))
            .map(|stored| touch(&stored.to_string()))
            .collect();
        let request = proto::WriteRelationshipsRequest { updates, ..Default::default() };
        let mut permissions = PermissionsServiceClient::new(self.channel());
        permissions.write_relationships(keyed(key, request)).await?;
        Ok(())
    }

    /// A key that was never shown before, where the server has a store for each.
    pub(crate) fn next_key(&self) -> String {
        if let Some(key) = self.only_key {
            return key.to_owned();
        }
        self.keys.fetch_add(1, Ordering::Relaxed).to_string()
    }
}

/// A message with a key.
pub(crate) fn keyed<T>(key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = MetadataValue::try_from(format!("Bearer {key}")).unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}
