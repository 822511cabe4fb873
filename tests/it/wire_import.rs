//! `ImportBulkRelationships` and its older name.

use super::server_support::{
    Bearer, KEY, Running, create, fresh, fresh_with, relationship, require, soon, text,
};
use kilwa::proto::authzed::api::v1 as proto;
use proto::experimental_service_client::ExperimentalServiceClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

pub(crate) type Part = proto::ImportBulkRelationshipsRequest;

pub(crate) fn part<T: AsRef<str>>(texts: &[T]) -> Part {
    Part { relationships: texts.iter().map(|text| relationship(text.as_ref())).collect() }
}

pub(crate) async fn import(server: &Running, parts: Vec<Part>) -> Result<u64, Status> {
    let parts = tokio_stream::iter(parts);
    let response = server.permissions().await.import_bulk_relationships(parts).await?;
    Ok(response.into_inner().num_loaded)
}

pub(crate) async fn stored(server: &Running) -> Vec<proto::Relationship> {
    let request = proto::ExportBulkRelationshipsRequest::default();
    let mut stream =
        server.permissions().await.export_bulk_relationships(request).await.unwrap().into_inner();
    let mut found = Vec::new();
    while let Some(part) = stream.message().await.unwrap() {
        found.extend(part.relationships);
    }
    found
}

pub(crate) fn documents(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("document:d{n:05}#viewer@user:ann")).collect()
}

#[tokio::test]
async fn what_is_imported_is_exported_and_can_be_imported_elsewhere() {
    let all = [
        "document:a#viewer@group:g#member",
        "document:a#viewer@user:*",
        "document:a#viewer@user:ann[only_on:{\"day\":\"monday\"}]",
        "document:a#viewer@user:bob[expiration:2999-01-01T00:00:00Z]",
        "group:g#member@user:ann",
    ];
    let mut turned = all.to_vec();
    turned.reverse();
    let server = fresh().await;
    assert_eq!(import(&server, vec![part(&turned[..2]), part(&turned[2..])]).await.unwrap(), 5);
    let first = stored(&server).await;
    assert_eq!(first, part(&all).relationships);
    let other = fresh().await;
    let parts = vec![Part { relationships: first.clone() }];
    assert_eq!(import(&other, parts).await.unwrap(), 5);
    assert_eq!(stored(&other).await, first);
}

#[tokio::test]
async fn the_limit_of_a_write_does_not_apply_and_nothing_may_be_imported() {
    let server = fresh_with(|config| config.database.updates_max = 10).await;
    assert_eq!(import(&server, vec![]).await.unwrap(), 0);
    assert_eq!(import(&server, vec![part::<&str>(&[])]).await.unwrap(), 0);
    assert_eq!(import(&server, vec![part(&documents(12_345))]).await.unwrap(), 12_345);
    assert_eq!(stored(&server).await.len(), 12_345);
}

#[tokio::test]
async fn what_exists_refuses_the_whole_import() {
    let server = fresh().await;
    server.write(vec![create("document:d00700#viewer@user:ann")]).await.unwrap();
    let all = documents(1_000);
    let refused = import(&server, vec![part(&all[..500]), part(&all[500..])]).await.unwrap_err();
    let names = [
        "relationship",
        "resource_type",
        "resource_object_id",
        "resource_relation",
        "subject_type",
        "subject_object_id",
        "subject_relation",
    ];
    require(&refused, Code::AlreadyExists, "ATTEMPT_TO_RECREATE_RELATIONSHIP", &names);
    assert!(refused.message().contains("document:d00700#viewer@user:ann"), "{refused}");
    let twice = vec![part(&all[..5]), part(&all[4..6])];
    let refused = import(&server, twice).await.unwrap_err();
    require(&refused, Code::AlreadyExists, "ATTEMPT_TO_RECREATE_RELATIONSHIP", &names);
    let other_terms = "document:d00700#viewer@user:ann[only_on:{\"day\":\"monday\"}]";
    let refused = import(&server, vec![part(&[other_terms])]).await.unwrap_err();
    require(&refused, Code::AlreadyExists, "ATTEMPT_TO_RECREATE_RELATIONSHIP", &names);
    assert_eq!(stored(&server).await.len(), 1);
}

