//! Connections in bulk, idle, silent and refused, on a real server with few descriptors.

use crate::program::without_variables;
use crate::raw_http2::RawConnection;
use crate::served::Served;
use crate::server_support::{SCHEMA, question, touch};
use kilwa::proto::authzed::api::v1 as proto;
use proto::check_permission_response::Permissionship;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

const CHECK: &str = "/authzed.api.v1.PermissionsService/CheckPermission";
const WATCH: &str = "/authzed.api.v1.WatchService/Watch";
/// Long enough for a machine that is busy with other tests, and far below any default timeout of the server.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn idle_sockets_do_not_stop_callers() {
    let folder = tempfile::tempdir().unwrap();
    let server = Served::start_limited(256, folder.path(), &[]);
    write_schema(&server).await;
    let mut before = RawConnection::open(server.endpoint()).await;
    assert!(answers(&mut before).await);

    let mut idle = Vec::new();
    for _ in 0..400 {
        idle.push(TcpStream::connect(server.endpoint()).await.unwrap());
    }
    write_and_check(&server).await;
    // A caller that was there before them still has its connection.
    assert!(answers(&mut before).await);
    drop(idle);
}

#[tokio::test]
async fn idle_connections_without_a_key_do_not_stop_callers() {
    let folder = tempfile::tempdir().unwrap();
    let server = Served::start_limited(256, folder.path(), &[]);
    write_schema(&server).await;
    let mut before = RawConnection::open(server.endpoint()).await;
    assert!(answers(&mut before).await);

    let mut idle = Vec::new();
    for _ in 0..400 {
        let stream = TcpStream::connect(server.endpoint()).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        idle.push((sender, tokio::spawn(connection)));
    }
    write_and_check(&server).await;
    assert!(answers(&mut before).await);
    drop(idle);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let server = Served::start_with(folder.path(), &["--grpc-handshake-timeout", "200ms"]);
    write_schema(&server).await;
    let mut speaking = RawConnection::open(server.endpoint()).await;
    assert!(answers(&mut speaking).await);

    let mut mute = TcpStream::connect(server.endpoint()).await.unwrap();
    await_close(&mut mute).await;
    let mut half = TcpStream::connect(server.endpoint()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut half, b"PRI * HTTP/2.0\r\n").await.unwrap();
    await_close(&mut half).await;

    assert!(answers(&mut speaking).await);
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_one_with_a_call_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let server = Served::start_with(folder.path(), &["--grpc-idle-timeout", "300ms"]);
    write_schema(&server).await;
    let mut watching = RawConnection::open(server.endpoint()).await;
    let request = crate::raw_http2::frame(0, &[]);
    let mut watch = watching.send(WATCH, &[], request).await;

    for _ in 0..2 {
        let mut idle = RawConnection::open(server.endpoint()).await;
        assert!(answers(&mut idle).await);
        tokio::time::timeout(PATIENCE, idle.closed()).await.unwrap();
    }

    write_and_check(&server).await;
    assert!(tokio::time::timeout(PATIENCE, watch.message()).await.unwrap().is_some());
}

#[tokio::test]
async fn beyond_the_bound_a_connection_is_closed_and_the_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let server = Served::start_with(folder.path(), &["--grpc-max-connections", "4"]);
    write_schema(&server).await;
    let mut connections = Vec::new();
    while connections.len() < 4 {
        // The connection that wrote the schema may still be on its way out.
        let Some(mut connection) = RawConnection::try_open(server.endpoint()).await else {
            continue;
        };
        if answers(&mut connection).await {
            connections.push(connection);
        }
    }

    let mut refused = TcpStream::connect(server.endpoint()).await.unwrap();
    await_close(&mut refused).await;
    let line = server.await_line("--grpc-max-connections");
    assert!(line.contains("WARN") && line.contains("max=4"), "{line}");
    for connection in &mut connections {
        assert!(answers(connection).await);
    }

    connections.pop();
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(mut next) = RawConnection::try_open(server.endpoint()).await
            && answers(&mut next).await
        {
            break;
        }
        assert!(Instant::now() < end, "there is room again, and no connection is taken in");
    }
}

