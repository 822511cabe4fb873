//! The gRPC API as an application sees it, with relationships written as texts.

use super::server::KEY;
use kilwa::api::proto::authzed::api::v1 as proto;
use kilwa::relationship::{
    Context, ObjectIdFilter, ObjectRef, Relationship, RelationshipFilter, Subject, SubjectFilter,
    SubjectRelationFilter,
};
use prost_types::{ListValue, Struct, Timestamp, Value, value::Kind};
use proto::check_bulk_permissions_pair::Response;
use proto::check_permission_response::Permissionship;
use proto::consistency::Requirement;
use proto::permissions_service_client::PermissionsServiceClient;
use proto::relationship_update::Operation;
use proto::schema_service_client::SchemaServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// The most questions that one bulk check takes.
const QUESTIONS_MAX: usize = 10_000;

/// A question of a bulk check.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) resource: ObjectRef,
    pub(crate) permission: String,
    pub(crate) subject: Subject,
}

/// What a check says, or why it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    Depends,
    Failed(String),
}

type Authorized = InterceptedService<Channel, Authorization>;

/// A connection to a server.
#[derive(Clone)]
pub(crate) struct Client {
    permissions: PermissionsServiceClient<Authorized>,
    schemas: SchemaServiceClient<Authorized>,
}

#[derive(Clone)]
struct Authorization(MetadataValue<Ascii>);

impl Interceptor for Authorization {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

impl Client {
    pub(crate) async fn connect(endpoint: &str) -> Self {
        let channel =
            Endpoint::try_from(format!("http://{endpoint}")).unwrap().connect().await.unwrap();
        let key = Authorization(format!("Bearer {KEY}").parse().unwrap());
        Self {
            permissions: PermissionsServiceClient::with_interceptor(channel.clone(), key.clone()),
            schemas: SchemaServiceClient::with_interceptor(channel, key),
        }
    }

    pub(crate) async fn write_schema(&mut self, schema: &str) -> proto::ZedToken {
        let request = proto::WriteSchemaRequest { schema: schema.to_owned() };
        self.schemas.write_schema(request).await.unwrap().into_inner().written_at.unwrap()
    }

    /// Adds or replaces some relationships and removes others, at once.
    pub(crate) async fn write(
        &mut self,
        touched: &[Relationship],
        deleted: &[Relationship],
    ) -> Result<proto::ZedToken, Status> {
        let touched = touched.iter().map(|written| update(Operation::Touch, written));
        let deleted = deleted.iter().map(|written| update(Operation::Delete, written));
        let updates = touched.chain(deleted).collect();
        let request = proto::WriteRelationshipsRequest { updates, ..Default::default() };
        Ok(self.permissions.write_relationships(request).await?.into_inner().written_at.unwrap())
    }

    /// Removes what matches.
    pub(crate) async fn delete_matching(
        &mut self,
        filter: &RelationshipFilter,
    ) -> Result<proto::ZedToken, Status> {
        let request = proto::DeleteRelationshipsRequest {
            relationship_filter: Some(to_filter(filter)),
            ..Default::default()
        };
        Ok(self.permissions.delete_relationships(request).await?.into_inner().deleted_at.unwrap())
    }

