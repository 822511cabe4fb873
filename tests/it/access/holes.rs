//! What a caller with roles could see or change by a detour.

use super::{ADMIN, Guarded, LIMITED, access_with_role, calls};
use crate::http_support::{HttpAnswer, send};
use crate::server_support::{object, touch};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::kilwa::v1 as kilwa_proto;
use prost::Message as _;
use std::fs;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic_types::StatusExt as _;

const WRITE: &str = "/authzed.api.v1.PermissionsService/WriteRelationships";
const CHECK: &str = "/authzed.api.v1.PermissionsService/CheckPermission";
const WATCH: &str = "/authzed.api.v1.WatchService/Watch";
const SET: &str = "/kilwa.v1.RelationshipsService/SetRelation";

const OWN: &str = "methods = [\"check\", \"lookup\", \"read\", \"write\"]\nid_prefixes = [\"a-\"]\nshared = [\"user\"]";

fn write(texts: &[String]) -> proto::WriteRelationshipsRequest {
    let updates = texts.iter().map(|text| touch(text)).collect();
    proto::WriteRelationshipsRequest { updates, ..Default::default() }
}

async fn require_written(guarded: &Guarded, texts: &[String]) {
    for part in texts.chunks(1_000) {
        let answer = guarded.call(ADMIN, WRITE, &write(part)).await;
        assert!(answer.error.is_none(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_relation_is_set_behind_any_number_of_subjects_outside() {
    let role = "methods = [\"check\", \"write\"]\nid_prefixes = [\"a-\"]";
    let guarded = Guarded::with_role(role).await;
    let foreign = (0..2_100).map(|number| format!("document:a-1#viewer@user:A{number:04}"));
    let mut texts: Vec<String> = foreign.collect();
    texts.push("document:a-1#viewer@user:a-old".to_owned());
    require_written(&guarded, &texts).await;

    let request = kilwa_proto::SetRelationRequest {
        resource: Some(object("document", "a-1")),
        relation: "viewer".to_owned(),
        ..Default::default()
    };
    let answer = guarded.call(LIMITED, SET, &request).await;
    assert!(answer.error.is_none(), "{answer:?}");
    let response = kilwa_proto::SetRelationResponse::decode(&*answer.messages[0]).unwrap();
    assert_eq!(response.removed.len(), 1, "{response:?}");
}

#[tokio::test]
async fn an_answer_over_http_says_too_that_it_is_a_part_of_the_data() {
    let guarded = Guarded::with_role(OWN).await;
    require_written(&guarded, &["document:a-1#viewer@user:ann".to_owned()]).await;
    let part = async |key: &str, id: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [("Authorization", bearer.as_str())];
        let body = format!(
            r#"{{"relationshipFilter":{{"resourceType":"document","optionalResourceId":"{id}"}}}}"#
        );
        let path = ["POST", "/v1/relationships/read"];
        let received = send(&guarded.http, path, &headers, &body, |_| false).await;
        let answer = HttpAnswer::parse(&received);
        assert_eq!(answer.status, 200, "{answer:?}");
        (answer.lines().len(), answer.header("grpc-metadata-kilwa-part-of-data").map(str::to_owned))
    };
    let said = Some("true".to_owned());
    assert_eq!(part(LIMITED, "a-1").await, (1, said.clone()));
    assert_eq!(part(LIMITED, "a-2").await, (0, said));
    assert_eq!(part(ADMIN, "a-1").await, (1, None));
}

#[tokio::test]
async fn the_number_of_steps_is_not_told_to_callers_with_a_part_of_the_data() {
    let guarded = Guarded::with_role(OWN).await;
    require_written(&guarded, &["group:b-1#member@user:eve".to_owned()]).await;
    let request = proto::LookupResourcesRequest {
        resource_object_type: "group".to_owned(),
        permission: "member".to_owned(),
        subject: Some(proto::SubjectReference {
            object: Some(object("user", "eve")),
            ..Default::default()
        }),
        ..Default::default()
    };
    let steps = async |key: &str| {
        let bearer = crate::server_support::Bearer(key.to_owned());
        let channel = guarded.server.channel().await;
        let mut client =
            proto::permissions_service_client::PermissionsServiceClient::with_interceptor(
                channel, bearer,
            );
        let mut stream = client.lookup_resources(request.clone()).await.unwrap().into_inner();
        while stream.message().await.unwrap().is_some() {}
        let trailers = stream.trailers().await.unwrap().unwrap();
        let count = trailers.get("io.spicedb.respmeta.dispatchedoperationscount").unwrap();
        count.to_str().unwrap().to_owned()
    };
    assert_ne!(steps(ADMIN).await, "0");
    assert_eq!(steps(LIMITED).await, "0");
}

#[tokio::test]
async fn an_object_that_all_share_is_a_subject_and_no_resource_of_writes() {
    let schema =
        "definition user { relation manager: user }\ndefinition document { relation viewer: user }";
    let guarded = Guarded::with_role(OWN).await;
    let request = proto::WriteSchemaRequest { schema: schema.to_owned() };
    let path = "/authzed.api.v1.SchemaService/WriteSchema";
    assert!(guarded.call(ADMIN, path, &request).await.error.is_none());

    let own = write(&["document:a-1#viewer@user:carl".to_owned()]);
    assert!(guarded.call(LIMITED, WRITE, &own).await.error.is_none());
    let shared = write(&["user:carl#manager@user:mallory".to_owned()]);
    let refusal = guarded.call(LIMITED, WRITE, &shared).await;
    assert_eq!(refusal.refusal().code(), Code::PermissionDenied);
    // It can be asked about all the same.
    let question = crate::server_support::question("user:carl#manager@user:mallory");
    assert!(guarded.call(LIMITED, CHECK, &question).await.error.is_none());
}

#[tokio::test]
async fn an_import_ends_when_its_key_is_taken_away() {
    let guarded = Guarded::with_role("methods = [\"bulk\"]\nid_prefixes = [\"a-\"]").await;
    let (sender, parts) = mpsc::channel(1);
    let part = |id: &str| {
        let text = format!("document:a-{id}#viewer@user:a-ann");
        let relationships = vec![crate::server_support::relationship(&text)];
        proto::ImportBulkRelationshipsRequest { relationships }
    };
    sender.send(part("1")).await.unwrap();
    let mut client = guarded.server.permissions_as(LIMITED).await;
    let importing =
        tokio::spawn(
            async move { client.import_bulk_relationships(ReceiverStream::new(parts)).await },
        );
    // Taken by the call, which has begun then.
    sender.send(part("2")).await.unwrap();
    sender.send(part("3")).await.unwrap();

    let role = access_with_role("methods = [\"bulk\"]\nid_prefixes = [\"a-\"]");
    let file = guarded.dir.path().join("access.toml");
    let other = role.replace(LIMITED, "a key that comes in its place");
    fs::write(file, other).unwrap();
    let question = crate::server_support::question("document:a-1#view@user:a-ann");
    let missing = |answer: calls::Answer| {
        answer.error.is_some_and(|error| error.message().contains("invalid token"))
    };
    while !missing(guarded.call(LIMITED, CHECK, &question).await) {
        tokio::task::yield_now().await;
    }
    drop(sender);
    let refusal = importing.await.unwrap().unwrap_err();
    assert_eq!(refusal.code(), Code::PermissionDenied, "{refusal:?}");
}

#[tokio::test]
async fn a_filter_without_a_type_is_held_to_the_prefixes_and_relations() {
    const READ: &str = "/authzed.api.v1.PermissionsService/ReadRelationships";
    let role = "methods = [\"read\"]\nid_prefixes = [\"a-\"]\nrelations = [\"viewer\"]";
    let guarded = Guarded::with_role(role).await;
    let asked = async |id: &str, prefix: &str, relation: &str| {
        let filter = proto::RelationshipFilter {
            optional_resource_id: id.to_owned(),
            optional_resource_id_prefix: prefix.to_owned(),
            optional_relation: relation.to_owned(),
            ..Default::default()
        };
        let request = proto::ReadRelationshipsRequest {
            relationship_filter: Some(filter),
            ..Default::default()
        };
        guarded.call(LIMITED, READ, &request).await.error.map(|error| error.code())
    };

    for inside in
        [("a-1", "", ""), ("", "a-", ""), ("", "a", ""), ("", "a-x", ""), ("", "", "viewer")]
    {
        assert_eq!(asked(inside.0, inside.1, inside.2).await, None, "{inside:?}");
    }
    for outside in [("b-1", "", ""), ("", "b-", ""), ("a-1", "", "banned"), ("", "", "banned")] {
        let code = asked(outside.0, outside.1, outside.2).await;
        assert_eq!(code, Some(Code::PermissionDenied), "{outside:?}");
    }

    // A type that the role shares may have any id.
    let shares = format!("{role}\nshared = [\"group\"]");
    fs::write(guarded.dir.path().join("access.toml"), access_with_role(&shares)).unwrap();
    while asked("b-1", "", "").await.is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_fault_in_the_schema_of_a_request_is_shown_and_a_relationship_in_the_way_is_not() {
    const WRITE_SCHEMA: &str = "/authzed.api.v1.SchemaService/WriteSchema";
    let guarded = Guarded::with_role("methods = [\"schema\", \"admin\"]").await;
    require_written(&guarded, &["group:hidden#member@user:eve".to_owned()]).await;
    let refused = async |schema: &str| {
        let request = proto::WriteSchemaRequest { schema: schema.to_owned() };
        guarded.call(LIMITED, WRITE_SCHEMA, &request).await.error.unwrap()
    };

    let misspelt = refused("definitio user {}").await;
    assert!(misspelt.message().contains("line 1, column 1"), "{misspelt}");
    let unknown = refused("definition user { relation a: nobody }").await;
    assert!(unknown.message().contains("nobody"), "{unknown}");
    let used = refused("definition user {}").await;
    assert!(used.message().contains("not shown in full"), "{used}");
    assert!(!format!("{used:?}").contains("hidden"), "{used:?}");
}

#[tokio::test]
async fn a_watch_of_what_does_not_exist_is_answered_as_for_others() {
    let tenant = "methods = [\"watch\"]\nid_prefixes = [\"a-\"]\nshared = [\"user\"]";
    let guarded = Guarded::with_role(tenant).await;
    let filtered = |object_type: &str, relation: &str| proto::WatchRequest {
        optional_relationship_filters: vec![proto::RelationshipFilter {
            resource_type: object_type.to_owned(),
            optional_relation: relation.to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let reason = async |key: &str, request: &proto::WatchRequest| {
        let answer = guarded.call(key, WATCH, request).await;
        let refusal = answer.refusal();
        let info = refusal.get_details_error_info().unwrap();
        (refusal.code(), info.reason, info.metadata)
    };
    for (object_type, relation, expected) in [
        ("nothing", "", "ERROR_REASON_UNKNOWN_DEFINITION"),
        ("document", "nothing", "ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION"),
    ] {
        let request = filtered(object_type, relation);
        let seen = reason(LIMITED, &request).await;
        assert_eq!((seen.0, seen.1.as_str()), (Code::FailedPrecondition, expected));
        assert_eq!(seen, reason(ADMIN, &request).await);
    }
    // Types alone are not looked for in the schema: their definitions may be written later.
    let request = proto::WatchRequest {
        optional_object_types: vec!["nothing".to_owned()],
        ..Default::default()
    };
    for key in [LIMITED, ADMIN] {
        let channel = guarded.server.channel().await;
        let begun = calls::begin(channel, key, WATCH, request.encode_to_vec()).await;
        assert!(begun.error.is_none(), "{begun:?}");
    }

    // A role that names its definitions tells nothing of others.
    let named = "methods = [\"watch\"]\ndefinitions = [\"document\"]";
    let guarded = Guarded::with_role(named).await;
    for object_type in ["nothing", "group"] {
        let answer = guarded.call(LIMITED, WATCH, &filtered(object_type, "")).await;
        assert_eq!(answer.refusal().code(), Code::PermissionDenied, "{object_type}");
    }
}
