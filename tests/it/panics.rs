//! Panics of handlers: the call ends with INTERNAL for its client and in every record, and nothing else ends with it.
//!
//! In a process of its own, because what becomes of a panic is a setting of the whole process.

use crate::http_support::head;
use crate::metrics::{ask, labelled};
use crate::server_support::{Bearer, KEY, SCHEMA, config, question, start_with};
use kilwa::audit::AuditTarget;
use kilwa::config::HttpListenerOptions;
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::authzed::api::v1::permissions_service_client::PermissionsServiceClient;
use kilwa::proto::authzed::api::v1::watch_service_client::WatchServiceClient;
use kilwa::relationship::Timestamp;
use kilwa::server::{Server, TimeSource};
use kilwa::telemetry::{self, LogFormat};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tonic::Code;

const FOLDER: &str = "KILWA_TEST_PANICS_FOLDER";
/// The message of the panic has what a request may have.
const SECRET: &str = "document:the-secret-plan";
/// What the trap is set to for a panic at the next reading of the clock.
const ARMED: u64 = u64::MAX;
/// When the test is, in seconds since 1970.
const START: i64 = 1_790_000_000;
const SERVICE: &str = "authzed.api.v1.PermissionsService";

/// A clock that can be made to panic once. The server reads it for each call that reads data, and once a second for itself.
#[derive(Clone, Default)]
struct Trap(Arc<AtomicU64>);

impl Trap {
    fn source(&self) -> TimeSource {
        let (trap, began) = (Arc::clone(&self.0), Instant::now());
        let wall = move || {
            assert!(trap.fetch_add(1, Ordering::SeqCst) != ARMED, "cannot answer for {SECRET}");
            let passed = began.elapsed();
            let seconds = START + i64::try_from(passed.as_secs()).unwrap();
            Timestamp::from_unix(seconds, passed.subsec_nanos()).unwrap()
        };
        TimeSource::new(wall, move || began.elapsed())
    }

    /// Has the next reading panic, which is that of a call: the server has just read the clock for itself.
    async fn set(&self) {
        let before = self.0.load(Ordering::SeqCst);
        while self.0.load(Ordering::SeqCst) == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.0.store(ARMED, Ordering::SeqCst);
    }
}

#[test]
fn a_panic_ends_its_call_alone_and_is_recorded_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "panics::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder.path())
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap();
    let (said, logged) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
    let (said, logged) = (said.unwrap(), logged.unwrap());
    assert!(output.status.success(), "{said}\n{logged}");
    assert!(!logged.contains(SECRET), "{logged}");

    let lines: Vec<Value> =
        logged.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let errors: Vec<&Value> = lines.iter().filter(|line| line["level"] == "ERROR").collect();
    assert_eq!(errors.len(), 3, "{logged}");
    for error in errors {
        let place = error["fields"]["place"].as_str().unwrap();
        assert!(place.starts_with("tests/it/panics.rs:"), "{error}");
    }
    let failed: Vec<&Value> =
        lines.iter().filter(|line| line["fields"]["message"] == "call failed").collect();
    assert_eq!(failed.len(), 3, "{logged}");
    for call in failed {
        assert_eq!(call["fields"]["code"], "Internal", "{call}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the test of panics runs it in a process of its own"]
#[expect(clippy::disallowed_methods, reason = "how the test says where")]
async fn child() {
    let folder = std::env::var(FOLDER).unwrap();
    telemetry::start(LogFormat::Json, "info").unwrap();
    let audit = Path::new(&folder).join("audit.log");
    let mut config = config(Path::new(&folder));
    config.metrics.address = Some("127.0.0.1:0".to_owned());
    config.http = Some(HttpListenerOptions::default());
    config.audit.target = Some(AuditTarget::File(audit.clone()));
    let trap = Trap::default();
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http_address = http.local_addr().unwrap();
    let server = Server::open_with(&config, trap.source()).unwrap().with_http(http).unwrap();
    let metrics = server.metrics_address().unwrap();
    let server = start_with(server).await;
    server.write_schema(SCHEMA).await.unwrap();

    // A watch and the checks have one connection.
    let channel = server.channel().await;
    let mut permissions =
        PermissionsServiceClient::with_interceptor(channel.clone(), Bearer(KEY.to_owned()));
    let mut watching = WatchServiceClient::with_interceptor(channel, Bearer(KEY.to_owned()));
    let watch = proto::WatchRequest::default();
    let mut changes = watching.watch(watch).await.unwrap().into_inner();

    // With a trace: after a panic while it is answered from the bytes of its message, the service answers a usual check, and the
    // trap springs only once.
    let usual = question("document:plan#view@user:ann");
    let check = proto::CheckPermissionRequest { with_tracing: true, ..usual };
    trap.set().await;
    let failed = permissions.check_permission(check.clone()).await.unwrap_err();
    assert_eq!(failed.code(), Code::Internal, "{failed}");
    assert!(!failed.message().contains(SECRET), "{failed}");
    permissions.check_permission(check).await.unwrap();

    // One whose results come in a stream.
    let lookup = proto::LookupResourcesRequest {
        resource_object_type: "document".to_owned(),
        permission: "view".to_owned(),
        subject: question("document:plan#view@user:ann").subject,
        ..Default::default()
    };
    trap.set().await;
    let failed = match permissions.lookup_resources(lookup).await {
        Ok(answer) => answer.into_inner().message().await.unwrap_err(),
        Err(failed) => failed,
    };
    assert_eq!(failed.code(), Code::Internal, "{failed}");

    let body = r#"{"resource":{"objectType":"document","objectId":"plan"},"permission":"view","subject":{"object":{"objectType":"user","objectId":"ann"}},"withTracing":true}"#;
    let (key, length) = (format!("Bearer {KEY}"), body.len().to_string());
    let headers = [("Authorization", key.as_str()), ("Content-Length", length.as_str())];
    let request = head("POST", "/v1/permissions/check", &headers) + body;
    trap.set().await;
    let mut stream = TcpStream::connect(http_address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4_096];
    let count = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..count]);
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(answer.contains("\"code\":13"), "{answer}");

    // The watch has not ended with them.
    server.touch(&["document:plan#viewer@user:ann"]).await.unwrap();
    let change = changes.message().await.unwrap().unwrap();
    assert_eq!(change.updates.len(), 1);

    let scrape = ask(metrics, &["GET /metrics HTTP/1.1"]).await;
    for (method, count) in [("CheckPermission", 2), ("LookupResources", 1)] {
        let labels =
            [("grpc_service", SERVICE), ("grpc_method", method), ("grpc_code", "Internal")];
        let handled = labelled(&scrape, "grpc_server_handled_total", &labels);
        assert_eq!(handled, Some(count), "{method}");
    }
    drop((changes, permissions, watching));
    server.stop().await.unwrap();

    require_audited(&audit);
}

/// Requires that the audit log has the three calls as what they are.
fn require_audited(path: &Path) {
    let audited = fs::read_to_string(path).unwrap();
    let codes: Vec<Value> = audited
        .lines()
        .filter(|line| !line.contains("WatchService"))
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["data"]["code"].clone())
        .filter(|code| code != "OK")
        .collect();
    assert_eq!(codes, ["INTERNAL"; 3], "{audited}");
    assert!(!audited.contains(SECRET));
}
