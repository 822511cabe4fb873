//! `docs/validation-files.md`: its examples, and that it names every key and every code.

use super::{page, printed, require_named, root, run_examples, validate};
use std::fs;
use std::path::Path;

#[test]
fn the_examples_hold_or_fail_as_shown() {
    let examples = run_examples(&page("validation-files.md"), headings);
    assert!(examples > 8, "{examples} examples");
}

/// The lines of errors, warnings and advice, without the excerpts from the file.
fn headings(folder: &Path, name: &str) -> Vec<String> {
    let printed = printed(&validate(folder, &[name]));
    let heading = |line: &str| match line.trim_start_matches([' ', '=']) {
        help if help.starts_with("help: ") => Some(help.to_owned()),
        _ if line.starts_with("error") || line.starts_with("warning") => Some(line.to_owned()),
        _ => None,
    };
    printed.lines().filter_map(heading).collect()
}

#[test]
fn every_key_is_on_the_page() {
    let page = page("validation-files.md");
    let keys = [
        "schema",
        "schemaFile",
        "relationships",
        "assertions",
        "assertTrue",
        "assertCaveated",
        "assertFalse",
        "validation",
        "namespace_configs",
        "validation_tuples",
    ];
    for key in keys {
        require_named(&page, key);
    }

    // A key that the program learns has to come here as well, and so onto the page.
    let text = fs::read_to_string(root().join("src/validation/keys.rs")).unwrap();
    for list in ["const BLOCKS", "const OLD_KEYS", "const ASSERTIONS"] {
        let (_, rest) = text.split_once(list).unwrap_or_else(|| panic!("no `{list}`"));
        let (values, _) = rest.split_once("];").unwrap();
        let (_, values) = values.split_once("= [").unwrap();
        for key in values.split('"').skip(1).step_by(2) {
            assert!(keys.contains(&key), "`{key}` of `{list}`");
        }
    }
}

#[test]
fn every_code_is_on_the_page() {
    let page = page("validation-files.md");
    let mut codes = 0;
    for text in super::sources("src/validation") {
        for fault in text.split("FileProblem::new(").skip(1) {
            let Some((_, rest)) = fault.split_once("FileSection::") else { continue };
            let Some(code) = rest.split('"').nth(1) else { continue };
            if code.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
                require_named(&page, code);
                codes += 1;
            }
        }
    }
    assert!(codes > 8, "{codes} codes");
}
