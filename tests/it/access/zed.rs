//! The requests that `zed` makes for its commands, over TLS: with the key of an application and with that of a tenant.

use super::calls::Answer;
use super::methods::write;
use super::over_tls::{FULL, TENANT, TenantServer};
use crate::server_support::{filter, object, question, relationship};
use kilwa::proto::authzed::api::v1 as proto;
use prost::Message;
use proto::consistency::Requirement;

const PERMISSIONS: &str = "/authzed.api.v1.PermissionsService";
const SCHEMA: &str = "/authzed.api.v1.SchemaService";

/// What a command of `zed` asks, and what a tenant is told of it.
#[derive(Clone)]
struct ZedCommand {
    words: &'static str,
    path: String,
    messages: Vec<Vec<u8>>,
    /// What the role lacks; `None` for an answer.
    missing: Option<&'static str>,
}

fn asks(
    words: &'static str,
    (service, method): (&str, &str),
    request: &impl Message,
    missing: Option<&'static str>,
) -> ZedCommand {
    let messages = vec![request.encode_to_vec()];
    ZedCommand { words, path: format!("{service}/{method}"), messages, missing }
}

/// `zed` states a consistency in every request that has one.
fn fully() -> proto::Consistency {
    proto::Consistency { requirement: Some(Requirement::FullyConsistent(true)) }
}

fn check(text: &str) -> proto::CheckPermissionRequest {
    let consistency = Some(fully());
    proto::CheckPermissionRequest { consistency, ..question(text) }
}

fn read(id: &str) -> proto::ReadRelationshipsRequest {
    proto::ReadRelationshipsRequest {
        consistency: Some(fully()),
        relationship_filter: Some(proto::RelationshipFilter {
            optional_resource_id: id.to_owned(),
            ..filter("document")
        }),
        // Its pages.
        optional_limit: 100,
        ..proto::ReadRelationshipsRequest::default()
    }
}

fn subject(id: &str) -> proto::SubjectReference {
    proto::SubjectReference { object: Some(object("user", id)), ..Default::default() }
}

fn lookup_resources(id: &str) -> proto::LookupResourcesRequest {
    proto::LookupResourcesRequest {
        consistency: Some(fully()),
        resource_object_type: "document".to_owned(),
        permission: "read".to_owned(),
        subject: Some(subject(id)),
        optional_limit: 100,
        ..proto::LookupResourcesRequest::default()
    }
}

fn lookup_subjects(id: &str) -> proto::LookupSubjectsRequest {
    proto::LookupSubjectsRequest {
        consistency: Some(fully()),
        resource: Some(object("document", id)),
        permission: "read".to_owned(),
        subject_object_type: "user".to_owned(),
        wildcard_option: proto::lookup_subjects_request::WildcardOption::IncludeWildcards.into(),
        ..proto::LookupSubjectsRequest::default()
    }
}

fn expand(id: &str) -> proto::ExpandPermissionTreeRequest {
    proto::ExpandPermissionTreeRequest {
        consistency: Some(fully()),
        resource: Some(object("document", id)),
        permission: "read".to_owned(),
    }
}

fn bulk_check(text: &str) -> proto::CheckBulkPermissionsRequest {
    let proto::CheckPermissionRequest { resource, permission, subject, .. } = question(text);
    let item = proto::CheckBulkPermissionsRequestItem {
        resource,
        permission,
        subject,
        ..proto::CheckBulkPermissionsRequestItem::default()
    };
    proto::CheckBulkPermissionsRequest {
        consistency: Some(fully()),
        items: vec![item],
        with_tracing: false,
    }
}

fn delete(id: &str) -> proto::DeleteRelationshipsRequest {
    proto::DeleteRelationshipsRequest {
        relationship_filter: Some(proto::RelationshipFilter {
            optional_resource_id: id.to_owned(),
            ..filter("document")
        }),
        optional_limit: 1_000,
        optional_allow_partial_deletions: true,
        ..proto::DeleteRelationshipsRequest::default()
    }
}

fn export() -> proto::ExportBulkRelationshipsRequest {
    proto::ExportBulkRelationshipsRequest {
        consistency: Some(fully()),
        ..proto::ExportBulkRelationshipsRequest::default()
    }
}

fn import(text: &str) -> proto::ImportBulkRelationshipsRequest {
    proto::ImportBulkRelationshipsRequest { relationships: vec![relationship(text)] }
}

