//! The keys of a validation file, and the likely meaning of unknown keys.

use crate::relationship::nearest;

/// The blocks of a file.
const BLOCKS: [&str; 5] = ["schema", "schemaFile", "relationships", "assertions", "validation"];
/// What older versions of the format had instead of the schema and the relationships.
const OLD_KEYS: [&str; 2] = ["namespace_configs", "validation_tuples"];
/// The lists of the block `assertions`.
pub(super) const ASSERTIONS: [&str; 3] = ["assertTrue", "assertCaveated", "assertFalse"];
/// Other words for a block, as other tools and older versions have them.
const OTHER_WORDS: [(&str, &str); 10] = [
    ("tuples", "relationships"),
    ("relations", "relationships"),
    ("relationtuples", "relationships"),
    ("asserts", "assertions"),
    ("checks", "assertions"),
    ("expected", "validation"),
    ("expectedrelations", "validation"),
    ("expectedrelationships", "validation"),
    ("model", "schema"),
    ("modelfile", "schemaFile"),
];

/// The likely meaning of an unknown key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// A block of the file.
    FileSection(&'static str),
    /// A list that belongs under `assertions`.
    Assertion(&'static str),
    /// Something that only other programs read.
    Foreign,
    Unknown,
}

/// Whether a key at the top of a file is one that is read, or was once.
pub(super) fn is_known(key: &str) -> bool {
    BLOCKS.contains(&key) || OLD_KEYS.contains(&key)
}

/// Whether a file with these keys is of another kind: it has keys, and none that is read, was read once, or is a misspelling of one.
pub(super) fn are_foreign<'k>(keys: impl Iterator<Item = &'k str>) -> bool {
    let mut keys = keys.peekable();
    let is_foreign =
        |key| !is_known(key) && matches!(meant_at_top(key), Meant::Foreign | Meant::Unknown);
    keys.peek().is_some() && keys.all(is_foreign)
}

/// What an unknown key at the top of a file was to be.
pub(super) fn meant_at_top(key: &str) -> Meant {
    if let Some(name) = alike(key, ASSERTIONS) {
        return Meant::Assertion(name);
    }
    let plain = plain(key);
    let other = OTHER_WORDS.iter().find(|(word, _)| *word == plain).map(|(_, block)| *block);
    match other.or_else(|| alike(key, BLOCKS)) {
        Some(block) => Meant::FileSection(block),
        None if key.starts_with(['_', '.']) || key.starts_with("x-") => Meant::Foreign,
        None => Meant::Unknown,
    }
}

/// What an unknown key under `assertions` was to be.
pub(super) fn meant_assertion(key: &str) -> Option<&'static str> {
    alike(key, ASSERTIONS)
}

/// The name that a key is a misspelling of.
fn alike<const N: usize>(key: &str, names: [&'static str; N]) -> Option<&'static str> {
    let key = plain(key);
    let plain_names = names.map(plain);
    let found = plain_names.iter().find(|name| **name == key).map(String::as_str);
    let found = found.or_else(|| nearest(&key, plain_names.iter().map(String::as_str)))?;
    let at = plain_names.iter().position(|name| name == found)?;
    names.get(at).copied()
}

/// A key without what spellings differ in: case and the marks between words.
fn plain(key: &str) -> String {
    let letters = key.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
    letters.flat_map(char::to_lowercase).collect()
}
