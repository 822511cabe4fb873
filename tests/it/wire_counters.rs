//! Counters of relationships.

use super::server_support::{
    Bearer, KEY, Running, SCHEMA, config, filter, fresh, require, start, touch,
};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::authzed::api::v1::experimental_service_client::ExperimentalServiceClient;
use proto::experimental_count_relationships_response::CounterResult;
use tonic::{Code, Status};

impl Running {
    async fn experimental(&self) -> ExperimentalServiceClient<super::server_support::Keyed> {
        ExperimentalServiceClient::with_interceptor(self.channel().await, Bearer(KEY.to_owned()))
    }

    async fn register(
        &self,
        name: &str,
        filter: Option<proto::RelationshipFilter>,
    ) -> Result<(), Status> {
        let request = proto::ExperimentalRegisterRelationshipCounterRequest {
            name: name.to_owned(),
            relationship_filter: filter,
        };
        let mut client = self.experimental().await;
        client.experimental_register_relationship_counter(request).await.map(drop)
    }

    async fn count(&self, name: &str) -> Result<proto::ReadCounterValue, Status> {
        let request = proto::ExperimentalCountRelationshipsRequest { name: name.to_owned() };
        let mut client = self.experimental().await;
        let response = client.experimental_count_relationships(request).await?.into_inner();
        let Some(CounterResult::ReadCounterValue(value)) = response.counter_result else {
            panic!("{response:?}")
        };
        Ok(value)
    }

    async fn unregister(&self, name: &str) -> Result<(), Status> {
        let request =
            proto::ExperimentalUnregisterRelationshipCounterRequest { name: name.to_owned() };
        let mut client = self.experimental().await;
        client.experimental_unregister_relationship_counter(request).await.map(drop)
    }
}

async fn counts(server: &Running, name: &str) -> u64 {
    server.count(name).await.unwrap().relationship_count
}

#[tokio::test]
async fn counters_count_what_there_is_now_and_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(config(dir.path())).await;
    server.write_schema(SCHEMA).await.unwrap();
    let ann = proto::RelationshipFilter {
        optional_subject_filter: Some(proto::SubjectFilter {
            subject_type: "user".to_owned(),
            optional_subject_id: "ann".to_owned(),
            optional_relation: Some(proto::subject_filter::RelationFilter::default()),
        }),
        ..Default::default()
    };
    let some = proto::RelationshipFilter {
        optional_resource_id_prefix: "d1".to_owned(),
        optional_relation: "owner".to_owned(),
        ..filter("document")
    };
    server.register("documents", Some(filter("document"))).await.unwrap();
    server.register("of_ann", Some(ann)).await.unwrap();
    server.register("some", Some(some)).await.unwrap();
    assert_eq!(counts(&server, "documents").await, 0);
    // More than are looked at at once.
    for start in (0..25_000).step_by(1_000) {
        let many = (start..start + 1_000).map(|n| touch(&format!("document:d{n}#owner@user:ann")));
        server.write(many.collect()).await.unwrap();
    }
    let expired = "document:gone#viewer@user:ann[expiration:2000-01-01T00:00:00Z]";
    let written = server.touch(&["group:g#member@user:bob", expired]).await.unwrap();
    let value = server.count("documents").await.unwrap();
    assert_eq!((value.relationship_count, value.read_at), (25_000, Some(written)));
    assert_eq!(counts(&server, "of_ann").await, 25_000);
    assert_eq!(counts(&server, "some").await, 11_111);

    server.stop().await.unwrap();
    let server = start(config(dir.path())).await;
    assert_eq!(counts(&server, "some").await, 11_111);
    server.unregister("some").await.unwrap();
    let refused = server.count("some").await.unwrap_err();
    require(&refused, Code::FailedPrecondition, "COUNTER_NOT_REGISTERED", &["counter_name"]);
    // The name is free again.
    server.register("some", Some(filter("group"))).await.unwrap();
    assert_eq!(counts(&server, "some").await, 1);
}

#[tokio::test]
async fn counters_are_refused_for_what_is_wrong_with_them() {
    let server = fresh().await;
    server.register("documents", Some(filter("document"))).await.unwrap();
    let again = server.register("documents", Some(filter("group"))).await.unwrap_err();
    let names = ["counter_name", "new_filter_resource_type"];
    require(&again, Code::FailedPrecondition, "COUNTER_ALREADY_REGISTERED", &names);
    for unknown in [server.count("other").await.map(drop), server.unregister("other").await] {
        let unknown = unknown.unwrap_err();
        require(&unknown, Code::FailedPrecondition, "COUNTER_NOT_REGISTERED", &["counter_name"]);
    }
    for nameless in [
        server.register("", Some(filter("document"))).await,
        server.count("").await.map(drop),
        server.unregister("").await,
    ] {
        let nameless = nameless.unwrap_err();
        require(&nameless, Code::InvalidArgument, "", &[]);
        assert_eq!(nameless.message(), "name must be provided");
    }
    for (name, filter) in [("documents2", None), ("No", Some(filter("document")))] {
        let malformed = server.register(name, filter).await.unwrap_err();
        require(&malformed, Code::InvalidArgument, "", &[]);
    }
    let empty = server.register("all", Some(proto::RelationshipFilter::default())).await;
    require(&empty.unwrap_err(), Code::InvalidArgument, "INVALID_FILTER", &["filter"]);
    let unknown = server.register("all", Some(filter("nobody"))).await.unwrap_err();
    require(&unknown, Code::FailedPrecondition, "UNKNOWN_DEFINITION", &["definition_name"]);
}
