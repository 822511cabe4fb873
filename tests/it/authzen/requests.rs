//! The rules for requests over HTTP: their form, who may send them, and how refusals look.

use super::{
    ACTIONS, EVALUATION, EVALUATIONS, PATHS, RESOURCES, SUBJECTS, ask, ask_with, decision,
    decisions, evaluation, named, record, start, user,
};
use crate::http_support::{HttpAnswer, HttpServed, head};
use crate::server_support::KEY;
use serde_json::{Value, json};
use std::fs;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn whole() -> Value {
    evaluation(user("alice"), named("read"), record("record-1"))
}

fn wrong_requests() -> Vec<(&'static str, String)> {
    let whole = evaluation(user("alice"), named("read"), record("record-1"));
    let mut wrong: Vec<(&str, String)> = Vec::new();
    for (of, name) in [
        ("subject", ""),
        ("subject", "type"),
        ("subject", "id"),
        ("action", ""),
        ("action", "name"),
        ("resource", ""),
        ("resource", "type"),
        ("resource", "id"),
    ] {
        let (mut missing, mut mistyped) = (whole.clone(), whole.clone());
        if name.is_empty() {
            missing.as_object_mut().unwrap().remove(of);
            mistyped[of] = json!("text");
        } else {
            missing[of].as_object_mut().unwrap().remove(name);
            mistyped[of][name] = json!(1);
        }
        for path in [EVALUATION, EVALUATIONS] {
            wrong.push((path, missing.to_string()));
            wrong.push((path, mistyped.to_string()));
        }
    }
    for body in ["", "{", "[]", "null", r#"{"subject":{"type":"user","type":"user"}}"#] {
        wrong.extend(
            [EVALUATION, EVALUATIONS, SUBJECTS, RESOURCES, ACTIONS]
                .map(|path| (path, body.to_owned())),
        );
    }
    for (of, body) in [
        (SUBJECTS, json!({"subject": {}, "action": named("read"), "resource": record("record-1")})),
        (SUBJECTS, json!({"subject": {"type": "user"}, "resource": record("record-1")})),
        (
            SUBJECTS,
            json!({"subject": {"type": "user"}, "action": named("read"), "resource": {"type": "record"}}),
        ),
        (
            RESOURCES,
            json!({"subject": {"type": "user"}, "action": named("read"), "resource": {"type": "record"}}),
        ),
        (
            RESOURCES,
            json!({"subject": user("alice"), "action": named("read"), "resource": {"id": "x"}}),
        ),
        (RESOURCES, json!({"subject": user("alice"), "resource": {"type": "record"}})),
        (ACTIONS, json!({"resource": record("record-1")})),
        (ACTIONS, json!({"subject": user("alice"), "resource": {"type": "record"}})),
        (EVALUATIONS, json!({"evaluations": "text"})),
        (EVALUATIONS, json!({"evaluations": [{}], "options": {"evaluations_semantic": "some"}})),
    ] {
        wrong.push((of, body.to_string()));
    }
    wrong
}

#[tokio::test]
async fn requests_that_are_not_of_the_form_are_refused() {
    let served = start(|_| {}).await;
    let whole = evaluation(user("alice"), named("read"), record("record-1"));
    for (path, body) in wrong_requests() {
        let answer = ask_with(&served, path, &[("X-Request-ID", "r7")], &body).await;
        assert_eq!(
            (answer.status, answer.header("x-request-id")),
            (400, Some("r7")),
            "{path} {body}"
        );
        assert!(answer.json().is_string(), "{answer:?}");
    }
    let key = format!("Bearer {KEY}");
    let headers = [("Authorization", key.as_str()), ("Content-Type", "text/plain")];
    assert_eq!(served.send("POST", EVALUATION, &headers, &whole.to_string()).await.status, 400);
    assert_eq!(served.send("GET", EVALUATION, &headers, "").await.status, 405);
    let json = [("Content-Type", "application/json")];
    let refused = served.send("POST", EVALUATION, &json, &whole.to_string()).await;
    assert_eq!(
        (refused.status, refused.header("www-authenticate")),
        (401, Some("Bearer realm=\"kilwa\""))
    );
}

#[tokio::test]
async fn a_wrong_key_is_no_authentication() {
    let served = start(|_| {}).await;
    let asked = evaluation(user("alice"), named("read"), record("record-1")).to_string();
    let headers = [("Authorization", "Bearer wrong"), ("Content-Type", "application/json")];
    let refused = served.send("POST", EVALUATION, &headers, &asked).await;
    let shown = (refused.status, refused.header("www-authenticate"));
    assert_eq!(shown, (401, Some("Bearer realm=\"kilwa\"")));
}

