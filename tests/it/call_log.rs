//! The log line of a call: what it has at each level, and what it never has.

use crate::access::tokens::{self, Signer};
use crate::certificates::Authority;
use crate::program;
use crate::served::Served;
use crate::server_support::{self, consistency, question, touch};
use kilwa::proto::authzed::api::v1 as proto;
use proto::permissions_service_client::PermissionsServiceClient;
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tempfile::TempDir;
use tonic::Code;
use tonic::metadata::MetadataMap;

const SCHEMA: &str = "definition user {}\ndefinition organization { relation admin: user }";

/// Creates a relationship twice: the text of the second answer names it.
async fn refuse(server: &Server) {
    let object = |object_type: &str, object_id: &str| {
        let (object_type, object_id) = (object_type.to_owned(), object_id.to_owned());
        Some(proto::ObjectReference { object_type, object_id })
    };
    let update = proto::RelationshipUpdate {
        operation: proto::relationship_update::Operation::Create.into(),
        relationship: Some(proto::Relationship {
            resource: object("organization", "secret-name"),
            relation: "admin".to_owned(),
            subject: Some(proto::SubjectReference {
                object: object("user", "ann"),
                ..Default::default()
            }),
            ..Default::default()
        }),
    };
    let request = proto::WriteRelationshipsRequest { updates: vec![update], ..Default::default() };
    let mut permissions = server.0.permissions().await;
    permissions.write_relationships(request.clone()).await.unwrap();
    let refused = permissions.write_relationships(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert!(refused.message().contains("secret-name"), "{refused}");
}

struct Server(Served);

impl Server {
    /// A server to which each call is slow.
    async fn start(folder: &TempDir, level: &str) -> Self {
        let options =
            ["--slow-call-threshold", "1us", "--log-format", "json", "--log-level", level];
        let server = Served::start_with(folder.path(), &options);
        let request = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
        server.schema().await.write_schema(request).await.unwrap();
        Self(server)
    }
}

#[tokio::test]
async fn a_slow_call_that_its_caller_got_wrong_is_logged_without_its_text() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(&folder, "info").await;
    refuse(&server).await;
    let line = server.0.await_line("AlreadyExists");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let fields = &line["fields"];
    assert_eq!(fields["message"], "slow call");
    assert_eq!(fields["rpc"], "/authzed.api.v1.PermissionsService/WriteRelationships");
    assert_eq!(fields["reason"], "ATTEMPT_TO_RECREATE_RELATIONSHIP");
    assert!(fields["duration_ms"].is_f64() && fields["request_id"].is_string(), "{line}");
    assert!(fields["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    assert!(fields["key"].is_string() && fields["depth"].is_u64(), "{line}");
    assert!(!line.to_string().contains("secret-name"), "{line}");
}

/// The fields of the next line of a slow call of this method.
fn slow_call(server: &Served, method: &str) -> Value {
    let line = server.await_line(&format!("PermissionsService/{method}\""));
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["fields"]["message"], "slow call", "{line}");
    line["fields"].clone()
}

/// A count that the trailers of an answer have under this name.
fn trailer(trailers: &MetadataMap, name: &str) -> u64 {
    let name = format!("io.spicedb.respmeta.{name}operationscount");
    trailers.get(&name).unwrap().to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_slow_call_is_logged_with_the_work_that_it_was() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(&folder, "info").await.0;
    let schema = proto::WriteSchemaRequest { schema: server_support::SCHEMA.to_owned() };
    server.schema().await.write_schema(schema).await.unwrap();
    let mut permissions = server.permissions().await;
    let relationships = ["document:plan#viewer@group:all#member", "group:all#member@user:ann"];
    let updates = relationships.iter().map(|text| touch(text)).collect();
    let write = proto::WriteRelationshipsRequest { updates, ..Default::default() };
    permissions.write_relationships(write).await.unwrap();

    // The same question twice: the second time the answers to its parts are there.
    let fully = consistency(proto::consistency::Requirement::FullyConsistent(true));
    let mut works = Vec::new();
    for _ in 0..2 {
        let check = proto::CheckPermissionRequest {
            consistency: Some(fully.clone()),
            ..question("document:plan#view@user:ann")
        };
        let answer = permissions.check_permission(check).await.unwrap();
        let line = slow_call(&server, "CheckPermission");
        assert_eq!(line["visits"], trailer(answer.metadata(), "dispatched"), "{line}");
        assert_eq!(line["cached"], trailer(answer.metadata(), "cached"), "{line}");
        works.push(["depth", "visits", "reads", "cached"].map(|name| line[name].as_u64().unwrap()));
    }
    let [[depth, visits, reads, cached], [_, _, reads_again, cached_again]] = works[..] else {
        panic!("{works:?}")
    };
    // The document, its viewer and the member of the group, of which two are read.
    assert!(depth >= 3 && visits >= depth && reads >= 2 && cached == 0, "{works:?}");
    assert!(reads_again < reads && cached_again > 0, "{works:?}");

    let lookup = proto::LookupResourcesRequest {
        consistency: Some(fully),
        resource_object_type: "document".to_owned(),
        permission: "view".to_owned(),
        subject: question("document:plan#view@user:ann").subject,
        ..Default::default()
    };
    let mut found = permissions.lookup_resources(lookup).await.unwrap().into_inner();
    assert!(found.message().await.unwrap().is_some());
    assert!(found.message().await.unwrap().is_none());
    let trailers = found.trailers().await.unwrap().unwrap();
    let line = slow_call(&server, "LookupResources");
    assert_eq!(line["visits"], trailer(&trailers, "dispatched"), "{line}");
    assert_eq!(line["cached"], trailer(&trailers, "cached"), "{line}");
    let [visits, reads] = ["visits", "reads"].map(|name| line[name].as_u64().unwrap());
    assert!(visits >= 1 && reads >= 2, "{line}");
}

#[tokio::test]
async fn the_text_of_a_call_is_logged_at_debug_under_a_name_of_its_own() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(&folder, "info,kilwa::calls=debug").await;
    refuse(&server).await;
    let line = server.0.await_line("AlreadyExists");
    assert_eq!(line.matches("\"message\"").count(), 1, "{line}");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let text = line["fields"]["status_message"].as_str().unwrap();
    assert!(text.contains("organization:secret-name#admin@user:ann"), "{text}");
}

