//! The pages of `docs`: their examples do what the pages say.

mod jobs;
mod operations;
mod schema_language;
mod tenant_events;
mod validation_files;

use crate::program;
use crate::readme::blocks;
use std::fs;
use std::path::Path;
use std::process::Output;

/// The text of a page of `docs`.
fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs `kilwa validate` on every `zed` and `yaml` block of a page, and gives how many there are.
///
/// A block is right, unless `wrong` or `doubtful` stands behind its language: then `reported` is compared with the `text`
/// block that follows. A file name behind the language keeps the block for those that refer to it.
fn run_examples(page: &str, reported: impl Fn(&Path, &str) -> Vec<String>) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let mut expected: Option<Vec<String>> = None;
    let mut examples = 0;
    for (info, lines) in blocks(page) {
        let (language, kind) = info.split_once(' ').unwrap_or((info, ""));
        let text = lines.join("\n") + "\n";
        if language == "text" {
            assert_eq!(expected.take().expect("a `text` follows an example"), lines, "{text}");
            continue;
        }
        assert_eq!(expected, None, "nothing says what comes of the example before:\n{text}");
        if language == "zed" || language == "yaml" {
            let example = format!("example.{language}");
            let name = if kind.contains('.') { kind } else { &example };
            fs::write(folder.path().join(name), &text).unwrap();
            let output = validate(folder.path(), &["--fail-on-warn", name]);
            match kind {
                "wrong" | "doubtful" => {
                    assert_ne!(output.status.code(), Some(0), "{text}");
                    expected = Some(reported(folder.path(), name));
                }
                _ => assert_eq!(output.status.code(), Some(0), "{text}{}", printed(&output)),
            }
            examples += 1;
        }
    }
    assert_eq!(expected, None, "nothing says what comes of the last example");
    examples
}

fn validate(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = program::kilwa();
    command.arg("validate").args(arguments).current_dir(folder).output().unwrap()
}

/// What a command wrote on both streams.
fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Requires that a page names something in backticks.
#[track_caller]
fn require_named(page: &str, name: &str) {
    let is_named = page.split('`').skip(1).step_by(2).any(|code| {
        code == name || code.split(|c: char| c.is_whitespace()).any(|word| word == name)
    });
    assert!(is_named, "the page does not name `{name}`");
}

/// The texts of the sources in a folder and the folders below it.
fn sources(folder: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(sources(path.strip_prefix(root()).unwrap().to_str().unwrap()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(fs::read_to_string(path).unwrap());
        }
    }
    texts
}

/// The file that README.md shows first.
fn plans() -> String {
    let page = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, lines) =
        blocks(&page).into_iter().find(|(info, _)| *info == "yaml plans.yaml").unwrap();
    lines.join("\n") + "\n"
}
