//! `ARCHITECTURE.md` and the crate documentation name modules and files that exist.

use super::{MODULES, root};
use std::fs;

const PAGES: [&str; 2] = ["ARCHITECTURE.md", "src/lib.rs"];

#[test]
fn the_module_map_is_the_table_of_modules() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for (module, used) in MODULES.iter().filter(|(module, _)| !matches!(*module, "main" | "lib")) {
        let used = if used.is_empty() { "nothing".to_owned() } else { used.join(", ") };
        let row = text.lines().find(|line| line.starts_with(&format!("| `{module}` |")));
        let row = row.unwrap_or_else(|| panic!("the module map lacks `{module}`"));
        assert!(
            row.ends_with(&format!("| {used} |")),
            "`{module}` uses {used}, and the map says {row}"
        );
    }
}

#[test]
fn named_files_and_modules_exist() {
    for page in PAGES {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let missing: Vec<&str> = quoted(&text).filter(|name| is_missing(name)).collect();
        assert!(missing.is_empty(), "{page} names what does not exist: {missing:?}");
    }
}

#[test]
fn missing_files_and_modules_are_found() {
    for name in ["src/engine/nothing.rs", "src/nothing/", "engine::nothing"] {
        assert!(is_missing(name), "{name}");
    }
    for name in [
        "src/engine/",
        "src/lib.rs",
        "api::status",
        "server::run",
        "engine::Limits",
        "kilwa.v1",
        "std::fs",
    ] {
        assert!(!is_missing(name), "{name}");
    }
}

/// What stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Whether a name has the form of a file, a folder, a module or a function of the crate, and there is none.
fn is_missing(name: &str) -> bool {
    if name.starts_with("src/") {
        return !root().join(name).exists();
    }
    let Some((module, item)) = name.split_once("::") else { return false };
    let is_module = MODULES.iter().any(|(known, _)| *known == module);
    let is_item = item.chars().any(|c| !c.is_ascii_lowercase() && c != '_');
    if !is_module || is_item {
        return false;
    }
    let folder = root().join("src").join(module);
    let is_function =
        fs::read_to_string(folder.join("mod.rs")).is_ok_and(|text| has_function(&text, item));
    let path = folder.join(item);
    !is_function && !path.is_dir() && !path.with_extension("rs").is_file()
}

/// Whether a module has a function of this name, of its own or from one of its files.
fn has_function(module: &str, name: &str) -> bool {
    let is_word = |line: &str| {
        line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == name)
    };
    module.contains(&format!("fn {name}("))
        || module.lines().any(|line| line.starts_with("pub use ") && is_word(line))
}
