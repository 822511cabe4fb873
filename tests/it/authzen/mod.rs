//! AuthZEN: the requests of the certification scenario, and every rule of the Authorization API.

mod evaluations;
mod metadata;
mod names;
mod pages;
mod requests;
mod scenario;
mod searches;

use crate::http_support::{HttpAnswer, HttpServed};
use crate::server_support::KEY;
use kilwa::config::HttpListenerOptions;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const EVALUATION: &str = "/access/v1/evaluation";
const EVALUATIONS: &str = "/access/v1/evaluations";
const SUBJECTS: &str = "/access/v1/search/subject";
const RESOURCES: &str = "/access/v1/search/resource";
const ACTIONS: &str = "/access/v1/search/action";
const PATHS: [&str; 5] = [EVALUATION, EVALUATIONS, SUBJECTS, RESOURCES, ACTIONS];

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

/// The decision of an answer that has to be one.
#[track_caller]
fn decision(answer: &HttpAnswer) -> bool {
    let content_type = answer.header("content-type");
    assert_eq!((answer.status, content_type), (200, Some("application/json")), "{answer:?}");
    answer.json()["decision"].as_bool().unwrap_or_else(|| panic!("no decision: {answer:?}"))
}

/// The decisions of an answer to a batch.
#[track_caller]
fn decisions(answer: &HttpAnswer) -> Vec<bool> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert_eq!(answer.get("decision"), None, "{answer}");
    let items = answer["evaluations"].as_array().unwrap();
    items.iter().map(|item| item["decision"].as_bool().unwrap()).collect()
}

/// A member of each result.
#[track_caller]
fn found(answer: &HttpAnswer, member: &str) -> BTreeSet<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let results = answer["results"].as_array().unwrap();
    results.iter().map(|result| result[member].as_str().unwrap().to_owned()).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
