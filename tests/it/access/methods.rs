//! Every method of the protocol with every kind of role.

use super::calls::{self, Answer};
use super::json_calls::{JsonMethods, Protocol};
use super::{ADMIN, Guarded, LIMITED, SCHEMA, access_with_role};
use crate::server_support::{object, relationship, touch};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::kilwa::v1 as own;
use kilwa::proto::{ENVOY_FILE_DESCRIPTOR_SET, FILE_DESCRIPTOR_SET};
use prost::Message as _;
use prost_reflect::DescriptorPool;
use serde_json::Value;
use std::collections::BTreeSet;
use tonic::Code;

/// What a method reaches, and so which limits a role with it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Objects that the request names: those of the second tenant are refused.
    Named,
    /// Objects that the answer names: those of the second tenant are left out.
    Found,
    /// The schema.
    Schema,
    /// Everything.
    All,
    /// No data.
    None,
}

use Reach::{All, Found, Named, Schema};

/// Each method: its service and name, the group that it is in, and what it reaches.
const TABLE: &[(&str, &str, Reach)] = &[
    ("authzed.api.v1.PermissionsService/CheckPermission", "check", Named),
    ("authzed.api.v1.PermissionsService/CheckBulkPermissions", "check", Found),
    ("authzed.api.v1.PermissionsService/ExpandPermissionTree", "read", Named),
    ("authzed.api.v1.PermissionsService/ReadRelationships", "read", Named),
    ("authzed.api.v1.PermissionsService/LookupResources", "lookup", Named),
    ("authzed.api.v1.PermissionsService/LookupSubjects", "lookup", Named),
    ("authzed.api.v1.PermissionsService/WriteRelationships", "write", Named),
    ("authzed.api.v1.PermissionsService/DeleteRelationships", "write", Named),
    ("authzed.api.v1.PermissionsService/ImportBulkRelationships", "bulk", Named),
    ("authzed.api.v1.PermissionsService/ExportBulkRelationships", "bulk", Named),
    ("authzed.api.v1.SchemaService/ReadSchema", "schema", Schema),
    ("authzed.api.v1.SchemaService/ReflectSchema", "schema", Schema),
    ("authzed.api.v1.SchemaService/ComputablePermissions", "schema", Schema),
    ("authzed.api.v1.SchemaService/DependentRelations", "schema", Schema),
    ("authzed.api.v1.SchemaService/DiffSchema", "schema", Schema),
    ("authzed.api.v1.SchemaService/WriteSchema", "admin", All),
    ("authzed.api.v1.WatchService/Watch", "watch", Named),
    ("authzed.api.v1.ExperimentalService/BulkCheckPermission", "check", Found),
    ("authzed.api.v1.ExperimentalService/BulkImportRelationships", "bulk", Named),
    ("authzed.api.v1.ExperimentalService/BulkExportRelationships", "bulk", Named),
    ("authzed.api.v1.ExperimentalService/ExperimentalReflectSchema", "schema", Schema),
    ("authzed.api.v1.ExperimentalService/ExperimentalComputablePermissions", "schema", Schema),
    ("authzed.api.v1.ExperimentalService/ExperimentalDependentRelations", "schema", Schema),
    ("authzed.api.v1.ExperimentalService/ExperimentalDiffSchema", "schema", Schema),
    ("authzed.api.v1.ExperimentalService/ExperimentalRegisterRelationshipCounter", "admin", All),
    ("authzed.api.v1.ExperimentalService/ExperimentalCountRelationships", "admin", All),
    ("authzed.api.v1.ExperimentalService/ExperimentalUnregisterRelationshipCounter", "admin", All),
    ("kilwa.v1.PermissionsService/ListPermissions", "check", Named),
    ("kilwa.v1.PermissionsService/ReadRevisionAt", "read", Reach::None),
    ("kilwa.v1.LookupService/LookupResourcesWithin", "lookup", Named),
    ("kilwa.v1.RelationshipsService/WriteRelationships", "write", Named),
    ("kilwa.v1.RelationshipsService/SetRelation", "write", Named),
    ("kilwa.v1.RelationshipsService/DeleteObject", "write", Named),
    ("kilwa.v1.RelationshipsService/ReadHistory", "watch", Named),
    ("kilwa.v1.ValidationService/Validate", "check", Reach::None),
    ("kilwa.v1.ValidationService/ValidateLive", "admin", All),
    ("kilwa.v1.WatchService/Watch", "watch", Named),
    // Its answer has the verdict of the check that it makes.
    ("envoy.service.auth.v3.Authorization/Check", "check", Found),
];

