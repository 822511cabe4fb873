//! Messages of syntax errors.

use crate::schema::diagnostics::fault::SchemaFault;
use crate::schema::diagnostics::odd_character::OddCharacter;
use crate::schema::diagnostics::position::Span;
use crate::schema::parse::ast::UseFlags;

/// The flags of `use` lines.
pub(in crate::schema) const FLAGS: [&str; 5] =
    ["expiration", "import", "partial", "self", "typechecking"];
/// The words that are never names.
const RESERVED: [&str; 6] = ["definition", "caveat", "relation", "permission", "nil", "with"];

/// The token that was expected at a syntax error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schema) enum ExpectedSyntax {
    Identifier,
    Operand,
    End,
    /// The closing brace, or another statement.
    BodyEnd,
    Expiration,
    Path,
    Token(&'static str),
}

impl UseFlags {
    /// The flag that makes a word a reserved one in this file.
    pub(in crate::schema) fn reserving(self, word: &str) -> Option<&'static str> {
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

/// Another token than the expected one. An empty span is widened to the token found.
pub(in crate::schema) fn expected(expected: ExpectedSyntax, text: &str, span: Span) -> SchemaFault {
    let (span, found) = found(text, span);
    let (code, message) = match expected {
        ExpectedSyntax::Identifier => {
            ("expected-identifier", format!("expected identifier, found token {found}"))
        }
        ExpectedSyntax::Operand => (
            "expected-expression",
            format!("expected compute expression for permission, found {found}"),
        ),
        ExpectedSyntax::End | ExpectedSyntax::BodyEnd => {
            ("expected-end", format!("expected end of statement or definition, found: {found}"))
        }
        ExpectedSyntax::Expiration => {
            ("expected-token", format!("expected `expiration`, found {found}"))
        }
        ExpectedSyntax::Path => {
            ("expected-token", format!("expected a path in quotes, found {found}"))
        }
        ExpectedSyntax::Token(token) => {
            ("expected-token", format!("expected `{token}`, found {found}"))
        }
    };
    let fault = SchemaFault::parse(code, span, message);
    let is_reserved = RESERVED.contains(&found.trim_matches('`'));

    if expected == ExpectedSyntax::BodyEnd {
        fault.help("close what `{` opened with `}`")
    } else if expected == ExpectedSyntax::Identifier && is_reserved {
        fault.help(format!("{found} is a reserved word; choose another name"))
    } else {
        fault
    }
}

/// A character that is not what it looks like.
pub(in crate::schema) fn odd_character(odd: OddCharacter, span: Span) -> SchemaFault {
    let message = format!("unexpected character {}", odd.described());
    SchemaFault::parse("odd-character", span, message).help(odd.advice())
}

/// A text that starts no item.
pub(in crate::schema) fn unexpected_at_root(text: &str, span: Span) -> SchemaFault {
    let (span, found) = found(text, span);
    let fault = SchemaFault::parse(
        "unexpected-token",
        span,
        format!("unexpected token at root level: {found}"),
    );
    match found.trim_matches('`') {
        "relation" | "permission" => {
            fault.help("relations and permissions belong inside of a `definition name { … }`")
        }
        word => fault.suggest(word, ["definition", "caveat", "use", "import", "partial"]),
    }
}

pub(in crate::schema) fn unknown_flag(flag: &str, span: Span) -> SchemaFault {
    let message = format!("unknown use flag: `{flag}`. Options are: {}", FLAGS.join(", "));
    SchemaFault::parse("unknown-flag", span, message).suggest(flag, FLAGS)
}

pub(in crate::schema) fn unknown_function(name: &str, span: Span) -> SchemaFault {
    let message = format!("expected 'any' or 'all' for arrow function, found: {name}");
    SchemaFault::parse("unknown-function", span, message)
}

pub(in crate::schema) fn nested_arrow(span: Span) -> SchemaFault {
    SchemaFault::parse("nested-arrow", span, "nested arrows not yet supported")
        .help("give the second arrow a permission of its own, on the definition where it starts")
}

pub(in crate::schema) fn caveat_after_expiration(span: Span) -> SchemaFault {
    let message = "unexpected keyword after expiration: the caveat must come before expiration, \
                   e.g. `with <caveat_name> and expiration`";
    SchemaFault::parse("caveat-after-expiration", span, message)
}

/// Whether a text starts with a word that only starts statements.
pub(in crate::schema) fn starts_statement(text: &str) -> bool {
    ["relation", "permission", "definition", "caveat"].contains(&first_word(text))
}

/// The end of the last non-blank line before an offset, if the offset starts a line; otherwise the offset.
pub(in crate::schema) fn end_of_line_before(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    let said = before.trim_end();
    let gap = before.get(said.len()..).unwrap_or_default();
    if gap.contains(['\n', '\r']) { said.len() } else { at }
}

/// The word that a text starts with; empty when it starts otherwise.
pub(in crate::schema) fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// The token at the start of a span, for a message, and the span widened to it.
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
