//! Random writes, deletions and reads.

use super::{Pair, Tally};
use crate::reference::case::{Case, now};
use crate::reference::random::Random;
use crate::server_support::{create, delete, touch};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::relationship::{Relationship, RelationshipSet};
use proto::relationship_update::Operation;

const WRITES: usize = 8;
const DELETIONS: usize = 3;
const READS: usize = 6;

/// Writes, deletes and reads, and gives what is then stored.
pub(super) async fn compare(
    pair: &mut Pair,
    case: &Case,
    random: &mut Random,
    tally: &mut Tally,
) -> RelationshipSet {
    let all: Vec<&Relationship> = case.relationships.iter().collect();
    let first = all.iter().map(|stored| touch(&stored.to_string())).collect();
    write(
        pair,
        case,
        tally,
        proto::WriteRelationshipsRequest { updates: first, ..Default::default() },
    )
    .await;
    if !all.is_empty() {
        for _ in 0..WRITES {
            let request = random_write(random, &all);
            write(pair, case, tally, request).await;
        }
        for _ in 0..DELETIONS {
            let filter = random_filter(random, &all);
            let said = (
                pair.kilwa.delete(filter.clone()).await,
                pair.spicedb.delete(filter.clone()).await,
            );
            let what = || format!("{filter:?}\n{case}");
            tally.note("deletion", (&said.0, &said.1), || None, what);
        }
        for _ in 0..READS {
            let filter = random_filter(random, &all);
            let said =
                (pair.kilwa.read(filter.clone()).await, pair.spicedb.read(filter.clone()).await);
            let what = || format!("{filter:?}\n{case}");
            tally.note("read", (&said.0, &said.1), || None, what);
        }
    }
    // Back to the relationships of the case, so that its checks depend on some.
    let updates = all.iter().map(|stored| touch(&stored.to_string())).collect();
    write(pair, case, tally, proto::WriteRelationshipsRequest { updates, ..Default::default() })
        .await;
    let visible = |stored: &&&Relationship| stored.expires_at.is_none_or(|at| now() < at);
    all.iter().filter(visible).map(|stored| (*stored).clone()).collect()
}

async fn write(
    pair: &mut Pair,
    case: &Case,
    tally: &mut Tally,
    request: proto::WriteRelationshipsRequest,
) {
    let said = (pair.kilwa.write(request.clone()).await, pair.spicedb.write(request.clone()).await);
    let what = || format!("{request:?}\n{case}");
    tally.note("write", (&said.0, &said.1), || None, what);
}

fn random_write(random: &mut Random, all: &[&Relationship]) -> proto::WriteRelationshipsRequest {
    let updates = (0..random.between(1, 4)).map(|_| {
        let text = random.pick(all).to_string();
        let mut update = match random.below(3) {
            0 => create(&text),
            1 => touch(&text),
            _ => delete(&text),
        };
        if random.percent(10) {
            spoil(random, &mut update);
        }
        update
    });
    let updates = updates.collect();
    let preconditions = (0..random.below(3)).map(|_| proto::Precondition {
        operation: random.between(1, 2).try_into().unwrap(),
        filter: Some(random_filter(random, all)),
    });
    proto::WriteRelationshipsRequest {
        updates,
        optional_preconditions: preconditions.collect(),
        ..Default::default()
    }
}

/// Makes something wrong with it.
fn spoil(random: &mut Random, update: &mut proto::RelationshipUpdate) {
    let relationship = update.relationship.as_mut().unwrap();
    match random.below(7) {
        0 => "absent".clone_into(&mut relationship.relation),
        1 => "view".clone_into(&mut relationship.relation),
        2 => "absent".clone_into(&mut relationship.resource.as_mut().unwrap().object_type),
        3 => "absent".clone_into(&mut relationship.subject.as_mut().unwrap().optional_relation),
        4 => relationship.subject.as_mut().unwrap().optional_relation.clear(),
        5 => "no id".clone_into(&mut relationship.resource.as_mut().unwrap().object_id),
        _ => update.operation = Operation::Unspecified.into(),
    }
}

/// A filter that selects a relationship, by some of its parts.
fn random_filter(random: &mut Random, all: &[&Relationship]) -> proto::RelationshipFilter {
    let stored = random.pick(all);
    let (resource, subject) = (&stored.resource, &stored.subject);
    let mut filter = proto::RelationshipFilter::default();
    if random.percent(80) {
        resource.object_type().clone_into(&mut filter.resource_type);
    }
    if random.percent(40) {
        resource.object_id().clone_into(&mut filter.optional_resource_id);
    } else if random.percent(20) {
        resource.object_id().clone_into(&mut filter.optional_resource_id_prefix);
    }
    if random.percent(60) {
        stored.relation.clone_into(&mut filter.optional_relation);
    }
    if random.percent(40) {
        let relation = subject.relation().unwrap_or_default().to_owned();
        filter.optional_subject_filter = Some(proto::SubjectFilter {
            subject_type: subject.object_type().to_owned(),
            optional_subject_id: if random.percent(60) {
                subject.object_id().to_owned()
            } else {
                String::new()
            },
            optional_relation: random
                .percent(50)
                .then_some(proto::subject_filter::RelationFilter { relation }),
        });
    }
    filter
}
