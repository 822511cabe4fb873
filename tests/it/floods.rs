//! Clients that flood a connection with frames: others are answered, and what the flood needs stays bounded.

use crate::raw_http2::RawConnection;
use crate::served::Served;
use crate::server_support::{SCHEMA, question};
use kilwa::proto::authzed::api::v1 as proto;
use std::fs;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CHECK: &str = "/authzed.api.v1.PermissionsService/CheckPermission";
/// Long enough for a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_mins(1);
/// What a client sends first.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How much memory a flood may cost the server, in KiB.
const MEMORY_KIB: u64 = 64 << 10;

/// Types and flags of frames, and error codes; RFC 9113, sections 6 and 7.
const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

/// `grpc-status: 4` as HPACK with Huffman code.
const DEADLINE_EXCEEDED: &[u8] =
    &[0x88, 0x9a, 0xca, 0xc8, 0xb2, 0x12, 0x34, 0xda, 0x8f, 0x81, 0x6b];

/// A frame in its bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The headers of a check: indexed fields of the static table, and two literal ones (RFC 7541).
pub(crate) fn check_headers() -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    let literal = |index: u8, value: &str| {
        let mut field = vec![index, u8::try_from(value.len()).unwrap()];
        field.extend(value.as_bytes());
        field
    };
    block.extend(literal(0x04, CHECK));
    block.extend(literal(0x01, "localhost"));
    block
}

/// A server, and a connection that has begun HTTP/2.
async fn flooded(folder: &std::path::Path, arguments: &[&str]) -> (Served, TcpStream) {
    let server = Served::start_with(folder, arguments);
    let request = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
    server.schema().await.write_schema(request).await.unwrap();
    let mut stream = TcpStream::connect(server.endpoint()).await.unwrap();
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
    (server, stream)
}

/// Writes the same bytes again and again until the server closes the connection or `others` has ended.
async fn flood_during(stream: &mut TcpStream, bytes: &[u8], others: impl Future<Output = ()>) {
    let flood = async {
        while stream.write_all(bytes).await.is_ok() {
            tokio::task::yield_now().await;
        }
        std::future::pending::<()>().await;
    };
    let others = tokio::time::timeout(PATIENCE, others);
    tokio::select! {
        () = flood => {}
        ended = others => ended.expect("other callers are answered"),
    }
}

/// Asks on another connection, some hundred times.
async fn others_are_answered(server: &Served) {
    let mut connection = RawConnection::open(server.endpoint()).await;
    for _ in 0..300 {
        let check = question("document:none#view@user:ann");
        let response = connection.call(CHECK, &[], &check).await;
        assert_eq!(response.trailers["grpc-status"], "0");
    }
}