const GROUPS: [&str; 8] = ["read", "check", "lookup", "write", "schema", "watch", "bulk", "admin"];

#[test]
fn the_table_has_every_method_of_the_protocol() {
    let mut pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    pool.decode_file_descriptor_set(ENVOY_FILE_DESCRIPTOR_SET).unwrap();
    let services = pool.services().filter(|service| {
        ["authzed.api.v1", "kilwa.v1", "envoy.service.auth.v3"]
            .contains(&service.parent_file().package_name())
    });
    let methods: BTreeSet<String> = services
        .flat_map(|service| {
            let name = service.full_name().to_owned();
            service
                .methods()
                .map(move |method| format!("{name}/{}", method.name()))
                .collect::<Vec<_>>()
        })
        .collect();
    let listed: BTreeSet<String> = TABLE.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(methods, listed);
}

/// A row of the table, by a protocol.
#[derive(Clone, Copy, Debug)]
struct Case {
    protocol: Protocol,
    name: &'static str,
    group: &'static str,
    reach: Reach,
}

/// Each method by each protocol that has it.
fn cases() -> Vec<Case> {
    let json = JsonMethods::all();
    let both = TABLE.iter().flat_map(|&(name, group, reach)| {
        let by = |protocol| Case { protocol, name, group, reach };
        let has_json = json.has(&format!("/{name}"));
        [Some(by(Protocol::Grpc)), has_json.then(|| by(Protocol::Json))]
    });
    let cases: Vec<Case> = both.flatten().collect();
    // Envoy calls its service over gRPC alone.
    assert_eq!(cases.len(), 2 * TABLE.len() - 1);
    assert_eq!(json.count(), TABLE.len() - 1);
    cases
}

