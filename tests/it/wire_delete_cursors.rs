//! `DeleteRelationships` in parts that a cursor joins.

use super::server_support::{
    Fresh, consistency, failure, filter, fresh, require, structure, text, touch,
};
use kilwa::proto::authzed::api::v1 as proto;
use proto::consistency::Requirement;
use proto::delete_relationships_response::DeletionProgress;
use proto::precondition::Operation;
use tonic::{Code, Status};

const LIMIT: u32 = 10;

async fn with_documents(count: usize) -> Fresh {
    let server = fresh().await;
    let many = (0..count).map(|n| touch(&format!("document:d{n:03}#owner@user:ann")));
    server.write(many.collect()).await.unwrap();
    server
}

fn request(cursor: Option<proto::Cursor>) -> proto::DeleteRelationshipsRequest {
    proto::DeleteRelationshipsRequest {
        relationship_filter: Some(filter("document")),
        optional_limit: LIMIT,
        optional_allow_partial_deletions: true,
        optional_cursor: cursor,
        ..Default::default()
    }
}

async fn delete(
    server: &Fresh,
    request: proto::DeleteRelationshipsRequest,
) -> Result<proto::DeleteRelationshipsResponse, Status> {
    Ok(server.permissions().await.delete_relationships(request).await?.into_inner())
}

/// The cursor of the first part of a deletion.
async fn begun(server: &Fresh) -> proto::Cursor {
    let first = delete(server, request(None)).await.unwrap();
    assert_eq!(first.deletion_progress(), DeletionProgress::Partial);
    first.after_result_cursor.unwrap()
}

