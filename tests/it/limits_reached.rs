//! Each limit on what callers may do: it is reached once, and its counter rises.

use crate::http_support::head;
use crate::metrics::ask;
use crate::server_support::{
    Bearer, KEY, Running, SCHEMA, config, question, relationship, start_with, structure, touch,
};
use crate::watch_support::from;
use kilwa::config::{Config, HttpListenerOptions};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::server::Server;
use proto::watch_service_client::WatchServiceClient;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

/// Long enough for a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

type Reaching = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A limit by its label, the options with which it is low, and what reaches it. That may be repeated until the counter has risen.
struct LimitRow {
    label: &'static str,
    lower: fn(&mut Config),
    reach: fn(Arc<Reached>) -> Reaching,
}

/// A server with a low limit.
struct Reached {
    server: Running,
    /// Host and port of HTTP.
    http: String,
}

fn http(config: &mut Config) -> &mut HttpListenerOptions {
    config.http.get_or_insert_default()
}

fn rows() -> Vec<LimitRow> {
    [grpc_rows(), stream_rows(), http_rows()].into_iter().flatten().collect()
}

fn grpc_rows() -> Vec<LimitRow> {
    vec![
        LimitRow {
            label: "calls",
            lower: |config| config.overload.calls_per_key_max = NonZero::new(1),
            reach: |reached| Box::pin(async move { reached.several_writes(1).await }),
        },
        LimitRow {
            label: "write_queue",
            lower: |config| config.store.queue.writes_max = 1,
            reach: |reached| Box::pin(async move { reached.several_writes(1_000).await }),
        },
        LimitRow {
            label: "connections",
            lower: |config| config.connections.max = Some(2),
            reach: |reached| Box::pin(async move { reached.several_connections().await }),
        },
        LimitRow {
            label: "message_size",
            lower: |_| {},
            reach: |reached| Box::pin(async move { reached.large_check().await }),
        },
        LimitRow {
            label: "memory",
            lower: |config| config.requests.all_bytes_max = 1 << 16,
            reach: |reached| Box::pin(async move { reached.large_write().await }),
        },
        LimitRow {
            label: "work",
            lower: |config| config.database.limits.depth_max = Some(1),
            reach: |reached| Box::pin(async move { reached.deep_check().await }),
        },
    ]
}

fn stream_rows() -> Vec<LimitRow> {
    vec![
        LimitRow {
            label: "streams",
            lower: |config| config.connections.calls_max = 2,
            reach: |reached| Box::pin(async move { reached.watches(2).await }),
        },
        LimitRow {
            label: "watches",
            lower: |config| config.requests.watches_per_key_max = 1,
            reach: |reached| Box::pin(async move { reached.watches(2).await }),
        },
        LimitRow {
            label: "watch_queue",
            lower: |config| {
                config.watch.buffer_length = 1;
                config.watch.write_timeout = Duration::from_millis(1);
            },
            reach: |reached| Box::pin(async move { reached.unread_watch().await }),
        },
        LimitRow {
            label: "imports",
            lower: |config| config.requests.imports_per_key_max = 1,
            reach: |reached| Box::pin(async move { reached.two_imports().await }),
        },
        LimitRow {
            label: "import_idle",
            lower: |config| config.import_idle_max = Duration::from_millis(1),
            reach: |reached| Box::pin(async move { reached.two_imports().await }),
        },
    ]
}

