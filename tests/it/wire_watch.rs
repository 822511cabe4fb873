//! Watch: which changes are reported, in which form and order, and which requests are refused.

use super::server_support::{
    Fresh, SCHEMA, config, consistency, create, delete, filter, fresh, fresh_with, require, soon,
    start, structure, text, touch,
};
use super::watch_support::{CHECKPOINTS, RELATIONSHIPS, SCHEMAS, from, reported};
use kilwa::proto::authzed::api::v1 as proto;
use std::time::Duration;
use tonic::Code;

#[tokio::test]
async fn writes_come_in_order_and_creations_as_touches() {
    let server = fresh().await;
    let mut watched = server.watch(from(None, &[])).await.unwrap();
    let first = server
        .write(vec![create("document:a#owner@user:ann"), touch("document:a#viewer@user:*")])
        .await
        .unwrap();
    let second = server.write(vec![delete("document:a#owner@user:ann")]).await.unwrap();
    let response = watched.next().await.unwrap();
    assert_eq!(reported(&response), "+document:a#owner@user:ann, +document:a#viewer@user:*");
    assert_eq!(response.changes_through.as_ref(), Some(&first));
    assert_eq!(
        (response.optional_transaction_metadata, response.full_revision_metadata),
        (None, vec![])
    );
    let response = watched.next().await.unwrap();
    assert_eq!(reported(&response), "-document:a#owner@user:ann");
    assert_eq!(response.changes_through, Some(second));
    // A watch from a token receives the changes after it.
    let mut later = server.watch(from(Some(&first), &[])).await.unwrap();
    assert_eq!(later.reported().await, "-document:a#owner@user:ann");
}

#[tokio::test]
async fn a_relationship_comes_with_all_it_carries_and_goes_with_its_key() {
    let server = fresh().await;
    let mut watched = server.watch(from(None, &[])).await.unwrap();
    let with = touch("document:a#viewer@user:ann[only_on:{\"day\":\"monday\",\"allowed\":\"x\"}]");
    server.write(vec![with.clone()]).await.unwrap();
    assert_eq!(watched.next().await.unwrap().updates, [with]);
    let mut bare = delete("document:a#viewer@user:ann");
    server.write(vec![bare.clone()]).await.unwrap();
    let update = watched.next().await.unwrap().updates.remove(0);
    bare.operation = update.operation;
    assert_eq!(update, bare);
}

#[tokio::test]
async fn metadata_comes_back_as_it_was_written() {
    let server = fresh().await;
    let mut watched = server.watch(from(None, &[CHECKPOINTS])).await.unwrap();
    let metadata = structure(
        r#"{"by": "ann", "n": 0.1, "big": 1e300, "deep": {"list": [1, null, true, "ü"]}, "": {}}"#,
    );
    let request = proto::WriteRelationshipsRequest {
        updates: vec![touch("document:a#owner@user:ann")],
        optional_transaction_metadata: Some(metadata.clone()),
        ..Default::default()
    };
    server.permissions().await.write_relationships(request).await.unwrap();
    let request = proto::DeleteRelationshipsRequest {
        relationship_filter: Some(filter("document")),
        optional_transaction_metadata: Some(metadata.clone()),
        ..Default::default()
    };
    server.permissions().await.delete_relationships(request).await.unwrap();
    for expected in ["+document:a#owner@user:ann", "-document:a#owner@user:ann"] {
        let response = watched.next().await.unwrap();
        assert_eq!(reported(&response), expected);
        assert_eq!(response.optional_transaction_metadata.as_ref(), Some(&metadata));
        assert_eq!(response.full_revision_metadata, std::slice::from_ref(&metadata));
        let response = watched.next().await.unwrap();
        assert_eq!(
            (reported(&response).as_str(), response.optional_transaction_metadata),
            ("checkpoint", None)
        );
    }
}

