//! Pages of searches.

use super::{ACTIONS, RESOURCES, SUBJECTS, ask, evaluation, found, named, record, start, user};
use crate::http_support::HttpServed;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

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

/// A fixture with more to find: seven readers of a record and five records of a reader, of which one depends on context each.
async fn start_with_more() -> HttpServed {
    let served = start(|_| {}).await;
    let readers = (0..6).map(|n| format!("record:big#writer@user:u{n}"));
    let records = (0..4).map(|n| format!("record:r{n}#writer@user:carl"));
    let conditional =
        ["record:big#writer@user:u3x[not_archived]", "record:r1x#writer@user:carl[not_archived]"];
    let texts: Vec<String> = readers.chain(records).chain(conditional.map(str::to_owned)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    served.server.touch(&texts).await.unwrap();
    served
}

fn paged_searches() -> [(&'static str, Value); 2] {
    [
        (SUBJECTS, evaluation(json!({"type": "user"}), named("write"), record("big"))),
        (RESOURCES, evaluation(user("carl"), named("write"), json!({"type": "record"}))),
    ]
}

#[tokio::test]
async fn pages_of_any_length_have_all_results_once() {
    let served = start_with_more().await;
    for (path, mut request) in paged_searches() {
        let whole = ask(&served, path, &request.to_string()).await;
        let all = found(&whole, "id");
        assert!(all.len() >= 4, "{all:?}");
        assert!(whole.body.starts_with("{\"page\":"), "the page comes first: {whole:?}");
        for limit in 1..=all.len() + 2 {
            request["page"] = json!({"limit": limit});
            let (mut collected, mut count) = (BTreeSet::new(), 0);
            loop {
                let answer = ask(&served, path, &request.to_string()).await;
                let results = found(&answer, "id");
                let page = answer.json()["page"].clone();
                assert!(results.len() <= limit, "{answer:?}");
                assert_eq!(page["count"], results.len(), "{answer:?}");
                count += results.len();
                collected.extend(results);
                if page["next_token"] == "" {
                    break;
                }
                request["page"] = json!({"token": page["next_token"], "limit": limit});
            }
            assert_eq!((count, &collected), (all.len(), &all), "{path}, {limit} at a time");
        }
    }
}

#[tokio::test]
async fn a_token_continues_its_own_search_alone() {
    let served = start_with_more().await;
    for (index, (path, request)) in paged_searches().into_iter().enumerate() {
        let with_page = |mut request: Value, page: Value| {
            request["page"] = page;
            request.to_string()
        };
        let first = ask(&served, path, &with_page(request.clone(), json!({"limit": 2}))).await;
        let token = first.json()["page"]["next_token"].as_str().unwrap().to_owned();
        assert!(!token.is_empty(), "{first:?}");
        let next = |request: &Value| with_page(request.clone(), json!({"token": token}));
        assert_eq!(ask(&served, path, &next(&request)).await.status, 200);

        let changed = |pointer: &str, value: Value| {
            let mut request = request.clone();
            let (of, name) = pointer.rsplit_once('/').unwrap();
            request.pointer_mut(of).unwrap()[name] = value;
            request
        };
        let mut others = vec![
            (path, next(&changed("/action/name", json!("read")))),
            (path, next(&changed("/context", json!({"resource_status": "active"})))),
            (path, next(&changed("/subject/properties", json!({"role": "admin"})))),
            (path, next(&changed("/resource/properties", json!({"status": "active"})))),
            (path, with_page(request.clone(), json!({"token": token, "limit": 3}))),
            (path, with_page(request.clone(), json!({"token": format!("3{}", &token[1..])}))),
            (path, with_page(request.clone(), json!({"token": format!("{token}x")}))),
        ];
        let (other_path, other) = &paged_searches()[1 - index];
        others.push((other_path, next(other)));
        let actions = json!({"subject": user("carl"), "resource": record("r1")});
        others.push((ACTIONS, next(&actions)));
        for (path, body) in others {
            let answer = ask(&served, path, &body).await;
            assert_eq!(answer.status, 400, "{path} {body}: {answer:?}");
            assert!(answer.json().is_string(), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn the_form_of_a_page_is_checked() {
    let served = start_with_more().await;
    let actions = json!({"subject": user("alice"), "resource": record("record-1")});
    for (path, mut request) in paged_searches().into_iter().chain([(ACTIONS, actions)]) {
        for page in [
            json!(5),
            json!({"limit": -1}),
            json!({"limit": 1.5}),
            json!({"limit": "1"}),
            json!({"token": 5}),
            json!({"token": "nonsense"}),
            json!({"token": "0.x"}),
            json!({"token": "1001.x"}),
        ] {
            request["page"] = page;
            let answer = ask(&served, path, &request.to_string()).await;
            assert_eq!(answer.status, 400, "{path} {request}");
            assert!(answer.body.contains("page"), "{answer:?}");
        }
        for page in [
            Value::Null,
            json!({}),
            json!({"token": "", "limit": 1_000_000}),
            json!({"token": null, "limit": null, "properties": {"sort": "id"}, "unknown": 1}),
        ] {
            request["page"] = page;
            let answer = ask(&served, path, &request.to_string()).await;
            assert_eq!((answer.status, &answer.json()["page"]["next_token"]), (200, &json!("")));
        }
    }
}

#[tokio::test]
async fn an_action_search_has_pages_at_one_revision() {
    let served = start_with_more().await;
    let mut request = json!({
        "subject": user("alice"), "resource": record("record-1"), "context": {"action_soft": true},
    });
    let all = found(&ask(&served, ACTIONS, &request.to_string()).await, "name");
    assert_eq!(all.len(), 3);
    for limit in 1..=4 {
        request["page"] = json!({"limit": limit});
        let (mut collected, mut count) = (BTreeSet::new(), 0);
        loop {
            let answer = ask(&served, ACTIONS, &request.to_string()).await;
            let results = found(&answer, "name");
            assert!(results.len() <= limit, "{answer:?}");
            count += results.len();
            collected.extend(results);
            let token = answer.json()["page"]["next_token"].clone();
            if token == "" {
                break;
            }
            request["page"] = json!({"token": token});
        }
        assert_eq!((count, &collected), (3, &all), "{limit} at a time");
    }

    request["page"] = json!({"limit": 1});
    let first = ask(&served, ACTIONS, &request.to_string()).await;
    let mut collected = found(&first, "name");
    let token = first.json()["page"]["next_token"].as_str().unwrap().to_owned();
    // What is deleted now was there at the revision of the first page.
    let removal =
        json!({"relationshipFilter": {"resourceType": "record", "optionalResourceId": "record-1"}});
    served.posted("/v1/relationships/delete", &removal.to_string()).await;
    let mut next = token.clone();
    while !next.is_empty() {
        request["page"] = json!({"token": next});
        let answer = ask(&served, ACTIONS, &request.to_string()).await;
        collected.extend(found(&answer, "name"));
        next = answer.json()["page"]["next_token"].as_str().unwrap().to_owned();
    }
    assert_eq!(collected, all);
    request["page"] = json!({});
    let now = found(&ask(&served, ACTIONS, &request.to_string()).await, "name");
    assert_eq!(now, BTreeSet::new());

    for (name, value, page) in [
        ("subject", user("bob"), json!({"token": token})),
        ("resource", record("record-2"), json!({"token": token})),
        ("context", json!({}), json!({"token": token})),
        ("unknown", json!(1), json!({"token": token, "limit": 2})),
        ("unknown", json!(1), json!({"token": format!("{token}x")})),
    ] {
        let mut other = request.clone();
        other[name] = value;
        other["page"] = page;
        assert_eq!(ask(&served, ACTIONS, &other.to_string()).await.status, 400, "{other}");
    }
    // Something else is no reason to refuse it.
    request["unknown"] = json!(1);
    request["page"] = json!({"token": token, "limit": 1});
    assert_eq!(ask(&served, ACTIONS, &request.to_string()).await.status, 200);
}

#[tokio::test]
async fn a_page_of_actions_continues_with_the_mapping_of_the_first_page() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authzen.toml");
    fs::write(&file, "[actions]\nview = \"read\"\nlook = \"read\"\n").unwrap();
    let mapped = file.clone();
    let served = start(move |http| http.requests.authzen.mapping_file = Some(mapped)).await;
    let all = json!({"subject": user("alice"), "resource": record("record-1")});
    let mut paged = all.clone();
    paged["page"] = json!({"limit": 1});
    let first = ask(&served, ACTIONS, &paged.to_string()).await;
    paged["page"] = json!({"token": first.json()["page"]["next_token"]});
    assert_eq!(ask(&served, ACTIONS, &paged.to_string()).await.status, 200);

    fs::write(&file, "[actions]\nview = \"read\"\n").unwrap();
    let end = tokio::time::Instant::now() + Duration::from_mins(1);
    while found(&ask(&served, ACTIONS, &all.to_string()).await, "name").contains("look") {
        assert!(tokio::time::Instant::now() < end, "the change is not seen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let refused = ask(&served, ACTIONS, &paged.to_string()).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("mapping file was changed"), "{refused:?}");
    // A search from the start has the new names.
    paged["page"] = json!({"limit": 1});
    assert_eq!(ask(&served, ACTIONS, &paged.to_string()).await.status, 200);
}
