//! A server that serves HTTP, and a client for it that shows every byte of an answer.

use crate::server_support::{KEY, Running, config, start_with};
use kilwa::config::{Config, HttpListenerOptions};
use kilwa::proto::FILE_DESCRIPTOR_SET;
use kilwa::server::Server;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use serde_json::Value;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How long something may take that the server does at once.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A server with an empty store that serves HTTP, and gRPC beside it.
pub(crate) struct HttpServed {
    pub(crate) server: Running,
    /// Host and port of HTTP.
    pub(crate) endpoint: String,
    /// Where its metrics are, if they are enabled.
    pub(crate) metrics: Option<SocketAddr>,
    _dir: TempDir,
}

/// What a server has answered.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl HttpServed {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut HttpListenerOptions)) -> Self {
        let mut http = HttpListenerOptions::default();
        change(&mut http);
        Self::start_configured(|config| config.http = Some(http)).await
    }

    pub(crate) async fn start_configured(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        change(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        let server = Server::open(&config).unwrap().with_http(listener).unwrap();
        let metrics = server.metrics_address();
        Self { server: start_with(server).await, endpoint, metrics, _dir: dir }
    }

    /// Posts JSON with the key.
    pub(crate) async fn post(&self, path: &str, body: &str) -> HttpAnswer {
        self.send("POST", path, &[("Authorization", &format!("Bearer {KEY}"))], body).await
    }

    /// The JSON of an answer that has to be one of success.
    #[track_caller]
    pub(crate) fn posted(&self, path: &str, body: &str) -> impl Future<Output = Value> {
        let place = std::panic::Location::caller();
        async move {
            let answer = self.post(path, body).await;
            assert_eq!(answer.status, 200, "at {place}: {path} {body}: {answer:?}");
            answer.json()
        }
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> HttpAnswer {
        HttpAnswer::parse(&send(&self.endpoint, [method, path], headers, body, |_| false).await)
    }

    /// Starts a request whose answer is read line by line.
    pub(crate) async fn open(&self, path: &str, body: &str) -> OpenAnswer {
        let mut stream = TcpStream::connect(&self.endpoint).await.unwrap();
        let (key, length) = (format!("Bearer {KEY}"), body.len().to_string());
        let headers = [("Authorization", key.as_str()), ("Content-Length", length.as_str())];
        let request = head("POST", path, &headers) + body;
        stream.write_all(request.as_bytes()).await.unwrap();
        OpenAnswer(BufReader::new(stream))
    }
}

/// The bytes of an answer, up to those for which `is_last` holds.
pub(crate) async fn send(
    endpoint: &str,
    [method, path]: [&str; 2],
    headers: &[(&str, &str)],
    body: &str,
    is_last: impl Fn(&[u8]) -> bool,
) -> Vec<u8> {
    let mut stream = TcpStream::connect(endpoint).await.unwrap();
    let length = body.len().to_string();
    let usual = [("Connection", "close"), ("Content-Length", length.as_str())];
    let head = head(method, path, &[headers, &usual].concat());
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that refuses a body need not read it.
    let _ = stream.write_all(body.as_bytes()).await;
    let mut received = Vec::new();
    while !is_last(&received) {
        if !matches!(stream.read_buf(&mut received).await, Ok(1..)) {
            break;
        }
    }
    received
}

/// The methods that have a route, each with it, from the options in the descriptors.
pub(crate) fn routes() -> Vec<(MethodDescriptor, String)> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let option = pool.get_extension_by_name("google.api.http").unwrap();
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let routes = methods.map(|method| {
        let rule = method.options().get_extension(&option).into_owned();
        let path = rule.as_message().unwrap().get_field_by_name("post").unwrap().into_owned();
        (method, path.as_str().unwrap().to_owned())
    });
    routes.filter(|(_, path)| !path.is_empty()).collect()
}

/// The start of a request.
pub(crate) fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head + "\r\n"
}

/// An answer that may not have ended.
pub(crate) struct OpenAnswer(pub(crate) BufReader<TcpStream>);

impl OpenAnswer {
    /// The JSON of the next line of the body.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let mut line = String::new();
            let read = tokio::time::timeout(PATIENCE, self.0.read_line(&mut line)).await;
            assert_ne!(read.unwrap().unwrap(), 0, "the answer has ended");
            // Beside the body there are headers, and the sizes of chunks.
            if line.starts_with('{') {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }
}

impl HttpAnswer {
    #[track_caller]
    pub(crate) fn parse(received: &[u8]) -> Self {
        let text = str::from_utf8(received).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.and_then(|status| status.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers: Vec<(String, String)> =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let is_chunked = headers.iter().any(|(name, _)| name == "transfer-encoding");
        Self {
            status: status.unwrap_or_else(|| panic!("no answer: {text:?}")),
            headers,
            body: if is_chunked { unchunked(body) } else { body.to_owned() },
        }
    }

    /// A successful one with these lines.
    pub(crate) fn of_lines(body: String) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { status: 200, headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON of each line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        whole.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    whole
}
