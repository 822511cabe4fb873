//! The commands over TLS, with the key of an application and with that of a tenant.

use super::calls::{self, Answer};
use crate::certificates::Authority;
use crate::program;
use crate::served::Served;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

/// The key of the application.
pub(crate) const FULL: &str = "the key of the application, which may do everything";
/// The key of a tenant.
pub(crate) const TENANT: &str = "the key of the tenant alpha, which has a role";

/// A key that can back up what the tenant has.
const PARTIAL: &str = "the key of the tenant alpha for backups";
/// One that can back up everything, and do nothing else.
const BACKUP: &str = "the key of the application for backups";

/// One that can prepare a schema and an import for what the tenant alpha has.
const PREPARE: &str = "the key of the tenant alpha for preparations";
/// One that can read the schema, and nothing else.
const SCHEMA_ONLY: &str = "a key that reads the schema alone";

/// A server with TLS and an access file with keys of an application and of a tenant. The tenant's is limited to ids that begin with `alpha/`, and to some methods.
pub(crate) struct TenantServer {
    server: Served,
    /// The authority that issued the server's certificate.
    authority: Authority,
    pub(crate) trusted: PathBuf,
    /// One that issued nothing.
    pub(crate) other: PathBuf,
    folder: TempDir,
}

impl TenantServer {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("an authority");
        let files = authority.server().write(folder.path(), "server");
        let access = folder.path().join("access.toml");
        let text = format!(
            "[roles.alpha]\nmethods = [\"check\", \"lookup\", \"read\", \"write\", \"watch\"]\nid_prefixes = [\"alpha/\"]\n\
             [roles.backup]\nmethods = [\"ReadSchema\", \"ExportBulkRelationships\"]\n\
             [roles.partial]\nmethods = [\"ReadSchema\", \"ExportBulkRelationships\"]\nid_prefixes = [\"alpha/\"]\n\
             [roles.prepare]\nmethods = [\"ReadSchema\", \"read\", \"bulk\"]\nid_prefixes = [\"alpha/\"]\n\
             [roles.schema]\nmethods = [\"ReadSchema\"]\n\
             [[keys]]\nname = \"prepare\"\nkey = \"{PREPARE}\"\nroles = [\"prepare\"]\n\
             [[keys]]\nname = \"schema\"\nkey = \"{SCHEMA_ONLY}\"\nroles = [\"schema\"]\n\
             [[keys]]\nname = \"backup\"\nkey = \"{BACKUP}\"\nroles = [\"backup\"]\n\
             [[keys]]\nname = \"partial\"\nkey = \"{PARTIAL}\"\nroles = [\"partial\"]\n\
             [[keys]]\nname = \"application\"\nkey = \"{FULL}\"\nroles = [\"full\"]\n\
             [[keys]]\nname = \"alpha\"\nkey = \"{TENANT}\"\nroles = [\"alpha\"]\n"
        );
        fs::write(&access, text).unwrap();
        let arguments = [&files.flags()[..], &["--access-file", access.to_str().unwrap()]].concat();
        let server = Served::start_with(&folder.path().join("data"), &arguments);

        let write = |name: &str, authority: &Authority| {
            let path = folder.path().join(name);
            fs::write(&path, authority.pem()).unwrap();
            path
        };
        let trusted = write("trusted.pem", &authority);
        let other = write("other.pem", &Authority::new("another authority"));
        Self { server, authority, trusted, other, folder }
    }

    pub(crate) fn endpoint(&self) -> &str {
        self.server.endpoint()
    }

    async fn channel(&self) -> Channel {
        let authority = Certificate::from_pem(self.authority.pem());
        let tls = ClientTlsConfig::new().domain_name("localhost").ca_certificate(authority);
        let endpoint = Channel::from_shared(format!("https://{}", self.endpoint())).unwrap();
        endpoint.tls_config(tls).unwrap().connect().await.unwrap()
    }

    /// Calls a method with a key.
    pub(super) async fn call(&self, key: &str, path: &str, messages: Vec<Vec<u8>>) -> Answer {
        calls::call(self.channel().await, Some(key), path, messages).await
    }

    /// A command that speaks to it, and trusts this authority.
    fn command(&self, key: &str, authority: &Path, arguments: &[&str]) -> Command {
        let mut command = program::kilwa();
        command.current_dir(self.folder.path()).args(arguments);
        command.env("KILWA_ENDPOINT", self.endpoint()).env("KILWA_TOKEN", key);
        command.env("KILWA_CERTIFICATE_PATH", authority);
        command
    }

    fn run(&self, key: &str, words: &str) -> Output {
        let arguments: Vec<&str> = words.split(' ').collect();
        self.command(key, &self.trusted, &arguments).output().unwrap()
    }

    /// What a command prints that succeeds.
    #[track_caller]
    fn done(&self, key: &str, words: &str) -> String {
        let output = self.run(key, words);
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The error of a command that fails.
    #[track_caller]
    fn refused(&self, key: &str, words: &str) -> String {
        let output = self.run(key, words);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words}: {error}");
        error
    }

    /// Writes the schema of the clients, and a relationship of each of two tenants.
    pub(super) fn populate(&self) {
        let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/schema.zed");
        self.done(FULL, &format!("schema write {schema}"));
        self.done(FULL, "relationship create document:alpha/plan owner user:alpha/ann");
        self.done(FULL, "relationship create document:bravo/plan owner user:bravo/ben");
    }
}

