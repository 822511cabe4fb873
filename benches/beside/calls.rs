//! The calls that are made: writes, imports, deletions and checks.

use kilwa::proto::authzed::api::v1 as proto;
use proto::check_permission_response::Permissionship;
use proto::consistency::Requirement;
use proto::permissions_service_client::PermissionsServiceClient;
use proto::relationship_update::Operation;
use proto::schema_service_client::SchemaServiceClient;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

/// A connection to the server.
#[derive(Clone)]
pub(crate) struct Connection {
    channel: Channel,
    key: MetadataValue<Ascii>,
}

impl Connection {
    pub(crate) async fn open(endpoint: &str, token: &str) -> Self {
        let endpoint = Endpoint::try_from(format!("http://{endpoint}")).unwrap();
        let channel = endpoint.tcp_nodelay(true).connect().await.unwrap();
        Self { channel, key: format!("Bearer {token}").parse().unwrap() }
    }

    pub(crate) async fn write_schema(&self, schema: &str) {
        let request = proto::WriteSchemaRequest { schema: schema.to_owned() };
        let request = authorized(request, &self.key);
        SchemaServiceClient::new(self.channel.clone()).write_schema(request).await.unwrap();
    }

    /// Writes relationships, new or not.
    pub(crate) async fn touch(&self, relationships: &[proto::Relationship]) {
        let updates = relationships.iter().map(|relationship| proto::RelationshipUpdate {
            operation: Operation::Touch.into(),
            relationship: Some(relationship.clone()),
        });
        let request =
            proto::WriteRelationshipsRequest { updates: updates.collect(), ..Default::default() };
        let request = authorized(request, &self.key);
        let mut client = PermissionsServiceClient::new(self.channel.clone());
        client.write_relationships(request).await.unwrap();
    }

    /// Creates relationships, all or none.
    pub(crate) async fn import(
        &self,
        parts: impl Iterator<Item = Vec<proto::Relationship>> + Send + 'static,
    ) {
        let part = |relationships| proto::ImportBulkRelationshipsRequest { relationships };
        let request = authorized(tokio_stream::iter(parts.map(part)), &self.key);
        let mut client = PermissionsServiceClient::new(self.channel.clone());
        client.import_bulk_relationships(request).await.unwrap();
    }

    /// Deletes all relationships of a type.
    pub(crate) async fn delete(&self, resource_type: &str) {
        let filter = proto::RelationshipFilter {
            resource_type: resource_type.to_owned(),
            ..Default::default()
        };
        let request = proto::DeleteRelationshipsRequest {
            relationship_filter: Some(filter),
            ..Default::default()
        };
        let request = authorized(request, &self.key);
        let mut client = PermissionsServiceClient::new(self.channel.clone());
        client.delete_relationships(request).await.unwrap();
    }

    /// Checks at full consistency, in the schema of `beside`.
    pub(crate) async fn check_known(&self) {
        let object = |object_type: &str, object_id: &str| proto::ObjectReference {
            object_type: object_type.to_owned(),
            object_id: object_id.to_owned(),
        };
        let request = proto::CheckPermissionRequest {
            resource: Some(object("note", "known")),
            permission: "viewer".to_owned(),
            subject: Some(proto::SubjectReference {
                object: Some(object("user", "ann")),
                optional_relation: String::new(),
            }),
            consistency: Some(proto::Consistency {
                requirement: Some(Requirement::FullyConsistent(true)),
            }),
            ..Default::default()
        };
        let request = authorized(request, &self.key);
        let mut client = PermissionsServiceClient::new(self.channel.clone());
        let answer = client.check_permission(request).await.unwrap().into_inner();
        assert_eq!(answer.permissionship(), Permissionship::HasPermission);
    }
}

fn authorized<T>(message: T, key: &MetadataValue<Ascii>) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", key.clone());
    request
}
