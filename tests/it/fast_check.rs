//! Checks that are answered from their bytes, against the same checks answered by the service: every byte of the answers is the
//! same, and so is what metrics count.
//!
//! A field that no message has, before all others, changes no answer and leaves a check to the service.

use crate::metrics::ask;
use crate::raw_http2::{ACCEPT_GZIP, RawConnection, RawResponse, Responding, frame};
use crate::reference::random::Random;
use crate::server_support::{
    Running, SCHEMA, config, consistency, question, start_with, structure,
};
use flate2::read::GzDecoder;
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::server::Server;
use prost::Message;
use prost::bytes::Bytes;
use proto::check_bulk_permissions_pair::Response as BulkAnswer;
use proto::consistency::Requirement;
use std::io::Read as _;
use std::net::SocketAddr;
use tempfile::TempDir;
use tonic::Status;
use tonic::codegen::http::{HeaderMap, HeaderValue};

const CHECK: &str = "/authzed.api.v1.PermissionsService/CheckPermission";
const QUESTIONS: [&str; 10] = [
    "document:plan#view@user:ann",
    "document:plan#view@user:bob",
    "document:plan#edit@user:bob",
    "document:plan#viewer@group:eng#member",
    "document:plan#view@user:cid",
    "document:open#view@user:anyone",
    "document:none#view@user:ann",
    "group:eng#member@user:bob",
    "nothing:plan#view@user:ann",
    "document:plan#nothing@user:ann",
];
const RELATIONSHIPS: [&str; 5] = [
    "document:plan#owner@user:ann",
    "document:plan#viewer@group:eng#member",
    "group:eng#member@user:bob",
    "document:plan#viewer@user:cid[only_on:{\"allowed\":\"monday\"}]",
    "document:open#viewer@user:*",
];
/// The metrics that count what a check does. How long it took differs from call to call.
const COUNTED: [&str; 6] = [
    "grpc_server_handled_total{",
    "grpc_server_handling_seconds_count{",
    "check_permissionship",
    "kilwa_check_",
    "kilwa_requests",
    "kilwa_limit",
];

const BULK: &str = "/authzed.api.v1.PermissionsService/CheckBulkPermissions";
/// A field that no message has.
const UNKNOWN: [u8; 3] = [0x7a, 1, b'x'];

/// Who answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The fast path, if it can.
    Fast,
    /// The service, because of a field that no message has.
    Unknown,
    /// The service, because a check comes in two frames of HTTP/2.
    Divided,
}

/// A request, and its headers beside those that all have.
#[derive(Clone, Debug)]
struct Case {
    path: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    message: Vec<u8>,
    /// The whole body, where it is not the message after its prefix.
    body: Option<Vec<u8>>,
}

impl Case {
    fn of(path: &'static str, message: &impl Message) -> Self {
        Self::of_bytes(path, &message.encode_to_vec())
    }

    fn of_bytes(path: &'static str, message: &[u8]) -> Self {
        Self { path, headers: Vec::new(), message: message.to_owned(), body: None }
    }

    fn with_body(&self, body: Vec<u8>) -> Self {
        Self { body: Some(body), ..self.clone() }
    }

    fn body(&self, way: Way) -> Bytes {
        let body = match (&self.body, way) {
            (Some(body), _) => body.clone(),
            (None, Way::Unknown) => frame(0, &[&UNKNOWN, self.message.as_slice()].concat()),
            (None, Way::Fast | Way::Divided) => frame(0, &self.message),
        };
        body.into()
    }

    fn with(mut self, header: (&'static str, &'static str)) -> Self {
        self.headers.push(header);
        self
    }
}

struct Compared {
    server: Running,
    metrics: SocketAddr,
    token: String,
    _dir: TempDir,
}

