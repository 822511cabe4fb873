//! The audit log: what is recorded, where, and what happens when it cannot be written.

use crate::certificates::Authority;
use crate::healing::Server;
use crate::program::{self, without_variables};
use crate::served::Served;
use crate::server_support::{Bearer, KEY, SCHEMA, config, question, start, touch};
use kilwa::audit::{
    AuditFull, AuditLog, AuditOptions, AuditSource, AuditTarget, CallRecord, CapturedMessage,
    WhenFull,
};
use kilwa::proto::authzed::api::v1 as proto;
use proto::permissions_service_client::PermissionsServiceClient;
use proto::schema_service_client::SchemaServiceClient;
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request};

/// A device on which nothing can be written.
const FULL: &str = "/dev/full";

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn client(
    server: &Served,
    key: &str,
) -> PermissionsServiceClient<crate::server_support::Keyed> {
    PermissionsServiceClient::with_interceptor(server.channel().await, Bearer(key.to_owned()))
}

#[tokio::test]
async fn each_call_is_an_event_that_says_who_what_and_how_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let data = folder.path().join("data");
    let mut server = Served::start_with(&data, &["--audit-log", path.to_str().unwrap()]);
    let mut schema = server.schema().await;
    schema.write_schema(proto::WriteSchemaRequest { schema: SCHEMA.to_owned() }).await.unwrap();
    let mut permissions = client(&server, KEY).await;
    let updates = vec![touch("document:plan#viewer@user:ann")];
    let write =
        proto::WriteRelationshipsRequest { updates, ..proto::WriteRelationshipsRequest::default() };
    let written = permissions.write_relationships(write).await.unwrap().into_inner();

    let mut request = Request::new(proto::CheckPermissionRequest {
        consistency: Some(proto::Consistency {
            requirement: Some(proto::consistency::Requirement::FullyConsistent(true)),
        }),
        ..question("document:plan#view@user:ann")
    });
    request.metadata_mut().insert("x-request-id", "the id of a client".parse().unwrap());
    permissions.check_permission(request).await.unwrap();
    let mut compressed = client(&server, KEY).await.send_compressed(CompressionEncoding::Gzip);
    compressed.check_permission(question("document:plan#edit@user:ann")).await.unwrap();
    let mut stranger = client(&server, "a wrong key").await;
    stranger.check_permission(question("document:plan#view@user:ann")).await.unwrap_err();
    server.signal("TERM");
    assert_eq!(server.exit_code(), 0);

    let events = lines(&path);
    assert_eq!(events.len(), 5, "{events:?}");
    for event in &events {
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["type"], "kilwa.call");
        assert_eq!(event["datacontenttype"], "application/json");
        assert!(event["source"].as_str().unwrap().starts_with("urn:kilwa:store:"));
        assert!(event["data"]["durationMs"].as_f64().unwrap() > 0.0);
        // Of the one with a wrong key too.
        let peer: SocketAddr = event["data"]["peer"].as_str().unwrap().parse().unwrap();
        assert!(peer.ip().is_loopback() && peer.to_string() != server.endpoint(), "{peer}");
        let time = event["time"].as_str().unwrap();
        assert!(kilwa::relationship::Timestamp::parse(time).is_ok(), "{time}");
    }
    let mut ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 5);

    let [first, second, third, fourth, fifth] = events.as_slice() else { unreachable!() };
    assert!(first["data"]["request"]["schema"].as_str().unwrap().contains("definition"));
    let relationship = &second["data"]["request"]["updates"][0]["relationship"];
    assert_eq!(relationship["resource"], json!({ "objectType": "document", "objectId": "plan" }));
    let revision = json!(written.written_at.unwrap().token);
    assert_eq!(second["data"]["revision"], revision);

    let data = &third["data"];
    assert_eq!(
        (&third["subject"], &data["caller"]),
        (&json!("preshared-1"), &json!("preshared-1"))
    );
    assert_eq!(data["method"], "/authzed.api.v1.PermissionsService/CheckPermission");
    assert_eq!(data["requestId"], "the id of a client");
    assert_eq!(data["verdict"], "PERMISSIONSHIP_HAS_PERMISSION");
    assert_eq!((&data["code"], &data["revision"]), (&json!("OK"), &revision));
    assert_eq!(data["request"]["permission"], "view");
    assert_eq!(fourth["data"]["request"]["permission"], "edit");
    assert_eq!(fourth["data"]["verdict"], "PERMISSIONSHIP_NO_PERMISSION");
    assert_eq!((&fifth["subject"], &fifth["data"]["caller"]), (&json!("unknown"), &Value::Null));
    assert_eq!(fifth["data"]["code"], "PERMISSION_DENIED");
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains(KEY) && !text.contains("a wrong key"), "{text}");
}

