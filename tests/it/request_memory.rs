//! The memory of a request, whatever it contains, and how long it delays others.

use crate::outside::tell;
use crate::served::Served;
use crate::server_support::{KEY, SCHEMA, question, relationship, soon, touch};
use kilwa::proto::FILE_DESCRIPTOR_SET;
use kilwa::proto::authzed::api::v1 as proto;
use prost::bytes::{Buf as _, BufMut as _};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};
use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::Service as _;
use tonic::codegen::http::Request as HttpRequest;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// The most memory that the server may hold at any time, with its stores and caches: far less than the 2,860 MiB that an
/// unbounded decoder takes for 16 KiB of compressed request.
const PEAK_KIB_MAX: u64 = 700 << 10;
/// How long a check may take during requests of the largest size. Generous, because the machine is shared.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// The largest message of any method.
const LARGEST: usize = 16 << 20;

/// Messages as they lie on the wire.
#[derive(Clone, Copy, Debug, Default)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}

/// A server, and another client that uses it meanwhile.
struct Trial {
    /// Ends before the server.
    bystander: Bystander,
    server: Served,
    channel: Channel,
    _dir: TempDir,
}

impl Trial {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Served::start_with(dir.path(), arguments);
        let request = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
        server.schema().await.write_schema(request).await.unwrap();
        // While it exists, no empty schema can replace this one.
        let updates = vec![touch("document:plan#owner@user:ann")];
        let request = proto::WriteRelationshipsRequest { updates, ..Default::default() };
        server.permissions().await.write_relationships(request).await.unwrap();
        let channel = server.channel().await;
        let bystander = Bystander::start(&server);
        Self { server, channel, bystander, _dir: dir }
    }

    /// The first answer to a message, or what was wrong with it.
    async fn call(&self, path: &str, message: Vec<u8>, gzip: bool) -> Result<Vec<u8>, Status> {
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(usize::MAX);
        if gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        client.ready().await.unwrap();
        let mut request = Request::new(tokio_stream::once(message));
        let key = MetadataValue::try_from(format!("Bearer {KEY}")).unwrap();
        request.metadata_mut().insert("authorization", key);
        if path.ends_with("/Watch") {
            // It returns nothing.
            request.set_timeout(Duration::from_millis(100));
        }
        let path = PathAndQuery::try_from(path).unwrap();
        let mut answers = client.streaming(request, path, Bytes).await?.into_inner();
        Ok(answers.message().await?.unwrap_or_default())
    }

    fn require_calm(&self, what: &str) {
        let (peak, waited) = (self.server.peak_resident_kib(), self.bystander.waited());
        assert!(peak < PEAK_KIB_MAX, "{what}: the server held {} MiB", peak >> 10);
        assert!(waited < WAIT_MAX, "{what}: a check took {waited:?}");
    }
}

/// Checks again and again, on a connection and a thread of its own.
struct Bystander {
    stop: Arc<AtomicBool>,
    longest: Arc<std::sync::Mutex<Duration>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Bystander {
    fn start(server: &Served) -> Self {
        let (stop, longest) =
            (Arc::<AtomicBool>::default(), Arc::<std::sync::Mutex<Duration>>::default());
        let (stopped, reported) = (Arc::clone(&stop), Arc::clone(&longest));
        let endpoint = server.endpoint().to_owned();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut client = crate::served::permissions_at(&endpoint).await;
                while !stopped.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    client.check_permission(question("document:plan#view@user:ann")).await.unwrap();
                    let mut longest = reported.lock().unwrap();
                    *longest = begun.elapsed().max(*longest);
                }
            });
        });
        Self { stop, longest, thread: Some(thread) }
    }

    /// The longest wait since the last reading.
    fn waited(&self) -> Duration {
        std::mem::take(&mut *self.longest.lock().unwrap())
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // It fails when the server goes first.
        drop(self.thread.take().map(std::thread::JoinHandle::join));
    }
}

/// How many shapes each method is sent: with all of them the test takes minutes.
const SHAPES_MAX: usize = 4;
/// The names of shapes, the worst ones first.
const KINDS: [&str; 8] = [
    "empty entries",
    "list of small objects",
    "list of empty values",
    "map",
    "32 levels",
    "1000 levels",
    "numbers",
    "one text",
];

