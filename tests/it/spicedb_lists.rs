//! Trees and lists of subjects compared with those of a real `SpiceDB`, when `KILWA_TEST_SPICEDB` names its program.
//!
//! Left out is what Kilwa answers differently on purpose: see `docs/compatibility.md`.

use crate::differential::known::overlooks_caveats;
use crate::outside::program;
use crate::peer::{Peer, keyed};
use crate::reference::Reference;
use crate::reference::case::{Case, now};
use crate::reference::generate;
use crate::reference::random::Random;
use crate::reference::rules::{Body, Rules, Term, Walk};
use crate::reference::shrink::{Specimen, shrink};
use crate::server_support::{object, structure};
use crate::subject_agreement::listings;
use crate::subject_lists::{Listing, ids, listed, said};
use kilwa::engine::{
    EngineError, EvalContext, ExcludedSubject, ExpandTree, ExpandTreeKind, FoundSubject,
    SetOperation, expand,
};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::relationship::{ObjectRef, Permissionship, Subject};
use kilwa::schema::compile;
use proto::algebraic_subject_set::Operation as OperationMessage;
use proto::permission_relationship_tree::TreeType;
use proto::permissions_service_client::PermissionsServiceClient;
use std::collections::BTreeMap;
use tokio::runtime::Runtime;
use tonic::Status;

/// How many schemas are tried, and what is compared for each.
const CASES: usize = 120;
const QUESTIONS_PER_CASE: usize = 8;

#[test]
fn trees_have_the_same_shapes() {
    compare(23, &Peer::other_tree);
}

#[test]
fn lists_say_the_same() {
    compare(29, &Peer::other_list);
}

fn compare(seed: u64, difference: &impl AsyncFn(&Peer, &Case) -> Option<String>) {
    let Some(program) = program("KILWA_TEST_SPICEDB") else { return };
    let runtime = Runtime::new().unwrap();
    let peer = Peer::spicedb(&program, &runtime);
    let mut random = Random::new(seed);
    for _ in 0..CASES {
        let specimen = generate::specimen(&mut random, QUESTIONS_PER_CASE);
        let fault = |specimen: &Specimen| runtime.block_on(difference(&peer, &specimen.case()));
        if fault(&specimen).is_some() {
            let small = shrink(specimen, |smaller| fault(smaller).is_some());
            panic!("{}\n\n{}", fault(&small).unwrap(), small.case());
        }
    }
}

impl Peer {
    /// The first tree of a case that is not the peer's.
    async fn other_tree(&self, case: &Case) -> Option<String> {
        let schema = compile(&case.schema).unwrap();
        if schema.nodes().iter().any(overlooks_caveats) {
            return None;
        }
        let key = self.next_key();
        if let Err(status) = self.load(&key, case).await {
            return Some(format!("SpiceDB refuses the case: {}", status.message()));
        }
        let visible = case.relationships.visible_at(now());
        for requested in &case.questions {
            let ours = expand(
                &EvalContext::new(&schema, &visible),
                &requested.resource,
                &requested.permission,
            );
            // In a cycle it follows every path, fifty steps deep.
            if matches!(ours, Err(EngineError::EndlessTree { .. })) {
                continue;
            }
            let ours = sorted(ours.unwrap().tree);
            let theirs = self.tree(&key, &requested.resource, &requested.permission).await;
            match theirs.map(|theirs| sorted(tree(&theirs))) {
                Ok(theirs) if theirs == ours => {}
                other => {
                    let place = format!("{}#{}", requested.resource, requested.permission);
                    return Some(format!("{place}: Kilwa's {ours:#?}, SpiceDB's {other:#?}"));
                }
            }
        }
        None
    }

    async fn tree(
        &self,
        key: &str,
        resource: &ObjectRef,
        permission: &str,
    ) -> Result<proto::PermissionRelationshipTree, Status> {
        let request = proto::ExpandPermissionTreeRequest {
            consistency: Some(newest()),
            resource: Some(object(resource.object_type(), resource.object_id())),
            permission: permission.to_owned(),
        };
        let mut client = PermissionsServiceClient::new(self.channel());
        let response = client.expand_permission_tree(keyed(key, request)).await?;
        Ok(response.into_inner().tree_root.unwrap())
    }

    /// The first list of a case that says something else than the peer's.
    async fn other_list(&self, case: &Case) -> Option<String> {
        let schema = compile(&case.schema).unwrap();
        let rules = Rules::from_schema(&schema);
        if schema.nodes().iter().any(overlooks_caveats) || rules.differ_on_purpose() {
            return None;
        }
        let reference = Reference::new(&rules, &schema, case.relationships.iter(), now());
        let key = self.next_key();
        if let Err(status) = self.load(&key, case).await {
            return Some(format!("SpiceDB refuses the case: {}", status.message()));
        }
        let visible = case.relationships.visible_at(now());
        for listing in listings(case) {
            let Listing { resource, permission, context, .. } = &listing;
            let stranger = Subject::new("user", "nobody-names-me", "").unwrap();
            if reference.answer(resource, permission, &stranger, context).cyclic {
                continue;
            }
            let Ok(ours) = listed(&EvalContext::new(&schema, &visible), &listing, usize::MAX)
            else {
                continue;
            };
            let theirs = match self.list(&key, &listing).await {
                Ok(theirs) => theirs,
                Err(status) => return Some(format!("{listing}: SpiceDB says {status}")),
            };
            let differs = ids(case.relationships.iter(), resource)
                .into_iter()
                .find(|id| certainty(&said(&ours, id)) != certainty(&said(&theirs, id)));
            if let Some(id) = differs {
                return Some(format!("{listing}, {id}: Kilwa {ours:#?}, SpiceDB {theirs:#?}"));
            }
        }
        None
    }