    /// Answers in the order of the questions, as of `token` or later.
    pub(crate) async fn check_each(
        &mut self,
        token: &proto::ZedToken,
        context: &Context,
        questions: &[Question],
    ) -> Vec<Answer> {
        let mut answers = Vec::new();
        for some in questions.chunks(QUESTIONS_MAX) {
            let request = proto::CheckBulkPermissionsRequest {
                consistency: Some(proto::Consistency {
                    requirement: Some(Requirement::AtLeastAsFresh(token.clone())),
                }),
                items: some.iter().map(|question| to_item(question, context)).collect(),
                ..Default::default()
            };
            let response = self.permissions.check_bulk_permissions(request).await.unwrap();
            let pairs = response.into_inner().pairs;
            assert_eq!(pairs.len(), some.len());
            answers.extend(pairs.into_iter().map(|pair| to_answer(pair.response.unwrap())));
        }
        answers
    }
}

fn to_item(question: &Question, context: &Context) -> proto::CheckBulkPermissionsRequestItem {
    proto::CheckBulkPermissionsRequestItem {
        resource: Some(to_object(&question.resource)),
        permission: question.permission.clone(),
        subject: Some(to_subject(&question.subject)),
        context: (!context.is_empty()).then(|| to_struct(context)),
    }
}

fn to_answer(response: Response) -> Answer {
    match response {
        Response::Error(status) => Answer::Failed(status.message),
        Response::Item(item) => match item.permissionship() {
            Permissionship::HasPermission => Answer::Yes,
            Permissionship::NoPermission => Answer::No,
            Permissionship::ConditionalPermission => Answer::Depends,
            Permissionship::Unspecified => Answer::Failed("no permissionship".to_owned()),
        },
    }
}

fn update(operation: Operation, relationship: &Relationship) -> proto::RelationshipUpdate {
    proto::RelationshipUpdate {
        operation: operation.into(),
        relationship: Some(to_relationship(relationship)),
    }
}

fn to_relationship(relationship: &Relationship) -> proto::Relationship {
    proto::Relationship {
        resource: Some(to_object(&relationship.resource)),
        relation: relationship.relation.clone(),
        subject: Some(to_subject(&relationship.subject)),
        optional_caveat: relationship.caveat.as_ref().map(|caveat| proto::ContextualizedCaveat {
            caveat_name: caveat.name.clone(),
            context: (!caveat.context.is_empty()).then(|| to_struct(&caveat.context)),
        }),
        optional_expires_at: relationship.expires_at.map(|at| Timestamp {
            seconds: at.unix_seconds(),
            nanos: at.subsec_nanos().try_into().unwrap(),
        }),
    }
}

fn to_object(object: &ObjectRef) -> proto::ObjectReference {
    reference(object.object_type(), object.object_id())
}

fn reference(object_type: &str, object_id: &str) -> proto::ObjectReference {
    proto::ObjectReference { object_type: object_type.to_owned(), object_id: object_id.to_owned() }
}

fn to_subject(subject: &Subject) -> proto::SubjectReference {
    proto::SubjectReference {
        object: Some(reference(subject.object_type(), subject.object_id())),
        optional_relation: subject.relation().unwrap_or_default().to_owned(),
    }
}

fn to_filter(filter: &RelationshipFilter) -> proto::RelationshipFilter {
    let (id, prefix) = match &filter.resource_id {
        None => ("", ""),
        Some(ObjectIdFilter::Exact(id)) => (id.as_str(), ""),
        Some(ObjectIdFilter::Prefix(prefix)) => ("", prefix.as_str()),
    };
    proto::RelationshipFilter {
        resource_type: filter.resource_type.clone().unwrap_or_default(),
        optional_resource_id: id.to_owned(),
        optional_resource_id_prefix: prefix.to_owned(),
        optional_relation: filter.relation.clone().unwrap_or_default(),
        optional_subject_filter: filter.subject.as_ref().map(to_subject_filter),
    }
}

fn to_subject_filter(filter: &SubjectFilter) -> proto::SubjectFilter {
    let relation = match &filter.relation {
        SubjectRelationFilter::Any => None,
        SubjectRelationFilter::Itself => Some(String::new()),
        SubjectRelationFilter::Named(name) => Some(name.clone()),
    };
    proto::SubjectFilter {
        subject_type: filter.subject_type.clone(),
        optional_subject_id: filter.subject_id.clone().unwrap_or_default(),
        optional_relation: relation
            .map(|relation| proto::subject_filter::RelationFilter { relation }),
    }
}

fn to_struct(context: &Context) -> Struct {
    Struct {
        fields: context.iter().map(|(name, value)| (name.to_owned(), to_value(value))).collect(),
    }
}

fn to_value(value: &serde_json::Value) -> Value {
    let kind = match value {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(value) => Kind::BoolValue(*value),
        serde_json::Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        serde_json::Value::String(text) => Kind::StringValue(text.clone()),
        serde_json::Value::Array(items) => {
            Kind::ListValue(ListValue { values: items.iter().map(to_value).collect() })
        }
        serde_json::Value::Object(fields) => Kind::StructValue(Struct {
            fields: fields.iter().map(|(name, value)| (name.clone(), to_value(value))).collect(),
        }),
    };
    Value { kind: Some(kind) }
}