/// Bytes that a method reads as something large.
struct Shape {
    name: String,
    bytes: Vec<u8>,
}

/// What an attacker would send: everything that is short on the wire and long in memory, in fields of a message and of
/// those in it.
fn shapes(message: &MessageDescriptor, bytes_max: usize) -> Vec<Shape> {
    let around = Around { bytes_max, path: Vec::new(), seen: BTreeSet::new(), found: Vec::new() };
    let mut found = around.of(message);
    // What takes the most for its size comes first.
    found.sort_by_key(|shape| KINDS.iter().position(|kind| shape.name.starts_with(kind)));
    let unknown = [0x78, 0].repeat(bytes_max / 2);
    found.push(Shape { name: "unknown field".to_owned(), bytes: unknown });
    found
}

struct Around {
    bytes_max: usize,
    path: Vec<FieldDescriptor>,
    /// One field of each kind is enough.
    seen: BTreeSet<String>,
    found: Vec<Shape>,
}

impl Around {
    fn of(mut self, message: &MessageDescriptor) -> Vec<Shape> {
        self.visit(message);
        self.found
    }

    fn visit(&mut self, message: &MessageDescriptor) {
        for field in message.fields() {
            let inner = field.kind().as_message().cloned();
            let kind = match &inner {
                Some(inner) if inner.full_name() == "google.protobuf.Struct" => "struct",
                Some(_) if field.is_list() => "messages",
                Some(_) => "message",
                None if field.is_list() && field.kind() == Kind::String => "strings",
                None if field.is_list() => "numbers",
                None if field.kind() == Kind::String => "string",
                None => continue,
            };
            let is_outer = kind == "messages" && self.path.is_empty();
            let is_new = is_outer || self.seen.insert(kind.to_owned());
            self.path.push(field);
            match (kind, inner) {
                ("struct", _) if is_new => self.add_structs(),
                ("strings" | "messages", _) if is_new => self.add("empty entries", &[]),
                ("string", _) if is_new => self.add_content("one text", vec![b'a'; self.bytes_max]),
                ("numbers", _) if is_new => self.add_content("numbers", vec![1; self.bytes_max]),
                _ => {}
            }
            if let Some(Kind::Message(inner)) = self.path.last().map(FieldDescriptor::kind)
                && inner.full_name().starts_with("authzed.")
                && self.path.len() < 5
            {
                self.visit(&inner);
            }
            self.path.pop();
        }
    }

    fn add_structs(&mut self) {
        // Keys of three bytes, so that each is another one.
        let mut keys = Vec::new();
        for number in 0_u32.. {
            let [_, a, b, c] = (number | 0x0020_2020).to_be_bytes();
            keys.extend([0x0a, 5, 0x0a, 3, a & 0x7f, b & 0x7f, c & 0x7f]);
            if keys.len() + 64 > self.bytes_max || number > 0x20_0000 {
                break;
            }
        }
        self.add_content("map", keys);
        let list = |entry: &[u8]| {
            let room = (self.bytes_max - 64) / entry.len() * entry.len();
            let values = entry.repeat(room / entry.len());
            // `fields` {key: "", value: {list_value: …}}
            enclosed(1, &enclosed(2, &enclosed(6, &values)))
        };
        let (empty, single) = (list(&[0x0a, 0]), list(&[0x0a, 4, 0x2a, 2, 0x0a, 0]));
        self.add_content("list of empty values", empty);
        self.add_content("list of small objects", single);
        for depth in [32, 1_000] {
            let deep = (0..depth)
                .fold(Vec::new(), |inner, _| enclosed(1, &enclosed(2, &enclosed(5, &inner))));
            let times = (self.bytes_max - 64).checked_div(deep.len()).unwrap_or_default().max(1);
            self.add_content(&format!("{depth} levels"), deep.repeat(times));
        }
    }

    /// As many entries as fit.
    fn add(&mut self, name: &str, entry: &[u8]) {
        let number = self.path.last().unwrap().number();
        let entry = enclosed(number, entry);
        let room = self.bytes_max - 64;
        self.push(name, entry.repeat(room / entry.len()));
    }