#[tokio::test]
async fn properties_context_and_options_have_to_be_objects() {
    let served = start(|_| {}).await;
    for of in ["subject", "action", "resource"] {
        for wrong in [json!("text"), json!([1]), json!(true)] {
            let mut request = whole();
            request[of]["properties"] = wrong;
            for path in PATHS {
                if path == ACTIONS && of == "action" {
                    continue;
                }
                let answer = ask(&served, path, &request.to_string()).await;
                assert_eq!(answer.status, 400, "{path} {request}");
                assert!(answer.body.contains(of), "{answer:?}");
            }
        }
    }
    for (name, paths) in [("context", PATHS.as_slice()), ("options", &PATHS[..2])] {
        for path in paths {
            let mut request = whole();
            request[name] = json!([1]);
            let answer = ask(&served, path, &request.to_string()).await;
            assert_eq!((answer.status, answer.body.contains(name)), (400, true), "{answer:?}");
        }
    }
    for (option, wrong) in [("reasons", json!("yes")), ("evaluations_semantic", json!(1))] {
        let mut request = whole();
        request["options"] = json!({option: wrong});
        let answer = ask(&served, EVALUATIONS, &request.to_string()).await;
        assert_eq!((answer.status, answer.body.contains(option)), (400, true), "{answer:?}");
    }
}

/// Sends any bytes as a body.
async fn post_bytes(served: &HttpServed, path: &str, body: &[u8]) -> HttpAnswer {
    let (key, length) = (format!("Bearer {KEY}"), body.len().to_string());
    let headers = [
        ("Authorization", key.as_str()),
        ("Content-Type", "application/json"),
        ("Content-Length", length.as_str()),
        ("Connection", "close"),
    ];
    let mut stream = TcpStream::connect(&served.endpoint).await.unwrap();
    stream.write_all(&[head("POST", path, &headers).as_bytes(), body].concat()).await.unwrap();
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    HttpAnswer::parse(&received)
}

