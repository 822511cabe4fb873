//! What people type at commands that use a server: times, deletions, standard streams, and what is said when it fails.

use crate::outside::has_interpreter;
use crate::program;
use crate::served::Served;
use crate::server_support::KEY;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const DATA: &str = "\
schema: |-
  use expiration
  definition user {}
  definition document {
    relation viewer: user | user with expiration
    permission view = viewer
  }
relationships: |-
  document:plan#viewer@user:olga
  document:plan#viewer@user:ann
  document:memo#viewer@user:olga
";

/// A server with data, and a folder.
struct Desk {
    server: Served,
    folder: TempDir,
    _data: TempDir,
}

impl Desk {
    fn new() -> Self {
        let (data, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let file = folder.path().join("data.yaml");
        fs::write(&file, DATA).unwrap();
        Self { server: Served::bootstrapped(data.path(), &file), folder, _data: data }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program::kilwa();
        command.current_dir(self.folder.path()).args(arguments);
        command.env("KILWA_ENDPOINT", self.server.endpoint()).env("KILWA_TOKEN", KEY);
        command
    }

    /// Standard output of a command that succeeds.
    fn done(&self, arguments: &[&str]) -> String {
        let (code, out, error) = said(self.command(arguments).output().unwrap());
        assert_eq!(code, 0, "{arguments:?}: {error}");
        out
    }

    /// Standard error of a command that fails.
    fn refused(&self, arguments: &[&str]) -> String {
        let (code, _, error) = said(self.command(arguments).output().unwrap());
        assert_eq!(code, 2, "{arguments:?}: {error}");
        error
    }

    fn fed(&self, arguments: &[&str], input: &str) -> (i32, String, String) {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        drop(process.stdin.take().unwrap().write_all(input.as_bytes()));
        said(process.wait_with_output().unwrap())
    }
}

fn said(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn times_are_written_as_people_write_them() {
    let desk = Desk::new();
    let check = ["permission", "check", "document:plan#view@user:ann", "--as-of"];
    assert_eq!(desk.done(&[&check[..], &["0s"]].concat()), "true\n");
    for before in ["5m", "1h30m"] {
        let error = desk.refused(&[&check[..], &[before]].concat());
        assert!(error.contains("nothing had been stored at "), "{error}");
    }
    for (time, reason) in [
        ("8d", "lies before the history that is kept"),
        ("2020-01-02", "lies before the history that is kept"),
        ("9998-01-02 14:05", "lies in the future"),
        ("tomorrow", "write `2026-11-24`, `2026-11-24T14:05:00Z`, or a duration such as `5m`"),
    ] {
        let error = desk.refused(&[&check[..], &[time]].concat());
        assert!(error.contains(reason), "{time}: {error}");
    }

    let touch = ["relationship", "touch", "document:plan#viewer@user:cat", "--expires-at"];
    let read =
        ["relationship", "read", "document:plan", "viewer", "user:cat", "--consistency-full"];
    for (time, shown) in [
        ("2999-01-02", "[expiration:2999-01-02T00:00:00Z]"),
        ("2999-01-02T03:04:05Z", "[expiration:2999-01-02T03:04:05Z]"),
        ("30d", "[expiration:2"),
    ] {
        desk.done(&[&touch[..], &[time]].concat());
        assert!(desk.done(&read).contains(shown), "{time}: {}", desk.done(&read));
    }
}

#[test]
fn the_history_window_may_be_given_in_days() {
    let data = TempDir::new().unwrap();
    for window in ["8d", "2w", "24h0m0s", "1h30m"] {
        drop(Served::start_with(data.path(), &["--datastore-gc-window", window]));
    }
    let mut refused = program::kilwa();
    refused.args(["serve", "--datastore-gc-window", "8 suns"]).current_dir(data.path());
    let (code, _, error) = said(refused.output().unwrap());
    assert_eq!(code, 2);
    assert!(error.contains("write it like `30s`, `24h`, `1h30m` or `8d`"), "{error}");
}

#[test]
fn deletions_are_counted_first_and_confirmed_on_a_terminal() {
    let desk = Desk::new();
    let delete = ["relationship", "bulk-delete", "document"];
    assert_eq!(desk.done(&[&delete[..], &["--dry-run"]].concat()), "3 would be deleted\n");
    let json = desk.done(&[&delete[..], &["--dry-run", "--json"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, serde_json::json!({"dryRun": true, "matching": 3}));
    assert_eq!(desk.done(&["relationship", "read", "document"]).lines().count(), 3);

    // A terminal is asked; whatever is not yes is no.
    if has_interpreter("python3") {
        for (answer, left) in [("n\n", 3), ("\n", 3), ("yes\n", 0)] {
            let printed = on_terminal(&desk, &delete, answer);
            assert!(printed.contains("delete 3 relationships? [y/N] "), "{printed}");
            assert_eq!(printed.contains("nothing was deleted"), left == 3, "{printed}");
            let read = ["relationship", "read", "document", "--consistency-full"];
            assert_eq!(desk.done(&read).lines().count(), left);
        }
        let printed = on_terminal(&desk, &[&delete[..], &["--force"]].concat(), "");
        assert!(printed.starts_with("0 deleted"), "{printed}");
    }

    // Standard input that is no terminal is not asked.
    desk.done(&["relationship", "touch", "document:plan#viewer@user:ann"]);
    let (code, out, _) = desk.fed(&["relationship", "bulk-delete", "document"], "");
    assert!(code == 0 && out.starts_with("1 deleted\n"), "{out}");
}

/// What a command prints on a terminal where `answer` is typed.
fn on_terminal(desk: &Desk, arguments: &[&str], answer: &str) -> String {
    let script = "
import os, pty, sys
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
os.write(terminal, sys.argv[1].encode())
printed = b''
try:
    while part := os.read(terminal, 4096):
        printed += part
except OSError:
    pass
os.waitpid(child, 0)
sys.stdout.buffer.write(printed)
";
    let kilwa = desk.command(&[]);
    let mut python = program::without_variables("python3");
    python.args(["-c", script, answer]).arg(kilwa.get_program()).args(arguments);
    python.env("KILWA_ENDPOINT", desk.server.endpoint()).env("KILWA_TOKEN", KEY);
    let (_, printed, error) = said(python.output().unwrap());
    assert_eq!(error, "");
    printed.replace("\r\n", "\n")
}

#[test]
fn a_subject_is_found_or_said_how_to_find() {
    let desk = Desk::new();
    let (code, out, error) =
        said(desk.command(&["relationship", "read", "user:olga"]).output().unwrap());
    assert_eq!((code, out.as_str()), (0, ""));
    let (_, hint) = error.split_once('`').unwrap();
    assert!(hint.contains("`kilwa relationship read --subject-filter user:olga`"), "{error}");
    let found = desk.done(&["relationship", "read", "--subject-filter", "user:olga"]);
    assert_eq!(found, "document:memo#viewer@user:olga\ndocument:plan#viewer@user:olga\n");
    let none = desk.command(&["relationship", "read"]).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
}

#[test]
fn a_backup_goes_to_standard_output_and_nothing_else_does() {
    let desk = Desk::new();
    let file = desk.folder.path().join("piped.backup");
    let mut command = desk.command(&["backup", "create", "-"]);
    let output = command.stdout(File::create(&file).unwrap()).output().unwrap();
    let (code, _, error) = said(output);
    assert_eq!((code, error.as_str()), (0, "3 relationships\n"));
    desk.done(&["backup", "create", "whole.backup"]);
    let whole = fs::read(desk.folder.path().join("whole.backup")).unwrap();
    assert!(fs::read(&file).unwrap() == whole, "the two differ");
    assert_eq!(
        desk.done(&["backup", "verify", "piped.backup"]),
        "3 relationships, complete and undamaged\n"
    );

    let error = desk.refused(&["backup", "restore", "piped.backup"]);
    assert!(error.contains("use `--conflict-strategy touch`"), "{error}");
    desk.done(&["backup", "restore", "piped.backup", "--conflict-strategy", "touch"]);
}

#[test]
fn the_line_of_an_unknown_type_is_named() {
    let desk = Desk::new();
    for (line, says) in [
        ("paper:plan#viewer@user:ann", "line 3: object definition `paper` not found"),
        ("document:plan#reader@user:ann", "line 3: relation/permission `reader` not found"),
        ("document:plan#viewer@robot:ann", "line 3: "),
    ] {
        let input = format!("// people\ndocument:new#viewer@user:ann\n{line}\n");
        let (code, _, error) = desk.fed(&["relationship", "bulk-import"], &input);
        assert_eq!(code, 2);
        assert!(error.contains(says) && error.contains("nothing was created"), "{error}");
    }
}

/// An input without end would otherwise never be written.
#[test]
fn relationships_are_written_line_by_line() {
    let desk = Desk::new();
    let mut command = desk.command(&["relationship", "touch", "--batch-size", "1", "-"]);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut input = process.stdin.take().unwrap();
    for name in ["first", "second"] {
        writeln!(input, "document:{name} viewer user:ann").unwrap();
        // Each read takes some milliseconds.
        let arrived = (0..5_000).any(|_| {
            let filter = format!("document:{name}");
            !desk
                .done(&["relationship", "read", &filter, "viewer", "--consistency-full"])
                .is_empty()
        });
        assert!(arrived, "{name} was not written while the input was open");
    }
    drop(input);
    assert!(process.wait().unwrap().success());

    let lines = "document:a#viewer@user:ann\nnonsense\n";
    let batches = ["relationship", "touch", "--batch-size", "1"];
    let (code, _, error) = desk.fed(&batches, lines);
    assert_eq!(code, 2);
    assert!(error.contains("line 2: "), "{error}");
    assert!(error.ends_with("relationships written before that: 1\n"), "{error}");
}

#[test]
fn what_never_ends_is_bounded_or_interrupted() {
    let desk = Desk::new();
    let zeros = File::open("/dev/zero").unwrap();
    let written = desk.command(&["schema", "write"]).stdin(zeros).output().unwrap();
    let (code, _, error) = said(written);
    assert_eq!(code, 2);
    assert!(error.contains("larger than 4194304 bytes"), "{error}");

    let pipe = desk.folder.path().join("pipe.yaml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut process = desk.command(&["validate", "pipe.yaml"]).spawn().unwrap();
    // Opening it for writing returns once the command has opened it for reading.
    let writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let pid = process.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert!(!process.wait().unwrap().success());
    drop(writer);
}

#[test]
fn a_watch_prints_where_to_resume_when_it_is_interrupted() {
    let desk = Desk::new();
    let token = desk.done(&["relationship", "touch", "document:a#viewer@user:ann"]);
    desk.done(&["relationship", "touch", "document:b#viewer@user:ann"]);
    let watch = ["relationship", "watch", "--revision", token.trim()];
    let mut command = desk.command(&watch);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "touch document:b#viewer@user:ann\n");
    let pid = process.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(process.wait().unwrap().code(), Some(0));
    let mut note = String::new();
    process.stderr.take().unwrap().read_to_string(&mut note).unwrap();
    let later = note.strip_prefix("resume with `--revision ").unwrap().trim_end_matches("`\n");
    assert_ne!(later, token.trim());
    assert!(desk.refused(&["relationship", "watch", "--revision", "x"]).contains("revision"));
}

#[test]
fn a_server_that_logs_json_prints_nothing_else() {
    for command in [
        &["serve", "--bootstrap", "data.yaml"][..],
        &["serve-testing", "--readonly-grpc-enabled=false"],
    ] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("data.yaml"), DATA).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let mut started = program::kilwa();
        started.current_dir(folder.path()).env("XDG_DATA_HOME", folder.path()).args(command);
        started.args(["--grpc-addr", "127.0.0.1:0", "--log-format", "json"]);
        let mut process = started.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let read = || fs::read_to_string(folder.path().join("log")).unwrap();
        while !read().contains("serving gRPC") {
            assert!(process.try_wait().unwrap().is_none(), "{}", read());
            std::thread::yield_now();
        }
        let pid = process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        process.wait().unwrap();
        for line in read().lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
            assert!(line["level"].is_string(), "{line}");
        }
        assert!(read().contains("\"address\":\"127.0.0.1:"), "{}", read());
    }
}

#[test]
fn a_bootstrap_that_is_skipped_says_why() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("data.yaml"), DATA).unwrap();
    for reason in ["loaded into the empty store", "the store already holds a schema"] {
        let mut started = program::kilwa();
        started.current_dir(folder.path()).env("XDG_DATA_HOME", folder.path());
        started.args(["serve", "--grpc-addr", "127.0.0.1:0", "--bootstrap", "data.yaml"]);
        let log = File::create(folder.path().join("log")).unwrap();
        let mut process = started.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        drop(process.kill());
        drop(process.wait());
        let log = fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(log.contains(reason), "{log}");
    }
}

#[test]
fn a_missing_key_and_an_empty_log_level_are_explained() {
    let desk = Desk::new();
    let mut command = desk.command(&["schema", "read"]);
    let (code, _, error) = said(command.env_remove("KILWA_TOKEN").output().unwrap());
    assert_eq!(code, 2);
    assert!(error.contains("set KILWA_TOKEN or `--token`"), "{error}");
    assert!(!error.contains("metadata"), "{error}");

    for command in ["serve", "serve-testing"] {
        let error = desk.refused(&[command, "--log-level="]);
        assert!(error.contains("is no log level"), "{error}");
    }
}
