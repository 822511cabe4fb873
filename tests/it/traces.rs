//! Traces: spans of calls, as a collector receives them.

use crate::certificates::Authority;
use crate::cli_serve::kilwa;
use crate::http_support::HttpServed;
use crate::metrics::ask;
use crate::served::Served;
use crate::server_support::{
    Bearer, KEY, Running, SCHEMA, config, consistency, question, soon, start_with,
};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::envoy::service::auth::v3::attribute_context::{
    HttpRequest, Request as AttributesRequest,
};
use kilwa::proto::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use kilwa::proto::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use kilwa::server::Server;
use kilwa::traces::{TraceOptions, TraceProtocol, TraceTls};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use proto::consistency::Requirement;
use proto::permissions_service_client::PermissionsServiceClient;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const CHECK: &str = "authzed.api.v1.PermissionsService/CheckPermission";

/// A collector that keeps what it receives.
struct Collector {
    /// Host and port.
    endpoint: String,
    received: UnboundedReceiver<ExportTraceServiceRequest>,
    /// Spans of a request that have not been looked at.
    waiting: Vec<Span>,
    /// The name of the service that the last request named.
    service: String,
}

/// A connection, with TLS or without.
trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

struct Sink(UnboundedSender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        // The test may have ended.
        let _ = self.0.send(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// One for gRPC.
    async fn grpc() -> Self {
        Self::grpc_with(None).await
    }

    /// The same, over TLS if it is given.
    async fn grpc_with(tls: Option<ServerTlsConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = unbounded_channel();
        let mut builder = tonic::transport::Server::builder();
        if let Some(tls) = tls {
            builder = builder.tls_config(tls).unwrap();
        }
        let serving = builder
            .add_service(TraceServiceServer::new(Sink(sender)))
            .serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(serving);
        Self::new(address, received)
    }

    /// One for HTTP, which takes one request on each connection.
    async fn http() -> Self {
        Self::http_with(None).await
    }

    /// The same, over TLS if it is given.
    async fn http_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stream: Box<dyn ByteStream> = match &tls {
                    Some(tls) => Box::new(tls.accept(stream).await.unwrap()),
                    None => Box::new(stream),
                };
                let mut stream = BufReader::new(stream);
                let (mut head, mut length) = (String::new(), 0);
                while stream.read_line(&mut head).await.unwrap() > 2 {}
                for line in head.to_ascii_lowercase().lines() {
                    if let Some(value) = line.strip_prefix("content-length: ") {
                        length = value.parse().unwrap();
                    }
                }
                assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
                let mut body = vec![0; length];
                stream.read_exact(&mut body).await.unwrap();
                let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer).await.unwrap();
                // The client may have gone.
                let _ = stream.shutdown().await;
                let _ = sender.send(ExportTraceServiceRequest::decode(body.as_slice()).unwrap());
            }
        });
        Self::new(address, received)
    }

    fn new(address: SocketAddr, received: UnboundedReceiver<ExportTraceServiceRequest>) -> Self {
        let (endpoint, waiting, service) = (address.to_string(), Vec::new(), String::new());
        Self { endpoint, received, waiting, service }
    }

    /// The next span that it receives.
    async fn span(&mut self) -> Span {
        while self.waiting.is_empty() {
            let request = soon(self.received.recv()).await.unwrap();
            for spans in request.resource_spans {
                self.service = text(&spans.resource.unwrap().attributes, "service.name");
                let scopes = spans.scope_spans.into_iter();
                self.waiting.extend(scopes.flat_map(|scope| scope.spans));
            }
        }
        self.waiting.remove(0)
    }

    /// Options that export to it, with this share of calls without a parent.
    fn options(&self, protocol: TraceProtocol, sample_ratio: f64) -> TraceOptions {
        TraceOptions { sample_ratio, ..options(protocol, &self.endpoint) }
    }
}

