//! Requests that are not what the protocol says, or are broken off: whose fault they are, and with which code their calls end.

use crate::http_support::head;
use crate::metrics::ask;
use crate::raw_http2::{RawConnection, Responding, frame};
use crate::served::Served;
use crate::server_support::{KEY, SCHEMA, question, relationship, soon};
use h2::Reason;
use kilwa::proto::authzed::api::v1 as proto;
use prost::Message as _;
use prost::bytes::Bytes;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::codegen::http::{HeaderMap, Request};
use tonic::{Code, Status};

const CHECK: &str = "/authzed.api.v1.PermissionsService/CheckPermission";
const IMPORT: &str = "/authzed.api.v1.PermissionsService/ImportBulkRelationships";
const RESETS: [Reason; 3] = [Reason::CANCEL, Reason::NO_ERROR, Reason::INTERNAL_ERROR];

/// A server that records how each call ended.
struct Recording {
    server: Served,
    http: String,
    audit: PathBuf,
    _folder: TempDir,
}

impl Recording {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let audit = folder.path().join("audit.log");
        let options = "--http-enabled --http-addr 127.0.0.1:0 --http-grpc-enabled --metrics-enabled --metrics-addr 127.0.0.1:0";
        let mut options: Vec<_> = options.split_whitespace().collect();
        options.extend(["--audit-log", audit.to_str().unwrap()]);
        let server = Served::start_with(&folder.path().join("data"), &options);
        let line = server.await_line("serving HTTP address=");
        let (_, http) = line.split_once("address=").unwrap();
        let http = http.split(' ').next().unwrap().to_owned();
        let schema = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
        server.schema().await.write_schema(schema).await.unwrap();
        Self { server, http, audit, _folder: folder }
    }

    /// Both addresses at which gRPC is served.
    fn endpoints(&self) -> [&str; 2] {
        [self.server.endpoint(), &self.http]
    }

    /// What was recorded of the call with an id, once it has ended.
    async fn record(&self, id: &str) -> Value {
        let recorded = async {
            loop {
                let text = fs::read_to_string(&self.audit).unwrap();
                let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
                let mut found = lines.filter(|line: &Value| line["data"]["requestId"] == id);
                if let Some(record) = found.next() {
                    return record["data"].clone();
                }
                tokio::task::yield_now().await;
            }
        };
        soon(recorded).await
    }

    async fn require_code(&self, id: &str, code: &str) {
        let record = self.record(id).await;
        assert_eq!(record["code"], code, "{id}: {record}");
    }

    /// Requires that no call has ended as if the server were at fault.
    async fn require_faultless(self) {
        let line = self.server.await_line("serving gRPC");
        let (_, metrics) = line.split_once("metrics=\"").unwrap();
        let metrics = metrics.split('"').next().unwrap().parse().unwrap();
        let scrape = ask(metrics, &["GET /metrics HTTP/1.1"]).await;
        let handled = scrape.lines().filter(|line| line.starts_with("grpc_server_handled_total{"));
        let handled: Vec<_> = handled.collect();
        assert!(!handled.is_empty(), "{scrape}");
        for code in ["Internal", "Unknown", "DataLoss", "Aborted"] {
            let label = format!("grpc_code=\"{code}\"");
            assert!(!handled.iter().any(|line| line.contains(&label)), "{handled:?}");
        }
        let said = self.server.last_lines();
        assert!(!said.iter().any(|line| line.contains("call failed")), "{said:?}");
    }
}

/// How a response ended.
fn status(headers: &HeaderMap) -> Status {
    Status::from_header_map(headers).unwrap()
}

/// Waits until the server has received what was sent on a connection.
async fn settle(connection: &mut RawConnection) {
    let asked = question("document:plan#view@user:ann");
    let response = connection.call(CHECK, &[], &asked).await;
    assert_eq!(status(&response.trailers).code(), Code::Ok, "{response:?}");
}

fn asked() -> Vec<u8> {
    frame(0, &question("document:plan#view@user:ann").encode_to_vec())
}

fn imported(id: &str) -> Vec<u8> {
    let relationships = vec![relationship(&format!("group:{id}#member@user:ann"))];
    frame(0, &proto::ImportBulkRelationshipsRequest { relationships }.encode_to_vec())
}

async fn has_group(server: &Served, id: &str) -> bool {
    let request = proto::CheckPermissionRequest {
        consistency: Some(proto::Consistency {
            requirement: Some(proto::consistency::Requirement::FullyConsistent(true)),
        }),
        ..question(&format!("group:{id}#member@user:ann"))
    };
    let answer = server.permissions().await.check_permission(request).await.unwrap();
    answer.into_inner().permissionship()
        == proto::check_permission_response::Permissionship::HasPermission
}

