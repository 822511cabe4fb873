//! Evaluations, one or many: defaults, semantics, context and reasons.

use super::{
    EVALUATION, EVALUATIONS, RELATIONSHIPS, SCHEMA, admin, archived, ask, decision, decisions,
    delete, evaluation, named, record, start, user,
};
use crate::http_support::HttpServed;
use crate::metrics;
use kilwa::config::HttpListenerOptions;
use serde_json::{Value, json};
use std::fs;

/// The decisions of the fixture.
fn fixture() -> Vec<(Value, bool)> {
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
    for (request, expected) in fixture() {
        // Without items a batch is one evaluation.
        for path in [EVALUATION, EVALUATIONS] {
            let answer = ask(&served, path, &request.to_string()).await;
            assert_eq!(decision(&answer), expected, "{path} {request}");
        }
        let mut more = request.clone();
        more["unknown"] = json!({"x": [1]});
        more["subject"]["unknown"] = json!(true);
        more["context"] = json!({"time": "2026-11-29T00:00:00Z"});
        more["resource"]["properties"]["colour"] = json!("red");
        more["evaluations"] = json!("only a batch has them");
        let answer = ask(&served, EVALUATION, &more.to_string()).await;
        assert_eq!(decision(&answer), expected, "{more}");
    }
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
        assert_eq!(decisions(&answer), expected, "{semantic}");
        let answer = answer.json();
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

#[tokio::test]
async fn an_item_replaces_each_default_as_a_whole() {
    let served = start(|_| {}).await;
    let batch = json!({
        "subject": user("alice"), "action": named("write"), "resource": archived(),
        "context": {"resource_status": "active"},
        "evaluations": [
            // The context of the defaults wins over their properties.
            {},
            // Another resource has neither the properties nor the context of the default.
            {"resource": record("record-2"), "context": {}},
            {"resource": record("record-2")},
            {"context": {"time": "now"}},
            // Nor its type or id.
            {"resource": {"id": "record-1"}},
            {"resource": {"type": "record"}},
            {"action": {"properties": {"soft": true}}},
            // What is null is not there.
            {"context": null, "subject": null},
            {"action": delete(true), "resource": record("record-1"), "context": null},
        ],
    });
    let answer = ask(&served, EVALUATIONS, &batch.to_string()).await;
    let expected = [true, false, true, false, false, false, false, true, true];
    assert_eq!(decisions(&answer), expected, "{answer:?}");
    let items = answer.json()["evaluations"].clone();
    assert_eq!(items[1]["context"], json!({"missing_context": ["resource_status"]}));
    for (item, member) in [(4, "resource.type"), (5, "resource.id"), (6, "action.name")] {
        let error = &items[item]["context"]["error"];
        assert_eq!(error["status"], 400, "{items}");
        assert!(error["message"].as_str().unwrap().contains(member), "{items}");
    }
}

#[tokio::test]
async fn a_batch_ends_where_its_semantic_says() {
    let served = start(|_| {}).await;
    let [yes, no, wrong] =
        [named("read"), named("delete"), json!(5)].map(|action| json!({"action": action}));
    let unknown = json!({"action": named("fly")});
    for (items, semantic, expected) in [
        (vec![&yes, &no, &yes], json!("execute_all"), vec![true, false, true]),
        (vec![&yes, &no, &yes], Value::Null, vec![true, false, true]),
        (vec![&yes, &yes, &no, &yes], json!("deny_on_first_deny"), vec![true, true, false]),
        // A failure is a denial.
        (vec![&yes, &wrong, &yes], json!("deny_on_first_deny"), vec![true, false]),
        (vec![&unknown, &yes], json!("deny_on_first_deny"), vec![false]),
        (vec![&no, &wrong, &yes, &no], json!("permit_on_first_permit"), vec![false, false, true]),
        // Items that nothing ends are all answered.
        (vec![&yes, &yes], json!("deny_on_first_deny"), vec![true, true]),
        (vec![&no, &unknown], json!("permit_on_first_permit"), vec![false, false]),
    ] {
        let batch = json!({
            "subject": user("alice"), "resource": record("record-1"), "evaluations": items,
            "options": {"evaluations_semantic": semantic},
        });
        let answer = ask(&served, EVALUATIONS, &batch.to_string()).await;
        assert_eq!(decisions(&answer), expected, "{batch}");
    }
}

/// How many checks have been evaluated.
async fn evaluated(served: &HttpServed) -> u64 {
    let scrape = metrics::ask(served.metrics.unwrap(), &["GET /metrics HTTP/1.1"]).await;
    let counts = scrape.lines().filter(|line| line.starts_with("check_permissionship_total{"));
    counts.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn what_comes_after_the_deciding_item_is_not_evaluated() {
    let served = HttpServed::start_configured(|config| {
        config.http = Some(HttpListenerOptions::default());
        config.metrics.address = Some("127.0.0.1:0".to_owned());
    })
    .await;
    served.server.write_schema(SCHEMA).await.unwrap();
    served.server.touch(RELATIONSHIPS).await.unwrap();
    let [yes, no, wrong] =
        [named("read"), named("delete"), json!(5)].map(|action| json!({"action": action}));
    let unknown = json!({"action": named("Fly")});
    for (items, semantic, answers, checks) in [
        (vec![&yes, &no, &yes, &yes, &yes], "execute_all", 5, 5),
        (vec![&yes, &no, &yes, &yes, &yes], "deny_on_first_deny", 2, 2),
        (vec![&no, &no, &yes, &no, &yes], "permit_on_first_permit", 3, 3),
        // These are denied without a check.
        (vec![&yes, &wrong, &yes, &no], "deny_on_first_deny", 2, 1),
        (vec![&unknown, &yes, &yes], "deny_on_first_deny", 1, 0),
        (vec![&unknown, &wrong, &yes, &yes], "permit_on_first_permit", 3, 1),
    ] {
        let before = evaluated(&served).await;
        let batch = json!({
            "subject": user("alice"), "resource": record("record-1"), "evaluations": items,
            "options": {"evaluations_semantic": semantic},
        });
        let answer = ask(&served, EVALUATIONS, &batch.to_string()).await;
        assert_eq!(decisions(&answer).len(), answers, "{batch}");
        assert_eq!(evaluated(&served).await - before, checks, "{batch}");
    }
}

#[tokio::test]
async fn an_item_that_the_caller_may_not_ask_ends_a_batch_like_a_denial() {
    let folder = tempfile::tempdir().unwrap();
    let access = folder.path().join("access.toml");
    let role = "[roles.one]\nmethods = [\"check\"]\nid_prefixes = [\"record-1\", \"alice\"]\n";
    let key = "[[keys]]\nname = \"limited\"\nkey = \"a limited key\"\nroles = [\"one\"]\n";
    fs::write(&access, format!("{role}{key}")).unwrap();
    let served = HttpServed::start_configured(|config| {
        config.http = Some(HttpListenerOptions::default());
        config.metrics.address = Some("127.0.0.1:0".to_owned());
        config.access_file = Some(access);
    })
    .await;
    served.server.write_schema(SCHEMA).await.unwrap();
    served.server.touch(RELATIONSHIPS).await.unwrap();

    let (inside, outside) = (json!({}), json!({"resource": record("record-2")}));
    for (semantic, answers, checks) in [("deny_on_first_deny", 2, 1), ("execute_all", 4, 3)] {
        let before = evaluated(&served).await;
        let batch = json!({
            "subject": user("alice"), "action": named("read"), "resource": record("record-1"),
            "evaluations": [inside, outside, inside, inside],
            "options": {"evaluations_semantic": semantic},
        });
        let headers =
            [("Authorization", "Bearer a limited key"), ("Content-Type", "application/json")];
        let answer = served.send("POST", EVALUATIONS, &headers, &batch.to_string()).await;
        assert_eq!(decisions(&answer).len(), answers, "{answer:?}");
        let error = &answer.json()["evaluations"][1]["context"]["error"];
        assert_eq!(error["status"], 403, "{answer:?}");
        assert_eq!(evaluated(&served).await - before, checks, "{semantic}");
    }
}

#[tokio::test]
async fn properties_are_context_which_the_context_itself_overrides() {
    let served = start(|_| {}).await;
    let with_status = |status: &str| json!({"type": "record", "id": "record-2", "properties": {"status": status}});
    for (resource, context, expected) in [
        (with_status("active"), json!({}), true),
        (with_status("archived"), json!({"resource_status": "active"}), true),
        (with_status("active"), json!({"resource_status": "archived"}), false),
        (record("record-2"), json!({"resource_status": "active"}), true),
        // Only with their prefix are properties what a caveat reads.
        (record("record-2"), json!({"status": "active"}), false),
    ] {
        let mut request = evaluation(user("alice"), named("write"), resource);
        request["context"] = context;
        let answer = ask(&served, EVALUATION, &request.to_string()).await;
        assert_eq!(decision(&answer), expected, "{request}");
    }
    // Each kind has its own.
    let mut request = evaluation(user("alice"), named("write"), record("record-2"));
    request["subject"]["properties"] = json!({"status": "active"});
    request["action"]["properties"] = json!({"status": "active"});
    assert!(!decision(&ask(&served, EVALUATION, &request.to_string()).await));
}

#[tokio::test]
async fn context_of_another_type_is_a_mistake_of_its_item() {
    let served = start(|_| {}).await;
    let wrong = json!({"type": "record", "id": "record-2", "properties": {"status": 7}});
    let single = evaluation(user("alice"), named("write"), wrong.clone()).to_string();
    let answer = ask(&served, EVALUATION, &single).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("resource_status"), "{answer:?}");
    let batch = json!({
        "subject": user("alice"), "action": named("write"), "resource": record("record-1"),
        "evaluations": [{"resource": wrong}, {}],
    });
    let answer = ask(&served, EVALUATIONS, &batch.to_string()).await;
    assert_eq!(decisions(&answer), [false, true]);
    let error = answer.json()["evaluations"][0]["context"]["error"].clone();
    assert_eq!(error["status"], 400);
    assert!(error["message"].as_str().unwrap().contains("resource_status"), "{error}");
    // What no caveat reads may be anything.
    let other = json!({"type": "user", "id": "bob", "properties": {"status": [1, {"a": null}]}});
    let answer = evaluation(other, named("write"), archived()).to_string();
    assert!(decision(&ask(&served, EVALUATION, &answer).await));
}

#[tokio::test]
async fn a_batch_of_too_many_items_or_with_too_much_context_is_refused_as_a_whole() {
    let served = start(|_| {}).await;
    let mut batch = evaluation(user("alice"), named("read"), record("record-1"));
    batch["evaluations"] = json!(vec![json!({}); 10_001]);
    let answer = ask(&served, EVALUATIONS, &batch.to_string()).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("10000"), "{answer:?}");
    batch["evaluations"] = json!([{}, {"context": {"x": "y".repeat(5_000)}}]);
    let answer = ask(&served, EVALUATIONS, &batch.to_string()).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("4096"), "{answer:?}");
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
async fn reasons_say_why_each_item_is_denied_or_permitted() {
    let served = start(|_| {}).await;
    let batch = json!({
        "subject": user("alice"), "action": named("write"), "resource": record("record-1"),
        "evaluations": [
            {}, {"subject": user("eve")}, {"resource": record("record-2")}, {"resource": 7},
        ],
        "options": {"reasons": true},
    });
    let answer = ask(&served, EVALUATIONS, &batch.to_string()).await;
    assert_eq!(decisions(&answer), [true, false, false, false]);
    let items = answer.json()["evaluations"].clone();
    let reason = |item: usize| items[item]["context"]["reason_admin"]["en"].as_str().unwrap();
    assert_eq!(reason(0), "granted by record:record-1#write via record:record-1#writer");
    assert_eq!(reason(1), "no relationship grants it");
    assert_eq!(
        reason(2),
        "missing context decides record:record-2#write via record:record-2#writer"
    );
    assert_eq!(items[2]["context"]["missing_context"], json!(["resource_status"]));
    assert_eq!(items[3]["context"]["reason_admin"], Value::Null);
    // Unasked, a decision has no reason.
    let plain = evaluation(admin(), named("write"), archived()).to_string();
    assert_eq!(ask(&served, EVALUATION, &plain).await.json(), json!({"decision": true}));
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