#[test]
fn commands_do_over_tls_what_the_role_of_their_key_allows() {
    let place = TenantServer::start();
    place.populate();
    let check = "permission check document:bravo/plan read user:bravo/ben";
    assert_eq!(place.done(FULL, check), "true\n");
    assert!(place.done(FULL, "schema read").contains("permission read"));
    assert_eq!(place.done(FULL, "relationship read document").lines().count(), 2);

    let own = "document:alpha/plan#owner@user:alpha/ann";
    let check = "permission check document:alpha/plan read user:alpha/ann --consistency-full";
    assert_eq!(place.done(TENANT, check), "true\n");
    assert_eq!(place.done(TENANT, "relationship read document"), format!("{own}\n"));
    place.done(TENANT, "relationship create document:alpha/memo reader user:alpha/ann");
    let lookup = "permission lookup-resources document read user:alpha/ann --consistency-full";
    assert_eq!(place.done(TENANT, lookup), "alpha/memo\nalpha/plan\n");
    place.done(TENANT, "relationship delete document:alpha/memo reader user:alpha/ann");
    assert_eq!(place.done(TENANT, lookup), "alpha/plan\n");
    let lookup = "permission lookup-subjects document:alpha/plan read user --consistency-full";
    assert_eq!(place.done(TENANT, lookup), "user:alpha/ann\n");
}

#[test]
fn commands_say_over_tls_what_the_role_of_their_key_lacks() {
    let place = TenantServer::start();
    place.populate();
    let schema = concat!("schema write ", env!("CARGO_MANIFEST_DIR"), "/tests/clients/schema.zed");
    for (words, lacking) in [
        ("permission check document:bravo/plan read user:bravo/ben", "object id `bravo/plan`"),
        ("relationship create document:bravo/x owner user:bravo/ben", "object id `bravo/x`"),
        ("relationship delete document:bravo/plan owner user:bravo/ben", "object id `bravo/plan`"),
        ("relationship read document:bravo/plan", "object id `bravo/plan`"),
        ("permission lookup-resources document read user:bravo/ben", "object id `bravo/ben`"),
        ("permission lookup-subjects document:bravo/plan read user", "object id `bravo/plan`"),
        ("schema read", "method `ReadSchema`"),
        (schema, "method `WriteSchema`"),
        ("backup create tenant.backup", "method `ReadSchema`"),
        ("relationship bulk-export", "method `ExportBulkRelationships`"),
    ] {
        let error = place.refused(TENANT, words);
        assert!(error.contains("PERMISSION_DENIED") && error.contains(lacking), "{words}: {error}");
    }
    assert!(!place.folder.path().join("tenant.backup").exists());
    assert_eq!(place.done(FULL, "relationship read document").lines().count(), 2);
    place.done(FULL, "backup create full.backup");
    assert!(place.folder.path().join("full.backup").exists());
}

