//! Who wrote what: the name of the caller is kept with its changes, and shown to those who may see all data.

use super::methods::write;
use super::{ADMIN, Guarded, LIMITED, SCHEMA, calls};
use crate::server_support::{self, filter, object, relationship, structure};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::kilwa::v1 as own;
use prost::Message as _;
use std::fs;
use tonic::Code;

const ANN: &str = "a key of ann, without limits";
const NAME: &str = "ann's laptop";
const ACCESS: &str = "[roles.alpha]
methods = [\"watch\", \"read\"]
id_prefixes = [\"alpha/\"]

[[keys]]
name = \"limited\"
key = \"a key with a role that limits it\"
roles = [\"alpha\"]

[[keys]]
name = \"ann's laptop\"
key = \"a key of ann, without limits\"
roles = [\"full\"]
";

const WRITE: &str = "/authzed.api.v1.PermissionsService/WriteRelationships";
const HISTORY: &str = "/kilwa.v1.RelationshipsService/ReadHistory";

async fn make(guarded: &Guarded, key: &str, path: &str, request: &impl prost::Message) {
    let answer = guarded.call(key, path, request).await;
    assert!(answer.error.is_none(), "{path}: {answer:?}");
}

async fn history(
    guarded: &Guarded,
    key: &str,
    request: own::ReadHistoryRequest,
) -> own::ReadHistoryResponse {
    let answer = guarded.call(key, HISTORY, &request).await;
    assert!(answer.error.is_none(), "{answer:?}");
    own::ReadHistoryResponse::decode(&*answer.messages[0]).unwrap()
}

/// Operation, relationship and writer of an entry.
fn line(entry: &own::HistoryEntry) -> String {
    let change = entry.update.as_ref().map_or_else(
        || "schema".to_owned(),
        |update| {
            let operation = update.operation().as_str_name().to_owned();
            let relationship = update.relationship.as_ref().unwrap();
            format!("{operation} {}", server_support::text(relationship))
        },
    );
    format!("{change} by {}", entry.written_by)
}

fn lines(response: &own::ReadHistoryResponse) -> Vec<String> {
    response.entries.iter().map(line).collect()
}

#[tokio::test]
async fn every_kind_of_write_keeps_the_name_of_its_caller() {
    let guarded = Guarded::start(ACCESS).await;
    let mut first = write(&["document:1#viewer@user:ann".to_owned()]);
    first.optional_transaction_metadata = Some(structure(r#"{"why": "test"}"#));
    make(&guarded, ADMIN, WRITE, &first).await;
    let own_write = own::WriteRelationshipsRequest {
        updates: write(&["document:2#viewer@user:ann".to_owned()]).updates,
        ..Default::default()
    };
    make(&guarded, ANN, "/kilwa.v1.RelationshipsService/WriteRelationships", &own_write).await;
    let set = own::SetRelationRequest {
        resource: Some(object("document", "1")),
        relation: "viewer".to_owned(),
        ..Default::default()
    };
    make(&guarded, ANN, "/kilwa.v1.RelationshipsService/SetRelation", &set).await;
    let import = proto::ImportBulkRelationshipsRequest {
        relationships: ["document:3#viewer@user:ann", "document:4#viewer@user:ann"]
            .map(relationship)
            .to_vec(),
    };
    let path = "/authzed.api.v1.PermissionsService/ImportBulkRelationships";
    make(&guarded, ANN, path, &import).await;
    let delete = proto::DeleteRelationshipsRequest {
        relationship_filter: Some(proto::RelationshipFilter {
            optional_resource_id: "3".to_owned(),
            ..filter("document")
        }),
        ..Default::default()
    };
    make(&guarded, ANN, "/authzed.api.v1.PermissionsService/DeleteRelationships", &delete).await;
    let object =
        own::DeleteObjectRequest { object: Some(object("document", "4")), ..Default::default() };
    make(&guarded, ANN, "/kilwa.v1.RelationshipsService/DeleteObject", &object).await;
    let schema = proto::WriteSchemaRequest { schema: format!("{SCHEMA}\ndefinition folder {{}}") };
    make(&guarded, ANN, "/authzed.api.v1.SchemaService/WriteSchema", &schema).await;
    // What changes nothing has no part in the history.
    make(&guarded, ANN, path, &proto::ImportBulkRelationshipsRequest::default()).await;

    let expected = [
        "schema by ann's laptop",
        "OPERATION_DELETE document:4#viewer@user:ann by ann's laptop",
        "OPERATION_DELETE document:3#viewer@user:ann by ann's laptop",
        "OPERATION_TOUCH document:4#viewer@user:ann by ann's laptop",
        "OPERATION_TOUCH document:3#viewer@user:ann by ann's laptop",
        "OPERATION_DELETE document:1#viewer@user:ann by ann's laptop",
        "OPERATION_TOUCH document:2#viewer@user:ann by ann's laptop",
        "OPERATION_TOUCH document:1#viewer@user:ann by preshared-2",
        "schema by preshared-2",
    ];
    let all = history(&guarded, ADMIN, own::ReadHistoryRequest::default()).await;
    assert_eq!(lines(&all), expected);
    assert_eq!((&all.next, &all.kept_after), (&None, &None));
    let metadata: Vec<bool> =
        all.entries.iter().map(|entry| entry.optional_transaction_metadata.is_some()).collect();
    assert_eq!(metadata.iter().filter(|is_there| **is_there).count(), 1);
    assert!(metadata[7], "{metadata:?}");

    // In pages of any size it is the same.
    for limit in 1..4 {
        assert_eq!(paged(&guarded, limit).await, expected, "{limit}");
    }
}

/// All of the history in pages.
async fn paged(guarded: &Guarded, limit: u32) -> Vec<String> {
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let request = own::ReadHistoryRequest {
            optional_before: before,
            optional_limit: limit,
            ..Default::default()
        };
        let page = history(guarded, ADMIN, request).await;
        assert!(page.entries.len() <= usize::try_from(limit).unwrap());
        paged.extend(lines(&page));
        before = page.next;
        if before.is_none() {
            return paged;
        }
    }
}

#[tokio::test]
async fn the_history_has_what_filter_times_and_token_select() {
    let guarded = Guarded::start(ACCESS).await;
    for number in 1..5 {
        let text = format!("document:{number}#viewer@user:ann");
        make(&guarded, ANN, WRITE, &write(&[text])).await;
    }
    let of = |id: &str| {
        let of =
            proto::RelationshipFilter { optional_resource_id: id.to_owned(), ..filter("document") };
        own::ReadHistoryRequest { optional_relationship_filter: Some(of), ..Default::default() }
    };
    let second = history(&guarded, ADMIN, of("2")).await;
    assert_eq!(lines(&second), ["OPERATION_TOUCH document:2#viewer@user:ann by ann's laptop"]);
    let (time, token) = (second.entries[0].time, second.entries[0].written_at.clone());

    let ids = async |request: own::ReadHistoryRequest| {
        let found = history(&guarded, ADMIN, request).await;
        let id = |entry: &own::HistoryEntry| {
            let resource = entry.update.clone()?.relationship?.resource?;
            Some(resource.object_id)
        };
        found.entries.iter().filter_map(id).collect::<Vec<_>>().join(" ")
    };
    let since = own::ReadHistoryRequest { optional_since: time, ..Default::default() };
    assert_eq!(ids(since).await, "4 3 2");
    let until = own::ReadHistoryRequest { optional_until: time, ..Default::default() };
    assert_eq!(ids(until).await, "2 1");
    let both = own::ReadHistoryRequest {
        optional_since: time,
        optional_until: time,
        ..Default::default()
    };
    assert_eq!(ids(both).await, "2");
    let before = own::ReadHistoryRequest { optional_before: token, ..Default::default() };
    assert_eq!(ids(before).await, "2 1");

    for request in [
        own::ReadHistoryRequest { optional_limit: 1_001, ..Default::default() },
        own::ReadHistoryRequest {
            optional_relationship_filter: Some(filter("no such")),
            ..Default::default()
        },
        own::ReadHistoryRequest {
            optional_since: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
            ..Default::default()
        },
        own::ReadHistoryRequest {
            optional_before: Some(proto::ZedToken { token: "x".to_owned() }),
            ..Default::default()
        },
    ] {
        let answer = guarded.call(ADMIN, HISTORY, &request).await;
        assert_eq!(answer.refusal().code(), Code::InvalidArgument, "{answer:?}");
    }
}

#[tokio::test]
async fn a_role_with_a_part_of_the_data_sees_no_writer_no_metadata_and_nothing_outside() {
    let guarded = Guarded::start(ACCESS).await;
    let both = ["document:alpha/1#viewer@user:alpha/ann", "document:bravo/1#viewer@user:bravo/bob"];
    let mut request = write(&both.map(str::to_owned));
    request.optional_transaction_metadata = Some(structure(r#"{"why": "bravo asked"}"#));
    make(&guarded, ANN, WRITE, &request).await;

    let answer = guarded.call(LIMITED, HISTORY, &own::ReadHistoryRequest::default()).await;
    assert!(!answer.shows("bravo") && !answer.shows(NAME), "{answer:?}");
    let seen = own::ReadHistoryResponse::decode(&*answer.messages[0]).unwrap();
    assert_eq!(lines(&seen), ["OPERATION_TOUCH document:alpha/1#viewer@user:alpha/ann by "]);
    let outside = own::ReadHistoryRequest {
        optional_relationship_filter: Some(proto::RelationshipFilter {
            optional_resource_id: "bravo/1".to_owned(),
            ..filter("document")
        }),
        ..Default::default()
    };
    let answer = guarded.call(LIMITED, HISTORY, &outside).await;
    assert_eq!(answer.missing().as_deref(), Some("object_id"), "{answer:?}");
}

#[tokio::test]
async fn a_watch_of_kilwa_shows_the_writer_and_the_official_one_does_not() {
    let guarded = Guarded::start(ACCESS).await;
    let written =
        guarded.call(ADMIN, WRITE, &write(&["document:0#viewer@user:0".to_owned()])).await;
    let start =
        proto::WriteRelationshipsResponse::decode(&*written.messages[0]).unwrap().written_at;
    let text = "document:alpha/1#viewer@user:alpha/ann".to_owned();
    make(&guarded, ANN, WRITE, &write(&[text])).await;

    let request =
        proto::WatchRequest { optional_start_cursor: start.clone(), ..Default::default() };
    let own_request = own::WatchRequest { optional_start_cursor: start, ..Default::default() };
    let (official, kilwa) = ("/authzed.api.v1.WatchService/Watch", "/kilwa.v1.WatchService/Watch");
    for (path, key, shows) in [
        (official, ADMIN, false),
        (kilwa, ADMIN, true),
        (official, LIMITED, false),
        (kilwa, LIMITED, false),
    ] {
        let request =
            if path == official { request.encode_to_vec() } else { own_request.encode_to_vec() };
        let channel = guarded.server.channel().await;
        let answer = calls::read_until(channel, Some(key), path, vec![request], |_| true).await;
        assert!(answer.shows("alpha/ann"), "{path} {key}: {answer:?}");
        assert_eq!(answer.shows(NAME), shows, "{path} {key}: {answer:?}");
    }
}

/// An import and a deletion of so many relationships that they are prepared in pieces.
#[tokio::test]
async fn what_is_prepared_keeps_the_name_of_its_caller() {
    let guarded = Guarded::start(ACCESS).await;
    let written =
        guarded.call(ADMIN, WRITE, &write(&["document:0#viewer@user:0".to_owned()])).await;
    let start =
        proto::WriteRelationshipsResponse::decode(&*written.messages[0]).unwrap().written_at;
    let rows = (0..10_100).map(|n| relationship(&format!("document:{n}#viewer@user:many")));
    let import = proto::ImportBulkRelationshipsRequest { relationships: rows.collect() };
    let path = "/authzed.api.v1.PermissionsService/ImportBulkRelationships";
    make(&guarded, ANN, path, &import).await;
    let newest = async || {
        let request = own::ReadHistoryRequest { optional_limit: 5, ..Default::default() };
        lines(&history(&guarded, ADMIN, request).await)
    };
    let is_by_ann = |lines: &[String], operation: &str| {
        lines.len() == 5
            && lines.iter().all(|line| line.starts_with(operation) && line.ends_with(NAME))
    };
    let found = newest().await;
    assert!(is_by_ann(&found, "OPERATION_TOUCH document:"), "{found:?}");

    let watch = own::WatchRequest { optional_start_cursor: start, ..Default::default() };
    let channel = guarded.server.channel().await;
    let path = "/kilwa.v1.WatchService/Watch";
    let watch = vec![watch.encode_to_vec()];
    let answer = calls::read_until(channel, Some(ADMIN), path, watch, |_| true).await;
    assert!(answer.shows("many") && answer.shows(NAME), "a watch does not show the writer");

    let object =
        own::DeleteObjectRequest { object: Some(object("user", "many")), ..Default::default() };
    make(&guarded, ANN, "/kilwa.v1.RelationshipsService/DeleteObject", &object).await;
    let found = newest().await;
    assert!(is_by_ann(&found, "OPERATION_DELETE document:"), "{found:?}");
}

#[tokio::test]
async fn what_one_caller_did_stays_known_after_the_callers_key_is_gone_and_the_server_restarted() {
    let guarded = Guarded::start(ACCESS).await;
    make(&guarded, ANN, WRITE, &write(&["document:1#viewer@user:ann".to_owned()])).await;
    let Guarded { server, http, dir } = guarded;
    server.stop().await.unwrap();
    fs::write(dir.path().join("access.toml"), "").unwrap();
    let mut config = server_support::config(&dir.path().join("data"));
    config.access_file = Some(dir.path().join("access.toml"));
    let guarded = Guarded { server: server_support::start(config).await, http, dir };
    let all = history(&guarded, ADMIN, own::ReadHistoryRequest::default()).await;
    assert_eq!(
        lines(&all),
        ["OPERATION_TOUCH document:1#viewer@user:ann by ann's laptop", "schema by preshared-2"]
    );
}
