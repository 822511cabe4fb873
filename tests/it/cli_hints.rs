//! What commands say when something does not fit: names that were misspelt, lines that exist already, calls that break off.

use crate::program;
use crate::served::Served;
use crate::server_support::KEY;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const SCHEMA: &str = "definition user {}
definition document {
	relation viewer: user
	relation owner: user
	permission view = viewer + owner
}
";

/// A server with a schema, and a folder.
struct Office {
    server: Served,
    folder: TempDir,
}

impl Office {
    fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let logged = ["--log-level", "info,kilwa::calls=debug"];
        let server = Served::start_with(&folder.path().join("data"), &logged);
        let office = Self { server, folder };
        office.file("schema.zed", SCHEMA);
        office.printed(&["schema", "write", "schema.zed"], 0);
        office
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program::kilwa();
        command.current_dir(self.folder.path()).args(arguments);
        command.env("KILWA_ENDPOINT", self.server.endpoint()).env("KILWA_TOKEN", KEY);
        command.stdin(Stdio::null());
        command
    }

    /// What a command prints on both streams, which ends with `code`.
    #[track_caller]
    fn printed(&self, arguments: &[&str], code: i32) -> String {
        let output = self.command(arguments).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {printed}");
        printed
    }

    fn relationships(&self) -> usize {
        self.printed(&["relationship", "read", "document", "--consistency-full"], 0).lines().count()
    }
}

#[test]
fn a_misspelt_name_gets_the_known_one() {
    let office = Office::open();
    for (arguments, near) in [
        (&["permission", "check", "documnt:plan", "view", "user:ann"][..], "document"),
        (&["permission", "check", "document:plan", "veiw", "user:ann"], "view"),
        (&["permission", "lookup-resources", "documents", "view", "user:ann"], "document"),
        (&["relationship", "touch", "document:plan", "viewr", "user:ann"], "viewer"),
        (&["relationship", "read", "documnt"], "document"),
        (&["relationship", "watch", "documnt"], "document"),
        (&["relationship", "watch", "--filter", "documnt:plan"], "document"),
    ] {
        let printed = office.printed(arguments, 2);
        assert!(printed.contains(&format!("did you mean `{near}`?")), "{arguments:?}: {printed}");
    }
    let printed = office.printed(&["permission", "check", "planet:earth", "view", "user:ann"], 2);
    assert!(!printed.contains("did you mean"), "{printed}");
}

#[test]
fn a_watch_names_a_token_only_if_it_can_be_resumed_from() {
    let office = Office::open();
    let refused = office.printed(&["relationship", "watch", "--revision", "garbage"], 2);
    assert!(!refused.contains("resume"), "{refused}");

    // Without an event too, once the watch has read the schema. The server logs that before the watch knows it, which the
    // end of the server can forestall.
    let mut error = String::new();
    for _ in 0..20 {
        error = error_of_watch_without_events();
        if error.contains("resume with `--revision ") {
            return;
        }
    }
    panic!("no token is named: {error}");
}

/// What a watch says when its server ends after it has read the schema, and before any event.
fn error_of_watch_without_events() -> String {
    let office = Office::open();
    let mut command = office.command(&["relationship", "watch"]);
    let mut watch = command.stderr(Stdio::piped()).spawn().unwrap();
    office.server.await_line("ReadSchema");
    office.server.signal("KILL");
    let mut error = String::new();
    watch.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert_eq!(watch.wait().unwrap().code(), Some(2));
    error
}

#[test]
fn a_watch_says_that_the_server_went_away() {
    let office = Office::open();
    let mut command = office.command(&["relationship", "watch", "--checkpoints"]);
    let mut watch = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(watch.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("checkpoint "), "{line}");
    office.server.signal("KILL");
    let mut error = String::new();
    watch.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert_eq!(watch.wait().unwrap().code(), Some(2));
    let lost = format!("the connection to `{}` was lost", office.server.endpoint());
    assert!(error.contains(&lost) && error.contains("resume with `--revision "), "{error}");
}