fn options(protocol: TraceProtocol, endpoint: &str) -> TraceOptions {
    TraceOptions {
        protocol: Some(protocol),
        endpoint: Some(endpoint.to_owned()),
        insecure: true,
        sample_ratio: 1.0,
        ..TraceOptions::default()
    }
}

fn value<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a Value> {
    let attribute = attributes.iter().find(|attribute| attribute.key == name)?;
    attribute.value.as_ref()?.value.as_ref()
}

#[track_caller]
fn text(attributes: &[KeyValue], name: &str) -> String {
    match value(attributes, name) {
        Some(Value::StringValue(text)) => text.clone(),
        other => panic!("{name} is {other:?} among {attributes:?}"),
    }
}

#[track_caller]
fn number(span: &Span, name: &str) -> i64 {
    match value(&span.attributes, name) {
        Some(Value::IntValue(number)) => *number,
        other => panic!("{name} is {other:?} in {span:?}"),
    }
}

fn hexadecimal(id: &[u8]) -> String {
    id.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// A server with these options, with data, and where its metrics are.
async fn traced(dir: &TempDir, options: TraceOptions) -> (Running, SocketAddr) {
    let mut config = config(dir.path());
    config.traces = options;
    config.metrics.address = Some("127.0.0.1:0".to_owned());
    let server = Server::open(&config).unwrap();
    let metrics = server.metrics_address().unwrap();
    let running = start_with(server).await;
    running.write_schema(SCHEMA).await.unwrap();
    let relationships = ["document:plan#viewer@group:all#member", "group:all#member@user:ann"];
    running.touch(&relationships).await.unwrap();
    (running, metrics)
}

/// A check at the latest revision, with these flags of its parent.
fn check(flags: &str) -> Request<proto::CheckPermissionRequest> {
    let mut request = Request::new(proto::CheckPermissionRequest {
        consistency: Some(consistency(Requirement::FullyConsistent(true))),
        ..question("document:plan#view@user:ann")
    });
    let parent = format!("00-{TRACE}-{PARENT}-{flags}").parse().unwrap();
    request.metadata_mut().insert("traceparent", parent);
    request.metadata_mut().insert("tracestate", "vendor=value".parse().unwrap());
    request.metadata_mut().insert("x-request-id", format!("id {flags}").parse().unwrap());
    request
}

#[tokio::test]
async fn a_span_continues_the_trace_of_its_caller_and_shows_the_work_of_the_call() {
    let mut collector = Collector::grpc().await;
    let dir = TempDir::new().unwrap();
    // No call without a parent is sampled, so neither are those that write the data.
    let options = collector.options(TraceProtocol::Grpc, 0.0);
    let (server, _) = traced(&dir, options).await;
    let mut client = server.permissions().await;
    client.check_permission(check("00")).await.unwrap();
    let answer = client.check_permission(check("01")).await.unwrap().into_inner();
    client.check_permission(check("03")).await.unwrap();

    let first = collector.span().await;
    assert_eq!(hexadecimal(&first.trace_id), TRACE);
    assert_eq!(hexadecimal(&first.parent_span_id), PARENT);
    assert_eq!(first.trace_state, "vendor=value");
    assert_eq!(first.name, CHECK);
    assert_eq!(first.kind, i32::from(SpanKind::Server));
    assert_eq!(first.status.clone().unwrap_or_default().code(), StatusCode::Unset);
    assert!(first.end_time_unix_nano > first.start_time_unix_nano);
    for (name, expected) in [
        ("rpc.system", "grpc"),
        ("rpc.service", "authzed.api.v1.PermissionsService"),
        ("rpc.method", "CheckPermission"),
        ("network.peer.address", "127.0.0.1"),
        ("kilwa.request_id", "id 01"),
        ("kilwa.revision", &answer.checked_at.unwrap().token),
    ] {
        assert_eq!(text(&first.attributes, name), expected, "{name}");
    }
    assert!(!text(&first.attributes, "kilwa.key").contains(KEY));
    assert_eq!(number(&first, "rpc.grpc.status_code"), 0);
    assert!(number(&first, "network.peer.port") > 0);
    // The check before it has filled the cache.
    assert!(number(&first, "kilwa.cache_hits") > 0, "{first:?}");
    assert_eq!(collector.service, "kilwa");

    let second = collector.span().await;
    assert_eq!(text(&second.attributes, "kilwa.request_id"), "id 03");
    assert_ne!(second.span_id, first.span_id);
    server.stop().await.unwrap();
    assert!(collector.received.try_recv().is_err(), "the call with another parent was sampled");
}

#[tokio::test]
async fn calls_without_a_parent_begin_traces_of_their_own_and_show_reads_and_depth() {
    let mut collector = Collector::grpc().await;
    let dir = TempDir::new().unwrap();
    let options = collector.options(TraceProtocol::Grpc, 1.0);
    let (server, _) = traced(&dir, options).await;
    let answer = server.check("document:plan#view@user:ann").await.unwrap();
    let [schema, write, check] =
        [collector.span().await, collector.span().await, collector.span().await];

    assert_eq!(schema.name, "authzed.api.v1.SchemaService/WriteSchema");
    assert!(value(&schema.attributes, "kilwa.depth").is_none());
    let written = text(&write.attributes, "kilwa.revision");
    assert_eq!(text(&check.attributes, "kilwa.revision"), answer.checked_at.unwrap().token);
    assert!(!written.is_empty());
    assert_ne!(schema.trace_id, check.trace_id);
    for span in [&schema, &check] {
        assert!(span.parent_span_id.is_empty() && span.trace_id.iter().any(|byte| *byte != 0));
    }
    // document:plan#view, its viewers, and the group.
    assert!(number(&check, "kilwa.depth") >= 2, "{check:?}");
    assert!(number(&check, "kilwa.visits") >= number(&check, "kilwa.depth"), "{check:?}");
    assert!(number(&check, "kilwa.reads") > 0, "{check:?}");
}

#[tokio::test]
async fn failed_calls_have_their_code_and_no_text_of_the_caller() {
    let mut collector = Collector::grpc().await;
    let dir = TempDir::new().unwrap();
    let options = collector.options(TraceProtocol::Grpc, 0.0);
    let (server, _) = traced(&dir, options).await;
    let mut client = server.permissions().await;

    let mut request = check("01");
    request.get_mut().permission = "secret_permission".to_owned();
    let refused = client.check_permission(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let span = collector.span().await;
    assert_eq!(number(&span, "rpc.grpc.status_code"), 9);
    assert_eq!(text(&span.attributes, "kilwa.reason"), "UNKNOWN_RELATION_OR_PERMISSION");
    assert_eq!(span.status.clone().unwrap_or_default().code(), StatusCode::Unset);
    assert!(!format!("{span:?}").contains("secret"), "{span:?}");

    let mut stranger = PermissionsServiceClient::new(server.channel().await);
    stranger.check_permission(check("01")).await.unwrap_err();
    let span = collector.span().await;
    assert_eq!(number(&span, "rpc.grpc.status_code"), i64::from(i32::from(Code::Unauthenticated)));
    assert!(value(&span.attributes, "kilwa.key").is_none());

    let mut grpc = Grpc::new(server.channel().await);
    grpc.ready().await.unwrap();
    let mut request = Request::new(proto::ReadSchemaRequest {});
    *request.metadata_mut() = check("01").metadata().clone();
    request.metadata_mut().insert("authorization", format!("Bearer {KEY}").parse().unwrap());
    let path = PathAndQuery::from_static("/authzed.api.v1.SchemaService/Secret");
    let codec = ProstCodec::<_, proto::ReadSchemaResponse>::default();
    let unknown = grpc.unary(request, path, codec).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);
    let span = collector.span().await;
    assert_eq!(span.name, "unknown/unknown");
    assert_eq!(number(&span, "rpc.grpc.status_code"), 12);
    assert_eq!(span.status.unwrap_or_default().code(), StatusCode::Error);
}

#[tokio::test]
async fn spans_go_over_http_too_and_calls_in_json_have_the_parent_of_their_request() {
    let mut collector = Collector::http().await;
    let traces = collector.options(TraceProtocol::Http, 0.0);
    let server = HttpServed::start_configured(|config| config.traces = traces).await;
    server.server.write_schema(SCHEMA).await.unwrap();

    let (key, parent) = (format!("Bearer {KEY}"), format!("00-{TRACE}-{PARENT}-01"));
    let headers = [("Authorization", key.as_str()), ("traceparent", parent.as_str())];
    let answer = server.send("POST", "/v1/schema/read", &headers, "{}").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let span = collector.span().await;
    assert_eq!(span.name, "authzed.api.v1.SchemaService/ReadSchema");
    assert_eq!(hexadecimal(&span.trace_id), TRACE);
    assert_eq!(hexadecimal(&span.parent_span_id), PARENT);
    assert_eq!(text(&span.attributes, "network.peer.address"), "127.0.0.1");
}

// Waiting for the end of the process must not hold up the collector.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_and_the_audit_log_name_the_trace_of_the_span() {
    let mut collector = Collector::grpc().await;
    let dir = TempDir::new().unwrap();
    let audit = dir.path().join("audit.log");
    let mut server = Served::start_with(
        &dir.path().join("data"),
        &[
            "--otel-provider=otlpgrpc",
            &format!("--otel-endpoint={}", collector.endpoint),
            "--otel-insecure",
            "--otel-sample-ratio=1",
            "--otel-service-name=permissions",
            "--slow-call-threshold=1us",
            "--log-format=json",
            &format!("--audit-log={}", audit.display()),
        ],
    );
    let request = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
    server.schema().await.write_schema(request).await.unwrap();
    let line = server.await_line("slow call");
    server.signal("TERM");
    assert_eq!(server.exit_code(), 0);

    let span = collector.span().await;
    let trace = hexadecimal(&span.trace_id);
    assert_eq!(collector.service, "permissions");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["fields"]["trace_id"], trace);
    let event: serde_json::Value =
        serde_json::from_str(fs::read_to_string(audit).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!(event["data"]["traceId"], trace);
}

