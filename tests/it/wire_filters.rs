//! Filters that name a permission, in every call that takes a filter of relationships.

use super::server_support::{Bearer, Fresh, KEY, Keyed, failure, filter, fresh, object, touch};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::kilwa::v1 as own;
use own::relationships_service_client::RelationshipsServiceClient;
use own::watch_service_client::WatchServiceClient as OwnWatchServiceClient;
use proto::experimental_service_client::ExperimentalServiceClient;
use proto::precondition::Operation;
use proto::watch_service_client::WatchServiceClient;
use std::collections::BTreeMap;
use tonic::{Code, Status};

fn of_permission() -> proto::RelationshipFilter {
    proto::RelationshipFilter { optional_relation: "view".to_owned(), ..filter("document") }
}

fn precondition() -> proto::Precondition {
    proto::Precondition { operation: Operation::MustNotMatch.into(), filter: Some(of_permission()) }
}

#[track_caller]
fn require_refusal(call: &str, answer: Result<(), Status>) {
    let status = answer.expect_err(call);
    let reported = failure(&status);
    assert_eq!(
        (reported.code, reported.reason.as_str()),
        (Code::InvalidArgument, "INVALID_FILTER"),
        "{call}"
    );
    let names = [("definition_name", "document"), ("permission_name", "view")];
    let names: BTreeMap<_, _> =
        names.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(reported.metadata, names, "{call}");
    assert_eq!(
        status.message(),
        "the relationship filter provided is not valid: cannot filter relationships by permission `view` under \
         definition `document`; relationships exist only on relations, not permissions",
        "{call}"
    );
}

async fn key(server: &Fresh) -> Keyed {
    Keyed::new(server.channel().await, Bearer(KEY.to_owned()))
}

#[tokio::test]
async fn reads_and_deletions_refuse_a_filter_on_a_permission() {
    let server = fresh().await;
    let read = proto::ReadRelationshipsRequest {
        relationship_filter: Some(of_permission()),
        ..Default::default()
    };
    require_refusal("read", server.read(read).await.map(drop));
    let mut client = server.permissions().await;
    for limit in [0, 10] {
        let delete = proto::DeleteRelationshipsRequest {
            relationship_filter: Some(of_permission()),
            optional_limit: limit,
            optional_allow_partial_deletions: true,
            ..Default::default()
        };
        require_refusal("delete", client.delete_relationships(delete).await.map(drop));
    }
    let export = proto::ExportBulkRelationshipsRequest {
        optional_relationship_filter: Some(of_permission()),
        ..Default::default()
    };
    let exported = match client.export_bulk_relationships(export).await {
        Ok(stream) => stream.into_inner().message().await.map(drop),
        Err(status) => Err(status),
    };
    require_refusal("export", exported);
}

#[tokio::test]
#[expect(deprecated, reason = "the older name takes a filter too")]
async fn experimental_calls_refuse_a_filter_on_a_permission() {
    let server = fresh().await;
    let mut client = ExperimentalServiceClient::new(key(&server).await);
    let export = proto::BulkExportRelationshipsRequest {
        optional_relationship_filter: Some(of_permission()),
        ..Default::default()
    };
    let exported = match client.bulk_export_relationships(export).await {
        Ok(stream) => stream.into_inner().message().await.map(drop),
        Err(status) => Err(status),
    };
    require_refusal("bulk export", exported);
    let counter = proto::ExperimentalRegisterRelationshipCounterRequest {
        name: "viewers".to_owned(),
        relationship_filter: Some(of_permission()),
    };
    let registered = client.experimental_register_relationship_counter(counter).await.map(drop);
    require_refusal("counter", registered);
}

#[tokio::test]
async fn preconditions_refuse_a_filter_on_a_permission() {
    let server = fresh().await;
    let mut client = server.permissions().await;
    let write = proto::WriteRelationshipsRequest {
        updates: vec![touch("document:plan#owner@user:ann")],
        optional_preconditions: vec![precondition()],
        ..Default::default()
    };
    require_refusal("write", client.write_relationships(write).await.map(drop));
    let delete = proto::DeleteRelationshipsRequest {
        relationship_filter: Some(filter("document")),
        optional_preconditions: vec![precondition()],
        ..Default::default()
    };
    require_refusal("delete", client.delete_relationships(delete).await.map(drop));

    let mut client = RelationshipsServiceClient::new(key(&server).await);
    let write = own::WriteRelationshipsRequest {
        updates: vec![touch("document:plan#owner@user:ann")],
        optional_preconditions: vec![precondition()],
        ..Default::default()
    };
    require_refusal("own write", client.write_relationships(write).await.map(drop));
    let set = own::SetRelationRequest {
        resource: Some(object("document", "plan")),
        relation: "owner".to_owned(),
        optional_preconditions: vec![precondition()],
        ..Default::default()
    };
    require_refusal("set relation", client.set_relation(set).await.map(drop));
    let delete = own::DeleteObjectRequest {
        object: Some(object("document", "plan")),
        optional_preconditions: vec![precondition()],
        ..Default::default()
    };
    require_refusal("delete object", client.delete_object(delete).await.map(drop));
}

#[tokio::test]
async fn watches_refuse_a_filter_on_a_permission() {
    let server = fresh().await;
    let watch = proto::WatchRequest {
        optional_relationship_filters: vec![filter("group"), of_permission()],
        ..Default::default()
    };
    let watched = WatchServiceClient::new(key(&server).await).watch(watch).await;
    let watched = match watched {
        Ok(stream) => stream.into_inner().message().await.map(drop),
        Err(status) => Err(status),
    };
    require_refusal("watch", watched);
    let watch = own::WatchRequest {
        optional_relationship_filters: vec![of_permission()],
        ..Default::default()
    };
    let watched = OwnWatchServiceClient::new(key(&server).await).watch(watch).await;
    let watched = match watched {
        Ok(stream) => stream.into_inner().message().await.map(drop),
        Err(status) => Err(status),
    };
    require_refusal("own watch", watched);
}

#[tokio::test]
async fn the_relation_of_a_subject_may_be_a_permission() {
    let server = fresh().await;
    let schema = "definition user {}
        definition group { relation member: user; permission all = member }
        definition document { relation viewer: user | group#all }";
    server.write_schema(schema).await.unwrap();
    server.touch(&["document:plan#viewer@group:eng#all"]).await.unwrap();
    let subject = proto::SubjectFilter {
        subject_type: "group".to_owned(),
        optional_relation: Some(proto::subject_filter::RelationFilter {
            relation: "all".to_owned(),
        }),
        ..Default::default()
    };
    let read = proto::ReadRelationshipsRequest {
        relationship_filter: Some(proto::RelationshipFilter {
            optional_subject_filter: Some(subject),
            ..filter("document")
        }),
        ..Default::default()
    };
    assert_eq!(server.read(read).await.unwrap().len(), 1);
}