#[test]
fn a_backup_with_a_key_that_sees_a_part_is_refused_unless_the_part_is_asked_for() {
    let place = TenantServer::start();
    place.populate();
    let part = place.folder.path().join("part.backup");
    let error = place.refused(PARTIAL, "backup create part.backup");
    assert!(error.contains("a part of the data only") && error.contains("`--partial`"), "{error}");
    assert!(place.refused(PARTIAL, "backup create -").contains("`--partial`"));
    assert!(!part.exists());

    let created = place.done(PARTIAL, "backup create part.backup --partial");
    assert_eq!(created, "1 relationships in part.backup\n");
    let text = fs::read_to_string(part).unwrap();
    assert!(text.contains("\ndocument:alpha/plan#owner@user:alpha/ann\n"), "{text}");
    // An export is what the key sees, and says so beside it.
    for (key, says_so) in [(PARTIAL, true), (BACKUP, false)] {
        let output = place.run(key, "relationship bulk-export");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let note = String::from_utf8(output.stderr).unwrap();
        assert_eq!(note.contains("a part of the data only"), says_so, "{note}");
    }
    // So does the file, wherever it is read.
    assert!(text.starts_with("kilwa backup 1 partial\n"), "{text}");
    let verified = place.done(PARTIAL, "backup verify part.backup");
    let expected = "1 relationships, undamaged, but a part of the data only";
    assert!(verified.starts_with(expected), "{verified}");
    place.done(PARTIAL, "backup redact part.backup redacted.backup");
    let verified = place.done(PARTIAL, "backup verify redacted.backup");
    assert!(verified.starts_with(expected), "{verified}");
    for words in ["create again.backup --partial", "create - --partial"] {
        let output = place.run(PARTIAL, &format!("backup {words}"));
        let note = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && note.contains("a part of the data only"), "{note}");
    }
    let restored = place.run(FULL, "backup restore part.backup --conflict-strategy touch");
    let note = String::from_utf8(restored.stderr).unwrap();
    assert!(restored.status.success() && note.contains("a part of the data only"), "{note}");
}

#[test]
fn a_backup_with_a_key_that_sees_all_is_whole_whatever_its_flag_says() {
    let place = TenantServer::start();
    place.populate();
    place.done(BACKUP, "backup create whole.backup --partial");
    let verified = place.done(BACKUP, "backup verify whole.backup");
    assert_eq!(verified, "2 relationships, complete and undamaged\n");
}

#[test]
fn a_file_that_was_begun_as_a_whole_backup_does_not_become_a_part() {
    let place = TenantServer::start();
    place.populate();
    place.done(BACKUP, "backup create whole.backup");
    let whole = fs::read_to_string(place.folder.path().join("whole.backup")).unwrap();
    let begun = &whole[..whole.find("relationships 2 ").unwrap()];
    let progress = format!("{{\"token\":\"\",\"cursor\":null,\"bytes\":{}}}", begun.len());
    fs::write(place.folder.path().join("begun.backup"), begun).unwrap();
    fs::write(place.folder.path().join("begun.backup.unfinished"), progress).unwrap();
    let error = place.refused(PARTIAL, "backup create begun.backup --partial");
    assert!(error.contains("was begun with a key that may read all data"), "{error}");
    // The two methods are enough, on all data.
    assert_eq!(place.done(BACKUP, "backup create all.backup"), "2 relationships in all.backup\n");
    assert!(place.done(BACKUP, "backup create -").contains("document:bravo/plan#owner"));
}

