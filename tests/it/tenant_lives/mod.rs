//! The lives of the example systems' tenants, played on a real server with a real disk: after every event, every
//! permission of every subject on every object so far is what the system's matrix says.

mod events;

use crate::support::{Answer, Client, Question, Server};
use events::{Event, Life, Row};
use kilwa::api::proto::authzed::api::v1::ZedToken;
use kilwa::relationship::ObjectRef;
use kilwa::schema::{self, Rule, Schema};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// How many wrong cells a failure shows.
const WRONG_SHOWN_MAX: usize = 20;

#[tokio::test]
async fn gotify() {
    play("gotify").await;
}

#[tokio::test]
async fn jetlinks() {
    play("jetlinks").await;
}

#[tokio::test]
async fn gitpod() {
    play("gitpod").await;
}

#[tokio::test]
async fn apollo() {
    play("apollo").await;
}

#[tokio::test]
async fn dify() {
    play("dify").await;
}

async fn play(system: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema-examples").join(system);
    let schema_text = fs::read_to_string(folder.join("schema.zed")).unwrap();
    let life = Life::read(&fs::read_to_string(folder.join("events.yaml")).unwrap());
    let mut matrix = Matrix::new(&schema_text, &life.subjects);

    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let mut client = Client::connect(server.endpoint()).await;
    let mut token = client.write_schema(&schema_text).await;
    for event in &life.events {
        token = happen(&mut client, event).await.unwrap_or(token);
        matrix.change(&event.rows);
        matrix.require(&mut client, &token, &life, &event.name).await;
    }

    drop(server);
    let server = Server::start(data.path());
    let mut client = Client::connect(server.endpoint()).await;
    matrix.require(&mut client, &token, &life, "a kill and another start").await;
}

/// Makes the changes of an event; the token is that of the last one.
async fn happen(client: &mut Client, event: &Event) -> Option<ZedToken> {
    let mut token = None;
    if !event.write.is_empty() || !event.delete.is_empty() {
        let written = client.write(&event.write, &event.delete).await;
        token = Some(written.unwrap_or_else(|status| panic!("{}: {status}", event.name)));
    }
    for filter in &event.delete_matching {
        let deleted = client.delete_matching(filter).await;
        token = Some(deleted.unwrap_or_else(|status| panic!("{}: {status}", event.name)));
    }
    token
}

/// What every subject may do on every object so far.
struct Matrix {
    schema: Schema,
    subjects: BTreeSet<String>,
    rows: BTreeMap<ObjectRef, BTreeMap<String, BTreeSet<String>>>,
}

impl Matrix {
    fn new(schema_text: &str, subjects: &[String]) -> Self {
        let schema = schema::compile(schema_text).unwrap();
        Self { schema, subjects: subjects.iter().cloned().collect(), rows: BTreeMap::new() }
    }

    fn change(&mut self, rows: &[Row]) {
        for Row { resource, subject, permissions } in rows {
            let known: BTreeSet<_> = self.permissions(resource).collect();
            for name in permissions {
                assert!(known.contains(name.trim_end_matches('?')), "{resource} has no {name}");
            }
            assert!(self.subjects.contains(subject), "{subject} is none of the subjects");
            let row = self.rows.entry(resource.clone()).or_default();
            row.insert(subject.clone(), permissions.clone());
        }
    }

    /// The permissions of an object's definition.
    fn permissions(&self, resource: &ObjectRef) -> impl Iterator<Item = &str> {
        let definition = self.schema.find_definition(resource.object_type()).unwrap();
        let nodes = definition.nodes.iter().map(|id| self.schema.node(*id));
        nodes.filter(|node| matches!(node.rule, Rule::Permission(_))).map(|node| node.name.as_str())
    }

    fn questions(&self) -> Vec<Question> {
        let mut questions = Vec::new();
        for resource in self.rows.keys() {
            for subject in &self.subjects {
                questions.extend(self.permissions(resource).map(|permission| Question {
                    resource: resource.clone(),
                    permission: permission.to_owned(),
                    subject: subject.parse().unwrap(),
                }));
            }
        }
        questions
    }

    fn expected(&self, question: &Question) -> Answer {
        let subject = question.subject.to_string();
        let row = self.rows.get(&question.resource).and_then(|subjects| subjects.get(&subject));
        let holds = |name: &str| row.is_some_and(|permissions| permissions.contains(name));
        if holds(&question.permission) {
            Answer::Yes
        } else if holds(&format!("{}?", question.permission)) {
            Answer::Depends
        } else {
            Answer::No
        }
    }

    /// Asks for every cell, and fails with those that are wrong.
    async fn require(&self, client: &mut Client, token: &ZedToken, life: &Life, event: &str) {
        let questions = self.questions();
        let answers = client.check_each(token, &life.context, &questions).await;
        let wrong: Vec<_> = std::iter::zip(&questions, answers)
            .filter(|(question, answer)| self.expected(question) != *answer)
            .map(|(question, answer)| {
                let Question { resource, permission, subject } = question;
                let expected = self.expected(question);
                format!("{resource}#{permission}@{subject}: expected {expected:?}, got {answer:?}")
            })
            .collect();
        assert!(
            wrong.is_empty(),
            "after `{event}`, {} of {} cells are wrong:\n{}",
            wrong.len(),
            questions.len(),
            wrong.iter().take(WRONG_SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join("\n")
        );
    }
}