#[tokio::test]
async fn what_is_wrong_with_the_messages_of_a_request_is_the_fault_of_its_client() {
    let recording = Recording::start().await;
    let cut = [&[0, 0, 0, 0, 32][..], b"abc"].concat();
    let (gzip, wrong) = (Some("gzip"), "INVALID_ARGUMENT");
    let cases = [
        ("cut", CHECK, None, cut.clone(), wrong, "ends within a message"),
        ("cut-prefix", CHECK, None, vec![0, 0], wrong, "ends within a message"),
        ("empty", CHECK, None, Vec::new(), wrong, "has no message"),
        ("two", CHECK, None, asked().repeat(2), wrong, "more than one message"),
        ("flag", CHECK, None, frame(5, b""), wrong, "begins with 5"),
        ("not-named", CHECK, None, frame(1, b"abc"), wrong, "`grpc-encoding`"),
        ("identity", CHECK, Some("identity"), frame(1, b"abc"), wrong, "`grpc-encoding`"),
        ("no-gzip", CHECK, gzip, frame(1, b"no gzip"), wrong, "cannot be read"),
        ("no-message", CHECK, None, frame(0, b"\xff\xff"), wrong, "no message of its type"),
        ("s2", CHECK, Some("s2"), asked(), "UNIMPLEMENTED", "s2"),
        ("long", CHECK, None, vec![0, 255, 255, 255, 255], "RESOURCE_EXHAUSTED", "larger than"),
        ("import-cut", IMPORT, None, cut, wrong, "ends within a message"),
        (
            "import-flag",
            IMPORT,
            None,
            [imported("i"), frame(5, b"")].concat(),
            wrong,
            "begins with 5",
        ),
        (
            "import-gzip",
            IMPORT,
            gzip,
            [imported("i"), frame(1, b"x")].concat(),
            wrong,
            "cannot be read",
        ),
        ("import-cut-later", IMPORT, None, [imported("i"), vec![0]].concat(), wrong, "ends within"),
    ];
    for (index, endpoint) in recording.endpoints().into_iter().enumerate() {
        let mut connection = RawConnection::open(endpoint).await;
        for (name, path, encoding, bytes, code, text) in cases.clone() {
            let id = format!("{name}-{index}");
            let encoding = encoding.map(|encoding| ("grpc-encoding", encoding));
            let headers: Vec<_> =
                [("x-request-id", id.as_str())].into_iter().chain(encoding).collect();
            let response = connection.send(path, &headers, bytes).await.finish().await;
            let ended = status(&response.headers);
            assert!(ended.message().contains(text), "{id}: {ended:?}");
            assert_eq!(format!("{:?}", ended.code()), camel(code), "{id}: {ended:?}");
            recording.require_code(&id, code).await;
        }

        // Without a body at all, and with trailers within a message.
        let id = format!("headers-alone-{index}");
        let (response, _) = connection.begin(CHECK, &[("x-request-id", &id)], true).await.unwrap();
        let response = Responding::of(response).await.unwrap().finish().await;
        assert!(status(&response.headers).message().contains("has no message"), "{response:?}");
        recording.require_code(&id, wrong).await;
        let id = format!("trailers-{index}");
        let begun = connection.begin(CHECK, &[("x-request-id", &id)], false).await;
        let (response, mut stream) = begun.unwrap();
        stream.send_data(Bytes::from_static(&[0, 0, 0, 0, 9, 1]), false).unwrap();
        stream.send_trailers(HeaderMap::new()).unwrap();
        let response = Responding::of(response).await.unwrap().finish().await;
        assert!(status(&response.headers).message().contains("ends within"), "{response:?}");
        recording.require_code(&id, wrong).await;
        settle(&mut connection).await;
    }
    assert!(!has_group(&recording.server, "i").await);
    recording.require_faultless().await;
}

/// `INVALID_ARGUMENT` as `InvalidArgument`.
fn camel(code: &str) -> String {
    let words = code.split('_').map(|word| word[..1].to_owned() + &word[1..].to_lowercase());
    words.collect()
}