    async fn list(&self, key: &str, listing: &Listing) -> Result<Vec<FoundSubject>, Status> {
        let resource = &listing.resource;
        let request = proto::LookupSubjectsRequest {
            consistency: Some(newest()),
            resource: Some(object(resource.object_type(), resource.object_id())),
            permission: listing.permission.clone(),
            subject_object_type: listing.subject_type.clone(),
            optional_subject_relation: listing.subject_relation.clone().unwrap_or_default(),
            context: Some(structure(&listing.context.to_string())),
            ..proto::LookupSubjectsRequest::default()
        };
        let mut client = PermissionsServiceClient::new(self.channel());
        let mut stream = client.lookup_subjects(keyed(key, request)).await?.into_inner();
        let mut found = Vec::new();
        while let Some(response) = stream.message().await? {
            let excluded = response.excluded_subjects.iter().map(|excluded| {
                let permissionship = permissionship(excluded);
                let certain = permissionship == Permissionship::HasPermission;
                let permissionship =
                    if certain { Permissionship::NoPermission } else { permissionship };
                ExcludedSubject { object_id: excluded.subject_object_id.clone(), permissionship }
            });
            let subject = response.subject.as_ref().unwrap();
            found.push(FoundSubject {
                object_id: subject.subject_object_id.clone(),
                permissionship: permissionship(subject),
                excluded: excluded.collect(),
            });
        }
        // The same subject may come several times, once for each way to it.
        found.sort_by_key(|found| found.permissionship != Permissionship::HasPermission);
        Ok(found)
    }
}

impl Rules {
    /// Whether lists of subjects are meant to differ: of `.all` over a type without the permission, of `self` for
    /// another type, and of a wildcard that is taken from a wildcard.
    fn differ_on_purpose(&self) -> bool {
        let bodies = self.0.values().flat_map(BTreeMap::values);
        bodies.into_iter().any(|body| match body {
            Body::Relation => false,
            Body::Permission(term) => differs(term),
        })
    }
}

fn differs(term: &Term) -> bool {
    match term {
        Term::Nil | Term::Name(_) => false,
        Term::Itself => true,
        Term::Arrow { walk, .. } => *walk == Walk::All,
        Term::Union(terms) | Term::Intersection(terms) => terms.iter().any(differs),
        Term::Exclusion(base, subtracted) => differs(base) || differs(subtracted),
    }
}

fn newest() -> proto::Consistency {
    let requirement = Some(proto::consistency::Requirement::FullyConsistent(true));
    proto::Consistency { requirement }
}

fn permissionship(subject: &proto::ResolvedSubject) -> Permissionship {
    match subject.permissionship() {
        proto::LookupPermissionship::HasPermission => Permissionship::HasPermission,
        proto::LookupPermissionship::ConditionalPermission => {
            let missing = subject.partial_caveat_info.clone().unwrap_or_default();
            Permissionship::Conditional(missing.missing_required_context.into_iter().collect())
        }
        proto::LookupPermissionship::Unspecified => panic!("an answer without a value"),
    }
}

/// Which of the three values it is: the names of missing context are fewer or more here and there.
fn certainty(permissionship: &Permissionship) -> u8 {
    match permissionship {
        Permissionship::NoPermission => 0,
        Permissionship::Conditional(_) => 1,
        Permissionship::HasPermission => 2,
    }
}

fn tree(message: &proto::PermissionRelationshipTree) -> ExpandTree {
    let owner = message.expanded_object.as_ref().unwrap();
    let kind = match message.tree_type.as_ref().unwrap() {
        TreeType::Leaf(leaf) => ExpandTreeKind::Subjects(
            leaf.subjects
                .iter()
                .map(|subject| {
                    let object = subject.object.clone().unwrap();
                    let relation = subject.optional_relation.clone();
                    Subject::new(object.object_type, object.object_id, relation).unwrap()
                })
                .collect(),
        ),
        TreeType::Intermediate(set) => {
            let operation = match set.operation() {
                OperationMessage::Union => SetOperation::Union,
                OperationMessage::Intersection => SetOperation::Intersection,
                OperationMessage::Exclusion => SetOperation::Exclusion,
                OperationMessage::Unspecified => panic!("an operation that there is not"),
            };
            ExpandTreeKind::Operation(operation, set.children.iter().map(tree).collect())
        }
    };
    ExpandTree {
        object: ObjectRef::new(owner.object_type.clone(), owner.object_id.clone()).unwrap(),
        relation: message.expanded_relation.clone(),
        kind,
    }
}

/// The tree with everything that has no order in one.
fn sorted(mut tree: ExpandTree) -> ExpandTree {
    tree.kind = match tree.kind {
        ExpandTreeKind::Subjects(mut subjects) => {
            subjects.sort();
            ExpandTreeKind::Subjects(subjects)
        }
        ExpandTreeKind::Operation(operation, children) => {
            let mut children: Vec<ExpandTree> = children.into_iter().map(sorted).collect();
            if operation != SetOperation::Exclusion {
                children.sort_by_cached_key(|child| format!("{child:?}"));
            }
            ExpandTreeKind::Operation(operation, children)
        }
    };
    tree
}