#[tokio::test]
async fn a_role_opens_the_methods_of_its_group_and_no_others() {
    for group in GROUPS {
        let guarded = Guarded::with_role(&format!("methods = [\"{group}\"]")).await;
        for case in cases() {
            let answer = ask(&guarded, case, "alpha").await;
            let is_open = answer.missing().is_none();
            assert_eq!(is_open, group == case.group, "{group}: {case:?}: {answer:?}");
            if !is_open {
                let method = case.name.rsplit('/').next().unwrap();
                assert!(answer.refusal().message().contains(method), "{answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_role_opens_the_methods_that_it_names() {
    for (name, ..) in TABLE {
        let method = name.rsplit('/').next().unwrap();
        let guarded = Guarded::with_role(&format!("methods = [\"{method}\"]")).await;
        for case in cases() {
            let answer = ask(&guarded, case, "alpha").await;
            let is_named = case.name.rsplit('/').next().unwrap() == method;
            assert_eq!(answer.missing().is_none(), is_named, "{method}: {case:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_role_with_prefixes_is_held_to_them_by_every_method() {
    let guarded = with_all_groups("id_prefixes = [\"alpha/\"]").await;
    for case in cases() {
        let answer = ask(&guarded, case, "alpha").await;
        let expected = (case.reach == All).then_some("method");
        assert_eq!(answer.missing().as_deref(), expected, "{case:?}: {answer:?}");

        let answer = ask(&guarded, case, "bravo").await;
        let expected = match case.reach {
            All => Some("method"),
            Named => Some("object_id"),
            Found | Schema | Reach::None => None,
        };
        assert_eq!(answer.missing().as_deref(), expected, "{case:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_role_with_definitions_is_held_to_them_by_every_method() {
    let guarded = with_all_groups("definitions = [\"group\", \"user\"]").await;
    for case in cases() {
        let answer = ask(&guarded, case, "alpha").await;
        let expected = match case.reach {
            All | Schema => Some("method"),
            Named => Some("definition"),
            Found | Reach::None => None,
        };
        assert_eq!(answer.missing().as_deref(), expected, "{case:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_role_with_relations_is_held_to_them_by_every_method() {
    let guarded = with_all_groups("relations = [\"member\", \"group#viewer\"]").await;
    for case in cases() {
        let answer = ask(&guarded, case, "alpha").await;
        let expected = match case.reach {
            All | Schema => Some("method"),
            // These name no relation, and do what the role includes.
            Named if case.name.ends_with("DeleteObject") => None,
            Named if case.name.ends_with("ListPermissions") => None,
            Named => Some("relation"),
            Found | Reach::None => None,
        };
        assert_eq!(answer.missing().as_deref(), expected, "{case:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_bulk_check_refuses_single_items() {
    let guarded = with_all_groups("id_prefixes = [\"alpha/\"]").await;
    let items = ["alpha/1", "bravo/1", "alpha/2"].map(|id| item(id, "alpha/ann"));
    let request = proto::CheckBulkPermissionsRequest {
        items: items.to_vec(),
        ..proto::CheckBulkPermissionsRequest::default()
    };
    let path = "/authzed.api.v1.PermissionsService/CheckBulkPermissions";
    let answer = guarded.call(LIMITED, path, &request).await;
    let response = proto::CheckBulkPermissionsResponse::decode(answer.messages[0].as_slice());
    let codes: Vec<i32> = response
        .unwrap()
        .pairs
        .into_iter()
        .map(|pair| match pair.response.unwrap() {
            proto::check_bulk_permissions_pair::Response::Item(_) => 0,
            proto::check_bulk_permissions_pair::Response::Error(error) => error.code,
        })
        .collect();
    assert_eq!(codes, [0, i32::from(Code::PermissionDenied), 0]);

    let json = JsonMethods::all();
    let answer = json.call(&guarded.http, LIMITED, path, &request.encode_to_vec()).await;
    let response: Value = serde_json::from_slice(&answer.messages[0]).unwrap();
    let pairs = response["pairs"].as_array().unwrap().iter();
    let codes: Vec<Option<i64>> = pairs.map(|pair| pair["error"]["code"].as_i64()).collect();
    assert_eq!(codes, [None, Some(i64::from(i32::from(Code::PermissionDenied))), None]);
}

#[tokio::test]
async fn a_method_that_no_table_has_is_refused_to_callers_with_roles_alone() {
    let guarded = with_all_groups("").await;
    let path = "/authzed.api.v1.PermissionsService/NewMethod";
    let answer = guarded.call(LIMITED, path, &()).await;
    assert_eq!(answer.missing().as_deref(), Some("method"), "{answer:?}");
    let answer = guarded.call(ADMIN, path, &()).await;
    assert_eq!(answer.refusal().code(), Code::Unimplemented, "{answer:?}");
}

async fn with_all_groups(lines: &str) -> Guarded {
    let role = access_with_role(&format!("methods = {GROUPS:?}\n{lines}"));
    let guarded = Guarded::start(&role).await;
    for (tenant, id) in [("alpha", "one"), ("bravo", "two")] {
        let request = write(&[format!("document:{tenant}/{id}#viewer@user:{tenant}/ann")]);
        let path = "/authzed.api.v1.PermissionsService/WriteRelationships";
        assert!(guarded.call(ADMIN, path, &request).await.error.is_none());
    }
    guarded
}

async fn ask(guarded: &Guarded, case: Case, tenant: &str) -> Answer {
    let Case { protocol, name, .. } = case;
    let (path, request) = (format!("/{name}"), request(name, tenant));
    let is_endless = name.ends_with("/Watch");
    if protocol == Protocol::Json {
        let json = JsonMethods::all();
        return if is_endless {
            json.begin(&guarded.http, LIMITED, &path, &request).await
        } else {
            json.call(&guarded.http, LIMITED, &path, &request).await
        };
    }
    let channel = guarded.server.channel().await;
    if is_endless {
        return calls::begin(channel, LIMITED, &path, request).await;
    }
    calls::call(channel, Some(LIMITED), &path, vec![request]).await
}

/// A request about objects of a tenant, which are documents and users.
fn request(name: &str, tenant: &str) -> Vec<u8> {
    let (document, ann) = (format!("{tenant}/1"), format!("{tenant}/ann"));
    let filter = proto::RelationshipFilter {
        resource_type: "document".to_owned(),
        optional_resource_id: document.clone(),
        optional_relation: "viewer".to_owned(),
        ..proto::RelationshipFilter::default()
    };
    let method = name.rsplit('/').next().unwrap();
    let found = permission_request(method, &document, &ann)
        .or_else(|| {
            relationship_request(method, &format!("document:{document}#viewer@user:{ann}"), filter)
        })
        .or_else(|| object_request(method, &document, &ann));
    // The answer to an empty request need not be a good one.
    found.unwrap_or_default()
}

/// Requests of methods that evaluate permissions.
fn permission_request(method: &str, document: &str, ann: &str) -> Option<Vec<u8>> {
    let (resource, subject) = (Some(object("document", document)), Some(subject(ann)));
    let permission = "view".to_owned();
    let lookup = proto::LookupResourcesRequest {
        resource_object_type: "document".to_owned(),
        permission: permission.clone(),
        subject: subject.clone(),
        ..proto::LookupResourcesRequest::default()
    };
    Some(match method {
        "CheckPermission" => proto::CheckPermissionRequest {
            resource,
            permission,
            subject,
            ..proto::CheckPermissionRequest::default()
        }
        .encode_to_vec(),
        "CheckBulkPermissions" | "BulkCheckPermission" => proto::CheckBulkPermissionsRequest {
            items: vec![item(document, ann)],
            ..proto::CheckBulkPermissionsRequest::default()
        }
        .encode_to_vec(),
        "ExpandPermissionTree" => proto::ExpandPermissionTreeRequest {
            resource,
            permission,
            ..proto::ExpandPermissionTreeRequest::default()
        }
        .encode_to_vec(),
        "LookupResources" => lookup.encode_to_vec(),
        "LookupResourcesWithin" => own::LookupResourcesWithinRequest {
            lookup: Some(lookup),
            resource_ids: vec![document.to_owned()],
            ..own::LookupResourcesWithinRequest::default()
        }
        .encode_to_vec(),
        "LookupSubjects" => proto::LookupSubjectsRequest {
            resource,
            permission,
            subject_object_type: "user".to_owned(),
            ..proto::LookupSubjectsRequest::default()
        }
        .encode_to_vec(),
        _ => return None,
    })
}

/// Requests of methods that read and write relationships.
fn relationship_request(
    method: &str,
    text: &str,
    filter: proto::RelationshipFilter,
) -> Option<Vec<u8>> {
    Some(match method {
        "ReadRelationships" => proto::ReadRelationshipsRequest {
            relationship_filter: Some(filter),
            ..proto::ReadRelationshipsRequest::default()
        }
        .encode_to_vec(),
        // The messages of both services are the same on the wire.
        "WriteRelationships" => write(&[text.to_owned()]).encode_to_vec(),
        "DeleteRelationships" => proto::DeleteRelationshipsRequest {
            relationship_filter: Some(filter),
            ..proto::DeleteRelationshipsRequest::default()
        }
        .encode_to_vec(),
        "ImportBulkRelationships" | "BulkImportRelationships" => {
            proto::ImportBulkRelationshipsRequest { relationships: vec![relationship(text)] }
                .encode_to_vec()
        }
        "ExportBulkRelationships" | "BulkExportRelationships" => {
            proto::ExportBulkRelationshipsRequest {
                optional_relationship_filter: Some(filter),
                ..proto::ExportBulkRelationshipsRequest::default()
            }
            .encode_to_vec()
        }
        "ReadHistory" => own::ReadHistoryRequest {
            optional_relationship_filter: Some(filter),
            ..own::ReadHistoryRequest::default()
        }
        .encode_to_vec(),
        "Watch" => proto::WatchRequest {
            optional_relationship_filters: vec![filter],
            ..proto::WatchRequest::default()
        }
        .encode_to_vec(),
        _ => return None,
    })
}

/// Requests of the other methods that name something.
fn object_request(method: &str, document: &str, ann: &str) -> Option<Vec<u8>> {
    let (resource, subject) = (Some(object("document", document)), Some(subject(ann)));
    Some(match method {
        "WriteSchema" => proto::WriteSchemaRequest { schema: SCHEMA.to_owned() }.encode_to_vec(),
        "DiffSchema" | "ExperimentalDiffSchema" => proto::DiffSchemaRequest {
            comparison_schema: SCHEMA.to_owned(),
            ..proto::DiffSchemaRequest::default()
        }
        .encode_to_vec(),
        "ListPermissions" => own::ListPermissionsRequest {
            resource,
            subject,
            ..own::ListPermissionsRequest::default()
        }
        .encode_to_vec(),
        "SetRelation" => own::SetRelationRequest {
            resource,
            relation: "viewer".to_owned(),
            ..own::SetRelationRequest::default()
        }
        .encode_to_vec(),
        "DeleteObject" => {
            own::DeleteObjectRequest { object: resource, ..own::DeleteObjectRequest::default() }
                .encode_to_vec()
        }
        _ => return None,
    })
}

fn item(document: &str, user: &str) -> proto::CheckBulkPermissionsRequestItem {
    proto::CheckBulkPermissionsRequestItem {
        resource: Some(object("document", document)),
        permission: "view".to_owned(),
        subject: Some(subject(user)),
        ..proto::CheckBulkPermissionsRequestItem::default()
    }
}

fn subject(user: &str) -> proto::SubjectReference {
    let object = Some(object("user", user));
    proto::SubjectReference { object, optional_relation: String::new() }
}

/// A write that touches relationships.
pub(super) fn write(relationships: &[String]) -> proto::WriteRelationshipsRequest {
    proto::WriteRelationshipsRequest {
        updates: relationships.iter().map(|text| touch(text)).collect(),
        ..proto::WriteRelationshipsRequest::default()
    }
}