impl Compared {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        config.metrics.address = Some("127.0.0.1:0".to_owned());
        let server = Server::open(&config).unwrap();
        let metrics = server.metrics_address().unwrap();
        let server = start_with(server).await;
        server.write_schema(SCHEMA).await.unwrap();
        let token = server.touch(&RELATIONSHIPS).await.unwrap().token;
        Self { server, metrics, token, _dir: dir }
    }

    /// Every case, sent in one way over one connection.
    async fn answers(&self, cases: &[Case], way: Way) -> Vec<Answer> {
        let connection = RawConnection::open(&self.server.address).await;
        let mut answers = Vec::new();
        for case in cases {
            answers.push(answer(&connection, case, way).await);
        }
        answers
    }

    /// What metrics count.
    async fn counts(&self) -> Vec<(String, f64)> {
        let scrape = ask(self.metrics, &["GET /metrics HTTP/1.1"]).await;
        let counted = |line: &&str| COUNTED.iter().any(|name| line.starts_with(name));
        let value = |line: &str| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        };
        scrape.lines().filter(counted).map(value).collect()
    }

    /// What is counted for every case, sent in one way.
    async fn counted(&self, cases: &[Case], way: Way) -> Vec<(String, f64)> {
        let before = self.counts().await;
        self.answers(cases, way).await;
        let was =
            |name: &str| before.iter().find(|(it, _)| it == name).map_or(0.0, |(_, value)| *value);
        let after = self.counts().await.into_iter();
        after.map(|(name, value)| (name.clone(), value - was(&name))).collect()
    }

    /// Requires that all cases have the same answers in these ways.
    async fn require_same(&self, cases: &[Case], ways: [Way; 2]) {
        // What is read for the first time is not in the cache, and costs more.
        self.answers(cases, Way::Divided).await;
        let [one, other] = ways.map(|way| self.answers(cases, way));
        let (one, other) = (one.await, other.await);
        for (case, (one, other)) in cases.iter().zip(one.iter().zip(&other)) {
            assert_eq!(one, other, "{case:?}");
        }
    }

    /// Requires that all cases count the same in these ways.
    async fn require_same_counts(&self, cases: &[Case], ways: [Way; 2]) {
        let [one, other] = ways.map(|way| self.counted(cases, way));
        let (one, other) = (one.await, other.await);
        assert_eq!(one, other);
        assert!(one.iter().any(|(_, count)| *count > 0.0), "{one:?}");
    }
}

/// An answer as far as it is the same each time.
#[derive(Debug, PartialEq)]
struct Answer {
    headers: HeaderMap,
    messages: Vec<(u8, Vec<u8>)>,
    trailers: HeaderMap,
}

async fn answer(connection: &RawConnection, case: &Case, way: Way) -> Answer {
    let mut headers = vec![("x-request-id", "the same")];
    headers.extend(&case.headers);
    let (response, mut stream) = connection.begin(case.path, &headers, false).await.unwrap();
    let body = case.body(way);
    match way {
        Way::Fast | Way::Unknown => stream.send_data(body, true).unwrap(),
        Way::Divided => {
            let (first, rest) = (body.slice(..body.len() / 2), body.slice(body.len() / 2..));
            stream.send_data(first, false).unwrap();
            // The server may have refused the request by its first part, and closed the stream.
            let _ = stream.send_data(rest, true);
        }
    }
    let RawResponse { mut headers, mut messages, mut trailers } =
        Responding::of(response).await.unwrap().finish().await;
    for (flag, message) in &mut messages {
        if *flag == 1 {
            *message = gunzip(message);
        }
        simplify(message);
    }
    simplify_details(&mut headers);
    simplify_details(&mut trailers);
    if let Some(trace) = trailers.get_mut("io.spicedb.respmeta.debuginfo") {
        *trace = HeaderValue::from_static("a trace");
    }
    Answer { headers, messages, trailers }
}

fn gunzip(message: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(message).read_to_end(&mut plain).unwrap();
    plain
}

/// Leaves of a trace only that there is one, as it has ids and times, and orders the details of errors, whose maps have no order.
fn simplify(message: &mut Vec<u8>) {
    if let Ok(mut checked) = proto::CheckPermissionResponse::decode(message.as_slice())
        && let Some(trace) = &mut checked.debug_trace
    {
        *trace = proto::DebugInformation::default();
        *message = checked.encode_to_vec();
    }
    let Ok(mut checked) = proto::CheckBulkPermissionsResponse::decode(message.as_slice()) else {
        return;
    };
    let mut changes = false;
    for answer in checked.pairs.iter_mut().filter_map(|pair| pair.response.as_mut()) {
        match answer {
            BulkAnswer::Item(item) => {
                if let Some(trace) = &mut item.debug_trace {
                    *trace = proto::DebugInformation::default();
                    changes = true;
                }
            }
            BulkAnswer::Error(error) => {
                for detail in &mut error.details {
                    detail.value.sort_unstable();
                }
                changes = true;
            }
        }
    }
    if changes {
        *message = checked.encode_to_vec();
    }
}

