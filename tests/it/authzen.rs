//! AuthZEN: the requests of the certification scenario as a table, and what goes beyond it.

use super::http_support::{HttpAnswer, HttpServed};
use super::server_support::KEY;
use kilwa::config::HttpListenerOptions;
use kilwa::http::{Endpoints, HttpOptions};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

const EVALUATION: &str = "/access/v1/evaluation";
const EVALUATIONS: &str = "/access/v1/evaluations";
const SUBJECTS: &str = "/access/v1/search/subject";
const RESOURCES: &str = "/access/v1/search/resource";
const ACTIONS: &str = "/access/v1/search/action";

/// Users with a role that is stored, records with a status that requests bring along.
const SCHEMA: &str = "caveat not_archived(resource_status string) {
  resource_status != \"archived\"
}

caveat soft_only(action_soft bool) {
  action_soft
}

definition user {}

definition record {
  relation reader: user
  relation writer: user | user with not_archived
  relation deleter: user with soft_only
  permission read = reader + writer
  permission write = writer
  permission delete = deleter
}
";

const RELATIONSHIPS: &[&str] = &[
    "record:record-1#reader@user:alice",
    "record:record-1#reader@user:bob",
    "record:record-1#writer@user:alice",
    "record:record-1#deleter@user:alice[soft_only]",
    "record:record-2#writer@user:bob",
    "record:record-2#writer@user:alice[not_archived]",
];

async fn start(change: impl FnOnce(&mut HttpListenerOptions)) -> HttpServed {
    let served = HttpServed::start_with(change).await;
    served.server.write_schema(SCHEMA).await.unwrap();
    served.server.touch(RELATIONSHIPS).await.unwrap();
    served
}

async fn ask(served: &HttpServed, path: &str, body: &str) -> HttpAnswer {
    ask_with(served, path, &[], body).await
}

async fn ask_with(
    served: &HttpServed,
    path: &str,
    more: &[(&str, &str)],
    body: &str,
) -> HttpAnswer {
    let key = format!("Bearer {KEY}");
    let usual = [("Authorization", key.as_str()), ("Content-Type", "application/json")];
    served.send("POST", path, &[usual.as_slice(), more].concat(), body).await
}

fn user(id: &str) -> Value {
    json!({"type": "user", "id": id})
}

fn record(id: &str) -> Value {
    json!({"type": "record", "id": id})
}

#[expect(clippy::needless_pass_by_value, reason = "a table is read more easily so")]
fn evaluation(subject: Value, action: Value, resource: Value) -> Value {
    json!({"subject": subject, "action": action, "resource": resource})
}

fn named(name: &str) -> Value {
    json!({"name": name})
}

fn archived() -> Value {
    json!({"type": "record", "id": "record-2", "properties": {"status": "archived"}})
}

fn admin() -> Value {
    json!({"type": "user", "id": "bob", "properties": {"role": "admin"}})
}

fn delete(soft: bool) -> Value {
    json!({"name": "delete", "properties": {"soft": soft}})
}

/// The decisions of the scenario.
fn decisions() -> Vec<(Value, bool)> {
    vec![
        (evaluation(user("alice"), named("read"), record("record-1")), true),
        (evaluation(user("alice"), named("write"), record("record-1")), true),
        (evaluation(user("bob"), named("read"), record("record-1")), true),
        (evaluation(user("bob"), named("write"), record("record-1")), false),
        (evaluation(user("alice"), named("write"), archived()), false),
        (evaluation(admin(), named("write"), archived()), true),
        (evaluation(user("alice"), delete(true), record("record-1")), true),
        (evaluation(user("alice"), delete(false), record("record-1")), false),
    ]
}

