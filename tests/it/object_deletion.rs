//! The deletion of an object with many relationships: others write meanwhile, and see all of them or none.

use super::server_support::{
    Bearer, KEY, Running, delete, filter, fresh_with, object, question, require, soon, structure,
    touch,
};
use super::watch_support::{RELATIONSHIPS, from};
use super::wire_import::{import, part, stored};
use kilwa::proto::authzed::api::v1 as authzed;
use kilwa::proto::kilwa::v1 as proto;
use kilwa::proto::kilwa::v1::relationships_service_client::RelationshipsServiceClient;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tonic::{Code, Status};

/// How many relationships the object has as a resource and as a subject, each.
const FEW: usize = 1_500;

fn member(user: &str) -> String {
    format!("group:all#member@user:{user}")
}

fn viewer(document: &str) -> String {
    format!("document:{document}#viewer@group:all#member")
}

fn rows() -> Vec<String> {
    let of = |number| [member(&format!("u{number:05}")), viewer(&format!("d{number:05}"))];
    let mut rows: Vec<_> = (0..FEW).flat_map(of).collect();
    // One that has the object on both sides.
    rows.push("group:all#member@group:all#member".to_owned());
    rows
}

/// Whether a relationship has the object as its resource, or else as its subject.
fn side(row: &authzed::Relationship) -> Option<Side> {
    let group = Some(object("group", "all"));
    if row.resource == group {
        return Some(Side::Resource);
    }
    (row.subject.as_ref()?.object == group).then_some(Side::Subject)
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Resource,
    Subject,
}

async fn forget(
    server: &Running,
    request: proto::DeleteObjectRequest,
) -> Result<proto::DeleteObjectResponse, Status> {
    let bearer = Bearer(KEY.to_owned());
    let mut client = RelationshipsServiceClient::with_interceptor(server.channel().await, bearer);
    client.delete_object(request).await.map(tonic::Response::into_inner)
}

fn request() -> proto::DeleteObjectRequest {
    proto::DeleteObjectRequest { object: Some(object("group", "all")), ..Default::default() }
}