/// The spans of a server by what became of them: exported, failed and dropped.
async fn totals(metrics: SocketAddr) -> [u64; 3] {
    let scrape = ask(metrics, &["GET /metrics HTTP/1.1"]).await;
    ["exported", "failed", "dropped"].map(|result| {
        let name = format!("kilwa_spans_total{{result=\"{result}\"}} ");
        let line = scrape.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap_or_else(|| panic!("{name} is not in {scrape}")).parse().unwrap()
    })
}

#[tokio::test]
async fn a_collector_that_hangs_holds_up_neither_calls_nor_the_stop() {
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = hanging.local_addr().unwrap().to_string();
    let accepting = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = hanging.accept().await {
            held.push(stream);
        }
    });
    for protocol in [TraceProtocol::Grpc, TraceProtocol::Http] {
        let dir = TempDir::new().unwrap();
        let (server, metrics) = traced(&dir, options(protocol, &endpoint)).await;
        let mut client = server.permissions().await;
        // Several batches: waiting for each would take longer than the test has patience.
        for _ in 0..1_600 {
            soon(client.check_permission(question("document:plan#view@user:ann"))).await.unwrap();
        }
        let [exported, _, _] = totals(metrics).await;
        assert_eq!(exported, 0);
        drop(client);
        soon(server.stop()).await.unwrap();
    }
    accepting.abort();
}

