//! The requests of the certification scenario.

use super::{
    ACTIONS, EVALUATION, EVALUATIONS, RESOURCES, SUBJECTS, admin, archived, ask_with, delete,
    evaluation, named, record, start, user,
};
use crate::http_support::HttpAnswer;
use serde_json::{Value, json};

/// What the scenario expects of an answer.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Decision(bool),
    /// Decisions in this order, each with its value if that is of the fixture.
    Decisions(&'static [Option<bool>]),
    /// Results with at least these ids or names.
    Found(&'static [&'static str]),
    NothingFound,
    Status400,
}

use Expected::{Decision, Decisions, Found, NothingFound, Status400};

/// A request with its number in the scenario.
type Row = (&'static str, &'static str, Value, Expected);

const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);

/// Stands for the token of the answer before.
const TOKEN: &str = "the token of the answer before";

fn with(mut value: Value, members: &Value) -> Value {
    for (name, member) in members.as_object().unwrap() {
        value[name] = member.clone();
    }
    value
}

fn without(mut value: Value, path: &str) -> Value {
    let (of, name) = path.rsplit_once('/').unwrap();
    value.pointer_mut(of).and_then(Value::as_object_mut).unwrap().remove(name).unwrap();
    value
}

fn read() -> Value {
    evaluation(user("alice"), named("read"), record("record-1"))
}

fn active() -> Value {
    with(record("record-1"), &json!({"properties": {"status": "active"}}))
}

fn single_evaluations() -> Vec<Row> {
    let asked = |id, body, decision| (id, EVALUATION, body, Decision(decision));
    let bob_writes = evaluation(user("bob"), named("write"), record("record-1"));
    let described = evaluation(
        with(user("alice"), &json!({"properties": {"department": "Sales", "role": "manager"}})),
        with(named("read"), &json!({"properties": {"method": "GET"}})),
        with(record("record-1"), &json!({"properties": {"status": "active", "owner": "bob"}})),
    );
    let context = json!({"context": {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}});
    let unknown = json!({"foo": "bar", "futureField": {"nested": true}});
    let soft = |soft| evaluation(user("alice"), delete(soft), record("record-1"));

    vec![
        asked("2.2.1", read(), true),
        asked("2.2.2", bob_writes, false),
        asked("2.2.3", with(read(), &context), true),
        asked("2.2.4", evaluation(user("alice"), named("write"), archived()), false),
        asked("2.2.5", evaluation(admin(), named("write"), archived()), true),
        asked("2.2.6", soft(true), true),
        asked("2.2.7", soft(false), false),
        asked("2.2.8", described, true),
        asked("2.2.9", with(read(), &unknown), true),
    ]
}

fn refused_evaluations() -> Vec<Row> {
    let asked = |id, body| (id, EVALUATION, body, Status400);
    let mut rows: Vec<Row> = [
        ("2.4.1", "/subject"),
        ("2.4.1", "/action"),
        ("2.4.1", "/resource"),
        ("2.4.2", "/subject/type"),
        ("2.4.2", "/subject/id"),
        ("2.4.2", "/action/name"),
        ("2.4.2", "/resource/type"),
        ("2.4.2", "/resource/id"),
    ]
    .map(|(id, path)| asked(id, without(read(), path)))
    .into();
    rows.push(asked("2.4.6", with(read(), &json!({"subject": "alice"}))));
    rows.push(asked("2.4.6", with(read(), &json!({"action": {"name": 123}}))));
    rows
}

fn batches() -> Vec<Row> {
    let asked = |id, body, decisions| (id, EVALUATIONS, body, Decisions(decisions));
    let records = json!([{"resource": record("record-1")}, {"resource": record("record-2")}]);
    let both = json!([{"resource": active()}, {"resource": archived()}]);
    let alice = |action: &str| json!({"subject": user("alice"), "action": named(action)});
    let bob_writes = evaluation(user("bob"), named("write"), record("record-1"));
    let time = json!({"time": "2025-06-27T18:03-07:00"});
    let later = json!({"time": "2025-06-27T19:00-07:00", "source": "batch-override"});
    let timed = json!([
        {"resource": record("record-1")},
        {"resource": record("record-2"), "context": later},
    ]);

    vec![
        asked("3.2.1", with(alice("read"), &json!({"evaluations": records})), &[None, None]),
        asked(
            "3.2.2",
            json!({"subject": user("bob"), "resource": record("record-1"),
                "evaluations": [{"action": named("read")}, {"action": named("write")}]}),
            &[YES, NO],
        ),
        asked("3.2.3", with(alice("write"), &json!({"evaluations": both})), &[YES, NO]),
        asked(
            "3.2.4",
            json!({"action": named("write"), "resource": archived(),
                "evaluations": [{"subject": user("alice")}, {"subject": admin()}]}),
            &[NO, YES],
        ),
        asked("3.2.5", json!({"evaluations": [read(), bob_writes]}), &[YES, NO]),
        asked(
            "3.2.6",
            with(alice("read"), &json!({"context": time, "evaluations": timed})),
            &[None, None],
        ),
        asked(
            "3.2.7",
            with(alice("write"), &json!({"resource": {"type": "record"}, "evaluations": both})),
            &[YES, NO],
        ),
        asked(
            "3.4.1",
            with(alice("read"), &json!({"evaluations": [{"resource": record("record-1")}, {}]})),
            &[YES, NO],
        ),
        ("3.4.2", EVALUATIONS, read(), Decision(true)),
        ("3.4.3", EVALUATIONS, with(read(), &json!({"evaluations": []})), Decision(true)),
    ]
}

