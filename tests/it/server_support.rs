//! A server on a port of its own, and clients that know its key.

use kilwa::api::{self, ApiOptions, Keys, RequestLimits, WatchOptions, Workers};
use kilwa::config::Config;
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::authzed::api::v1::permissions_service_client::PermissionsServiceClient;
use kilwa::proto::authzed::api::v1::schema_service_client::SchemaServiceClient;
use kilwa::proto::kilwa::v1::validation_service_client::ValidationServiceClient;
use kilwa::relationship::{Relationship, parse_relationship_key};
use kilwa::server::{self, Server, ServerError};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::service::{Interceptor, Routes};
use tonic::transport::Channel;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

pub(crate) const KEY: &str = "a key for tests";

/// A schema with a bit of everything.
pub(crate) const SCHEMA: &str = "use expiration

caveat only_on(day string, allowed string) {
  day == allowed
}

definition user {}

definition group {
  relation member: user | group#member
}

definition document {
  relation owner: user
  relation viewer: user | user:* | group#member | user with only_on | user with expiration
  permission edit = owner
  permission view = viewer + edit
}
";

/// Shows a key with every call.
#[derive(Clone, Debug)]
pub(crate) struct Bearer(pub(crate) String);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = MetadataValue::try_from(format!("Bearer {}", self.0)).unwrap();
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

pub(crate) type Keyed = InterceptedService<Channel, Bearer>;

/// A server that runs.
pub(crate) struct Running {
    pub(crate) address: String,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), ServerError>>,
}

/// A server on a data folder of its own, with [`SCHEMA`] written.
pub(crate) struct Fresh {
    pub(crate) server: Running,
    pub(crate) _dir: TempDir,
}

pub(crate) fn config(dir: &Path) -> Config {
    let mut config = Config::new(dir.to_owned());
    config.keys = vec!["another key".to_owned(), KEY.to_owned()];
    config.store.sync = false;
    config
}

pub(crate) async fn start(config: Config) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(server::run(listener, config, async {
        let _ = stopped.await;
    }));
    Running { address, stop, serving }
}

/// Serves with a server that has been opened.
pub(crate) async fn start_with(server: Server) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(server.serve(listener, async {
        let _ = stopped.await;
    }));
    Running { address, stop, serving }
}

/// The services on workers that the test has made itself.
pub(crate) async fn start_workers(workers: &Arc<Workers>) -> Running {
    let options = ApiOptions {
        keys: Keys::new(&[KEY.to_owned()]).unwrap(),
        limits: RequestLimits::default(),
        stream_idle_max: Duration::from_secs(30),
        stream_client_wait_max: Duration::from_mins(10),
        watch: WatchOptions::default(),
        import_idle_max: Duration::from_mins(1),
        request_ids: Arc::new(|| "id".to_owned()),
        slow_call: Duration::from_secs(1),
        call_time_max: Duration::from_mins(1),
        calls: Arc::default(),
        audit: None,
        traces: None,
    };
    let mut routes = Routes::builder();
    api::add_services(&mut routes, workers, options);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel();
    let ending = Arc::clone(workers);
    let serving = tonic::transport::Server::builder()
        .add_routes(routes.routes())
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), async move {
            let _ = stopped.await;
            ending.end_watches();
        });
    let serving = tokio::spawn(async {
        serving.await.unwrap();
        Ok(())
    });
    Running { address, stop, serving }
}

pub(crate) async fn fresh() -> Fresh {
    fresh_with(|_| {}).await
}

pub(crate) async fn fresh_with(change: impl FnOnce(&mut Config)) -> Fresh {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    change(&mut config);
    let server = start(config).await;
    server.write_schema(SCHEMA).await.unwrap();
    Fresh { server, _dir: dir }
}

impl std::ops::Deref for Fresh {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.server
    }
}

impl Running {
    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(self.address.clone()).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn permissions(&self) -> PermissionsServiceClient<Keyed> {
        PermissionsServiceClient::with_interceptor(self.channel().await, Bearer(KEY.to_owned()))
    }

