//! A first look at JSON: where the value ends, how deep it is, and whether objects are where messages have to be. It finds
//! what the reader of messages accepts or names without a place.

use crate::http::failure::Failure;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use std::collections::HashSet;

/// The most values in the JSON of one request. An empty object of three bytes takes a hundred once it is a message.
const VALUES_MAX: usize = 1 << 20;
/// Messages whose JSON is no object of their fields.
const WELL_KNOWN: &str = "google.protobuf.";

/// What is still allowed in the JSON of one request.
#[derive(Debug)]
pub(super) struct ScanBounds {
    depth_max: usize,
    values: usize,
}

impl ScanBounds {
    /// The bounds of a request whose JSON may have so many levels.
    pub(super) fn new(depth_max: usize) -> Self {
        Self { depth_max, values: VALUES_MAX }
    }
}

/// Looks at the value at the start of a text, as a message of this type if one is given, and returns where it ends.
pub(super) fn scan(
    text: &str,
    message: Option<&MessageDescriptor>,
    bounds: &mut ScanBounds,
) -> Result<usize, Failure> {
    let depth = bounds.depth_max;
    let mut scan = Scan { text, at: 0, bounds };
    scan.value(message, depth)?;
    Ok(scan.at)
}

/// How far a text was read.
#[derive(Debug)]
pub(super) struct Scan<'t> {
    text: &'t str,
    at: usize,
    bounds: &'t mut ScanBounds,
}

impl<'t> Scan<'t> {
    /// The column in letters of a column in bytes.
    pub(super) fn column_of(text: &str, line: usize, column: usize) -> usize {
        let line = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let end = line.floor_char_boundary(column.min(line.len()));
        line.get(..end).unwrap_or_default().chars().count().max(1)
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    /// The next letter after blanks.
    fn peek(&mut self) -> Result<char, Failure> {
        self.skip_blanks();
        self.rest().chars().next().ok_or_else(|| Failure::malformed("unexpected EOF"))
    }

    fn expect(&mut self, letter: char, place: &str) -> Result<(), Failure> {
        let next = self.peek()?;
        if next != letter {
            return Err(unexpected(next, place));
        }
        self.at += letter.len_utf8();
        Ok(())
    }

    /// Whether the next letter is this one, which is then read.
    fn accept(&mut self, letter: char) -> Result<bool, Failure> {
        let is_next = self.peek()? == letter;
        if is_next {
            self.at += letter.len_utf8();
        }
        Ok(is_next)
    }

    fn value(&mut self, message: Option<&MessageDescriptor>, depth: usize) -> Result<(), Failure> {
        if depth == 0 {
            return Err(Failure::json_too_deep(self.bounds.depth_max));
        }
        let Some(values) = self.bounds.values.checked_sub(1) else {
            return Err(Failure::malformed(format!(
                "the body is JSON of more than {VALUES_MAX} values: send them in several requests"
            )));
        };
        self.bounds.values = values;

        let next = self.peek()?;
        let start = self.at;
        match next {
            '{' => return self.object(message, depth),
            '[' => {
                self.at += 1;
                self.array(None, depth)?;
            }
            '"' => self.string()?,
            _ => self.word()?,
        }
        let raw = self.text.get(start..self.at).unwrap_or_default();
        if message.is_some() && raw != "null" {
            let token = if raw.starts_with('[') { "[" } else { raw };
            let place = self.place(start);
            return Err(Failure::malformed(format!(
                "proto: syntax error {place}: unexpected token {token}"
            )));
        }
        Ok(())
    }

    fn object(&mut self, message: Option<&MessageDescriptor>, depth: usize) -> Result<(), Failure> {
        self.at += 1;
        if self.accept('}')? {
            return Ok(());
        }
        let mut seen = HashSet::new();
        loop {
            let next = self.peek()?;
            if next != '"' {
                return Err(unexpected(next, "looking for beginning of object key string"));
            }

            let start = self.at;
            self.string()?;
            let raw = self.text.get(start..self.at).unwrap_or_default();
            let field = message.and_then(|message| field(message, raw));
            if field.as_ref().is_some_and(|field| !seen.insert(field.number())) {
                let place = self.place(start);
                return Err(Failure::malformed(format!("proto: {place}: duplicate field {raw}")));
            }

            self.expect(':', "after object key")?;
            self.member(field.as_ref(), depth)?;
            if self.accept('}')? {
                return Ok(());
            }
            self.expect(',', "after object key:value pair")?;
        }
    }

    /// The value of a field.
    fn member(&mut self, field: Option<&FieldDescriptor>, depth: usize) -> Result<(), Failure> {
        let message = field.filter(|field| !field.is_map()).map(FieldDescriptor::kind);
        let message = message.as_ref().and_then(Kind::as_message);
        let message = message.filter(|message| !message.full_name().starts_with(WELL_KNOWN));
        if field.is_some_and(FieldDescriptor::is_list) && self.peek()? == '[' {
            self.at += 1;
            return self.array(message, depth);
        }
        let message = message.filter(|_| !field.is_some_and(FieldDescriptor::is_list));
        self.value(message, depth - 1)
    }

    /// The rest of an array after its bracket.
    fn array(&mut self, message: Option<&MessageDescriptor>, depth: usize) -> Result<(), Failure> {
        if self.accept(']')? {
            return Ok(());
        }
        loop {
            self.value(message, depth - 1)?;
            if self.accept(']')? {
                return Ok(());
            }
            self.expect(',', "after array element")?;
        }
    }

    fn string(&mut self) -> Result<(), Failure> {
        let mut is_escaped = false;
        let rest = self.rest();
        for (offset, letter) in rest.char_indices().skip(1) {
            match letter {
                '"' if !is_escaped => {
                    self.at += offset + 1;
                    return Ok(());
                }
                '\\' => is_escaped = !is_escaped,
                letter if letter < ' ' => return Err(unexpected(letter, "in string literal")),
                _ => is_escaped = false,
            }
        }
        Err(Failure::malformed("unexpected EOF"))
    }

    /// A number, `true`, `false` or `null`. Whether it is a well-formed one, the reader of messages says.
    fn word(&mut self) -> Result<(), Failure> {
        let rest = self.rest();
        let is_in_word = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
        let end = rest.find(|letter| !is_in_word(letter)).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        if serde_json::from_str::<serde_json::Value>(word).is_err() {
            let is_cut = end == rest.len()
                && ["true", "false", "null"].iter().any(|whole| whole.starts_with(word));
            if is_cut {
                return Err(Failure::malformed("unexpected EOF"));
            }
            let first = rest.chars().next().unwrap_or_default();
            return Err(unexpected(first, "looking for beginning of value"));
        }
        self.at += end;
        Ok(())
    }

    fn place(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
        format!("(line {line}:{column})")
    }
}

fn unexpected(letter: char, place: &str) -> Failure {
    Failure::malformed(format!("invalid character {letter:?} {place}"))
}

/// The field that a key names, in camel case or as in the protocol.
fn field(message: &MessageDescriptor, raw: &str) -> Option<FieldDescriptor> {
    let key: String = serde_json::from_str(raw).ok()?;
    message.get_field_by_json_name(&key).or_else(|| message.get_field_by_name(&key))
}