#[tokio::test]
async fn what_changes_nothing_gives_a_checkpoint_only() {
    let server = fresh().await;
    server.touch(&["document:a#owner@user:ann"]).await.unwrap();
    let mut watched = server.watch(from(None, &[CHECKPOINTS])).await.unwrap();
    server.touch(&["document:a#owner@user:ann"]).await.unwrap();
    let token = server.write(vec![delete("document:z#owner@user:ann")]).await.unwrap();
    loop {
        // The two may come together.
        let response = watched.next().await.unwrap();
        assert_eq!(reported(&response), "checkpoint");
        if response.changes_through.as_ref() == Some(&token) {
            break;
        }
    }
}

#[tokio::test]
async fn kinds_only_add() {
    let server = fresh_with(|config| config.watch.heartbeat = Duration::from_hours(1)).await;
    let start = server.touch(&["group:g#member@user:ann"]).await.unwrap();
    server.touch(&["document:a#owner@user:ann"]).await.unwrap();
    server.write_schema(&format!("{SCHEMA}\n// again")).await.unwrap();
    server.touch(&["document:b#owner@user:ann"]).await.unwrap();
    let (a, b) = ("+document:a#owner@user:ann", "+document:b#owner@user:ann");
    let (s, c) = ("schema", "checkpoint");
    let cases: [(&[i32], &[&str]); 8] = [
        (&[], &[a, b]),
        (&[0], &[a, b]),
        (&[RELATIONSHIPS], &[a, b]),
        (&[SCHEMAS], &[a, s, b]),
        (&[CHECKPOINTS], &[a, c, c, b, c]),
        (&[SCHEMAS, CHECKPOINTS], &[a, c, s, c, b, c]),
        (&[RELATIONSHIPS, SCHEMAS], &[a, s, b]),
        (&[99], &[a, b]),
    ];
    for (kinds, expected) in cases {
        let mut watched = server.watch(from(Some(&start), kinds)).await.unwrap();
        for one in expected {
            assert_eq!(watched.reported().await, *one, "{kinds:?}");
        }
    }
}

/// A filter of groups by a group, with a subject relation that is not set, empty or named.
fn by_relation(relation: Option<&str>) -> proto::RelationshipFilter {
    proto::RelationshipFilter {
        optional_subject_filter: Some(proto::SubjectFilter {
            subject_type: "group".to_owned(),
            optional_subject_id: "g".to_owned(),
            optional_relation: relation.map(|relation| proto::subject_filter::RelationFilter {
                relation: relation.to_owned(),
            }),
        }),
        ..filter("group")
    }
}

