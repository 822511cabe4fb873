//! `WriteRelationships`, `DeleteRelationships` and what `ReadRelationships` then finds.

use super::server_support::{
    Fresh, create, delete, failure, filter, fresh, object, relationship, require, structure, text,
    touch,
};
use kilwa::proto::authzed::api::v1 as proto;
use proto::delete_relationships_response::DeletionProgress;
use proto::precondition::Operation;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

async fn found(server: &Fresh, filter: proto::RelationshipFilter) -> Vec<String> {
    let request =
        proto::ReadRelationshipsRequest { relationship_filter: Some(filter), ..Default::default() };
    let responses = server.read(request).await.unwrap();
    responses.iter().map(|response| text(response.relationship.as_ref().unwrap())).collect()
}

async fn read_refused(server: &Fresh, filter: Option<proto::RelationshipFilter>) -> Status {
    let request =
        proto::ReadRelationshipsRequest { relationship_filter: filter, ..Default::default() };
    server.read(request).await.unwrap_err()
}

async fn written(
    server: &Fresh,
    change: impl FnOnce(&mut proto::WriteRelationshipsRequest),
) -> Result<proto::ZedToken, Status> {
    let mut request = proto::WriteRelationshipsRequest {
        updates: vec![touch("document:plan#owner@user:ann")],
        ..Default::default()
    };
    change(&mut request);
    let response = server.permissions().await.write_relationships(request).await?;
    Ok(response.into_inner().written_at.unwrap())
}

async fn deleted(
    server: &Fresh,
    request: proto::DeleteRelationshipsRequest,
) -> Result<(DeletionProgress, u64), Status> {
    let response = server.permissions().await.delete_relationships(request).await?.into_inner();
    assert!(response.deleted_at.is_some());
    Ok((response.deletion_progress(), response.relationships_deleted_count))
}

fn precondition(operation: Operation, filter: proto::RelationshipFilter) -> proto::Precondition {
    proto::Precondition { operation: operation.into(), filter: Some(filter) }
}

#[tokio::test]
async fn what_is_written_is_read_back_whole() {
    let server = fresh().await;
    let all = [
        "document:a#owner@user:ann",
        "document:a#viewer@group:eng#member",
        "document:a#viewer@user:*",
        "document:a#viewer@user:bob[only_on:{\"allowed\":\"monday\"}]",
        "document:a#viewer@user:cid[expiration:2100-01-02T03:04:05.000000006Z]",
    ];
    server.touch(&all).await.unwrap();
    let request = proto::ReadRelationshipsRequest {
        relationship_filter: Some(filter("document")),
        ..Default::default()
    };
    let mut responses = server.read(request).await.unwrap();
    assert!(responses.iter().all(|response| response.read_at == responses[0].read_at));
    let mut expected: Vec<_> = all.map(relationship).into();
    let mut read: Vec<_> =
        responses.drain(..).map(|response| response.relationship.unwrap()).collect();
    expected.sort_by_key(text);
    read.sort_by_key(text);
    assert_eq!(read, expected);
}

