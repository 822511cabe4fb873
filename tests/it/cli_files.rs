//! Schema and validation files on the command line: which are read, as what, and what is reported about their errors.

use crate::cli_serve::Server;
use crate::program;
use crate::served::Served;
use crate::server_support::KEY;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const SCHEMA: &str = "\
definition user {}
definition document {
\trelation viewer: user
\tpermission view = viewer
}
";
const ASSERTIONS: &str = "\
relationships: |-
  document:plan#viewer@user:ann
assertions:
  assertTrue:
    - document:plan#view@user:ann
";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn kilwa(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program::kilwa();
    command.current_dir(folder).args(arguments).env_remove("KILWA_ENDPOINT");
    command.env("XDG_DATA_HOME", folder);
    command
}

/// Exit code, standard output and standard error.
fn run(folder: &TempDir, arguments: &[&str]) -> (i32, String, String) {
    said(kilwa(folder.path(), arguments).output().unwrap())
}

/// The same of a command that reads `input`.
fn feed(folder: &TempDir, arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut command = kilwa(folder.path(), arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    said(process.wait_with_output().unwrap())
}

fn said(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// What `kilwa validate` says about one file.
fn validated(name: &str, text: &str) -> (i32, String) {
    let (code, out, _) = run(&folder(&[(name, text)]), &["validate", name]);
    (code, out)
}

fn with_schema(rest: &str) -> String {
    let schema = SCHEMA.replace('\t', "  ").trim_end().replace('\n', "\n  ");
    format!("schema: |-\n  {schema}\n{rest}")
}

#[test]
fn a_schema_is_formatted_in_place_and_nothing_is_lost() {
    let text = "// licence\n\nuse  self // why\ndefinition zoo{}\n\n\n\ndefinition doc { // of zoos\n relation owner :zoo // one\n  /* inner */ permission own=owner+self\n // last\n}\n// the tail";
    let wanted = "// licence\n\nuse self // why\ndefinition zoo {}\n\ndefinition doc { // of zoos\n\trelation owner: zoo // one\n\t/* inner */\n\tpermission own = owner + self\n\t// last\n}\n// the tail\n";
    let folder = folder(&[("a.zed", text)]);
    let (code, out, error) = run(&folder, &["schema", "format", "--check", "a.zed"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(error.starts_with("a.zed:3: not formatted\n- use  self // why\n"), "{error}");
    assert!(error.contains("+ use self // why\n"), "{error}");
    assert!(error.contains("kilwa schema format --write a.zed"), "{error}");
    assert_eq!(run(&folder, &["schema", "format", "a.zed"]).1, wanted);
    assert_eq!(std::fs::read_to_string(folder.path().join("a.zed")).unwrap(), text);
    assert_eq!(run(&folder, &["schema", "format", "--write", "a.zed"]).0, 0);
    assert_eq!(std::fs::read_to_string(folder.path().join("a.zed")).unwrap(), wanted);
    assert_eq!(run(&folder, &["schema", "format", "--check", "a.zed"]).0, 0);

    let (_, canonical, _) = run(&folder, &["schema", "format", "--canonical", "a.zed"]);
    assert!(canonical.starts_with("use self\n\ndefinition doc {"), "{canonical}");
    for options in [["--canonical", "--write"], ["--canonical", "--check"]] {
        let arguments = [&["schema", "format", "a.zed"][..], &options].concat();
        assert_eq!(run(&folder, &arguments).0, 2, "{options:?}");
    }
}

#[test]
fn a_schema_on_standard_input_is_formatted() {
    let folder = folder(&[]);
    let (code, out, _) = feed(&folder, &["schema", "format", "-"], "definition  user{}");
    assert_eq!((code, out.as_str()), (0, "definition user {}\n"));
    let (code, _, error) =
        feed(&folder, &["schema", "format", "--check", "-"], "definition  user{}");
    assert_eq!(code, 1);
    assert!(error.starts_with("standard input:1: not formatted"), "{error}");
    assert_eq!(feed(&folder, &["schema", "format", "--write", "-"], "definition user {}").0, 2);
    assert_eq!(feed(&folder, &["schema", "format", "-"], "definition user {").0, 2);
}

#[test]
fn the_examples_are_formatted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for system in ["apollo", "dify", "gitpod", "gotify", "jetlinks"] {
        let file = format!("schema-examples/{system}/schema.zed");
        let output = kilwa(root, &["schema", "format", "--check", &file]).output().unwrap();
        assert_eq!(said(output), (0, String::new(), String::new()), "{file}");
    }
}

#[test]
fn a_schema_file_may_lie_anywhere() {
    let folder = folder(&[("schema.zed", SCHEMA)]);
    let absolute = folder.path().join("schema.zed").display().to_string();
    std::fs::create_dir_all(folder.path().join("tests/inner")).unwrap();
    for path in ["../schema.zed", "../tests/../schema.zed", "inner/../../schema.zed", &absolute] {
        let text = format!("schemaFile: {path}\n{ASSERTIONS}");
        std::fs::write(folder.path().join("tests/a.yaml"), text).unwrap();
        let (code, out, _) = run(&folder, &["validate", "tests/a.yaml"]);
        assert_eq!(code, 0, "{path}: {out}");
        let inside = folder.path().join("tests");
        let (code, out, _) = said(kilwa(&inside, &["validate", "a.yaml"]).output().unwrap());
        assert_eq!(code, 0, "{path}: {out}");
    }
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let folder = folder(&[("a.yaml", &format!("schemaFile: /dev/zero\n{ASSERTIONS}"))]);
    let (code, out, error) = run(&folder, &["validate", "a.yaml"]);
    assert_eq!(code, 2);
    assert!(format!("{out}{error}").contains("larger than 4194304 bytes"), "{out}{error}");
}

#[test]
fn a_file_has_a_largest_number_of_values() {
    let list = "\n- ".repeat(600_000);
    let folder = folder(&[("schema.zed", SCHEMA), ("a.yaml", &format!("x-many:{list}\n"))]);
    let (code, out, error) = run(&folder, &["validate", "a.yaml"]);
    assert_eq!(code, 2);
    assert!(format!("{out}{error}").contains("more than 500000 values"), "{out}{error}");
}

#[test]
fn annotations_name_files_from_here_and_each_fault_once() {
    let bad = SCHEMA.replace("= viewer", "= vewer");
    let folder = folder(&[
        ("policies/schema.zed", &bad),
        ("policies/one.yaml", &format!("schemaFile: schema.zed\n{ASSERTIONS}")),
        ("policies/two.yaml", &format!("schemaFile: ./schema.zed\n{ASSERTIONS}")),
        ("policies/tests/three.yaml", &format!("schemaFile: ../schema.zed\n{ASSERTIONS}")),
    ]);
    let absolute = folder.path().canonicalize().unwrap().join("policies/schema.zed");
    let four = format!("schemaFile: {}\n{ASSERTIONS}", absolute.display());
    std::fs::write(folder.path().join("policies/four.yaml"), four).unwrap();
    let (code, out, _) = run(&folder, &["validate", "--format", "github", "policies/**/*.yaml"]);
    assert_eq!(code, 2);
    let annotations: Vec<&str> = out.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(annotations.len(), 1, "{out}");
    assert!(
        annotations[0].starts_with("::error file=policies/schema.zed,line=4,col=20::"),
        "{out}"
    );
    assert_eq!(out.lines().filter(|line| line.ends_with("is invalid")).count(), 4, "{out}");

    let (_, out, _) = run(&folder, &["validate", "policies/one.yaml", "policies/tests/three.yaml"]);
    assert_eq!(out.matches("policies/schema.zed:4:20").count(), 1, "{out}");
}

#[test]
fn every_report_has_the_same_line_for_the_end_of_a_file() {
    for (text, line) in [
        ("definition user {}\ndefinition doc {\n\trelation reader: user\n", "3"),
        ("definition user {}\r\ndefinition doc {\r\n\trelation reader: user\r\n", "3"),
        ("definition user {}\ndefinition doc {\n\n\n", "4"),
        ("definition user {}\ndefinition doc {", "2"),
    ] {
        let folder = folder(&[("part.zed", text)]);
        let report =
            |format: &str| run(&folder, &["schema", "check", "--format", format, "part.zed"]).1;
        let (shown, github) = (report("text"), report("github"));
        let (_, place) = shown.split_once("part.zed:").unwrap();
        let place = place.lines().next().unwrap();
        let (shown_line, column) = place.split_once(':').unwrap();
        assert_eq!(shown_line, line, "{shown}");
        assert!(github.contains(&format!("file=part.zed,line={line},col={column}::")), "{github}");
        assert!(report("junit").contains(&format!("\"part.zed:{line}:{column}: error[")), "{text}");
        let json: serde_json::Value = serde_json::from_str(&report("json")).unwrap();
        let found = &json["files"][0]["diagnostics"][0];
        let number = |name: &str| found[name].to_string();
        assert_eq!([number("line"), number("column")], [line, column], "{json}");
        assert_eq!([number("end_line"), number("end_column")], [line, column], "{json}");
    }
}

#[test]
fn a_file_of_another_kind_is_said_to_be_one() {
    let owners = "owners:\n  - ann\nreviewers: [ben]\n";
    let folder = folder(&[
        ("policies/owners.yaml", owners),
        ("policies/none.yaml", "x-note: a\nrelationships: ''\n"),
    ]);
    let (code, out, _) = run(&folder, &["validate", "--format", "github", "policies/**/*.yaml"]);
    assert_eq!(code, 2);
    let of = |file: &str| {
        out.lines()
            .filter(|line| line.contains(&format!("file=policies/{file},")))
            .collect::<Vec<_>>()
    };
    let found = of("owners.yaml");
    let [line] = found.as_slice() else { panic!("{out}") };
    assert!(
        line.contains("not a validation file")
            && line.contains("by a pattern that matches validation files alone"),
        "{line}"
    );
    // One with a key of a validation file is one.
    let found = of("none.yaml");
    assert!(found[0].contains("the file has no schema"), "{out}");
}

#[test]
fn misspelt_blocks_are_errors() {
    for (key, hint) in [
        ("assertion:", "did you mean `assertions`?"),
        ("Assertions:", "did you mean `assertions`?"),
        ("validations:", "did you mean `validation`?"),
        ("relationship:", "did you mean `relationships`?"),
        ("tuples:", "did you mean `relationships`?"),
        ("schema_file:", "did you mean `schemaFile`?"),
        ("assertTrue:", "write `assertTrue` under `assertions:`, indented"),
        ("assert_false:", "write `assertFalse` under `assertions:`, indented"),
        ("assertions:\n  asserttrue:", "did you mean `assertTrue`?"),
        ("assertions:\n  assertTru:", "did you mean `assertTrue`?"),
    ] {
        let (code, out) = validated("a.yaml", &with_schema(&format!("{key} []\n")));
        assert_eq!(code, 2, "{key}: {out}");
        assert!(out.contains(hint), "{key}: {out}");
        assert!(out.contains("a.yaml:7:1") || out.contains("a.yaml:8:3"), "{key}: {out}");
    }
    for (key, warnings) in [("something", 1), ("x-users", 0), ("assertions:\n  other", 1)] {
        let (code, out) = validated("a.yaml", &with_schema(&format!("{key}: []\n")));
        assert_eq!(code, 0, "{key}: {out}");
        assert_eq!(out.contains("1 warning"), warnings == 1, "{key}: {out}");
    }
}

#[test]
fn what_a_file_is_shows_in_its_text() {
    let yaml = with_schema(ASSERTIONS);
    for (name, text, says) in [
        ("schema", SCHEMA, "the schema is valid"),
        ("schema.yaml", SCHEMA, "the schema is valid"),
        ("all.zed", yaml.as_str(), "1 assertion"),
        ("all", yaml.as_str(), "1 assertion"),
    ] {
        let (code, out) = validated(name, text);
        assert_eq!(code, 0, "{name}: {out}");
        assert!(out.contains(says), "{name}: {out}");
        let (code, out, _) = feed(&folder(&[]), &["validate", "-"], text);
        assert_eq!(code, 0, "{name}: {out}");
        assert!(out.contains("standard input") && out.contains(says), "{name}: {out}");
    }
    let folder = folder(&[("schema.zed", SCHEMA)]);
    let text = format!("schemaFile: schema.zed\n{ASSERTIONS}");
    assert_eq!(feed(&folder, &["validate", "-"], &text).0, 0);
    let turned = text.replace("assertTrue", "assertFalse");
    let (code, out, _) = feed(&folder, &["validate", "-"], &turned);
    assert_eq!(code, 1);
    assert!(out.contains("standard input:6:7"), "{out}");
}

#[test]
fn merge_keys_and_anchors_are_followed() {
    let rest = "\
x-common: &common
  assertTrue:
    - document:plan#view@user:ann
  assertFalse: &nobody
    - document:plan#view@user:bob
relationships: |-
  document:plan#viewer@user:ann
assertions:
  <<: *common
  assertFalse:
    - document:plan#view@user:cat
";
    let (code, out) = validated("a.yaml", &with_schema(rest));
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("2 assertions"), "{out}");
    let (code, out) = validated(
        "a.yaml",
        &with_schema(&rest.replace("user:ann\n  assertFalse", "user:no\n  assertFalse")),
    );
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("a.yaml:9:7"), "{out}");
    let (code, out) = validated("a.yaml", &with_schema("assertions:\n  <<: [1]\n"));
    assert_eq!(code, 2);
    assert!(out.contains("list of mappings"), "{out}");
}

#[test]
fn mistakes_of_form_come_with_advice() {
    for (rest, hint) in [
        (
            "assertions:\n  assertTrue:\n    - document:plan#view@user:x with {\"a\": 1}\n",
            "put quotes around the line: `- 'document:plan#view@user:x with {\"a\": 1}'`",
        ),
        (
            "assertions:\n  assertTrue:\n    - \"document:plan#view@user:x with {\"a\": 1}\"\n",
            "put quotes around the line: `- 'document:plan#view@user:x with {\"a\": 1}'`",
        ),
        (
            "validation:\n  document:plan#view:\n    - [user:ann] is <document:plan#viewer>\n",
            "put quotes around the line: `- '[user:ann] is <document:plan#viewer>'`",
        ),
        (
            "relationships: >-\n  document:plan#viewer@user:ann\n  document:plan#viewer@user:bob\n",
            "one relationship a line: begin the block with `relationships: |-`",
        ),
        (
            "relationships:\n  document:plan#viewer@user:ann\n  document:plan#viewer@user:bob\n",
            "one relationship a line: begin the block with `relationships: |-`",
        ),
        (
            "validation: |\n  document:plan#view:\n    - '[user:ann] is <document:plan#viewer>'\n",
            "leave out the `|` after the key",
        ),
        ("assertions: |-\n  assertTrue: []\n", "leave out the `|` after the key"),
        ("assertions:\n  assertTrue: |\n    document:plan#view@user:ann\n", "leave out the `|`"),
        (
            "relationships: |-\n  document:plan#viewer@user:ann\u{200B}\n",
            "U+200B (zero width space): take it out",
        ),
        (
            "relationships: |-\n  document:plan#viewer@user:\u{A0}ann\n",
            "U+00A0 (no-break space): write an ordinary space",
        ),
        (
            "assertions:\n  assertTrue:\n    - document:plan#view@user：ann\n",
            "U+FF1A (full-width character): write `:`",
        ),
        ("assertions:\n\u{A0}\u{A0}assertTrue:\n    - a\n", "U+00A0 (no-break space)"),
        (
            "assertions:\n  assertTrue:\n    - \u{201C}document:plan#view@user:ann\u{201D}\n",
            "U+201C",
        ),
        ("assertions:\n\tassertTrue:\n", "write spaces instead of the tab"),
    ] {
        let (code, out) = validated("a.yaml", &with_schema(rest));
        assert_eq!(code, 2, "{rest}\n{out}");
        assert!(out.contains(hint), "{rest}\n{out}");
    }
    let folded = "schema: >-\n  definition user {}\n  definition doc {\n  relation viewer: user\n  relation editor: user\n  }\n";
    let (code, out) = validated("a.yaml", folded);
    assert_eq!(code, 2);
    assert!(out.contains("begin the block with `schema: |-`"), "{out}");
}

#[test]
fn errors_come_before_warnings_and_unused_relations_in_one_line() {
    let schema = "schema: |-\n  definition user {}\n  definition document {\n    relation spare: user\n    relation other: user\n    relation viewer: user\n    permission view = viewer + view\n  }\n";
    let text = format!("{schema}{}", ASSERTIONS.replace("assertTrue", "assertFalse"));
    let (code, out) = validated("a.yaml", &text);
    assert_eq!(code, 1);
    let at = |part: &str| out.find(part).unwrap_or_else(|| panic!("no `{part}` in:\n{out}"));
    assert!(at("to be false, but it is true") < at("permission-references-itself"), "{out}");
    let line = "warning[unused-relation]: a.yaml:4: 2 relations are used by no permission: document#spare, document#other";
    assert!(at("permission-references-itself") < at(line), "{out}");
    assert_eq!(out.matches("unused-relation").count(), 1, "{out}");
    let json = folder(&[("a.yaml", &text)]);
    let (_, out, _) = run(&json, &["validate", "--format", "json", "a.yaml"]);
    assert_eq!(out.matches("\"unused-relation\"").count(), 2, "{out}");
}

#[test]
fn relationships_are_imported_without_a_schema() {
    let server = Server::start();
    let file = "relationships: |-\n  document:other#viewer@user:ann\n";
    let folder = folder(&[("rows.yaml", file), ("schema", SCHEMA)]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let out = server.ask(&["import", "--schema=false", &path("rows.yaml")]);
    assert_eq!(out, "1 relationships imported\n");
    let check = ["permission", "check", "document:other#view@user:ann"];
    assert_eq!(server.ask(&check), "true\n");
    let (code, error) = server.fail(&["import", &path("rows.yaml")]);
    assert_eq!(code, 2);
    assert!(error.contains("the file has no schema"), "{error}");
    // What it holds is read as a schema, which the relationships of the store do not fit.
    let (code, error) = server.fail(&["import", &path("schema")]);
    assert_eq!(code, 2);
    assert!(error.contains("cannot remove allowed type"), "{error}");
}

#[test]
fn an_empty_store_starts_with_several_files() {
    let rows = "relationships: |-\n  document:plan#viewer@user:ann\n  team:one#member@user:bob\n";
    let person = "// one of all\ndefinition person {} // alone\n";
    let team = "// people\nuse self\nuse import\nimport 'person.zed'\ndefinition team {\n\t// who\n\trelation member: user\n\tpermission own = self\n\t// last\n}\n";
    let folder = folder(&[
        ("schema.zed", SCHEMA),
        ("team.yaml", "schemaFile: team.zed\n"),
        ("team.zed", team),
        ("person.zed", person),
        ("rows.yaml", rows),
    ]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let files = ["schema.zed", "team.yaml", "rows.yaml"].map(path).join(",");
    for option in ["--bootstrap", "--datastore-bootstrap-files"] {
        let data = tempfile::tempdir().unwrap();
        let server = Served::start_with(data.path(), &[option, &files]);
        let ask = |arguments: &[&str]| {
            let mut command = kilwa(folder.path(), arguments);
            command.env("KILWA_ENDPOINT", server.endpoint()).env("KILWA_TOKEN", KEY);
            said(command.output().unwrap()).1
        };
        assert_eq!(ask(&["permission", "check", "document:plan#view@user:ann"]), "true\n");
        assert_eq!(ask(&["permission", "check", "team:one#member@user:bob"]), "true\n");
        let schema = ask(&["schema", "read"]);
        assert!(schema.starts_with("use self\n\ndefinition user {}"), "{schema}");
        for comment in ["// people", "\t// last", "// one of all", "{} // alone"] {
            assert!(schema.contains(comment), "{schema}");
        }
    }
}

#[test]
fn files_without_any_schema_start_no_server() {
    let rows = "relationships: |-\n  document:plan#viewer@user:ann\n";
    let robot = "relationships: |-\n  robot:one#viewer@user:ann\n";
    let folder = folder(&[("rows.yaml", rows), ("robot.yaml", robot), ("a.zed", SCHEMA)]);
    for (files, says) in [
        ("rows.yaml", "the file has no schema"),
        ("rows.yaml,robot.yaml", "none of the files has a schema"),
        ("a.zed,robot.yaml", "robot.yaml:2:3"),
        ("a.zed,none.yaml", "`none.yaml` cannot be read"),
        ("a.zed,a.zed", "name reused between multiple definitions"),
    ] {
        let (code, _, error) = run(&folder, &["serve", "--data-dir", "data", "--bootstrap", files]);
        assert_eq!(code, 2, "{files}");
        assert!(error.contains(says), "{files}: {error}");
    }
}

#[test]
fn a_permission_that_is_itself_is_refused_by_validate_too() {
    let schema = SCHEMA.replace("= viewer", "= view");
    let (code, out) = validated("a.zed", &schema);
    assert_eq!(code, 2);
    assert!(out.contains("cycle in permissions"), "{out}");
}

#[test]
fn a_schema_that_another_one_imports_is_checked_as_its_part() {
    let root = "\
use import

import \"./parts/conditions.zed\"
import \"./parts/people.zed\"

definition document {
\trelation viewer: user with office
\trelation team: team
\tpermission view = viewer + team->see
}
";
    let conditions = "caveat office(place string) {\n\tplace == \"office\"\n}\n";
    let people = "definition team {\n\trelation member: user\n\tpermission see = member\n}\n\ndefinition user {}\n";
    let files =
        [("root.zed", root), ("parts/conditions.zed", conditions), ("parts/people.zed", people)];
    let place = folder(&files);
    let check = ["schema", "check", "--fail-on-warn", "**/*.zed"];

    // Alone, a part uses nothing of what it defines.
    let (code, _, _) = run(&place, &["schema", "check", "--fail-on-warn", "parts/conditions.zed"]);
    assert_eq!(code, 1);
    let (code, output, error) = run(&place, &check);
    assert_eq!((code, error.as_str()), (0, ""), "{output}");
    assert!(output.contains("root.zed") && !output.contains("conditions.zed"), "{output}");

    // An error of a part is reported at its place, once.
    std::fs::write(place.path().join("parts/people.zed"), people.replace(": user", ": person"))
        .unwrap();
    let (code, output, _) = run(&place, &check);
    assert_eq!(code, 2);
    assert_eq!(output.matches("parts/people.zed:2").count(), 1, "{output}");
}

#[test]
fn schemas_that_import_each_other_are_all_reported() {
    let import = |other: &str| format!("use import\n\nimport \"./{other}.zed\"\n");
    let place = folder(&[("a.zed", &import("b")), ("b.zed", &import("a"))]);
    let (code, output, _) = run(&place, &["schema", "check", "*.zed"]);
    assert_eq!(code, 2);
    assert!(output.contains("a.zed") && output.contains("b.zed"), "{output}");
}