#[test]
fn an_import_names_the_lines_that_exist_already_and_counts_without_writing() {
    let office = Office::open();
    let lines =
        "document:a#viewer@user:ann\n\ndocument:b#viewer@user:ann\ndocument:a#viewer@user:ann\n";
    office.file("twice.txt", lines);
    let import = ["relationship", "bulk-import", "twice.txt"];
    let printed = office.printed(&import, 2);
    assert!(printed.contains("lines 1, 4, the same relationship"), "{printed}");
    assert!(printed.contains("`kilwa relationship touch -`"), "{printed}");
    assert_eq!(office.relationships(), 0);

    let dry_run = [&import[..], &["--dry-run"]].concat();
    assert_eq!(office.printed(&dry_run, 0), "3 would be created; nothing was written\n");
    let json = office.printed(&[&dry_run[..], &["--json"]].concat(), 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, serde_json::json!({"dryRun": true, "valid": 3}));
    assert_eq!(office.relationships(), 0);
    office.file("wrong.txt", "document:a#viewer@user:ann\ndocument:b#viewr@user:ann\n");
    let wrong = office.printed(&["relationship", "bulk-import", "--dry-run", "wrong.txt"], 2);
    assert!(wrong.contains("line 2: "), "{wrong}");

    // The hint leads to success, and one line that exists is named alone.
    let mut touch = office.command(&["relationship", "touch", "-"]);
    let mut touch = touch.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    touch.stdin.take().unwrap().write_all(b"document:b#viewer@user:ann\n").unwrap();
    assert!(touch.wait().unwrap().success());
    office.file("once.txt", "document:c#viewer@user:ann\ndocument:b#viewer@user:ann\n");
    let once = office.printed(&["relationship", "bulk-import", "once.txt"], 2);
    assert!(once.contains("error: line 2: ALREADY_EXISTS"), "{once}");
}

#[test]
fn a_schema_that_removes_a_relation_says_how_to_delete_what_is_in_the_way() {
    let office = Office::open();
    for name in ["ann", "ben", "cat"] {
        office
            .printed(&["relationship", "touch", "document:a", "owner", &format!("user:{name}")], 0);
    }
    let changed = SCHEMA.replace("\trelation owner: user\n", "").replace(" + owner", "");
    office.file("changed.zed", &changed);
    let dry_run = ["schema", "write", "changed.zed", "--dry-run"];
    let printed = office.printed(&dry_run, 1);
    assert!(printed.contains("relationships in the way: 3"), "{printed}");
    // The commands that it names make way.
    let commands: Vec<&str> = printed
        .split('`')
        .filter(|text| text.starts_with("kilwa relationship bulk-delete "))
        .collect();
    assert!(!commands.is_empty(), "{printed}");
    for command in commands {
        let words = command.replace('\'', "");
        office.printed(&words.split(' ').skip(1).collect::<Vec<_>>(), 0);
    }
    office.printed(&dry_run, 0);
}

#[test]
fn reports_of_validation_keep_code_and_help() {
    let office = Office::open();
    office.file("wrong.zed", &SCHEMA.replace("owner: user", "owner: usr"));
    for format in ["github", "junit"] {
        let printed = office.printed(&["schema", "check", "--format", format, "wrong.zed"], 2);
        assert!(printed.contains("did you mean `user`?"), "{printed}");
        assert!(printed.contains("[unknown-"), "{printed}");
    }
}

