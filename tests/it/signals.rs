//! SIGTERM and SIGINT, sent to a real server: once, twice, and while it starts.

use crate::http_support::{HttpAnswer, send};
use crate::program;
use crate::raw_http2::{RawConnection, frame};
use crate::served::{Served, await_exit};
use crate::server_support::{KEY, SCHEMA, relationship};
use kilwa::proto::authzed::api::v1 as proto;
use std::fs::File;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const WATCH: &str = "/authzed.api.v1.WatchService/Watch";

/// An import whose client takes its time.
struct SlowImport {
    parts: mpsc::Sender<proto::ImportBulkRelationshipsRequest>,
    answer: tokio::task::JoinHandle<Result<u64, tonic::Status>>,
}

impl SlowImport {
    async fn start(server: &Served) -> Self {
        let schema = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
        server.schema().await.write_schema(schema).await.unwrap();
        let mut client = server.permissions().await;
        let (parts, stream) = mpsc::channel(1);
        let answer = tokio::spawn(async move {
            let answer = client.import_bulk_relationships(ReceiverStream::new(stream)).await;
            answer.map(|answer| answer.into_inner().num_loaded)
        });
        let import = Self { parts, answer };
        for n in 0..3 {
            import.send(n).await;
        }
        import
    }

    async fn send(&self, number: u32) {
        let relationships = vec![relationship(&format!("document:d{number}#owner@user:ann"))];
        self.parts.send(proto::ImportBulkRelationshipsRequest { relationships }).await.unwrap();
    }
}

#[tokio::test]
async fn the_first_signal_lets_calls_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Served::start_with(folder.path(), &["--shutdown-grace-period", "10m"]);
    let import = SlowImport::start(&server).await;
    // A client that sends nothing delays no one else.
    let _mute = TcpStream::connect(server.endpoint()).await.unwrap();

    server.signal("TERM");
    server.await_line("draining");
    import.send(3).await;
    drop(import.parts);
    assert_eq!(import.answer.await.unwrap().unwrap(), 4);
    assert_eq!(server.exit_code(), 0);
}

#[tokio::test]
async fn the_first_signal_ends_health_while_calls_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Served::start_with(folder.path(), &["--shutdown-grace-period", "10m"]);
    let import = SlowImport::start(&server).await;
    let mut health = HealthClient::new(server.channel().await);
    for service in ["", "authzed.api.v1.PermissionsService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving);
    }
    let request = HealthCheckRequest { service: String::new() };
    let mut statuses = health.watch(request).await.unwrap().into_inner();
    let first = statuses.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);

    server.signal("TERM");
    let second = statuses.message().await.unwrap().unwrap();
    assert_eq!(second.status(), ServingStatus::NotServing);
    assert!(!import.answer.is_finished());
    import.send(3).await;

    drop((statuses, health));
    drop(import.parts);
    assert_eq!(import.answer.await.unwrap().unwrap(), 4);
    assert_eq!(server.exit_code(), 0);
}

#[tokio::test]
async fn a_health_watch_ends_and_does_not_take_the_grace_period() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Served::start_with(folder.path(), &["--shutdown-grace-period", "10m"]);
    let mut health = HealthClient::new(server.channel().await);
    let request = HealthCheckRequest { service: String::new() };
    let mut statuses = health.watch(request).await.unwrap().into_inner();
    assert!(statuses.message().await.unwrap().is_some());

    server.signal("TERM");
    let last = statuses.message().await.unwrap().unwrap();
    assert_eq!(last.status(), ServingStatus::NotServing);
    assert!(statuses.message().await.unwrap().is_none());
    // The client is still there.
    assert_eq!(server.exit_code(), 0);
    drop(health);
}

#[tokio::test]
async fn during_the_drain_delay_new_connections_are_served_and_told_that_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Served::start_with(folder.path(), &["--grpc-shutdown-drain-delay", "10m"]);
    server.signal("TERM");
    server.await_line("calls are still accepted");
    let mut health = HealthClient::new(server.channel().await);
    let request = HealthCheckRequest { service: String::new() };
    let status = health.check(request).await.unwrap().into_inner().status();
    assert_eq!(status, ServingStatus::NotServing);
    let schema = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
    server.schema().await.write_schema(schema).await.unwrap();
    server.signal("TERM");
    assert_eq!(server.exit_code(), 143);
}

