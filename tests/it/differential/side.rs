//! One of the two servers.

use super::said::{self, Said};
use crate::peer::{Peer, keyed};
use crate::reference::case::Asked;
use crate::server_support::{consistency, object, structure};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::relationship::{ObjectRef, Subject};
use kilwa::schema::compile;
use proto::permissions_service_client::PermissionsServiceClient;
use proto::schema_service_client::SchemaServiceClient;
use std::time::Duration;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

/// How long one call may take.
const TIME_MAX: Duration = Duration::from_secs(10);

/// A store of a server, under a key that no other test uses.
pub(super) struct Side {
    permissions: PermissionsServiceClient<Channel>,
    schema: SchemaServiceClient<Channel>,
    key: String,
}

/// A lookup of subjects: of which resource and permission, and in what form.
#[derive(Clone, Debug)]
pub(super) struct SubjectsAsked<'a> {
    pub(super) requested: &'a Asked,
    pub(super) subject_type: &'a str,
    pub(super) subject_relation: &'a str,
}

fn newest() -> proto::Consistency {
    consistency(proto::consistency::Requirement::FullyConsistent(true))
}

fn reference(found: &ObjectRef) -> proto::ObjectReference {
    object(found.object_type(), found.object_id())
}

fn subject(subject: &Subject) -> proto::SubjectReference {
    proto::SubjectReference {
        object: Some(object(subject.object_type(), subject.object_id())),
        optional_relation: subject.relation().unwrap_or_default().to_owned(),
    }
}

/// A message with a key, and with a deadline for evaluations of cycles.
fn in_time<T>(key: &str, message: T) -> Request<T> {
    let mut request = keyed(key, message);
    request.set_timeout(TIME_MAX);
    request
}

async fn all<T>(response: Result<Response<Streaming<T>>, Status>) -> Result<Vec<T>, Status> {
    let mut stream = response?.into_inner();
    let mut found = Vec::new();
    while let Some(message) = stream.message().await? {
        found.push(message);
    }
    Ok(found)
}

impl Side {
    pub(super) fn new(peer: &Peer) -> Self {
        Self {
            permissions: PermissionsServiceClient::new(peer.channel()),
            schema: SchemaServiceClient::new(peer.channel()),
            key: peer.next_key(),
        }
    }

    /// Deletes all relationships, where the store has been used before.
    pub(super) async fn clear(&mut self) {
        let request = proto::ReadSchemaRequest {};
        let Ok(read) = self.schema.read_schema(in_time(&self.key, request)).await else { return };
        for definition in compile(&read.into_inner().schema_text).unwrap().definitions() {
            let of_type = proto::RelationshipFilter {
                resource_type: definition.name.clone(),
                ..Default::default()
            };
            self.delete(of_type).await;
        }
    }

    pub(super) async fn write_schema(&mut self, text: &str) -> Said {
        let request = proto::WriteSchemaRequest { schema: text.to_owned() };
        let written = self.schema.write_schema(in_time(&self.key, request)).await;
        Said::from_response(written, |_| Said::Text("written".to_owned()))
    }

    pub(super) async fn write(&mut self, request: proto::WriteRelationshipsRequest) -> Said {
        let written = self.permissions.write_relationships(in_time(&self.key, request)).await;
        Said::from_response(written, |_| Said::Text("written".to_owned()))
    }

    pub(super) async fn delete(&mut self, filter: proto::RelationshipFilter) -> Said {
        let request = proto::DeleteRelationshipsRequest {
            relationship_filter: Some(filter),
            ..Default::default()
        };
        let deleted = self.permissions.delete_relationships(in_time(&self.key, request)).await;
        Said::from_response(deleted, |response| {
            let count = response.into_inner().relationships_deleted_count;
            Said::Text(format!("{count} deleted"))
        })
    }

    pub(super) async fn read(&mut self, filter: proto::RelationshipFilter) -> Said {
        let request = proto::ReadRelationshipsRequest {
            consistency: Some(newest()),
            relationship_filter: Some(filter),
            ..Default::default()
        };
        let read = self.permissions.read_relationships(in_time(&self.key, request)).await;
        Said::from_response(all(read).await, |responses| said::relationships(&responses))
    }

