//! Trees and lists of subjects on the command line.

use crate::program;
use crate::served::Served;
use crate::server_support::KEY;
use std::process::Output;

const FILE: &str = "\
schema: |-
  caveat dry(b int) { b == 1 }
  definition user {}
  definition team {
    relation member: user
  }
  definition document {
    relation viewer: user | user:* | team#member
    relation banned: user | user with dry
    permission view = viewer - banned
  }
relationships: |-
  document:plan#viewer@user:ann
  document:plan#viewer@user:zoe
  document:plan#viewer@team:eng#member
  document:plan#banned@user:bob[dry]
  document:open#viewer@user:*
  document:open#viewer@user:zoe
  document:open#banned@user:ann
  document:open#banned@user:bob[dry]
  team:eng#member@user:bob
";

struct Shell {
    server: Served,
    folder: tempfile::TempDir,
}

impl Shell {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("start.yaml");
        std::fs::write(&file, FILE).unwrap();
        let server = Served::bootstrapped(&folder.path().join("data"), &file);
        Self { server, folder }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        program::kilwa()
            .args(arguments)
            .env("KILWA_ENDPOINT", self.server.endpoint())
            .env("KILWA_TOKEN", KEY)
            .env("XDG_DATA_HOME", self.folder.path())
            .output()
            .unwrap()
    }

    /// What a command prints that succeeds: to standard output and to standard error.
    fn printed(&self, arguments: &[&str]) -> (String, String) {
        let output = self.run(arguments);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, error) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{arguments:?}: {error}");
        (out, error)
    }
}

#[test]
fn trees_are_drawn_and_listed_for_programs() {
    let shell = Shell::new();
    let (tree, _) = shell.printed(&["permission", "expand", "view", "document:plan"]);
    let drawn = "\
document:plan#view exclusion
├─ document:plan#viewer
│  ├─ user:ann
│  ├─ user:zoe
│  └─ team:eng#member
└─ document:plan#banned
   └─ user:bob
";
    assert_eq!(tree, drawn);
    let (empty, _) = shell.printed(&["permission", "expand", "banned", "document:other"]);
    assert_eq!(empty, "document:other#banned no subjects\n");
    let (json, _) = shell.printed(&["permission", "expand", "view", "document:plan", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["expandedAt"]["token"].is_string());
    assert_eq!(json["tree"]["operation"], "exclusion");
    assert_eq!(json["tree"]["children"][1]["owner"], "document:plan#banned");
    assert_eq!(json["tree"]["children"][1]["subjects"][0], "user:bob");
}

#[test]
fn subjects_are_listed_with_what_they_lack() {
    let shell = Shell::new();
    let list = |more: &[&str]| {
        let start = ["permission", "lookup-subjects", "document:plan", "view"];
        shell.printed(&[&start, more].concat()).0
    };
    assert_eq!(list(&["user"]), "user:ann\nuser:bob lacks `b`\nuser:zoe\n");
    assert_eq!(list(&["user", "--caveat-context", r#"{"b": 1}"#]), "user:ann\nuser:zoe\n");
    assert_eq!(
        list(&["user", "--caveat-context", r#"{"b": 2}"#]),
        "user:ann\nuser:bob\nuser:zoe\n"
    );
    assert_eq!(list(&["team#member"]), "team:eng#member\n");
    let open = ["permission", "lookup-subjects", "document:open", "view", "user"];
    let (open_list, _) = shell.printed(&open);
    assert_eq!(open_list, "user:* except user:ann, user:bob lacks `b`\nuser:zoe\n");
    let (json, _) = shell.printed(&[&open[..], &["--json"]].concat());
    let rows: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows[0]["subject"], "user:*");
    assert_eq!(rows[0]["permissionship"], "PERMISSIONSHIP_HAS_PERMISSION");
    assert_eq!(rows[0]["excluded"][0]["subject"], "user:ann");
    assert_eq!(rows[0]["excluded"][0]["permissionship"], "PERMISSIONSHIP_NO_PERMISSION");
    assert_eq!(rows[0]["excluded"][1]["partialCaveatInfo"]["missingRequiredContext"][0], "b");
    assert_eq!(rows[1]["subject"], "user:zoe");
}

#[test]
fn pages_go_on_where_they_ended() {
    let shell = Shell::new();
    let start = ["permission", "lookup-subjects", "document:plan", "view", "user"];
    let first = [&start[..], &["--page-limit", "2"]].concat();
    let (page, note) = shell.printed(&first);
    assert_eq!(page, "user:ann\nuser:bob lacks `b`\n");
    let (_, cursor) = note.trim().split_once("--cursor ").unwrap();
    let (rest, note) = shell.printed(&[&first[..], &["--cursor", cursor]].concat());
    assert_eq!((rest.as_str(), note.as_str()), ("user:zoe\n", ""));
    let other = shell.run(&[&start[..], &["--cursor", cursor]].concat());
    assert_eq!(other.status.code(), Some(2));
    assert!(String::from_utf8(other.stderr).unwrap().contains("INVALID_CURSOR"));
}

#[test]
fn missing_things_are_reported() {
    let shell = Shell::new();
    for (arguments, reason) in [
        (["expand", "nothing", "document:plan", "--json"], "nothing"),
        (["expand", "view", "plan", "--json"], "plan"),
        (["lookup-subjects", "document:plan", "view", "alien"], "alien"),
    ] {
        let output = shell.run(&[&["permission"][..], &arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains(reason), "{arguments:?}");
    }
}
