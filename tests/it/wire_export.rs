//! `ExportBulkRelationships` and its older name.

use super::server_support::{
    Bearer, Fresh, KEY, Running, config, consistency, delete, filter, fresh, fresh_with,
    relationship, require, soon, start, text, touch,
};
use kilwa::proto::authzed::api::v1 as proto;
use proto::consistency::Requirement;
use proto::experimental_service_client::ExperimentalServiceClient;
use std::time::Duration;
use tonic::{Code, Status};

type Part = proto::ExportBulkRelationshipsResponse;

fn request(limit: u32) -> proto::ExportBulkRelationshipsRequest {
    proto::ExportBulkRelationshipsRequest { optional_limit: limit, ..Default::default() }
}

async fn export(
    server: &Running,
    request: proto::ExportBulkRelationshipsRequest,
) -> Result<Vec<Part>, Status> {
    let mut stream =
        server.permissions().await.export_bulk_relationships(request).await?.into_inner();
    let mut parts = Vec::new();
    while let Some(part) = stream.message().await? {
        parts.push(part);
    }
    Ok(parts)
}

fn texts(parts: &[Part]) -> Vec<String> {
    parts.iter().flat_map(|part| &part.relationships).map(text).collect()
}

fn relationships<T: AsRef<str>>(texts: &[T]) -> Vec<proto::Relationship> {
    texts.iter().map(|text| relationship(text.as_ref())).collect()
}

fn documents(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("document:d{n:05}#viewer@user:ann")).collect()
}

async fn write(server: &Running, relationships: &[String]) {
    for some in relationships.chunks(1_000) {
        server.write(some.iter().map(|text| touch(text)).collect()).await.unwrap();
    }
}

async fn with_documents(count: usize) -> Fresh {
    let server = fresh().await;
    write(&server, &documents(count)).await;
    server
}

#[tokio::test]
async fn the_limit_is_the_size_of_a_message_and_everything_comes() {
    let server = with_documents(2_345).await;
    for (limit, largest) in [(7, 7), (1_000, 1_000), (10_000, 2_345), (0, 2_345)] {
        let parts = export(&server, request(limit)).await.unwrap();
        assert_eq!(texts(&parts), documents(2_345));
        let sizes: Vec<usize> = parts.iter().map(|part| part.relationships.len()).collect();
        assert!(sizes[..sizes.len() - 1].iter().all(|size| *size == largest), "{sizes:?}");
        assert!(parts.iter().all(|part| part.after_result_cursor.is_some()));
    }
}

#[tokio::test]
async fn everything_that_a_relationship_carries_comes_and_an_empty_store_has_no_message() {
    let server = fresh().await;
    assert_eq!(export(&server, request(0)).await.unwrap(), []);
    let all = [
        "document:a#viewer@group:g#member",
        "document:a#viewer@user:*",
        "document:a#viewer@user:ann[only_on:{\"day\":\"monday\"}]",
        "document:a#viewer@user:bob[expiration:2999-01-01T00:00:00Z]",
        "group:g#member@user:ann",
    ];
    server.touch(&all).await.unwrap();
    let parts = export(&server, request(2)).await.unwrap();
    let found: Vec<_> = parts.into_iter().flat_map(|part| part.relationships).collect();
    assert_eq!(found, relationships(&all));
}

#[tokio::test]
async fn a_large_message_ends_early() {
    let server = fresh().await;
    let day = "x".repeat(20_000);
    let all: Vec<String> = (0..200)
        .map(|n| format!("document:d{n:03}#viewer@user:ann[only_on:{{\"day\":\"{day}\"}}]"))
        .collect();
    for some in all.chunks(50) {
        server.write(some.iter().map(|text| touch(text)).collect()).await.unwrap();
    }
    let parts = export(&server, request(0)).await.unwrap();
    assert!(parts.len() > 3, "4,000,000 bytes came in {} messages", parts.len());
    assert!(parts.iter().flat_map(|part| &part.relationships).eq(&relationships(&all)));
}