#[tokio::test]
async fn a_lookup_has_its_revision_and_a_bulk_check_has_its_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let data = folder.path().join("data");
    let mut server = Served::start_with(&data, &["--audit-log", path.to_str().unwrap()]);
    let mut schema = server.schema().await;
    schema.write_schema(proto::WriteSchemaRequest { schema: SCHEMA.to_owned() }).await.unwrap();
    let mut permissions = client(&server, KEY).await;
    let updates = vec![touch("document:plan#viewer@user:ann")];
    let write =
        proto::WriteRelationshipsRequest { updates, ..proto::WriteRelationshipsRequest::default() };
    permissions.write_relationships(write).await.unwrap();

    let proto::CheckPermissionRequest { subject, .. } = question("document:plan#view@user:ann");
    let lookup = proto::LookupResourcesRequest {
        resource_object_type: "document".to_owned(),
        permission: "view".to_owned(),
        subject,
        optional_limit: 1,
        ..proto::LookupResourcesRequest::default()
    };
    let mut found = permissions.lookup_resources(lookup).await.unwrap().into_inner();
    let found = found.message().await.unwrap().unwrap();
    // The result has a cursor too, which is another token.
    assert!(found.after_result_cursor.is_some());

    let questions = ["view@user:ann", "edit@user:ann", "unknown@user:ann", "view@user:ann"];
    let items = questions.map(|text| {
        let asked = question(&format!("document:plan#{text}"));
        proto::CheckBulkPermissionsRequestItem {
            resource: asked.resource,
            permission: asked.permission,
            subject: asked.subject,
            context: None,
        }
    });
    let bulk = proto::CheckBulkPermissionsRequest {
        items: items.into(),
        ..proto::CheckBulkPermissionsRequest::default()
    };
    // Of these, the response comes compressed too.
    for mut permissions in [
        permissions.clone(),
        permissions
            .send_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Gzip),
    ] {
        permissions.check_bulk_permissions(bulk.clone()).await.unwrap();
    }
    server.signal("TERM");
    assert_eq!(server.exit_code(), 0);

    let events = lines(&path);
    let of = |method: &str| {
        let is = |event: &&Value| event["data"]["method"].as_str().unwrap().ends_with(method);
        events.iter().filter(is).map(|event| &event["data"]).collect::<Vec<_>>()
    };
    let [lookup] = of("/LookupResources")[..] else { panic!("{events:?}") };
    assert_eq!(lookup["revision"], json!(found.looked_up_at.unwrap().token));
    assert_eq!(lookup["verdict"], "LOOKUP_PERMISSIONSHIP_HAS_PERMISSION");
    let [plain, compressed] = of("/CheckBulkPermissions")[..] else { panic!("{events:?}") };
    let counts = json!({
        "PERMISSIONSHIP_HAS_PERMISSION": 2,
        "PERMISSIONSHIP_NO_PERMISSION": 1,
        "error": 1,
    });
    assert_eq!((&plain["verdict"], &compressed["verdict"]), (&counts, &counts));
    assert_eq!(plain["request"], compressed["request"]);
    assert_eq!(plain["request"]["items"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn standard_output_has_events_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = without_variables(env!("CARGO_BIN_EXE_kilwa"));
    program.args(["serve", "--grpc-addr", "127.0.0.1:0", "--audit-log", "-"]);
    program.env("KILWA_GRPC_PRESHARED_KEY", KEY).arg("--data-dir").arg(folder.path());
    let server = Served::run(program);
    let mut permissions = client(&server, KEY).await;
    permissions.check_permission(question("document:plan#view@user:ann")).await.unwrap_err();
    let line = server.await_line("specversion");
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["data"]["code"], "FAILED_PRECONDITION");
}

