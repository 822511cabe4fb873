//! Large imports and deletions beside other calls: others go on, and see all of one or nothing, also after a kill.

use super::served::{Served, permissions_at};
use super::server_support::{
    Bearer, KEY, Running, create, delete, filter, fresh_with, object, soon, touch,
};
use super::watch_support::{RELATIONSHIPS, from};
use super::wire_import::{documents, import, part, stored};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::kilwa::v1 as own;
use kilwa::proto::kilwa::v1::relationships_service_client::RelationshipsServiceClient;
use proto::relationship_update::Operation;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Status};

const MANY: usize = 20_000;
const FEW: usize = 2_000;
const SCHEMA: &str = "
definition user {}
definition group { relation member: user }
definition document { relation viewer: user }";

/// How many relationships of the import there are at one revision: whoever reads has to find none or all.
async fn seen(server: &Running) -> usize {
    let found = stored(server).await;
    let imported =
        found.iter().filter(|row| row.resource.as_ref().unwrap().object_type == "document");
    imported.count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_beside_an_import_which_is_seen_whole_at_one_revision() {
    let server = Arc::new(fresh_with(|config| config.store.piece_rows_max = 100).await);
    let start = server.touch(&["group:g#member@user:first"]).await.unwrap();
    let mut watched = server.watch(from(Some(&start), &[RELATIONSHIPS])).await.unwrap();
    let (done, written) = (Arc::new(AtomicBool::default()), Arc::new(AtomicUsize::default()));

    let writing = tokio::spawn({
        let (server, done, written) =
            (Arc::clone(&server), Arc::clone(&done), Arc::clone(&written));
        async move {
            while !done.load(Ordering::Relaxed) {
                let number = written.fetch_add(1, Ordering::Relaxed);
                server.touch(&[&format!("group:g#member@user:u{number}")]).await.unwrap();
            }
        }
    });
    let reading = tokio::spawn({
        let (server, done) = (Arc::clone(&server), Arc::clone(&done));
        async move {
            let mut looks = 0;
            while !done.load(Ordering::Relaxed) {
                let (before, found) =
                    (server.has("document:d00000#viewer@user:ann").await, seen(&server).await);
                assert!(found == MANY || found == 0 && !before, "{found} are seen");
                looks += 1;
            }
            looks
        }
    });

    let parts = documents(MANY).chunks(1_000).map(part).collect();
    assert_eq!(import(&server, parts).await.unwrap(), u64::try_from(MANY).unwrap());
    done.store(true, Ordering::Relaxed);
    soon(writing).await.unwrap();
    assert!(soon(reading).await.unwrap() > 0);
    assert_eq!(seen(&server).await, MANY);

    // All of it is one revision for who watches, however many responses that takes.
    let (mut tokens, mut found) = (BTreeSet::new(), 0);
    let mut groups = 0;
    while found < MANY || groups < written.load(Ordering::Relaxed) {
        let response = watched.next().await.unwrap();
        let of_import = |update: &proto::RelationshipUpdate| {
            let row = update.relationship.as_ref().unwrap();
            row.resource.as_ref().unwrap().object_type == "document"
        };
        let imported = response.updates.iter().filter(|update| of_import(update)).count();
        groups += response.updates.len() - imported;
        found += imported;
        if imported > 0 {
            tokens.insert(response.changes_through.unwrap().token);
            assert_eq!(imported, response.updates.len(), "another write is in the same revision");
        }
    }
    assert_eq!(found, MANY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_imports_with_a_common_relationship_one_is_made() {
    let server = fresh_with(|config| config.store.piece_rows_max = 100).await;
    for round in 0..5 {
        let own = |which: &str| -> Vec<String> {
            (0..2_000).map(|n| format!("document:{which}{round}-{n}#viewer@user:ann")).collect()
        };
        let common = format!("document:common{round}#viewer@user:ann");
        let (mut left, mut right) = (own("left"), own("right"));
        left.push(common.clone());
        right.insert(round * 500, common);
        let parts = |all: &[String]| all.chunks(500).map(part).collect();
        let made = tokio::join!(import(&server, parts(&left)), import(&server, parts(&right)));
        let refused = match made {
            (Ok(2_001), Err(refused)) | (Err(refused), Ok(2_001)) => refused,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused.code(), Code::AlreadyExists, "{refused}");
        assert_eq!(stored(&server).await.len(), (round + 1) * 2_001);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_beside_an_import_of_the_same_relationship_refuses_one_of_them() {
    let server = Arc::new(fresh_with(|config| config.store.piece_rows_max = 50).await);
    for round in 0..6 {
        let all: Vec<_> =
            (0..5_000).map(|n| format!("document:r{round}-{n:04}#viewer@user:ann")).collect();
        let contested = all[round * 900].clone();
        let (import, write) = tokio::join!(
            import(&server, all.chunks(500).map(part).collect()),
            server.write(vec![create(&contested)]),
        );
        let found = seen(&server).await;
        let refused = match (import, write) {
            (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused.code(), Code::AlreadyExists, "{refused}");
        let here: Vec<_> = stored(&server).await;
        let here = here.iter().filter(|row| {
            row.resource.as_ref().unwrap().object_id.starts_with(&format!("r{round}-"))
        });
        let here = here.count();
        assert!(here == 1 || here == 5_000, "{here} of {found}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_given_up_leaves_its_places_free() {
    let server = fresh_with(|config| config.store.piece_rows_max = 20).await;
    let all = documents(4_000);
    let parts = || all.chunks(500).map(part).collect::<Vec<_>>();
    // However far it comes before its caller goes away.
    for patience in 0..8 {
        let importing = import(&server, parts());
        let given_up =
            tokio::time::timeout(std::time::Duration::from_millis(patience * 15), importing);
        if given_up.await.is_ok_and(|made| made.is_ok()) {
            break;
        }
        assert_eq!(stored(&server).await.len(), 0);
    }
    if stored(&server).await.is_empty() {
        assert_eq!(soon(import(&server, parts())).await.unwrap(), 4_000);
    }
    assert_eq!(stored(&server).await.len(), 4_000);
    server.write(vec![touch("document:d00001#viewer@user:ann")]).await.unwrap();
}

fn deletion() -> proto::DeleteRelationshipsRequest {
    proto::DeleteRelationshipsRequest {
        relationship_filter: Some(filter("document")),
        ..Default::default()
    }
}

/// Creates, touches and deletes documents, each time others, until it is done.
async fn write_documents(server: &Running, done: &AtomicBool, written: &AtomicUsize) {
    while !done.load(Ordering::Relaxed) {
        let number = written.load(Ordering::Relaxed);
        let place = number * 137 % FEW;
        let other = (place + FEW / 2) % FEW;
        let terms = format!("[only_on:{{\"day\":\"{number}\"}}]");
        let updates = vec![
            touch(&format!("document:new{number}#viewer@user:ann")),
            touch(&format!("document:d{place:05}#viewer@user:ann{terms}")),
            delete(&format!("document:d{other:05}#viewer@user:ann")),
        ];
        server.write(updates).await.unwrap();
        written.store(number + 1, Ordering::Relaxed);
    }
}

/// The documents that there are after some responses of a watch.
#[derive(Default)]
struct Replay {
    documents: BTreeSet<String>,
    /// How many there were after the last response that was more than deletions.
    before_deletions: usize,
    has_last: bool,
}

impl Replay {
    fn take(&mut self, response: proto::WatchResponse) {
        let is_deletions = response.updates.iter().all(|it| it.operation() == Operation::Delete);
        for update in response.updates {
            let (operation, row) = (update.operation(), update.relationship.unwrap());
            let resource = row.resource.unwrap();
            self.has_last |= row.subject.unwrap().object.unwrap().object_id == "last";
            if operation == Operation::Delete {
                let id = resource.object_id;
                assert!(self.documents.remove(&id), "{id} was not there");
            } else if resource.object_type == "document" {
                self.documents.insert(resource.object_id);
            }
        }
        if !is_deletions {
            self.before_deletions = self.documents.len();
        }
    }
}

/// While all documents are deleted, others create some, touch some and delete some. Whoever replays what a watch tells has no
/// document left at the revision of the deletion, and in the end what the server has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_beside_writes_of_what_it_deletes_leaves_nothing_at_its_revision() {
    let server = Arc::new(fresh_with(|config| config.store.piece_rows_max = 5).await);
    let start = server.touch(&["group:g#member@user:first"]).await.unwrap();
    import(&server, documents(FEW).chunks(1_000).map(part).collect()).await.unwrap();
    let (done, written) = (Arc::new(AtomicBool::default()), Arc::new(AtomicUsize::default()));
    let writing = tokio::spawn({
        let (server, done, written) =
            (Arc::clone(&server), Arc::clone(&done), Arc::clone(&written));
        async move { write_documents(&server, &done, &written).await }
    });
    while written.load(Ordering::Relaxed) < 10 {
        tokio::task::yield_now().await;
    }
    let mut client = server.permissions().await;
    let deleted = client.delete_relationships(deletion()).await.unwrap().into_inner();
    done.store(true, Ordering::Relaxed);
    soon(writing).await.unwrap();
    server.touch(&["group:g#member@user:last"]).await.unwrap();

    let mut watched = server.watch(from(Some(&start), &[RELATIONSHIPS])).await.unwrap();
    let (mut replay, mut at_deletion) = (Replay::default(), None);
    let revision = deleted.deleted_at.unwrap().token;
    while !replay.has_last {
        let response = watched.next().await.unwrap();
        let is_deletion = response.changes_through.as_ref().unwrap().token == revision;
        replay.take(response);
        if is_deletion {
            at_deletion = Some((replay.documents.len(), replay.before_deletions));
        }
    }
    let (left_then, before) = at_deletion.unwrap();
    assert_eq!(left_then, 0);
    // The last write before it deletes one itself, perhaps in a response of its own.
    let count = usize::try_from(deleted.relationships_deleted_count).unwrap();
    assert!(count == before || count + 1 == before, "{count} of {before}");
    let left = stored(&server).await.into_iter().map(|row| row.resource.unwrap());
    let left = left.filter(|it| it.object_type == "document").map(|it| it.object_id);
    assert_eq!(left.collect::<BTreeSet<_>>(), replay.documents);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_is_given_up_leaves_everything() {
    let server = fresh_with(|config| config.store.piece_rows_max = 20).await;
    let all = documents(4_000);
    import(&server, all.chunks(500).map(part).collect()).await.unwrap();
    let before = stored(&server).await;
    for patience in 0..8 {
        let mut client = server.permissions().await;
        let deleting = client.delete_relationships(deletion());
        let given_up =
            tokio::time::timeout(std::time::Duration::from_millis(patience * 15), deleting);
        if given_up.await.is_ok_and(|made| made.is_ok()) {
            assert_eq!(stored(&server).await.len(), 0);
            return;
        }
        assert!(stored(&server).await == before);
        assert!(server.has("document:d00077#viewer@user:ann").await);
    }
    let deleted = server.permissions().await.delete_relationships(deletion()).await.unwrap();
    assert_eq!(deleted.into_inner().relationships_deleted_count, 4_000);
    assert_eq!(stored(&server).await.len(), 0);
}

/// A server that is killed while it prepares an import or a deletion, at several points of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_of_a_large_write_leaves_nothing_of_it() {
    let folder = TempDir::new().unwrap();
    let (mut acknowledged, mut stored) = (0_usize, 0);
    for round in 0..8_usize {
        let server = Served::start(folder.path());
        let mut client = server.permissions().await;
        if round == 0 {
            let request = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
            server.schema().await.write_schema(request).await.unwrap();
        }
        assert_eq!(counts(server.endpoint()).await, (acknowledged, stored));

        // There and back.
        let (mut other, channel) = (server.permissions().await, server.channel().await);
        let after = MANY - stored;
        let changing = tokio::spawn(async move {
            if after == 0 && round % 3 == 0 {
                object_deletion(channel).await
            } else if after == 0 {
                other.delete_relationships(deletion()).await.map(drop)
            } else {
                let parts: Vec<_> = documents(MANY).chunks(1_000).map(part).collect();
                other.import_bulk_relationships(tokio_stream::iter(parts)).await.map(drop)
            }
        });
        // The writes that are made beside it tell how far it may have come.
        for _ in 0..=round * 12 {
            let row = format!("group:g#member@user:u{acknowledged}");
            let updates = vec![touch(&row)];
            let request = proto::WriteRelationshipsRequest { updates, ..Default::default() };
            client.write_relationships(request).await.unwrap();
            acknowledged += 1;
        }
        // Kills it.
        drop(server);
        let made = changing.await.unwrap();
        let server = Served::start(folder.path());
        let (groups, found) = counts(server.endpoint()).await;
        assert_eq!(groups, acknowledged);
        assert!(found == stored || found == after, "{found} of {MANY}");
        assert!(made.is_err() || found == after, "what was acknowledged is gone");
        if round % 2 == 1 {
            // What is left of it is in nobody's way, and the other direction comes next.
            let mut client = server.permissions().await;
            let rows = documents(MANY);
            if found == 0 {
                let parts = tokio_stream::iter(rows.chunks(1_000).map(part).collect::<Vec<_>>());
                client.import_bulk_relationships(parts).await.unwrap();
            } else {
                let deleted = client.delete_relationships(deletion()).await.unwrap().into_inner();
                assert_eq!(deleted.relationships_deleted_count, u64::try_from(MANY).unwrap());
            }
            stored = MANY - found;
        } else {
            stored = found;
        }
        assert_eq!(counts(server.endpoint()).await, (acknowledged, stored));
    }
}

/// Deletes the viewer of all documents, and so all that [`deletion`] deletes.
async fn object_deletion(channel: Channel) -> Result<(), Status> {
    let bearer = Bearer(KEY.to_owned());
    let object = Some(object("user", "ann"));
    let request = own::DeleteObjectRequest { object, ..Default::default() };
    let mut client = RelationshipsServiceClient::with_interceptor(channel, bearer);
    client.delete_object(request).await.map(drop)
}

/// The numbers of groups' members and of documents' viewers.
async fn counts(endpoint: &str) -> (usize, usize) {
    let request = proto::ExportBulkRelationshipsRequest::default();
    let mut client = permissions_at(endpoint).await;
    let mut stream = client.export_bulk_relationships(request).await.unwrap().into_inner();
    let (mut groups, mut documents) = (0, 0);
    while let Some(part) = stream.message().await.unwrap() {
        for row in part.relationships {
            if row.resource.unwrap().object_type == "group" { groups += 1 } else { documents += 1 }
        }
    }
    (groups, documents)
}
