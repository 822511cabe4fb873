//! Patterns of the names and ids in a relationship.

use std::fmt;

/// The largest object id, in bytes.
const OBJECT_ID_BYTES_MAX: usize = 1024;
/// The largest definition or caveat name, in bytes.
const PATH_BYTES_MAX: usize = 128;
/// The shortest relation name or definition name segment, in bytes.
const NAME_BYTES_MIN: usize = 3;
/// The longest relation name or definition name segment, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The longest prefix segment of a definition name, in bytes.
const PREFIX_BYTES_MAX: usize = 63;

/// The kind of a name, which decides the pattern that it must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// A definition: segments of 3 to 64 characters joined by `/`, 128 bytes at most.
    Definition,
    /// A relation or permission: 3 to 64 characters.
    Relation,
    /// An object id: 1 to 1024 bytes of letters, digits and `/_|-=+`.
    ObjectId,
    /// A caveat as a relationship names it: up to 128 of letters, digits and `/_|-`.
    Caveat,
    /// A counter of relationships: 3 to 64 characters, as a relation.
    Counter,
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Definition => "definition name",
            Self::Relation => "relation name",
            Self::ObjectId => "object id",
            Self::Caveat => "caveat name",
            Self::Counter => "counter name",
        })
    }
}

/// A name that does not match the pattern of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{}` is not valid: {}", shown(.value), rule(*.kind))]
pub struct InvalidName {
    /// The kind of name that was expected.
    pub kind: NameKind,
    /// The value as given.
    pub value: String,
}

/// A value as an error message shows it: a long one is cut.
fn shown(value: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 80;
    match value.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

fn rule(kind: NameKind) -> &'static str {
    match kind {
        NameKind::Definition => {
            "each segment needs 3 to 64 characters of `a-z`, `0-9` and `_`, must start with a letter and not end in `_`"
        }
        NameKind::Relation | NameKind::Counter => {
            "it needs 3 to 64 characters of `a-z`, `0-9` and `_`, must start with a letter and not end in `_`"
        }
        NameKind::ObjectId => "it needs 1 to 1024 bytes of letters, digits and `/_|-=+`",
        NameKind::Caveat => "it needs 1 to 128 characters of letters, digits and `/_|-`",
    }
}

/// Requires that `value` matches the pattern of `kind`.
pub fn require_name(kind: NameKind, value: &str) -> Result<(), InvalidName> {
    let fits = match kind {
        NameKind::Definition => is_definition_name(value),
        NameKind::Relation | NameKind::Counter => is_segment(value, NAME_BYTES_MAX),
        NameKind::ObjectId => is_object_id(value),
        NameKind::Caveat => is_caveat_name(value),
    };
    if fits { Ok(()) } else { Err(InvalidName { kind, value: value.to_owned() }) }
}

fn is_definition_name(value: &str) -> bool {
    if value.len() > PATH_BYTES_MAX {
        return false;
    }
    match value.rsplit_once('/') {
        None => is_segment(value, NAME_BYTES_MAX),
        Some((prefixes, last)) => {
            prefixes.split('/').all(|prefix| is_segment(prefix, PREFIX_BYTES_MAX))
                && is_segment(last, NAME_BYTES_MAX)
        }
    }
}

fn is_segment(value: &str, bytes_max: usize) -> bool {
    let bytes = value.as_bytes();
    (NAME_BYTES_MIN..=bytes_max).contains(&bytes.len())
        && bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.last() != Some(&b'_')
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_')
}

fn is_object_id(value: &str) -> bool {
    (1..=OBJECT_ID_BYTES_MAX).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_|-=+".contains(&b))
}

fn is_caveat_name(value: &str) -> bool {
    (1..=PATH_BYTES_MAX).contains(&value.len())
        && value.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_|-".contains(&b))
}
