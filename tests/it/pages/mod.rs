//! The pages of `docs`: their examples do what the pages say.

mod drill;
mod http;
mod jobs;
mod operations;
mod schema_language;
mod tenant_events;
mod validation_files;

use crate::program;
use crate::readme::blocks;
use kilwa::schema::format;
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
/// A block is right, unless `wrong` or `doubtful` follows its language: then `reported` is compared with the `text`
/// block that follows. A file name after the language keeps the block for those that refer to it.
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
pub(crate) fn plans() -> String {
    let page = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, lines) =
        blocks(&page).into_iter().find(|(info, _)| *info == "yaml plans.yaml").unwrap();
    lines.join("\n") + "\n"
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut links = 0;
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") || target.contains(' ') {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let linked = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            let linked_text = fs::read_to_string(&linked);
            let linked_text =
                linked_text.unwrap_or_else(|_| panic!("{}: {target}", path.display()));
            let is_there =
                anchor.is_empty() || linked_text.lines().any(|line| is_heading(line, anchor));
            assert!(is_there, "{}: no heading for {target}", path.display());
            links += 1;
        }
    }
    assert!(links > 30, "{links} links");
}

/// The pages at the top of the repository and in `docs`.
fn documents() -> Vec<std::path::PathBuf> {
    let folders = [root().to_owned(), root().join("docs")];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut pages: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages
}

/// Whether a line is the heading that an anchor names.
fn is_heading(line: &str, anchor: &str) -> bool {
    let heading = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    line.starts_with('#') && kept.collect::<String>() == anchor
}

#[test]
fn the_schemas_of_the_pages_are_formatted() {
    let mut schemas = 0;
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        for (info, lines) in blocks(&text) {
            let schema = match info.split_once(' ').unwrap_or((info, "")) {
                ("zed", kind) if kind != "wrong" => lines.join("\n"),
                ("yaml", _) => inline_schema(&lines).unwrap_or_default(),
                _ => continue,
            };
            // An example of what is wrong may not parse, and then has no other form.
            let formatted = format::formatted("example", &format!("{schema}\n"));
            if let Ok(formatted) = formatted.map(|text| text.trim_end().to_owned()) {
                assert_eq!(formatted, schema, "{}", path.display());
                schemas += 1;
            }
        }
    }
    assert!(schemas > 20, "{schemas} schemas");
}

/// The schema that a validation file holds as a block of lines.
fn inline_schema(lines: &[&str]) -> Option<String> {
    let rest = lines.iter().skip_while(|line| !line.starts_with("schema: |")).skip(1);
    let inside = rest.take_while(|line| line.is_empty() || line.starts_with("  "));
    let schema: Vec<&str> = inside.map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
    (!schema.is_empty()).then(|| schema.join("\n").trim_end().to_owned())
}