#[test]
fn the_address_of_the_client_is_recorded_behind_tls_and_http_too() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("an authority");
    let files = authority.server().write(folder.path(), "server");
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, authority.pem()).unwrap();
    let data = folder.path().join("data");
    let arguments =
        [&files.flags()[..], &["--audit-log", "-", "--http-enabled", "--http-addr", "127.0.0.1:0"]]
            .concat();
    let server = Served::start_with(&data, &arguments);
    let line = server.await_line("serving HTTP address=");
    let (_, address) = line.split_once("address=").unwrap();
    let address = address.split(' ').next().unwrap();
    let peer = |method: &str| {
        let event: Value = serde_json::from_str(&server.await_line("specversion")).unwrap();
        assert!(event["data"]["method"].as_str().unwrap().ends_with(method), "{event}");
        event["data"]["peer"].as_str().unwrap().to_owned()
    };

    let mut command = program::kilwa();
    command.args(["schema", "read", "--token", "a wrong key", "--certificate-path"]).arg(&ca);
    command.arg("--endpoint").arg(format!("https://{}", server.endpoint()));
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{error}");
    let from: SocketAddr = peer("ReadSchema").parse().unwrap();
    assert!(from.ip().is_loopback() && from.to_string() != server.endpoint(), "{from}");

    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "POST /v1/relationships/write HTTP/1.1\r\nhost: kilwa\r\nauthorization: Bearer {KEY}\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    assert_eq!(peer("WriteRelationships"), stream.local_addr().unwrap().to_string());
}

#[tokio::test]
async fn a_file_that_was_moved_is_opened_anew_at_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let [path, moved] = ["audit.log", "audit.log.old"].map(|name| folder.path().join(name));
    let data = folder.path().join("data");
    let mut server = Served::start_with(&data, &["--audit-log", path.to_str().unwrap()]);
    let mut permissions = client(&server, KEY).await;
    permissions.check_permission(question("document:plan#view@user:ann")).await.unwrap_err();
    fs::rename(&path, &moved).unwrap();
    server.signal("HUP");
    server.await_line("reloaded");
    permissions.check_permission(question("document:plan#edit@user:ann")).await.unwrap_err();
    server.signal("TERM");
    assert_eq!(server.exit_code(), 0);
    // When the first was written is up to the thread, but the second came after the signal.
    let last = lines(&path).pop().unwrap();
    assert_eq!(last["data"]["request"]["permission"], "edit");
}

#[test]
fn an_audit_log_that_cannot_be_opened_keeps_the_server_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = without_variables(env!("CARGO_BIN_EXE_kilwa"));
    program.args(["serve", "--grpc-addr", "127.0.0.1:0", "--audit-log", "/nowhere/audit.log"]);
    let output = program.arg("--data-dir").arg(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("the audit log `/nowhere/audit.log` cannot be opened"), "{text}");
}

