//! A server whose data folder cannot be written for a while: reads continue, its health says so, and writes continue by
//! themselves afterwards. What was acknowledged stays, and nothing is half there.

use crate::cli_serve::kilwa;
use crate::http_support::{HttpAnswer, send};
use crate::outside::skipped;
use crate::program;
use crate::server_support::{Bearer, Keyed};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::authzed::api::v1::permissions_service_client::PermissionsServiceClient;
use kilwa::proto::authzed::api::v1::schema_service_client::SchemaServiceClient;
use kilwa::proto::kilwa::v1::DeleteObjectRequest;
use kilwa::proto::kilwa::v1::relationships_service_client::RelationshipsServiceClient;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const KEY: &str = "k";
const SCHEMA: &str = "definition user {}\ndefinition document { relation viewer: user }";
/// How many relationships each write makes.
const PARTS: usize = 50;

/// A real server on a folder that it was given. It is killed when it is dropped.
pub(crate) struct Server {
    process: Child,
    address: String,
    channel: Channel,
    log: PathBuf,
}

impl Server {
    pub(crate) async fn start(data: &Path, home: &Path) -> Self {
        Self::start_with(data, home, &[]).await
    }

    /// The same, with more options.
    pub(crate) async fn start_with(data: &Path, home: &Path, options: &[&str]) -> Self {
        let log = home.join("server.log");
        // Without the trap, the signal that announces a file that is too large would end the process.
        let script = "trap '' XFSZ; exec \"$0\" \"$@\"";
        let binary = kilwa(home).get_program().to_owned();
        let mut process = Command::new("sh")
            .args(["-c", script])
            .arg(binary)
            .args([
                "serve",
                "--grpc-addr",
                "127.0.0.1:0",
                "--grpc-preshared-key",
                KEY,
                "--log-level",
                "info",
                "--metrics-enabled",
                "--metrics-addr",
                "127.0.0.1:0",
            ])
            .arg("--data-dir")
            .arg(data)
            .args(options)
            .current_dir(home)
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        let channel = Channel::from_shared(format!("http://{address}")).unwrap();
        let channel = channel.connect().await.unwrap();
        Self { process, address, channel, log }
    }

    pub(crate) fn permissions(&self) -> PermissionsServiceClient<Keyed> {
        PermissionsServiceClient::with_interceptor(self.channel.clone(), Bearer(KEY.to_owned()))
    }

    pub(crate) async fn write_schema(&self) {
        self.write_schema_text(SCHEMA).await;
    }

    pub(crate) async fn write_schema_text(&self, schema: &str) {
        let bearer = Bearer(KEY.to_owned());
        let mut schemas = SchemaServiceClient::with_interceptor(self.channel.clone(), bearer);
        let request = proto::WriteSchemaRequest { schema: schema.to_owned() };
        schemas.write_schema(request).await.unwrap();
    }

    /// Writes all parts of a document, or none.
    pub(crate) async fn write(&self, number: usize) -> Result<(), Status> {
        self.update((0..PARTS).map(|part| update(number, part)).collect()).await
    }

    async fn update(&self, updates: Vec<proto::RelationshipUpdate>) -> Result<(), Status> {
        let request = proto::WriteRelationshipsRequest { updates, ..Default::default() };
        self.permissions().write_relationships(request).await.map(drop)
    }

    async fn delete_object(&self, number: usize) -> Result<(), Status> {
        let bearer = Bearer(KEY.to_owned());
        let mut own = RelationshipsServiceClient::with_interceptor(self.channel.clone(), bearer);
        let object = proto::ObjectReference {
            object_type: "document".to_owned(),
            object_id: format!("n{number}"),
        };
        let request = DeleteObjectRequest { object: Some(object), ..Default::default() };
        own.delete_object(request).await.map(drop)
    }

    /// The documents that are there, each with all its parts.
    pub(crate) async fn documents(&self) -> BTreeSet<usize> {
        let found = self.try_documents().await.unwrap();
        assert!(found.values().all(|parts| *parts == PARTS), "half a write is there: {found:?}");
        found.into_keys().collect()
    }

