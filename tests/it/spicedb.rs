//! The reference compared with a real `SpiceDB`, when `KILWA_TEST_SPICEDB` names its program.
//!
//! Both get the same random checks. Left out is what Kilwa answers differently on purpose: a wildcard covers
//! no usersets, cycles have answers, and every caveated relationship is found.

use crate::differential::known::overlooks_caveats;
use crate::outside::program;
use crate::peer::{Peer, keyed};
use crate::reference::case::{Asked, Case, now};
use crate::reference::random::Random;
use crate::reference::rules::Rules;
use crate::reference::shrink::{Specimen, shrink};
use crate::reference::solution::Verdict;
use crate::reference::{Answer, Reference, generate};
use crate::server_support::{object, structure};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::relationship::{Relationship, Subject};
use kilwa::schema::compile;
use proto::check_permission_response::Permissionship;
use proto::permissions_service_client::PermissionsServiceClient;
use std::collections::BTreeSet;
use tokio::runtime::Runtime;
use tonic::{Code, Status};

/// How many schemas are tried, and how many checks are made for each.
const CASES: usize = 150;
const QUESTIONS_PER_CASE: usize = 20;
#[test]
fn spicedb_agrees_with_the_reference() {
    let Some(program) = program("KILWA_TEST_SPICEDB") else { return };
    let runtime = Runtime::new().unwrap();
    let spicedb = Spicedb { peer: Peer::spicedb(&program, &runtime) };
    let mut random = Random::new(11);
    for _ in 0..CASES {
        let specimen = generate::specimen(&mut random, QUESTIONS_PER_CASE);
        let fault = |specimen: &Specimen| runtime.block_on(spicedb.disagreement(&specimen.case()));
        if fault(&specimen).is_some() {
            let small = shrink(specimen, |smaller| fault(smaller).is_some());
            panic!("{}\n\n{}", fault(&small).unwrap(), small.case());
        }
    }
}

/// A connection to a `SpiceDB`.
struct Spicedb {
    peer: Peer,
}

impl Spicedb {
    /// What the peer says to the case's checks and the reference does not.
    async fn disagreement(&self, case: &Case) -> Option<String> {
        let schema = compile(&case.schema).unwrap();
        if schema.nodes().iter().any(overlooks_caveats) {
            return None;
        }
        let rules = Rules::from_schema(&schema);
        let reference = Reference::new(&rules, &schema, case.relationships.iter(), now());
        let key = self.peer.next_key();
        if let Err(status) = self.peer.load(&key, case).await {
            return Some(format!("SpiceDB refuses the case: {}", status.message()));
        }
        for requested in &case.questions {
            let answer = reference.answer(
                &requested.resource,
                &requested.permission,
                &requested.subject,
                &requested.context,
            );
            // In cycles it would not end: it follows every path, fifty steps deep.
            if differs_on_purpose(case, requested, &answer) {
                continue;
            }
            let said = self.ask(&key, requested).await;
            if !agree(&answer, &said) {
                return Some(format!(
                    "`{requested}`: SpiceDB says {said:?}, the reference {answer:?}"
                ));
            }
        }
        None
    }

    async fn ask(&self, key: &str, requested: &Asked) -> Result<Verdict, Status> {
        let subject = &requested.subject;
        let newest = proto::consistency::Requirement::FullyConsistent(true);
        let request = proto::CheckPermissionRequest {
            consistency: Some(proto::Consistency { requirement: Some(newest) }),
            resource: Some(object(
                requested.resource.object_type(),
                requested.resource.object_id(),
            )),
            permission: requested.permission.clone(),
            subject: Some(proto::SubjectReference {
                object: Some(object(subject.object_type(), subject.object_id())),
                optional_relation: subject.relation().unwrap_or_default().to_owned(),
            }),
            context: Some(structure(&requested.context.to_string())),
            with_tracing: false,
        };
        let mut client = PermissionsServiceClient::new(self.peer.channel());
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

/// Whether Kilwa's answer is meant to differ.
fn differs_on_purpose(case: &Case, requested: &Asked, answer: &Answer) -> bool {
    let covered = |stored: &Relationship| {
        stored.subject == Subject::Wildcard(requested.subject.object_type().to_owned())
    };
    let userset = requested.subject.relation().is_some();
    answer.cyclic || (userset && case.relationships.iter().any(covered))
}

fn agree(answer: &Answer, said: &Result<Verdict, Status>) -> bool {
    match (&answer.verdict, said) {
        // Of `a / b` it names only `a` when both are missing.
        (Verdict::Conditional(missing), Ok(Verdict::Conditional(named))) => {
            !named.is_empty() && named.is_subset(missing)
        }
        (verdict, Ok(said)) => verdict == said,
        // A caveat that cannot be evaluated.
        (verdict, Err(status)) => {
            status.code() == Code::InvalidArgument && *verdict == Verdict::Failed
        }
    }
}
