//! What the HTTP listener bounds: bodies, headers, JSON, idle time, origins, plain text; and that calls end with their clients.

use super::certificates::Authority;
use super::http_support::{HttpAnswer, HttpServed, PATIENCE, head};
use super::program;
use super::served::Served;
use super::server_support::{KEY, SCHEMA};
use super::tls_client::TlsClient;
use std::fmt::Write as _;
use std::fs;
use std::future::poll_fn;
use std::path::Path;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ALL_VERSIONS;
use tonic::codegen::http::Request;

const READ_SCHEMA: &str = "/v1/schema/read";
const CHECK: &str = "/v1/permissions/check";

#[tokio::test]
async fn a_body_is_read_up_to_its_limit_and_only_of_callers_with_a_key() {
    let served = HttpServed::start_with(|http| http.requests.body_bytes_max = 1_000).await;
    served.server.write_schema(SCHEMA).await.unwrap();
    let long = format!("{{\"unknown\":\"{}\"}}", "x".repeat(2_000));
    let refused = served.post(READ_SCHEMA, &long).await;
    assert_eq!((refused.status, refused.json()["code"].as_u64()), (413, Some(8)), "{refused:?}");
    assert!(refused.body.contains("--http-max-body-size"), "{refused:?}");
    assert_eq!(served.post(READ_SCHEMA, &long.replace('x', "")).await.status, 200);

    // Neither its length nor its form is looked at before the key.
    assert_eq!(served.send("POST", READ_SCHEMA, &[], &long).await.status, 401);
    assert_eq!(served.send("POST", READ_SCHEMA, &[], "{").await.status, 401);
}

#[tokio::test]
async fn the_length_of_a_body_in_chunks_is_limited_too() {
    let served = HttpServed::start_with(|http| http.requests.body_bytes_max = 1_000).await;
    let key = format!("Bearer {KEY}");
    let headers = [("Authorization", key.as_str()), ("Transfer-Encoding", "chunked")];
    let mut request = head("POST", READ_SCHEMA, &headers);
    for _ in 0..30 {
        write!(request, "64\r\n{}\r\n", " ".repeat(100)).unwrap();
    }
    assert_eq!(exchanged(&served.endpoint, &request).await.status, 413);
}

#[tokio::test]
async fn a_refusal_over_http2_does_not_reset_a_request_that_is_still_sent() {
    let served = HttpServed::start_with(|http| http.requests.body_bytes_max = 1_000).await;
    let stream = TcpStream::connect(&served.endpoint).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for (key, length, status) in [("", 10, 401), (KEY, 50_000, 413)] {
        let mut request = Request::post(format!("http://localhost{READ_SCHEMA}"));
        if !key.is_empty() {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.header("content-length", length).body(()).unwrap();
        let mut begun = sender.clone().ready().await.unwrap();
        let (response, mut body) = begun.send_request(request, false).unwrap();
        let (head, mut answer) = response.await.unwrap().into_parts();
        assert_eq!(head.status, status);
        while let Some(data) = answer.data().await {
            data.unwrap();
        }

        body.send_data(vec![b' '; length].into(), true).unwrap();
        // What the server has sent about the request comes before its answer to the next one.
        let next = Request::get("http://localhost/healthz").body(()).unwrap();
        let mut begun = sender.clone().ready().await.unwrap();
        begun.send_request(next, true).unwrap().0.await.unwrap();
        let reset = poll_fn(|context| Poll::Ready(body.poll_reset(context))).await;
        assert!(reset.is_pending(), "{reset:?}");
    }
}

#[tokio::test]
async fn the_bodies_of_all_requests_have_one_limit() {
    let served = HttpServed::start_with(|http| http.requests.bodies_bytes_max = 1_000).await;
    let refused = served.post(READ_SCHEMA, &" ".repeat(1_001)).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.header("retry-after"), Some("1"));
    // What is refused counts no longer.
    served.server.write_schema(SCHEMA).await.unwrap();
    for _ in 0..3 {
        assert_eq!(served.post(READ_SCHEMA, &" ".repeat(900)).await.status, 200);
    }
}

