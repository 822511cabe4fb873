//! The command line: the real binary, its output and its exit codes.

use super::outside::skipped;
use crate::program;
use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

const GOOD: &str = "\
schema: |-
  definition user {}
  definition document {
    relation viewer: user
    relation banned: user
    permission view = viewer - banned
  }
relationships: |-
  document:plan#viewer@user:ann
  document:plan#viewer@user:bob
  document:plan#banned@user:bob
assertions:
  assertTrue:
    - document:plan#view@user:ann
  assertFalse:
    - document:plan#view@user:bob
validation:
  document:plan#view:
    - '[user:ann] is <document:plan#viewer>'
";

/// A folder with a file that holds, one that fails and one that cannot be used.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("good.yaml", GOOD);
    write("failing.yaml", &GOOD.replace("user:bob\nvalidation", "user:ann\nvalidation"));
    write("broken.yaml", &GOOD.replace("viewer - banned", "viewer - baned"));
    write("user.zed", "definition user {}\n");
    folder
}

fn kilwa(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = program::kilwa();
    command.current_dir(folder).args(arguments).env_remove("KILWA_ENDPOINT");
    command.env("XDG_DATA_HOME", folder).output().unwrap()
}

/// Exit code and standard output.
fn run(arguments: &[&str]) -> (i32, String) {
    let folder = folder();
    let output = kilwa(folder.path(), arguments);
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// Exit code and standard error.
fn fail(arguments: &[&str]) -> (i32, String) {
    let folder = folder();
    let output = kilwa(folder.path(), arguments);
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn exit_codes_tell_holding_failing_and_unusable_files_apart() {
    for (files, code) in [
        (vec!["good.yaml"], 0),
        (vec!["user.zed"], 0),
        (vec!["failing.yaml"], 1),
        (vec!["broken.yaml"], 2),
        (vec!["none.yaml"], 2),
        (vec!["none*.yaml"], 2),
        (vec!["."], 2),
        (vec!["good.yaml", "user.zed"], 0),
        (vec!["failing.yaml", "good.yaml"], 1),
        (vec!["good.yaml", "failing.yaml", "broken.yaml"], 2),
        (vec!["*.yaml"], 2),
        (vec!["g*.yaml", "*.zed"], 0),
    ] {
        for format in ["text", "json", "junit", "github"] {
            let arguments = [vec!["validate", "--format", format], files.clone()].concat();
            assert_eq!(run(&arguments).0, code, "{arguments:?}");
        }
    }
    assert_eq!(run(&["validate"]).0, 2);
    assert_eq!(run(&["nonsense"]).0, 2);
    assert_eq!(run(&["--help"]).0, 0);
}

#[test]
fn the_text_report_shows_the_line_and_the_reason() {
    let (_, text) = run(&["validate", "failing.yaml", "good.yaml"]);
    insta::assert_snapshot!(text, @r"
    error: expected `document:plan#view@user:ann` to be false, but it is true
      --> failing.yaml:16:7
       |
    14 |     - document:plan#view@user:ann
    15 |   assertFalse:
    16 |     - document:plan#view@user:ann
       |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^
    17 | validation:
    18 |   document:plan#view:
       |
       why:
       ✓ document:plan#view = viewer - banned
       ├─ ✓ document:plan#viewer names user:ann
       └─ ✗ document:plan#banned does not name user:ann

    ✗ failing.yaml: 1 of 2 assertions and 0 of 1 expected relation failed
    ✓ good.yaml: 3 relationships; 2 assertions and 1 expected relation passed
    2 files: 1 passed, 1 failed, 0 invalid
    ");
}

#[test]
fn a_broken_schema_is_shown_where_the_yaml_has_it() {
    let (_, text) = run(&["validate", "broken.yaml"]);
    assert!(text.contains("--> broken.yaml:6:32"), "{text}");
    assert!(text.contains("did you mean `banned`?"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn the_json_report_is_json() {
    let (_, text) = run(&["validate", "--format", "json", "*.yaml"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["outcome"], "unusable");
    let outcomes: Vec<&str> =
        json["files"].as_array().unwrap().iter().map(|f| f["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["unusable", "fails", "holds"]);
    let failed = &json["files"][1]["assertions"][1];
    assert_eq!((&failed["line"], &failed["actual"]), (&16.into(), &"true".into()));
    assert_eq!(failed["explanation"]["of"], "document:plan#view");
    assert_eq!(json["files"][0]["diagnostics"][0]["line"], 6);
}

#[test]
fn the_junit_report_counts_and_is_well_formed() {
    let (_, text) = run(&["validate", "--format", "junit", "*.yaml"]);
    let report = quick_junit::Report::deserialize_from_str(&text).unwrap();
    assert_eq!((report.tests, report.failures, report.errors), (9, 1, 1));
    assert!(text.contains("failing.yaml:16:7"), "{text}");
}

#[test]
fn each_case_of_the_junit_report_names_its_file_and_fails_in_its_own_way() {
    let folder = folder();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("warned.zed", "definition user {}\ndefinition doc {\n  relation doc: user\n}\n");
    // Its assertion has no answer.
    write(
        "unanswered.yaml",
        "\
schema: |-
  caveat inverse(of int) { 1 / of == 1 }
  definition user {}
  definition document { relation viewer: user with inverse }
relationships: |-
  document:plan#viewer@user:ann[inverse:{\"of\":0}]
assertions:
  assertTrue:
    - document:plan#viewer@user:ann
",
    );
    let files = ["failing.yaml", "unanswered.yaml", "broken.yaml", "warned.zed", "none.yaml"];
    let output = kilwa(folder.path(), &[&["validate", "--format", "junit"], &files[..]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let report = quick_junit::Report::deserialize_from_str(&text).unwrap();

    let mut counts = Vec::new();
    for suite in &report.test_suites {
        let named = |case: &quick_junit::TestCase| case.classname.as_ref() == Some(&suite.name);
        assert!(suite.test_cases.iter().all(named), "{text}");
        counts.push((suite.name.as_str(), suite.failures, suite.errors));
    }
    let expected = [
        ("failing.yaml", 1, 0),
        ("unanswered.yaml", 0, 1),
        ("broken.yaml", 0, 1),
        ("warned.zed", 0, 0),
        ("none.yaml", 0, 1),
    ];
    assert_eq!(counts, expected, "{text}");
    for said in ["<error message=\"cannot be read: ", "<system-out>warned.zed:3:"] {
        assert!(text.contains(said), "{said} is not in {text}");
    }
}

#[test]
fn reports_say_that_warnings_count_as_failures() {
    let folder = tempfile::tempdir().unwrap();
    let warned = "definition user {}\ndefinition doc {\n  relation doc: user\n}\n";
    std::fs::write(folder.path().join("warned.zed"), warned).unwrap();
    let report = |options: &[&str]| {
        let output = kilwa(folder.path(), &[&["validate", "warned.zed"], options].concat());
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    for (options, code, outcome, failures) in
        [(vec![], 0, "holds", 0), (vec!["--fail-on-warn"], 1, "fails", 1)]
    {
        let (exit, text) = report(&[&options[..], &["--format", "json"]].concat());
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((exit, &json["outcome"]), (code, &outcome.into()));
        assert_eq!(json["files"][0]["outcome"], outcome);
        let (exit, text) = report(&[&options[..], &["--format", "junit"]].concat());
        let junit = quick_junit::Report::deserialize_from_str(&text).unwrap();
        assert_eq!((exit, junit.failures), (code, failures));
        let (exit, text) = report(&options);
        let last = text.lines().last().unwrap();
        assert_eq!((exit, last.starts_with('✓')), (code, code == 0), "{text}");
        assert_eq!(last.contains("warnings count as failures"), code == 1, "{text}");
    }
}

#[test]
fn help_breaks_lines_only_where_they_are_full() {
    let (_, text) = run(&["--help"]);
    let (_, end) = text.split_once("Exit codes: ").unwrap();
    let paragraphs: Vec<&str> = end.trim_end().split("\n\n").collect();
    assert_eq!(paragraphs.len(), 2, "{text}");
    for paragraph in paragraphs {
        let lines: Vec<&str> = paragraph.lines().collect();
        let (_, full) = lines.split_last().unwrap();
        assert!(full.iter().all(|line| line.len() > 60), "{text}");
    }
}

#[test]
fn the_github_report_is_escaped() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a,b.yaml"), "schema: 'definition usr {} 100%'\n").unwrap();
    let output = kilwa(folder.path(), &["validate", "--format", "github", "a,b.yaml"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("::error file=a%2Cb.yaml,line=1,col="), "{text}");
}

#[test]
fn the_github_report_says_why_in_the_annotation() {
    let (_, text) = run(&["validate", "--format", "github", "failing.yaml"]);
    let annotation = text.lines().find(|line| line.starts_with("::error")).unwrap();
    assert!(annotation.contains("but it is "), "{text}");
    assert!(annotation.contains("%0A"), "{text}");
    assert!(annotation.contains("document:plan#viewer"), "{text}");
    assert!(!annotation.contains('\u{1b}'), "{text}");
}

#[test]
fn a_file_is_validated_once_whatever_it_is_called() {
    let arguments = ["validate", "--format", "json", "good.yaml", "./good.yaml", "g*.yaml"];
    let (code, text) = run(&arguments);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, report["files"].as_array().unwrap().len()), (0, 1));
}

/// What lies in there might fail.
#[test]
fn a_folder_that_a_pattern_cannot_read_is_an_error() {
    let folder = folder();
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
    if std::fs::read_dir(&closed).is_ok() {
        skipped("this user can read every folder");
        return;
    }
    let output = kilwa(folder.path(), &["validate", "**/good.yaml"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("closed"), "{text}");
}

#[test]
fn schemas_are_checked_and_formatted() {
    assert_eq!(run(&["schema", "check", "user.zed"]).0, 0);
    assert_eq!(run(&["schema", "check", "good.yaml"]).0, 2);
    assert_eq!(run(&["schema", "format", "user.zed"]), (0, "definition user {}\n".to_owned()));
    assert_eq!(run(&["schema", "format", "--check", "user.zed"]).0, 0);
    let folder = folder();
    let file = folder.path().join("loose.zed");
    std::fs::write(&file, "definition   user{}").unwrap();
    assert_eq!(
        kilwa(folder.path(), &["schema", "format", "--check", "loose.zed"]).status.code(),
        Some(1)
    );
    std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&file, folder.path().join("link.zed")).unwrap();
    let count = || std::fs::read_dir(folder.path()).unwrap().count();
    let before = count();
    kilwa(folder.path(), &["schema", "format", "--write", "link.zed"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "definition user {}\n");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(folder.path().join("link.zed").is_symlink());
    assert_eq!(count(), before);
}

#[test]
fn a_schema_is_printed_with_what_it_imports_and_written_without() {
    let folder = folder();
    let text = "use import\nimport \"user.zed\"\ndefinition doc { relation owner: user }\n";
    std::fs::write(folder.path().join("root.zed"), text).unwrap();
    let output = kilwa(folder.path(), &["schema", "format", "--canonical", "root.zed"]);
    let printed = "definition doc {\n\trelation owner: user\n}\n\ndefinition user {}\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), printed);
    let output = kilwa(folder.path(), &["schema", "format", "--write", "root.zed"]);
    assert_eq!(output.status.code(), Some(0));
    let written = "use import\nimport \"user.zed\"\ndefinition doc {\n\trelation owner: user\n}\n";
    assert_eq!(std::fs::read_to_string(folder.path().join("root.zed")).unwrap(), written);
}

#[test]
fn a_server_that_does_not_answer_is_reported_in_one_line() {
    // Its port is free again as soon as it was printed.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (code, text) =
        fail(&["permission", "check", "doc:1", "view", "user:ann", "--endpoint", &nobody]);
    assert_eq!(code, 2);
    assert!(text.starts_with(&format!("error: no server answers at `{nobody}`: ")), "{text}");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn wrong_arguments_are_refused_before_any_call() {
    for arguments in [
        vec!["permission", "check", "document", "view", "user:ann"],
        vec!["permission", "check", "doc:1", "view"],
        vec!["permission", "check", "doc:1#view@user:ann", "--caveat-context", "{"],
        vec![
            "permission",
            "check",
            "doc:1#view@user:ann",
            "--consistency-full",
            "--consistency-min-latency",
        ],
        vec!["permission", "bulk", "doc:1#view"],
        vec!["relationship", "create", "doc:1"],
        vec!["relationship", "touch", "doc:1", "viewer", "user:ann", "--expires-at", "soon"],
        vec!["relationship", "read", "doc", "--endpoint", "https://example.com"],
        vec!["schema", "write", "none.zed"],
    ] {
        assert_eq!(fail(&arguments).0, 2, "{arguments:?}");
    }
}

#[test]
fn version_and_completions_are_printed() {
    assert_eq!(run(&["version"]).1, format!("kilwa {}\n", env!("CARGO_PKG_VERSION")));
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completions", shell]).1.contains("validate"), "{shell}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_a_failure() {
    for arguments in [vec!["version"], vec!["completions", "bash"], vec!["validate", "good.yaml"]] {
        let folder = folder();
        let mut command = program::kilwa();
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        command.current_dir(folder.path()).args(&arguments).stdout(full);
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(error.starts_with("error: standard output cannot be written: "), "{error}");
    }
}

#[test]
fn a_failure_is_one_even_when_nobody_reads_the_report() {
    let folder = folder();
    let mut command = program::kilwa();
    command.current_dir(folder.path()).args(["validate", "failing.yaml"]);
    let mut process = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(process.stdout.take());
    assert_eq!(process.wait().unwrap().code(), Some(1));
}

#[test]
fn help_is_a_command_too() {
    let (code, text) = run(&["help"]);
    assert_eq!((code, &text), (0, &run(&["--help"]).1));
    for command in [vec!["validate"], vec!["schema"], vec!["relationship", "read"]] {
        let (code, text) = run(&[&["help"], &command[..]].concat());
        assert_eq!(code, 0, "{command:?}");
        assert!(text.contains("Usage: kilwa "), "{text}");
        assert_eq!(text, run(&[&command[..], &["--help"]].concat()).1);
    }
    let (code, text) = fail(&["check", "good.yaml"]);
    assert_eq!(code, 2);
    for command in ["kilwa permission check", "kilwa schema check", "kilwa validate"] {
        assert!(text.contains(command), "{text}");
    }
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let folder = folder();
    let output = kilwa(folder.path(), &["man", "pages/man1"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for (name, says) in [
        ("kilwa", "kilwa\\-validate(1)"),
        ("kilwa-serve", "KILWA_GRPC_ADDR"),
        ("kilwa-permission-check", "\\-\\-explain"),
    ] {
        let path = folder.path().join(format!("pages/man1/{name}.1"));
        let page = std::fs::read_to_string(&path).unwrap();
        assert!(page.contains(".TH ") && page.contains(says), "{name}: {page}");
        assert!(!page.contains(folder.path().to_str().unwrap()), "{name}");
    }
    assert!(run(&["man"]).1.contains(".TH kilwa 1"));

    // A page is a file: the folder cannot be one.
    let output = kilwa(folder.path(), &["man", "good.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("error: cannot write to `good.yaml`: "), "{error}");
}
