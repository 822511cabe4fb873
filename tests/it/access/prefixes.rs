//! Lookups and reads by a role with prefixes of object ids: in pages of any size, and where nothing is inside.

use super::calls::Answer;
use super::{ADMIN, Guarded, LIMITED};
use crate::server_support::{object, touch};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::kilwa::v1 as own;
use prost::Message as _;

const WRITE: &str = "/authzed.api.v1.PermissionsService/WriteRelationships";
const READ: &str = "/authzed.api.v1.PermissionsService/ReadRelationships";
const LOOK_UP: &str = "/authzed.api.v1.PermissionsService/LookupResources";
const LOOK_UP_WITHIN: &str = "/kilwa.v1.LookupService/LookupResourcesWithin";

/// Foreign documents between those of the role.
const FOREIGN: usize = 1_500;
const INSIDE: [&str; 4] = ["alpha/1", "alpha/2", "omega/1", "omega/2"];

async fn guarded(lines: &str) -> Guarded {
    let guarded = Guarded::with_role(lines).await;
    let foreign = (0..FOREIGN).map(|number| format!("beta/{number:04}"));
    let ids: Vec<String> = foreign.chain(INSIDE.map(str::to_owned)).collect();
    for part in ids.chunks(500) {
        let updates = part.iter().map(|id| touch(&format!("document:{id}#viewer@user:ann")));
        let updates = updates.collect();
        let write = proto::WriteRelationshipsRequest { updates, ..Default::default() };
        assert!(guarded.call(ADMIN, WRITE, &write).await.error.is_none());
    }
    guarded
}

fn lookup(resource_type: &str, permission: &str, limit: u32) -> proto::LookupResourcesRequest {
    let subject = object("user", "ann");
    proto::LookupResourcesRequest {
        resource_object_type: resource_type.to_owned(),
        permission: permission.to_owned(),
        subject: Some(proto::SubjectReference { object: Some(subject), ..Default::default() }),
        optional_limit: limit,
        ..Default::default()
    }
}

fn looked_up(answer: &Answer) -> Vec<proto::LookupResourcesResponse> {
    assert!(answer.error.is_none(), "{answer:?}");
    let decode = |message: &Vec<u8>| proto::LookupResourcesResponse::decode(&**message).unwrap();
    answer.messages.iter().map(decode).collect()
}

#[tokio::test]
async fn pages_of_any_size_have_what_is_inside_and_nothing_else() {
    for prefixes in ["[\"alpha/\", \"omega/\"]", "[\"alpha/1\", \"alpha/2\", \"omega/\"]"] {
        let lines = format!(
            "methods = [\"lookup\", \"read\"]\nid_prefixes = {prefixes}\nshared = [\"user\"]"
        );
        let guarded = guarded(&lines).await;
        for limit in [1, 3] {
            let (mut ids, mut request) = (Vec::new(), lookup("document", "view", limit));
            loop {
                let found = looked_up(&guarded.call(LIMITED, LOOK_UP, &request).await);
                assert!(found.len() <= usize::try_from(limit).unwrap(), "{found:?}");
                let Some(last) = found.last() else { break };
                request.optional_cursor.clone_from(&last.after_result_cursor);
                ids.extend(found.into_iter().map(|found| found.resource_object_id));
            }
            assert_eq!(ids, INSIDE, "{prefixes}, by {limit}");

            let filter = proto::RelationshipFilter {
                resource_type: "document".to_owned(),
                ..Default::default()
            };
            let mut request = proto::ReadRelationshipsRequest {
                relationship_filter: Some(filter),
                optional_limit: limit,
                ..Default::default()
            };
            let mut ids = Vec::new();
            loop {
                let answer = guarded.call(LIMITED, READ, &request).await;
                assert!(answer.error.is_none(), "{answer:?}");
                let rows: Vec<_> = answer
                    .messages
                    .iter()
                    .map(|message| proto::ReadRelationshipsResponse::decode(&**message).unwrap())
                    .collect();
                assert!(rows.len() <= usize::try_from(limit).unwrap(), "{rows:?}");
                let Some(last) = rows.last() else { break };
                request.optional_cursor.clone_from(&last.after_result_cursor);
                ids.extend(
                    rows.into_iter()
                        .map(|row| row.relationship.unwrap().resource.unwrap().object_id),
                );
            }
            assert_eq!(ids, INSIDE, "{prefixes}, by {limit}");
        }
    }
}