#[tokio::test]
async fn each_row_follows_the_rules_of_a_write_and_nothing_is_kept_of_the_others() {
    let server = fresh_with(|config| config.requests.caveat_bytes_max = 100).await;
    let long = format!("document:a#viewer@user:ann[only_on:{{\"day\":\"{}\"}}]", "x".repeat(100));
    let cases: [(&str, Code, &str, &[&str]); 9] = [
        (
            "planet:a#viewer@user:ann",
            Code::FailedPrecondition,
            "UNKNOWN_DEFINITION",
            &["definition_name"],
        ),
        (
            "document:a#seer@user:ann",
            Code::FailedPrecondition,
            "UNKNOWN_RELATION_OR_PERMISSION",
            &["definition_name", "relation_or_permission_name"],
        ),
        (
            "document:a#viewer@robot:r",
            Code::FailedPrecondition,
            "UNKNOWN_DEFINITION",
            &["definition_name"],
        ),
        (
            "document:a#viewer@group:g#boss",
            Code::FailedPrecondition,
            "UNKNOWN_RELATION_OR_PERMISSION",
            &["definition_name", "relation_or_permission_name"],
        ),
        (
            "document:a#view@user:ann",
            Code::InvalidArgument,
            "CANNOT_UPDATE_PERMISSION",
            &["definition_name", "permission_name"],
        ),
        (
            "document:a#owner@group:g",
            Code::InvalidArgument,
            "INVALID_SUBJECT_TYPE",
            &["definition_name", "relation_name", "subject_type"],
        ),
        (
            "group:a#member@user:*",
            Code::InvalidArgument,
            "INVALID_SUBJECT_TYPE",
            &["definition_name", "relation_name", "subject_type"],
        ),
        (
            "document:a#viewer@user:ann[only_on:{\"day\":1}]",
            Code::InvalidArgument,
            "CAVEAT_PARAMETER_TYPE_ERROR",
            &["caveat_name", "parameter_name"],
        ),
        (
            &long,
            Code::InvalidArgument,
            "MAX_RELATIONSHIP_CONTEXT_SIZE",
            &["relationship", "max_allowed_size", "context_size"],
        ),
    ];
    for (row, code, reason, names) in cases {
        let parts = vec![part(&documents(10)), part(&[row]), part(&documents(5))];
        let refused = import(&server, parts).await.unwrap_err();
        require(&refused, code, reason, names);
        let written = server.write(vec![create(row)]).await.unwrap_err();
        assert_eq!((written.code(), written.message()), (refused.code(), refused.message()));
    }
    assert_eq!(stored(&server).await, []);
}

#[tokio::test]
async fn a_malformed_row_is_named_by_its_place() {
    let server = fresh().await;
    let mut malformed = part(&["document:a#viewer@user:ann", "document:b#viewer@user:ann"]);
    malformed.relationships[1].resource.as_mut().unwrap().object_id = "*".to_owned();
    let refused = import(&server, vec![malformed]).await.unwrap_err();
    require(&refused, Code::InvalidArgument, "", &[]);
    assert!(refused.message().contains("relationships[1].resource.object_id"), "{refused}");
    assert_eq!(stored(&server).await, []);
}

#[tokio::test]
async fn a_slow_import_holds_up_nobody_and_one_that_goes_away_leaves_nothing() {
    let server = fresh_with(|config| config.threads_max = 1).await;
    let mut client = server.permissions().await;
    let (sender, receiver) = mpsc::channel(1);
    let importing = tokio::spawn(async move {
        client.import_bulk_relationships(ReceiverStream::new(receiver)).await
    });
    for part in documents(100).chunks(10).map(part) {
        sender.send(part).await.unwrap();
    }
    soon(server.write(vec![create("group:g#member@user:ann")])).await.unwrap();
    assert_eq!(stored(&server).await.len(), 1);
    drop(sender);
    let loaded = soon(importing).await.unwrap().unwrap().into_inner().num_loaded;
    assert_eq!(loaded, 100);
    assert_eq!(stored(&server).await.len(), 101);
    let mut client = server.permissions().await;
    let (sender, receiver) = mpsc::channel(1);
    let importing = tokio::spawn(async move {
        client.import_bulk_relationships(ReceiverStream::new(receiver)).await
    });
    sender.send(part(&["document:new#viewer@user:ann"])).await.unwrap();
    importing.abort();
    importing.await.unwrap_err();
    let parts = vec![part(&["document:new#viewer@user:ann"])];
    assert_eq!(soon(import(&server, parts)).await.unwrap(), 1);
}

#[tokio::test]
async fn the_older_name_does_the_same() {
    let server = fresh().await;
    let mut client =
        ExperimentalServiceClient::with_interceptor(server.channel().await, Bearer(KEY.to_owned()));
    let relationships = part(&documents(3)).relationships;
    let parts = tokio_stream::iter([proto::BulkImportRelationshipsRequest { relationships }]);
    #[expect(deprecated, reason = "it is the older name that is tested")]
    let response = client.bulk_import_relationships(parts).await.unwrap().into_inner();
    assert_eq!(response.num_loaded, 3);
    let found: Vec<String> = stored(&server).await.iter().map(text).collect();
    assert_eq!(found, documents(3));
}

