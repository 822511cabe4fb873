//! The calls that are measured: checks, plain and as official clients send them, and the health call as the cheapest that
//! a server answers.

use crate::headers::OfficialHeaders;
use crate::tenants::Installation;
use kilwa::proto::authzed::api::v1 as proto;
use proto::check_permission_response::Permissionship;
use proto::consistency::Requirement;
use proto::permissions_service_client::PermissionsServiceClient;
use proto::relationship_update::Operation;
use proto::schema_service_client::SchemaServiceClient;
use std::time::Duration;
use tonic::Request;
use tonic::codec::CompressionEncoding;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// The deadline of a call by an official client, as production code sets one.
const DEADLINE: Duration = Duration::from_secs(5);

/// A connection to the server.
#[derive(Clone)]
pub(crate) struct Connection {
    channel: Channel,
    key: MetadataValue<Ascii>,
}

/// A kind of call, with what it needs.
#[derive(Clone)]
pub(crate) enum Calls {
    Health(HealthClient<Channel>),
    Checks(PermissionsServiceClient<Channel>, MetadataValue<Ascii>, Installation),
    OfficialChecks(PermissionsServiceClient<OfficialHeaders>, MetadataValue<Ascii>, Installation),
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

impl Calls {
    pub(crate) fn health(connection: &Connection) -> Self {
        Self::Health(HealthClient::new(connection.channel.clone()))
    }

    pub(crate) fn checks(connection: &Connection, installation: Installation) -> Self {
        let client = PermissionsServiceClient::new(connection.channel.clone());
        Self::Checks(client, connection.key.clone(), installation)
    }

    /// Checks with the headers that the official clients of Python, Node, Java, Ruby, PHP and .NET send.
    pub(crate) fn official_checks(connection: &Connection, installation: Installation) -> Self {
        let channel = OfficialHeaders::new(connection.channel.clone());
        let client =
            PermissionsServiceClient::new(channel).accept_compressed(CompressionEncoding::Gzip);
        Self::OfficialChecks(client, connection.key.clone(), installation)
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Health(_) => "health",
            Self::Checks(..) => "check",
            Self::OfficialChecks(..) => "check, official",
        }
    }

    /// One call; every number makes another one. A wrong answer ends the program.
    pub(crate) async fn call(&mut self, number: u32) {
        match self {
            Self::Health(client) => {
                client.check(HealthCheckRequest::default()).await.unwrap();
            }
            Self::Checks(client, key, installation) => {
                let (request, yes) = question(installation, number);
                let answer = client.check_permission(authorized(request, key)).await.unwrap();
                require(installation, number, yes, &answer.into_inner());
            }
            Self::OfficialChecks(client, key, installation) => {
                let (request, yes) = question(installation, number);
                let mut request = authorized(request, key);
                request.set_timeout(DEADLINE);
                let answer = client.check_permission(request).await.unwrap();
                require(installation, number, yes, &answer.into_inner());
            }
        }
    }
}

fn question(installation: &Installation, number: u32) -> (proto::CheckPermissionRequest, bool) {
    let (mut request, yes) = installation.question(number);
    request.consistency =
        Some(proto::Consistency { requirement: Some(Requirement::FullyConsistent(true)) });
    (request, yes)
}

fn require(
    installation: &Installation,
    number: u32,
    yes: bool,
    answer: &proto::CheckPermissionResponse,
) {
    let permissionship = answer.permissionship();
    let right = (permissionship == Permissionship::HasPermission) == yes;
    assert!(right, "{permissionship:?} to {:?}", installation.question(number));
}

fn authorized<T>(message: T, key: &MetadataValue<Ascii>) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", key.clone());
    request
}