    pub(crate) async fn permissions_as(&self, key: &str) -> PermissionsServiceClient<Keyed> {
        PermissionsServiceClient::with_interceptor(self.channel().await, Bearer(key.to_owned()))
    }

    pub(crate) async fn schema(&self) -> SchemaServiceClient<Keyed> {
        SchemaServiceClient::with_interceptor(self.channel().await, Bearer(KEY.to_owned()))
    }

    pub(crate) async fn validation(&self) -> ValidationServiceClient<Keyed> {
        ValidationServiceClient::with_interceptor(self.channel().await, Bearer(KEY.to_owned()))
    }

    pub(crate) async fn write_schema(&self, text: &str) -> Result<proto::ZedToken, Status> {
        let request = proto::WriteSchemaRequest { schema: text.to_owned() };
        let response = self.schema().await.write_schema(request).await?;
        Ok(response.into_inner().written_at.unwrap())
    }

    /// Writes relationships in their text form with TOUCH.
    pub(crate) async fn touch(&self, relationships: &[&str]) -> Result<proto::ZedToken, Status> {
        self.write(relationships.iter().map(|text| touch(text)).collect()).await
    }

    pub(crate) async fn write(
        &self,
        updates: Vec<proto::RelationshipUpdate>,
    ) -> Result<proto::ZedToken, Status> {
        let request = proto::WriteRelationshipsRequest { updates, ..Default::default() };
        let response = self.permissions().await.write_relationships(request).await?;
        Ok(response.into_inner().written_at.unwrap())
    }

    /// The answer to a check such as `document:plan#view@user:ann`, fully consistent.
    pub(crate) async fn check(&self, text: &str) -> Result<proto::CheckPermissionResponse, Status> {
        let response = self.permissions().await.check_permission(question(text)).await?;
        Ok(response.into_inner())
    }

    pub(crate) async fn has(&self, text: &str) -> bool {
        use proto::check_permission_response::Permissionship;
        self.check(text).await.unwrap().permissionship() == Permissionship::HasPermission
    }

    /// Every relationship that a request reads, with its cursor.
    pub(crate) async fn read(
        &self,
        request: proto::ReadRelationshipsRequest,
    ) -> Result<Vec<proto::ReadRelationshipsResponse>, Status> {
        let mut stream = self.permissions().await.read_relationships(request).await?.into_inner();
        let mut found = Vec::new();
        while let Some(response) = stream.message().await? {
            found.push(response);
        }
        Ok(found)
    }

    pub(crate) async fn stop(self) -> Result<(), ServerError> {
        let _ = self.stop.send(());
        self.serving.await.unwrap()
    }
}

pub(crate) fn question(text: &str) -> proto::CheckPermissionRequest {
    let (resource, permission, subject) = parse_relationship_key(text).unwrap();
    proto::CheckPermissionRequest {
        resource: Some(object(resource.object_type(), resource.object_id())),
        permission,
        subject: Some(proto::SubjectReference {
            object: Some(object(subject.object_type(), subject.object_id())),
            optional_relation: subject.relation().unwrap_or_default().to_owned(),
        }),
        ..Default::default()
    }
}

pub(crate) fn object(object_type: &str, object_id: &str) -> proto::ObjectReference {
    proto::ObjectReference { object_type: object_type.to_owned(), object_id: object_id.to_owned() }
}

pub(crate) fn touch(text: &str) -> proto::RelationshipUpdate {
    update(proto::relationship_update::Operation::Touch, text)
}

pub(crate) fn create(text: &str) -> proto::RelationshipUpdate {
    update(proto::relationship_update::Operation::Create, text)
}

pub(crate) fn delete(text: &str) -> proto::RelationshipUpdate {
    update(proto::relationship_update::Operation::Delete, text)
}

fn update(
    operation: proto::relationship_update::Operation,
    text: &str,
) -> proto::RelationshipUpdate {
    proto::RelationshipUpdate {
        operation: operation.into(),
        relationship: Some(relationship(text)),
    }
}

