//! What clients and operators are told of disks that fail: a failed write, a full disk and corrupt data each have a code, a
//! text and a log line of their own.

use crate::healing::{Server, SmallDisk};
use kilwa::proto::authzed::api::v1 as proto;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use tempfile::TempDir;
use tonic::{Code, Status};
use tonic_health::pb::health_check_response::ServingStatus;

/// Fewer relationships than are added to an import between two checks of the free space.
const IMPORTED: usize = 900;
/// The space that the disk has left for an import: more than the reserve, and less than the import needs.
const FREE_BYTES: u64 = 4 << 20;

const SCHEMA: &str = "caveat big(text string) { text != \"\" }
definition user {}
definition document { relation viewer: user | user with big }";

/// Imports relationships with long ids and a large caveat context, about 5 MB.
async fn import(server: &Server) -> Result<(), Status> {
    let object = |object_type: &str, object_id: String| {
        Some(proto::ObjectReference { object_type: object_type.to_owned(), object_id })
    };
    let relationship = |number: usize| proto::Relationship {
        resource: object("document", format!("{number:0>1000}")),
        relation: "viewer".to_owned(),
        subject: Some(proto::SubjectReference {
            object: object("user", format!("{number:0>1000}")),
            ..Default::default()
        }),
        optional_caveat: Some(proto::ContextualizedCaveat {
            caveat_name: "big".to_owned(),
            context: Some(prost_types::Struct {
                fields: [("text".to_owned(), text(3_800))].into_iter().collect(),
            }),
        }),
        ..Default::default()
    };
    let messages = (0..IMPORTED).step_by(100).map(move |start| {
        let relationships = (start..start + 100).map(relationship).collect();
        proto::ImportBulkRelationshipsRequest { relationships }
    });
    let messages: Vec<_> = messages.collect();
    server.permissions().import_bulk_relationships(tokio_stream::iter(messages)).await.map(drop)
}

fn text(bytes: usize) -> prost_types::Value {
    prost_types::Value { kind: Some(prost_types::value::Kind::StringValue("x".repeat(bytes))) }
}

#[tokio::test]
async fn an_import_onto_a_full_disk_says_that_it_cannot_be_written() {
    let Some(disk) = SmallDisk::new() else { return };
    let home = TempDir::new().unwrap();
    let server = Server::start(&disk.path().join("data"), home.path()).await;
    server.write_schema_text(SCHEMA).await;
    server.write(0).await.unwrap();

    disk.fill_up_to(FREE_BYTES);
    let full = import(&server).await.unwrap_err();
    assert_eq!(full.code(), Code::ResourceExhausted, "{full}");
    let expected = "relationships cannot be written: the disk of the data folder is full";
    assert!(full.message().starts_with(expected), "{full}");
    assert!(server.said().contains("the disk of the data folder is full"), "{}", server.said());
    // While the import filled the disk, other writes were refused too.
    server.await_health(ServingStatus::Serving).await;
    assert_eq!(server.documents().await.len(), 1);
}

#[tokio::test]
async fn an_import_whose_file_cannot_grow_says_that_it_cannot_be_written() {
    let home = TempDir::new().unwrap();
    let server = Server::start(&home.path().join("data"), home.path()).await;
    server.write_schema_text(SCHEMA).await;
    server.write(0).await.unwrap();

    server.limit("--fsize=65536:");
    let failed = import(&server).await.unwrap_err();
    assert_eq!(failed.code(), Code::Internal, "{failed}");
    assert!(failed.message().starts_with("relationships cannot be written: "), "{failed}");
    assert!(server.said().contains("a write failed"), "{}", server.said());
    // Nothing was committed, so writes continue.
    assert_eq!(server.health("kilwa.writes").await, ServingStatus::Serving);
    server.limit("--fsize=unlimited:");
    import(&server).await.unwrap();
}

#[tokio::test]
async fn a_read_of_corrupt_data_says_so() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data, home.path()).await;
    server.write_schema_text(SCHEMA).await;
    import(&server).await.unwrap();
    drop(server);
    // A start moves what is in the log into table files.
    drop(Server::start(&data, home.path()).await);
    damage_tables(&data.join("rocksdb"));

    let server = Server::start(&data, home.path()).await;
    let corrupt = server.try_documents().await.unwrap_err();
    assert_eq!(corrupt.code(), Code::DataLoss, "{corrupt}");
    assert!(corrupt.message().contains("the stored data are corrupt"), "{corrupt}");
    assert!(server.said().contains("stored data are corrupt"), "{}", server.said());
}

/// Flips bits in the data blocks of every large table file.
fn damage_tables(database: &Path) {
    let mut damaged = 0;
    for entry in fs::read_dir(database).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        if path.extension().is_some_and(|extension| extension == "sst") && bytes.len() > 20_000 {
            let half = bytes.len() / 2;
            bytes[..half].iter_mut().step_by(500).for_each(|byte| *byte ^= 1);
            File::create(&path).unwrap().write_all(&bytes).unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0, "there is no table file to damage");
}