async fn seen(server: &Running) -> usize {
    stored(server).await.iter().filter(|row| side(row).is_some()).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_beside_the_deletion_of_an_object_which_is_seen_whole() {
    let server = Arc::new(fresh_with(|config| config.store.piece_rows_max = 5).await);
    let all = rows();
    import(&server, all.chunks(1_000).map(part).collect()).await.unwrap();
    let (done, written) = (Arc::new(AtomicBool::default()), Arc::new(AtomicUsize::default()));
    let writing = tokio::spawn({
        let (server, done, written) =
            (Arc::clone(&server), Arc::clone(&done), Arc::clone(&written));
        async move {
            while !done.load(Ordering::Relaxed) {
                let number = written.load(Ordering::Relaxed);
                server.touch(&[&format!("group:other#member@user:u{number}")]).await.unwrap();
                written.store(number + 1, Ordering::Relaxed);
            }
        }
    });
    let reading = tokio::spawn({
        let (server, done, count) = (Arc::clone(&server), Arc::clone(&done), all.len());
        async move {
            let mut looks = 0;
            while !done.load(Ordering::Relaxed) {
                let found = seen(&server).await;
                assert!(found == count || found == 0, "{found} are seen");
                looks += 1;
            }
            looks
        }
    });

    let before = written.load(Ordering::Relaxed);
    let deleted = forget(&server, request()).await.unwrap();
    let during = written.load(Ordering::Relaxed) - before;
    done.store(true, Ordering::Relaxed);
    soon(writing).await.unwrap();
    assert!(soon(reading).await.unwrap() > 0);
    assert_eq!(seen(&server).await, 0);
    let count = u64::try_from(FEW).unwrap();
    assert_eq!((deleted.as_resource_count, deleted.as_subject_count), (count + 1, count));
    // It has more than 600 pieces, and each lets the writes pass that wait.
    assert!(during >= 50, "{during} writes were made meanwhile");
}

/// Creates and deletes relationships of the object on both sides, each time others, until it is done.
async fn write_both_sides(server: &Running, done: &AtomicBool, written: &AtomicUsize) {
    while !done.load(Ordering::Relaxed) {
        let number = written.load(Ordering::Relaxed);
        let place = number * 137 % FEW;
        let (user, document) = (format!("u{place:05}"), format!("d{place:05}"));
        let mut updates = vec![
            touch(&member(&format!("new{number}"))),
            touch(&viewer(&format!("new{number}"))),
            delete(&member(&user)),
            delete(&viewer(&document)),
        ];
        // Some of what was deleted comes back.
        if let Some(earlier) = number.checked_sub(20) {
            updates.push(touch(&member(&format!("u{:05}", earlier * 137 % FEW))));
        }
        server.write(updates).await.unwrap();
        written.store(number + 1, Ordering::Relaxed);
    }
}

/// Whoever replays what a watch tells finds nothing of the object at the revision of its deletion, and as many deletions on each
/// side as the answer says, whatever others have written meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deletion_of_an_object_counts_what_it_deletes_on_each_side() {
    let server = Arc::new(fresh_with(|config| config.store.piece_rows_max = 5).await);
    let start = server.touch(&["group:g#member@user:first"]).await.unwrap();
    import(&server, rows().chunks(1_000).map(part).collect()).await.unwrap();
    let (done, written) = (Arc::new(AtomicBool::default()), Arc::new(AtomicUsize::default()));
    let writing = tokio::spawn({
        let (server, done, written) =
            (Arc::clone(&server), Arc::clone(&done), Arc::clone(&written));
        async move { write_both_sides(&server, &done, &written).await }
    });
    while written.load(Ordering::Relaxed) < 30 {
        tokio::task::yield_now().await;
    }
    let metadata = Some(structure("{\"why\":\"closed\"}"));
    let with_metadata =
        proto::DeleteObjectRequest { optional_transaction_metadata: metadata.clone(), ..request() };
    let deleted = forget(&server, with_metadata).await.unwrap();
    done.store(true, Ordering::Relaxed);
    soon(writing).await.unwrap();
    server.touch(&["group:g#member@user:last"]).await.unwrap();

    let revision = deleted.deleted_at.unwrap().token;
    let mut watched = server.watch(from(Some(&start), &[RELATIONSHIPS])).await.unwrap();
    let (mut rows, mut counts, mut left, mut has_last) = (BTreeSet::new(), [0, 0], None, false);
    while !has_last {
        let response = watched.next().await.unwrap();
        // No other write has metadata; a revision with many updates comes in several responses.
        let is_deletion = response.optional_transaction_metadata == metadata;
        let is_last = response.changes_through.as_ref().unwrap().token == revision;
        assert!(is_deletion || !is_last, "the deletion has other metadata");
        for update in response.updates {
            let operation = update.operation();
            let row = update.relationship.unwrap();
            let text = super::server_support::text(&row);
            has_last |= text == "group:g#member@user:last";
            let Some(side) = side(&row) else { continue };
            if operation == authzed::relationship_update::Operation::Delete {
                assert!(rows.remove(&text), "{text} was not there");
                counts[usize::from(side == Side::Subject)] += u64::from(is_deletion);
            } else {
                rows.insert(text);
            }
        }
        if is_last {
            left = Some(rows.len());
        }
    }
    assert_eq!(left, Some(0));
    assert_eq!(counts, [deleted.as_resource_count, deleted.as_subject_count]);
    assert_eq!(seen(&server).await, rows.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_object_stays_when_its_deletion_is_refused() {
    let server = fresh_with(|config| config.store.piece_rows_max = 5).await;
    let all = rows();
    import(&server, all.chunks(1_000).map(part).collect()).await.unwrap();
    server.touch(&["document:plan#owner@user:ann"]).await.unwrap();

    let precondition = authzed::Precondition {
        operation: authzed::precondition::Operation::MustNotMatch.into(),
        filter: Some(filter("group")),
    };
    let conditional =
        proto::DeleteObjectRequest { optional_preconditions: vec![precondition], ..request() };
    let refused = forget(&server, conditional).await.unwrap_err();
    let reason = "WRITE_OR_DELETE_PRECONDITION_FAILURE";
    let names = ["precondition_operation", "precondition_resource_type"];
    require(&refused, Code::FailedPrecondition, reason, &names);
    let required = |text: &str| {
        let authzed::CheckPermissionRequest { resource, permission, subject, .. } = question(text);
        let required = proto::RequiredPermission { resource, permission, subject, context: None };
        proto::DeleteObjectRequest { required_permissions: vec![required], ..request() }
    };
    let refused = forget(&server, required("document:plan#edit@user:bob")).await.unwrap_err();
    let names = ["required_resource", "required_permission", "required_subject"];
    require(&refused, Code::FailedPrecondition, reason, &names);
    assert_eq!(seen(&server).await, all.len());

    let deleted = forget(&server, required("document:plan#edit@user:ann")).await.unwrap();
    let count = u64::try_from(FEW).unwrap();
    assert_eq!((deleted.as_resource_count, deleted.as_subject_count), (count + 1, count));
    assert_eq!(seen(&server).await, 0);
}