#[tokio::test]
async fn what_a_request_names_is_refused_and_what_an_answer_would_have_is_left_out() {
    let lines = "methods = [\"lookup\", \"read\"]\nid_prefixes = [\"none/\"]\nshared = [\"user\"]\ndefinitions = [\"document\", \"user\"]";
    let guarded = guarded(lines).await;
    let found = looked_up(&guarded.call(LIMITED, LOOK_UP, &lookup("document", "view", 0)).await);
    assert!(found.is_empty(), "{found:?}");
    let answer = guarded.call(LIMITED, LOOK_UP, &lookup("group", "member", 0)).await;
    assert_eq!(answer.missing().as_deref(), Some("definition"), "{answer:?}");

    for (prefix, missing) in [("beta/", Some("object_id")), ("none/", None), ("no", None)] {
        let within = own::LookupResourcesWithinRequest {
            lookup: Some(lookup("document", "view", 0)),
            resource_id_prefix: prefix.to_owned(),
            ..Default::default()
        };
        let answer = guarded.call(LIMITED, LOOK_UP_WITHIN, &within).await;
        assert_eq!(answer.missing().as_deref(), missing, "{prefix}: {answer:?}");

        let read = proto::ReadRelationshipsRequest {
            relationship_filter: Some(proto::RelationshipFilter {
                resource_type: "document".to_owned(),
                optional_resource_id_prefix: prefix.to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let answer = guarded.call(LIMITED, READ, &read).await;
        assert_eq!(answer.missing().as_deref(), missing, "{prefix}: {answer:?}");
    }
}

#[tokio::test]
async fn ids_at_the_ends_of_a_prefix_are_inside_and_their_neighbours_are_not() {
    // No character of an id is above `|`, and `0` comes right after `/`.
    let inside = ["a/", "a/zz", "a/|", "a/||", "b|", "b|0", "b||"];
    let outside = ["a", "a-", "a0", "az", "a|", "b", "bz", "c"];
    let role =
        "methods = [\"lookup\", \"read\"]\nid_prefixes = [\"a/\", \"b|\"]\nshared = [\"user\"]";
    let guarded = Guarded::with_role(role).await;
    let updates =
        inside.iter().chain(&outside).map(|id| touch(&format!("document:{id}#viewer@user:ann")));
    let write =
        proto::WriteRelationshipsRequest { updates: updates.collect(), ..Default::default() };
    assert!(guarded.call(ADMIN, WRITE, &write).await.error.is_none());

    let found = looked_up(&guarded.call(LIMITED, LOOK_UP, &lookup("document", "view", 0)).await);
    let ids: Vec<_> = found.into_iter().map(|found| found.resource_object_id).collect();
    assert_eq!(ids, inside);
    for (prefix, expected) in
        [("", &inside[..]), ("a/", &inside[..4]), ("a/|", &inside[2..4]), ("b|", &inside[4..])]
    {
        let filter = proto::RelationshipFilter {
            resource_type: "document".to_owned(),
            optional_resource_id_prefix: prefix.to_owned(),
            ..Default::default()
        };
        let read = proto::ReadRelationshipsRequest {
            relationship_filter: Some(filter),
            ..Default::default()
        };
        let answer = guarded.call(LIMITED, READ, &read).await;
        assert!(answer.error.is_none(), "{answer:?}");
        let row = |message: &Vec<u8>| proto::ReadRelationshipsResponse::decode(&**message).unwrap();
        let ids = answer
            .messages
            .iter()
            .map(row)
            .map(|row| row.relationship.unwrap().resource.unwrap().object_id);
        assert_eq!(ids.collect::<Vec<_>>(), expected, "{prefix}");
    }
}
