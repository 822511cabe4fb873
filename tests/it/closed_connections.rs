//! Connections that the server closes of itself: each is counted, with its reason.

use crate::floods::{
    CANCEL, END_HEADERS, HEADERS, PREFACE, RST_STREAM, SETTINGS, check_headers, frame,
};
use crate::http_support::{HttpServed, PATIENCE, head};
use crate::metrics::{ask, labelled};
use kilwa::config::{Config, HttpListenerOptions};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

const METRIC: &str = "kilwa_connections_closed_total";
const SHORT: Duration = Duration::from_millis(50);
const HOUR: Duration = Duration::from_hours(1);

/// A client that gives the server a reason.
struct ClosingRow {
    reason: &'static str,
    shorten: fn(&mut Config),
    /// To the HTTP listener, or else that of gRPC.
    over_http: bool,
    sent: fn() -> Vec<u8>,
}

fn http(config: &mut Config) -> &mut HttpListenerOptions {
    config.http.get_or_insert_default()
}

fn preface() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// None of the clients here answers a ping.
fn ping_often(config: &mut Config) {
    (config.connections.keepalive_interval, config.connections.keepalive_timeout) = (SHORT, SHORT);
    http(config).serves_grpc = true;
}

/// Calls that are cancelled at once.
fn flood() -> Vec<u8> {
    let cancelled = |call: u32| {
        let id = 2 * call + 1;
        let mut frames = frame(HEADERS, END_HEADERS, id, &check_headers());
        frames.extend(frame(RST_STREAM, 0, id, &CANCEL.to_be_bytes()));
        frames
    };
    preface().into_iter().chain((0..20_000).flat_map(cancelled)).collect()
}

fn rows() -> Vec<ClosingRow> {
    let row = |reason, shorten, over_http, sent| ClosingRow { reason, shorten, over_http, sent };
    vec![
        row(
            "handshake_timeout",
            |config| config.connections.handshake_timeout = SHORT,
            false,
            Vec::new,
        ),
        row("handshake_timeout", |config| http(config).header_timeout = SHORT, true, Vec::new),
        row(
            "header_timeout",
            |config| http(config).header_timeout = SHORT,
            true,
            || head("POST", "/v1/schema/read", &[("X-Slow", "x")]).trim_end().as_bytes().to_vec(),
        ),
        row("idle_timeout", |config| config.connections.idle_timeout = SHORT, false, preface),
        row(
            "idle_timeout",
            |config| http(config).idle_timeout = SHORT,
            true,
            || head("GET", "/healthz", &[]).into_bytes(),
        ),
        // Headers have less time than a connection that waits for them.
        row(
            "idle_timeout",
            |config| {
                http(config).header_timeout = 10 * SHORT;
                http(config).idle_timeout = 30 * SHORT;
            },
            true,
            || head("GET", "/healthz", &[]).into_bytes(),
        ),
        row("keepalive_timeout", ping_often, false, preface),
        row("keepalive_timeout", ping_often, true, preface),
        row("flood", |_| {}, false, flood),
        row("flood", |config| http(config).serves_grpc = true, true, flood),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_server_closes_is_counted_by_its_reason() {
    let (mut reasons, mut all) = (BTreeSet::new(), BTreeSet::new());
    for ClosingRow { reason, shorten, over_http, sent } in rows() {
        let served = HttpServed::start_configured(|config| {
            config.metrics.address = Some("127.0.0.1:0".to_owned());
            config.connections.handshake_timeout = HOUR;
            config.connections.idle_timeout = HOUR;
            (http(config).header_timeout, http(config).idle_timeout) = (HOUR, HOUR);
            shorten(config);
        })
        .await;
        let scrape = async || ask(served.metrics.unwrap(), &["GET /metrics HTTP/1.1"]).await;
        let count = |scrape: &str| labelled(scrape, METRIC, &[("reason", reason)]).unwrap();
        assert_eq!(count(&scrape().await), 0, "{reason}");

        let grpc = served.server.address.strip_prefix("http://").unwrap();
        let endpoint = if over_http { &served.endpoint } else { grpc };
        let end = Instant::now() + PATIENCE;
        // The server may answer some calls of a flood before it has read the next.
        while count(&scrape().await) == 0 {
            assert!(Instant::now() < end, "{reason} is not counted, over HTTP: {over_http}");
            converse(endpoint, &sent()).await;
        }
        let scrape = scrape().await;
        let line =
            |line: &str| line.strip_prefix(METRIC)?.strip_prefix("{reason=\"").map(str::to_owned);
        let labels = scrape.lines().filter_map(line);
        let counts: Vec<_> = labels
            .map(|line| {
                line.split_once("\"} ")
                    .map(|(label, count)| (label.to_owned(), count.to_owned()))
                    .unwrap()
            })
            .collect();
        let others = counts.iter().filter(|(label, count)| label != reason && count != "0");
        assert_eq!(others.count(), 0, "{reason}: {counts:?}");
        reasons.insert(reason.to_owned());
        all = counts.into_iter().map(|(label, _)| label).collect();
    }
    assert_eq!(reasons, all, "each reason has a row");
}

/// Sends something, and reads until the server closes the connection.
async fn converse(endpoint: &str, sent: &[u8]) {
    let stream = TcpStream::connect(endpoint).await.unwrap();
    let (mut receiving, mut sending) = stream.into_split();
    // The server may close before it has read all of it.
    let write = async { drop(sending.write_all(sent).await) };
    let mut received = Vec::new();
    let read = async { drop(receiving.read_to_end(&mut received).await) };
    let both = async { tokio::join!(write, read) };
    tokio::time::timeout(PATIENCE, both).await.expect("the server closes the connection");
}