#[tokio::test]
async fn the_depth_of_json_and_the_count_of_its_values_are_limited() {
    let served = HttpServed::start_with(|http| http.requests.json_depth_max = 10).await;
    served.server.write_schema(SCHEMA).await.unwrap();
    let deep = |levels| format!("{{\"unknown\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(served.post(READ_SCHEMA, &deep(9)).await.status, 200);
    let refused = served.post(READ_SCHEMA, &deep(10)).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("--http-max-json-depth"), "{refused:?}");

    let many = format!("{{\"updates\":[{}{{}}]}}", "{},".repeat(1 << 20));
    let refused = served.post("/v1/relationships/write", &many).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("values"), "{refused:?}");
}

#[tokio::test]
async fn headers_are_limited() {
    let served = HttpServed::start_with(|http| http.header_bytes_max = 8 << 10).await;
    let long = "x".repeat(9 << 10);
    let request = head("POST", READ_SCHEMA, &[("X-Long", &long)]);
    assert_eq!(exchanged(&served.endpoint, &request).await.status, 431);
}

#[tokio::test]
async fn a_client_that_sends_its_body_slowly_is_cut_off() {
    let idle = Duration::from_millis(50);
    let served = HttpServed::start_with(|http| http.requests.body_idle_max = idle).await;
    let key = format!("Bearer {KEY}");
    let headers = [("Authorization", key.as_str()), ("Content-Length", "1000")];
    let answer = exchanged(&served.endpoint, &(head("POST", READ_SCHEMA, &headers) + "{")).await;
    assert_eq!((answer.status, answer.json()["code"].as_u64()), (408, Some(4)), "{answer:?}");
    assert!(answer.body.contains("--http-body-idle-timeout"), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_sends_its_headers_slowly_is_cut_off() {
    let short = Duration::from_millis(50);
    let served = HttpServed::start_with(|http| http.header_timeout = short).await;
    for start in ["", "POST ", "POST /v1/schema/read HTTP/1.1\r\nHost: localhost\r\nX-Slow: x"] {
        assert!(is_closed(&served.endpoint, start).await, "{start}");
    }
}

#[tokio::test]
async fn a_connection_without_requests_is_closed() {
    let short = Duration::from_millis(50);
    let served = HttpServed::start_with(|http| http.idle_timeout = short).await;
    assert!(is_closed(&served.endpoint, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await);
}

/// Whether the server closes a connection after this.
async fn is_closed(endpoint: &str, request: &str) -> bool {
    let mut stream = TcpStream::connect(endpoint).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut received)).await.is_ok()
}

/// The answer to bytes after which the server closes the connection.
async fn exchanged(endpoint: &str, request: &str) -> HttpAnswer {
    let mut stream = TcpStream::connect(endpoint).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut received)).await.unwrap();
    assert!(read.is_ok() || !received.is_empty(), "{read:?}");
    HttpAnswer::parse(&received)
}

#[tokio::test]
async fn pages_of_other_origins_may_read_answers_where_that_is_said() {
    let asked = [
        ("Origin", "https://console.example"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization"),
    ];
    let closed = HttpServed::start().await;
    let preflight = closed.send("OPTIONS", CHECK, &asked, "").await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (501, None));
    let answer = closed.send("POST", CHECK, &asked[..1], "{}").await;
    assert_eq!(answer.header("access-control-allow-origin"), None);

    let origin = "https://console.example".to_owned();
    let open = HttpServed::start_with(|http| {
        http.requests.cors_allowed_origins = vec![origin];
    });
    let open = open.await;
    let preflight = open.send("OPTIONS", CHECK, &asked, "").await;
    assert_eq!(preflight.status, 204);
    let allowed =
        |answer: &HttpAnswer| answer.header("access-control-allow-origin").map(str::to_owned);
    assert_eq!(allowed(&preflight).as_deref(), Some("https://console.example"));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("authorization"));
    // A page has to be able to read an error, too.
    let answer = open.send("POST", CHECK, &asked[..1], "{}").await;
    assert_eq!((answer.status, allowed(&answer).is_some()), (401, true));
    let foreign = open.send("POST", CHECK, &[("Origin", "https://evil.example")], "{}").await;
    assert_eq!(allowed(&foreign), None);
}