#[tokio::test]
async fn a_failing_accept_is_said_and_does_not_spin() {
    let folder = tempfile::tempdir().unwrap();
    let server = Served::start_with(folder.path(), &["--grpc-idle-timeout", "2s"]);
    write_schema(&server).await;
    let mut idle = RawConnection::open(server.endpoint()).await;
    assert!(answers(&mut idle).await);

    // No descriptor is left for another connection.
    let pid = Pid::from_raw(server.process_id().try_into().unwrap());
    let before = prlimit(pid, Resource::Nofile, Rlimit { current: Some(3), maximum: Some(1024) });
    let before = before.unwrap();
    let waiting = TcpStream::connect(server.endpoint()).await.unwrap();
    let line = server.await_line("no connection can be accepted");
    assert!(line.contains("ERROR") && line.contains("Too many open files"), "{line}");

    // Until the idle connection is closed, some two seconds, the loop has nothing to do.
    let (start, cpu) = (Instant::now(), cpu_time(server.process_id()));
    tokio::time::timeout(PATIENCE, idle.closed()).await.unwrap();
    let used = cpu_time(server.process_id()).saturating_sub(cpu);
    assert!(used < start.elapsed() / 4 + Duration::from_millis(50), "{used:?}");

    drop(waiting);
    let restored = Rlimit { current: before.current.map(|now| now.min(1024)), maximum: Some(1024) };
    prlimit(pid, Resource::Nofile, restored).unwrap();
    write_and_check(&server).await;
}

#[test]
fn a_bound_that_the_descriptors_do_not_allow_is_lowered() {
    let folder = tempfile::tempdir().unwrap();
    let server = Served::start_limited(256, folder.path(), &["--grpc-max-connections", "10000"]);
    let line = server.await_line("fewer connections");
    assert!(line.contains("wanted=10000") && line.contains("open_files=256"), "{line}");
}

#[test]
fn the_limit_of_open_files_is_raised() {
    let folder = tempfile::tempdir().unwrap();
    let mut shell = without_variables("sh");
    shell.args(["-c", "ulimit -Sn 128 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_kilwa")]);
    let server = Served::spawn(shell, folder.path(), &[]);
    let limits = std::fs::read_to_string(
        Path::new("/proc").join(server.process_id().to_string()).join("limits"),
    );
    let limits = limits.unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[3], words[4], "{line}");
}

async fn write_schema(server: &Served) {
    let request = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
    server.schema().await.write_schema(request).await.unwrap();
}

/// Writes a relationship and checks it, over a new connection.
async fn write_and_check(server: &Served) {
    let work = async {
        let mut client = server.permissions().await;
        let updates = vec![touch("document:plan#owner@user:ann")];
        let request = proto::WriteRelationshipsRequest { updates, ..Default::default() };
        client.write_relationships(request).await.unwrap();
        let answer = client.check_permission(question("document:plan#view@user:ann")).await;
        assert_eq!(answer.unwrap().into_inner().permissionship(), Permissionship::HasPermission);
    };
    tokio::time::timeout(PATIENCE, work).await.unwrap();
}

/// Whether a check on this very connection is answered.
async fn answers(connection: &mut RawConnection) -> bool {
    let check = question("document:none#view@user:ann");
    let response = connection.try_call(CHECK, &[], &check).await;
    response.is_some_and(|response| response.trailers["grpc-status"] == "0")
}

/// Requires that the server closes a connection on which nothing is sent.
async fn await_close(stream: &mut TcpStream) {
    let read = async {
        let mut received = Vec::new();
        // What it sends before, as its settings, does not matter; nor does how it closes.
        let _ = stream.read_to_end(&mut received).await;
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the server closes the connection");
}

/// CPU time of a process so far, in user and system mode together.
fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The process's name may hold blanks and ends with the last parenthesis; then come its state and ten numbers.
    let (_, numbers) = stat.rsplit_once(')').unwrap();
    let ticks =
        numbers.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}