#[tokio::test]
async fn a_call_whose_client_breaks_off_its_request_is_cancelled() {
    let recording = Recording::start().await;
    let sent = [
        (CHECK, "before", Vec::new()),
        (CHECK, "within-prefix", vec![0, 0]),
        (CHECK, "within", asked()[..9].to_vec()),
        (IMPORT, "import-before", Vec::new()),
        (IMPORT, "import-within", imported("broken")[..9].to_vec()),
        (IMPORT, "import-after", imported("broken")),
    ];
    for (index, endpoint) in recording.endpoints().into_iter().enumerate() {
        for (path, name, bytes) in &sent {
            for reason in RESETS.map(Some).into_iter().chain([None]) {
                let mut connection = RawConnection::open(endpoint).await;
                let id = format!("{name}-{index}-{}", reason.map_or(99, u32::from));
                let begun = connection.begin(path, &[("x-request-id", &id)], false).await;
                let (_response, mut stream) = begun.unwrap();
                settle(&mut connection).await;
                stream.send_data(Bytes::copy_from_slice(bytes), false).unwrap();
                settle(&mut connection).await;
                match reason {
                    Some(reason) => {
                        stream.send_reset(reason);
                        settle(&mut connection).await;
                    }
                    None => connection.cut(),
                }
                recording.require_code(&id, "CANCELLED").await;
            }
        }
    }
    assert!(!has_group(&recording.server, "broken").await);
    recording.require_faultless().await;
}

#[tokio::test]
async fn a_body_that_is_not_json_of_the_method_has_the_code_of_its_answer() {
    const JSON_CHECK: &str = "/v1/permissions/check";
    let recording = Recording::start().await;
    for (id, path, body, text) in [
        ("twice", JSON_CHECK, r#"{"resource":{},"resource":{}}"#, "duplicate field"),
        ("broken", JSON_CHECK, r#"{"resource":"#, "unexpected EOF"),
        ("import", "/v1/relationships/importbulk", "{}{", "unexpected EOF"),
        ("authzen", "/access/v1/evaluation", r#"{"a":1,"a":1}"#, "occurs twice"),
        ("authzen-broken", "/access/v1/evaluations", "{", "not valid JSON"),
        ("search", "/access/v1/search/subject", "[]", "must be a JSON object"),
    ] {
        let headers = headers(id, body.len());
        let request = head("POST", path, &pairs(&headers)) + body;
        let mut stream = TcpStream::connect(&recording.http).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut received = String::new();
        stream.read_to_string(&mut received).await.unwrap();
        assert!(
            received.starts_with("HTTP/1.1 400") && received.contains(text),
            "{id}: {received}"
        );
        let record = recording.record(id).await;
        let expected = (&json!("INVALID_ARGUMENT"), &Value::Null);
        assert_eq!((&record["code"], &record["request"]), expected, "{id}");
    }
    recording.require_faultless().await;
}

/// Headers of a request with an id, whose connection is closed after the answer.
fn headers(id: &str, length: usize) -> [(&'static str, String); 5] {
    [
        ("Authorization", format!("Bearer {KEY}")),
        ("Content-Type", "application/json".to_owned()),
        ("Content-Length", length.to_string()),
        ("X-Request-ID", id.to_owned()),
        ("Connection", "close".to_owned()),
    ]
}

fn pairs<'h>(headers: &'h [(&'static str, String); 5]) -> Vec<(&'static str, &'h str)> {
    headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[tokio::test]
async fn a_body_that_its_client_breaks_off_cancels_the_call() {
    let recording = Recording::start().await;
    let import = "/v1/relationships/importbulk";
    let part = r#"{"relationships":[{"resource":{"objectType":"group","objectId":"json"},"relation":"member","subject":{"object":{"objectType":"user","objectId":"ann"}}}]}"#;
    for (id, path) in [
        ("check", "/v1/permissions/check"),
        ("authzen", "/access/v1/evaluation"),
        ("import", import),
    ] {
        let headers = headers(id, 5_000);
        let request = head("POST", path, &pairs(&headers)) + part;
        let mut stream = TcpStream::connect(&recording.http).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        drop(stream);
        recording.require_code(id, "CANCELLED").await;
    }

    // Over HTTP/2 a whole message is no end of the request either.
    for reason in RESETS {
        let stream = TcpStream::connect(&recording.http).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let id = format!("reset-{}", u32::from(reason));
        let request = Request::post(format!("http://localhost{import}"))
            .header("authorization", format!("Bearer {KEY}"))
            .header("x-request-id", &id)
            .body(())
            .unwrap();
        let mut begun = sender.clone().ready().await.unwrap();
        let (_response, mut body) = begun.send_request(request, false).unwrap();
        let settle = async || {
            let request = Request::get("http://localhost/healthz").body(()).unwrap();
            let mut begun = sender.clone().ready().await.unwrap();
            begun.send_request(request, true).unwrap().0.await.unwrap();
        };
        settle().await;
        body.send_data(Bytes::from_static(part.as_bytes()), false).unwrap();
        settle().await;
        body.send_reset(reason);
        recording.require_code(&id, "CANCELLED").await;
    }
    assert!(!has_group(&recording.server, "json").await);
    recording.require_faultless().await;
}