    /// The answers to many checks in their order.
    pub(super) async fn check_each(&mut self, requested: &[Asked]) -> Vec<Said> {
        use proto::check_bulk_permissions_pair::Response;
        let items = requested.iter().map(|requested| proto::CheckBulkPermissionsRequestItem {
            resource: Some(reference(&requested.resource)),
            permission: requested.permission.clone(),
            subject: Some(subject(&requested.subject)),
            context: Some(structure(&requested.context.to_string())),
        });
        let request = proto::CheckBulkPermissionsRequest {
            consistency: Some(newest()),
            items: items.collect(),
            with_tracing: false,
        };
        match self.permissions.check_bulk_permissions(in_time(&self.key, request)).await {
            Err(status) => vec![Said::refused(&status); requested.len()],
            Ok(response) => {
                let pairs = response.into_inner().pairs.into_iter();
                let said = |pair: proto::CheckBulkPermissionsPair| match pair.response.unwrap() {
                    Response::Item(item) => {
                        said::verdict(item.permissionship(), item.partial_caveat_info)
                    }
                    Response::Error(error) => {
                        let details = prost::Message::encode_to_vec(&error);
                        let code = error.code.into();
                        Said::refused(&Status::with_details(code, error.message, details.into()))
                    }
                };
                pairs.map(said).collect()
            }
        }
    }

    pub(super) async fn check(&mut self, requested: &Asked) -> Said {
        let request = proto::CheckPermissionRequest {
            consistency: Some(newest()),
            resource: Some(reference(&requested.resource)),
            permission: requested.permission.clone(),
            subject: Some(subject(&requested.subject)),
            context: Some(structure(&requested.context.to_string())),
            with_tracing: false,
        };
        let checked = self.permissions.check_permission(in_time(&self.key, request)).await;
        Said::from_response(checked, |response| {
            let response = response.into_inner();
            said::verdict(response.permissionship(), response.partial_caveat_info)
        })
    }

    pub(super) async fn lookup_resources(&mut self, requested: &Asked) -> Said {
        let request = proto::LookupResourcesRequest {
            consistency: Some(newest()),
            resource_object_type: requested.resource.object_type().to_owned(),
            permission: requested.permission.clone(),
            subject: Some(subject(&requested.subject)),
            context: Some(structure(&requested.context.to_string())),
            ..Default::default()
        };
        let found = self.permissions.lookup_resources(in_time(&self.key, request)).await;
        Said::from_response(all(found).await, said::resources)
    }

    pub(super) async fn lookup_subjects(&mut self, of: &SubjectsAsked<'_>) -> Said {
        let request = proto::LookupSubjectsRequest {
            consistency: Some(newest()),
            resource: Some(reference(&of.requested.resource)),
            permission: of.requested.permission.clone(),
            subject_object_type: of.subject_type.to_owned(),
            optional_subject_relation: of.subject_relation.to_owned(),
            context: Some(structure(&of.requested.context.to_string())),
            ..Default::default()
        };
        let found = self.permissions.lookup_subjects(in_time(&self.key, request)).await;
        Said::from_response(all(found).await, said::subjects)
    }

    pub(super) async fn expand(&mut self, requested: &Asked) -> Said {
        let request = proto::ExpandPermissionTreeRequest {
            consistency: Some(newest()),
            resource: Some(reference(&requested.resource)),
            permission: requested.permission.clone(),
        };
        let expanded = self.permissions.expand_permission_tree(in_time(&self.key, request)).await;
        Said::from_response(expanded, |response| {
            Said::Text(said::tree(&response.into_inner().tree_root.unwrap_or_default()))
        })
    }

    pub(super) async fn reflect(&mut self) -> Said {
        let request =
            proto::ReflectSchemaRequest { consistency: Some(newest()), ..Default::default() };
        let reflected = self.schema.reflect_schema(in_time(&self.key, request)).await;
        Said::from_response(reflected, |response| {
            let mut response = response.into_inner();
            // On PostgreSQL they come in no order.
            response.definitions.sort_by(|left, right| left.name.cmp(&right.name));
            response.caveats.sort_by(|left, right| left.name.cmp(&right.name));
            Said::Text(format!("{:?} {:?}", response.definitions, response.caveats))
        })
    }

    /// What a relation or permission contributes to, and what it depends on.
    pub(super) async fn neighbours(&mut self, definition: &str, name: &str) -> [Said; 2] {
        let request = proto::ComputablePermissionsRequest {
            consistency: Some(newest()),
            definition_name: definition.to_owned(),
            relation_name: name.to_owned(),
            ..Default::default()
        };
        let computable = self.schema.computable_permissions(in_time(&self.key, request)).await;
        let request = proto::DependentRelationsRequest {
            consistency: Some(newest()),
            definition_name: definition.to_owned(),
            permission_name: name.to_owned(),
        };
        let dependent = self.schema.dependent_relations(in_time(&self.key, request)).await;
        [
            Said::from_response(computable, |response| {
                Said::Text(format!("{:?}", response.into_inner().permissions))
            }),
            Said::from_response(dependent, |response| {
                Said::Text(format!("{:?}", response.into_inner().relations))
            }),
        ]
    }
}
