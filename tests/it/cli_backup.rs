//! `kilwa backup`, `kilwa import`, `kilwa relationship bulk-export` and `bulk-import`, all of them the real binary.

use crate::program;
use crate::served::Served;
use crate::server_support::KEY;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

const FILE: &str = "\
schema: |-
  use expiration
  caveat on_day(day string, number double) { day == \"monday\" && number > 0.5 }
  definition user {}
  definition team { relation member: user | team#member }
  definition document {
    relation viewer: user | user:* | team#member | user with on_day | user with expiration
  }
relationships: |-
  team:b#member@user:ann
  document:plan#viewer@user:zoe[on_day:{\"day\":\"tuesday\",\"number\":0.1}]
  document:plan#viewer@team:b#member
  document:plan#viewer@user:*
  document:plan#viewer@user:ann[expiration:2999-01-01T00:00:00.25Z]
  team:a#member@team:b#member
";

/// A server with a folder for files.
struct Place {
    server: Served,
    folder: TempDir,
    _data: TempDir,
}

impl Place {
    fn new() -> Self {
        let data = TempDir::new().unwrap();
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("data.yaml"), FILE).unwrap();
        Self { server: Served::start(data.path()), folder, _data: data }
    }

    fn imported() -> Self {
        let place = Self::new();
        place.done(&["import", "data.yaml"]);
        place
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program::kilwa();
        command.current_dir(self.folder.path()).args(arguments);
        command.env("KILWA_ENDPOINT", self.server.endpoint()).env("KILWA_TOKEN", KEY);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command prints that succeeds.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// The message of a command that fails.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Many relationships, as a file for `bulk-import`.
    fn many(&self, count: usize) {
        let line = |n: usize| format!("team:t{n:05}#member@user:ann\n");
        let lines: Vec<String> = (0..count).map(line).collect();
        fs::write(self.path("many.txt"), lines.concat()).unwrap();
    }
}

#[test]
fn a_backup_restored_elsewhere_gives_the_same_file() {
    let (from, to) = (Place::imported(), Place::new());
    assert_eq!(from.done(&["backup", "create", "a.backup"]), "6 relationships in a.backup\n");
    let file = from.path("a.backup");
    let file = file.to_str().unwrap();
    assert_eq!(to.done(&["backup", "verify", file]), "6 relationships, complete and undamaged\n");
    assert_eq!(to.done(&["backup", "restore", file]), "6 relationships restored\n");
    to.done(&["backup", "create", "b.backup"]);
    assert_eq!(String::from_utf8(from.read("a.backup")), String::from_utf8(to.read("b.backup")));
    let exported = from.done(&["relationship", "bulk-export"]);
    assert_eq!(to.done(&["backup", "parse-relationships", file]), exported);
    assert_eq!(from.done(&["backup", "parse-schema", file]), from.done(&["schema", "read"]));
    assert!(from.refused(&["backup", "create", "a.backup"]).contains("already exists"));
    let left: Vec<_> =
        fs::read_dir(from.folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn the_file_is_as_it_is_described() {
    let place = Place::new();
    let small = "schema: definition user {}\nrelationships: ''\n";
    fs::write(place.path("small.yaml"), small).unwrap();
    place.done(&["import", "small.yaml"]);
    place.done(&["backup", "create", "a.backup"]);
    let text = String::from_utf8(place.read("a.backup")).unwrap();
    let digest = text.lines().last().unwrap().strip_prefix("end 0 ").unwrap();
    assert_eq!(digest.len(), 64);
    insta::assert_snapshot!(text.replace(digest, "SHA-256"), @"
    kilwa backup 1
    schema 19 c77c939d
    definition user {}
    end 0 SHA-256
    ");
}

#[test]
fn a_damaged_or_unfinished_file_is_not_restored() {
    let place = Place::imported();
    place.done(&["backup", "create", "a.backup"]);
    let whole = place.read("a.backup");
    let other = Place::new();
    let refused = |bytes: &[u8], reason: &str| {
        fs::write(other.path("bad.backup"), bytes).unwrap();
        let said = other.refused(&["backup", "restore", "bad.backup"]);
        assert!(said.contains(reason), "{said}");
        assert!(other.refused(&["backup", "verify", "bad.backup"]).contains(reason));
        assert!(other.refused(&["schema", "read"]).contains("NOT_FOUND"), "something was restored");
    };
    for cut in [whole.len() - 1, whole.len() - 70, whole.len() / 2, 17] {
        refused(&whole[..cut], "incomplete");
    }
    refused(b"", "incomplete");
    refused(b"kilwa backup 2\n", "format 2");
    refused(b"schema: text\n", "not a backup");
    refused(&[&whole[..], b"more"].concat(), "after its end");
    let mut changed = whole.clone();
    let at = changed.windows(3).position(|three| three == b"zoe").unwrap();
    changed[at] = b'x';
    refused(&changed, "checksum");
    // A block that is missing has no wrong checksum of its own.
    let start = changed.windows(15).position(|some| some == b"\nrelationships ").unwrap() + 1;
    let end = changed.windows(5).rposition(|some| some == b"\nend ").unwrap() + 1;
    refused(&[&whole[..start], &whole[end..]].concat(), "checksum");
}

#[test]
fn a_backup_goes_on_where_it_was_killed() {
    let place = Place::imported();
    place.many(20_000);
    place.done(&["relationship", "bulk-import", "many.txt"]);
    place.done(&["backup", "create", "whole.backup"]);
    let whole = place.read("whole.backup");
    let export = place.done(&["backup", "parse-relationships", "whole.backup"]);
    assert_eq!(export.lines().count(), 20_006);
    let states = broken_off(&place);
    place.done(&["relationship", "create", "team:later#member@user:ann"]);
    for state in &states {
        fs::write(place.path("part.backup"), &state.file).unwrap();
        fs::write(place.path("part.backup.unfinished"), &state.state).unwrap();
        place.done(&["backup", "create", "part.backup"]);
        assert!(place.read("part.backup") == whole, "a part was lost or is there twice");
        assert!(!place.path("part.backup.unfinished").exists());
    }
    fs::write(place.path("part.backup"), &states[0].file[..30]).unwrap();
    fs::write(place.path("part.backup.unfinished"), &states[0].state).unwrap();
    assert!(place.refused(&["backup", "create", "part.backup"]).contains("incomplete"));
}

#[test]
fn a_backup_that_was_killed_at_its_beginning_is_made_by_the_same_command() {
    let place = Place::imported();
    place.done(&["backup", "create", "whole.backup"]);
    let whole = place.read("whole.backup");
    let create = ["backup", "create", "part.backup"];

    // Killed while the file was begun.
    fs::write(place.path("part.backup.begun"), &whole[..20]).unwrap();
    place.done(&create);
    assert!(place.read("part.backup") == whole);
    fs::remove_file(place.path("part.backup")).unwrap();

    // Killed before the file had its name.
    let state = "{\"token\":\"old\",\"cursor\":null,\"bytes\":20}";
    fs::write(place.path("part.backup.unfinished"), state).unwrap();
    place.done(&create);
    assert!(place.read("part.backup") == whole);
    fs::remove_file(place.path("part.backup")).unwrap();

    // Killed anywhere: whatever is there, the same command makes the whole of it, or it was complete.
    for polls in 0..30 {
        let mut process = place.command(&create).stdout(Stdio::null()).spawn().unwrap();
        for _ in 0..polls * 100 {
            if process.try_wait().unwrap().is_some() {
                break;
            }
        }
        process.kill().unwrap();
        let is_done = process.wait().unwrap().success();
        let output = place.run(&create);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || error.contains("already exists"), "{error}");
        assert!(output.status.success() || is_done || place.read("part.backup") == whole);
        assert!(place.read("part.backup") == whole, "after {polls} polls");
        fs::remove_file(place.path("part.backup")).unwrap();
    }
    let left: Vec<_> = fs::read_dir(place.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn files_come_from_standard_input_too() {
    let place = Place::imported();
    place.done(&["backup", "create", "a.backup"]);
    let backup = place.read("a.backup");
    let schema = place.done(&["schema", "read"]);
    let exported = place.done(&["relationship", "bulk-export"]);

    let fed = |arguments: &[&str], input: &[u8]| {
        let mut command = place.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        // A command that refuses its arguments does not read.
        drop(process.stdin.take().unwrap().write_all(input));
        let output = process.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let done = |arguments: &[&str], input: &[u8]| {
        let (code, output, error) = fed(arguments, input);
        assert_eq!(code, 0, "{arguments:?}: {error}");
        output
    };
    assert!(done(&["backup", "verify", "-"], &backup).starts_with("6 relationships"));
    assert_eq!(done(&["backup", "parse-schema", "-"], &backup), schema);
    assert_eq!(done(&["backup", "parse-relationships", "-"], &backup), exported);
    done(&["backup", "redact", "-", "b.backup"], &backup);
    assert_eq!(done(&["schema", "diff", "-"], schema.as_bytes()), "");
    fs::write(place.path("a.zed"), &schema).unwrap();
    let changed = schema.replace("definition team", "definition group {}\ndefinition team");
    let difference = done(&["schema", "diff", "a.zed", "-"], changed.as_bytes());
    assert_eq!(difference, "added definition group\n");

    let other = Place::new();
    other.done(&["import", "--relationships=false", "data.yaml"]);
    // The folder of the one, the server of the other.
    let mut import = other.command(&["relationship", "bulk-import"]);
    let file = fs::File::open({
        fs::write(other.path("rows.txt"), &exported).unwrap();
        other.path("rows.txt")
    });
    let output = import.stdin(file.unwrap()).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "6 created\n");

    for (arguments, reason) in [
        (&["backup", "restore", "-"][..], "reads the backup twice"),
        (&["schema", "diff", "-", "-"], "only one"),
        (&["schema", "diff", "-", "a.zed"], "it is empty"),
        (&["schema", "diff", "a.zed", "-"], "it is empty"),
        (&["schema", "check", "-"], "it is empty"),
        (&["schema", "format", "--check", "-"], "it is empty"),
        (&["schema", "write", "-"], "it is empty"),
        (&["schema", "diff", "none.zed", "a.zed"], "compare a new file with /dev/null"),
    ] {
        let (code, output, error) = fed(arguments, b"");
        assert_eq!(code, 2, "{arguments:?}");
        // Reports of files are output; what ends a command is an error.
        assert!(error.contains(reason) || output.contains(reason), "{output}{error}");
    }
}

#[test]
fn the_imports_of_a_schema_on_standard_input_are_not_read_from_the_current_folder() {
    let place = Place::new();
    fs::write(place.path("a.zed"), "use import\nimport \"./b.zed\"").unwrap();
    fs::write(place.path("b.zed"), "definition user {}").unwrap();
    assert_eq!(place.done(&["schema", "diff", "a.zed", "a.zed"]), "");
    for arguments in [["schema", "diff", "-", "a.zed"], ["schema", "diff", "a.zed", "-"]] {
        let input = fs::File::open(place.path("a.zed")).unwrap();
        let output = place.command(&arguments).stdin(input).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("imports `b.zed`") && error.contains("git worktree add"), "{error}");
    }
}

#[test]
fn a_place_that_lies_behind_the_file_is_refused() {
    let place = Place::imported();
    place.done(&["backup", "create", "a.backup"]);
    let noted = format!("{{\"endpoint\":\"{}\",\"count\":99999999999}}", place.server.endpoint());
    fs::write(place.path("a.backup.restoring"), noted).unwrap();
    assert!(place.refused(&["backup", "restore", "a.backup"]).contains("belongs to another file"));
}

#[test]
fn an_empty_schema_is_not_written() {
    let place = Place::new();
    place.done(&["import", "--relationships=false", "data.yaml"]);
    for (file, reason) in [
        ("schema:\nrelationships: ''\n", "the file has no schema"),
        ("schema: ' '\n", "the schema is empty"),
    ] {
        fs::write(place.path("empty.yaml"), file).unwrap();
        assert!(place.refused(&["import", "empty.yaml"]).contains(reason), "{file}");
    }
    // As after a program that failed in a pipe.
    let output = place.command(&["schema", "write"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("it is empty"), "{error}");
    assert!(place.done(&["schema", "read"]).contains("definition team"));
}

#[test]
fn what_is_no_file_of_lines_does_not_take_all_memory() {
    let place = Place::imported();
    let zeros = || fs::File::open("/dev/zero").unwrap();
    let mut import = place.command(&["relationship", "bulk-import"]);
    let output = import.stdin(zeros()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("line 1: the line is longer than 1 MiB"), "{error}");

    let head = "kilwa backup 1\nschema 99999999999 00000000\n";
    fs::write(place.path("large.backup"), head).unwrap();
    let error = place.refused(&["backup", "verify", "large.backup"]);
    assert!(error.contains("larger than 256 MiB"), "{error}");

    // A mark that some editors write is none of the text.
    fs::write(place.path("marked.txt"), "\u{feff}team:c#member@user:ann\r\n").unwrap();
    assert_eq!(place.done(&["relationship", "bulk-import", "marked.txt"]), "1 created\n");
    let mut touch = place.command(&["relationship", "touch"]);
    let output = touch.stdin(fs::File::open(place.path("marked.txt")).unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_redaction_that_fails_leaves_no_file() {
    let place = Place::imported();
    place.done(&["backup", "create", "a.backup"]);
    let whole = place.read("a.backup");
    fs::write(place.path("cut.backup"), &whole[..whole.len() - 10]).unwrap();
    assert!(place.refused(&["backup", "redact", "cut.backup", "b.backup"]).contains("incomplete"));
    assert!(!place.path("b.backup").exists());
    place.done(&["backup", "redact", "a.backup", "b.backup"]);
    let again = place.refused(&["backup", "redact", "a.backup", "b.backup"]);
    assert!(again.contains("already exists"), "{again}");
}

struct BrokenOff {
    file: Vec<u8>,
    state: String,
}

/// What an interrupted backup of the revision of `whole.backup` leaves, after none of its relationships and after some.
fn broken_off(place: &Place) -> Vec<BrokenOff> {
    use kilwa::client::{Connection, ExportArgs, ReadConsistency};
    let whole = place.read("whole.backup");
    let text = String::from_utf8(whole.clone()).unwrap();
    let connection = Connection::open(place.server.endpoint(), Some(KEY)).unwrap();
    let (_, token) = connection.read_schema().unwrap();
    let mut cursors = Vec::new();
    let export = ExportArgs {
        consistency: ReadConsistency::AtExactSnapshot(token.clone()),
        part_size: 1000,
        ..ExportArgs::default()
    };
    connection
        .export(&export, |_, cursor| {
            cursors.push(cursor);
            Ok::<_, kilwa::client::CallError>(())
        })
        .unwrap();
    let starts: Vec<usize> = text.match_indices("\nrelationships ").map(|(at, _)| at + 1).collect();
    [1, 7, starts.len() - 1]
        .map(|blocks| BrokenOff {
            file: [&whole[..starts[blocks]], b"relationships 1000 5"].concat(),
            state: format!(
                "{{\"token\":\"{token}\",\"cursor\":\"{}\",\"bytes\":{}}}",
                cursors[blocks - 1],
                starts[blocks]
            ),
        })
        .into()
}

#[test]
fn a_restoration_goes_on_behind_what_is_there() {
    let from = Place::imported();
    from.many(3_000);
    from.done(&["relationship", "bulk-import", "many.txt"]);
    from.done(&["backup", "create", "a.backup"]);
    let whole = from.read("a.backup");
    let to = Place::new();
    fs::write(to.path("a.backup"), &whole).unwrap();
    // In the way of the third transaction.
    to.done(&["import", "--relationships=false", "data.yaml"]);
    to.done(&["relationship", "create", "team:t02500#member@user:ann"]);
    let restore = ["backup", "restore", "--transaction-size", "1000", "a.backup"];
    let said = to.refused(&restore);
    assert!(said.contains("ALREADY_EXISTS") && said.contains("2000 relationships"), "{said}");
    assert_eq!(to.done(&["relationship", "bulk-export"]).lines().count(), 2_001);
    to.done(&["relationship", "delete", "team:t02500#member@user:ann"]);
    assert_eq!(to.done(&restore), "3006 relationships restored\n");
    to.done(&["backup", "create", "b.backup"]);
    assert!(to.read("b.backup") == whole);
    assert!(to.refused(&restore).contains("ALREADY_EXISTS"));
    // Created, and killed before that was noted: the first ones are written over.
    let place = format!("{{\"endpoint\":\"{}\",\"count\":1000}}", to.server.endpoint());
    fs::write(to.path("a.backup.restoring"), place).unwrap();
    let touching = [&restore[..], &["--conflict-strategy", "touch"]].concat();
    assert_eq!(to.done(&touching), "3006 relationships restored\n");
    assert_eq!(to.done(&["relationship", "bulk-export"]).lines().count(), 3_006);
}

#[test]
fn what_fails_after_it_has_written_the_schema_says_so() {
    let (data, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let access = folder.path().join("access.toml");
    let key = "a key that writes the schema alone";
    let text =
        "[roles.schema]\nmethods = [\"schema\", \"WriteSchema\"]\n[[keys]]\nname = \"schema\"\n";
    fs::write(&access, format!("{text}key = \"{key}\"\nroles = [\"schema\"]\n")).unwrap();
    fs::write(folder.path().join("data.yaml"), FILE).unwrap();
    let server = Served::start_with(data.path(), &["--access-file", access.to_str().unwrap()]);
    let place = Place { server, folder, _data: data };
    let refused = |arguments: &[&str]| {
        let output = place.command(arguments).env("KILWA_TOKEN", key).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };

    let said = refused(&["import", "data.yaml"]);
    assert!(said.contains("WriteRelationships"), "{said}");
    assert!(said.contains("the schema has been written"), "{said}");
    let said = refused(&["import", "data.yaml", "--schema=false"]);
    assert!(!said.contains("the schema has been written"), "{said}");

    let other = Place::imported();
    other.done(&["backup", "create", "a.backup"]);
    fs::write(place.path("a.backup"), other.read("a.backup")).unwrap();
    let said = refused(&["backup", "restore", "a.backup"]);
    assert!(said.contains("ImportBulkRelationships"), "{said}");
    assert!(!said.contains("the schema"), "it was that of the backup: {said}");
    fs::write(place.path("user.zed"), "definition user {}").unwrap();
    place.done(&["schema", "write", "user.zed"]);
    let said = refused(&["backup", "restore", "a.backup", "--conflict-strategy", "touch"]);
    assert!(said.contains("has been replaced by that of the backup"), "{said}");
}

#[test]
fn a_restoration_that_is_refused_leaves_the_schema_as_it_was() {
    let place = Place::imported();
    place.done(&["backup", "create", "a.backup"]);
    // The same relationships, and a schema that excludes subjects.
    let stricter = place.done(&["schema", "read"]).replace(
        "definition document {",
        "definition document {\n  relation blocked: user\n  permission read = viewer - blocked\n",
    );
    fs::write(place.path("stricter.zed"), &stricter).unwrap();
    place.done(&["schema", "write", "stricter.zed"]);
    let before = place.done(&["schema", "read"]);

    let said = place.refused(&["backup", "restore", "a.backup"]);
    assert!(said.contains("another schema") && said.contains("nothing was restored"), "{said}");
    assert_eq!(place.done(&["schema", "read"]), before);
    // Where the schema is that of the backup but for its layout, it is not written either.
    let other = Place::imported();
    let layout = place.done(&["backup", "parse-schema", "a.backup"]).replace("  ", "\t");
    fs::write(other.path("layout.zed"), layout).unwrap();
    other.done(&["schema", "write", "layout.zed"]);
    let revision = || other.done(&["schema", "read", "--json"]);
    let (before, file) = (revision(), place.path("a.backup"));
    assert!(
        other.refused(&["backup", "restore", file.to_str().unwrap()]).contains("ALREADY_EXISTS")
    );
    assert_eq!(revision(), before);

    let touching = ["backup", "restore", "a.backup", "--conflict-strategy", "touch"];
    let output = place.run(&touching);
    assert!(output.status.success(), "{output:?}");
    let note = String::from_utf8(output.stderr).unwrap();
    assert!(note.contains("the schema of the server has been replaced"), "{note}");
    assert!(!place.done(&["schema", "read"]).contains("blocked"));
}

/// Stands between a command and its server, and can keep the server's answers back.
struct Between {
    endpoint: String,
    /// How many bytes the command may send before no answer comes through any more.
    sent_max: Arc<AtomicU64>,
}

impl Between {
    fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        let sent_max = Arc::new(AtomicU64::new(u64::MAX));
        let (server, limit) = (server.to_owned(), Arc::clone(&sent_max));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(&server).unwrap();
                let (sent, limit) = (Arc::<AtomicU64>::default(), Arc::clone(&limit));
                let (to_server, to_client) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                let counted = Arc::clone(&sent);
                std::thread::spawn(move || {
                    forward(client, to_server, |count| {
                        counted.fetch_add(count, Ordering::SeqCst);
                        true
                    });
                });
                std::thread::spawn(move || {
                    forward(server, to_client, |_| {
                        sent.load(Ordering::SeqCst) <= limit.load(Ordering::SeqCst)
                    });
                });
            }
        });
        Self { endpoint, sent_max }
    }
}

/// Passes on what comes, as long as `passes` says so, and swallows it else.
fn forward(mut from: TcpStream, mut to: TcpStream, passes: impl Fn(u64) -> bool) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if passes(u64::try_from(count).unwrap()) && to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn a_restoration_that_was_killed_in_its_first_transaction_is_repeated() {
    let from = Place::imported();
    from.many(600);
    from.done(&["relationship", "bulk-import", "many.txt"]);
    from.done(&["backup", "create", "a.backup"]);
    let to = Place::new();
    fs::write(to.path("a.backup"), from.read("a.backup")).unwrap();
    let between = Between::start(to.server.endpoint());
    let restore = ["backup", "restore", "a.backup"];
    let command = || {
        let mut command = to.command(&restore);
        command.env("KILWA_ENDPOINT", &between.endpoint);
        command
    };

    // The relationships arrive, but the answer does not. They are many bytes, the schema is few.
    between.sent_max.store(6_000, Ordering::SeqCst);
    let mut killed = command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let there = to.run(&["relationship", "bulk-export"]);
        if there.status.success() && !there.stdout.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "nothing arrived");
    }
    killed.kill().unwrap();
    killed.wait().unwrap();

    between.sent_max.store(u64::MAX, Ordering::SeqCst);
    let again = command().output().unwrap();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(String::from_utf8(again.stdout).unwrap(), "606 relationships restored\n");
    to.done(&["backup", "create", "b.backup"]);
    assert!(to.read("b.backup") == from.read("a.backup"));
    // Another program's file is not overwritten, however often it is tried.
    for _ in 0..2 {
        assert!(to.refused(&restore).contains("ALREADY_EXISTS"));
    }
}

#[test]
fn a_redacted_file_has_the_same_shape_and_no_id() {
    let place = Place::imported();
    place.done(&["backup", "create", "a.backup"]);
    place.done(&["backup", "redact", "a.backup", "b.backup"]);
    let text = place.done(&["backup", "parse-relationships", "b.backup"]);
    assert_eq!(text.lines().count(), 6);
    for reported in ["plan", "zoe", "ann", "tuesday"] {
        assert!(!text.contains(reported), "{text}");
    }
    assert!(text.contains("@user:*\n") && text.contains("[on_day]\n"), "{text}");
    let ids: std::collections::BTreeSet<&str> = text
        .split(|character: char| !character.is_ascii_hexdigit())
        .filter(|word| word.len() == 32)
        .collect();
    assert_eq!(ids.len(), 5, "plan, a, b, ann, zoe: {ids:?}");
    let other = Place::new();
    let file = place.path("b.backup");
    other.done(&["backup", "restore", file.to_str().unwrap()]);
}

#[test]
fn lines_are_exported_and_imported_all_or_none() {
    let (from, to) = (Place::imported(), Place::new());
    to.done(&["import", "--relationships=false", "data.yaml"]);
    let exported = from.done(&["relationship", "bulk-export"]);
    assert_eq!(exported.lines().count(), 6);
    assert_eq!(from.done(&["relationship", "bulk-export", "--page-size", "1"]), exported);
    let teams = from.done(&["relationship", "bulk-export", "team"]);
    assert_eq!(teams, "team:a#member@team:b#member\nteam:b#member@user:ann\n");
    let bad = format!("{exported}\n// a remark\nteam:c#member@user\n");
    fs::write(to.path("bad.txt"), bad).unwrap();
    let said = to.refused(&["relationship", "bulk-import", "bad.txt"]);
    assert!(said.contains("line 9") && said.contains("nothing was created"), "{said}");
    assert_eq!(to.done(&["relationship", "bulk-export"]), "");
    let mut process = to
        .command(&["relationship", "bulk-import", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(exported.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "{\n  \"numLoaded\": 6\n}\n");
    assert_eq!(to.done(&["relationship", "bulk-export"]), exported);
    fs::write(to.path("again.txt"), &exported).unwrap();
    let said = to.refused(&["relationship", "bulk-import", "again.txt"]);
    assert!(said.contains("ALREADY_EXISTS"), "{said}");
    let said = to.refused(&["relationship", "bulk-import", "none.txt"]);
    assert!(said.contains("none.txt"), "{said}");
}

#[test]
fn files_are_imported_whole_in_part_or_under_a_prefix() {
    let place = Place::new();
    assert_eq!(place.done(&["import", "data.yaml"]), "schema and 6 relationships imported\n");
    // Again, and a part of it, changes nothing.
    place.done(&["import", "data.yaml"]);
    assert_eq!(
        place.done(&["import", "--schema=false", "data.yaml"]),
        "6 relationships imported\n"
    );
    assert_eq!(place.done(&["relationship", "bulk-export"]).lines().count(), 6);
    let prefixed = Place::new();
    prefixed.done(&["import", "data.yaml", "--schema-definition-prefix", "shop"]);
    let rows = prefixed.done(&["relationship", "bulk-export", "--page-size", "2"]);
    assert!(rows.contains("shop/team:a#member@shop/team:b#member\n"), "{rows}");
    assert!(rows.contains("@shop/user:zoe[shop/on_day:{"), "{rows}");
    let schema = prefixed.done(&["schema", "read"]);
    assert!(
        schema.contains("definition shop/team { relation member: shop/user | shop/team#member }"),
        "{schema}"
    );
    assert!(
        schema.contains("caveat shop/on_day(") && schema.contains("shop/user with shop/on_day"),
        "{schema}"
    );
    let zed = Place::new();
    fs::write(zed.path("a.zed"), "definition user {}\n").unwrap();
    assert_eq!(zed.done(&["import", "a.zed"]), "schema and 0 relationships imported\n");
    assert_eq!(zed.done(&["schema", "read"]), "definition user {}\n");
    fs::write(zed.path("bad.yaml"), FILE.replace("@user:zoe", "@robot:zoe")).unwrap();
    assert!(zed.refused(&["import", "bad.yaml"]).contains("`bad.yaml` cannot be loaded"));
}
