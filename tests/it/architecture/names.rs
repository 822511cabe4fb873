//! One name, one meaning: a type name stands for one thing in the whole crate, except for the few that are listed here.

use super::{shown, source_files};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Type names that several files define, with the reason. At most fifteen, associated types aside.
const SHARED: &[(&str, &str)] = &[
    ("Arguments", "clap's arguments of one command, used as `command::Arguments`"),
    ("Command", "clap's subcommands of one command, used as `command::Command`"),
];

#[test]
fn a_type_name_stands_for_one_thing() {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in source_files() {
        for name in types(&fs::read_to_string(&file).unwrap()) {
            found.entry(name).or_default().insert(shown(&file));
        }
    }
    let several: BTreeMap<_, _> = found.iter().filter(|(_, files)| files.len() > 1).collect();

    let unlisted: Vec<String> = several
        .iter()
        .filter(|(name, _)| !is_shared(name))
        .map(|(name, files)| format!("`{name}`: {files:?}"))
        .collect();
    assert!(
        unlisted.is_empty(),
        "these type names stand for different things; give each a name of its own:\n{}",
        unlisted.join("\n")
    );
    assert!(SHARED.len() <= 17, "`Arguments`, `Command` and fifteen others at the most");
    for (name, _) in SHARED {
        assert!(several.keys().any(|known| known == name), "`{name}` is listed without need");
    }
}

#[test]
fn types_are_found_with_every_visibility() {
    let text = "struct A;\npub enum B {}\npub(crate) trait C {}\n    pub(super) struct D {\ntype E = u8;\n\
                impl T for X {\n    type F = u8;\n}\n// struct G;\nlet struct_h = 1;\n";
    assert_eq!(types(text), ["A", "B", "C", "D", "E"]);
}

fn is_shared(name: &str) -> bool {
    SHARED.iter().any(|(known, _)| *known == name)
}

/// The names of the structs, enums, traits and type aliases that a text defines. An indented `type` is an associated one.
fn types(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            let item = line.trim_start();
            let indented = item.len() < line.len();
            let mut words = item.split_whitespace();
            let mut word = words.next()?;
            if word == "pub" || word.starts_with("pub(") {
                word = words.next()?;
            }
            let defines = matches!(word, "struct" | "enum" | "trait" | "union")
                || (word == "type" && !indented);
            let name = words.next()?.split(|c: char| !c.is_alphanumeric()).next()?;
            (defines && name.starts_with(char::is_uppercase)).then(|| name.to_owned())
        })
        .collect()
}
