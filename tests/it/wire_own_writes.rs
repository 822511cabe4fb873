//! `kilwa.v1.RelationshipsService`: writes with required permissions, relations that are set, objects that are deleted.

use super::server_support::{
    Bearer, Fresh, KEY, Keyed, create, failure, filter, fresh, object, question, relationship,
    require, structure, text, touch,
};
use kilwa::proto::authzed::api::v1 as authzed;
use kilwa::proto::kilwa::v1 as proto;
use kilwa::proto::kilwa::v1::relationships_service_client::RelationshipsServiceClient;
use std::collections::BTreeSet;
use tonic::{Code, Status};

async fn own(server: &Fresh) -> RelationshipsServiceClient<Keyed> {
    RelationshipsServiceClient::with_interceptor(server.channel().await, Bearer(KEY.to_owned()))
}

fn required(text: &str) -> proto::RequiredPermission {
    let authzed::CheckPermissionRequest { resource, permission, subject, .. } = question(text);
    proto::RequiredPermission { resource, permission, subject, context: None }
}

async fn write(
    server: &Fresh,
    updates: &[&str],
    required_permissions: Vec<proto::RequiredPermission>,
) -> Result<(), Status> {
    let request = proto::WriteRelationshipsRequest {
        updates: updates.iter().map(|text| touch(text)).collect(),
        required_permissions,
        ..Default::default()
    };
    own(server).await.write_relationships(request).await.map(|response| {
        assert!(response.into_inner().written_at.is_some());
    })
}

/// Added, changed and removed, as texts.
type Set = [Vec<String>; 3];

async fn set(
    server: &Fresh,
    resource: (&str, &str),
    relation: &str,
    subjects: &[&str],
) -> Result<Set, Status> {
    set_if(server, resource, relation, subjects, |_| {}).await
}

async fn set_if(
    server: &Fresh,
    resource: (&str, &str),
    relation: &str,
    subjects: &[&str],
    change: impl FnOnce(&mut proto::SetRelationRequest),
) -> Result<Set, Status> {
    let subject = |text: &&str| {
        let relationship = relationship(&format!("document:any#viewer@{text}"));
        proto::RelationSubject {
            subject: relationship.subject,
            optional_caveat: relationship.optional_caveat,
            optional_expires_at: relationship.optional_expires_at,
        }
    };
    let mut request = proto::SetRelationRequest {
        resource: Some(object(resource.0, resource.1)),
        relation: relation.to_owned(),
        subjects: subjects.iter().map(subject).collect(),
        ..Default::default()
    };
    change(&mut request);
    let response = own(server).await.set_relation(request).await?.into_inner();
    assert!(response.written_at.is_some());
    let texts = |found: Vec<authzed::Relationship>| found.iter().map(text).collect();
    Ok([texts(response.added), texts(response.changed), texts(response.removed)])
}

async fn stored(server: &Fresh, object_type: &str) -> BTreeSet<String> {
    let request = authzed::ReadRelationshipsRequest {
        relationship_filter: Some(filter(object_type)),
        ..Default::default()
    };
    let responses = server.read(request).await.unwrap();
    responses.iter().map(|response| text(response.relationship.as_ref().unwrap())).collect()
}

async fn forget(server: &Fresh, named: (&str, &str), dry_run: bool) -> Result<(u64, u64), Status> {
    let request = proto::DeleteObjectRequest {
        object: Some(object(named.0, named.1)),
        dry_run,
        ..Default::default()
    };
    let response = own(server).await.delete_object(request).await?.into_inner();
    assert!(response.deleted_at.is_some());
    Ok((response.as_resource_count, response.as_subject_count))
}

#[tokio::test]
async fn a_write_happens_only_if_its_permissions_are_held() {
    let server = fresh().await;
    server.touch(&["document:plan#owner@user:ann"]).await.unwrap();
    let edit = |who: &str| required(&format!("document:plan#edit@user:{who}"));
    write(&server, &["document:plan#viewer@user:bob"], vec![edit("ann")]).await.unwrap();
    let refused =
        write(&server, &["document:plan#viewer@user:eve"], vec![edit("ann"), edit("bob")])
            .await
            .unwrap_err();
    let names = ["required_resource", "required_permission", "required_subject"];
    let reason = "WRITE_OR_DELETE_PRECONDITION_FAILURE";
    require(&refused, Code::FailedPrecondition, reason, &names);
    assert_eq!(failure(&refused).metadata["required_subject"], "user:bob");
    assert!(!server.has("document:plan#view@user:eve").await);
    // Permissions that the write itself would grant do not count.
    let own_gift = write(&server, &["document:plan#owner@user:bob"], vec![edit("bob")]).await;
    assert_eq!(own_gift.unwrap_err().code(), Code::FailedPrecondition);
    // Nothing to require is a plain write.
    write(&server, &["document:plan#owner@user:bob"], Vec::new()).await.unwrap();
    write(&server, &[], vec![edit("bob")]).await.unwrap();
}

