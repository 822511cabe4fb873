//! What Envoy is told.

use super::{Asked, Guarded, MAPPING};
use crate::server_support::{Bearer, KEY, Running, fresh};
use kilwa::proto::envoy::service::auth::v3::CheckRequest;
use kilwa::proto::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use tonic::Code;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

/// What the upstream service never gets.
const OVERRIDES: [&str; 5] = [
    "x-original-url",
    "x-rewrite-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

#[tokio::test]
async fn a_permission_passes_a_request_on_and_tells_the_upstream_service() {
    let guarded = Guarded::start(MAPPING).await;
    let told = guarded.ask(Asked::get("/documents/plan?x=y").header("x-user", "ann")).await;
    assert!(told.passes());
    assert_eq!(told.headers["x-kilwa-subject"], "user:ann");
    assert_eq!(told.headers["x-kilwa-revision"], told.fact("revision"));
    assert_eq!((told.fact("rule"), told.fact("verdict")), ("read", "allow"));
    for name in OVERRIDES.iter().chain(&["x-internal"]) {
        assert!(told.removed.iter().any(|removed| removed == name), "{told:?}");
    }
    assert!(!told.removed.contains(&"x-kilwa-subject".to_owned()), "it is set");

    // The revision is one that a later request can ask for.
    let again = Asked::get("/documents/plan").header("x-user", "ann");
    let again = again.header("x-zedtoken", told.fact("revision"));
    assert!(guarded.ask(again).await.passes());
}

#[tokio::test]
async fn no_permission_is_a_denial_as_the_file_words_it() {
    let guarded = Guarded::start(MAPPING).await;
    let told = guarded.ask(Asked::new("PUT", "/documents/plan").header("x-user", "ann")).await;
    assert_eq!((told.code, told.status), (i32::from(Code::PermissionDenied), 404));
    assert_eq!(told.body, "nothing here");
    assert_eq!((told.fact("rule"), told.fact("verdict")), ("write", "deny"));
    let told = guarded.ask(Asked::new("PUT", "/documents/plan").header("x-user", "bob")).await;
    assert!(told.passes());
}

#[tokio::test]
async fn a_request_without_a_subject_is_unauthenticated() {
    let guarded = Guarded::start(MAPPING).await;
    for asked in [
        Asked::get("/documents/plan"),
        Asked::get("/documents/plan").header("x-user", ""),
        Asked::get("/documents/plan").raw_header("x-user", b"ann").raw_header("X-User", b"bob"),
        Asked::get("/documents/plan").raw_header("x-user", b"\xff"),
    ] {
        let told = guarded.ask(asked).await;
        assert_eq!((told.code, told.status), (i32::from(Code::Unauthenticated), 401));
        assert_eq!(told.headers["www-authenticate"], "Bearer");
        assert_eq!(told.body, "who are you?");
    }
    let raw = Asked::get("/documents/plan").raw_header("X-User", b"ann");
    assert!(guarded.ask(raw).await.passes(), "raw headers are read too");
}

#[tokio::test]
async fn a_permission_that_depends_on_missing_context_is_a_denial() {
    let guarded = Guarded::start(MAPPING).await;
    let asked = Asked::get("/documents/plan").header("x-user", "sunday");
    let told = guarded.ask(asked.clone()).await;
    assert_eq!((told.code, told.status), (i32::from(Code::PermissionDenied), 404));
    assert!(told.fact("reason").contains("day"), "{told:?}");
    assert!(guarded.ask(asked.clone().header("x-day", "sunday")).await.passes());
    assert!(!guarded.ask(asked.header("x-day", "monday")).await.passes());
}

#[tokio::test]
async fn rules_without_a_check_pass_or_deny_and_without_a_rule_it_is_a_denial() {
    let guarded = Guarded::start(MAPPING).await;
    assert!(guarded.ask(Asked::get("/healthz")).await.passes());
    for path in ["/internal/a", "/internal", "/other", "/"] {
        let told = guarded.ask(Asked::get(path).header("x-user", "ann")).await;
        assert_eq!((told.code, told.status), (i32::from(Code::PermissionDenied), 404), "{path}");
    }
    let told = guarded.ask(Asked::new("DELETE", "/documents/plan").header("x-user", "bob")).await;
    assert!(told.fact("reason").contains("no rule"), "{told:?}");
}

#[tokio::test]
async fn hosts_and_the_rest_of_a_path_are_parts_of_ids() {
    let guarded = Guarded::start(MAPPING).await;
    let asked = |host: &str| Asked::get("/a/b").host(host).header("x-user", "ann");
    assert!(guarded.ask(asked("alpha.example.com")).await.passes());
    assert!(guarded.ask(asked("ALPHA.example.com:443")).await.passes());
    assert!(!guarded.ask(asked("bravo.example.com")).await.passes());
    assert!(!guarded.ask(asked("alpha.example.com.evil.org")).await.passes());
    // Ids of any text are those that AuthZEN gives them.
    let mail = Asked::get("/documents/mail").header("x-user", "ann@example.com");
    assert_eq!(guarded.ask(mail).await.headers["x-kilwa-subject"], "user:ann=40example=2Ecom");
}

#[tokio::test]
async fn a_client_cannot_set_what_the_upstream_service_is_told() {
    let guarded = Guarded::start(MAPPING).await;
    let forged = |asked: Asked| {
        let asked =
            asked.header("x-kilwa-subject", "user:root").header("x_kilwa_subject", "user:root");
        asked
            .header("x-kilwa_subject", "user:root")
            .header("x-kilwa-revision", "1")
            .header("x_internal", "1")
    };
    let told = guarded.ask(forged(Asked::get("/documents/plan").header("x-user", "ann"))).await;
    assert_eq!(told.headers["x-kilwa-subject"], "user:ann");
    for twin in ["x_kilwa_subject", "x-kilwa_subject", "x_internal"] {
        assert!(told.removed.contains(&twin.to_owned()), "{twin}: {told:?}");
    }

    // A rule that asks nothing has no subject to tell of, and takes away what the client says.
    let told = guarded.ask(forged(Asked::get("/healthz"))).await;
    assert!(told.headers.is_empty(), "{told:?}");
    for name in ["x-kilwa-subject", "x_kilwa_subject", "x-kilwa_subject", "x-kilwa-revision"] {
        assert!(told.removed.contains(&name.to_owned()), "{name}: {told:?}");
    }
}

#[tokio::test]
async fn what_goes_wrong_is_unavailable_and_what_a_client_breaks_is_forbidden() {
    let guarded = Guarded::start(MAPPING).await;
    let told = guarded.ask(Asked::get("/odd").header("x-user", "ann")).await;
    assert_eq!((told.code, told.status), (i32::from(Code::Unavailable), 503));
    assert_eq!(told.headers["retry-after"], "1");
    let asked =
        Asked::get("/documents/plan").header("x-user", "ann").header("x-zedtoken", "nonsense");
    assert_eq!(guarded.ask(asked).await.status, 404);
    let asked = Asked::get("/documents/plan").header("x-user", &"a".repeat(2000));
    assert_eq!(guarded.ask(asked).await.status, 404);
    let long = Asked::get(&format!("/documents/{}", "a".repeat(2000))).header("x-user", "ann");
    assert_eq!(guarded.ask(long).await.status, 404);
}

#[tokio::test]
async fn a_connection_that_is_not_http_is_denied() {
    let guarded = Guarded::start(MAPPING).await;
    let channel = guarded.server.channel().await;
    let mut client = AuthorizationClient::with_interceptor(channel, Bearer(KEY.to_owned()));
    let response = client.check(CheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(response.status.unwrap().code, i32::from(Code::PermissionDenied));
}

#[tokio::test]
async fn without_a_mapping_file_nothing_is_served() {
    let server = fresh().await;
    let channel = server.channel().await;
    let mut client = AuthorizationClient::with_interceptor(channel, Bearer(KEY.to_owned()));
    let refused = client.check(CheckRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

/// Whether reflection lists the service.
async fn is_listed(server: &Running) -> bool {
    let mut client = ServerReflectionClient::new(server.channel().await);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = client.server_reflection_info(tokio_stream::iter([request])).await;
    let answer = answers.unwrap().into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("no list")
    };
    list.service.iter().any(|service| service.name == "envoy.service.auth.v3.Authorization")
}

#[tokio::test]
async fn reflection_lists_the_service_where_it_is_served() {
    assert!(is_listed(&Guarded::start(MAPPING).await.server).await);
    assert!(!is_listed(&fresh().await.server).await);
}
