//! Large imports beside other calls: others go on, and see all of an import or nothing, also after a kill.

use super::served::{Served, permissions_at};
use super::server_support::{Running, create, fresh_with, soon, touch};
use super::watch_support::{RELATIONSHIPS, from};
use super::wire_import::{documents, import, part, stored};
use kilwa::proto::authzed::api::v1 as proto;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

const MANY: usize = 20_000;
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

    let before = written.load(Ordering::Relaxed);
    let parts = documents(MANY).chunks(1_000).map(part).collect();
    assert_eq!(import(&server, parts).await.unwrap(), u64::try_from(MANY).unwrap());
    let beside = written.load(Ordering::Relaxed) - before;
    done.store(true, Ordering::Relaxed);
    soon(writing).await.unwrap();
    assert!(soon(reading).await.unwrap() > 0);
    assert_eq!(seen(&server).await, MANY);
    // Pieces and writes take turns: an import of 200 pieces lets many through.
    assert!(beside > 20, "{beside} writes beside the import");

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
        match (import, write) {
            (Ok(_), Err(refused)) => assert_eq!(refused.code(), Code::AlreadyExists),
            (Err(refused), Ok(_)) => assert_eq!(refused.code(), Code::AlreadyExists),
            other => panic!("{other:?}"),
        }
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

/// A server that is killed while it prepares an import, at several points of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_of_an_import_leaves_nothing_of_it() {
    let folder = TempDir::new().unwrap();
    let mut acknowledged = 0_usize;
    let mut is_made = false;
    for round in 0..5_usize {
        let server = Served::start(folder.path());
        let mut client = server.permissions().await;
        if round == 0 {
            let request = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
            server.schema().await.write_schema(request).await.unwrap();
        }
        assert_eq!(counts(server.endpoint()).await, (acknowledged, if is_made { MANY } else { 0 }));

        let (sender, receiver) = mpsc::channel(100);
        for part in documents(MANY).chunks(1_000).map(part) {
            sender.send(part).await.unwrap();
        }
        drop(sender);
        let mut importer = server.permissions().await;
        let importing = tokio::spawn(async move {
            importer.import_bulk_relationships(ReceiverStream::new(receiver)).await
        });
        // The writes that are made beside it tell how far it may have come.
        for _ in 0..=round * 12 {
            let row = format!("group:g#member@user:u{acknowledged}");
            let request = proto::WriteRelationshipsRequest {
                updates: vec![touch(&row)],
                ..Default::default()
            };
            client.write_relationships(request).await.unwrap();
            acknowledged += 1;
        }
        let is_finished = importing.is_finished();
        // Kills it.
        drop(server);
        let made = importing.await.unwrap();
        let server = Served::start(folder.path());
        let (groups, imported) = counts(server.endpoint()).await;
        assert_eq!(groups, acknowledged);
        assert!(imported == 0 || imported == MANY, "{imported} of {MANY}");
        match made {
            Ok(_) => assert_eq!(imported, MANY),
            Err(status) if is_made => assert_eq!(imported, MANY, "{status}"),
            // Without an answer it may be there or not.
            Err(_) if is_finished => assert_eq!(imported, 0),
            Err(_) => {}
        }
        is_made = imported == MANY;
    }
    // What is left is in nobody's way.
    let server = Served::start(folder.path());
    let mut client = server.permissions().await;
    let parts = tokio_stream::iter(documents(MANY).chunks(1_000).map(part).collect::<Vec<_>>());
    let made = client.import_bulk_relationships(parts).await;
    assert_eq!(made.is_err(), is_made, "{made:?}");
    assert_eq!(counts(server.endpoint()).await, (acknowledged, MANY));
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