#[tokio::test]
async fn a_permission_that_depends_on_missing_context_is_not_held() {
    let server = fresh().await;
    server
        .touch(&["document:plan#viewer@user:ann[only_on:{\"allowed\":\"monday\"}]"])
        .await
        .unwrap();
    let mut view = required("document:plan#view@user:ann");
    let update = ["document:plan#viewer@user:bob"];
    let refused = write(&server, &update, vec![view.clone()]).await.unwrap_err();
    assert_eq!(failure(&refused).metadata["missing_context"], "day");
    view.context = Some(structure(r#"{"day": "sunday"}"#));
    let refused = write(&server, &update, vec![view.clone()]).await.unwrap_err();
    assert!(!failure(&refused).metadata.contains_key("missing_context"));
    view.context = Some(structure(r#"{"day": "monday"}"#));
    write(&server, &update, vec![view]).await.unwrap();
}

#[tokio::test]
async fn wrong_requirements_are_refused_as_checks_are() {
    let server = fresh().await;
    let update = ["document:plan#viewer@user:bob"];
    let refusal =
        async |text: &str| write(&server, &update, vec![required(text)]).await.unwrap_err();
    let unknown = refusal("paper:plan#edit@user:ann").await;
    require(&unknown, Code::FailedPrecondition, "UNKNOWN_DEFINITION", &["definition_name"]);
    let unknown = refusal("document:plan#fly@user:ann").await;
    let names = ["definition_name", "relation_or_permission_name"];
    require(&unknown, Code::FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION", &names);
    let many = vec![required("document:plan#edit@user:ann"); 101];
    let refused = write(&server, &update, many).await.unwrap_err();
    let names = ["permission_count", "maximum_permissions_allowed"];
    require(&refused, Code::InvalidArgument, "TOO_MANY_PRECONDITIONS_IN_REQUEST", &names);
    let empty = proto::RequiredPermission::default();
    let refused = write(&server, &update, vec![empty]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("required_permissions[0].resource"), "{refused}");
    assert_eq!(stored(&server, "document").await, BTreeSet::new());
}

/// A permission that is true until the first write makes it false: of many writers at the same time, one succeeds.
#[tokio::test(flavor = "multi_thread")]
async fn no_write_comes_between_a_required_permission_and_its_write() {
    let server = fresh().await;
    server
        .write_schema(
            "definition user {}
            definition seat {
                relation guest: user
                relation taken: user
                permission free = guest - taken
            }",
        )
        .await
        .unwrap();
    let channel = server.channel().await;
    for round in 0..20 {
        server.touch(&[&format!("seat:s{round}#guest@user:ann")]).await.unwrap();
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let request = proto::WriteRelationshipsRequest {
                updates: vec![touch(&format!("seat:s{round}#taken@user:ann"))],
                required_permissions: vec![required(&format!("seat:s{round}#free@user:ann"))],
                ..Default::default()
            };
            let bearer = Bearer(KEY.to_owned());
            let mut client = RelationshipsServiceClient::with_interceptor(channel.clone(), bearer);
            writers.spawn(async move { client.write_relationships(request).await.is_ok() });
        }
        let done = writers.join_all().await;
        assert_eq!(done.iter().filter(|written| **written).count(), 1);
    }
}

#[tokio::test]
async fn a_relation_is_set_to_exactly_the_subjects_given() {
    let server = fresh().await;
    let all = [
        "document:plan#owner@user:ann",
        "document:plan#viewer@user:ann",
        "document:plan#viewer@user:bob",
        "document:plan#viewer@group:eng#member",
        "document:other#viewer@user:bob",
    ];
    server.touch(&all).await.unwrap();
    let plan = ("document", "plan");
    let subjects =
        ["user:ann", "user:*", "user:bob[only_on:{\"allowed\":\"monday\"}]", "group:new#member"];
    let [mut added, changed, removed] = set(&server, plan, "viewer", &subjects).await.unwrap();
    added.sort();
    assert_eq!(added, ["document:plan#viewer@group:new#member", "document:plan#viewer@user:*"]);
    assert_eq!(changed, ["document:plan#viewer@user:bob[only_on]"]);
    assert_eq!(removed, ["document:plan#viewer@group:eng#member"]);
    let expected = [
        "document:other#viewer@user:bob",
        "document:plan#owner@user:ann",
        "document:plan#viewer@group:new#member",
        "document:plan#viewer@user:*",
        "document:plan#viewer@user:ann",
        "document:plan#viewer@user:bob[only_on]",
    ];
    assert_eq!(stored(&server, "document").await, expected.map(str::to_owned).into());
    // The same again changes nothing; nothing at all empties the relation.
    assert_eq!(set(&server, plan, "viewer", &subjects).await.unwrap(), Set::default());
    let [added, changed, removed] = set(&server, plan, "viewer", &[]).await.unwrap();
    assert_eq!((added.len(), changed.len(), removed.len()), (0, 0, 4));
    assert_eq!(stored(&server, "document").await.len(), 2);
}

#[tokio::test]
async fn subjects_that_have_expired_are_new_when_set_and_not_missed_when_removed() {
    let server = fresh().await;
    let past = "[expiration:2001-01-01T00:00:00Z]";
    let expired = ["ann", "bob"].map(|who| format!("document:plan#viewer@user:{who}{past}"));
    server.touch(&expired.each_ref().map(String::as_str)).await.unwrap();
    let done = set(&server, ("document", "plan"), "viewer", &["user:ann"]).await.unwrap();
    assert_eq!(done, [vec!["document:plan#viewer@user:ann".to_owned()], Vec::new(), Vec::new()]);
    // Were the other one still stored, a CREATE would be refused.
    server.write(vec![create("document:plan#viewer@user:bob")]).await.unwrap();
}

#[tokio::test]
async fn a_relation_is_not_set_to_what_it_may_not_have() {
    let server = fresh().await;
    server.touch(&["document:plan#viewer@user:ann"]).await.unwrap();
    let plan = ("document", "plan");
    let refused = set(&server, plan, "owner", &["group:eng#member"]).await.unwrap_err();
    assert_eq!(failure(&refused).reason, "INVALID_SUBJECT_TYPE");
    for subjects in [&["user:ann"][..], &[]] {
        let refused = set(&server, plan, "view", subjects).await.unwrap_err();
        let names = ["definition_name", "permission_name"];
        require(&refused, Code::InvalidArgument, "CANNOT_UPDATE_PERMISSION", &names);
    }
    let refused = set(&server, plan, "absent", &[]).await.unwrap_err();
    assert_eq!(failure(&refused).reason, "UNKNOWN_RELATION_OR_PERMISSION");
    let refused = set(&server, plan, "viewer", &["user:bob", "user:bob"]).await.unwrap_err();
    assert_eq!(failure(&refused).reason, "UPDATES_ON_SAME_RELATIONSHIP");
    let refused = set(&server, ("document", "*"), "viewer", &[]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let unmet = set_if(&server, plan, "viewer", &[], |request| {
        request.required_permissions.push(required("document:plan#edit@user:ann"));
    });
    let refused = unmet.await.unwrap_err();
    assert_eq!(failure(&refused).reason, "WRITE_OR_DELETE_PRECONDITION_FAILURE");
    // As many as one write may have are replaced, and not one more.
    let many: Vec<String> = (0..999).map(|n| format!("user:u{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    set(&server, plan, "viewer", &many).await.unwrap();
    let refused = set(&server, plan, "viewer", &["user:ann", "user:bob"]).await.unwrap_err();
    assert_eq!(failure(&refused).reason, "TOO_MANY_UPDATES_IN_REQUEST");
    let [added, _, removed] = set(&server, plan, "viewer", &["user:ann"]).await.unwrap();
    assert_eq!((added.len(), removed.len()), (1, 999));
}

#[tokio::test]
async fn an_object_is_forgotten_on_both_sides() {
    let server = fresh().await;
    let all = [
        "group:eng#member@user:ann",
        "group:eng#member@group:eng#member",
        "group:eng#member@group:ops#member",
        "group:ops#member@group:eng#member",
        "document:plan#viewer@group:eng#member",
        "document:plan#viewer@user:eng",
        "document:eng#viewer@user:ann",
        "document:plan#viewer@user:bob[expiration:2001-01-01T00:00:00Z]",
    ];
    server.touch(&all).await.unwrap();
    assert_eq!(forget(&server, ("group", "eng"), true).await.unwrap(), (3, 2));
    assert_eq!(stored(&server, "group").await.len(), 4);
    assert_eq!(forget(&server, ("group", "eng"), false).await.unwrap(), (3, 2));
    assert_eq!(stored(&server, "group").await, BTreeSet::new());
    let left = ["document:eng#viewer@user:ann", "document:plan#viewer@user:eng"];
    assert_eq!(stored(&server, "document").await, left.map(str::to_owned).into());
    assert_eq!(forget(&server, ("group", "eng"), false).await.unwrap(), (0, 0));
    // What has expired and is still stored goes too, and is counted either way.
    assert_eq!(forget(&server, ("user", "bob"), true).await.unwrap(), (0, 1));
    assert_eq!(forget(&server, ("user", "bob"), false).await.unwrap(), (0, 1));
    let refused = forget(&server, ("paper", "plan"), false).await.unwrap_err();
    assert_eq!(failure(&refused).reason, "UNKNOWN_DEFINITION");
    let refused = forget(&server, ("paper", "plan"), true).await.unwrap_err();
    assert_eq!(failure(&refused).reason, "UNKNOWN_DEFINITION");
}
