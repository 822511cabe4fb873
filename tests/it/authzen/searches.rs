//! Searches for subjects, resources and actions.

use super::{
    ACTIONS, EVALUATION, RESOURCES, SUBJECTS, admin, archived, ask, decision, evaluation, found,
    named, names, record, start, user,
};
use crate::http_support::HttpServed;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[tokio::test]
async fn searches_find_what_evaluations_permit() {
    let served = start(|_| {}).await;
    let kind = |name: &str| json!({"type": name});
    let search = |subject: Value, action: &str, resource: Value| {
        evaluation(subject, named(action), resource).to_string()
    };
    for (path, body, member, expected) in [
        (
            SUBJECTS,
            search(kind("user"), "read", record("record-1")),
            "id",
            names(&["alice", "bob"]),
        ),
        (SUBJECTS, search(user("ignored"), "write", archived()), "id", names(&["bob"])),
        (RESOURCES, search(user("alice"), "read", kind("record")), "id", names(&["record-1"])),
        (RESOURCES, search(admin(), "write", record("ignored")), "id", names(&["record-2"])),
        (SUBJECTS, search(kind("user"), "read", record("unknown")), "id", names(&[])),
        (SUBJECTS, search(kind("robot"), "read", record("record-1")), "id", names(&[])),
        (RESOURCES, search(user("unknown"), "read", kind("record")), "id", names(&[])),
        (RESOURCES, search(user("alice"), "read", kind("Planet 9")), "id", names(&[])),
        (RESOURCES, search(user("alice"), "fly", kind("record")), "id", names(&[])),
    ] {
        let answer = ask(&served, path, &body).await;
        assert_eq!(found(&answer, member), expected, "{path} {body}");
        assert_eq!(answer.json()["page"]["next_token"], "", "{path}");
    }
    let actions = |subject: Value, resource: Value| {
        json!({"subject": subject, "resource": resource}).to_string()
    };
    let answer = ask(&served, ACTIONS, &actions(user("alice"), record("record-1"))).await;
    assert_eq!(found(&answer, "name"), names(&["read", "write"]));
    let answer = ask(&served, ACTIONS, &actions(admin(), archived())).await;
    assert_eq!(found(&answer, "name"), names(&["read", "write"]));
    let answer =
        ask(&served, ACTIONS, &actions(user("alice"), json!({"type": "planet", "id": "x"}))).await;
    assert_eq!(found(&answer, "name"), names(&[]));
}

#[tokio::test]
async fn what_is_searched_needs_no_id_and_other_members_are_ignored() {
    let served = start(|_| {}).await;
    let ignored = json!({"type": "user", "id": 5, "properties": {"x": 1}});
    let mut request = evaluation(ignored, named("read"), record("record-1"));
    request["context"] = json!({"time": "now"});
    request["unknown"] = json!([1]);
    let answer = ask(&served, SUBJECTS, &request.to_string()).await;
    assert_eq!(found(&answer, "id"), names(&["alice", "bob"]));
    let ignored = json!({"type": "record", "id": null});
    let request = evaluation(user("alice"), named("read"), ignored).to_string();
    assert_eq!(found(&ask(&served, RESOURCES, &request).await, "id"), names(&["record-1"]));

    // An action search has no action; properties and context apply to it.
    let mut request = json!({"subject": user("alice"), "resource": record("record-1")});
    request["action"] = named("read");
    request["page"] = json!({"limit": 10, "properties": {"sort": "name"}});
    let answer = ask(&served, ACTIONS, &request.to_string()).await;
    assert_eq!(found(&answer, "name"), names(&["read", "write"]));
    request["context"] = json!({"action_soft": true});
    let answer = ask(&served, ACTIONS, &request.to_string()).await;
    assert_eq!(found(&answer, "name"), names(&["delete", "read", "write"]));
    request["resource"] =
        json!({"type": "record", "id": "record-2", "properties": {"status": "active"}});
    let answer = ask(&served, ACTIONS, &request.to_string()).await;
    assert_eq!(found(&answer, "name"), names(&["read", "write"]));
}

const GROUPS: &str = "definition user {}

definition team {
  relation member: user | team#member
}

definition folder {
  relation viewer: team#member
  permission view = viewer
}

definition page {
  relation folder: folder
  relation viewer: user | user:*
  permission view = viewer + folder->view
  permission share = folder->view
}
";

#[tokio::test]
async fn searches_follow_groups_and_each_result_is_permitted() {
    let served = HttpServed::start().await;
    served.server.write_schema(GROUPS).await.unwrap();
    served
        .server
        .touch(&[
            "team:all#member@team:some#member",
            "team:some#member@team:few#member",
            "team:few#member@user:ann",
            "team:all#member@user:ben",
            "folder:top#viewer@team:all#member",
            "page:home#folder@folder:top",
            "page:other#viewer@user:cid",
        ])
        .await
        .unwrap();
    let page = |id: &str| json!({"type": "page", "id": id});
    let search = |subject: Value, resource: Value| evaluation(subject, named("view"), resource);
    let users = search(json!({"type": "user"}), page("home")).to_string();
    let users = found(&ask(&served, SUBJECTS, &users).await, "id");
    assert_eq!(users, names(&["ann", "ben"]));
    let pages = search(user("ann"), json!({"type": "page"})).to_string();
    let pages = found(&ask(&served, RESOURCES, &pages).await, "id");
    assert_eq!(pages, names(&["home"]));
    let actions = json!({"subject": user("ann"), "resource": page("home")}).to_string();
    let actions = found(&ask(&served, ACTIONS, &actions).await, "name");
    assert_eq!(actions, names(&["share", "view"]));

    for id in ["ann", "ben", "cid", "eve"] {
        let asked = search(user(id), page("home")).to_string();
        assert_eq!(decision(&ask(&served, EVALUATION, &asked).await), users.contains(id), "{id}");
    }
    // A wildcard permits everyone, and is no subject itself.
    served.server.touch(&["page:other#viewer@user:*"]).await.unwrap();
    let asked = search(json!({"type": "user"}), page("other")).to_string();
    assert_eq!(found(&ask(&served, SUBJECTS, &asked).await, "id"), names(&["cid"]));
    assert!(decision(
        &ask(&served, EVALUATION, &search(user("eve"), page("other")).to_string()).await
    ));
}

#[tokio::test]
async fn conditional_results_are_not_found() {
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
