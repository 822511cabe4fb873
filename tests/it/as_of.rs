//! What was stored at a time of day.

use crate::server_support::{
    Bearer, Fresh, KEY, Keyed, consistency, filter, fresh, question, require, soon,
};
use kilwa::database::{Consistency, Database, DatabaseError, DatabaseOptions, WriteRequest};
use kilwa::engine::CheckQuery;
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::kilwa::v1 as own;
use kilwa::relationship::{
    Context, Permissionship, ReadPoint, Relationship, RelationshipFilter, RelationshipUpdate,
    Revision, Timestamp, UpdateOperation, parse_relationship_key,
};
use kilwa::store::{StoreOptions, WriteClock};
use own::permissions_service_client::PermissionsServiceClient;
use proto::consistency::Requirement;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tonic::Code;

const SCHEMA: &str = "use expiration
definition user {}
definition document {
  relation viewer: user | user with expiration
  permission view = viewer
}
";

fn at(minute: u32) -> Timestamp {
    Timestamp::parse(&format!("2030-01-01T12:{minute:02}:00Z")).unwrap()
}

fn database() -> Database {
    let options =
        StoreOptions { history_window: Duration::from_mins(30), ..StoreOptions::default() };
    let database = Database::in_memory(&options, DatabaseOptions::default()).unwrap();
    database.write_schema(at(0), SCHEMA).unwrap();
    database
}

fn write(database: &Database, minute: u32, operation: UpdateOperation, text: &str) -> Revision {
    let relationship: Relationship = text.parse().unwrap();
    let updates = vec![RelationshipUpdate { operation, relationship }];
    database.write(at(minute), WriteRequest { updates, ..WriteRequest::default() }).unwrap()
}

/// Whether the check was true at one minute, made at another.
fn was(database: &Database, text: &str, minute: u32, requested_at: u32) -> bool {
    let revision = database.revision_at(at(minute), at(requested_at)).unwrap();
    let view = database
        .view(Consistency::AsOf(ReadPoint::new(revision, at(minute))), at(requested_at))
        .unwrap();
    let (resource, permission, subject) = parse_relationship_key(text).unwrap();
    let context = Context::default();
    let question = CheckQuery {
        resource: &resource,
        permission: &permission,
        subject: &subject,
        context: &context,
    };
    view.check(&question, false).unwrap().permissionship == Permissionship::HasPermission
}

#[test]
fn a_time_between_two_writes_shows_what_the_first_one_left() {
    let database = database();
    let first = write(&database, 2, UpdateOperation::Touch, "document:plan#viewer@user:ann");
    let second = write(&database, 4, UpdateOperation::Delete, "document:plan#viewer@user:ann");
    for (minute, then) in [(1, false), (2, true), (3, true), (4, false), (5, false)] {
        assert_eq!(was(&database, "document:plan#view@user:ann", minute, 10), then, "{minute}");
    }
    assert_eq!(database.revision_at(at(2), at(10)).unwrap(), first);
    assert_eq!(database.revision_at(at(4), at(10)).unwrap(), second);
    // The same time has the same revision, whatever is written later.
    let later = database.revision_at(at(9), at(10)).unwrap();
    write(&database, 11, UpdateOperation::Touch, "document:plan#viewer@user:ann");
    assert_eq!(database.revision_at(at(9), at(12)).unwrap(), later);
    assert!(!was(&database, "document:plan#view@user:ann", 9, 12));
}

#[test]
fn what_has_expired_since_then_was_there_then() {
    let database = database();
    let text = "document:plan#viewer@user:ann[expiration:2030-01-01T12:05:00Z]";
    write(&database, 2, UpdateOperation::Touch, text);
    let question = "document:plan#view@user:ann";
    assert!(was(&database, question, 4, 4));
    assert!(was(&database, question, 4, 20));
    assert!(!was(&database, question, 6, 20));
    database.collect_garbage(at(20)).unwrap();
    assert!(was(&database, question, 4, 20));
}

#[test]
fn only_times_within_the_window_can_be_requested() {
    let database = database();
    let future = database.revision_at(at(11), at(10)).unwrap_err();
    assert!(matches!(future, DatabaseError::Time(_)), "{future}");
    assert_eq!(
        future.to_string(),
        "the time 2030-01-01T12:11:00Z lies in the future: it is 2030-01-01T12:10:00Z"
    );
    let past = database.revision_at(at(9), at(40)).unwrap_err();
    assert_eq!(
        past.to_string(),
        "the time 2030-01-01T12:09:00Z lies before the history that is kept, which begins at 2030-01-01T12:10:00Z"
    );
    database.revision_at(at(10), at(40)).unwrap();
    database.revision_at(at(40), at(40)).unwrap();
}