#[tokio::test]
async fn a_refused_call_is_logged_at_the_usual_level_with_its_trace() {
    let folder = TempDir::new().unwrap();
    let server = Served::start_with(folder.path(), &["--log-format", "json"]);
    let mut client = PermissionsServiceClient::new(server.channel().await);
    let mut request = tonic::Request::new(proto::CheckPermissionRequest::default());
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let traceparent = format!("00-{trace}-b7ad6b7169203331-01").parse().unwrap();
    request.metadata_mut().insert("traceparent", traceparent);
    request.metadata_mut().insert("authorization", "Bearer wrong-one".parse().unwrap());
    let refused = client.check_permission(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    let line = server.await_line("refused call");
    assert!(!line.contains("wrong-one"), "{line}");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["fields"]["code"], "PermissionDenied");
    assert_eq!(line["fields"]["trace_id"], trace);
    assert_eq!(line["fields"]["rpc"], "/authzed.api.v1.PermissionsService/CheckPermission");
    assert!(line["fields"]["peer"].is_string(), "{line}");
}

#[test]
fn errors_at_the_start_are_lines_of_json_where_the_log_is() {
    let folder = TempDir::new().unwrap();
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    let broken = folder.path().join("broken.zed");
    fs::write(&broken, "definition {").unwrap();
    let data = folder.path().join("data");
    let (broken, data) = (broken.to_str().unwrap(), data.to_str().unwrap());
    for arguments in [
        vec!["--grpc-addr", &address],
        vec!["--bootstrap", broken],
        vec!["--no-such-flag"],
        vec!["--datastore-gc-window", "soon"],
        vec!["--datastore-engine", "postgres"],
        vec!["--log-level", "loud"],
    ] {
        let mut program = program::kilwa();
        program.args(["serve", "--log-format", "json", "--data-dir", data]).args(&arguments);
        let output = program.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("\"ERROR\""), "{arguments:?}: {said}");
        for line in said.lines() {
            let line: Result<serde_json::Value, _> = serde_json::from_str(line);
            assert!(line.is_ok_and(|line| line["level"].is_string()), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn the_log_says_at_the_start_what_serves_where() {
    let folder = TempDir::new().unwrap();
    let server = Served::start(folder.path());
    let line = server.await_line("serving gRPC");
    for part in [
        "version=",
        "address=127.0.0.1:",
        "data_dir=",
        "remarks=",
        "tls=\"off\"",
        "keys=\"given\"",
        "http=\"off\"",
        "metrics=\"off\"",
        "audit=\"off\"",
        "traces=\"off\"",
        "ext_authz=\"off\"",
        "profiles=\"off\"",
        "read_only=\"off\"",
        "unsafe_settings=\"key on the command line\"",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn the_log_says_at_the_start_what_is_on_and_what_is_unsafe() {
    let folder = TempDir::new().unwrap();
    let (audit, access) = (folder.path().join("audit"), folder.path().join("access.toml"));
    fs::write(&access, "[[keys]]\nname = \"a\"\nkey = \"a\"\nroles = [\"full\"]\n").unwrap();
    let (audit, access) = (audit.to_str().unwrap(), access.to_str().unwrap());
    let flags = "--http-enabled --http-addr 0.0.0.0:0 --http-allow-plaintext --metrics-enabled --metrics-addr 127.0.0.1:0 \
         --metrics-profiles --accept-clock --otel-provider otlpgrpc --otel-insecure";
    let mut arguments: Vec<_> = flags.split_whitespace().collect();
    arguments.extend(["--keys-file", access, "--audit-log", audit]);

    let server = Served::start_with(&folder.path().join("data"), &arguments);
    let line = server.await_line("serving gRPC");
    for part in [
        "keys=\"access file\"".to_owned(),
        "http=\"http://0.0.0.0:".to_owned(),
        "metrics=\"127.0.0.1:".to_owned(),
        format!("audit=\"{audit}\""),
        "traces=\"on\"".to_owned(),
        "profiles=\"on\"".to_owned(),
        "unsafe_settings=\"plain text for HTTP, key on the command line, clock accepted\""
            .to_owned(),
    ] {
        assert!(line.contains(&part), "{part}: {line}");
    }
}

#[test]
fn the_log_says_at_the_start_how_connections_are_protected_and_which_protections_are_off() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let authority = Authority::new("an authority");
    let files = authority.server().write(folder.path(), "server");
    fs::write(path("clients.pem"), authority.pem()).unwrap();
    let rule = "[[rules]]\nname = \"all\"\npath = \"/{rest...}\"\nverdict = \"allow\"\n";
    fs::write(path("envoy.toml"), rule).unwrap();
    let (clients, rules) = (path("clients.pem"), path("envoy.toml"));
    let both = ["--grpc-tls-client-ca-path", &clients, "--ext-authz-file", &rules];
    let plain = "--grpc-allow-plaintext --metrics-enabled --metrics-addr 0.0.0.0:0 --metrics-allow-plaintext --metrics-profiles --recover-log --audit-log -";

    for (arguments, parts) in [
        (
            files.flags().to_vec(),
            vec!["tls=\"on\"", "keys=\"data folder\"", "unsafe_settings=\"none\""],
        ),
        (
            [&files.flags()[..], &both, &["--datastore-readonly"]].concat(),
            vec![
                "tls=\"client certificates\"",
                "ext_authz=\"on\"",
                "read_only=\"on\"",
                "unsafe_settings=\"none\"",
            ],
        ),
        (
            plain.split_whitespace().collect(),
            vec![
                "tls=\"off\"",
                "audit=\"standard output\"",
                "unsafe_settings=\"plain text for gRPC, plain text for metrics, profiles for other machines, damaged log accepted\"",
            ],
        ),
    ] {
        let mut program = program::without_variables(env!("CARGO_BIN_EXE_kilwa"));
        program.args(["serve", "--grpc-addr", "127.0.0.1:0", "--data-dir", &path("data")]);
        program.args(arguments);
        let line = Served::run(program).await_line("serving gRPC");
        for part in parts {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}

#[test]
fn files_that_others_can_read_or_change_are_unsafe_settings() {
    let folder = TempDir::new().unwrap();
    let [access, audit, data] =
        ["access.toml", "audit", "data"].map(|name| folder.path().join(name));
    fs::write(&access, "[[keys]]\nname = \"a\"\nkey = \"a\"\nroles = [\"full\"]\n").unwrap();
    fs::write(&audit, "").unwrap();
    let files = Authority::new("an authority").server().write(folder.path(), "server");
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let start = || {
        let named =
            ["--access-file", access.to_str().unwrap(), "--audit-log", audit.to_str().unwrap()];
        let server = Served::start_with(&data, &[&files.flags()[..], &named].concat());
        let line = server.await_line("serving gRPC");
        let (_, settings) = line.split_once("unsafe_settings=\"").unwrap();
        settings.split('"').next().unwrap().to_owned()
    };

    open(&access, 0o664);
    open(&audit, 0o600);
    open(&files.key, 0o640);
    assert_eq!(start(), "key on the command line");
    open(&access, 0o666);
    open(&audit, 0o644);
    open(&files.key, 0o644);
    let all = format!(
        "key on the command line, TLS key that every user can read, audit log that others can read, file that every user can \
         change: {}",
        access.display()
    );
    assert_eq!(start(), all);
}

#[test]
fn files_that_decide_who_may_do_what_and_that_every_user_can_change_are_unsafe_settings() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let authority = Authority::new("an authority");
    let files = authority.server().write(folder.path(), "server");
    let rule = "[[rules]]\nname = \"all\"\npath = \"/{rest...}\"\nverdict = \"allow\"\n";
    for (name, text) in [
        ("clients.pem", authority.pem()),
        ("envoy.toml", rule.to_owned()),
        ("authzen.toml", String::new()),
        ("jwks.json", tokens::key_set(&[Signer::ed().jwk("a")])),
        ("access.toml", tokens::access(&["EdDSA"], "")),
    ] {
        fs::write(path(name), text).unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let [access, clients, rules, mapping] =
        ["access.toml", "clients.pem", "envoy.toml", "authzen.toml"].map(path);
    let start = || {
        let mut program = program::without_variables(env!("CARGO_BIN_EXE_kilwa"));
        program.args(["serve", "--grpc-addr", "127.0.0.1:0", "--data-dir", &path("data")]);
        program.args(["--access-file", &access, "--ext-authz-file", &rules]).args(files.flags());
        program.args(["--grpc-tls-client-ca-path", &clients]);
        program.args([
            "--http-enabled",
            "--http-addr",
            "127.0.0.1:0",
            "--authzen-mapping-file",
            &mapping,
        ]);
        let server = Served::run(program);
        let line = server.await_line("serving gRPC");
        let (_, settings) = line.split_once("unsafe_settings=\"").unwrap();
        let settings = settings.split('"').next().unwrap().to_owned();
        let warning = (settings != "none").then(|| server.await_line("can change this file"));
        (settings, warning.unwrap_or_default())
    };

    assert_eq!(start(), ("none".to_owned(), String::new()));
    let certificate = files.certificate.to_str().unwrap().to_owned();
    let jwks = path("jwks.json");
    for file in [&certificate, &clients, &rules, &jwks, &mapping, &access] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o602)).unwrap();
        let (settings, warning) = start();
        assert_eq!(settings, format!("file that every user can change: {file}"));
        assert!(warning.contains(file.as_str()), "{warning}");
        fs::set_permissions(file, fs::Permissions::from_mode(0o660)).unwrap();
    }
}

#[tokio::test]
async fn a_call_for_whose_record_there_is_no_room_is_logged_with_its_key() {
    let folder = TempDir::new().unwrap();
    let full = ["--audit-log", "/dev/full", "--audit-log-when-full", "refuse"];
    let options = [&full[..], &["--audit-log-queue-length", "2"]].concat();
    let server = Served::start_with(folder.path(), &options);
    let mut permissions = server.permissions().await;
    let asked = question("document:plan#view@user:ann");
    while permissions.check_permission(asked.clone()).await.unwrap_err().code() != Code::Unavailable
    {
    }
    let line = server.await_line("the audit log has no room");
    assert!(line.contains("refused call") && line.contains("key=\"preshared-1\""), "{line}");
}

#[tokio::test]
async fn what_a_client_chooses_is_bounded_in_a_line() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(&folder, "info").await;
    let id = "x".repeat(10_000);
    let mut request = tonic::Request::new(proto::CheckPermissionRequest::default());
    request.metadata_mut().insert("x-request-id", id.parse().unwrap());
    let refused = server.0.permissions().await.check_permission(request).await.unwrap_err();
    assert_eq!(refused.metadata().get("x-request-id").unwrap().to_str().unwrap(), id);
    let line = server.0.await_line("InvalidArgument");
    assert!(line.contains(&"x".repeat(256)) && !line.contains(&"x".repeat(257)), "{line}");
}