pub(crate) fn relationship(text: &str) -> proto::Relationship {
    let parsed: Relationship = text.parse().unwrap();
    proto::Relationship {
        resource: Some(object(parsed.resource.object_type(), parsed.resource.object_id())),
        relation: parsed.relation,
        subject: Some(proto::SubjectReference {
            object: Some(object(parsed.subject.object_type(), parsed.subject.object_id())),
            optional_relation: parsed.subject.relation().unwrap_or_default().to_owned(),
        }),
        optional_caveat: parsed.caveat.map(|caveat| proto::ContextualizedCaveat {
            caveat_name: caveat.name,
            context: (!caveat.context.is_empty()).then(|| structure(&caveat.context.to_string())),
        }),
        optional_expires_at: parsed.expires_at.map(|at| prost_types::Timestamp {
            seconds: at.unix_seconds(),
            nanos: i32::try_from(at.subsec_nanos()).unwrap(),
        }),
    }
}

/// The text form of a relationship.
pub(crate) fn text(relationship: &proto::Relationship) -> String {
    let resource = relationship.resource.as_ref().unwrap();
    let subject = relationship.subject.as_ref().unwrap();
    let object = subject.object.as_ref().unwrap();
    let userset = match subject.optional_relation.as_str() {
        "" => String::new(),
        relation => format!("#{relation}"),
    };
    let caveat = relationship.optional_caveat.as_ref();
    let caveat = caveat.map(|caveat| format!("[{}]", caveat.caveat_name)).unwrap_or_default();
    format!(
        "{}:{}#{}@{}:{}{userset}{caveat}",
        resource.object_type,
        resource.object_id,
        relationship.relation,
        object.object_type,
        object.object_id,
    )
}

/// A JSON object as a message.
pub(crate) fn structure(json: &str) -> prost_types::Struct {
    fields(serde_json::from_str(json).unwrap())
}

fn fields(object: serde_json::Map<String, serde_json::Value>) -> prost_types::Struct {
    let fields = object.into_iter().map(|(name, item)| (name, value(item))).collect();
    prost_types::Struct { fields }
}

fn value(json: serde_json::Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match json {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(value) => Kind::BoolValue(value),
        serde_json::Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        serde_json::Value::String(text) => Kind::StringValue(text),
        serde_json::Value::Array(items) => {
            let values = items.into_iter().map(value).collect();
            Kind::ListValue(prost_types::ListValue { values })
        }
        serde_json::Value::Object(object) => Kind::StructValue(fields(object)),
    };
    prost_types::Value { kind: Some(kind) }
}

pub(crate) fn filter(resource_type: &str) -> proto::RelationshipFilter {
    proto::RelationshipFilter { resource_type: resource_type.to_owned(), ..Default::default() }
}

pub(crate) fn consistency(requirement: proto::consistency::Requirement) -> proto::Consistency {
    proto::Consistency { requirement: Some(requirement) }
}

/// A failure as programs see it: its code, reason (empty for an unspecified one) and metadata.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) reason: String,
    pub(crate) metadata: BTreeMap<String, String>,
}

pub(crate) fn failure(status: &Status) -> Failure {
    let info = status.get_details_error_info().expect("a refusal carries an `ErrorInfo`");
    assert_eq!(info.domain, "authzed.com");
    let reason = info.reason.strip_prefix("ERROR_REASON_").unwrap();
    Failure {
        code: status.code(),
        reason: reason.replace("UNSPECIFIED", ""),
        metadata: info.metadata.into_iter().collect(),
    }
}

/// Requires a code, a reason (empty for none) and exactly these names of metadata.
#[track_caller]
pub(crate) fn require(status: &Status, code: Code, reason: &str, names: &[&str]) {
    let failure = failure(status);
    assert_eq!((failure.code, failure.reason.as_str()), (code, reason), "{status:?}");
    let found: Vec<&str> = failure.metadata.keys().map(String::as_str).collect();
    let mut names = names.to_vec();
    names.sort_unstable();
    assert_eq!(found, names, "{status:?}");
}

/// The result of a future that must not take long.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(std::time::Duration::from_mins(3), future).await.unwrap()
}