#[tokio::test]
async fn during_the_drain_delay_http_is_served_and_probes_say_that_the_server_stops() {
    let folder = tempfile::tempdir().unwrap();
    let options = [
        "--grpc-shutdown-drain-delay",
        "10m",
        "--http-enabled",
        "--http-addr",
        "127.0.0.1:0",
        "--metrics-enabled",
        "--metrics-addr",
        "127.0.0.1:0",
    ];
    let mut server = Served::start_with(folder.path(), &options);
    let [metrics, http] = ["serving metrics and probes", "serving HTTP"].map(|text| {
        let line = server.await_line(text);
        let address = line.split_once("address=").unwrap().1;
        address.split(' ').next().unwrap().to_owned()
    });
    let get = async |endpoint: &str, path: &str| {
        let answer = send(endpoint, ["GET", path], &[], "", |_| false).await;
        let answer = HttpAnswer::parse(&answer);
        (answer.status, answer.body)
    };
    let schema = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
    server.schema().await.write_schema(schema).await.unwrap();
    assert_eq!(get(&http, "/healthz").await, (200, "{\"status\":\"SERVING\"}".to_owned()));
    // Ready as soon as the clock has been looked at.
    while get(&metrics, "/readyz").await != (200, "ok\n".to_owned()) {}

    server.signal("TERM");
    server.await_line("calls are still accepted");
    let stopping = (503, "the server is stopping\n".to_owned());
    assert_eq!(get(&metrics, "/readyz").await, stopping);
    assert_eq!(get(&metrics, "/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(get(&http, "/healthz").await, (503, "{\"status\":\"NOT_SERVING\"}".to_owned()));
    let bearer = format!("Bearer {KEY}");
    let key = [("Authorization", bearer.as_str())];
    let read = send(&http, ["POST", "/v1/schema/read"], &key, "{}", |_| false).await;
    assert_eq!(HttpAnswer::parse(&read).json()["schemaText"], SCHEMA);
    server.signal("TERM");
    assert_eq!(server.exit_code(), 143);
}

#[tokio::test]
async fn the_first_signal_refuses_new_connections() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Served::start_with(folder.path(), &["--shutdown-grace-period", "10m"]);
    let import = SlowImport::start(&server).await;
    let mut watching = RawConnection::open(server.endpoint()).await;
    let watch = watching.send(WATCH, &[], frame(0, &[])).await;

    server.signal("INT");
    server.await_line("draining");
    let end = watch.finish().await;
    assert_eq!(end.trailers["grpc-status"], "14");
    watching.closed().await;
    while TcpStream::connect(server.endpoint()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    drop(import.parts);
    assert_eq!(import.answer.await.unwrap().unwrap(), 3);
    assert_eq!(server.exit_code(), 0);
}

#[tokio::test]
async fn a_second_signal_ends_the_server_at_once() {
    for (first, second, code) in [("TERM", "TERM", 143), ("INT", "INT", 130), ("TERM", "INT", 130)]
    {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Served::start_with(folder.path(), &["--shutdown-grace-period", "10m"]);
        let import = SlowImport::start(&server).await;

        server.signal(first);
        server.await_line("draining");
        server.signal(second);
        let line = server.await_line(&format!("SIG{second} again"));
        assert!(line.contains("WARN"), "{line}");
        assert_eq!(server.exit_code(), code, "{first}, {second}");
        import.answer.await.unwrap().unwrap_err();
    }
}

#[test]
fn a_signal_during_the_start_ends_it() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        drop(Served::start(&data));
        // The next start reads the key from here, and waits until it is written.
        let key = data.join("preshared.key");
        assert!(Command::new("mkfifo").arg(&key).status().unwrap().success());

        let mut server = program::kilwa()
            .args(["serve", "--grpc-addr", "127.0.0.1:0", "--data-dir"])
            .arg(&data)
            .env_remove("KILWA_GRPC_PRESHARED_KEY")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Opens as soon as the server reads.
        let (sender, opened) = channel();
        thread::spawn(move || sender.send(File::options().write(true).open(key)));
        let writer = opened.recv_timeout(Duration::from_mins(1)).unwrap().unwrap();

        let pid = server.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        assert_eq!(await_exit(&mut server).code(), Some(code), "{signal}");
        drop(writer);
    }
}