#[test]
fn a_failed_expected_relation_says_why() {
    let office = Office::open();
    let schema = SCHEMA.replace('\n', "\n  ").replace('\t', "  ");
    let expected = "validation:\n  document:a#view:\n    - \"[user:ben] is <document:a#viewer>\"\n";
    let lines = "relationships: document:a#owner@user:ann\n";
    office.file("file.yaml", &format!("schema: |-\n  {}\n{lines}{expected}", schema.trim_end()));
    for (format, found, missing) in [
        ("text", "✓ document:a#view", "✗ document:a#view"),
        ("github", "%0A✓ document:a#view", "%0A✗ document:a#view"),
        ("junit", "✓ document:a#view", "✗ document:a#view"),
        ("json", "\"explanation\": {", "\"explanation\": {"),
    ] {
        let printed = office.printed(&["validate", "--format", format, "file.yaml"], 1);
        assert!(printed.contains(found) && printed.contains(missing), "{format}: {printed}");
    }
}

#[test]
fn differences_are_annotations_of_a_workflow() {
    let office = Office::open();
    office.file("spaces.zed", &SCHEMA.replace("\tpermission", "  permission"));
    let check = ["schema", "format", "--check", "--format", "github", "*.zed"];
    let printed = office.printed(&check, 1);
    assert!(printed.starts_with("::error file=spaces.zed,line=5::not formatted"), "{printed}");
    office.file("spaces.zed", SCHEMA.trim_end().trim_end_matches('}'));
    let printed = office.printed(&check, 2);
    let line = SCHEMA.trim_end().lines().count() - 1;
    let start = format!("::error file=spaces.zed,line={line},col=");
    assert!(printed.starts_with(&start) && printed.contains("[expected-end]"), "{printed}");
    office.file("less.zed", &SCHEMA.replace("viewer + owner", "viewer"));
    let diff = ["schema", "diff", "schema.zed", "less.zed", "--format", "github"];
    let printed = office.printed(&diff, 0);
    let start = "::warning file=less.zed,line=5::changed permission document#view [breaking:";
    assert!(printed.starts_with(start), "{printed}");
    assert_eq!(printed.lines().count(), 1, "{printed}");
}

#[test]
fn a_difference_is_annotated_where_it_is_written_in_an_imported_file() {
    let office = Office::open();
    let group = "definition group {\n\trelation member: user\n\trelation gone: user\n\tpermission any = member\n}\n";
    let caveat = "caveat small(size int) {\n\tsize < 10\n}\n\n";
    let root =
        "use import\n\nimport \"parts/group.zed\"\n\ndefinition user {}\n\ndefinition old {}\n";
    for (folder, group, root) in [
        ("before", format!("{caveat}{group}"), root.to_owned()),
        (
            "after",
            format!(
                "{}{}",
                caveat.replace("10", "5"),
                group
                    .replace("\trelation gone: user\n", "")
                    .replace("relation member: user", "relation member: user | group#member")
            ),
            root.replace("definition old {}\n", "definition new {}\n"),
        ),
    ] {
        fs::create_dir_all(office.folder.path().join(folder).join("parts")).unwrap();
        fs::write(office.folder.path().join(folder).join("parts/group.zed"), group).unwrap();
        fs::write(office.folder.path().join(folder).join("root.zed"), root).unwrap();
    }

    let diff = ["schema", "diff", "before/root.zed", "after/root.zed", "--format", "github"];
    let printed = office.printed(&diff, 0);
    let places: Vec<&str> = printed.lines().map(|line| line.split(" [").next().unwrap()).collect();
    let part = "file=after/parts/group.zed";
    let expected = [
        "::notice file=after/root.zed,line=7::added definition new".to_owned(),
        // What is gone stands nowhere.
        "::warning file=after/root.zed,line=1::removed definition old".to_owned(),
        format!("::warning {part},line=5::removed relation group#gone"),
        format!("::notice {part},line=6::added subject of relation group#member: group#member"),
        format!("::warning {part},line=1::changed caveat small"),
    ];
    assert_eq!(places, expected, "{printed}");
}

