//! Envoy is a caller as any other: with a key or certificate, and a role.

use super::{Asked, Guarded, MAPPING};
use crate::certificates::Authority;
use crate::program::without_variables;
use crate::served::Served;
use crate::server_support::{Bearer, KEY};
use kilwa::proto::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use serde_json::Value;
use std::fs;
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

const ENVOY: &str = "the key of an Envoy";

fn access(role: &str) -> String {
    format!(
        "[roles.envoy]\n{role}\n[[keys]]\nname = \"envoy\"\nkey = \"{ENVOY}\"\nroles = [\"envoy\"]\n"
    )
}

async fn with_role(role: &str) -> Guarded {
    let access = access(role);
    Guarded::start_with(MAPPING, |config, dir| {
        fs::write(dir.path().join("access.toml"), access).unwrap();
        config.access_file = Some(dir.path().join("access.toml"));
    })
    .await
}

#[tokio::test]
async fn a_caller_without_a_key_is_not_answered() {
    let guarded = Guarded::start(MAPPING).await;
    let refused = guarded.try_ask("a wrong key", Asked::get("/healthz")).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let mut client = AuthorizationClient::new(guarded.server.channel().await);
    let refused = client.check(Asked::get("/healthz").message()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn the_check_is_one_of_the_caller_and_its_role() {
    let asked = |path: &str| Asked::get(path).header("x-user", "ann");
    let guarded = with_role("methods = [\"check\"]").await;
    assert!(guarded.try_ask(ENVOY, asked("/documents/plan")).await.unwrap().passes());

    let guarded = with_role("methods = [\"check\"]\nid_prefixes = [\"plan\", \"ann\"]").await;
    assert!(guarded.try_ask(ENVOY, asked("/documents/plan")).await.unwrap().passes());
    let told = guarded.try_ask(ENVOY, asked("/documents/mail")).await.unwrap();
    assert_eq!(told.code, i32::from(Code::PermissionDenied));
    assert!(told.fact("reason").contains("role"), "{told:?}");
    // The key without limits sees the whole.
    assert!(!guarded.ask(asked("/documents/mail")).await.fact("reason").contains("role"));

    // The method of Envoy alone opens rules that ask nothing.
    let guarded = with_role("methods = [\"Check\"]").await;
    assert!(guarded.try_ask(ENVOY, Asked::get("/healthz")).await.unwrap().passes());
    assert!(!guarded.try_ask(ENVOY, asked("/documents/plan")).await.unwrap().passes());

    let guarded = with_role("methods = [\"read\", \"CheckPermission\"]").await;
    let refused = guarded.try_ask(ENVOY, Asked::get("/healthz")).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_client_certificate_over_tls_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let files = servers.server().write(folder.path(), "server");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("clients.pem"), clients.pem()).unwrap();
    fs::write(path("envoy.toml"), MAPPING).unwrap();
    let access = "[roles.envoy]\nmethods = [\"check\"]\n[[certificates]]\nname = \"envoy\"\nuri = \"spiffe://example.org/envoy\"\nroles = [\"envoy\"]\n";
    fs::write(path("access.toml"), access).unwrap();
    fs::write(path("data.yaml"), "schema: |\n  definition user {}\n  definition document {\n    relation owner: user\n    relation viewer: user\n    permission edit = owner\n    permission view = viewer + edit\n  }\nrelationships: |\n  document:plan#viewer@user:ann\n").unwrap();
    let mut program = without_variables(env!("CARGO_BIN_EXE_kilwa"));
    program.args(["serve", "--grpc-addr", "127.0.0.1:0"]).args(files.flags());
    program.arg("--grpc-tls-client-ca-path").arg(path("clients.pem"));
    program.arg("--access-file").arg(path("access.toml")).arg("--bootstrap").arg(path("data.yaml"));
    program.arg("--ext-authz-file").arg(path("envoy.toml")).arg("--data-dir").arg(path("data"));
    let server = Served::run(program);

    let code = async |name: &str| {
        let client = clients.client(name);
        let tls = ClientTlsConfig::new()
            .domain_name("localhost")
            .ca_certificate(Certificate::from_pem(servers.pem()))
            .identity(Identity::from_pem(&client.certificate, &client.key));
        let endpoint = Channel::from_shared(format!("https://{}", server.endpoint())).unwrap();
        let channel = endpoint.tls_config(tls).unwrap().connect().await.unwrap();
        let asked = Asked::get("/documents/plan").header("x-user", "ann");
        let answer = AuthorizationClient::new(channel).check(asked.message()).await;
        answer.map(|answer| answer.into_inner().status.unwrap().code).map_err(|error| error.code())
    };
    assert_eq!(code("envoy").await, Ok(0));
    assert_eq!(code("stranger").await, Err(Code::Unauthenticated));
}

#[tokio::test]
async fn the_audit_log_has_the_verdict_and_none_of_the_headers() {
    let folder = tempfile::tempdir().unwrap();
    let [mapping, log] = ["envoy.toml", "audit.log"].map(|name| folder.path().join(name));
    fs::write(&mapping, MAPPING).unwrap();
    let arguments =
        ["--ext-authz-file", mapping.to_str().unwrap(), "--audit-log", log.to_str().unwrap()];
    let mut server = Served::start_with(&folder.path().join("data"), &arguments);
    let bearer = Bearer(KEY.to_owned());
    let mut client = AuthorizationClient::with_interceptor(server.channel().await, bearer);
    let mut asked = Asked::get("/healthz").header("cookie", "session=secret");
    asked.http.id = "the id of a request".to_owned();
    client.check(asked.clone().message()).await.unwrap();
    asked.http.path = "/documents/plan".to_owned();
    client.check(asked.header("x-user", "ann").message()).await.unwrap();
    server.signal("TERM");
    assert_eq!(server.exit_code(), 0);

    let text = fs::read_to_string(&log).unwrap();
    assert!(!text.contains("secret"), "{text}");
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let verdicts: Vec<&Value> = events.iter().map(|event| &event["data"]["verdict"]).collect();
    assert_eq!(events.len(), 3, "{text}");
    assert!(verdicts.iter().any(|verdict| **verdict == "allow"), "{text}");
    let check = events
        .iter()
        .find(|event| event["data"]["method"].as_str().unwrap().ends_with("/CheckPermission"));
    assert_eq!(check.unwrap()["data"]["requestId"], "the id of a request");
}
