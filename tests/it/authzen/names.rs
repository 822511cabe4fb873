//! Types, actions, ids and properties of any form, and the file that maps them.

use super::{
    ACTIONS, EVALUATION, RESOURCES, SUBJECTS, ask, decision, evaluation, found, named, record,
    start, user,
};
use crate::http_support::HttpServed;
use kilwa::http::{Endpoints, HttpOptions};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;

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
async fn properties_have_the_prefixes_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authzen.toml");
    fs::write(&file, "[properties]\nresource = \"\"\naction = \"resource_\"\n").unwrap();
    let served = start(move |http| http.requests.authzen.mapping_file = Some(file)).await;
    let mut request = evaluation(user("alice"), named("write"), record("record-2"));
    request["resource"]["properties"] = json!({"resource_status": "active"});
    assert!(decision(&ask(&served, EVALUATION, &request.to_string()).await));
    request["resource"]["properties"] = json!({"status": "active"});
    assert!(!decision(&ask(&served, EVALUATION, &request.to_string()).await));
    request["action"]["properties"] = json!({"status": "active"});
    assert!(decision(&ask(&served, EVALUATION, &request.to_string()).await));
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

#[test]
fn a_file_that_cannot_be_read_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authzen.toml");
    let refused = || {
        let mut options = HttpOptions::default();
        options.authzen.mapping_file = Some(file.clone());
        Endpoints::new(&options).unwrap_err().to_string()
    };
    assert!(refused().contains("authzen.toml"), "{}", refused());
    for (text, place) in [
        ("[types]\nperson = 5\n", "authzen.toml:2:"),
        ("\n[properties]\nsubjects = \"a\"\n", "authzen.toml:3:"),
        ("[types\n", "authzen.toml:1:"),
    ] {
        fs::write(&file, text).unwrap();
        assert!(refused().contains(place), "{text}: {}", refused());
    }
}