/// What the server sends until it closes the connection.
async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    let read = async {
        let mut part = [0; 4096];
        // An error is a way to close it.
        while let Ok(length @ 1..) = stream.read(&mut part).await {
            received.extend(&part[..length]);
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the server closes the connection");
    received
}

/// The error code of the GOAWAY frame among these frames.
fn goaway(mut received: &[u8]) -> Option<u32> {
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = received {
        let length = u32::from_be_bytes([0, *a, *b, *c]);
        let (payload, rest) = rest.split_at_checked(usize::try_from(length).unwrap())?;
        if *kind == GOAWAY {
            return payload.get(4..8).map(|code| u32::from_be_bytes(code.try_into().unwrap()));
        }
        received = rest;
    }
    None
}

/// Memory of the server's process, in KiB.
fn memory(server: &Served) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process_id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn pings_that_are_never_read_hold_up_their_own_connection_only() {
    let folder = tempfile::tempdir().unwrap();
    let (server, mut stream) = flooded(folder.path(), &[]).await;
    let before = memory(&server);
    let pings = frame(PING, 0, 0, b"01234567").repeat(1_000);
    flood_during(&mut stream, &pings, others_are_answered(&server)).await;
    assert!(memory(&server) < before + MEMORY_KIB, "{} after {before}", memory(&server));
}

#[tokio::test]
async fn settings_that_are_never_read_hold_up_their_own_connection_only() {
    let folder = tempfile::tempdir().unwrap();
    let (server, mut stream) = flooded(folder.path(), &[]).await;
    let before = memory(&server);
    let settings = frame(SETTINGS, 0, 0, &[]).repeat(1_000);
    flood_during(&mut stream, &settings, others_are_answered(&server)).await;
    assert!(memory(&server) < before + MEMORY_KIB, "{} after {before}", memory(&server));
}

#[tokio::test]
async fn calls_that_are_cancelled_at_once_end_their_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (server, stream) = flooded(folder.path(), &[]).await;
    let (mut receiving, mut sending) = stream.into_split();
    let flood = tokio::spawn(async move {
        for call in 0..500_000 {
            let id = 2 * call + 1;
            let mut frames = frame(HEADERS, END_HEADERS, id, &check_headers());
            frames.extend(frame(RST_STREAM, 0, id, &CANCEL.to_be_bytes()));
            if sending.write_all(&frames).await.is_err() {
                return call;
            }
        }
        panic!("the connection takes any number of cancelled calls")
    });
    others_are_answered(&server).await;
    let mut received = Vec::new();
    let read = receiving.read_to_end(&mut received);
    // An error is a way to close it.
    let _ = tokio::time::timeout(PATIENCE, read).await.expect("the server closes the connection");
    flood.await.unwrap();
    assert_eq!(goaway(&received), Some(ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn headers_without_an_end_end_their_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (server, mut stream) = flooded(folder.path(), &[]).await;
    stream.write_all(&frame(HEADERS, 0, 1, &check_headers())).await.unwrap();
    // A field that is never indexed: name `x`, value `y`.
    let field = [0x10, 1, b'x', 1, b'y'].repeat(1_000);
    let continuation = frame(CONTINUATION, 0, 1, &field);
    let mut sent = 0;
    while stream.write_all(&continuation).await.is_ok() && sent < 100_000_000 {
        sent += continuation.len();
    }
    until_closed(&mut stream).await;
    assert!(sent < 100_000_000, "{sent} bytes of headers were taken");
    others_are_answered(&server).await;
}

#[tokio::test]
async fn a_request_that_never_ends_ends_at_the_servers_own_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let (server, mut stream) =
        flooded(folder.path(), &["--max-call-duration", "200ms", "--grpc-idle-timeout", "500ms"])
            .await;
    let mut block = check_headers();
    let key = format!("Bearer {}", crate::server_support::KEY);
    // The static table's `authorization` has the index 23, and 15 of it fit into the first byte.
    block.extend([0x0f, 23 - 15, u8::try_from(key.len()).unwrap()]);
    block.extend(key.as_bytes());
    stream.write_all(&frame(HEADERS, END_HEADERS, 1, &block)).await.unwrap();
    // The connection is idle once the call has ended, and then it is closed.
    let received = until_closed(&mut stream).await;
    assert!(contains(&received, DEADLINE_EXCEEDED), "{received:?}");
    others_are_answered(&server).await;
}

#[tokio::test]
async fn calls_beyond_the_limit_of_a_connection_are_refused_by_http2() {
    let folder = tempfile::tempdir().unwrap();
    let (server, mut stream) =
        flooded(folder.path(), &["--grpc-max-concurrent-streams", "3"]).await;
    let mut frames = Vec::new();
    for id in [1, 3, 5, 7] {
        frames.extend(frame(HEADERS, END_HEADERS, id, &check_headers()));
    }
    let received = ping_after(&mut stream, frames, b"the last").await;
    // REFUSED_STREAM for the fourth alone.
    assert!(contains(&received, &frame(RST_STREAM, 0, 7, &7_u32.to_be_bytes())), "{received:?}");
    others_are_answered(&server).await;
}

#[tokio::test]
async fn refused_calls_whose_requests_are_still_sent_keep_their_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (server, mut stream) = flooded(folder.path(), &[]).await;
    // Until the server has made the window of the connection larger, a client may send 64 KiB.
    ping_after(&mut stream, Vec::new(), b"prepared").await;
    let calls = || (0..400).map(|call| 2 * call + 1);
    let part = [0; 1_000];
    let begun = calls().flat_map(|id| {
        [frame(HEADERS, END_HEADERS, id, &check_headers()), frame(DATA, 0, id, &part)].concat()
    });
    let mut received = ping_after(&mut stream, begun.collect(), b"begun it").await;
    // No call shows a key, so that each is refused before its request is read.
    let ended = calls().flat_map(|id| frame(DATA, END_STREAM, id, &part));
    received.extend(ping_after(&mut stream, ended.collect(), b"ended it").await);
    assert_eq!(goaway(&received), None);
    others_are_answered(&server).await;
}

/// Sends frames and a ping after them; what the server sends up to its answer to the ping.
async fn ping_after(stream: &mut TcpStream, mut frames: Vec<u8>, ping: &[u8; 8]) -> Vec<u8> {
    frames.extend(frame(PING, 0, 0, ping));
    stream.write_all(&frames).await.unwrap();
    let mut received = Vec::new();
    let read = async {
        while !contains(&received, ping) {
            let mut part = [0; 4096];
            let length = stream.read(&mut part).await.unwrap();
            assert!(length > 0, "the server has closed the connection: {:?}", goaway(&received));
            received.extend(&part[..length]);
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the ping is answered");
    received
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