    fn add_content(&mut self, name: &str, mut content: Vec<u8>) {
        content.truncate(self.bytes_max - 64);
        let number = self.path.last().unwrap().number();
        self.push(name, enclosed(number, &content));
    }

    /// Puts a field into the messages around it.
    fn push(&mut self, name: &str, field: Vec<u8>) {
        let around = self.path.len() - 1;
        let bytes = self.path[..around]
            .iter()
            .rev()
            .fold(field, |inner, around| enclosed(around.number(), &inner));
        let path: Vec<&str> = self.path.iter().map(FieldDescriptor::name).collect();
        self.found.push(Shape { name: format!("{name} in `{}`", path.join(".")), bytes });
    }
}

/// A field of this number with this content.
fn enclosed(number: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len() + 8);
    let key = usize::try_from((number << 3) | 2).unwrap();
    prost::encode_length_delimiter(key, &mut bytes).unwrap();
    prost::encode_length_delimiter(content.len(), &mut bytes).unwrap();
    bytes.extend(content);
    bytes
}

fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let services: Vec<_> = pool.services().collect();
    services.iter().flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// How many bytes the largest message of a method may have, as the refusal of a larger one says.
async fn largest(trial: &Trial, method: &MethodDescriptor) -> usize {
    let refused = trial.call(&path(method), vec![0; LARGEST], false).await.unwrap_err();
    if refused.code() == Code::InvalidArgument {
        // It was read, and is no message.
        return LARGEST;
    }
    assert_eq!(refused.code(), Code::ResourceExhausted, "{}: {refused}", method.full_name());
    let said = refused.message().split(|c: char| !c.is_ascii_digit());
    let said = said.filter_map(|number| number.parse().ok()).min();
    said.unwrap_or_else(|| panic!("{}: no limit in: {refused}", method.full_name()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_of_any_method_takes_the_servers_memory_or_time() {
    let trial = Trial::start().await;
    let mut worst = Vec::new();
    let mut inputs = BTreeSet::new();
    for method in methods() {
        let bytes_max = largest(&trial, &method).await;
        let fields: Vec<String> = method
            .input()
            .fields()
            .map(|field| format!("{:?} {}", field.kind(), field.name()))
            .collect();
        // Methods of the same input are read alike.
        let shapes_max = if inputs.insert(fields) { SHAPES_MAX } else { 1 };
        for Shape { name, bytes } in shapes(&method.input(), bytes_max).into_iter().take(shapes_max)
        {
            let what = format!("{} with {} KiB: {name}", method.full_name(), bytes.len() >> 10);
            trial.server.forget_peak();
            trial.bystander.waited();
            // To compress more takes longer than all the rest.
            let gzip = bytes.len() <= 1 << 20;
            let answered = trial.call(&path(&method), bytes, gzip).await;
            if let Err(status) = answered {
                let wanted = [
                    Code::InvalidArgument,
                    Code::ResourceExhausted,
                    Code::FailedPrecondition,
                    Code::OutOfRange,
                ];
                let is_silent = method.name() == "Watch" && status.code() == Code::Cancelled;
                assert!(is_silent || wanted.contains(&status.code()), "{what}: {status:?}");
                assert!(!status.message().is_empty(), "{what}");
            }
            trial.require_calm(&what);
            worst.push((trial.server.peak_resident_kib() >> 10, what));
        }
    }
    worst.sort();
    for (mib, what) in worst.iter().rev().take(8) {
        tell(&format!("{mib} MiB: {what}"));
    }
}

const BULK: &str = "/authzed.api.v1.PermissionsService/CheckBulkPermissions";
const WRITE: &str = "/authzed.api.v1.PermissionsService/WriteRelationships";
const CHECK: &str = "/authzed.api.v1.PermissionsService/CheckPermission";
const IMPORT: &str = "/authzed.api.v1.PermissionsService/ImportBulkRelationships";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn millions_of_empty_entries_are_refused_before_anything_is_built() {
    let trial = Trial::start().await;
    for (path, number) in [(BULK, 2), (WRITE, 1)] {
        for (count, gzip) in [(8_000_000, true), (2_000_000, true), (2_000_000, false)] {
            trial.server.forget_peak();
            let before = trial.server.resident_kib();
            let message = enclosed(number, &[]).repeat(count);
            let refused = trial.call(path, message, gzip).await.unwrap_err();
            assert_eq!(refused.code(), Code::ResourceExhausted, "{path} {count}: {refused}");
            let grown = trial.server.peak_resident_kib().saturating_sub(before) >> 10;
            let said = refused.message();
            tell(&format!("{path}, {count} entries, compressed {gzip}: {grown} MiB, {said}"));
            // The message itself, compressed and not, and little else.
            assert!(grown < 64, "{path} {count}: {grown} MiB");
        }
    }
    trial.require_calm("empty entries");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_lie_too_deep_in_one_another_are_no_message() {
    let trial = Trial::start().await;
    for depth in [33, 100, 10_000] {
        let deep =
            (0..depth).fold(Vec::new(), |inner, _| enclosed(1, &enclosed(2, &enclosed(5, &inner))));
        let refused = trial.call(CHECK, enclosed(5, &deep), false).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{depth}: {refused}");
        assert!(refused.message().contains("deep"), "{depth}: {refused}");
    }
    trial.require_calm("deep values");
}

/// Bytes of a request, and then nothing more, not even an end.
struct Stalled(Option<prost::bytes::Bytes>);

impl http_body::Body for Stalled {
    type Data = prost::bytes::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Status>>> {
        self.0
            .take()
            .map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(http_body::Frame::data(bytes)))))
    }
}

/// The status of a call whose request never ends, once there is one.
async fn stalled(mut channel: Channel, path: &str, bytes: prost::bytes::Bytes) -> String {
    let request = HttpRequest::builder()
        .method("POST")
        .uri(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {KEY}"))
        .body(Body::new(Stalled(Some(bytes))))
        .unwrap();
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    let response = channel.call(request).await.unwrap();
    response.headers()["grpc-status"].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_never_end_share_a_bound_and_give_it_back() {
    let memory = (64 << 20).to_string();
    let trial = Trial::start_with(&["--max-requests-memory", &memory]).await;
    // A message of 15 MiB, all but its last byte.
    let mut bytes = vec![0];
    bytes.extend((15_u32 << 20).to_be_bytes());
    bytes.resize(4 + (15 << 20), 0);
    let bytes = prost::bytes::Bytes::from(bytes);

    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let (channel, bytes) = (trial.server.channel().await, bytes.clone());
        calls.spawn(async move { stalled(channel, IMPORT, bytes).await });
    }
    // Four fit into the budget, and wait for the rest of their message; the others are refused.
    for _ in 0..16 {
        let refused = soon(calls.join_next()).await.unwrap().unwrap();
        assert_eq!(refused, "8");
    }
    trial.require_calm("requests that never end");
    // Alone it would fit; together with them it does not, as soon as all of them have arrived.
    let message = enclosed(1, &[]).repeat(100_000);
    let has_none = async {
        loop {
            let refused = trial.call(IMPORT, message.clone(), false).await.unwrap_err();
            if refused.code() == Code::ResourceExhausted {
                return refused;
            }
        }
    };
    let refused = soon(has_none).await;
    assert!(refused.message().contains("in progress"), "{refused}");

    // Their budget is released when they are cancelled.
    calls.shutdown().await;
    let has_room = async {
        while trial.call(IMPORT, message.clone(), false).await.unwrap_err().code()
            == Code::ResourceExhausted
        {}
    };
    soon(has_room).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_bounded_by_its_messages_and_not_by_its_length() {
    let trial = Trial::start().await;
    // Twice as much as one message may have, in messages that are too short to be measured and in others.
    for (prefix, per_message) in [("a", 1), ("b", 100)] {
        let messages = (0..75_000 / per_message).map(move |number| {
            let relationships = (0..per_message).map(|part| {
                let id = format!("{prefix}{:0400}", number * per_message + part);
                relationship(&format!("document:{id}#owner@user:ann"))
            });
            proto::ImportBulkRelationshipsRequest { relationships: relationships.collect() }
        });
        let mut client = trial.server.permissions().await;
        let loaded = client.import_bulk_relationships(tokio_stream::iter(messages)).await.unwrap();
        assert_eq!(loaded.into_inner().num_loaded, 75_000, "{per_message}");
    }
    trial.require_calm("long streams");
}