fn http_rows() -> Vec<LimitRow> {
    vec![
        LimitRow {
            label: "http_body",
            lower: |config| http(config).requests.body_bytes_max = 10,
            reach: |reached| Box::pin(async move { reached.post(&"{".repeat(20), "").await }),
        },
        LimitRow {
            label: "http_bodies",
            lower: |config| http(config).requests.bodies_bytes_max = 10,
            reach: |reached| Box::pin(async move { reached.post(&"{".repeat(20), "").await }),
        },
        LimitRow {
            label: "http_body_idle",
            lower: |config| http(config).requests.body_idle_max = Duration::from_millis(1),
            reach: |reached| Box::pin(async move { reached.post("", "").await }),
        },
        LimitRow {
            label: "http_headers",
            lower: |config| http(config).header_bytes_max = 8_192,
            reach: |reached| Box::pin(async move { reached.post("{}", &"x".repeat(64_000)).await }),
        },
        LimitRow {
            label: "json_depth",
            lower: |config| http(config).requests.json_depth_max = 2,
            reach: |reached| {
                Box::pin(async move { reached.post(r#"{"context": {"a": {}}}"#, "").await })
            },
        },
    ]
}

impl Reached {
    async fn several_writes(&self, size: usize) {
        let writes: Vec<_> = (0..20)
            .map(|round| {
                let address = self.server.address.clone();
                tokio::spawn(async move {
                    let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
                    let bearer = Bearer(KEY.to_owned());
                    let mut client =
                        proto::permissions_service_client::PermissionsServiceClient::with_interceptor(
                            channel, bearer,
                        );
                    let updates = (0..size)
                        .map(|n| touch(&format!("group:g{round}x{n}#member@user:ann")))
                        .collect();
                    let request =
                        proto::WriteRelationshipsRequest { updates, ..Default::default() };
                    drop(client.write_relationships(request).await);
                })
            })
            .collect();
        for write in writes {
            write.await.unwrap();
        }
    }

    async fn several_connections(&self) {
        let address = self.server.address.trim_start_matches("http://");
        let mut connections = Vec::new();
        for _ in 0..6 {
            connections.push(TcpStream::connect(address).await.unwrap());
        }
    }

    async fn large_check(&self) {
        let context = structure(&format!(r#"{{"text": "{}"}}"#, "x".repeat(2 << 20)));
        let request = proto::CheckPermissionRequest {
            context: Some(context),
            ..question("document:plan#view@user:ann")
        };
        self.server.permissions().await.check_permission(request).await.unwrap_err();
    }

    async fn large_write(&self) {
        let updates = (0..900).map(|n| {
            let id = format!("{}{n}", "d".repeat(500));
            touch(&format!("document:{id}#viewer@user:{id}"))
        });
        self.server.write(updates.collect()).await.unwrap_err();
    }

    async fn deep_check(&self) {
        let chain = [
            "document:plan#viewer@group:a#member",
            "group:a#member@group:b#member",
            "group:b#member@group:c#member",
            "group:c#member@user:ann",
        ];
        self.server.touch(&chain).await.unwrap();
        self.server.check("document:plan#view@user:ann").await.unwrap_err();
    }

    /// So many watches on one connection, of which the last may be refused.
    async fn watches(&self, count: usize) {
        let channel = self.server.channel().await;
        let mut open = Vec::new();
        for _ in 0..count {
            let bearer = Bearer(KEY.to_owned());
            let mut client = WatchServiceClient::with_interceptor(channel.clone(), bearer);
            open.push(client.watch(from(None, &[])).await);
        }
    }

    async fn unread_watch(&self) {
        let narrow = Channel::from_shared(self.server.address.clone()).unwrap();
        let narrow = narrow.initial_stream_window_size(65_535).connect().await.unwrap();
        let mut client = WatchServiceClient::with_interceptor(narrow, Bearer(KEY.to_owned()));
        let unread = client.watch(from(None, &[])).await.unwrap();
        for round in 0..40 {
            let id = |n: usize| format!("{}{round}x{n}", "d".repeat(1_000));
            let many = (0..100).map(|n| touch(&format!("document:{}#owner@user:ann", id(n))));
            self.server.write(many.collect()).await.unwrap();
        }
        drop(unread);
    }

    async fn two_imports(&self) {
        let open = || async {
            let (sender, parts) = mpsc::channel(2);
            let relationships = vec![relationship("group:a#member@user:ann")];
            sender.send(proto::ImportBulkRelationshipsRequest { relationships }).await.unwrap();
            let mut client = self.server.permissions().await;
            let importing = tokio::spawn(async move {
                drop(client.import_bulk_relationships(ReceiverStream::new(parts)).await);
            });
            (sender, importing)
        };
        let (_first, mut importing) = open().await;
        let (_second, mut other) = open().await;
        // Either may have come first.
        tokio::select! {
            _ = &mut importing => other.abort(),
            _ = &mut other => importing.abort(),
        }
    }

    /// Sends a body, which may be announced and not sent, and a header.
    async fn post(&self, body: &str, header: &str) {
        let mut stream = TcpStream::connect(&self.http).await.unwrap();
        let (key, length) = (format!("Bearer {KEY}"), body.len().max(2).to_string());
        let headers = [
            ("Authorization", key.as_str()),
            ("Connection", "close"),
            ("Content-Length", length.as_str()),
            ("X-Long", header),
        ];
        let request = head("POST", "/v1/permissions/check", &headers) + body;
        // The server may close before it has read all of it.
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

/// The counters of all limits, by label.
async fn counts(metrics: SocketAddr) -> Vec<(String, u64)> {
    let scrape = ask(metrics, &["GET /metrics HTTP/1.1"]).await;
    let name = "kilwa_limits_reached_total{limit=\"";
    let lines = scrape.lines().filter_map(|line| line.strip_prefix(name)?.split_once("\"} "));
    lines.map(|(label, count)| (label.to_owned(), count.parse().unwrap())).collect()
}

async fn count(metrics: SocketAddr, label: &str) -> u64 {
    let counts = counts(metrics).await;
    counts.iter().find(|(found, _)| found == label).unwrap_or_else(|| panic!("no {label}")).1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_limit_that_is_reached_counts() {
    let mut labels = BTreeSet::new();
    let mut all = BTreeSet::new();
    for LimitRow { label, lower, reach } in rows() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        config.metrics.address = Some("127.0.0.1:0".to_owned());
        config.import_idle_max = HOUR;
        lower(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = listener.local_addr().unwrap().to_string();
        let server = Server::open(&config).unwrap().with_http(listener).unwrap();
        let metrics = server.metrics_address().unwrap();
        let server = start_with(server).await;
        server.write_schema(SCHEMA).await.unwrap();
        let reached = Arc::new(Reached { server, http });

        assert_eq!(count(metrics, label).await, 0, "{label}");
        let end = Instant::now() + PATIENCE;
        while count(metrics, label).await == 0 {
            assert!(Instant::now() < end, "{label} does not count");
            reach(Arc::clone(&reached)).await;
        }
        labels.insert(label.to_owned());
        all = counts(metrics).await.into_iter().map(|(label, _)| label).collect();
    }
    assert_eq!(labels, all, "each limit with a counter has a row");
}
