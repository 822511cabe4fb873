//! `kilwa permission list`, `kilwa schema reflect|diff|copy`, `--as-of` and `kilwa serve-testing`, all the real binary.

use crate::cli_serve::{Server, kilwa};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Output, Stdio};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn what_a_subject_may_do_is_listed() {
    let server = Server::start();
    let listed = server.ask(&["permission", "list", "document:plan", "user:ann"]);
    assert_eq!(listed, "view true\n");
    let arguments = ["permission", "list", "document:plan", "user:cat", "--permission"];
    let listed = server.ask(&[&arguments[..], &["view,viewer,banned"]].concat());
    assert_eq!(
        listed,
        "view caveated (lacks `day`)\nviewer caveated (lacks `day`)\nbanned false\n"
    );
    let context = ["view", "--caveat-context", r#"{"day": "monday"}"#];
    assert_eq!(server.ask(&[&arguments[..], &context].concat()), "view true\n");
    let json = server.ask(&["permission", "list", "document:plan", "user:bob", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let expected = serde_json::json!([
        {"permission": "view", "permissionship": "PERMISSIONSHIP_NO_PERMISSION"}
    ]);
    assert_eq!(json["permissions"], expected);
    let (code, error) = server.fail(&["permission", "list", "paper:plan", "user:ann"]);
    assert_eq!(code, 2);
    assert!(error.contains("UNKNOWN_DEFINITION"), "{error}");
}

#[test]
fn times_of_day_are_moments() {
    let server = Server::start();
    let check = ["permission", "check", "document:plan#view@user:ann", "--as-of"];
    for (time, reason) in [
        ("9999-01-01T00:00:00Z", "lies in the future"),
        ("1999-01-01T00:00:00Z", "lies before the history that is kept"),
        ("yesterday", "is not a point in time"),
    ] {
        let (code, error) = server.fail(&[&check[..], &[time]].concat());
        assert_eq!(code, 2);
        assert!(error.contains(reason), "{error}");
    }
    for command in [
        &["relationship", "read", "document"][..],
        &["permission", "bulk", "document:b#view@user:d"],
    ] {
        let (code, error) = server.fail(&[command, &["--as-of", "9999-01-01T00:00:00Z"]].concat());
        assert_eq!(code, 2);
        assert!(error.contains("lies in the future"), "{error}");
    }
}

#[test]
fn a_schema_is_shown_in_structure() {
    let server = Server::start();
    let shown = server.ask(&["schema", "reflect"]);
    let expected = "\
definition document
  relation viewer: user | user with on_day
  relation banned: user
  permission view
definition user
caveat on_day(day string) { day == \"monday\" }
";
    assert_eq!(shown, expected);
    let shown = server.ask(&["schema", "reflect", "--caveat", "on"]);
    assert_eq!(shown, "caveat on_day(day string) { day == \"monday\" }\n");
    let shown = server.ask(&["schema", "reflect", "--definition", "doc", "--relation", "ban"]);
    assert_eq!(shown, "definition document\n  relation banned: user\n  permission view\n");
    let json = server.ask(&["schema", "reflect", "--definition", "doc", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let forms = &json["definitions"][0]["relations"][0]["subjectTypes"];
    let expected = serde_json::json!([
        {"subjectDefinitionName": "user", "isTerminalSubject": true},
        {
            "subjectDefinitionName": "user",
            "optionalCaveatName": "on_day",
            "isTerminalSubject": true
        },
    ]);
    assert_eq!(*forms, expected);
    let (code, _) = server.fail(&["schema", "reflect", "--relation", "ban"]);
    assert_eq!(code, 2);
}

const SMALLER: &str = "definition user {}
definition document {
  relation viewer: user | user:*
  permission view = viewer
}
";

#[test]
fn schemas_are_compared() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let smaller = write("smaller.zed", SMALLER);
    let expected = "\
removed caveat on_day [breaking: relationships can no longer carry it]
removed relation document#banned [breaking: its relationships become invalid, and requests that name it fail]
changed permission document#view
  - viewer - banned
  + viewer
removed subject of relation document#viewer: user with on_day [breaking: relationships with this subject type become invalid]
added subject of relation document#viewer: user:*
";
    assert_eq!(server.ask(&["schema", "diff", &smaller]), expected);
    let stored = write("stored.zed", &server.ask(&["schema", "read"]));
    assert_eq!(server.ask(&["schema", "diff", &stored, &smaller]), expected);
    assert_eq!(server.ask(&["schema", "diff", &stored]), "");
    let same = server.run(&["schema", "diff", &stored, "--error-on-difference"]);
    assert_eq!(same.status.code(), Some(0));
    let other = server.run(&["schema", "diff", &stored, &smaller, "--error-on-difference"]);
    assert_eq!((other.status.code(), text(&other.stdout).as_str()), (Some(1), expected));
    let json = server.ask(&["schema", "diff", &stored, &smaller, "--json"]);
    let first = json.lines().next().unwrap();
    let wanted = r#"{"change":"removed","what":"caveat","name":"on_day","breaking":true,"#;
    assert!(first.starts_with(wanted), "{first}");
    let third: serde_json::Value = serde_json::from_str(json.lines().nth(2).unwrap()).unwrap();
    assert_eq!((&third["before"], &third["after"]), (&"viewer - banned".into(), &"viewer".into()));

    let breaking = |before: &str, after: &str| {
        server.run(&["schema", "diff", before, after, "--error-on-breaking"]).status.code()
    };
    assert_eq!(breaking(&stored, &smaller), Some(1));
    let wider = write("wider.zed", &SMALLER.replace("view = viewer", "view = viewer + self"));
    let wider_text = std::fs::read_to_string(&wider).unwrap();
    std::fs::write(&wider, format!("use self\n{wider_text}")).unwrap();
    assert_eq!(breaking(&smaller, &wider), Some(0));
    let broken = write("broken.zed", "definition {");
    let (code, error) = server.fail(&["schema", "diff", &stored, &broken]);
    assert_eq!(code, 2);
    assert!(error.contains("cannot be compared"), "{error}");
}

#[test]
fn a_port_that_is_taken_is_reported_with_its_own_option() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (own, other) in
        [("--readonly-grpc-addr", "--grpc-addr"), ("--grpc-addr", "--readonly-grpc-addr")]
    {
        let mut command = kilwa(folder.path());
        command.args(["serve-testing", own, &taken, other, "127.0.0.1:0"]);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(&format!("another address with `{own}`")), "{error}");
    }
}

/// A server for tests in a process of its own. It is killed when it is dropped.
struct Testing {
    process: Child,
    all: String,
    read_only: String,
}

impl Testing {
    fn start(folder: &Path, options: &[&str]) -> Self {
        let mut process = kilwa(folder)
            .args(["serve-testing", "--grpc-addr", "127.0.0.1:0"])
            .args(["--readonly-grpc-addr", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut address = || {
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            line.trim().rsplit(' ').next().unwrap().to_owned()
        };
        let (all, read_only) = (address(), address());
        Self { process, all, read_only }
    }
}

impl Drop for Testing {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn at(folder: &Path, address: &str, key: &str, arguments: &[&str]) -> Output {
    let mut command = kilwa(folder);
    command.args(arguments).env("KILWA_ENDPOINT", address).env("KILWA_TOKEN", key);
    command.output().unwrap()
}

#[test]
fn tests_are_served_with_what_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    file(
        "one.yaml",
        "schema: |-\n  use expiration\n  definition user {}\n  definition document {\n    relation viewer: user with expiration\n    permission view = viewer\n  }\nrelationships: document:plan#viewer@user:ann[expiration:9000-01-01T00:00:00Z]\n",
    );
    file(
        "two.yaml",
        "schema: |-\n  use self\n  definition person {\n    permission itself = self\n  }\nrelationships: ''\n",
    );
    let server = Testing::start(folder.path(), &["--load-configs", "one.yaml,two.yaml"]);
    let check = ["permission", "check", "document:plan#view@user:ann"];
    let answer = |address: &str, key: &str, arguments: &[&str]| {
        let output = at(folder.path(), address, key, arguments);
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    for key in ["red", "blue"] {
        assert_eq!(answer(&server.all, key, &check).1, "true\n");
        assert_eq!(answer(&server.read_only, key, &check).1, "true\n");
        let itself = ["permission", "check", "person:x#itself@person:x"];
        assert_eq!(answer(&server.all, key, &itself).1, "true\n");
    }
    let touch =
        ["relationship", "touch", "document:plan#viewer@user:bob[expiration:9000-01-01T00:00:00Z]"];
    let (code, _, error) = answer(&server.read_only, "red", &touch);
    assert_eq!(code, 2);
    assert!(error.contains("UNAVAILABLE (SERVICE_READ_ONLY): service read-only"), "{error}");
    assert_eq!(answer(&server.all, "red", &touch).0, 0);
    let bob = ["permission", "check", "document:plan#view@user:bob"];
    assert_eq!(answer(&server.read_only, "red", &bob).1, "true\n");
    assert_eq!(answer(&server.all, "blue", &bob).1, "false\n");

    file("three.yaml", "schema: 'definition user {}'\nrelationships: ''\n");
    for files in ["none.yaml", "one.yaml,three.yaml"] {
        let arguments =
            ["serve-testing", "--grpc-addr=127.0.0.1:0", "--readonly-grpc-enabled=false"];
        let output =
            kilwa(folder.path()).args(arguments).args(["--load-configs", files]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{files}");
    }
}

#[test]
fn a_schema_is_copied() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let other = Testing::start(folder.path(), &[]);
    let arguments = ["schema", "copy", "--to-endpoint", &other.all, "--to-token", "red"];
    assert!(!server.ask(&arguments).is_empty());
    let read = at(folder.path(), &other.all, "red", &["schema", "read"]);
    assert_eq!(text(&read.stdout), server.ask(&["schema", "read"]));
    let (code, error) = server.fail(&["schema", "copy", "--to-endpoint", &other.read_only]);
    assert_eq!(code, 2);
    assert!(error.contains("SERVICE_READ_ONLY"), "{error}");
}

#[test]
fn a_server_can_be_read_only() {
    let server = Server::start_with(&["--datastore-readonly"]);
    let answer = server.ask(&["permission", "check", "document:plan#view@user:ann"]);
    assert_eq!(answer, "true\n");
    let touch = ["relationship", "touch", "document:plan#viewer@user:bob"];
    let (code, error) = server.fail(&touch);
    assert_eq!(code, 2);
    assert!(error.contains("UNAVAILABLE (SERVICE_READ_ONLY)"), "{error}");
}