/// A clock that advances by one second with each reading.
fn ticking(from: i64) -> WriteClock {
    let looks = AtomicI64::new(from);
    let now = move || Timestamp::from_unix(looks.fetch_add(1, Ordering::SeqCst), 0).unwrap();
    WriteClock::new(now, || Duration::ZERO)
}

#[test]
fn a_time_between_the_beginning_and_the_commit_of_a_write_does_not_show_it() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let (store, options) = (StoreOptions::default(), DatabaseOptions::default());
        Database::open(dir.path(), &store, options).unwrap()
    };
    let second = |second: i64| Timestamp::from_unix(1_000 + second, 0).unwrap();
    let relationship = "document:plan#viewer@user:ann";
    let held = |database: &Database, at: i64| {
        let revision = database.revision_at(second(at), second(50)).unwrap();
        let view = database
            .view(Consistency::AsOf(ReadPoint::new(revision, second(at))), second(50))
            .unwrap();
        let filter = RelationshipFilter {
            resource_type: Some("document".to_owned()),
            ..RelationshipFilter::default()
        };
        !view.read(&filter, None, 1).unwrap().rows.is_empty()
    };

    let database = open();
    database.write_schema(second(0), SCHEMA).unwrap();
    // The examination is made at 10 s, the write begins at 11 s, and its commit is done at 12 s.
    let updates = vec![RelationshipUpdate {
        operation: UpdateOperation::Touch,
        relationship: relationship.parse().unwrap(),
    }];
    let request = WriteRequest { updates, ..WriteRequest::default() };
    let revision = database.write(ticking(1_010), request).unwrap();
    assert_eq!(revision.time(), second(11));
    assert_eq!([10, 11, 12, 13].map(|at| held(&database, at)), [false, false, true, true]);
    drop(database);
    let database = open();
    assert_eq!([10, 11, 12, 13].map(|at| held(&database, at)), [false, false, true, true]);
}

#[test]
fn no_later_write_counts_for_a_time_that_was_requested() {
    let database = database();
    let before = database.revision_at(at(9), at(9)).unwrap();
    // Its clock is behind.
    let later = write(&database, 5, UpdateOperation::Touch, "document:plan#viewer@user:ann");
    assert!(later.time() > at(9), "{later}");
    assert_eq!(database.revision_at(at(9), at(10)).unwrap(), before);
    assert!(!was(&database, "document:plan#view@user:ann", 9, 10));
}

#[test]
fn a_token_of_a_time_is_refused_once_what_expired_since_has_been_collected() {
    let database = database();
    let text = "document:plan#viewer@user:ann[expiration:2030-01-01T12:05:00Z]";
    write(&database, 2, UpdateOperation::Touch, text);
    let revision = database.revision_at(at(4), at(10)).unwrap();
    let past = |minute: u32| Consistency::AsOf(ReadPoint::new(revision, at(minute)));
    database.view(past(4), at(10)).unwrap();
    database.collect_garbage(at(50)).unwrap();
    // Nothing was written since, so that the revision itself can still be read; the time can not.
    let refused = database.view(past(4), at(50)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the time 2030-01-01T12:04:00Z lies before the history that is kept, which begins at 2030-01-01T12:20:00Z"
    );
    database.view(past(20), at(50)).unwrap();
    // Nor can it be read again, whatever the window is.
    let refused = database.revision_at(at(4), at(20)).unwrap_err();
    assert!(matches!(refused, DatabaseError::Time(_)), "{refused}");
}

#[test]
fn a_stream_keeps_what_expires_while_it_is_read() {
    let database = database();
    let text = "document:plan#viewer@user:ann[expiration:2030-01-01T12:05:00Z]";
    write(&database, 2, UpdateOperation::Touch, text);
    let first = database.view(Consistency::FullyConsistent, at(4)).unwrap();
    let (held, next) = (first.pin(), first.pinned());
    drop(first);
    let filter =
        RelationshipFilter { resource_type: Some("document".to_owned()), ..Default::default() };
    let count = || {
        let view = database.view(next, at(50)).map_err(|error| error.to_string())?;
        Ok::<_, String>(view.read(&filter, None, 10).unwrap().rows.len())
    };
    database.collect_garbage(at(50)).unwrap();
    assert_eq!(count(), Ok(1));
    drop(held);
    database.collect_garbage(at(50)).unwrap();
    assert!(count().unwrap_err().contains("lies before the history that is kept"));
}