#[test]
fn what_is_gone_is_said_to_have_been_in_its_file() {
    let office = Office::open();
    for folder in ["before/parts", "after/parts"] {
        fs::create_dir_all(office.folder.path().join(folder)).unwrap();
    }
    let user = "definition user {}\n";
    office.file(
        "before/root.zed",
        &format!("use import\nimport \"parts/a.zed\"\nimport \"parts/b.zed\"\n{user}"),
    );
    office.file("before/parts/a.zed", "definition kept {}\n\ndefinition gone {}\n");
    office.file("before/parts/b.zed", "\n\ndefinition whole {}\n");
    office.file("after/root.zed", &format!("use import\nimport \"parts/a.zed\"\n{user}"));
    office.file("after/parts/a.zed", "definition kept {}\n");

    let diff = ["schema", "diff", "before/root.zed", "after/root.zed", "--format"];
    let printed = office.printed(&[&diff[..], &["github"]].concat(), 0);
    let mut lines: Vec<&str> = printed.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 2, "{printed}");
    for (line, start, end) in [
        // Its file is there still, or is gone with it.
        (
            lines[0],
            "file=after/parts/a.zed,line=1::removed definition gone ",
            "before/parts/a.zed:3",
        ),
        (lines[1], "file=after/root.zed,line=1::removed definition whole ", "before/parts/b.zed:3"),
    ] {
        assert!(line.starts_with(&format!("::warning {start}")), "{line}");
        assert!(line.ends_with(&format!("%0Ait was in {end}")), "{line}");
    }
    let printed = office.printed(&[&diff[..], &["junit"]].concat(), 0);
    assert!(printed.contains("name=\"removed definition whole\""), "{printed}");
    assert!(printed.contains("it was in before/parts/b.zed:3"), "{printed}");
}

#[test]
fn a_schema_that_cannot_be_compared_is_reported_in_the_form_of_the_differences() {
    let office = Office::open();
    office.file("wrong.zed", &SCHEMA.replace("owner: user", "owner: usr"));
    for (files, file) in
        [(["schema.zed", "wrong.zed"], "wrong.zed"), (["wrong.zed", "schema.zed"], "wrong.zed")]
    {
        let printed = |form: &[&str]| {
            let output =
                office.command(&[&["schema", "diff"], &files[..], form].concat()).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{output:?}");
            let error = String::from_utf8(output.stderr).unwrap();
            assert!(error.contains(&format!("`{file}` cannot be compared")), "{error}");
            String::from_utf8(output.stdout).unwrap()
        };
        let annotations = printed(&["--format", "github"]);
        let start = "::error file=wrong.zed,line=4,col=18::";
        assert!(annotations.starts_with(start), "{annotations}");
        assert!(annotations.contains("did you mean `user`?"), "{annotations}");
        let report = printed(&["--format", "junit"]);
        assert!(
            report.contains("tests=\"1\" skipped=\"0\" failures=\"0\" errors=\"1\""),
            "{report}"
        );
        assert!(report.contains("wrong.zed:4:18"), "{report}");
        let json: serde_json::Value = serde_json::from_str(&printed(&["--json"])).unwrap();
        assert_eq!((&json["severity"], &json["line"]), (&"error".into(), &4.into()), "{json}");
        assert_eq!(printed(&[]), "");
    }

    let missing = ["schema", "diff", "schema.zed", "none.zed", "--format"];
    let annotation = office.printed(&[&missing[..], &["github"]].concat(), 2);
    assert!(
        annotation.starts_with("::error file=none.zed::`none.zed` cannot be read"),
        "{annotation}"
    );
    let report = office.printed(&[&missing[..], &["junit"]].concat(), 2);
    assert!(
        report.contains("errors=\"1\"") && report.contains("`none.zed` cannot be read"),
        "{report}"
    );
    let check = ["schema", "format", "--check", "--format", "github", "none.zed"];
    let annotation = office.printed(&check, 2);
    assert!(
        annotation.starts_with("::error file=none.zed::`none.zed` cannot be read"),
        "{annotation}"
    );
}