#[tokio::test]
async fn a_late_duplicate_is_found_before_anything_is_applied() {
    let server = fresh().await;
    let mut all = documents(30_000);
    all.push(all[0].clone());
    let token = server.touch(&["group:g#member@user:ann"]).await.unwrap();
    for last in [all[0].clone(), "group:g#member@user:ann".to_owned()] {
        all.pop();
        all.push(last);
        let parts = all.chunks(1_000).map(part).collect();
        let refused = import(&server, parts).await.unwrap_err();
        assert_eq!(refused.code(), Code::AlreadyExists, "{refused}");
        assert_eq!(stored(&server).await.len(), 1);
    }
    // Nothing was written, not even for a while: the next revision is the first one after the token.
    assert!(token.token != server.touch(&["group:g#member@user:bob"]).await.unwrap().token);
}

#[tokio::test]
async fn an_import_whose_client_sends_nothing_is_given_up() {
    let server =
        fresh_with(|config| config.import_idle_max = std::time::Duration::from_millis(50)).await;
    let (sender, parts) = mpsc::channel(1);
    sender.send(part(&documents(10))).await.unwrap();
    let mut client = server.permissions().await;
    let importing = client.import_bulk_relationships(ReceiverStream::new(parts));
    let refused = soon(importing).await.unwrap_err();
    require(&refused, Code::DeadlineExceeded, "", &[]);
    assert!(refused.message().contains("sent nothing for 50ms"), "{refused}");
    drop(sender);
    assert!(stored(&server).await.is_empty());
}

/// An import that has sent nothing but its start; it ends with the sender.
async fn open_import(server: &Running, key: &str) -> (mpsc::Sender<Part>, Importing) {
    let (sender, parts) = mpsc::channel(1);
    let mut client = server.permissions_as(key).await;
    let importing = tokio::spawn(async move {
        client.import_bulk_relationships(ReceiverStream::new(parts)).await.map(|_| ())
    });
    (sender, importing)
}

type Importing = tokio::task::JoinHandle<Result<(), Status>>;

#[tokio::test]
async fn a_caller_has_a_bounded_number_of_open_imports_and_others_have_theirs() {
    let server = fresh_with(|config| {
        config.requests.imports_per_key_max = 2;
        config.import_idle_max = std::time::Duration::from_hours(1);
    })
    .await;
    let open = [open_import(&server, KEY).await, open_import(&server, KEY).await];
    // The two are open once a third one is refused; until then each has room.
    let refused = soon(async {
        loop {
            match import(&server, Vec::new()).await {
                Ok(_) => tokio::task::yield_now().await,
                Err(refused) => return refused,
            }
        }
    })
    .await;
    require(&refused, Code::ResourceExhausted, "", &[]);
    assert!(refused.message().contains("2 imports with this key are open"), "{refused}");
    assert!(refused.message().contains("--max-bulk-imports-per-key"), "{refused}");

    let (other, importing) = open_import(&server, "another key").await;
    other.send(part(&documents(1))).await.unwrap();
    drop(other);
    importing.await.unwrap().unwrap();
    let [(first, importing), second] = open;
    drop(first);
    importing.await.unwrap().unwrap();
    let parts = || vec![part(&["document:new#viewer@user:ann"])];
    assert_eq!(import(&server, parts()).await.unwrap(), 1);

    // One that is cancelled leaves its place too.
    second.1.abort();
    let _third = open_import(&server, KEY).await;
    soon(async { while import(&server, Vec::new()).await.is_err() {} }).await;
}

#[tokio::test]
async fn an_import_that_is_given_up_leaves_its_place() {
    let server = fresh_with(|config| {
        config.requests.imports_per_key_max = 1;
        config.import_idle_max = std::time::Duration::from_millis(50);
    })
    .await;
    let (_sender, importing) = open_import(&server, KEY).await;
    let ended = soon(importing).await.unwrap().unwrap_err();
    assert_eq!(ended.code(), Code::DeadlineExceeded);
    assert_eq!(import(&server, vec![part(&documents(3))]).await.unwrap(), 3);
}

#[tokio::test]
async fn imports_take_no_more_disk_space_than_they_may() {
    let server = fresh_with(|config| config.store.import_bytes_max = 100_000).await;
    let all = documents(10_000);
    let parts = all.chunks(1_000).map(part).collect();
    let refused = import(&server, parts).await.unwrap_err();
    require(&refused, Code::ResourceExhausted, "", &[]);
    assert!(refused.message().contains("more than 100000 bytes of disk space"), "{refused}");
    // The space of the refused one is free again.
    assert_eq!(import(&server, vec![part(&all[..1_000])]).await.unwrap(), 1_000);
}