async fn refused(server: &Fresh, request: proto::DeleteRelationshipsRequest) -> Status {
    let status = delete(server, request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    status
}

async fn left(server: &Fresh) -> Vec<String> {
    let request = proto::ReadRelationshipsRequest {
        relationship_filter: Some(filter("document")),
        ..Default::default()
    };
    let found = server.read(request).await.unwrap();
    found.iter().map(|response| text(response.relationship.as_ref().unwrap())).collect()
}

#[tokio::test]
async fn parts_join_and_only_a_partial_answer_has_a_cursor() {
    let server = with_documents(35).await;
    let mut reported = Vec::new();
    let mut cursor = None;
    loop {
        let part = delete(&server, request(cursor.take())).await.unwrap();
        reported.push(part.relationships_deleted_count);
        cursor.clone_from(&part.after_result_cursor);
        let partial = part.deletion_progress() == DeletionProgress::Partial;
        assert_eq!(cursor.is_some(), partial, "{part:?}");
        if !partial {
            break;
        }
    }
    assert_eq!(reported, [10, 10, 10, 5]);
    assert_eq!(left(&server).await, Vec::<String>::new());

    // Neither a deletion without a limit nor one that is complete at once has a cursor, whatever it deletes.
    for (limit, partial) in [(0, false), (0, true), (LIMIT, false), (LIMIT, true)] {
        server.touch(&["document:a#owner@user:ann"]).await.unwrap();
        let request = proto::DeleteRelationshipsRequest {
            optional_limit: limit,
            optional_allow_partial_deletions: partial,
            ..request(None)
        };
        let whole = delete(&server, request).await.unwrap();
        assert_eq!(whole.deletion_progress(), DeletionProgress::Complete);
        assert_eq!(whole.after_result_cursor, None);
    }
}

#[tokio::test]
async fn a_cursor_resumes_behind_the_last_deleted_relationship() {
    let server = with_documents(25).await;
    let cursor = begun(&server).await;
    // A write before that position stays; a write after it is deleted.
    server.touch(&["document:d000#owner@user:ann", "document:d009x#owner@user:ann"]).await.unwrap();
    let second = delete(&server, request(Some(cursor.clone()))).await.unwrap();
    assert_eq!(second.relationships_deleted_count, u64::from(LIMIT));
    let mut expected: Vec<_> =
        (19..25).map(|n| format!("document:d{n:03}#owner@user:ann")).collect();
    expected.insert(0, "document:d000#owner@user:ann".to_owned());
    assert_eq!(left(&server).await, expected);

    // An older cursor is as good as a new one: it skips deleted relationships.
    let last = delete(&server, request(Some(cursor))).await.unwrap();
    assert_eq!(last.deletion_progress(), DeletionProgress::Complete);
    assert_eq!(last.relationships_deleted_count, 6);
    assert_eq!(left(&server).await, ["document:d000#owner@user:ann"]);
}

#[tokio::test]
async fn filters_that_are_read_by_subject_are_resumed_too() {
    let server = with_documents(25).await;
    let by_subject = |cursor| proto::DeleteRelationshipsRequest {
        relationship_filter: Some(proto::RelationshipFilter {
            optional_subject_filter: Some(proto::SubjectFilter {
                subject_type: "user".to_owned(),
                optional_subject_id: "ann".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..request(cursor)
    };
    let first = delete(&server, by_subject(None)).await.unwrap();
    let second = delete(&server, by_subject(first.after_result_cursor.clone())).await.unwrap();
    let third = delete(&server, by_subject(second.after_result_cursor.clone())).await.unwrap();
    let counts = [first, second, third].map(|part| part.relationships_deleted_count);
    assert_eq!(counts, [10, 10, 5]);
}

#[tokio::test]
async fn a_cursor_needs_a_limit_and_partial_deletions() {
    let server = with_documents(25).await;
    let cursor = begun(&server).await;
    let without_limit =
        proto::DeleteRelationshipsRequest { optional_limit: 0, ..request(Some(cursor.clone())) };
    let status = refused(&server, without_limit).await;
    assert_eq!(status.message(), "optional_cursor requires optional_limit to be set");
    require(&status, Code::InvalidArgument, "", &[]);
    let whole = proto::DeleteRelationshipsRequest {
        optional_allow_partial_deletions: false,
        ..request(Some(cursor))
    };
    let status = refused(&server, whole).await;
    assert_eq!(
        status.message(),
        "optional_cursor requires optional_allow_partial_deletions to be true"
    );
    require(&status, Code::InvalidArgument, "", &[]);
    assert_eq!(left(&server).await.len(), 15);
}

#[tokio::test]
async fn a_cursor_fits_only_the_deletion_that_returned_it() {
    let server = with_documents(40).await;
    let cursor = begun(&server).await;
    let changes: [&dyn Fn(&mut proto::DeleteRelationshipsRequest); 4] = [
        &|request| request.optional_limit = LIMIT + 1,
        &|request| request.relationship_filter = Some(filter("group")),
        &|request| {
            let filter = request.relationship_filter.as_mut().unwrap();
            filter.optional_resource_id_prefix = "d".to_owned();
        },
        &|request| {
            let filter = request.relationship_filter.as_mut().unwrap();
            filter.optional_subject_filter = Some(proto::SubjectFilter {
                subject_type: "user".to_owned(),
                ..Default::default()
            });
        },
    ];
    for change in changes {
        let mut other = request(Some(cursor.clone()));
        change(&mut other);
        let status = refused(&server, other).await;
        require(&status, Code::InvalidArgument, "INVALID_CURSOR", &[]);
    }
    assert_eq!(left(&server).await.len(), 30);

    // Conditions and metadata are those of one part.
    let condition = proto::Precondition {
        operation: Operation::MustNotMatch.into(),
        filter: Some(filter("group")),
    };
    let with_more = proto::DeleteRelationshipsRequest {
        optional_preconditions: vec![condition],
        optional_transaction_metadata: Some(structure("{\"part\":2}")),
        ..request(Some(cursor))
    };
    let part = delete(&server, with_more).await.unwrap();
    assert_eq!(part.relationships_deleted_count, u64::from(LIMIT));
}

#[tokio::test]
async fn cursors_of_other_calls_servers_and_texts_are_refused() {
    let server = with_documents(40).await;
    let read = || proto::ReadRelationshipsRequest {
        relationship_filter: Some(filter("document")),
        optional_limit: LIMIT,
        ..Default::default()
    };
    let of_read = server.read(read()).await.unwrap()[4].after_result_cursor.clone().unwrap();
    let of_delete = begun(&server).await;
    let mut crossed = read();
    crossed.optional_cursor = Some(of_delete.clone());
    let status = server.read(crossed).await.unwrap_err();
    require(&status, Code::InvalidArgument, "INVALID_CURSOR", &[]);

    let of_other_server = begun(&with_documents(40).await).await;
    let token = server.touch(&["group:eng#member@user:ann"]).await.unwrap().token;
    for token in [
        of_read.token,
        of_other_server.token,
        of_delete.token[1..].to_owned(),
        token,
        String::new(),
        "x".to_owned(),
    ] {
        let status = refused(&server, request(Some(proto::Cursor { token }))).await;
        require(&status, Code::InvalidArgument, "INVALID_CURSOR", &[]);
    }
    assert_eq!(left(&server).await.len(), 30);
}

#[tokio::test]
async fn a_cursor_outlives_the_history_of_its_revision() {
    let server = with_documents(40).await;
    let cursor = begun(&server).await;
    // A deletion always works on the newest data: no part needs the revision of an earlier one.
    let schema = format!("{}\ndefinition folder {{}}\n", super::server_support::SCHEMA);
    server.write_schema(&schema).await.unwrap();
    server.touch(&["document:d011#owner@user:bob"]).await.unwrap();
    let part = delete(&server, request(Some(cursor))).await.unwrap();
    assert_eq!(part.relationships_deleted_count, u64::from(LIMIT));
    let newest = proto::ReadRelationshipsRequest {
        consistency: Some(consistency(Requirement::AtLeastAsFresh(part.deleted_at.unwrap()))),
        relationship_filter: Some(filter("document")),
        ..Default::default()
    };
    assert_eq!(server.read(newest).await.unwrap().len(), 21);
}

#[tokio::test]
async fn malformed_fields_are_reported_before_a_cursor_that_does_not_fit() {
    let server = with_documents(1).await;
    let wrong = proto::DeleteRelationshipsRequest {
        relationship_filter: Some(filter("no type")),
        ..request(Some(proto::Cursor { token: "x".to_owned() }))
    };
    let status = refused(&server, wrong).await;
    assert_eq!(failure(&status).reason, "");
    assert!(status.message().contains("relationship_filter.resource_type"), "{status}");
}