fn simplify_details(headers: &mut HeaderMap) {
    let Some(status) = Status::from_header_map(headers) else { return };
    let mut details = status.details().to_vec();
    details.sort_unstable();
    if let Some(value) = headers.get_mut("grpc-status-details-bin") {
        *value = HeaderValue::from_str(&format!("{details:?}")).unwrap();
    }
}

fn requirements(token: &str) -> [Option<Requirement>; 5] {
    let named = || proto::ZedToken { token: token.to_owned() };
    [
        None,
        Some(Requirement::MinimizeLatency(true)),
        Some(Requirement::FullyConsistent(true)),
        Some(Requirement::AtLeastAsFresh(named())),
        Some(Requirement::AtExactSnapshot(named())),
    ]
}

/// Usual checks in all their forms.
fn usual(token: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for text in QUESTIONS {
        for requirement in requirements(token) {
            let request = proto::CheckPermissionRequest {
                consistency: requirement.map(consistency),
                ..question(text)
            };
            cases.push(Case::of(CHECK, &request));
        }
    }
    cases
}

/// Checks that have something that is not usual.
fn unusual(token: &str) -> Vec<Case> {
    let ask = || question(QUESTIONS[0]);
    let bytes = ask().encode_to_vec();
    let (again, unknown) = ([&bytes[..], &bytes].concat(), [&bytes[..], &UNKNOWN].concat());
    let messages = [again, unknown, Vec::new()];
    let mut cases: Vec<Case> = messages.iter().map(|bytes| Case::of_bytes(CHECK, bytes)).collect();

    let changes: &[fn(&mut proto::CheckPermissionRequest)] = &[
        |it| it.with_tracing = true,
        |it| it.context = Some(structure("{\"day\": \"monday\"}")),
        |it| it.resource = None,
        |it| it.subject = None,
        |it| it.permission.clear(),
        |it| it.permission = "No Name".into(),
        |it| it.resource.as_mut().unwrap().object_id = "a b".into(),
        |it| it.resource.as_mut().unwrap().object_id = "*".into(),
        |it| it.resource.as_mut().unwrap().object_id = "x".repeat(2_000),
        |it| it.subject.as_mut().unwrap().object.as_mut().unwrap().object_id = "*".into(),
        |it| it.subject.as_mut().unwrap().optional_relation = "9".into(),
        |it| it.consistency = Some(proto::Consistency { requirement: None }),
        |it| it.consistency = Some(consistency(Requirement::FullyConsistent(false))),
        |it| it.consistency = Some(consistency(Requirement::MinimizeLatency(false))),
        |it| {
            let token = proto::ZedToken { token: "no token".to_owned() };
            it.consistency = Some(consistency(Requirement::AtLeastAsFresh(token)));
        },
    ];
    for change in changes {
        for text in [QUESTIONS[0], QUESTIONS[4]] {
            let mut request = question(text);
            change(&mut request);
            cases.push(Case::of(CHECK, &request));
        }
    }

    // A message within the request that comes in two parts, which belong together.
    let (resource, rest) = bytes.split_at(2 + usize::from(bytes[1]));
    let (object_type, object_id) = resource[2..].split_at(2 + usize::from(resource[3]));
    let [object_type, object_id] = [object_type, object_id].map(|part| {
        let length = u8::try_from(part.len()).unwrap();
        [&[0x12, length], part].concat()
    });
    cases.push(Case::of_bytes(CHECK, &[&object_type[..], &object_id, rest].concat()));
    // Fields of a message within the request that come twice, of which the last one counts.
    let twice = proto::Consistency {
        requirement: Some(Requirement::AtLeastAsFresh(proto::ZedToken { token: token.to_owned() })),
    };
    let twice = [twice.encode_to_vec(), vec![0x20, 1]].concat();
    let length = u8::try_from(twice.len()).unwrap();
    cases.push(Case::of_bytes(CHECK, &[&[0x0a, length], &twice[..], &bytes].concat()));
    // A number that takes more bytes than it has to, and one that is no boolean.
    for bool in [&[0x20, 0x81, 0x80, 0][..], &[0x20, 2], &[0x20, 0]] {
        let length = u8::try_from(bool.len()).unwrap();
        cases.push(Case::of_bytes(CHECK, &[&[0x0a, length], bool, &bytes].concat()));
    }

    let asked = Case::of(CHECK, &ask());
    cases.extend(with_headers(&asked));
    cases.extend(with_prefixes(&asked));
    cases
}