#[tokio::test]
async fn single_evaluations_are_decided() {
    let served = start(|_| {}).await;
    for (request, decision) in decisions() {
        // Twice, because the same request has the same answer.
        for path in [EVALUATION, EVALUATION, EVALUATIONS] {
            let answer = ask(&served, path, &request.to_string()).await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (200, Some("application/json"))
            );
            assert_eq!(answer.json()["decision"], decision, "{path} {request}");
        }
        let mut more = request.clone();
        more["unknown"] = json!({"x": [1]});
        more["subject"]["unknown"] = json!(true);
        more["context"] = json!({"time": "2026-11-29T00:00:00Z"});
        more["resource"]["properties"]["colour"] = json!("red");
        let answer = ask(&served, EVALUATION, &more.to_string()).await;
        assert_eq!((answer.status, answer.json()["decision"].clone()), (200, json!(decision)));
    }
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
async fn a_batch_has_defaults_and_semantics() {
    let served = start(|_| {}).await;
    let batch = |items: Value, semantic: &str| {
        json!({
            "subject": user("alice"), "action": named("read"), "resource": record("record-1"),
            "evaluations": items,
            "options": {"evaluations_semantic": semantic, "another_option": "value"},
        })
        .to_string()
    };
    let items = json!([
        {},
        {"subject": user("nobody")},
        {"resource": {"type": "record"}},
        {"action": named("write")},
        {"action": {"name": "delete"}, "context": {"action_soft": true}},
    ]);
    for (semantic, expected) in [
        ("execute_all", vec![true, false, false, true, true]),
        ("deny_on_first_deny", vec![true, false]),
        ("permit_on_first_permit", vec![true]),
    ] {
        let answer = ask(&served, EVALUATIONS, &batch(items.clone(), semantic)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        let found: Vec<bool> = answer["evaluations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["decision"].as_bool().unwrap())
            .collect();
        assert_eq!(found, expected, "{semantic}");
        assert_eq!(answer.get("decision"), None);
        if semantic == "execute_all" {
            // The default is replaced as a whole: the item has no id.
            assert_eq!(answer["evaluations"][2]["context"]["error"]["status"], 400);
        }
    }
    // No items: a single evaluation, answered as one.
    let single = ask(&served, EVALUATIONS, &batch(json!([]), "execute_all")).await;
    assert_eq!(single.json(), json!({"decision": true}));
    // Nothing but wrong items.
    let wrong = json!({"evaluations": [{}, {"subject": user("alice")}]}).to_string();
    let wrong = ask(&served, EVALUATIONS, &wrong).await;
    assert_eq!((wrong.status, wrong.json()["evaluations"].as_array().unwrap().len()), (200, 2));
}

fn found(answer: &HttpAnswer, member: &str) -> BTreeSet<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let results = answer["results"].as_array().unwrap();
    results.iter().map(|result| result[member].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn searches_find_what_evaluations_permit() {
    let served = start(|_| {}).await;
    let kind = |name: &str| json!({"type": name});
    let search = |subject: Value, action: &str, resource: Value| {
        evaluation(subject, named(action), resource).to_string()
    };
    let sets =
        |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    for (path, body, member, expected) in [
        (SUBJECTS, search(kind("user"), "read", record("record-1")), "id", sets(&["alice", "bob"])),
        (SUBJECTS, search(user("ignored"), "write", archived()), "id", sets(&["bob"])),
        (RESOURCES, search(user("alice"), "read", kind("record")), "id", sets(&["record-1"])),
        (RESOURCES, search(admin(), "write", record("ignored")), "id", sets(&["record-2"])),
        (SUBJECTS, search(kind("user"), "read", record("unknown")), "id", sets(&[])),
        (SUBJECTS, search(kind("robot"), "read", record("record-1")), "id", sets(&[])),
        (RESOURCES, search(user("unknown"), "read", kind("record")), "id", sets(&[])),
        (RESOURCES, search(user("alice"), "read", kind("Planet 9")), "id", sets(&[])),
        (RESOURCES, search(user("alice"), "fly", kind("record")), "id", sets(&[])),
    ] {
        let answer = ask(&served, path, &body).await;
        assert_eq!(found(&answer, member), expected, "{path} {body}");
        assert_eq!(answer.json()["page"]["next_token"], "", "{path}");
    }
    let actions = |subject: Value, resource: Value| {
        json!({"subject": subject, "resource": resource}).to_string()
    };
    let answer = ask(&served, ACTIONS, &actions(user("alice"), record("record-1"))).await;
    assert_eq!(found(&answer, "name"), sets(&["read", "write"]));
    let answer = ask(&served, ACTIONS, &actions(admin(), archived())).await;
    assert_eq!(found(&answer, "name"), sets(&["read", "write"]));
    let answer =
        ask(&served, ACTIONS, &actions(user("alice"), json!({"type": "planet", "id": "x"}))).await;
    assert_eq!(found(&answer, "name"), sets(&[]));
}

#[tokio::test]
async fn pages_continue_at_their_revision() {
    let served = start(|_| {}).await;
    let more: Vec<String> = (0..5).map(|n| format!("record:record-1#reader@user:u{n}")).collect();
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    served.server.touch(&more).await.unwrap();
    served
        .server
        .touch(&["record:r7#reader@user:alice", "record:r8#reader@user:alice"])
        .await
        .unwrap();
    for (path, mut request, member) in [
        (SUBJECTS, evaluation(json!({"type": "user"}), named("read"), record("record-1")), "id"),
        (
            RESOURCES,
            evaluation(
                user("alice"),
                named("read"),
                json!({"type": "record", "properties": {"status": "new"}}),
            ),
            "id",
        ),
    ] {
        let all = found(&ask(&served, path, &request.to_string()).await, member);
        let limit = all.len() - 1;
        request["page"] = json!({"limit": limit});
        let first = ask(&served, path, &request.to_string()).await;
        let mut paged = found(&first, member);
        assert_eq!(paged.len(), limit);
        let token = first.json()["page"]["next_token"].clone();
        assert_ne!(token, "");

        // What is written now is of a later revision.
        let reader = if path == SUBJECTS {
            "record:r9#reader@user:alice"
        } else {
            "record:zz#reader@user:alice"
        };
        served.server.touch(&["record:record-1#reader@user:zed", reader]).await.unwrap();
        request["page"] = json!({"token": token});
        let second = ask(&served, path, &request.to_string()).await;
        assert_eq!(second.json()["page"]["next_token"], "");
        paged.extend(found(&second, member));
        assert_eq!(paged, all, "{path}");

        request["action"]["name"] = json!("write");
        assert_eq!(ask(&served, path, &request.to_string()).await.status, 400, "another request");
        request["page"] = json!({"token": "nonsense"});
        assert_eq!(ask(&served, path, &request.to_string()).await.status, 400);
    }
}

#[tokio::test]
async fn reasons_are_given_on_request_and_missing_context_always() {
    let served = start(|_| {}).await;
    let mut request = evaluation(user("alice"), named("read"), record("record-1"));
    request["options"] = json!({"reasons": true});
    let answer = ask(&served, EVALUATION, &request.to_string()).await.json();
    let reason = answer["context"]["reason_admin"]["en"].as_str().unwrap();
    assert!(reason.starts_with("granted by record:record-1#read via record:record-1#"), "{reason}");
    let request = evaluation(user("alice"), named("write"), record("record-2"));
    let answer = ask(&served, EVALUATION, &request.to_string()).await.json();
    let expected = json!({"decision": false, "context": {"missing_context": ["resource_status"]}});
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn names_of_any_form_are_mapped_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authzen.toml");
    let text = "[types]\nperson = \"user\"\n[actions]\nview = \"read\"\n[resource_actions.record]\nview = \"write\"\n";
    fs::write(&file, text).unwrap();
    let mapped = file.clone();
    let served = start(move |http| http.requests.authzen.mapping_file = Some(mapped)).await;
    served.server.touch(&["record:r1#writer@user:ann=40example=2Ecom"]).await.unwrap();
    let person = json!({"type": "person", "id": "ann@example.com"});
    let request = evaluation(person.clone(), named("view"), record("r1")).to_string();
    assert_eq!(ask(&served, EVALUATION, &request).await.json(), json!({"decision": true}));
    let request = evaluation(json!({"type": "person"}), named("view"), record("r1")).to_string();
    let answer = ask(&served, SUBJECTS, &request).await.json();
    assert_eq!(answer["results"], json!([{"type": "person", "id": "ann@example.com"}]));
    let request = json!({"subject": person, "resource": record("r1")}).to_string();
    let names = found(&ask(&served, ACTIONS, &request).await, "name");
    assert!(names.contains("view"), "{names:?}");
}

#[test]
fn each_mistake_of_a_mapping_file_has_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authzen.toml");
    let mistakes = |text: &str| {
        fs::write(&file, text).unwrap();
        let mut options = HttpOptions::default();
        options.authzen.mapping_file = Some(file.clone());
        let error = Endpoints::new(&options).unwrap_err().to_string();
        let place = format!("{}:", file.display());
        error.lines().map(|line| line.strip_prefix(&place).unwrap().to_owned()).collect::<Vec<_>>()
    };

    let text = "[actions]\nview = \"read\"\nedit = \"Edit\"\n[resource_actions.record]\nedit = \"\"\n[types]\nperson = \"a b\"\n";
    let found = mistakes(text);
    let expected = [("3", "edit"), ("5", "edit"), ("7", "person")];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (mistake, (line, from)) in found.iter().zip(expected) {
        let start = format!("{line}: `{from}` is mapped to no name of a schema: ");
        assert!(mistake.starts_with(&start), "{mistake}");
    }
    assert!(mistakes("[types]\n\n[kinds]\n")[0].starts_with("3: unknown field `kinds`"));
    fs::remove_file(&file).unwrap();
}

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

/// Ids that are no object ids, or mean something else as one.
const NAMES: &[&str] = &["alice@example.com", "Ünïcode ✓", "a=40b", "100%", "=", "*", "x/y|z+1"];

#[tokio::test]
async fn ids_of_any_alphabet_are_evaluated_and_found() {
    let served = start(|_| {}).await;
    for name in NAMES {
        let subject = json!({"type": "user", "id": name});
        let resource = json!({"type": "record", "id": name});
        let stored = kilwa::relationship::to_object_id(name);
        let text = format!("record:{stored}#reader@user:{stored}");
        served.server.touch(&[text.as_str()]).await.unwrap();
        let asked = evaluation(subject.clone(), named("read"), resource.clone()).to_string();
        assert_eq!(ask(&served, EVALUATION, &asked).await.json()["decision"], true, "{name}");

        let asked = evaluation(json!({"type": "user"}), named("read"), resource).to_string();
        let subjects = found(&ask(&served, SUBJECTS, &asked).await, "id");
        assert_eq!(subjects, BTreeSet::from([(*name).to_owned()]));
        let asked = evaluation(subject, named("read"), json!({"type": "record"})).to_string();
        let resources = found(&ask(&served, RESOURCES, &asked).await, "id");
        assert_eq!(resources, BTreeSet::from([(*name).to_owned()]));
    }
    // Not all subjects are meant by one that is named `*`.
    let everyone = evaluation(user("*"), named("read"), record("record-1")).to_string();
    assert_eq!(ask(&served, EVALUATION, &everyone).await.json()["decision"], false);
    // An id that is longer than any is no error either.
    let long = evaluation(user(&"é".repeat(600)), named("read"), record("record-1")).to_string();
    let answer = ask(&served, EVALUATION, &long).await;
    assert_eq!((answer.status, &answer.json()["decision"]), (200, &json!(false)));
}

#[tokio::test]
async fn types_and_actions_of_any_form_are_names_of_the_schema() {
    let served = HttpServed::start().await;
    let schema = "definition user {}\n\ndefinition library_book {\n  relation borrower: user\n  permission extend_loan = borrower\n}\n";
    served.server.write_schema(schema).await.unwrap();
    served.server.touch(&["library_book:b1#borrower@user:ann"]).await.unwrap();
    for (kind, action) in [("library-book", "extend-loan"), ("library book", "extend.loan")] {
        let book = json!({"type": kind, "id": "b1"});
        let asked = evaluation(user("ann"), named(action), book.clone()).to_string();
        assert_eq!(ask(&served, EVALUATION, &asked).await.json(), json!({"decision": true}));
        let asked = evaluation(json!({"type": "user"}), named(action), book).to_string();
        assert_eq!(found(&ask(&served, SUBJECTS, &asked).await, "id").len(), 1, "{kind}");
    }
    // Relations, which structure the data, are no actions.
    let asked = json!({"subject": user("ann"), "resource": {"type": "library-book", "id": "b1"}});
    let actions = found(&ask(&served, ACTIONS, &asked.to_string()).await, "name");
    assert_eq!(actions, BTreeSet::from(["extend_loan".to_owned()]));
}

#[tokio::test]
async fn unknown_names_are_denied_with_the_reason() {
    let served = start(|_| {}).await;
    let robot = json!({"type": "robot", "id": "r1"});
    let planet = json!({"type": "planet", "id": "p1"});
    for (request, name) in [
        (evaluation(user("alice"), named("fly"), record("record-1")), "fly"),
        (evaluation(robot, named("read"), record("record-1")), "robot"),
        (evaluation(user("alice"), named("read"), planet), "planet"),
        (evaluation(user("alice"), named("!"), record("record-1")), "action"),
        (evaluation(user("alice"), named("read"), json!({"type": "!", "id": "x"})), "type"),
    ] {
        let answer = ask(&served, EVALUATION, &request.to_string()).await;
        assert_eq!((answer.status, &answer.json()["decision"]), (200, &json!(false)), "{request}");
        let answer = answer.json();
        let reason = answer["context"]["reason_admin"]["en"].as_str().unwrap_or_default();
        assert!(reason.contains(name), "{request}: {reason:?}");
    }
    // What is merely not permitted has no reason unless it is asked for.
    let denied = evaluation(user("bob"), named("write"), record("record-1")).to_string();
    assert_eq!(ask(&served, EVALUATION, &denied).await.json(), json!({"decision": false}));
}

#[tokio::test]
async fn conditional_results_and_wildcards_are_not_found() {
    let served = start(|_| {}).await;
    // Without the status it is not known whether alice may write.
    let asked = evaluation(json!({"type": "user"}), named("write"), record("record-2"));
    let writers = found(&ask(&served, SUBJECTS, &asked.to_string()).await, "id");
    assert_eq!(writers, BTreeSet::from(["bob".to_owned()]));
    let asked = evaluation(user("alice"), named("write"), json!({"type": "record"}));
    let records = found(&ask(&served, RESOURCES, &asked.to_string()).await, "id");
    assert_eq!(records, BTreeSet::from(["record-1".to_owned()]));
    let asked = json!({"subject": user("alice"), "resource": record("record-2")}).to_string();
    assert!(!found(&ask(&served, ACTIONS, &asked).await, "name").contains("write"));
    // With it, the same searches find it.
    let active = json!({"type": "record", "id": "record-2", "properties": {"status": "active"}});
    let asked = evaluation(json!({"type": "user"}), named("write"), active);
    assert_eq!(found(&ask(&served, SUBJECTS, &asked.to_string()).await, "id").len(), 2);
}

#[tokio::test]
async fn every_answer_is_of_what_was_just_written() {
    let served = start(|_| {}).await;
    let asked = evaluation(user("zoe"), named("read"), record("record-1")).to_string();
    let search = evaluation(json!({"type": "user"}), named("read"), record("record-1")).to_string();
    for _ in 0..20 {
        served.server.touch(&["record:record-1#reader@user:zoe"]).await.unwrap();
        assert_eq!(ask(&served, EVALUATION, &asked).await.json()["decision"], true);
        assert!(found(&ask(&served, SUBJECTS, &search).await, "id").contains("zoe"));
        let removal = json!({"relationshipFilter": {
            "resourceType": "record", "optionalSubjectFilter": {
                "subjectType": "user", "optionalSubjectId": "zoe"}}});
        served.posted("/v1/relationships/delete", &removal.to_string()).await;
        assert_eq!(ask(&served, EVALUATION, &asked).await.json()["decision"], false);
        assert!(!found(&ask(&served, SUBJECTS, &search).await, "id").contains("zoe"));
    }
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