/// Host and port of the HTTP of a server in a process of its own.
fn http_endpoint(served: &Served, scheme: &str) -> String {
    let line = served.await_line(&format!("http {scheme}://"));
    line.split_once("://").unwrap().1.to_owned()
}

const HTTP: [&str; 3] = ["--http-enabled", "--http-addr", "127.0.0.1:0"];

#[tokio::test]
async fn a_call_ends_when_its_client_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let level = ["--log-level", "info,kilwa::calls=debug"];
    let served = Served::start_with(folder.path(), &[HTTP.as_slice(), &level].concat());
    let endpoint = http_endpoint(&served, "http");
    let key = format!("Bearer {KEY}");
    // Without an answer so far, and within one.
    for body in ["{}", r#"{"optionalUpdateKinds":["WATCH_KIND_INCLUDE_CHECKPOINTS"]}"#] {
        let length = body.len().to_string();
        let headers = [
            ("Authorization", key.as_str()),
            ("Content-Length", length.as_str()),
            ("Expect", "100-continue"),
        ];
        let mut stream = TcpStream::connect(&endpoint).await.unwrap();
        stream.write_all(head("POST", "/v1/watch", &headers).as_bytes()).await.unwrap();
        // Asking for the body says that the call is in progress.
        let mut asked = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
        stream.read_exact(&mut asked).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        if body != "{}" {
            stream.read_u8().await.unwrap();
        }
        drop(stream);
        let line = served.await_line("the client went away");
        assert!(line.contains("WatchService/Watch"), "{line}");
    }
}

#[tokio::test]
async fn tls_is_spoken_and_its_files_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("an authority");
    let files = authority.server().write(folder.path(), "server");
    let (certificate, key) = (files.certificate.to_str().unwrap(), files.key.to_str().unwrap());
    let tls = ["--http-tls-cert-path", certificate, "--http-tls-key-path", key];
    let data = folder.path().join("data");
    let served = Served::start_with(&data, &[HTTP.as_slice(), &tls].concat());
    let endpoint = http_endpoint(&served, "https");
    let answer = healthy_over_tls(&endpoint, &authority).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":"SERVING"}"#));
    healthy_over_tls(&endpoint, &Authority::new("another authority")).await.unwrap_err();

    let renewed = Authority::new("a renewed authority");
    renewed.server().write(folder.path(), "server");
    served.signal("HUP");
    served.await_line("HTTP");
    while healthy_over_tls(&endpoint, &renewed).await.is_err() {
        tokio::task::yield_now().await;
    }
}

async fn healthy_over_tls(endpoint: &str, trusted: &Authority) -> std::io::Result<HttpAnswer> {
    let protocols = &[b"http/1.1".as_slice()];
    let client = TlsClient { trusted, identity: None, versions: ALL_VERSIONS, protocols };
    client.send(endpoint, ["GET", "/healthz"], &[], "").await
}

#[test]
fn plain_text_is_for_this_machine_unless_more_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(folder.path(), &["--http-enabled", "--http-addr", "0.0.0.0:0"]);
    for part in ["--http-tls-cert-path", "--http-addr 127.0.0.1:", "--http-allow-plaintext"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let error = refused(folder.path(), &["--http-enabled", "--http-addr", "nowhere"]);
    assert!(error.contains("`--http-addr`"), "{error}");

    let open = ["--http-enabled", "--http-addr", "0.0.0.0:0", "--http-allow-plaintext"];
    let served = Served::start_with(&folder.path().join("data"), &open);
    served.await_line("other machines can reach this address without TLS");
}

fn refused(folder: &Path, arguments: &[&str]) -> String {
    let data = folder.join("refused");
    fs::create_dir_all(&data).unwrap();
    let usual = ["serve", "--grpc-addr", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    let output = program::kilwa().args([usual.as_slice(), arguments].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}