/// An empty relation of the subject selects objects alone, wherever a filter stands; without one, usersets come too.
#[tokio::test]
async fn an_empty_subject_relation_selects_no_usersets() {
    let server = fresh().await;
    let schema = SCHEMA.replace("member: user | group#", "member: user | group | group#");
    let start = server.write_schema(&schema).await.unwrap();
    let (object, userset) = ("group:a#member@group:g", "group:b#member@group:g#member");
    server.touch(&[object, userset]).await.unwrap();
    let cases: [(Option<&str>, &[&str]); 3] =
        [(None, &[object, userset]), (Some(""), &[object]), (Some("member"), &[userset])];
    for (relation, expected) in cases {
        let request = proto::WatchRequest {
            optional_relationship_filters: vec![by_relation(relation)],
            ..from(Some(&start), &[])
        };
        let mut watched = server.watch(request).await.unwrap();
        let added: Vec<_> = expected.iter().map(|text| format!("+{text}")).collect();
        assert_eq!(watched.reported().await, added.join(", "), "{relation:?}");

        let read = proto::ReadRelationshipsRequest {
            consistency: Some(consistency(proto::consistency::Requirement::FullyConsistent(true))),
            relationship_filter: Some(by_relation(relation)),
            ..Default::default()
        };
        let read = server.read(read).await.unwrap();
        let read: Vec<_> = read.iter().map(|it| text(it.relationship.as_ref().unwrap())).collect();
        assert_eq!(read, expected, "{relation:?}");

        let export = proto::ExportBulkRelationshipsRequest {
            consistency: Some(consistency(proto::consistency::Requirement::FullyConsistent(true))),
            optional_relationship_filter: Some(by_relation(relation)),
            ..Default::default()
        };
        let mut client = server.permissions().await;
        let mut parts = client.export_bulk_relationships(export).await.unwrap().into_inner();
        let part = parts.message().await.unwrap().unwrap();
        assert_eq!(part.relationships.iter().map(text).collect::<Vec<_>>(), expected);
    }

    // Preconditions and deletions.
    let delete = |relation: Option<&str>, must: Option<&str>| {
        let operation = proto::precondition::Operation::MustMatch.into();
        let precondition = must.map(|relation| proto::Precondition {
            operation,
            filter: Some(by_relation(Some(relation))),
        });
        proto::DeleteRelationshipsRequest {
            relationship_filter: Some(by_relation(relation)),
            optional_preconditions: precondition.into_iter().collect(),
            ..Default::default()
        }
    };
    let mut client = server.permissions().await;
    client.delete_relationships(delete(Some(""), None)).await.unwrap();
    let refusal = client.delete_relationships(delete(None, Some(""))).await.unwrap_err();
    assert_eq!(refusal.code(), Code::FailedPrecondition);
    client.delete_relationships(delete(None, Some("member"))).await.unwrap();
    let refusal = client.delete_relationships(delete(None, Some("member"))).await.unwrap_err();
    assert_eq!(refusal.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn filters_are_for_relationships_only() {
    let server = fresh().await;
    let start = server.touch(&["document:zero#owner@user:ann"]).await.unwrap();
    server
        .touch(&[
            "document:a#owner@user:ann",
            "document:b#viewer@user:bob",
            "group:g#member@user:ann",
        ])
        .await
        .unwrap();
    server.write_schema(&format!("{SCHEMA}\n// again")).await.unwrap();
    server.touch(&["group:h#member@group:g#member"]).await.unwrap();
    let of_subject = proto::RelationshipFilter {
        optional_subject_filter: Some(proto::SubjectFilter {
            subject_type: "user".to_owned(),
            optional_subject_id: "ann".to_owned(),
            optional_relation: None,
        }),
        ..Default::default()
    };
    let prefix = proto::RelationshipFilter {
        optional_resource_id_prefix: "b".to_owned(),
        ..filter("document")
    };
    let cases: [(&[&str], Vec<proto::RelationshipFilter>, &[&str]); 5] = [
        (
            &["group", "nobody"],
            vec![],
            &["+group:g#member@user:ann", "schema", "+group:h#member@group:g#member"],
        ),
        (
            &["document"],
            vec![],
            &["+document:a#owner@user:ann, +document:b#viewer@user:bob", "schema"],
        ),
        (
            &[],
            vec![of_subject.clone()],
            &["+document:a#owner@user:ann, +group:g#member@user:ann", "schema"],
        ),
        (
            &[],
            vec![of_subject.clone(), prefix],
            &["+document:a#owner@user:ann, +document:b#viewer@user:bob, +group:g#member@user:ann"],
        ),
        // Where relationships are not requested explicitly, both filters may be given, and both apply.
        (&["group"], vec![of_subject], &["+group:g#member@user:ann", "schema"]),
    ];
    for (types, filters, expected) in cases {
        let request = proto::WatchRequest {
            optional_object_types: types.iter().map(|&name| name.to_owned()).collect(),
            optional_relationship_filters: filters,
            ..from(Some(&start), &[SCHEMAS])
        };
        let mut watched = server.watch(request).await.unwrap();
        for one in expected {
            assert_eq!(watched.reported().await, *one, "{types:?}");
        }
    }
}

#[tokio::test]
async fn requests_are_refused_for_what_is_wrong_with_them() {
    let server = fresh().await;
    let token = server.touch(&["document:a#owner@user:ann"]).await.unwrap();
    let refused = async |request| match server.watch(request).await {
        Err(status) => status,
        Ok(mut watched) => watched.end().await,
    };
    let both = proto::WatchRequest {
        optional_object_types: vec!["document".to_owned()],
        optional_relationship_filters: vec![filter("document")],
        ..Default::default()
    };
    for kinds in [vec![], vec![0], vec![RELATIONSHIPS], vec![SCHEMAS, RELATIONSHIPS]] {
        let status =
            refused(proto::WatchRequest { optional_update_kinds: kinds, ..both.clone() }).await;
        require(&status, Code::InvalidArgument, "", &[]);
        assert_eq!(status.message(), "cannot specify both object types and relationship filters");
    }
    let with = |filter| proto::WatchRequest {
        optional_relationship_filters: vec![filter],
        ..Default::default()
    };
    let status = refused(with(proto::RelationshipFilter::default())).await;
    require(&status, Code::InvalidArgument, "INVALID_FILTER", &["filter"]);
    let status = refused(with(proto::RelationshipFilter {
        optional_resource_id: "a".to_owned(),
        optional_resource_id_prefix: "a".to_owned(),
        ..filter("document")
    }))
    .await;
    require(&status, Code::InvalidArgument, "INVALID_FILTER", &["filter"]);
    let status = refused(with(filter("nobody"))).await;
    require(&status, Code::FailedPrecondition, "UNKNOWN_DEFINITION", &["definition_name"]);
    let status = refused(with(proto::RelationshipFilter {
        optional_relation: "nothing".to_owned(),
        ..filter("document")
    }))
    .await;
    let names = ["definition_name", "relation_or_permission_name"];
    require(&status, Code::FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION", &names);
    let status = refused(proto::WatchRequest {
        optional_object_types: vec!["document".to_owned(), "No".to_owned()],
        ..Default::default()
    })
    .await;
    require(&status, Code::InvalidArgument, "", &[]);
    assert!(status.message().contains("optional_object_types[1]"), "{status:?}");

    let other = fresh().await;
    let foreign = other.touch(&["document:a#owner@user:ann"]).await.unwrap();
    for (token, says) in [
        (proto::ZedToken { token: "nonsense".to_owned() }, "failed to decode start revision: "),
        (
            proto::ZedToken { token: token.token.to_lowercase() },
            "failed to decode start revision: ",
        ),
        (foreign, "start revision was generated by a different datastore instance"),
    ] {
        let status = refused(from(Some(&token), &[])).await;
        require(&status, Code::InvalidArgument, "", &[]);
        assert!(status.message().starts_with(says), "{status:?}");
    }
}

#[tokio::test]
async fn a_watch_begins_before_there_is_a_schema() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(config(dir.path())).await;
    let empty = proto::ZedToken::default();
    let mut watched = server.watch(from(Some(&empty), &[SCHEMAS])).await.unwrap();
    server.write_schema(SCHEMA).await.unwrap();
    server.touch(&["document:a#owner@user:ann"]).await.unwrap();
    assert_eq!(watched.reported().await, "schema");
    assert_eq!(watched.reported().await, "+document:a#owner@user:ann");
}

#[tokio::test]
async fn who_wants_checkpoints_hears_that_nothing_happens() {
    let server = fresh_with(|config| config.watch.heartbeat = Duration::from_millis(1)).await;
    let token = server.touch(&["document:a#owner@user:ann"]).await.unwrap();
    let mut watched = server.watch(from(None, &[CHECKPOINTS])).await.unwrap();
    for _ in 0..3 {
        let response = watched.next().await.unwrap();
        assert_eq!(
            (reported(&response).as_str(), response.changes_through),
            ("checkpoint", Some(token.clone()))
        );
    }
    // The others do not: their first response is a change.
    let mut other = server.watch(from(None, &[SCHEMAS])).await.unwrap();
    for _ in 0..3 {
        watched.next().await.unwrap();
    }
    server.touch(&["document:b#owner@user:ann"]).await.unwrap();
    assert_eq!(other.reported().await, "+document:b#owner@user:ann");
}

#[tokio::test]
async fn what_is_forgotten_is_out_of_range() {
    let server = fresh_with(|config| {
        config.store.history_window = Duration::from_millis(1);
        config.garbage_collection_interval = Duration::from_millis(1);
    })
    .await;
    let start = server.touch(&["document:a#owner@user:ann"]).await.unwrap();
    let end = soon(async {
        loop {
            server.touch(&["document:b#owner@user:ann"]).await.unwrap();
            server.write(vec![delete("document:b#owner@user:ann")]).await.unwrap();
            if let Err(status) = server.watch(from(Some(&start), &[])).await {
                return status;
            }
        }
    })
    .await;
    require(&end, Code::OutOfRange, "", &[]);
    assert!(end.message().starts_with("invalid revision: "), "{end:?}");
}

#[tokio::test]
async fn a_large_revision_comes_in_parts_that_can_be_gone_on_from() {
    const COUNT: usize = 3_500;
    let server = fresh().await;
    for start in (0..COUNT).step_by(500) {
        let many = (start..start + 500).map(|n| touch(&format!("document:d{n:05}#owner@user:ann")));
        server.write(many.collect()).await.unwrap();
    }
    let start = server.touch(&["document:d#viewer@user:ann"]).await.unwrap();
    let metadata = structure(r#"{"why": "all"}"#);
    let request = proto::DeleteRelationshipsRequest {
        relationship_filter: Some(proto::RelationshipFilter {
            optional_relation: "owner".to_owned(),
            ..filter("document")
        }),
        optional_transaction_metadata: Some(metadata.clone()),
        ..Default::default()
    };
    let deleted = server.permissions().await.delete_relationships(request).await.unwrap();
    let deleted = deleted.into_inner().deleted_at;
    let mut all = Vec::new();
    let mut watched = server.watch(from(Some(&start), &[CHECKPOINTS])).await.unwrap();
    loop {
        let response = watched.next().await.unwrap();
        if response.is_checkpoint {
            assert_eq!(response.changes_through, deleted);
            break;
        }
        assert!(response.updates.len() <= 1_000);
        assert_eq!(response.optional_transaction_metadata.as_ref(), Some(&metadata));
        all.push(response);
    }
    assert!(all.len() > 3);
    assert_eq!(all.last().unwrap().changes_through, deleted);
    let updates: Vec<_> = all.iter().flat_map(|response| &response.updates).collect();
    assert_eq!(updates.len(), COUNT);
    // After each part comes the next one, with the metadata of the revision.
    for (part, next) in all.iter().zip(&all[1..]) {
        let mut rest = server.watch(from(part.changes_through.as_ref(), &[])).await.unwrap();
        let found = rest.next().await.unwrap();
        assert_eq!(found.updates[0], next.updates[0]);
        assert_eq!(found.full_revision_metadata, std::slice::from_ref(&metadata));
        // To a read, the token is the revision.
        let consistency =
            proto::consistency::Requirement::AtExactSnapshot(part.changes_through.clone().unwrap());
        let request = proto::ReadRelationshipsRequest {
            consistency: Some(super::server_support::consistency(consistency)),
            relationship_filter: Some(filter("document")),
            ..Default::default()
        };
        assert_eq!(server.read(request).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn watchers_do_not_hold_a_server_up_that_is_to_stop() {
    let Fresh { server, _dir } = fresh_with(|config| {
        config.shutdown_grace = Duration::from_hours(1);
    })
    .await;
    let mut watched = server.watch(from(None, &[])).await.unwrap();
    soon(server.stop()).await.unwrap();
    let end = watched.end().await;
    require(&end, Code::Unavailable, "", &[]);
}
