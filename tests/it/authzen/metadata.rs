//! The metadata of the decision point.

use super::{EVALUATION, PATHS, ask, decision, evaluation, named, record, start, user};
use crate::server_support::config;
use kilwa::config::HttpListenerOptions;
use kilwa::server::Server;
use serde_json::json;

#[tokio::test]
async fn metadata_has_the_urls_of_the_configuration() {
    let served = start(|http| {
        http.requests.authzen.base_url = Some("https://pdp.example.com/tenant1".to_owned());
    })
    .await;
    let path = "/.well-known/authzen-configuration/tenant1";
    let answer = served.send("GET", path, &[("X-Forwarded-Host", "evil.example")], "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let metadata = answer.json();
    assert_eq!(metadata["policy_decision_point"], "https://pdp.example.com/tenant1");
    for (name, url) in metadata.as_object().unwrap() {
        assert!(
            url.as_str().unwrap().starts_with("https://pdp.example.com/tenant1"),
            "{name}: {url}"
        );
    }
    let other = "/.well-known/authzen-configuration";
    assert_eq!(served.send("GET", other, &[], "").await.status, 404);
    assert_eq!(start(|_| {}).await.send("GET", other, &[], "").await.status, 404);
}

#[tokio::test]
async fn metadata_name_every_endpoint_and_nothing_that_is_not_there() {
    for base in ["https://pdp.example.com", "https://pdp.example.com:8443/"] {
        let served = start(|http| http.requests.authzen.base_url = Some(base.to_owned())).await;
        let path = "/.well-known/authzen-configuration";
        let headers = [("X-Request-ID", "r3"), ("Host", "evil.example")];
        let answer = served.send("GET", path, &headers, "").await;
        assert_eq!((answer.status, answer.header("x-request-id")), (200, Some("r3")));
        let base = base.trim_end_matches('/');
        let url = |path: &str| format!("{base}{path}");
        let expected = json!({
            "policy_decision_point": base,
            "access_evaluation_endpoint": url("/access/v1/evaluation"),
            "access_evaluations_endpoint": url("/access/v1/evaluations"),
            "search_subject_endpoint": url("/access/v1/search/subject"),
            "search_resource_endpoint": url("/access/v1/search/resource"),
            "search_action_endpoint": url("/access/v1/search/action"),
        });
        assert_eq!(answer.json(), expected);
        let head = served.send("HEAD", path, &[], "").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        let post = served.send("POST", path, &[], "{}").await;
        assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
    }
}

#[tokio::test]
async fn endpoints_are_below_the_path_of_the_base_url_too() {
    let base = "https://pdp.example.com/tenant1";
    let served = start(|http| http.requests.authzen.base_url = Some(base.to_owned())).await;
    let request = evaluation(user("alice"), named("read"), record("record-1")).to_string();
    for path in PATHS {
        let below = ask(&served, &format!("/tenant1{path}"), &request).await;
        let plain = ask(&served, path, &request).await;
        assert_eq!((below.status, below.json()), (200, plain.json()), "{path}");
        for unknown in
            [format!("/tenant2{path}"), format!("/tenant1/tenant1{path}"), format!("{path}/")]
        {
            assert_eq!(ask(&served, &unknown, &request).await.status, 404, "{unknown}");
        }
    }
    assert!(decision(&ask(&served, EVALUATION, &request).await));
}

#[test]
fn a_base_url_has_to_be_one_of_https_without_query_and_fragment() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in [
        "http://pdp.example.com",
        "pdp.example.com",
        "https://",
        "https:///tenant1",
        "https://pdp.example.com?a=b",
        "https://pdp.example.com/#a",
        "https://pdp.example.com/a b",
        "",
    ] {
        let mut config = config(&folder.path().join("data"));
        let mut http = HttpListenerOptions::default();
        http.requests.authzen.base_url = Some(wrong.to_owned());
        config.http = Some(http);
        let error = Server::open(&config).unwrap_err().to_string();
        assert!(error.contains(&format!("`{wrong}`")), "{error}");
    }
}