/// A request with headers that change what becomes of it, or might.
fn with_headers(asked: &Case) -> Vec<Case> {
    vec![
        asked.clone().with(("io.spicedb.requestdebuginfo", "1")),
        asked.clone().with(("grpc-encoding", "gzip")).with(ACCEPT_GZIP),
        asked.clone().with(("grpc-encoding", "identity")).with(ACCEPT_GZIP),
        asked.clone().with(("grpc-encoding", "unknown")),
        asked.clone().with(ACCEPT_GZIP),
        asked.clone().with(("grpc-timeout", "5S")),
        asked.clone().with(("io.spicedb.requestversion", "1")),
        asked.clone().with(("authorization", "Bearer another")),
        asked
            .clone()
            .with(("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
    ]
}

/// A request with prefixes that are wrong, with less than its message, and with more.
fn with_prefixes(asked: &Case) -> Vec<Case> {
    let mut cases = Vec::new();
    let body = frame(0, &asked.message);
    for (at, byte) in [(0, 1), (0, 7), (1, 1), (4, 0), (4, 1), (4, 255)] {
        let mut body = body.clone();
        body[at] = byte;
        cases.push(asked.with_body(body));
    }
    for length in [2, 5, 6, body.len() - 1] {
        cases.push(asked.with_body(body[..length].to_vec()));
    }
    cases.push(asked.with_body(body.repeat(2)));
    cases
}

fn bulk_item(text: &str) -> proto::CheckBulkPermissionsRequestItem {
    let proto::CheckPermissionRequest { resource, permission, subject, .. } = question(text);
    proto::CheckBulkPermissionsRequestItem { resource, permission, subject, context: None }
}

/// Usual bulk checks: with every kind of answer, in one frame of HTTP/2 and in several, and with small and large responses.
fn usual_bulk(token: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for requirement in requirements(token) {
        for count in [0, 1, 10, 200, 2_000] {
            let items = QUESTIONS.iter().cycle().take(count).map(|text| bulk_item(text)).collect();
            let requirement = requirement.clone();
            let request = proto::CheckBulkPermissionsRequest {
                consistency: requirement.map(consistency),
                items,
                with_tracing: false,
            };
            cases.push(Case::of(BULK, &request));
            cases.push(Case::of(BULK, &request).with(ACCEPT_GZIP));
        }
    }
    cases
}

/// Bulk checks that have something that is not usual.
fn unusual_bulk() -> Vec<Case> {
    let usual: Vec<_> = QUESTIONS.iter().map(|text| bulk_item(text)).collect();
    let of = |items| proto::CheckBulkPermissionsRequest { items, ..Default::default() };
    let changes: &[fn(&mut proto::CheckBulkPermissionsRequestItem)] = &[
        |it| it.context = Some(structure("{\"day\": \"monday\"}")),
        |it| it.resource = None,
        |it| it.subject = None,
        |it| it.permission.clear(),
        |it| it.permission = "No Name".into(),
        |it| it.subject.as_mut().unwrap().object.as_mut().unwrap().object_id = "*".into(),
        |it| it.resource.as_mut().unwrap().object_id = "a b".into(),
    ];
    let mut cases = Vec::new();
    for change in changes {
        let mut items = usual.clone();
        change(&mut items[4]);
        cases.push(Case::of(BULK, &of(items)));
    }
    let traced = proto::CheckBulkPermissionsRequest { with_tracing: true, ..of(usual.clone()) };
    cases.push(Case::of(BULK, &traced));
    cases.push(Case::of(BULK, &of(vec![proto::CheckBulkPermissionsRequestItem::default(); 3])));
    cases.push(Case::of(BULK, &of(vec![usual[0].clone(); 10_001])));

    // Items that would be encoded in another way.
    let item = usual[0].encode_to_vec();
    let (resource, rest) = item.split_at(2 + usize::from(item[1]));
    let long_length = [&[0x0a, 0x80 | item[1], 0], &resource[2..], rest].concat();
    let no_relation = [&item[..], &[0x12, 0]].concat();
    let [reversed, twice] = [[rest, resource].concat(), [resource, resource, rest].concat()];
    for item in [long_length, no_relation, reversed, twice, [&item[..], &UNKNOWN].concat()] {
        let length = u8::try_from(item.len()).unwrap();
        cases.push(Case::of_bytes(BULK, &[&[0x12, length], item.as_slice()].concat()));
    }
    let asked = of(usual).encode_to_vec();
    let fully = [0x0a, 2, 0x20, 1];
    for bytes in [[&asked[..], &fully].concat(), [&fully, &fully, &asked[..]].concat()] {
        cases.push(Case::of_bytes(BULK, &bytes));
    }
    let asked = Case::of_bytes(BULK, &asked);
    cases.extend(with_headers(&asked));
    cases.extend(with_prefixes(&asked));
    cases
}

/// Messages with bytes that are changed, removed or added.
fn mutated(usual: &[Case], seed: u64, count: usize) -> Vec<Case> {
    let mut random = Random::new(seed);
    let mutate = |_| {
        let Case { path, mut message, .. } = random.pick(usual).clone();
        for _ in 0..random.between(1, 3) {
            let at = random.below(message.len().max(1));
            match random.below(5) {
                0 if at < message.len() => message[at] ^= 1 << random.below(8),
                1 if at < message.len() => message[at] = u8::try_from(random.below(256)).unwrap(),
                2 if at < message.len() => drop(message.drain(at..=at)),
                3 => message.truncate(at),
                _ => message.insert(at, u8::try_from(random.below(256)).unwrap()),
            }
        }
        Case::of_bytes(path, &message)
    };
    (0..count).map(mutate).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usual_checks_have_the_same_answers_and_counts_on_both_ways() {
    let compared = Compared::start().await;
    let cases = usual(&compared.token);
    compared.require_same(&cases, [Way::Fast, Way::Divided]).await;
    compared.require_same(&cases, [Way::Fast, Way::Unknown]).await;
    compared.require_same_counts(&cases, [Way::Fast, Way::Divided]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_usual_has_the_same_answers_and_counts_on_both_ways() {
    let compared = Compared::start().await;
    let cases = unusual(&compared.token);
    compared.require_same(&cases, [Way::Fast, Way::Divided]).await;
    compared.require_same_counts(&cases, [Way::Fast, Way::Divided]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_checks_have_the_same_answers_on_both_ways() {
    let compared = Compared::start().await;
    let usual = usual(&compared.token);
    for seed in 0..4 {
        compared.require_same(&mutated(&usual, seed, 500), [Way::Fast, Way::Divided]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_checks_have_the_same_answers_and_counts_on_both_ways() {
    let compared = Compared::start().await;
    let cases = [usual_bulk(&compared.token), unusual_bulk()].concat();
    compared.require_same(&cases, [Way::Fast, Way::Unknown]).await;
    compared.require_same_counts(&cases, [Way::Fast, Way::Unknown]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_bulk_checks_have_the_same_answers_on_both_ways() {
    let compared = Compared::start().await;
    let small = |case: &Case| case.message.len() < 1_000 && case.headers.is_empty();
    let usual: Vec<_> = usual_bulk(&compared.token).into_iter().filter(small).collect();
    for seed in 0..4 {
        compared.require_same(&mutated(&usual, seed, 500), [Way::Fast, Way::Unknown]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_methods_are_not_taken_for_checks() {
    let compared = Compared::start().await;
    let paths = ["ExpandPermissionTree", "LookupSubjects", "checkpermission"].map(|method| {
        let path = CHECK.replace("CheckPermission", method);
        &*path.leak()
    });
    let cases = paths.map(|path| Case::of(path, &question(QUESTIONS[0])));
    compared.require_same(&cases, [Way::Fast, Way::Divided]).await;
}