    /// The documents, each with the number of its parts.
    pub(crate) async fn try_documents(&self) -> Result<BTreeMap<usize, usize>, Status> {
        let request = proto::ReadRelationshipsRequest {
            consistency: Some(proto::Consistency {
                requirement: Some(proto::consistency::Requirement::FullyConsistent(true)),
            }),
            relationship_filter: Some(proto::RelationshipFilter {
                resource_type: "document".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let mut stream = self.permissions().read_relationships(request).await?.into_inner();
        let mut found = BTreeMap::<usize, usize>::new();
        while let Some(response) = stream.message().await? {
            let resource = response.relationship.unwrap().resource.unwrap();
            let number = resource.object_id.trim_start_matches('n').parse().unwrap();
            *found.entry(number).or_default() += 1;
        }
        Ok(found)
    }

    pub(crate) async fn health(&self, name: &str) -> ServingStatus {
        let request = HealthCheckRequest { service: name.to_owned() };
        let response = HealthClient::new(self.channel.clone()).check(request).await.unwrap();
        response.into_inner().status()
    }

    /// A command that asks this server.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program::kilwa();
        command.env("KILWA_ENDPOINT", &self.address).env("KILWA_TOKEN", KEY).args(arguments);
        command
    }

    /// What a scrape finds.
    pub(crate) async fn metrics(&self) -> String {
        self.get("/metrics").await.body
    }

    /// The exit code and the output of `kilwa health`.
    fn health_command(&self, name: &str) -> (Option<i32>, String) {
        let output =
            program::kilwa().args(["health", name, "--endpoint", &self.address]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }

    pub(crate) async fn await_health(&self, status: ServingStatus) {
        for _ in 0..1200 {
            if self.health("kilwa.writes").await == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("`kilwa.writes` does not become {status:?}: {}", self.said());
    }

    /// What `/readyz` answers.
    pub(crate) async fn ready(&self) -> (u16, String) {
        let answer = self.get("/readyz").await;
        (answer.status, answer.body)
    }

    async fn get(&self, path: &str) -> HttpAnswer {
        let said = self.said();
        // The log may have the lines of an earlier server before those of this one.
        let (_, line) = said.rsplit_once("serving metrics and probes address=").unwrap();
        let endpoint = line.lines().next().unwrap();
        let answer = send(endpoint, ["GET", path], &[], "", |_| false).await;
        HttpAnswer::parse(&answer)
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Sets a limit of the running process.
    pub(crate) fn limit(&self, limit: &str) {
        let status = Command::new("prlimit")
            .args(["--pid", &self.process.id().to_string(), limit])
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn update(number: usize, part: usize) -> proto::RelationshipUpdate {
    let object = |object_type: &str, object_id: String| proto::ObjectReference {
        object_type: object_type.to_owned(),
        object_id,
    };
    proto::RelationshipUpdate {
        operation: proto::relationship_update::Operation::Touch.into(),
        relationship: Some(proto::Relationship {
            resource: Some(object("document", format!("n{number}"))),
            relation: "viewer".to_owned(),
            subject: Some(proto::SubjectReference {
                object: Some(object("user", format!("u{part}"))),
                ..Default::default()
            }),
            ..Default::default()
        }),
    }
}

#[tokio::test]
async fn writes_continue_by_themselves_after_a_failed_commit() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data, home.path()).await;
    server.write_schema().await;
    let mut acknowledged: BTreeSet<usize> = (0..10).collect();
    for number in 0..10 {
        server.write(number).await.unwrap();
    }
    assert_eq!(server.health("kilwa.writes").await, ServingStatus::Serving);

    // From here on no file may grow.
    server.limit("--fsize=4096:");
    let failed = server.write(10).await.unwrap_err();
    assert_eq!(failed.code(), Code::Internal, "{failed}");
    server.await_health(ServingStatus::NotServing).await;
    assert_eq!(server.ready().await, (503, "writes are stopped\n".to_owned()));
    assert_eq!(server.health("").await, ServingStatus::Serving);
    assert_eq!(server.health_command("kilwa.writes"), (Some(1), "NOT_SERVING\n".to_owned()));
    assert_eq!(server.health_command(""), (Some(0), "SERVING\n".to_owned()));
    let refused = server.write(11).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert_eq!(server.documents().await, acknowledged);
    assert!(server.said().contains("writes are stopped"), "{}", server.said());

    server.limit("--fsize=unlimited:");
    server.await_health(ServingStatus::Serving).await;
    assert_eq!(server.ready().await, (200, "ok\n".to_owned()));
    server.write(12).await.unwrap();
    acknowledged.insert(12);
    let found = server.documents().await;
    // The one that failed may be there after all; the one that was refused is not.
    assert!(found.is_superset(&acknowledged) && !found.contains(&11), "{found:?}");

    drop(server);
    let server = Server::start(&data, home.path()).await;
    assert_eq!(server.documents().await, found);
}

/// A small disk of its own. It is unmounted when it is dropped.
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None`, which is said, where nothing can be mounted.
    pub(crate) fn new() -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=48m", "tmpfs"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(dir));
        }
        skipped("no disk can be mounted: run the tests as root");
        None
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Uses the space that is left but for some bytes.
    pub(crate) fn fill_up_to(&self, free_bytes: u64) {
        self.fill();
        let ballast = File::options().write(true).open(self.path().join("ballast")).unwrap();
        let length = ballast.metadata().unwrap().len();
        ballast.set_len(length - free_bytes).unwrap();
    }

    /// Uses all the space that is left.
    fn fill(&self) {
        let mut file = File::create(self.0.path().join("ballast")).unwrap();
        for size in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.0.path()).status());
    }
}

#[tokio::test]
async fn a_full_disk_that_gets_room_again_needs_no_restart() {
    let Some(disk) = SmallDisk::new() else { return };
    let home = TempDir::new().unwrap();
    let data = disk.0.path().join("data");
    let server = Server::start(&data, home.path()).await;
    server.write_schema().await;
    for number in 0..10 {
        server.write(number).await.unwrap();
    }

    disk.fill();
    let mut acknowledged: BTreeSet<usize> = (0..10).collect();
    let refused = loop {
        let number = acknowledged.len();
        match server.write(number).await {
            Ok(()) => acknowledged.insert(number),
            Err(refused) => break refused,
        };
        assert!(number < 10_000, "the disk never fills up");
    };
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().contains("bytes free, and a write needs"), "{refused}");
    server.await_health(ServingStatus::NotServing).await;
    assert!(server.said().contains("writes are refused; reads continue"), "{}", server.said());
    let before = server.documents().await;
    assert!(before.is_superset(&acknowledged));

    fs::remove_file(disk.0.path().join("ballast")).unwrap();
    server.await_health(ServingStatus::Serving).await;
    assert!(server.said().contains("writes are accepted"), "{}", server.said());
    let mut attempts = 0;
    while let Err(refused) = server.write(20_000).await {
        attempts += 1;
        assert!(attempts < 600, "{refused}: {}", server.said());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    acknowledged.insert(20_000);
    let found = server.documents().await;
    assert!(found.is_superset(&acknowledged), "{found:?}");

    drop(server);
    let server = Server::start(&data, home.path()).await;
    assert_eq!(server.documents().await, found);
}

#[tokio::test]
async fn deletions_need_half_of_the_space_that_other_writes_need() {
    let Some(disk) = SmallDisk::new() else { return };
    let home = TempDir::new().unwrap();
    let server = Server::start(&disk.0.path().join("data"), home.path()).await;
    server.write_schema().await;
    for number in 0..3 {
        server.write(number).await.unwrap();
    }

    // The reserve is 1/16 of 48 MiB.
    disk.fill_up_to(2_300_000);
    let refused = server.write(3).await.unwrap_err();
    assert!(refused.message().contains("delete relationships, which needs half"), "{refused}");
    let delete = |part| {
        let mut deletion = update(0, part);
        deletion.operation = proto::relationship_update::Operation::Delete.into();
        deletion
    };
    let mut updates: Vec<_> = (0..PARTS).map(delete).collect();
    server.update(updates.clone()).await.unwrap();
    server.delete_object(1).await.unwrap();
    assert_eq!(server.documents().await, [2].into());
    // One update that is none needs it all.
    updates.push(update(4, 0));
    let refused = server.update(updates.clone()).await.unwrap_err();
    assert!(refused.message().contains("a write needs"), "{refused}");

    disk.fill_up_to(500_000);
    updates.pop();
    for refused in [server.update(updates).await, server.delete_object(2).await] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        assert!(refused.message().contains("even a deletion needs"), "{refused}");
        assert!(!refused.message().contains("half"), "{refused}");
    }
}

#[tokio::test]
async fn a_write_without_free_descriptors_is_refused_and_made_later() {
    let home = TempDir::new().unwrap();
    let server = Server::start(&home.path().join("data"), home.path()).await;
    server.write_schema().await;
    server.write(0).await.unwrap();

    server.limit("--nofile=8:");
    // What was counted is used for some milliseconds.
    let mut refused = server.write(1).await;
    for number in 2..500 {
        if refused.is_err() {
            break;
        }
        refused = server.write(number).await;
    }
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().contains("file descriptors"), "{refused}");
    server.await_health(ServingStatus::NotServing).await;
    assert!(server.documents().await.contains(&0));

    server.limit("--nofile=1024:");
    let mut attempts = 0;
    while server.write(1000).await.is_err() {
        attempts += 1;
        assert!(attempts < 600, "{}", server.said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(server.documents().await.contains(&1000));
}