fn searches() -> Vec<Row> {
    let (users, records) = (json!({"type": "user"}), json!({"type": "record"}));
    let readers = evaluation(users.clone(), named("read"), record("record-1"));
    let readable = evaluation(user("alice"), named("read"), records.clone());
    let of = |subject: Value, resource: Value| json!({"subject": subject, "resource": resource});
    let alice = of(user("alice"), record("record-1"));
    let spaceships = with(readers.clone(), &json!({"subject": {"type": "spaceship"}}));
    let page = |page: Value| with(readers.clone(), &json!({"page": page}));

    vec![
        ("4.2.1", SUBJECTS, readers.clone(), Found(&["alice", "bob"])),
        ("4.2.4", SUBJECTS, evaluation(users, named("write"), archived()), Found(&["bob"])),
        ("4.3.1", RESOURCES, readable.clone(), Found(&["record-1"])),
        ("4.3.3", RESOURCES, evaluation(admin(), named("write"), records), Found(&["record-2"])),
        ("4.4.1", ACTIONS, alice.clone(), Found(&["read", "write"])),
        ("4.4.3", ACTIONS, of(admin(), archived()), Found(&["write"])),
        ("4.5.1", SUBJECTS, page(json!({"limit": 1})), Found(&[])),
        ("4.5.2", SUBJECTS, page(json!({"token": TOKEN})), Found(&[])),
        ("4.6.1", ACTIONS, of(user("nonexistent-user"), record("record-1")), NothingFound),
        ("4.6.2", SUBJECTS, spaceships, NothingFound),
        ("4.7.1", SUBJECTS, without(readers.clone(), "/action"), Status400),
        ("4.7.1", RESOURCES, without(readable.clone(), "/subject"), Status400),
        ("4.7.1", ACTIONS, without(alice, "/resource"), Status400),
        ("4.7.2", SUBJECTS, without(readers.clone(), "/resource/id"), Status400),
        ("4.7.2", RESOURCES, without(readable, "/subject/id"), Status400),
    ]
}

/// The 44 requests that the certification scenario of the Authorization API 1.0 writes out, in its order and with its numbers
/// (`certification/authorization-api-1_0-scenario.md` of openid/authzen). 3.2.7 is the one that the conformance suite sends: each
/// of its items has a whole resource, because items replace defaults as a whole.
#[tokio::test]
async fn every_request_of_the_certification_scenario_is_answered_as_it_expects() {
    let rows = [single_evaluations(), refused_evaluations(), batches(), searches()].concat();
    assert_eq!(rows.len(), 44);
    let served = start(|_| {}).await;
    let mut token = Value::Null;
    for (index, (id, path, mut body, expected)) in rows.into_iter().enumerate() {
        if body["page"]["token"] == TOKEN {
            assert_ne!(token, "", "{id}: there has to be another page");
            body["page"]["token"] = token.clone();
        } else if body["page"].is_null() {
            body.as_object_mut().unwrap().remove("page");
        }

        // Twice, because the same request has the same answer.
        let body = body.to_string();
        for time in ["first", "second"] {
            let request_id = format!("{index}-{time}");
            let header = [("X-Request-ID", request_id.as_str())];
            let answer = ask_with(&served, path, &header, &body).await;
            let place = format!("{id}, {time}: {body}");
            assert_eq!(answer.header("x-request-id"), Some(request_id.as_str()), "{place}");
            require(&answer, path, expected, &place);
            if matches!(expected, Found(_)) {
                token = answer.json()["page"]["next_token"].clone();
            }
        }
    }
}

#[track_caller]
fn require(answer: &HttpAnswer, path: &str, expected: Expected, place: &str) {
    let status = if matches!(expected, Status400) { 400 } else { 200 };
    let found = (answer.status, answer.header("content-type"));
    assert_eq!(found, (status, Some("application/json")), "{place}: {answer:?}");
    let json = answer.json();
    match expected {
        Status400 => assert!(json.is_string(), "{place}: {json}"),
        Decision(decision) => {
            assert_eq!(json["decision"], decision, "{place}: {json}");
            assert_eq!(json.get("evaluations"), None, "{place}: {json}");
        }
        Decisions(expected) => {
            let items = json["evaluations"].as_array().unwrap();
            assert_eq!(items.len(), expected.len(), "{place}: {json}");
            for (item, expected) in items.iter().zip(expected) {
                let decision = item["decision"].as_bool();
                assert!(decision.is_some(), "{place}: {json}");
                assert!(expected.is_none() || decision == *expected, "{place}: {json}");
                assert!(item.get("context").is_none_or(Value::is_object), "{place}: {json}");
            }
            assert_eq!(json.get("decision"), None, "{place}: {json}");
        }
        NothingFound => assert_eq!(json["results"], json!([]), "{place}: {json}"),
        Found(names) => require_found(&json, path, names, place),
    }
}

#[track_caller]
fn require_found(json: &Value, path: &str, names: &[&str], place: &str) {
    let results = json["results"].as_array().unwrap();
    assert!(!results.is_empty(), "{place}: {json}");
    let (member, kind) = match path {
        SUBJECTS => ("id", Some("user")),
        RESOURCES => ("id", Some("record")),
        _ => ("name", None),
    };
    assert!(results.iter().all(|one| one["type"].as_str() == kind), "{place}: {json}");
    let found: Vec<&str> = results.iter().map(|one| one[member].as_str().unwrap()).collect();
    assert!(names.iter().all(|name| found.contains(name)), "{place}: {json}");
    assert!(json["page"]["next_token"].is_string(), "{place}: {json}");
}