#[tokio::test]
async fn spans_that_no_collector_takes_are_counted() {
    // Nothing listens there any more.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let dir = TempDir::new().unwrap();
    let (server, metrics) = traced(&dir, options(TraceProtocol::Grpc, &closed.to_string())).await;
    soon(async { while totals(metrics).await[1] < 2 {} }).await;
    server.stop().await.unwrap();

    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = hanging.local_addr().unwrap().to_string();
    let dir = TempDir::new().unwrap();
    let small = TraceOptions { queue_length: 1, ..options(TraceProtocol::Http, &endpoint) };
    let (server, metrics) = traced(&dir, small).await;
    soon(async {
        while totals(metrics).await[2] == 0 {
            for _ in 0..100 {
                server.touch(&["group:all#member@user:ben"]).await.unwrap();
            }
        }
    })
    .await;
    soon(server.stop()).await.unwrap();
}

#[tokio::test]
async fn a_request_of_envoy_has_one_span() {
    let mut collector = Collector::grpc().await;
    let dir = TempDir::new().unwrap();
    let mapping = dir.path().join("envoy.toml");
    let rule = "[subject]\ntype = \"user\"\nid = \"ann\"\n[[rules]]\nname = \"documents\"\npath = \"/{id}\"\nresource = { type = \"document\", id = \"{id}\" }\npermission = \"view\"\n";
    fs::write(&mapping, rule).unwrap();
    let mut config = config(&dir.path().join("data"));
    config.traces = collector.options(TraceProtocol::Grpc, 0.0);
    config.ext_authz_file = Some(mapping);
    let running = start_with(Server::open(&config).unwrap()).await;
    running.write_schema(SCHEMA).await.unwrap();

    let http = HttpRequest {
        method: "GET".to_owned(),
        path: "/plan".to_owned(),
        host: "kilwa".to_owned(),
        ..HttpRequest::default()
    };
    let request = AttributesRequest { http: Some(http) };
    let attributes = AttributeContext { request: Some(request), ..AttributeContext::default() };
    let mut request = Request::new(CheckRequest { attributes: Some(attributes) });
    let parent = format!("00-{TRACE}-{PARENT}-01").parse().unwrap();
    request.metadata_mut().insert("traceparent", parent);
    let bearer = Bearer(KEY.to_owned());
    let channel = running.channel().await;
    AuthorizationClient::with_interceptor(channel, bearer).check(request).await.unwrap();
    running.permissions().await.check_permission(check("01")).await.unwrap();

    for id in [None, Some("id 01")] {
        let span = collector.span().await;
        assert_eq!(
            (span.name.as_str(), hexadecimal(&span.parent_span_id)),
            (CHECK, PARENT.to_owned())
        );
        let request_id = text(&span.attributes, "kilwa.request_id");
        assert_eq!(request_id == "id 01", id.is_some(), "{request_id}");
        // It comes from Envoy, with Envoy's key, whatever makes the check.
        assert_eq!(text(&span.attributes, "network.peer.address"), "127.0.0.1");
        assert!(number(&span, "network.peer.port") > 0, "{span:?}");
        assert!(!text(&span.attributes, "kilwa.key").is_empty(), "{span:?}");
        assert!(!text(&span.attributes, "kilwa.revision").is_empty(), "{span:?}");
        assert!(number(&span, "kilwa.visits") > 0, "{span:?}");
    }
}