#[tokio::test]
async fn touch_replaces_create_refuses_and_delete_forgives() {
    let server = fresh().await;
    server.write(vec![create("document:a#viewer@user:ann")]).await.unwrap();
    let names = [
        "relationship",
        "resource_type",
        "resource_object_id",
        "resource_relation",
        "subject_type",
        "subject_object_id",
        "subject_relation",
    ];
    for again in ["document:a#viewer@user:ann", "document:a#viewer@user:ann[only_on]"] {
        let refused = server.write(vec![create(again)]).await.unwrap_err();
        require(&refused, Code::AlreadyExists, "ATTEMPT_TO_RECREATE_RELATIONSHIP", &names);
    }
    server.touch(&["document:a#viewer@user:ann[only_on]"]).await.unwrap();
    assert_eq!(found(&server, filter("document")).await, ["document:a#viewer@user:ann[only_on]"]);
    server.touch(&["document:a#viewer@user:ann"]).await.unwrap();
    assert_eq!(found(&server, filter("document")).await, ["document:a#viewer@user:ann"]);
    for _ in 0..2 {
        server.write(vec![delete("document:a#viewer@user:ann")]).await.unwrap();
        assert_eq!(found(&server, filter("document")).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_expired_relationship_is_not_there_but_in_the_way_of_a_create() {
    let server = fresh().await;
    let expired = "document:a#viewer@user:ann[expiration:2000-01-01T00:00:00Z]";
    server.touch(&[expired]).await.unwrap();
    assert_eq!(found(&server, filter("document")).await, Vec::<String>::new());
    assert!(!server.has("document:a#view@user:ann").await);
    let refused = server.write(vec![create(expired)]).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
}

#[tokio::test]
async fn a_write_is_all_or_nothing() {
    let server = fresh().await;
    let updates = vec![touch("document:a#owner@user:ann"), touch("document:a#nothing@user:ann")];
    server.write(updates).await.unwrap_err();
    assert_eq!(found(&server, filter("document")).await, Vec::<String>::new());
    // A write without updates is accepted, and creates a revision.
    let first = server.write(Vec::new()).await.unwrap();
    assert_ne!(server.write(Vec::new()).await.unwrap(), first);
}

#[tokio::test]
async fn names_and_forms_follow_the_schema() {
    let server = fresh().await;
    let unknown = ["definition_name", "relation_or_permission_name"];
    let subject = ["definition_name", "relation_name", "subject_type"];
    let permission = ["definition_name", "permission_name"];
    let failed = Code::FailedPrecondition;
    for (relationship, code, reason, names) in [
        ("nothing:a#owner@user:ann", failed, "UNKNOWN_DEFINITION", &["definition_name"][..]),
        ("document:a#owner@nobody:ann", failed, "UNKNOWN_DEFINITION", &["definition_name"]),
        ("document:a#nothing@user:ann", failed, "UNKNOWN_RELATION_OR_PERMISSION", &unknown),
        ("document:a#viewer@group:eng#nothing", failed, "UNKNOWN_RELATION_OR_PERMISSION", &unknown),
        (
            "document:a#view@user:ann",
            Code::InvalidArgument,
            "CANNOT_UPDATE_PERMISSION",
            &permission,
        ),
        ("document:a#owner@group:eng", Code::InvalidArgument, "INVALID_SUBJECT_TYPE", &subject),
        ("document:a#owner@user:*", Code::InvalidArgument, "INVALID_SUBJECT_TYPE", &subject),
    ] {
        let refused = server.touch(&[relationship]).await.unwrap_err();
        require(&refused, code, reason, names);
    }
    let refused = server.touch(&["document:a#owner@user:ann[only_on]"]).await.unwrap_err();
    assert_eq!(failure(&refused).reason, "INVALID_SUBJECT_TYPE");
    let refused = server.touch(&["document:a#owner@user:ann[nothing]"]).await.unwrap_err();
    assert_eq!(failure(&refused).reason, "INVALID_SUBJECT_TYPE");
}

#[tokio::test]
async fn a_stored_context_fits_its_caveat() {
    let server = fresh().await;
    let names = ["caveat_name", "parameter_name"];
    for context in ["{\"zzz\":\"a\"}", "{\"day\":5}"] {
        let unfit = format!("document:a#viewer@user:ann[only_on:{context}]");
        let refused = server.touch(&[&unfit]).await.unwrap_err();
        require(&refused, Code::InvalidArgument, "CAVEAT_PARAMETER_TYPE_ERROR", &names);
    }
}

#[tokio::test]
async fn one_relationship_may_be_written_once() {
    let server = fresh().await;
    let updates =
        vec![touch("document:a#viewer@user:ann"), delete("document:a#viewer@user:ann[only_on]")];
    let refused = server.write(updates).await.unwrap_err();
    let names = ["definition_name", "relationship"];
    require(&refused, Code::InvalidArgument, "UPDATES_ON_SAME_RELATIONSHIP", &names);
}

#[tokio::test]
async fn a_write_holds_so_much_and_no_more() {
    let server = fresh().await;
    let many =
        |count| (0..count).map(|n| touch(&format!("document:d{n}#owner@user:ann"))).collect();
    server.write(many(1_000)).await.unwrap();
    let refused = server.write(many(1_001)).await.unwrap_err();
    let names = ["update_count", "maximum_updates_allowed"];
    require(&refused, Code::InvalidArgument, "TOO_MANY_UPDATES_IN_REQUEST", &names);

    let one = precondition(Operation::MustNotMatch, filter("group"));
    let refused = written(&server, |request| {
        request.optional_preconditions = vec![one; 1_001];
    });
    let names = ["precondition_count", "maximum_updates_allowed"];
    let refused = refused.await.unwrap_err();
    require(&refused, Code::InvalidArgument, "TOO_MANY_PRECONDITIONS_IN_REQUEST", &names);

    let large = |bytes: usize| Some(structure(&format!("{{\"x\":\"{}\"}}", "y".repeat(bytes))));
    written(&server, |request| request.optional_transaction_metadata = large(60_000))
        .await
        .unwrap();
    let refused = written(&server, |request| {
        request.optional_transaction_metadata = large(66_000);
    });
    let names = ["metadata_byte_size", "maximum_allowed_metadata_byte_size"];
    let refused = refused.await.unwrap_err();
    require(&refused, Code::InvalidArgument, "TRANSACTION_METADATA_TOO_LARGE", &names);

    // The name of the caveat and the framing take 30 bytes of it.
    let large = |day: usize| {
        let context = format!("{{\"day\":\"{}\"}}", "x".repeat(day));
        format!("document:a#viewer@user:ann[only_on:{context}]")
    };
    server.touch(&[&large(24_970)]).await.unwrap();
    let refused = server.touch(&[&large(24_971)]).await.unwrap_err();
    let names = ["relationship", "max_allowed_size", "context_size"];
    require(&refused, Code::InvalidArgument, "MAX_RELATIONSHIP_CONTEXT_SIZE", &names);
}

#[tokio::test]
async fn the_first_of_several_faults_in_the_order_of_the_protocol_is_reported() {
    let server = fresh().await;
    let metadata = Some(structure(&format!("{{\"x\":\"{}\"}}", "y".repeat(66_000))));
    let many = vec![precondition(Operation::MustMatch, filter("group")); 1_001];
    let refused = written(&server, |request| {
        request.updates = vec![touch("planet:a#viewer@user:ann"); 1_001];
        request.optional_preconditions.clone_from(&many);
        request.optional_transaction_metadata.clone_from(&metadata);
    });
    assert_eq!(failure(&refused.await.unwrap_err()).reason, "TRANSACTION_METADATA_TOO_LARGE");
    let deletion = |filter, metadata| proto::DeleteRelationshipsRequest {
        relationship_filter: Some(filter),
        optional_limit: 1_001,
        optional_preconditions: many.clone(),
        optional_transaction_metadata: metadata,
        ..Default::default()
    };
    let refused = deleted(&server, deletion(filter("planet"), metadata)).await.unwrap_err();
    assert_eq!(failure(&refused).reason, "TRANSACTION_METADATA_TOO_LARGE");
    let refused = deleted(&server, deletion(filter(""), None)).await.unwrap_err();
    assert_eq!(failure(&refused).reason, "TOO_MANY_PRECONDITIONS_IN_REQUEST");
    let few = proto::DeleteRelationshipsRequest {
        optional_preconditions: Vec::new(),
        ..deletion(filter("planet"), None)
    };
    let refused = deleted(&server, few).await.unwrap_err();
    assert_eq!(failure(&refused).reason, "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT");
}

#[tokio::test]
async fn a_caveat_without_context_is_read_back_with_an_empty_one() {
    let server = fresh().await;
    server.touch(&["document:a#viewer@user:ann[only_on]"]).await.unwrap();
    let request = proto::ReadRelationshipsRequest {
        relationship_filter: Some(filter("document")),
        ..Default::default()
    };
    let read = server.read(request).await.unwrap();
    let caveat = read[0].relationship.clone().unwrap().optional_caveat.unwrap();
    assert_eq!(caveat.context, Some(prost_types::Struct::default()));
}

#[tokio::test]
async fn a_deletion_does_not_look_at_the_expiration_it_is_given() {
    let server = fresh().await;
    server.touch(&["document:a#owner@user:ann"]).await.unwrap();
    let with_expiration = "document:a#owner@user:ann[expiration:2100-01-01T00:00:00Z]";
    server.write(vec![delete(with_expiration)]).await.unwrap();
    assert_eq!(found(&server, filter("document")).await, Vec::<String>::new());
}

#[tokio::test]
async fn malformed_updates_are_named_with_their_place() {
    let server = fresh().await;
    let refused = written(&server, |request| {
        request.updates.push(proto::RelationshipUpdate { operation: 9, relationship: None });
        let mut wrong = touch("document:a#owner@user:ann");
        let relationship = wrong.relationship.as_mut().unwrap();
        relationship.resource = Some(object("document", "*"));
        relationship.optional_caveat = Some(proto::ContextualizedCaveat::default());
        relationship.optional_expires_at = Some(prost_types::Timestamp { seconds: 0, nanos: -1 });
        request.updates.push(wrong);
        request.optional_preconditions.push(proto::Precondition::default());
    });
    let refused = refused.await.unwrap_err();
    require(&refused, Code::InvalidArgument, "", &[]);
    for place in [
        "updates[1].operation",
        "updates[1].relationship",
        "updates[2].relationship.resource.object_id",
        "updates[2].relationship.optional_caveat.caveat_name",
        "updates[2].relationship.optional_expires_at",
        "optional_preconditions[0].operation",
    ] {
        assert!(refused.message().contains(&format!("{place}: ")), "{place} in {refused}");
    }
    assert!(refused.message().ends_with("and 1 more"), "{refused}");
    let details = refused.get_error_details();
    assert_eq!(details.bad_request().unwrap().field_violations[0].field, "updates[1].operation");
    assert_eq!(found(&server, filter("document")).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_status_stays_small_enough_for_every_client() {
    let server = fresh().await;
    let refused = written(&server, |request| {
        let relationship =
            proto::Relationship { relation: "x".repeat(10_000), ..proto::Relationship::default() };
        let wrong = proto::RelationshipUpdate { operation: 1, relationship: Some(relationship) };
        request.updates = vec![wrong; 300];
    });
    let refused = refused.await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().len() + refused.details().len() < 5_000, "{refused}");
    assert!(refused.message().contains("more"), "{refused}");
}

#[tokio::test]
async fn preconditions_look_at_what_was_there_before() {
    let server = fresh().await;
    let owner = || proto::RelationshipFilter {
        resource_type: "document".to_owned(),
        optional_resource_id: "plan".to_owned(),
        optional_relation: "owner".to_owned(),
        optional_subject_filter: Some(proto::SubjectFilter {
            subject_type: "user".to_owned(),
            optional_subject_id: "ann".to_owned(),
            optional_relation: Some(proto::subject_filter::RelationFilter::default()),
        }),
        ..Default::default()
    };
    let with = |operation| {
        move |request: &mut proto::WriteRelationshipsRequest| {
            request.optional_preconditions = vec![precondition(operation, owner())];
        }
    };
    let refused = written(&server, with(Operation::MustMatch)).await.unwrap_err();
    let names = [
        "precondition_operation",
        "precondition_resource_type",
        "precondition_resource_id",
        "precondition_relation",
        "precondition_subject_type",
        "precondition_subject_id",
    ];
    let reason = "WRITE_OR_DELETE_PRECONDITION_FAILURE";
    let reported = failure(&refused);
    assert_eq!((reported.code, reported.reason.as_str()), (Code::FailedPrecondition, reason));
    for name in names {
        assert!(reported.metadata.contains_key(name), "{name} in {reported:?}");
    }
    written(&server, with(Operation::MustNotMatch)).await.unwrap();
    written(&server, with(Operation::MustMatch)).await.unwrap();
    let refused = written(&server, with(Operation::MustNotMatch)).await.unwrap_err();
    assert_eq!(failure(&refused).reason, reason);
}

#[tokio::test]
async fn a_precondition_needs_a_condition_and_known_names() {
    let server = fresh().await;
    let refused = |filter| {
        written(&server, |request: &mut proto::WriteRelationshipsRequest| {
            request.optional_preconditions = vec![precondition(Operation::MustMatch, filter)];
        })
    };
    let empty = refused(proto::RelationshipFilter::default()).await.unwrap_err();
    require(&empty, Code::InvalidArgument, "INVALID_FILTER", &["filter"]);
    let unknown = refused(filter("nothing")).await.unwrap_err();
    require(&unknown, Code::FailedPrecondition, "UNKNOWN_DEFINITION", &["definition_name"]);
}

#[tokio::test]
async fn filters_select_by_every_part() {
    let server = fresh().await;
    server
        .touch(&[
            "document:a1#owner@user:ann",
            "document:a2#viewer@user:ann",
            "document:a2#viewer@user:*",
            "document:b1#viewer@group:eng#member",
            "group:eng#member@user:ann",
        ])
        .await
        .unwrap();
    let subject = |subject_type: &str, id: &str, relation: Option<&str>| proto::SubjectFilter {
        subject_type: subject_type.to_owned(),
        optional_subject_id: id.to_owned(),
        optional_relation: relation.map(|relation| proto::subject_filter::RelationFilter {
            relation: relation.to_owned(),
        }),
    };
    let with = |change: &dyn Fn(&mut proto::RelationshipFilter)| {
        let mut filter = filter("document");
        change(&mut filter);
        filter
    };
    let of_subject = |subject| {
        with(&|filter: &mut proto::RelationshipFilter| {
            filter.optional_subject_filter = Some(proto::SubjectFilter::clone(&subject));
        })
    };
    assert_eq!(found(&server, filter("document")).await.len(), 4);
    let id = with(&|filter| filter.optional_resource_id = "a2".to_owned());
    assert_eq!(found(&server, id).await.len(), 2);
    let prefix = with(&|filter| filter.optional_resource_id_prefix = "a".to_owned());
    assert_eq!(found(&server, prefix).await.len(), 3);
    let relation = with(&|filter| filter.optional_relation = "owner".to_owned());
    assert_eq!(found(&server, relation).await, ["document:a1#owner@user:ann"]);
    assert_eq!(found(&server, of_subject(subject("user", "", None))).await.len(), 3);
    let wildcard = of_subject(subject("user", "*", None));
    assert_eq!(found(&server, wildcard).await, ["document:a2#viewer@user:*"]);
    assert_eq!(found(&server, of_subject(subject("group", "", Some("member")))).await.len(), 1);
    assert_eq!(found(&server, of_subject(subject("group", "", Some("")))).await.len(), 0);
    let anywhere = proto::RelationshipFilter {
        optional_subject_filter: Some(subject("user", "ann", None)),
        ..Default::default()
    };
    assert_eq!(found(&server, anywhere).await.len(), 3);
}

#[tokio::test]
async fn filters_that_cannot_be_meant_are_refused() {
    let server = fresh().await;
    let refused = read_refused(&server, Some(proto::RelationshipFilter::default())).await;
    require(&refused, Code::InvalidArgument, "INVALID_FILTER", &["filter"]);
    let both = proto::RelationshipFilter {
        optional_resource_id: "a".to_owned(),
        optional_resource_id_prefix: "a".to_owned(),
        ..filter("document")
    };
    let refused = read_refused(&server, Some(both)).await;
    require(&refused, Code::InvalidArgument, "INVALID_FILTER", &["filter"]);
    let refused = read_refused(&server, None).await;
    require(&refused, Code::InvalidArgument, "", &[]);
    let refused = read_refused(&server, Some(filter("nothing"))).await;
    require(&refused, Code::FailedPrecondition, "UNKNOWN_DEFINITION", &["definition_name"]);
    let relation = |name: &str| proto::RelationshipFilter {
        optional_relation: name.to_owned(),
        ..filter("document")
    };
    let names = ["definition_name", "relation_or_permission_name"];
    let refused = read_refused(&server, Some(relation("nothing"))).await;
    require(&refused, Code::FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION", &names);
    let refused = read_refused(&server, Some(relation("view"))).await;
    let names = ["definition_name", "permission_name"];
    require(&refused, Code::InvalidArgument, "INVALID_FILTER", &names);
    let star =
        proto::RelationshipFilter { optional_resource_id: "*".to_owned(), ..filter("document") };
    let refused = read_refused(&server, Some(star)).await;
    assert!(refused.message().contains("relationship_filter.optional_resource_id"), "{refused}");
}

#[tokio::test]
async fn a_deletion_counts_and_keeps_its_limit() {
    let server = fresh().await;
    let many: Vec<_> = (0..25).map(|n| touch(&format!("document:d{n}#owner@user:ann"))).collect();
    server.write(many).await.unwrap();
    let request = |limit, partial| proto::DeleteRelationshipsRequest {
        relationship_filter: Some(filter("document")),
        optional_limit: limit,
        optional_allow_partial_deletions: partial,
        ..Default::default()
    };
    let refused = deleted(&server, request(10, false)).await.unwrap_err();
    let reported = failure(&refused);
    assert_eq!(reported.code, Code::InvalidArgument);
    assert_eq!(reported.reason, "TOO_MANY_RELATIONSHIPS_FOR_TRANSACTIONAL_DELETE");
    assert_eq!(reported.metadata["limit"], "10");
    assert_eq!(reported.metadata["filter_resource_type"], "document");
    assert_eq!(found(&server, filter("document")).await.len(), 25);

    assert_eq!(deleted(&server, request(10, true)).await.unwrap(), (DeletionProgress::Partial, 10));
    assert_eq!(
        deleted(&server, request(0, false)).await.unwrap(),
        (DeletionProgress::Complete, 15)
    );
    assert_eq!(deleted(&server, request(0, false)).await.unwrap(), (DeletionProgress::Complete, 0));
    let refused = deleted(&server, request(1_001, true)).await.unwrap_err();
    let names = ["limit_provided", "maximum_limit_allowed"];
    require(&refused, Code::InvalidArgument, "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT", &names);
}

#[tokio::test]
async fn a_deletion_heeds_its_preconditions() {
    let server = fresh().await;
    server.touch(&["document:a#owner@user:ann"]).await.unwrap();
    let request = proto::DeleteRelationshipsRequest {
        relationship_filter: Some(filter("document")),
        optional_preconditions: vec![precondition(Operation::MustMatch, filter("group"))],
        ..Default::default()
    };
    let refused = deleted(&server, request).await.unwrap_err();
    assert_eq!(failure(&refused).reason, "WRITE_OR_DELETE_PRECONDITION_FAILURE");
    assert_eq!(found(&server, filter("document")).await.len(), 1);
}
