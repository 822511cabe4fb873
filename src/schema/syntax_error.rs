//! The words for mistakes of syntax.

use super::ast::{Flags, Span};
use super::character::OddCharacter;
use super::fault::Fault;

/// The flags of `use` lines.
pub(super) const FLAGS: [&str; 5] = ["expiration", "import", "partial", "self", "typechecking"];
/// The words that are never names.
const RESERVED: [&str; 6] = ["definition", "caveat", "relation", "permission", "nil", "with"];

/// What should have stood where a mistake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Identifier,
    Operand,
    End,
    /// The closing brace, or another statement.
    BodyEnd,
    Expiration,
    Path,
    Token(&'static str),
}

impl Flags {
    /// The flag that makes a word a reserved one in this file.
    pub(super) fn reserving(self, word: &str) -> Option<&'static str> {
        match word {
            "expiration" | "and" if self.expiration => Some("expiration"),
            "import" if self.import => Some("import"),
            "partial" if self.partial => Some("partial"),
            "self" if self.itself => Some("self"),
            "typechecking" if self.typechecking => Some("typechecking"),
            _ => None,
        }
    }
}

/// Something else stands where `expected` should. An empty span is widened to what stands there.
pub(super) fn expected(expected: Expected, text: &str, span: Span) -> Fault {
    let (span, found) = found(text, span);
    let (code, message) = match expected {
        Expected::Identifier => {
            ("expected-identifier", format!("expected identifier, found token {found}"))
        }
        Expected::Operand => (
            "expected-expression",
            format!("expected compute expression for permission, found {found}"),
        ),
        Expected::End | Expected::BodyEnd => {
            ("expected-end", format!("expected end of statement or definition, found: {found}"))
        }
        Expected::Expiration => ("expected-token", format!("expected `expiration`, found {found}")),
        Expected::Path => ("expected-token", format!("expected a path in quotes, found {found}")),
        Expected::Token(token) => ("expected-token", format!("expected `{token}`, found {found}")),
    };
    let fault = Fault::parse(code, span, message);
    let is_reserved = RESERVED.contains(&found.trim_matches('`'));
    if expected == Expected::BodyEnd {
        fault.help("close what `{` opened with `}`")
    } else if expected == Expected::Identifier && is_reserved {
        fault.help(format!("{found} is a reserved word; choose another name"))
    } else {
        fault
    }
}

/// A character that is not what it looks like.
pub(super) fn odd_character(odd: OddCharacter, span: Span) -> Fault {
    let message = format!("unexpected character {}", odd.described());
    Fault::parse("odd-character", span, message).help(odd.advice())
}

/// A text that starts no item.
pub(super) fn unexpected_at_root(text: &str, span: Span) -> Fault {
    let (span, found) = found(text, span);
    let fault =
        Fault::parse("unexpected-token", span, format!("unexpected token at root level: {found}"));
    match found.trim_matches('`') {
        "relation" | "permission" => {
            fault.help("relations and permissions belong inside of a `definition name { … }`")
        }
        word => fault.suggest(word, ["definition", "caveat", "use", "import", "partial"]),
    }
}

pub(super) fn unknown_flag(flag: &str, span: Span) -> Fault {
    let message = format!("unknown use flag: `{flag}`. Options are: {}", FLAGS.join(", "));
    Fault::parse("unknown-flag", span, message).suggest(flag, FLAGS)
}

pub(super) fn unknown_function(name: &str, span: Span) -> Fault {
    let message = format!("expected 'any' or 'all' for arrow function, found: {name}");
    Fault::parse("unknown-function", span, message)
}

pub(super) fn nested_arrow(span: Span) -> Fault {
    Fault::parse("nested-arrow", span, "nested arrows not yet supported")
        .help("give the second arrow a permission of its own, on the definition where it starts")
}

pub(super) fn caveat_after_expiration(span: Span) -> Fault {
    let message = "unexpected keyword after expiration: the caveat must come before expiration, \
                   e.g. `with <caveat_name> and expiration`";
    Fault::parse("caveat-after-expiration", span, message)
}

/// Whether a text starts with a word that only starts statements.
pub(super) fn starts_statement(text: &str) -> bool {
    ["relation", "permission", "definition", "caveat"].contains(&first_word(text))
}

/// The end of the last line that says something before a place, if the place starts a line; otherwise the place.
pub(super) fn end_of_line_before(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    let said = before.trim_end();
    let gap = before.get(said.len()..).unwrap_or_default();
    if gap.contains(['\n', '\r']) { said.len() } else { at }
}

/// The word that a text starts with; empty when it starts otherwise.
pub(super) fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// What stands at a place, for a message, and the place as wide as that.
fn found(text: &str, span: Span) -> (Span, String) {
    let rest = text.get(span.start..).unwrap_or_default();
    let length = match span.end - span.start {
        0 => token_length(rest),
        length => length,
    };
    let span = Span { end: span.start + length, ..span };
    let found = match rest.chars().next() {
        None => "end of file".to_owned(),
        Some(' ' | '\t' | '\n' | '\r') => "end of line".to_owned(),
        Some(_) => format!("`{}`", rest.get(..length).unwrap_or_default()),
    };
    (span, found)
}

/// A word, an operator of several characters, or one character.
fn token_length(text: &str) -> usize {
    const WORD_BYTES_MAX: usize = 80;
    match first_word(text).len() {
        0 if text.starts_with("...") => 3,
        0 if text.starts_with("->") => 2,
        0 => text
            .chars()
            .next()
            .map_or(0, |c| if matches!(c, '\n' | '\r') { 0 } else { c.len_utf8() }),
        length if length <= WORD_BYTES_MAX => length,
        _ => text.char_indices().nth(WORD_BYTES_MAX / 4).map_or(text.len(), |(at, _)| at),
    }
}