#[tokio::test]
async fn every_cursor_goes_on_at_its_revision_with_any_page_size_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(config(dir.path())).await;
    server.write_schema(super::server_support::SCHEMA).await.unwrap();
    write(&server, &documents(500)).await;
    let parts = export(&server, request(100)).await.unwrap();
    server.touch(&["document:d00000x#viewer@user:ann"]).await.unwrap();
    server.write(vec![delete("document:d00499#viewer@user:ann")]).await.unwrap();
    server.stop().await.unwrap();
    let server = start(config(dir.path())).await;
    for (at, part) in parts.iter().enumerate() {
        let rest = proto::ExportBulkRelationshipsRequest {
            optional_cursor: part.after_result_cursor.clone(),
            consistency: Some(consistency(Requirement::FullyConsistent(true))),
            ..request(70)
        };
        let rest = export(&server, rest).await.unwrap();
        assert_eq!(texts(&rest), documents(500)[(at + 1) * 100..]);
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn filters_and_consistency_are_honoured() {
    let server = with_documents(30).await;
    let then = server.touch(&["group:g#member@user:ann"]).await.unwrap();
    server.touch(&["group:h#member@user:ann"]).await.unwrap();
    let at = |requirement, wanted| proto::ExportBulkRelationshipsRequest {
        consistency: Some(consistency(requirement)),
        optional_relationship_filter: wanted,
        ..request(0)
    };
    let old = at(Requirement::AtExactSnapshot(then), Some(filter("group")));
    assert_eq!(texts(&export(&server, old).await.unwrap()), ["group:g#member@user:ann"]);
    let newest = at(Requirement::FullyConsistent(true), Some(filter("group")));
    assert_eq!(export(&server, newest).await.unwrap()[0].relationships.len(), 2);
    let mut prefix = filter("document");
    prefix.optional_resource_id_prefix = "d0001".to_owned();
    let prefixed = at(Requirement::FullyConsistent(true), Some(prefix));
    assert_eq!(texts(&export(&server, prefixed).await.unwrap()), documents(30)[10..20]);
}

#[tokio::test]
async fn faults_of_a_request_are_reported() {
    let server = with_documents(30).await;
    let refused = |change: fn(&mut proto::ExportBulkRelationshipsRequest)| {
        let mut request = request(10);
        change(&mut request);
        let server = &server;
        async move { export(server, request).await.unwrap_err() }
    };
    let status = refused(|request| request.optional_limit = 10_001).await;
    let names = ["limit_provided", "maximum_limit_allowed"];
    require(&status, Code::InvalidArgument, "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT", &names);
    let status = refused(|request| {
        request.optional_relationship_filter = Some(proto::RelationshipFilter::default());
    })
    .await;
    require(&status, Code::InvalidArgument, "INVALID_FILTER", &["filter"]);
    let status =
        refused(|request| request.optional_relationship_filter = Some(filter("nothing"))).await;
    require(&status, Code::FailedPrecondition, "UNKNOWN_DEFINITION", &["definition_name"]);
    let status = refused(|request| {
        let cursor = proto::Cursor { token: "nonsense".to_owned() };
        request.optional_cursor = Some(cursor);
    })
    .await;
    require(&status, Code::InvalidArgument, "INVALID_CURSOR", &[]);
    let cursor = export(&server, request(10)).await.unwrap()[0].after_result_cursor.clone();
    let other = proto::ExportBulkRelationshipsRequest {
        optional_cursor: cursor,
        optional_relationship_filter: Some(filter("document")),
        ..request(10)
    };
    let status = export(&server, other).await.unwrap_err();
    require(&status, Code::InvalidArgument, "INVALID_CURSOR", &[]);
    let future = proto::ZedToken { token: "nonsense".to_owned() };
    let at = proto::ExportBulkRelationshipsRequest {
        consistency: Some(consistency(Requirement::AtExactSnapshot(future))),
        ..request(10)
    };
    let status = export(&server, at).await.unwrap_err();
    require(&status, Code::InvalidArgument, "", &[]);
}

#[tokio::test]
async fn the_largest_page_is_configured() {
    let server = fresh_with(|config| config.requests.export_limit_max = 3).await;
    write(&server, &documents(7)).await;
    let parts = export(&server, request(0)).await.unwrap();
    let sizes: Vec<usize> = parts.iter().map(|part| part.relationships.len()).collect();
    assert_eq!(sizes, [3, 3, 1]);
    export(&server, request(4)).await.unwrap_err();
}

#[tokio::test]
async fn the_older_name_gives_the_same_and_takes_the_same_cursors() {
    let server = with_documents(25).await;
    let mut client =
        ExperimentalServiceClient::with_interceptor(server.channel().await, Bearer(KEY.to_owned()));
    let parts = export(&server, request(10)).await.unwrap();
    let older = proto::BulkExportRelationshipsRequest {
        optional_limit: 10,
        optional_cursor: parts[0].after_result_cursor.clone(),
        ..Default::default()
    };
    #[expect(deprecated, reason = "it is the older name that is tested")]
    let mut stream = client.bulk_export_relationships(older).await.unwrap().into_inner();
    let mut found = Vec::new();
    while let Some(part) = stream.message().await.unwrap() {
        let proto::BulkExportRelationshipsResponse { after_result_cursor, relationships } = part;
        found.push(Part { after_result_cursor, relationships });
    }
    assert_eq!(found, parts[1..]);
}

#[tokio::test]
async fn garbage_collection_waits_for_an_export_that_a_slow_client_reads() {
    let server = fresh_with(|config| {
        config.store.history_window = Duration::ZERO;
        config.garbage_collection_interval = Duration::from_millis(1);
    })
    .await;
    // More than all buffers between server and client hold.
    let all = documents(20_000);
    write(&server, &all).await;
    let mut stream = server
        .permissions()
        .await
        .export_bulk_relationships(request(500))
        .await
        .unwrap()
        .into_inner();
    let mut found = vec![soon(stream.message()).await.unwrap().unwrap()];
    for some in all.chunks(1_000) {
        server.write(some.iter().map(|text| delete(text)).collect()).await.unwrap();
    }
    while let Some(part) = soon(stream.message()).await.unwrap() {
        found.push(part);
    }
    assert_eq!(texts(&found), all);
}
