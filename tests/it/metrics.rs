//! Metrics and probes over HTTP, from a running server.

use crate::server_support::{config, question, start_with};
use kilwa::server::Server;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The answer to a request of these lines: status line, headers and body.
async fn ask(address: SocketAddr, lines: &[&str]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{}\r\nhost: kilwa\r\n\r\n", lines.join("\r\n"));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_scrape_counts_the_calls_that_ended() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.metrics_address = Some("127.0.0.1:0".to_owned());
    let server = Server::open(&config).unwrap();
    let address = server.metrics_address().unwrap();
    let running = start_with(server).await;

    let before = ask(address, &["GET /metrics HTTP/1.1"]).await;
    assert!(before.starts_with("HTTP/1.1 200 OK\r\n"), "{before}");
    assert!(before.contains("content-type: text/plain; version=0.0.4"), "{before}");
    assert!(!before.contains("CheckPermission"), "{before}");
    for metric in ["kilwa_build_info{", "kilwa_connections 0\n", "kilwa_write_queue_writes 0\n"] {
        assert!(before.contains(metric), "{metric} is not in {before}");
    }

    let mut client = running.permissions().await;
    client.check_permission(question("document:plan#view@user:ann")).await.unwrap_err();

    let accept = "accept: application/openmetrics-text; version=1.0.0";
    let after = ask(address, &["GET /metrics HTTP/1.1", accept]).await;
    assert!(after.contains("content-type: application/openmetrics-text"), "{after}");
    assert!(after.ends_with("# EOF\n"), "{after}");
    let labels = "grpc_service=\"authzed.api.v1.PermissionsService\",grpc_method=\"CheckPermission\",grpc_type=\"unary\"";
    let handled =
        format!("grpc_server_handled_total{{{labels},grpc_code=\"FailedPrecondition\"}} 1\n");
    assert!(after.contains(&handled), "{handled} is not in {after}");
    let count = format!("grpc_server_handling_seconds_count{{{labels}}} 1\n");
    assert!(after.contains(&count), "{count} is not in {after}");
    assert!(after.contains("kilwa_connections 1\n"), "{after}");
}

#[tokio::test]
async fn probes_and_unknown_requests_are_answered() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.metrics_address = Some("127.0.0.1:0".to_owned());
    let server = Server::open(&config).unwrap();
    let address = server.metrics_address().unwrap();
    let _running = start_with(server).await;

    for (request, code) in [
        ("GET /healthz HTTP/1.1", "200"),
        ("GET /livez HTTP/1.1", "200"),
        ("GET / HTTP/1.1", "404"),
        ("POST /metrics HTTP/1.1", "405"),
    ] {
        let answer = ask(address, &[request]).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{request}: {answer}");
    }
    // Ready as soon as the clock has been looked at.
    while !ask(address, &["GET /readyz HTTP/1.1"]).await.starts_with("HTTP/1.1 200 ") {}

    let long = format!("x: {}", "y".repeat(64 << 10));
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may close before it has read all of it.
    let _ = stream.write_all(format!("GET /livez HTTP/1.1\r\n{long}\r\n\r\n").as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "a header of 64 KiB was accepted");
}
