//! The reference beside a real `SpiceDB`, when `KILWA_TEST_SPICEDB` names its program.
//!
//! Both are asked the same random questions. Left out is what Kilwa answers differently on purpose: a wildcard covers
//! no usersets, and circles have answers.

use crate::reference::case::{Asked, Case, now};
use crate::reference::random::Random;
use crate::reference::rules::Rules;
use crate::reference::shrink::{Specimen, shrink};
use crate::reference::solution::Verdict;
use crate::reference::{Answer, Reference, generate};
use crate::server_support::{consistency, object, structure, touch};
use kilwa::api::proto::authzed::api::v1 as proto;
use kilwa::relationship::{Relationship, Subject};
use kilwa::schema::compile;
use proto::check_permission_response::Permissionship;
use proto::permissions_service_client::PermissionsServiceClient;
use proto::schema_service_client::SchemaServiceClient;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::Runtime;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

/// How many schemas are tried, and how many questions each is asked.
const CASES: usize = 150;
const QUESTIONS_PER_CASE: usize = 20;

#[test]
fn spicedb_agrees_with_the_reference() {
    let Some(program) = program() else {
        eprintln!("skipped: KILWA_TEST_SPICEDB does not name a SpiceDB program");
        return;
    };
    let runtime = Runtime::new().unwrap();
    let peer = Peer::start(&program, &runtime);
    let mut random = Random::new(11);
    for _ in 0..CASES {
        let specimen = generate::specimen(&mut random, QUESTIONS_PER_CASE);
        let fault = |specimen: &Specimen| runtime.block_on(peer.disagreement(&specimen.case()));
        if fault(&specimen).is_some() {
            let small = shrink(specimen, |smaller| fault(smaller).is_some());
            panic!("{}\n\n{}", fault(&small).unwrap(), small.case());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the program lies wherever the environment says")]
fn program() -> Option<String> {
    std::env::var("KILWA_TEST_SPICEDB").ok()
}

/// A `SpiceDB` that keeps an empty datastore of its own for each key that it is shown.
struct Peer {
    process: Child,
    channel: Channel,
    keys: AtomicUsize,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Peer {
    fn start(program: &str, runtime: &Runtime) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut process = Command::new(program)
            .args(["serve-testing", "--skip-release-check", "--log-level=error"])
            .args(["--readonly-grpc-enabled=false", "--grpc-max-conn-age=1h"])
            .arg(format!("--grpc-addr=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
        let channel = loop {
            match runtime.block_on(endpoint.connect()) {
                Ok(channel) => break channel,
                Err(_) => assert!(process.try_wait().unwrap().is_none(), "{program} ended"),
            }
        };
        Self { process, channel, keys: AtomicUsize::new(0) }
    }

    /// What the peer says to the case's questions and the reference does not.
    async fn disagreement(&self, case: &Case) -> Option<String> {
        let schema = compile(&case.schema).unwrap();
        let rules = Rules::of(&schema);
        let reference = Reference::new(&rules, &schema, case.relationships.iter(), now());
        let key = self.keys.fetch_add(1, Ordering::Relaxed).to_string();
        if let Err(status) = self.load(&key, case).await {
            return Some(format!("SpiceDB refuses the case: {}", status.message()));
        }
        for asked in &case.questions {
            let answer = reference.answer(
                &asked.resource,
                &asked.permission,
                &asked.subject,
                &asked.context,
            );
            let said = self.ask(&key, asked).await;
            if !differs_on_purpose(case, asked, &answer) && !agree(&answer, &said) {
                return Some(format!("`{asked}`: SpiceDB says {said:?}, the reference {answer:?}"));
            }
        }
        None
    }

    async fn load(&self, key: &str, case: &Case) -> Result<(), Status> {
        let mut schemas = SchemaServiceClient::new(self.channel.clone());
        let request = proto::WriteSchemaRequest { schema: case.schema.clone() };
        schemas.write_schema(keyed(key, request)).await?;
        let updates = case
            .relationships
            .iter()
            .filter(|stored| stored.expires_at.is_none_or(|expires_at| now() < expires_at))
            .map(|stored| touch(&stored.to_string()))
            .collect();
        let request = proto::WriteRelationshipsRequest { updates, ..Default::default() };
        let mut permissions = PermissionsServiceClient::new(self.channel.clone());
        permissions.write_relationships(keyed(key, request)).await?;
        Ok(())
    }

    async fn ask(&self, key: &str, asked: &Asked) -> Result<Verdict, Status> {
        let subject = &asked.subject;
        let request = proto::CheckPermissionRequest {
            consistency: Some(consistency(proto::consistency::Requirement::FullyConsistent(true))),
            resource: Some(object(asked.resource.object_type(), asked.resource.object_id())),
            permission: asked.permission.clone(),
            subject: Some(proto::SubjectReference {
                object: Some(object(subject.object_type(), subject.object_id())),
                optional_relation: subject.relation().unwrap_or_default().to_owned(),
            }),
            context: Some(structure(&asked.context.to_string())),
            with_tracing: false,
        };
        let mut client = PermissionsServiceClient::new(self.channel.clone());
        let response = client.check_permission(keyed(key, request)).await?.into_inner();
        Ok(match response.permissionship() {
            Permissionship::HasPermission => Verdict::Member,
            Permissionship::NoPermission => Verdict::NotMember,
            Permissionship::ConditionalPermission => {
                let missing = response.partial_caveat_info.unwrap_or_default();
                let names: BTreeSet<String> =
                    missing.missing_required_context.into_iter().collect();
                Verdict::Conditional(names)
            }
            Permissionship::Unspecified => panic!("an answer without a value"),
        })
    }
}

fn keyed<T>(key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = MetadataValue::try_from(format!("Bearer {key}")).unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

/// Whether Kilwa's answer is meant to differ.
fn differs_on_purpose(case: &Case, asked: &Asked, answer: &Answer) -> bool {
    let covered = |stored: &Relationship| {
        stored.subject == Subject::Wildcard(asked.subject.object_type().to_owned())
    };
    let userset = asked.subject.relation().is_some();
    answer.cyclic || (userset && case.relationships.iter().any(covered))
}

fn agree(answer: &Answer, said: &Result<Verdict, Status>) -> bool {
    match said {
        Ok(verdict) => answer.verdict == *verdict,
        // A caveat that cannot be evaluated.
        Err(status) => status.code() == Code::InvalidArgument && answer.verdict == Verdict::Failed,
    }
}