fn questions() -> Vec<ZedCommand> {
    let traced = |text| proto::CheckPermissionRequest { with_tracing: true, ..check(text) };
    let (alpha, bravo) =
        ("document:alpha/plan#read@user:alpha/ann", "document:bravo/plan#read@user:bravo/ben");
    let others = Some("object_id");
    let checks = (PERMISSIONS, "CheckPermission");
    let (bulk, expansions) =
        ((PERMISSIONS, "CheckBulkPermissions"), (PERMISSIONS, "ExpandPermissionTree"));
    let (resources, subjects) = ((PERMISSIONS, "LookupResources"), (PERMISSIONS, "LookupSubjects"));
    vec![
        asks("permission check", checks, &check(alpha), None),
        asks("permission check, of others", checks, &check(bravo), others),
        asks("permission check --explain", checks, &traced(alpha), Some("method")),
        asks("permission bulk", bulk, &bulk_check(alpha), None),
        asks("permission expand", expansions, &expand("alpha/plan"), None),
        asks("permission expand, of others", expansions, &expand("bravo/plan"), others),
        asks("lookup-resources", resources, &lookup_resources("alpha/ann"), None),
        asks("lookup-resources, of others", resources, &lookup_resources("bravo/ben"), others),
        asks("lookup-subjects", subjects, &lookup_subjects("alpha/plan"), None),
        asks("lookup-subjects, of others", subjects, &lookup_subjects("bravo/plan"), others),
    ]
}

fn changes() -> Vec<ZedCommand> {
    let (own, foreign) =
        ("document:alpha/memo#owner@user:alpha/ann", "document:bravo/memo#owner@user:alpha/ann");
    let two = write(&[own.to_owned(), "team:alpha/red#member@user:alpha/ann".to_owned()]);
    let (own, foreign) = (write(&[own.to_owned()]), write(&[foreign.to_owned()]));
    let others = Some("object_id");
    let (reads, writes) = ((PERMISSIONS, "ReadRelationships"), (PERMISSIONS, "WriteRelationships"));
    let deletions = (PERMISSIONS, "DeleteRelationships");
    vec![
        asks("relationship read", reads, &read(""), None),
        asks("relationship read, of others", reads, &read("bravo/plan"), others),
        asks("relationship touch", writes, &own, None),
        asks("relationship touch, of others", writes, &foreign, others),
        asks("import, relationships", writes, &two, None),
        asks("relationship bulk-delete", deletions, &delete("alpha/memo"), None),
        asks("relationship bulk-delete, of others", deletions, &delete("bravo/plan"), others),
    ]
}

/// Commands about all of the data, which the tenant's role does not include.
fn commands_about_all() -> Vec<ZedCommand> {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/schema.zed"));
    let schema = proto::WriteSchemaRequest { schema: text.to_owned() };
    let restored = import("document:alpha/new#owner@user:alpha/ann");
    let lacking = Some("method");
    let (exports, imports) =
        ((PERMISSIONS, "ExportBulkRelationships"), (PERMISSIONS, "ImportBulkRelationships"));
    let reads = (SCHEMA, "ReadSchema");
    vec![
        asks("schema read, version, backup", reads, &proto::ReadSchemaRequest {}, lacking),
        asks("schema write, import", (SCHEMA, "WriteSchema"), &schema, lacking),
        asks("backup create", exports, &export(), lacking),
        asks("backup restore", imports, &restored, lacking),
    ]
}

#[tokio::test]
async fn what_zed_asks_is_answered_over_tls_as_far_as_the_role_goes() {
    let place = TenantServer::start();
    place.populate();
    let mut shown = 0;
    for ZedCommand { words, path, messages, missing } in
        [questions(), changes(), commands_about_all()].concat()
    {
        let answer = place.call(TENANT, &path, messages.clone()).await;
        // That of an answer is none; so is that of an error for another reason.
        assert_eq!(answer.missing().as_deref(), missing, "{words}: {answer:?}");
        assert_eq!(answer.error.is_some(), missing.is_some(), "{words}: {answer:?}");
        assert!(is_silent_about_others(&answer, missing), "{words}: {answer:?}");
        shown += usize::from(answer.shows("alpha/"));

        let answer = place.call(FULL, &path, messages).await;
        assert!(answer.error.is_none(), "{words}, with the key of the application: {answer:?}");
    }
    assert!(shown > 4, "{shown}");
}

/// Whether an answer has nothing of the other tenant. A refusal repeats what the request named.
fn is_silent_about_others(answer: &Answer, missing: Option<&str>) -> bool {
    missing.is_some() || !answer.shows("bravo/")
}