/// Awaits that a file has so many lines, each of them whole.
async fn await_lines(path: &Path, count: usize) -> Vec<Value> {
    let mut text = String::new();
    for _ in 0..1200 {
        text = fs::read_to_string(path).unwrap();
        if text.ends_with('\n') && text.lines().count() >= count {
            return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{count} whole lines do not come: {text}")
}

#[tokio::test]
async fn a_disk_that_was_full_leaves_whole_lines() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("audit.log");
    let options = ["--audit-log", path.to_str().unwrap()];
    let server = Server::start_with(&home.path().join("data"), home.path(), &options).await;
    server.write_schema().await;
    server.write(0).await.unwrap();
    server.write(1).await.unwrap();
    let before = await_lines(&path, 3).await.len();

    // From here on there is room for a part of a record.
    let room = fs::metadata(&path).unwrap().len() + 100;
    server.limit(&format!("--fsize={room}:"));
    server.documents().await;
    for _ in 0..1200 {
        if server.said().contains("the audit log cannot be written") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(server.said().contains("the audit log cannot be written"), "{}", server.said());
    assert_eq!(await_lines(&path, before).await.len(), before);

    server.limit("--fsize=unlimited:");
    server.documents().await;
    let lines = await_lines(&path, before + 2).await;
    assert_eq!(lines.len(), before + 2);
    let ids: std::collections::BTreeSet<_> = lines.iter().map(|line| line["id"].as_str()).collect();
    assert_eq!(ids.len(), lines.len(), "{lines:?}");
}

fn full(when_full: WhenFull) -> AuditOptions {
    let target = Some(AuditTarget::File(PathBuf::from(FULL)));
    AuditOptions { target, when_full, queue_length: 2, ..AuditOptions::default() }
}

fn source() -> AuditSource {
    AuditSource { source: "s".to_owned(), run: "r".to_owned(), now: || Duration::ZERO }
}

fn record() -> CallRecord {
    CallRecord {
        time: Duration::ZERO,
        duration: Duration::ZERO,
        path: "/x/Y".to_owned(),
        request_id: String::new(),
        caller: None,
        peer: None,
        trace_id: None,
        request: CapturedMessage::default(),
        response: CapturedMessage::default(),
        code: 0,
    }
}

#[tokio::test]
async fn a_call_without_an_address_has_none_in_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let target = Some(AuditTarget::File(path.clone()));
    let options = AuditOptions { target, ..AuditOptions::default() };
    let log = AuditLog::start(&options, source()).unwrap().unwrap();
    log.begin().unwrap().record(record());
    log.flush().await;
    let data: Vec<_> = lines(&path).into_iter().map(|line| line["data"].clone()).collect();
    let [data] = &data[..] else { panic!("{data:?}") };
    assert_eq!((data.get("peer"), &data["method"]), (Some(&Value::Null), &json!("/x/Y")), "{data}");
}

#[test]
fn a_full_queue_refuses_or_drops_and_never_waits() {
    let log = AuditLog::start(&full(WhenFull::Refuse), source());
    let log = log.unwrap().unwrap();
    let held = (0..1_000).find_map(|_| log.begin().map(|slot| slot.record(record())).err());
    assert_eq!(held, Some(AuditFull));
    assert_eq!(log.dropped(), 0);
    log.begin_unreserved().record(record());
    assert_eq!(log.dropped(), 1);

    let log = AuditLog::start(&full(WhenFull::Drop), source());
    let log = log.unwrap().unwrap();
    for _ in 0..1_000 {
        log.begin().unwrap().record(record());
    }
    assert!(log.dropped() > 700, "{}", log.dropped());
}

#[tokio::test]
async fn calls_without_room_for_their_record_are_refused_or_answered_as_the_flag_says() {
    for (when_full, expected) in [(WhenFull::Refuse, true), (WhenFull::Drop, false)] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        config.audit = full(when_full);
        let server = start(config).await;
        let channel = server.channel().await;
        let mut schema = SchemaServiceClient::with_interceptor(channel, Bearer(KEY.to_owned()));
        let mut is_refused = false;
        for _ in 0..400 {
            let answer = schema.read_schema(proto::ReadSchemaRequest {}).await.unwrap_err();
            is_refused |= answer.code() == Code::Unavailable;
            assert!(answer.code() == Code::Unavailable || answer.code() == Code::NotFound);
        }
        assert_eq!(is_refused, expected, "{when_full:?}");
    }
}

#[test]
fn an_audit_log_that_others_can_read_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let data = folder.path().join("data");
    let server = Served::start_with(&data, &["--audit-log", path.to_str().unwrap()]);
    let line = server.await_line("others can read the audit log");
    assert!(line.contains("WARN") && line.contains("0600"), "{line}");
}
