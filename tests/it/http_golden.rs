//! The recorded answers of SpiceDB's HTTP gateway, replayed.
//!
//! A request that is to be answered as fast as possible was answered at a revision before the last writes by SpiceDB. Kilwa is
//! told to answer two of them at such a revision.

use super::http_support::{HttpAnswer, HttpServed};
use super::outside::gateway_answers;
use super::server_support::KEY;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Answers that differ, and why. What is the gateway's own is in none of them, except for the document of the routes: each is what
/// the services answer over gRPC too.
const DIFFERENT: &[(&[&str], &str)] = &[
    (&["readrel_permfilter", "delete_partial"], "the answer of SpiceDB since 1.57"),
    (&["subjects"], "LookupSubjects has cursors"),
    (&["schemabad"], "the schema parser says what is wrong with the name `x`"),
    (&["openapi_post"], "the document is in OpenAPI 3.1, and of Kilwa"),
];

/// A recorded request with its answer.
struct Row<'t> {
    name: &'t str,
    method: &'t str,
    path: &'t str,
    body: &'t str,
    status: u16,
    content_type: Option<&'t str>,
    answer: &'t str,
}

#[tokio::test]
async fn answers_are_those_of_spicedb() {
    let Some(recorded) = gateway_answers() else { return };
    let served = HttpServed::start().await;
    let mut different = Vec::new();
    let mut written = Value::Null;
    let schema = formatted_schema(&recorded);
    for mut row in rows(&recorded) {
        if row.name == "writeschema" {
            row.body = &schema;
        }
        let stale = stale_body(&row, &written);
        if let Some(stale) = &stale {
            row.body = stale;
        }
        let answer = match row.name {
            "watch" => watched(&served, &row, &written).await,
            _ => answer(&served, &row).await,
        };
        if row.name == "writeschema" {
            written = answer.json()["writtenAt"].clone();
        }
        if let Some(difference) = difference(&row, &answer) {
            different.push((row.name.to_owned(), difference));
        }
    }
    let known: BTreeSet<&str> = DIFFERENT.iter().flat_map(|(names, _)| *names).copied().collect();
    let found: BTreeSet<&str> = different.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(found, known, "{different:#?}");
}

fn rows(recorded: &str) -> Vec<Row<'_>> {
    recorded.split("=== ").skip(1).map(row).collect()
}

fn row(text: &str) -> Row<'_> {
    let (request, rest) = text.split_once('\n').unwrap();
    let (name, request) = request.split_once(": ").unwrap();
    let (method, request) = request.split_once(' ').unwrap();
    let (path, body) = request.split_once("  ").unwrap();
    let (head, answer) = rest.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let content_type = lines.find_map(|line| line.strip_prefix("Content-Type: "));
    Row { name, method, path, body, status, content_type, answer: answer.trim() }
}

/// The schema in the form in which SpiceDB gives it back; Kilwa gives it back as it was written.
fn formatted_schema(recorded: &str) -> String {
    let read = rows(recorded).into_iter().find(|row| row.name == "readschema").unwrap();
    let read: Value = serde_json::from_str(read.answer).unwrap();
    json!({"schema": read["schemaText"]}).to_string()
}

/// The body of a request that SpiceDB answered before the first relationship was written, at the revision of the schema.
fn stale_body(row: &Row<'_>, schema_written: &Value) -> Option<String> {
    let mut body: Value = serde_json::from_str(row.body).ok()?;
    let is_stale = body.get("consistency").is_none()
        && ["check_unknownfield", "exportbulk"].contains(&row.name);
    is_stale.then(|| {
        body["consistency"] = json!({"atExactSnapshot": schema_written});
        body.to_string()
    })
}

async fn answer(served: &HttpServed, row: &Row<'_>) -> HttpAnswer {
    let bearer = format!("Bearer {KEY}");
    let key = ("Authorization", bearer.as_str());
    let headers = match row.name {
        "noauth" | "stream_noauth" => Vec::new(),
        "badkey" => vec![("Authorization", "Bearer wrong")],
        "writeschema" => vec![key, ("X-Request-ID", "abc-1")],
        "timeout" => vec![key, ("Grpc-Timeout", "1n")],
        "accept" => vec![key, ("Accept", "application/x-protobuf"), ("Content-Type", "text/plain")],
        _ => vec![key],
    };
    let answer = served.send(row.method, row.path, &headers, row.body).await;
    if row.name == "importbulk" {
        let update = json!({"operation": "OPERATION_TOUCH", "relationship": {
            "resource": {"objectType": "group", "objectId": "g"}, "relation": "member",
            "subject": {"object": {"objectType": "user", "objectId": "dan"}}}});
        // A write that was made between two of the recorded ones.
        let write = json!({"updates": [update], "optionalTransactionMetadata": {"who": "me"}});
        served.posted("/v1/relationships/write", &write.to_string()).await;
    }
    answer
}

/// The first lines of a watch. It starts at the schema, where the recorded one started by chance.
async fn watched(served: &HttpServed, row: &Row<'_>, start: &Value) -> HttpAnswer {
    let mut body: Value = serde_json::from_str(row.body).unwrap();
    body["optionalStartCursor"] = start.clone();
    let mut open = served.open(row.path, &body.to_string()).await;
    let mut lines = String::new();
    for _ in row.answer.lines() {
        writeln!(lines, "{}", open.next().await).unwrap();
    }
    HttpAnswer::of_lines(lines)
}

fn difference(row: &Row<'_>, answer: &HttpAnswer) -> Option<String> {
    let content_type = answer.header("content-type");
    if (answer.status, content_type) != (row.status, row.content_type) {
        return Some(format!("{} {content_type:?} {}", answer.status, answer.body));
    }
    let (found, expected) = (masked(&answer.body), masked(row.answer));
    (found != expected).then(|| format!("found    {found:#?}\nexpected {expected:#?}"))
}

/// The lines in any order, without what is different in each run. The relationships of an export count as lines of their own.
fn masked(body: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for value in serde_json::Deserializer::from_str(body).into_iter::<Value>() {
        let mut value = value.unwrap();
        mask(&mut value);
        if let Some(relationships) = value["result"]["relationships"].as_array_mut() {
            lines.extend(relationships.drain(..).map(|one| one.to_string()));
        }
        lines.push(value.to_string());
    }
    lines.sort_unstable();
    lines
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if ["token", "duration", "traceOperationId", "source"].contains(&name.as_str()) {
                    assert!(member.is_string(), "{name}: {member}");
                    *member = Value::Null;
                } else {
                    mask(member);
                }
            }
        }
        Value::Array(items) => {
            items.iter_mut().for_each(mask);
            // SpiceDB asks the branches of a union at once. Which of those without the permission have answered before one with it,
            // and are therefore in the trace, is chance.
            let is = |item: &Value, result: &str| item["result"] == result;
            if items.iter().any(|item| is(item, "PERMISSIONSHIP_HAS_PERMISSION")) {
                items.retain(|item| !is(item, "PERMISSIONSHIP_NO_PERMISSION"));
            }
            // Subjects and updates have no order that is promised.
            items.sort_by_key(Value::to_string);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
