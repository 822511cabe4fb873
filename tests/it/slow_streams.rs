//! Streams whose client takes a result now and then, never so late that it counts as idle: they end all the same, so that
//! the revision that they read is not pinned against garbage collection for as long as the client likes.

use super::server_support::{
    Bearer, KEY, Keyed, consistency, filter, fresh_with, object, soon, touch,
};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::authzed::api::v1::permissions_service_client::PermissionsServiceClient;
use std::time::Duration;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

/// How many results each stream has: more than fit between the server and a client that does not read.
const RESULTS: usize = 600;
const WAIT_MAX: Duration = Duration::from_millis(300);
const PACE: Duration = Duration::from_millis(20);

/// A client into whose connection little fits.
async fn narrow(address: &str) -> PermissionsServiceClient<Keyed> {
    let channel = Channel::from_shared(address.to_owned()).unwrap();
    let channel = channel.initial_stream_window_size(65_535).connect().await.unwrap();
    PermissionsServiceClient::with_interceptor(channel, Bearer(KEY.to_owned()))
}

/// Reads at a slow pace, and gives how the stream ends and how many results came.
async fn read_slowly<T>(mut stream: Streaming<T>) -> (Status, usize) {
    let mut count = 0;
    loop {
        tokio::time::sleep(PACE).await;
        match stream.message().await {
            Ok(Some(_)) => count += 1,
            Ok(None) => panic!("the stream came to its end after {count} results"),
            Err(status) => return (status, count),
        }
    }
}

#[tokio::test]
async fn every_stream_ends_for_a_client_that_reads_too_slowly() {
    let server = fresh_with(|config| config.stream_client_wait_max = WAIT_MAX).await;
    let id = |number: usize| format!("{}{number:06}", "i".repeat(1_000));
    let wide: Vec<_> = (0..RESULTS)
        .flat_map(|n| {
            let owned = format!("document:{}#owner@user:ann", id(n));
            [touch(&owned), touch(&format!("document:a#viewer@user:{}", id(n)))]
        })
        .collect();
    for chunk in wide.chunks(500) {
        server.write(chunk.to_vec()).await.unwrap();
    }
    let newest = || {
        let full = proto::consistency::Requirement::FullyConsistent(true);
        Some(consistency(full))
    };
    let read = proto::ReadRelationshipsRequest {
        consistency: newest(),
        relationship_filter: Some(filter("document")),
        ..Default::default()
    };
    let resources = proto::LookupResourcesRequest {
        consistency: newest(),
        resource_object_type: "document".to_owned(),
        permission: "owner".to_owned(),
        subject: Some(proto::SubjectReference {
            object: Some(object("user", "ann")),
            optional_relation: String::new(),
        }),
        ..Default::default()
    };
    let subjects = proto::LookupSubjectsRequest {
        consistency: newest(),
        resource: Some(object("document", "a")),
        permission: "viewer".to_owned(),
        subject_object_type: "user".to_owned(),
        ..Default::default()
    };
    let export = proto::ExportBulkRelationshipsRequest {
        consistency: newest(),
        optional_limit: 20,
        ..Default::default()
    };
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(narrow(&server.address).await);
    }
    let [one, two, three, four] = &mut clients[..] else { panic!("four clients") };
    let read = one.read_relationships(read).await.unwrap().into_inner();
    let resources = two.lookup_resources(resources).await.unwrap().into_inner();
    let subjects = three.lookup_subjects(subjects).await.unwrap().into_inner();
    let export = four.export_bulk_relationships(export).await.unwrap().into_inner();
    let ends = soon(async {
        tokio::join!(
            read_slowly(read),
            read_slowly(resources),
            read_slowly(subjects),
            read_slowly(export),
        )
    });
    let (read, resources, subjects, export) = ends.await;
    for (what, (status, count)) in
        [("read", read), ("resources", resources), ("subjects", subjects), ("export", export)]
    {
        assert_eq!(status.code(), Code::DeadlineExceeded, "{what}: {status:?}");
        assert!(count > 0 && count < RESULTS, "{what}: {count}");
    }
}