#[tokio::test]
async fn bodies_are_json_that_every_reader_understands_alike() {
    let served = start(|_| {}).await;
    let with_context = |context: &str| {
        let open = whole().to_string();
        let open = open.strip_suffix('}').unwrap();
        format!("{open},\"context\":{context}}}")
    };
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for wrong in [
        with_context(r#"{"a":1,"a":2}"#),
        with_context(r#"{"a":[{"b":1,"b":1}]}"#),
        with_context(r#"{"a":"\ud800"}"#),
        with_context(r#"{"a":1e999}"#),
        with_context(r#"{"a":NaN}"#),
        with_context(r#"{"a":1,}"#),
        with_context(&format!("{{\"a\":{deep}}}")),
        format!("{} {{}}", whole()),
    ] {
        for path in PATHS {
            let answer = ask(&served, path, &wrong).await;
            assert_eq!(answer.status, 400, "{path} {wrong}: {answer:?}");
            assert!(answer.json().is_string(), "{answer:?}");
        }
    }
    let text = with_context(r#"{"a":"?"}"#);
    let invalid: Vec<u8> =
        text.bytes().map(|byte| if byte == b'?' { 0xff } else { byte }).collect();
    let refused = post_bytes(&served, EVALUATION, &invalid).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(decision(&post_bytes(&served, EVALUATION, text.as_bytes()).await));

    // Members come in any order, with any spaces, and as escapes.
    let turned = "{ \"resource\" : {\"id\":\"record-1\",\"type\":\"record\"},\n\"action\":{\"name\":\"re\\u0061d\"},\t\"subject\":{\"id\":\"alice\",\"type\":\"user\"}}";
    assert!(decision(&ask(&served, EVALUATION, turned).await));
    assert!(decision(
        &ask(&served, EVALUATION, &with_context(r#"{"a":9007199254740993,"b":1e300,"c":null}"#))
            .await
    ));
}

#[tokio::test]
async fn the_content_type_and_the_method_are_fixed() {
    let served = start(|_| {}).await;
    let key = format!("Bearer {KEY}");
    let body = whole().to_string();
    for path in PATHS {
        for wrong in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "application/json2; a=b",
            "",
        ] {
            let headers =
                [("Authorization", key.as_str()), ("Content-Type", wrong), ("X-Request-ID", "a b")];
            let answer = served.send("POST", path, &headers, &body).await;
            assert_eq!(
                (answer.status, answer.header("x-request-id")),
                (400, Some("a b")),
                "{wrong}"
            );
            assert!(answer.body.contains("application/json"), "{answer:?}");
        }
        let answer = served.send("POST", path, &[("Authorization", &key)], &body).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        for right in ["application/json; charset=utf-8", "Application/JSON"] {
            let headers = [("Authorization", key.as_str()), ("Content-Type", right)];
            let answer = served.send("POST", path, &headers, &body).await;
            assert_eq!(answer.status, 200, "{path} {right}: {answer:?}");
        }
        for method in ["GET", "PUT", "DELETE", "PATCH"] {
            let headers = [
                ("Authorization", key.as_str()),
                ("Content-Type", "application/json"),
                ("X-Request-ID", "r1"),
            ];
            let answer = served.send(method, path, &headers, &body).await;
            let shown = (answer.status, answer.header("allow"), answer.header("x-request-id"));
            assert_eq!(shown, (405, Some("POST"), Some("r1")), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_id_of_a_request_comes_back_with_every_answer() {
    let served = start(|_| {}).await;
    let body = whole().to_string();
    for id in ["bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "any text: 1/2 (x)", &"x".repeat(300)] {
        for path in PATHS {
            let answer = ask_with(&served, path, &[("X-Request-ID", id)], &body).await;
            assert_eq!((answer.status, answer.header("x-request-id")), (200, Some(id)), "{path}");
        }
        for (headers, status) in [
            (
                [
                    ("Authorization", "Bearer wrong"),
                    ("Content-Type", "application/json"),
                    ("X-Request-ID", id),
                ]
                .as_slice(),
                401,
            ),
            (&[("Content-Type", "application/json"), ("X-Request-ID", id)], 401),
        ] {
            let answer = served.send("POST", EVALUATION, headers, &body).await;
            assert_eq!((answer.status, answer.header("x-request-id")), (status, Some(id)));
        }
    }
    assert!(decision(&ask(&served, EVALUATION, &body).await));
}

#[tokio::test]
async fn a_body_of_more_than_four_megabytes_is_refused() {
    let served = start(|_| {}).await;
    let mut request = whole();
    request["unknown"] = json!("x".repeat(4 << 20));
    let answer = ask(&served, EVALUATION, &request.to_string()).await;
    assert_eq!(answer.status, 413, "{:?}", answer.header("content-length"));
    let text = "the body of the request is longer than 4194304 bytes";
    assert_eq!(answer.json(), json!(text));
    request["unknown"] = json!("x".repeat((4 << 20) - 1_000));
    assert!(decision(&ask(&served, EVALUATION, &request.to_string()).await));
}

const ACCESS: &str = "[roles.reader]\nmethods = [\"read\"]\n\
    [roles.tenant]\nmethods = [\"check\", \"lookup\"]\nid_prefixes = [\"record-1\"]\nshared = [\"user\"]\n\
    [[keys]]\nname = \"reader\"\nkey = \"a key that reads alone\"\nroles = [\"reader\"]\n\
    [[keys]]\nname = \"tenant\"\nkey = \"a key of one tenant\"\nroles = [\"tenant\"]\n";

#[tokio::test]
async fn roles_apply_to_every_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let access = folder.path().join("access.toml");
    fs::write(&access, ACCESS).unwrap();
    let served = HttpServed::start_configured(|config| {
        config.http = Some(kilwa::config::HttpListenerOptions::default());
        config.access_file = Some(access);
    })
    .await;
    served.server.write_schema(super::SCHEMA).await.unwrap();
    served.server.touch(super::RELATIONSHIPS).await.unwrap();
    let post = async |key: &str, path: &str, body: &Value| {
        let bearer = format!("Bearer {key}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        served.send("POST", path, &headers, &body.to_string()).await
    };
    for path in PATHS {
        let answer = post("a key that reads alone", path, &whole()).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (403, None), "{answer:?}");
        assert!(answer.json().is_string(), "{answer:?}");
    }

    // A tenant's key decides about its own objects, and finds no others.
    let key = "a key of one tenant";
    assert!(decision(&post(key, EVALUATION, &whole()).await));
    let foreign = evaluation(user("bob"), named("write"), record("record-2"));
    let answer = post(key, EVALUATION, &foreign).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let batch = json!({"evaluations": [whole(), foreign]});
    let answer = post(key, EVALUATIONS, &batch).await;
    assert_eq!(decisions(&answer), [true, false]);
    assert_eq!(answer.json()["evaluations"][1]["context"]["error"]["status"], 403);
    // A reason shows relationships of others: without the right to read them, there is no decision at all.
    for (path, mut request) in
        [(EVALUATION, whole()), (EVALUATIONS, json!({"evaluations": [whole()]}))]
    {
        request["options"] = json!({"reasons": true});
        let answer = post(key, path, &request).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(answer.json().as_str().unwrap().contains("reasons"), "{answer:?}");
        assert_eq!(post(KEY, path, &request).await.status, 200);
    }
    let records = evaluation(user("bob"), named("read"), json!({"type": "record"}));
    let answer = post(key, RESOURCES, &records).await;
    assert_eq!(answer.json()["results"], json!([record("record-1")]));
    let answer = post(KEY, RESOURCES, &records).await;
    assert_eq!(answer.json()["results"].as_array().unwrap().len(), 2);
}
