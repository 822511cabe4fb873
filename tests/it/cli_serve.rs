//! `kilwa serve` and the commands that speak to it, all of them the real binary.

use crate::clients::client_folder;
use crate::outside::has_interpreter;
use crate::program;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

const BOOTSTRAP: &str = "\
schema: |-
  caveat on_day(day string) { day == \"monday\" }
  definition user {}
  definition document {
    relation viewer: user | user with on_day
    relation banned: user
    permission view = viewer - banned
  }
relationships: |-
  document:plan#viewer@user:ann
  document:plan#viewer@user:cat[on_day]
  document:plan#banned@user:bob
assertions:
  assertTrue:
    - document:plan#view@user:ann
";

/// A server on a folder of its own. It is killed when it is dropped.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    process: Child,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("boot.yaml"), BOOTSTRAP).unwrap();
        Self::start_in(folder, options)
    }

    fn start_in(folder: tempfile::TempDir, options: &[&str]) -> Self {
        let mut process = kilwa(folder.path())
            .args(["serve", "--grpc-addr", "127.0.0.1:0", "--bootstrap", "boot.yaml"])
            .args(["--data-dir", "data", "--http-enabled=false", "--metrics-enabled=false"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{line}");
        Self { folder, process, output, address }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = kilwa(self.folder.path());
        command.args(arguments).env("KILWA_ENDPOINT", &self.address);
        command.env("KILWA_DATA_DIR", "data").output().unwrap()
    }

    /// What it says when it starts, up to the line that holds `last`.
    fn banner(&mut self, last: &str) -> String {
        let mut banner = String::new();
        while !banner.contains(last) {
            assert!(self.output.read_line(&mut banner).unwrap() > 0, "{banner}");
        }
        banner
    }

    /// Ends, and starts again on the same folder.
    fn start_again(mut self) -> Self {
        assert_eq!(self.end(), 0);
        let empty = tempfile::tempdir().unwrap();
        Self::start_in(std::mem::replace(&mut self.folder, empty), &[])
    }

    /// Exit code, standard output and standard error of a command that reads `input`.
    fn feed(&self, arguments: &[&str], input: &str) -> (i32, String, String) {
        let mut command = kilwa(self.folder.path());
        command.args(arguments).env("KILWA_ENDPOINT", &self.address).env("KILWA_DATA_DIR", "data");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let Output { status, stdout, stderr } = process.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// Standard output of a command that succeeds.
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Exit code and standard error of a command.
    pub(crate) fn fail(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// Stops the server, and returns its exit code.
    fn end(&mut self) -> i32 {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.process.wait().unwrap().code().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

pub(crate) fn kilwa(folder: &Path) -> Command {
    let mut command = program::kilwa();
    command.current_dir(folder).env("XDG_DATA_HOME", folder).env_remove("KILWA_TOKEN");
    command
}

#[test]
fn resources_are_listed_for_a_subject() {
    let server = Server::start();
    for n in 0..7 {
        server.ask(&["relationship", "touch", &format!("document:d{n}"), "viewer", "user:ann"]);
    }
    let lookup = ["permission", "lookup-resources", "document", "view", "user:ann"];
    let with = |more: &[&str]| server.ask(&[lookup.as_slice(), more].concat());
    let all = "d0\nd1\nd2\nd3\nd4\nd5\nd6\nplan\n";
    assert_eq!(with(&["--consistency-full"]), all);
    assert_eq!(with(&["--page-limit", "3"]), all);
    let within = ["--id-prefix", "d", "--id", "d5", "--id", "plan", "--id", "d1"];
    assert_eq!(with(&within), "d1\nd5\n");
    let cat = ["permission", "lookup-resources", "document", "view", "user:cat"];
    assert_eq!(server.ask(&cat), "plan (caveated, missing context: day)\n");
    let monday = [cat.as_slice(), &["--caveat-context", "{\"day\": \"monday\"}"]].concat();
    assert_eq!(server.ask(&monday), "plan\n");
    let lines = server.ask(&[cat.as_slice(), &["--json"]].concat());
    let row: serde_json::Value = serde_json::from_str(lines.trim()).unwrap();
    assert_eq!(row["resourceObjectId"], "plan");
    assert_eq!(row["permissionship"], "LOOKUP_PERMISSIONSHIP_CONDITIONAL_PERMISSION");
    assert_eq!(row["partialCaveatInfo"]["missingRequiredContext"][0], "day");
    let rows = with(&["--json"]);
    let third: serde_json::Value = serde_json::from_str(rows.lines().nth(2).unwrap()).unwrap();
    let cursor = third["afterResultCursor"]["token"].as_str().unwrap();
    assert_eq!(with(&["--cursor", cursor]), "d3\nd4\nd5\nd6\nplan\n");
    let shown = server.run(&lookup);
    assert!(String::from_utf8(shown.stderr).unwrap().starts_with("Last cursor: "));
    let quiet = server.run(&[lookup.as_slice(), &["--show-cursor=false"]].concat());
    assert!(quiet.stderr.is_empty());
    let (code, error) = server.fail(&[lookup.as_slice(), &["--cursor", "x"]].concat());
    assert_eq!(code, 2);
    assert!(error.contains("INVALID_CURSOR"), "{error}");
}

#[test]
fn a_server_says_how_to_use_it_and_ends_on_a_signal() {
    let mut server = Server::start();
    let banner = server.banner("python3");
    let command = banner.lines().find(|line| line.contains("kilwa permission check")).unwrap();
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    assert_eq!(server.ask(&words), "true\n");
    assert!(banner.contains("preshared.key"), "{banner}");

    let again = kilwa(server.folder.path())
        .args(["serve", "--grpc-addr", "127.0.0.1:0", "--data-dir", "data"])
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is in use"));

    assert_eq!(server.end(), 0);
}

#[test]
fn the_snippet_for_an_application_answers() {
    if !has_interpreter("python3") {
        return;
    }
    let mut folders = vec![client_folder().join("bin")];
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));

    let mut server = Server::start();
    let banner = server.banner("))))'");
    let (_, snippet) = banner.split_once("pip install authzed`:\n").unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", snippet]).env("PATH", std::env::join_paths(folders).unwrap());
    let output = shell.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("PERMISSIONSHIP_HAS_PERMISSION"), "{text}{error}");
}

#[test]
fn a_second_start_finds_the_data_of_the_first() {
    let server = Server::start();
    server.ask(&["relationship", "delete", "document:plan", "viewer", "user:ann"]);
    let mut server = server.start_again();
    assert!(server.banner("permission check").contains("document:plan"));
    let question = ["permission", "check", "document:plan#view@user:ann", "--consistency-full"];
    assert_eq!(server.ask(&question), "false\n");

    server.ask(&["relationship", "bulk-delete", "document"]);
    std::fs::write(server.folder.path().join("other.zed"), "definition user {}\n").unwrap();
    server.ask(&["schema", "write", "other.zed"]);
    let mut server = server.start_again();
    assert!(server.banner("schema read").contains("print its schema"));
}

#[test]
fn lines_come_from_standard_input() {
    let server = Server::start();
    let relationships = "\
// two ways to write the same

document:two#viewer@user:dan
document:two viewer user:eve
";
    for (arguments, input) in [
        (vec!["relationship", "touch", "-"], relationships),
        (vec!["relationship", "touch"], relationships),
    ] {
        let (code, _, error) = server.feed(&arguments, input);
        assert_eq!(code, 0, "{error}");
    }
    let questions = "document:two view user:dan\ndocument:two#view@user:bob\n";
    let (code, answers, _) = server.feed(&["permission", "bulk", "--consistency-full"], questions);
    assert_eq!(code, 0);
    assert_eq!(
        answers,
        "document:two#view@user:dan => true\ndocument:two#view@user:bob => false\n"
    );

    for (arguments, input, reason) in [
        (vec!["relationship", "create"], "", "error: standard input has no relationship\n"),
        (vec!["permission", "bulk"], "// none\n", "error: standard input has no check\n"),
        (vec!["relationship", "create"], "\ndocument:two viewer\n", "error: line 2: "),
        (
            vec!["relationship", "create", "--batch-size", "1"],
            "document:six viewer user:ann\ndocument:two viewer user:dan\n",
            "error: ALREADY_EXISTS",
        ),
    ] {
        let (code, output, error) = server.feed(&arguments, input);
        assert_eq!((code, output.as_str()), (2, ""), "{arguments:?}");
        assert!(error.starts_with(reason), "{error}");
    }
    let half = "document:seven viewer user:ann\ndocument:two viewer user:dan\n";
    let (_, _, error) = server.feed(&["relationship", "create", "--batch-size", "1"], half);
    assert!(error.contains("; relationships written before that: 1"), "{error}");
}

#[test]
fn a_reader_that_has_seen_enough_ends_a_command_quietly() {
    let server = Server::start();
    let mut command = kilwa(server.folder.path());
    command.args(["relationship", "read", "document", "--data-dir", "data"]);
    command.env("KILWA_ENDPOINT", &server.address).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    drop(process.stdout.take());
    let output = process.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
}

#[test]
fn checks_are_answered_and_explained() {
    let server = Server::start();
    assert_eq!(server.ask(&["permission", "check", "document:plan", "view", "user:ann"]), "true\n");
    assert_eq!(server.ask(&["permission", "check", "document:plan#view@user:bob"]), "false\n");
    assert_eq!(server.ask(&["permission", "check", "document:plan#view@user:cat"]), "caveated\n");
    let monday = ["--caveat-context", r#"{"day": "monday"}"#];
    let question = ["permission", "check", "document:plan#view@user:cat"];
    assert_eq!(server.ask(&[&question[..], &monday].concat()), "true\n");
    insta::assert_snapshot!(server.ask(&[&question[..], &["--explain"]].concat()), @r#"
    caveated
    ? document:plan#view = viewer - banned
    ├─ ? document:plan#viewer
    │  └─ ? caveat on_day lacks `day`: day == "monday"
    └─ ✗ document:plan#banned does not name user:cat
    "#);
    let json = server.ask(&[&question[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["permissionship"], "PERMISSIONSHIP_CONDITIONAL_PERMISSION");
    assert_eq!(json["partialCaveatInfo"]["missingRequiredContext"][0], "day");

    let strict = [&question[..], &["--error-on-no-permission"]].concat();
    assert_eq!(server.fail(&strict).0, 1);
    let (code, error) = server.fail(&["permission", "check", "dokument:plan#view@user:ann"]);
    assert_eq!(code, 2);
    assert!(error.starts_with("error: FAILED_PRECONDITION (UNKNOWN_DEFINITION): "), "{error}");
    assert_eq!(
        server.ask(&[
            "permission",
            "bulk",
            "document:plan#view@user:ann",
            "document:plan#view@user:bob"
        ]),
        "document:plan#view@user:ann => true\ndocument:plan#view@user:bob => false\n"
    );
}

#[test]
fn relationships_are_written_read_and_removed() {
    let server = Server::start();
    let token = server.ask(&["relationship", "create", "document:two", "viewer", "user:dan"]);
    let question = ["permission", "check", "document:two#view@user:dan", "--consistency-at-least"];
    assert_eq!(server.ask(&[&question[..], &[token.trim()]].concat()), "true\n");
    let (code, error) =
        server.fail(&["relationship", "create", "document:two", "viewer", "user:dan"]);
    assert_eq!(code, 2);
    assert!(error.contains("ALREADY_EXISTS"), "{error}");
    server.ask(&[
        "relationship",
        "touch",
        "document:two#viewer@user:eve",
        "--caveat",
        r#"on_day:{"day":"x"}"#,
    ]);
    let read = |arguments: &[&str]| {
        server.ask(&[&["relationship", "read"], arguments, &["--consistency-full"]].concat())
    };
    assert_eq!(
        read(&["document:two"]),
        "document:two#viewer@user:dan\ndocument:two#viewer@user:eve[on_day:{\"day\":\"x\"}]\n"
    );
    assert_eq!(read(&["document", "banned"]), "document:plan#banned@user:bob\n");
    assert_eq!(read(&["document:tw%", "viewer", "user:dan"]), "document:two#viewer@user:dan\n");
    assert_eq!(read(&["document", "--limit", "1"]).lines().count(), 1);
    server.ask(&["relationship", "delete", "document:two", "viewer", "user:dan"]);
    let removed = server.ask(&["relationship", "bulk-delete", "document", "--batch-size", "1"]);
    assert!(removed.starts_with("4 deleted\n"), "{removed}");
    assert_eq!(read(&["document"]), "");
}

/// Lines for relationships that nothing else holds.
fn many(count: usize) -> String {
    let lines = (0..count).map(|number| format!("document:many#viewer@user:u{number}"));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn a_limit_may_be_larger_than_what_a_server_lists_in_one_call() {
    let server = Server::start();
    let (code, _, error) = server.feed(&["relationship", "touch"], &many(1801));
    assert_eq!(code, 0, "{error}");
    for (limit, count) in
        [("1000", 1000), ("1500", 1500), ("1801", 1801), ("5000", 1801), ("0", 1801)]
    {
        let read =
            ["relationship", "read", "document:many", "--consistency-full", "--limit", limit];
        let rows: std::collections::BTreeSet<String> =
            server.ask(&read).lines().map(str::to_owned).collect();
        assert_eq!(rows.len(), count, "{limit}");
    }
}

#[test]
fn a_server_that_takes_little_in_one_call_is_called_more_often() {
    let server = Server::start_with(&[
        "--max-read-relationships-limit=3",
        "--max-delete-relationships-limit=3",
        "--write-relationships-max-updates-per-call=3",
    ]);
    let (code, _, error) = server.feed(&["relationship", "create"], &many(8));
    assert_eq!(code, 0, "{error}");
    let read = ["relationship", "read", "document:many", "--consistency-full"];
    assert_eq!(server.ask(&read).lines().count(), 8);
    assert_eq!(server.ask(&[&read[..], &["--limit", "5"]].concat()).lines().count(), 5);
    let removed = server.ask(&["relationship", "bulk-delete", "document:many"]);
    assert!(removed.starts_with("8 deleted\n"), "{removed}");
}

#[test]
fn more_questions_than_one_call_takes_are_all_answered() {
    let server = Server::start();
    let questions = "document:plan#view@user:ann\n".repeat(10_001);
    let (code, answers, error) = server.feed(&["permission", "bulk"], &questions);
    assert_eq!(code, 0, "{error}");
    assert_eq!(answers, "document:plan#view@user:ann => true\n".repeat(10_001));
}

#[test]
fn schemas_are_read_and_written_with_their_imports() {
    let server = Server::start();
    let schema = server.ask(&["schema", "read"]);
    assert!(schema.contains("permission view = viewer - banned"), "{schema}");
    let write = |name: &str, text: &str| {
        std::fs::write(server.folder.path().join(name), text).unwrap();
    };
    write("user.zed", "definition user {}\n");
    write(
        "all.zed",
        "use import\nimport \"user.zed\"\ndefinition folder {\n  relation owner: user\n}\n",
    );
    let (code, error) = server.fail(&["schema", "write", "all.zed"]);
    assert_eq!(code, 2);
    assert!(error.contains("cannot delete object definition `document`"), "{error}");
    let dry_run = || {
        let output = server.run(&["schema", "write", "--dry-run", "all.zed"]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = dry_run();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("rejected: cannot delete object definition `document`"), "{text}");
    assert!(text.contains("under it: document:plan#"), "{text}");
    server.ask(&["relationship", "bulk-delete", "document"]);
    let (code, text) = dry_run();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("removed definition document [breaking"), "{text}");
    assert!(text.contains("would accept the schema; nothing was written"), "{text}");
    assert_eq!(server.ask(&["schema", "read"]), schema);
    server.ask(&["schema", "write", "all.zed"]);
    let schema = server.ask(&["schema", "read"]);
    assert!(schema.contains("definition user {}") && schema.contains("definition folder {"));
    write("bad.zed", "definition user {\n  relation x: nobody\n}\n");
    assert_eq!(server.fail(&["schema", "write", "bad.zed"]).0, 2);
}

#[test]
fn a_wrong_key_is_refused() {
    let server = Server::start();
    let (code, error) =
        server.fail(&["permission", "check", "document:plan#view@user:ann", "--token", "wrong"]);
    assert_eq!(code, 2);
    assert!(error.starts_with("error: PERMISSION_DENIED"), "{error}");
}

#[test]
fn what_does_not_exist_yet_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.yaml"), "schema: 'definition'\n").unwrap();
    for arguments in [
        vec!["serve", "--http-enabled", "--http-addr", "nowhere"],
        vec!["serve", "--metrics-enabled", "--metrics-addr", "nowhere"],
        vec!["serve", "--datastore-gc-window", "soon"],
        vec!["serve", "--grpc-addr", "nowhere"],
        vec!["serve", "--bootstrap", "bad.yaml"],
        vec!["serve", "--bootstrap", "none.yaml"],
        vec!["serve", "--log-level", "kilwa=loud"],
        vec!["serve", "--log-level", "loud"],
        vec!["serve", "--log-level", "info,loud"],
        vec!["serve", "--dispatch-max-depth", "0"],
        vec!["serve", "--datastore-gc-interval", "0"],
        vec!["serve", "--datastore-gc-interval", "0.1ns"],
        vec!["serve", "--max-check-duration", "0s"],
        vec!["serve", "--max-check-visits", "0"],
        vec!["serve", "--max-check-reads", "0"],
        vec!["serve", "--write-relationships-max-updates-per-call", "0"],
        vec!["serve", "--max-read-relationships-limit", "0"],
        vec!["serve", "--max-delete-relationships-limit", "0"],
    ] {
        let output = kilwa(folder.path()).args(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with("error"), "{arguments:?}: {error}");
    }
}

#[test]
fn writes_can_require_a_permission_set_a_relation_and_forget_an_object() {
    let server = Server::start();
    let create = ["relationship", "create", "document:plan#viewer@user:dan"];
    let required = |who: &str| format!("document:plan#view@user:{who}");
    let (code, error) = server.fail(&[&create[..], &["--require", &required("bob")]].concat());
    assert_eq!(code, 2, "{error}");
    assert!(
        error.contains("the write requires `view` on `document:plan` for `user:bob`"),
        "{error}"
    );
    server.ask(&[&create[..], &["--require", &required("ann")]].concat());
    let monday = ["--require", &required("cat"), "--require-context", r#"{"day": "monday"}"#];
    let set = ["relationship", "set", "document:plan", "viewer", "user:ann", "user:eve[on_day]"];
    let done = server.ask(&[&set[..], &monday].concat());
    let marks: Vec<&str> = done.lines().collect();
    assert_eq!(
        marks[..3],
        [
            "+ document:plan#viewer@user:eve[on_day]",
            "- document:plan#viewer@user:cat[on_day]",
            "- document:plan#viewer@user:dan",
        ]
    );
    let json =
        server.ask(&["relationship", "set", "document:plan", "viewer", "user:ann", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["removed"], serde_json::json!(["document:plan#viewer@user:eve[on_day]"]));
    let dry = server.ask(&["relationship", "delete-object", "document:plan", "--dry-run"]);
    assert!(dry.starts_with("2 as resource and 0 as subject would be deleted\n"), "{dry}");
    let done = server.ask(&["relationship", "delete-object", "document:plan"]);
    assert!(done.starts_with("2 as resource and 0 as subject deleted\n"), "{done}");
    assert_eq!(server.ask(&["relationship", "read", "document"]), "");
}
