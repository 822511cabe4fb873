//! `kilwa relationship watch`: the real binary with a real server.

use crate::program;
use crate::served::Served;
use crate::server_support::KEY;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SCHEMA: &str = "use expiration
definition user {}
definition document {
  relation viewer: user | user with expiration
  relation owner: user
}
definition folder {
  relation owner: user
}
";

struct Trial {
    folder: tempfile::TempDir,
    server: Served,
}

impl Trial {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Served::start(&folder.path().join("data"));
        std::fs::write(folder.path().join("schema.zed"), SCHEMA).unwrap();
        Self { folder, server }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program::kilwa();
        let folder: &Path = self.folder.path();
        command.current_dir(folder).env("XDG_DATA_HOME", folder).args(arguments);
        command.env("KILWA_ENDPOINT", self.server.endpoint()).env("KILWA_TOKEN", KEY);
        command
    }

    /// What a command prints that succeeds.
    fn ask(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn touch(&self, relationship: &str) -> String {
        self.ask(&["relationship", "touch", relationship])
    }

    fn watch(&self, arguments: &[&str]) -> Watch {
        let mut command = self.command(&[["relationship", "watch"].as_slice(), arguments].concat());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Watch { process, lines: Some(lines) }
    }
}

struct Watch {
    process: Child,
    lines: Option<BufReader<std::process::ChildStdout>>,
}

impl Watch {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.as_mut().unwrap().read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        self.process.wait().unwrap();
    }
}

#[test]
fn a_watch_prints_what_happens_until_it_is_interrupted() {
    let trial = Trial::start();
    let start = trial.ask(&["schema", "write", "schema.zed"]);
    trial.touch("document:a#owner@user:ann");
    trial.touch("document:b#viewer@user:bob[expiration:2000-01-01T00:00:00Z]");
    trial.touch("folder:f#owner@user:ann");
    trial.ask(&["relationship", "delete", "document:a#owner@user:ann"]);
    std::fs::write(trial.folder.path().join("schema.zed"), format!("{SCHEMA}\n")).unwrap();
    trial.ask(&["schema", "write", "schema.zed"]);

    let mut all = trial.watch(&["--revision", &start, "--expirations", "--include-schema"]);
    for expected in [
        "touch document:a#owner@user:ann",
        "touch document:b#viewer@user:bob[expiration:2000-01-01T00:00:00Z]",
        "expired document:b#viewer@user:bob[expiration:2000-01-01T00:00:00Z]",
        "touch folder:f#owner@user:ann",
        "delete document:a#owner@user:ann",
        "schema",
    ] {
        assert_eq!(all.line(), expected);
    }
    let mut folders = trial.watch(&["folder", "--revision", &start]);
    assert_eq!(folders.line(), "touch folder:f#owner@user:ann");
    let filters = ["--filter", "document:b%#viewer", "--filter", "@user:ann", "--json"];
    let mut json = trial.watch(&[filters.as_slice(), &["--revision", &start]].concat());
    for (operation, relationship) in [
        ("OPERATION_TOUCH", "document:a#owner@user:ann"),
        ("OPERATION_TOUCH", "document:b#viewer@user:bob[expiration:2000-01-01T00:00:00Z]"),
        ("OPERATION_TOUCH", "folder:f#owner@user:ann"),
        ("OPERATION_DELETE", "document:a#owner@user:ann"),
    ] {
        let line: serde_json::Value = serde_json::from_str(&json.line()).unwrap();
        assert_eq!(line["updates"][0]["operation"], operation);
        assert_eq!(line["updates"][0]["relationship"], relationship);
        assert!(line["changesThrough"]["token"].is_string());
    }
    let mut checked = trial.watch(&["--checkpoints"]);
    assert!(checked.line().starts_with("checkpoint "));

    let pid = all.process.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(all.process.wait().unwrap().code(), Some(0));
    // The other one has no reader any more, so the next line is its last.
    drop(folders.lines.take());
    trial.touch("folder:g#owner@user:ann");
    assert_eq!(folders.process.wait().unwrap().code(), Some(0));
}

#[test]
fn a_watch_that_ends_says_where_to_go_on() {
    let trial = Trial::start();
    trial.ask(&["schema", "write", "schema.zed"]);
    let refused = trial.command(&["relationship", "watch", "--revision", "x"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(error.contains("failed to decode start revision"), "{error}");

    let mut watch = trial.watch(&["--json", "--checkpoints"]);
    let line: serde_json::Value = serde_json::from_str(&watch.line()).unwrap();
    assert_eq!(line["isCheckpoint"], true);
    let token = line["changesThrough"]["token"].as_str().unwrap().to_owned();
    drop(trial);
    let mut error = String::new();
    let mut stderr = BufReader::new(watch.process.stderr.take().unwrap());
    stderr.read_line(&mut error).unwrap();
    assert!(error.contains(&format!("resume with `--revision {token}`")), "{error}");
    assert_eq!(watch.process.wait().unwrap().code(), Some(2));
}

#[test]
fn the_history_lists_who_changed_what() {
    let trial = Trial::start();
    trial.ask(&["schema", "write", "schema.zed"]);
    let first = trial.touch("document:a#owner@user:ann");
    trial.touch("document:b#owner@user:ann");
    trial.ask(&["relationship", "delete", "document:a#owner@user:ann"]);
    let history = |arguments: &[&str]| {
        let printed = trial.ask(&[["relationship", "history"].as_slice(), arguments].concat());
        // Each line begins with a time.
        let what = |line: &str| line.split_once(' ').unwrap().1.to_owned();
        printed.lines().map(what).collect::<Vec<_>>()
    };

    let (deleted, other, touched) = (
        "delete document:a#owner@user:ann by \"preshared-1\"",
        "touch document:b#owner@user:ann by \"preshared-1\"",
        "touch document:a#owner@user:ann by \"preshared-1\"",
    );
    assert_eq!(history(&[]), [deleted, other, touched, "schema by \"preshared-1\""]);
    assert_eq!(history(&["--limit", "1"]), [deleted]);
    assert_eq!(history(&["document:a"]), [deleted, touched]);
    assert_eq!(history(&["document:a#owner@user:ann"]), [deleted, touched]);
    assert!(history(&["document", "owner", "user:bob"]).is_empty());
    assert_eq!(history(&["--since", "1h", "document:b"]), [other]);
    assert!(history(&["--until", "1h"]).is_empty());
    let line = trial.ask(&["relationship", "history", "document:b", "--json"]);
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["operation"], "OPERATION_TOUCH");
    assert_eq!(line["relationship"], "document:b#owner@user:ann");
    assert_eq!(line["writtenBy"], "preshared-1");
    assert_eq!(line["schemaUpdated"], false);

    let mut watch = trial.watch(&["--revision", &first, "--writers"]);
    assert_eq!(watch.line(), other);
    assert_eq!(watch.line(), deleted);
}