// Waiting for the end of the process must not hold up the collector.
#[tokio::test(flavor = "multi_thread")]
async fn the_variables_of_opentelemetry_name_a_collector_with_tls() {
    let dir = TempDir::new().unwrap();
    let (authority, clients) = (Authority::new("collectors"), Authority::new("clients"));
    let [ca, client_ca] = [("ca.pem", &authority), ("clients.pem", &clients)].map(|(name, it)| {
        let path = dir.path().join(name);
        fs::write(&path, it.pem()).unwrap();
        path
    });
    let pair = authority.server().write(dir.path(), "collector");
    let own = clients.client("kilwa").write(dir.path(), "kilwa");
    let identity =
        Identity::from_pem(fs::read(pair.certificate).unwrap(), fs::read(pair.key).unwrap());
    let tls = ServerTlsConfig::new()
        .identity(identity)
        .client_ca_root(Certificate::from_pem(fs::read(&client_ca).unwrap()));
    let mut collector = Collector::grpc_with(Some(tls)).await;

    let mut program = kilwa(dir.path());
    program.args(["serve", "--grpc-addr=127.0.0.1:0", "--otel-provider=otlpgrpc"]);
    program.args(["--otel-sample-ratio=1"]).env("KILWA_GRPC_PRESHARED_KEY", KEY);
    program.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("https://{}", collector.endpoint));
    program.env("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", &ca);
    program.env("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &own.certificate);
    program.env("OTEL_EXPORTER_OTLP_CLIENT_KEY", &own.key);
    let server = Served::run(program);
    let mut permissions = server.permissions().await;
    permissions.check_permission(question("document:plan#view@user:ann")).await.unwrap_err();
    assert_eq!(collector.span().await.name, CHECK);
    drop(server);

    for (provider, name, value, part) in [
        ("otlpgrpc", "OTEL_EXPORTER_OTLP_CERTIFICATE", "none.pem", "the file `none.pem` for TLS"),
        ("otlphttp", "OTEL_EXPORTER_OTLP_CERTIFICATE", "none.pem", "the file `none.pem` for TLS"),
        ("otlpgrpc", "OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://otel", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ] {
        let mut program = kilwa(dir.path());
        program.args(["serve", "--grpc-addr=127.0.0.1:0", "--otel-provider", provider]);
        let output = program.env(name, value).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}={value}: {said}");
        assert!(said.contains(part), "{name}={value}: {said}");
    }
}