#[test]
fn a_dry_run_with_a_key_that_sees_a_part_says_so() {
    let place = TenantServer::start();
    place.populate();
    place.done(FULL, "relationship create document:bravo/plan reader user:bravo/ben");
    let schema =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/schema.zed"))
            .unwrap();
    let reader = "\trelation reader: user | user with at_work | team#member\n";
    for (name, text) in [
        ("fewer.zed", schema.replace(reader, "").replace(" + reader", "")),
        ("less.zed", schema.replace("\trelation owner: user\n", "").replace("owner", "reader")),
        (
            "same.zed",
            schema.replace("permission edit = owner\n", "permission edit = owner + reader\n"),
        ),
    ] {
        fs::write(place.folder.path().join(name), text).unwrap();
    }
    let dry_run = |key: &str, name: &str, code: i32| {
        let run = |json: &str| {
            let output = place.run(key, &format!("schema write {name} --dry-run{json}"));
            assert_eq!(output.status.code(), Some(code), "{name}: {output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let json: serde_json::Value = serde_json::from_str(&run(" --json")).unwrap();
        (run(""), json)
    };

    let advice = "the roles of the key include a part of the data only";
    // What is in the way belongs to the other tenant.
    let (text, json) = dry_run(PREPARE, "fewer.zed", 0);
    assert!(text.contains(advice) && !text.contains("would accept"), "{text}");
    assert_eq!((&json["wouldBeWritten"], &json["limitedKey"]), (&true.into(), &true.into()));
    let (text, json) = dry_run(FULL, "fewer.zed", 1);
    assert!(text.contains("relationships in the way: 1") && !text.contains(advice), "{text}");
    assert_eq!(json.get("limitedKey"), None);
    // There may be more of them than the key sees.
    let (text, json) = dry_run(PREPARE, "less.zed", 1);
    assert!(text.contains("relationships in the way: 1") && text.contains(advice), "{text}");
    assert_eq!(json["limitedKey"], true);
    // No relationship can be in the way.
    let (text, json) = dry_run(PREPARE, "same.zed", 0);
    assert!(text.contains("would accept the schema") && !text.contains(advice), "{text}");
    assert_eq!(json.get("limitedKey"), None);
}

#[test]
fn a_dry_run_of_an_import_says_that_the_roles_of_the_key_were_not_checked() {
    let place = TenantServer::start();
    place.populate();
    let lines = "document:alpha/a#reader@user:alpha/ann\ndocument:bravo/b#reader@user:bravo/ben\n";
    fs::write(place.folder.path().join("lines"), lines).unwrap();
    let dry_run = "relationship bulk-import lines --dry-run";
    assert_eq!(place.done(FULL, dry_run), "2 would be created; nothing was written\n");
    for key in [PREPARE, SCHEMA_ONLY] {
        let text = place.done(key, dry_run);
        let start =
            "2 would be created, if the roles of the key include them all, which was not checked;";
        assert!(text.starts_with(start), "{text}");
        let json: serde_json::Value =
            serde_json::from_str(&place.done(key, &format!("{dry_run} --json"))).unwrap();
        assert_eq!(json, serde_json::json!({"dryRun": true, "valid": 2, "limitedKey": true}));
    }
    // As it says, the server may refuse it.
    assert!(place.refused(PREPARE, "relationship bulk-import lines").contains("`bravo/b`"));
}

#[test]
fn a_watch_over_tls_has_the_changes_of_the_role_alone() {
    let place = TenantServer::start();
    place.populate();
    let before = place.done(FULL, "relationship touch document:bravo/plan owner user:bravo/ben");
    for tenant in ["bravo", "alpha", "bravo"] {
        let created = format!("document:{tenant}/memo owner user:{tenant}/eve");
        place.done(FULL, &format!("relationship touch {created}"));
    }
    place.done(FULL, "relationship delete document:alpha/plan owner user:alpha/ann");

    let watch = ["relationship", "watch", "--revision", before.trim()];
    let mut command = place.command(TENANT, &place.trusted, &watch);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let seen = [(); 2].map(|()| lines.next().unwrap().unwrap());
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(seen[0].contains("document:alpha/memo"), "{seen:?}");
    assert!(seen[1].contains("document:alpha/plan"), "{seen:?}");
    assert!(!place.done(FULL, "relationship read document:bravo/memo").is_empty());
}

#[test]
fn commands_fail_at_a_server_whose_authority_they_do_not_trust() {
    let place = TenantServer::start();
    place.populate();
    let check = ["permission", "check", "document:alpha/plan", "read", "user:alpha/ann"];
    for key in [FULL, TENANT] {
        let output = place.command(key, &place.other, &check).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]));
        assert!(error.contains("an authority that is not trusted"), "{error}");
        assert!(!error.contains(key), "{error}");
    }
}

#[test]
fn the_variables_of_zed_name_a_server_with_tls() {
    let place = TenantServer::start();
    place.populate();
    let read = |authority: &Path| {
        let mut command = program::kilwa();
        command.current_dir(place.folder.path()).env("ZED_ENDPOINT", place.endpoint());
        command.env("ZED_TOKEN", TENANT).env("ZED_CERTIFICATE_PATH", authority);
        command.args(["relationship", "read", "document"]).output().unwrap()
    };
    let output = read(&place.trusted);
    assert_eq!(output.stdout, b"document:alpha/plan#owner@user:alpha/ann\n", "{output:?}");
    assert_eq!(read(&place.other).status.code(), Some(2));
}