#[test]
fn differences_are_a_report_in_junit_xml() {
    let office = Office::open();
    office.file("spaces.zed", &SCHEMA.replace("\tpermission", "  permission"));
    office.file("wrong.zed", &SCHEMA.replace("owner: user", "owner user"));
    let check = ["schema", "format", "--check", "--format", "junit"];
    let printed = office.printed(&[&check[..], &["schema.zed"]].concat(), 0);
    assert!(printed.contains("tests=\"1\" skipped=\"0\" failures=\"0\" errors=\"0\""), "{printed}");
    let printed = office.printed(&[&check[..], &["schema.zed", "spaces.zed"]].concat(), 1);
    assert!(printed.contains("tests=\"2\" skipped=\"0\" failures=\"1\" errors=\"0\""), "{printed}");
    assert!(printed.contains("message=\"spaces.zed:5: not formatted\""), "{printed}");
    let printed =
        office.printed(&[&check[..], &["wrong.zed", "none.zed", "spaces.zed"]].concat(), 2);
    assert!(printed.contains("tests=\"3\" skipped=\"0\" failures=\"1\" errors=\"2\""), "{printed}");
    assert!(
        printed.contains("wrong.zed:4:") && printed.contains("`none.zed` cannot be read"),
        "{printed}"
    );

    office.file("less.zed", &SCHEMA.replace("viewer + owner", "viewer"));
    let diff = ["schema", "diff", "--format", "junit"];
    for (before, after, flag, counts, code) in [
        ("schema.zed", "schema.zed", "--error-on-difference", (1, 0), 0),
        ("schema.zed", "less.zed", "--error-on-breaking", (1, 1), 1),
        ("less.zed", "schema.zed", "--error-on-breaking", (1, 0), 0),
        ("less.zed", "schema.zed", "--error-on-difference", (1, 1), 1),
    ] {
        let printed = office.printed(&[&diff[..], &[before, after, flag]].concat(), code);
        let (tests, failures) = counts;
        let counts =
            format!("tests=\"{tests}\" skipped=\"0\" failures=\"{failures}\" errors=\"0\"");
        assert!(printed.contains(&counts), "{before} {after} {flag}: {printed}");
        if before != after {
            assert!(
                printed.contains("testcase name=\"changed permission document#view\""),
                "{printed}"
            );
            assert!(printed.contains(&format!("{after}:5: changed permission")), "{printed}");
        }
    }
}

#[test]
fn results_are_printed_as_json_on_request() {
    let office = Office::open();
    office.file("data.yaml", "relationships: |-\n  document:a#viewer@user:ann\n");
    let backup = ["backup", "create", "all.backup", "--json"];
    let restore = ["backup", "restore", "all.backup", "--conflict-strategy", "touch", "--json"];
    for (arguments, key, value) in [
        (&["health", "--json"][..], "status", serde_json::json!("SERVING")),
        (&["import", "data.yaml", "--schema=false", "--json"], "relationships", 1.into()),
        (&backup, "relationships", 1.into()),
        (&restore, "relationships", 1.into()),
    ] {
        let json = office.printed(arguments, 0);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json[key], value, "{arguments:?}");
    }
    let refused = office.printed(&["relationship", "bulk-export", "--json"], 2);
    assert!(refused.contains("unexpected argument '--json'"), "{refused}");
    assert!(!refused.contains("as a value"), "{refused}");
}

#[test]
fn a_bootstrap_is_counted_in_the_log() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("data.yaml");
    let lines =
        "document:a#viewer@user:ann\n  document:b#viewer@user:ann[expiration:2000-01-01T00:00:00Z]";
    let schema = "use expiration\n  definition user {}\n  definition document {\n    relation viewer: user | user with expiration\n  }";
    fs::write(&file, format!("schema: |-\n  {schema}\nrelationships: |-\n  {lines}\n")).unwrap();
    let data = folder.path().join("data");
    let server = Served::bootstrapped(&data, &file);
    let line = server.await_line("bootstrap: loaded");
    assert!(line.contains("relationships=2"), "{line}");
    let line = server.await_line("bootstrap: relationships that have expired");
    assert!(line.contains("expired=1"), "{line}");
}