#[tokio::test]
async fn spans_are_sent_over_http_with_tls_and_the_certificates_of_both() {
    let dir = TempDir::new().unwrap();
    let (authority, clients) = (Authority::new("collectors"), Authority::new("clients"));
    let ca = dir.path().join("ca.pem");
    fs::write(&ca, authority.pem()).unwrap();
    let own = clients.client("kilwa").write(dir.path(), "kilwa");
    let mut collector = Collector::http_with(Some(acceptor(&authority, &clients))).await;

    let mut config = config(&dir.path().join("data"));
    config.traces = TraceOptions {
        protocol: Some(TraceProtocol::Http),
        endpoint: Some(collector.endpoint.clone()),
        tls: TraceTls { authorities: Some(ca), identity: Some((own.certificate, own.key)) },
        sample_ratio: 1.0,
        ..TraceOptions::default()
    };
    let running = start_with(Server::open(&config).unwrap()).await;
    running.write_schema(SCHEMA).await.unwrap();
    let span = collector.span().await;
    assert_eq!(span.name, "authzed.api.v1.SchemaService/WriteSchema");
    running.stop().await.unwrap();
}

/// The TLS of a collector that requires certificates of its clients.
fn acceptor(authority: &Authority, clients: &Authority) -> TlsAcceptor {
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(clients.pem().as_bytes()).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let issued = authority.server();
    let chain = vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain, key);
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

#[test]
fn what_is_not_supported_is_refused_with_a_way_out() {
    let dir = TempDir::new().unwrap();
    for (arguments, part) in [
        (vec!["--otel-provider=jaeger"], "otlpgrpc"),
        (vec!["--otel-trace-propagator=b3"], "only the propagator `w3c` is supported"),
        (vec!["--otel-sample-ratio=1.5"], "a number from 0 to 1"),
        (vec!["--otel-sample-ratio=NaN"], "a number from 0 to 1"),
        (vec!["--otel-provider=otlphttp", "--otel-endpoint=ftp://otel"], "`--otel-endpoint`"),
        (vec!["--otel-provider=otlpgrpc", "--otel-endpoint=ftp://otel"], "`--otel-endpoint`"),
    ] {
        let mut program = kilwa(dir.path());
        program.args(["serve", "--grpc-addr=127.0.0.1:0"]).args(&arguments);
        let output = program.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}
