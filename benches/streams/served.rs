//! Imports and lookups over gRPC, with a server in a process of its own.
//!
//! Results are counted by the headers of their messages and not decoded, so that the client is not what is measured.

use super::{Arguments, data, report};
use h2::client::SendRequest;
use hyper::body::Bytes;
use kilwa::proto::authzed::api::v1 as proto;
use proto::consistency::Requirement;
use proto::permissions_service_client::PermissionsServiceClient;
use proto::schema_service_client::SchemaServiceClient;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tonic::Request;
use tonic::transport::Endpoint;

const KEY: &str = "streams";
/// The bytes before each message: whether it is compressed, and its length.
const MESSAGE_HEAD: usize = 5;
const WINDOW: u32 = 16 << 20;

/// A server, stopped at the end.
struct Server(Child, String);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) async fn measure(arguments: &Arguments) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let server = start(arguments, folder.path().to_str().unwrap());
    let endpoint = Endpoint::try_from(format!("http://{}", server.1)).unwrap();
    let channel = endpoint.tcp_nodelay(true).connect().await.unwrap();
    let schema = proto::WriteSchemaRequest { schema: data::SCHEMA.to_owned() };
    SchemaServiceClient::new(channel.clone()).write_schema(authorized(schema)).await.unwrap();
    for (name, parts) in [
        ("import, over gRPC", data::documents(arguments).map(message).collect::<Vec<_>>()),
        ("import of folders, over gRPC", data::folders(arguments).map(message).collect()),
    ] {
        let count = parts.iter().map(|part| part.relationships.len()).sum();
        let start = Instant::now();
        let request = authorized(tokio_stream::iter(parts));
        let mut client = PermissionsServiceClient::new(channel.clone());
        client.import_bulk_relationships(request).await.unwrap();
        report(name, count, start.elapsed(), None);
    }

    let connection = connect(&server.1).await;
    for lookup in data::lookups(arguments) {
        let mut best = None;
        for _ in 0..arguments.rounds {
            let round = look_up(connection.clone(), &server.1, &lookup).await;
            best = Some(best.map_or(round, |best: (Duration, Duration)| best.min(round)));
        }
        let (elapsed, first) = best.unwrap();
        report(
            &format!("lookup, {}, over gRPC", lookup.name),
            lookup.expected,
            elapsed,
            Some(first),
        );
    }
}

fn start(arguments: &Arguments, folder: &str) -> Server {
    let mut command = Command::new(&arguments.server);
    command.args(["serve", "--grpc-addr", "127.0.0.1:0", "--grpc-preshared-key", KEY]);
    let mut child = command
        .args(["--data-dir", folder])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut lines = lines;
    let place = loop {
        let line = lines.next().unwrap();
        if let Some((_, rest)) = line.split_once("127.0.0.1:") {
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            break format!("127.0.0.1:{port}");
        }
    };
    // The server must not stop at a pipe that no one reads.
    std::thread::spawn(move || lines.count());
    Server(child, place)
}

fn message(part: Vec<data::Row>) -> proto::ImportBulkRelationshipsRequest {
    let object = |object_type: &str, object_id: String| {
        Some(proto::ObjectReference { object_type: object_type.to_owned(), object_id })
    };
    let relationship = |(of, id, relation, subject, name): data::Row| proto::Relationship {
        resource: object(of, id),
        relation: relation.to_owned(),
        subject: Some(proto::SubjectReference {
            object: object(subject, name),
            optional_relation: String::new(),
        }),
        ..Default::default()
    };
    let relationships = part.into_iter().map(relationship).collect();
    proto::ImportBulkRelationshipsRequest { relationships }
}

fn authorized<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {KEY}").parse().unwrap());
    request
}

async fn connect(place: &str) -> SendRequest<Bytes> {
    let socket = TcpStream::connect(place).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let (sender, connection) = builder.handshake(socket).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn look_up(
    connection: SendRequest<Bytes>,
    place: &str,
    lookup: &data::Lookup,
) -> (Duration, Duration) {
    let request = proto::LookupResourcesRequest {
        consistency: Some(proto::Consistency {
            requirement: Some(Requirement::FullyConsistent(true)),
        }),
        resource_object_type: "document".to_owned(),
        permission: lookup.permission.to_owned(),
        subject: Some(proto::SubjectReference {
            object: Some(proto::ObjectReference {
                object_type: "user".to_owned(),
                object_id: lookup.subject.to_owned(),
            }),
            optional_relation: String::new(),
        }),
        ..Default::default()
    };
    let message = prost::Message::encode_to_vec(&request);
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let framed = [[0].as_slice(), &length, &message].concat();
    let head = hyper::Request::post(format!(
        "http://{place}/authzed.api.v1.PermissionsService/LookupResources"
    ))
    .header("content-type", "application/grpc")
    .header("te", "trailers")
    .header("authorization", format!("Bearer {KEY}"));

    let start = Instant::now();
    let mut connection = connection.ready().await.unwrap();
    let (response, mut body) = connection.send_request(head.body(()).unwrap(), false).unwrap();
    body.send_data(framed.into(), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    let (mut count, mut first) = (Messages::default(), None);
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        first.get_or_insert_with(|| start.elapsed());
        count.read(&data);
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    let elapsed = start.elapsed();
    let trailers = body.trailers().await.unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], "0", "{trailers:?}");
    assert_eq!(count.count, lookup.expected);
    (elapsed, first.unwrap())
}

/// Counts the messages of a stream.
#[derive(Default)]
struct Messages {
    count: usize,
    /// What is known of the next head.
    head: Vec<u8>,
    /// Bytes until the next head.
    rest: usize,
}

impl Messages {
    fn read(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let passed = self.rest.min(data.len());
            self.rest -= passed;
            data = &data[passed..];
            let taken = (MESSAGE_HEAD - self.head.len()).min(data.len());
            if self.rest > 0 || taken == 0 {
                continue;
            }
            self.head.extend(&data[..taken]);
            data = &data[taken..];
            if let Some((_, length)) = self.head.split_first()
                && let Ok(length) = <[u8; 4]>::try_from(length)
            {
                self.count += 1;
                self.rest = usize::try_from(u32::from_be_bytes(length)).unwrap();
                self.head.clear();
            }
        }
    }
}