async fn client(server: &Fresh) -> PermissionsServiceClient<Keyed> {
    PermissionsServiceClient::with_interceptor(server.channel().await, Bearer(KEY.to_owned()))
}

fn of(time: Timestamp) -> own::ReadRevisionAtRequest {
    let nanos = i32::try_from(time.subsec_nanos()).unwrap();
    let time = prost_types::Timestamp { seconds: time.unix_seconds(), nanos };
    own::ReadRevisionAtRequest { time: Some(time) }
}

/// The present time, which comes after the writes that were made and before those that will be.
#[expect(clippy::disallowed_methods, reason = "the server reads the same clock")]
fn present() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix(since.as_secs().try_into().unwrap(), since.subsec_nanos()).unwrap()
}

#[tokio::test]
async fn every_call_that_takes_a_token_takes_that_of_a_time() {
    let server = fresh().await;
    server.touch(&["document:plan#viewer@user:ann", "document:b#viewer@user:ann"]).await.unwrap();
    let time = present();
    server
        .write(vec![crate::server_support::delete("document:plan#viewer@user:ann")])
        .await
        .unwrap();
    let response = client(&server).await.read_revision_at(of(time)).await.unwrap().into_inner();
    let exactly = Requirement::AtExactSnapshot(response.token.clone().unwrap());
    let then = Some(consistency(exactly));
    let requested = proto::CheckPermissionRequest {
        consistency: then.clone(),
        ..question("document:plan#view@user:ann")
    };
    let response = server.permissions().await.check_permission(requested).await.unwrap();
    assert_eq!(response.into_inner().permissionship, 2);
    assert!(!server.has("document:plan#view@user:ann").await);

    let read = proto::ReadRelationshipsRequest {
        consistency: then.clone(),
        relationship_filter: Some(filter("document")),
        optional_limit: 1,
        optional_cursor: None,
    };
    let first = server.read(read.clone()).await.unwrap();
    assert_eq!(first.len(), 1);
    let cursor = first[0].after_result_cursor.clone();
    let rest = server.read(proto::ReadRelationshipsRequest { optional_cursor: cursor, ..read });
    assert_eq!(rest.await.unwrap().len(), 1);
}

#[tokio::test]
async fn times_that_cannot_be_read_are_refused() {
    let server = fresh().await;
    let mut client = client(&server).await;
    for (time, reason) in [
        ("9999-01-01T00:00:00Z", "lies in the future"),
        ("1999-01-01T00:00:00Z", "lies before the history that is kept"),
    ] {
        let request = of(Timestamp::parse(time).unwrap());
        let refused = client.read_revision_at(request).await.unwrap_err();
        require(&refused, Code::OutOfRange, "", &[]);
        assert!(refused.message().contains(reason), "{refused}");
    }
    let missing = own::ReadRevisionAtRequest { time: None };
    require(&client.read_revision_at(missing).await.unwrap_err(), Code::InvalidArgument, "", &[]);
    let odd = prost_types::Timestamp { seconds: 0, nanos: -1 };
    let odd = own::ReadRevisionAtRequest { time: Some(odd) };
    require(&client.read_revision_at(odd).await.unwrap_err(), Code::InvalidArgument, "", &[]);
}

/// A time of day after which nothing was written has no revision of its own, and is as good a token as any.
#[tokio::test]
async fn the_token_of_a_quiet_time_is_fresh_and_a_start_for_a_watch() {
    let server = fresh().await;
    server.touch(&["document:plan#viewer@user:ann"]).await.unwrap();
    let response =
        client(&server).await.read_revision_at(of(present())).await.unwrap().into_inner();
    let token = response.token.unwrap();
    let requested = proto::CheckPermissionRequest {
        consistency: Some(consistency(Requirement::AtLeastAsFresh(token.clone()))),
        ..question("document:plan#view@user:ann")
    };
    let response = server.permissions().await.check_permission(requested).await.unwrap();
    assert_eq!(response.into_inner().permissionship, 2);

    let request = proto::WatchRequest { optional_start_cursor: Some(token), ..Default::default() };
    let mut changes = soon(server.watcher().await.watch(request)).await.unwrap().into_inner();
    server.touch(&["document:later#viewer@user:ann"]).await.unwrap();
    let first = soon(changes.message()).await.unwrap().unwrap();
    let update = first.updates[0].relationship.as_ref().unwrap();
    assert_eq!(update.resource.as_ref().unwrap().object_id, "later");
}
