//! A first look at JSON: where the value ends, how deep it is, whether objects are where messages have to be, and whether a name
//! occurs twice. It finds what the reader of messages accepts or names without a place.

use crate::http::failure::Failure;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;

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

/// What a value stands for, which decides on what it may be and on names that occur twice.
#[derive(Clone, Copy, Debug)]
enum Shape<'d> {
    /// A message of this type.
    Message(&'d MessageDescriptor),
    /// JSON in which each name of an object occurs once, such as a `google.protobuf.Struct`.
    Json,
    /// A map, with values of this field.
    Map(&'d FieldDescriptor),
    /// Anything: it is not looked at.
    Any,
}

/// Looks at the value at the start of a text, as a message of this type if one is given, and returns where it ends.
pub(super) fn scan(
    text: &str,
    message: Option<&MessageDescriptor>,
    bounds: &mut ScanBounds,
) -> Result<usize, Failure> {
    let depth = bounds.depth_max;
    let mut scan = Scan { text, at: 0, path: Vec::new(), bounds };
    scan.value(message.map_or(Shape::Any, Shape::Message), depth)?;
    Ok(scan.at)
}

/// A step to a value: the name of a member as it is written, or the place of an element.
#[derive(Clone, Copy, Debug)]
enum Step<'t> {
    Member(&'t str),
    Element(usize),
}

/// How far a text was read.
#[derive(Debug)]
pub(super) struct Scan<'t> {
    text: &'t str,
    at: usize,
    /// The way to the value that is being read.
    path: Vec<Step<'t>>,
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

    fn value(&mut self, shape: Shape<'_>, depth: usize) -> Result<(), Failure> {
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
            '{' => return self.object(shape, depth),
            '[' => {
                self.at += 1;
                let elements = if matches!(shape, Shape::Json) { shape } else { Shape::Any };
                self.array(elements, depth)?;
            }
            '"' => self.string()?,
            _ => self.word()?,
        }
        let raw = self.text.get(start..self.at).unwrap_or_default();
        if matches!(shape, Shape::Message(_)) && raw != "null" {
            let token = if raw.starts_with('[') { "[" } else { raw };
            let place = place_of(self.text, start);
            return Err(Failure::malformed(format!(
                "proto: syntax error {place}: unexpected token {token}"
            )));
        }
        Ok(())
    }

    fn object(&mut self, shape: Shape<'_>, depth: usize) -> Result<(), Failure> {
        self.at += 1;
        if self.accept('}')? {
            return Ok(());
        }
        let mut seen = SeenNames::default();
        loop {
            let next = self.peek()?;
            if next != '"' {
                return Err(unexpected(next, "looking for beginning of object key string"));
            }

            let start = self.at;
            self.string()?;
            let raw = self.text.get(start..self.at).unwrap_or_default();
            let field = match shape {
                Shape::Message(message) => field(message, raw),
                Shape::Json | Shape::Map(_) | Shape::Any => None,
            };
            let is_new = match shape {
                Shape::Message(_) => field.as_ref().is_none_or(|field| seen.add_field(field)),
                Shape::Json | Shape::Map(_) => seen.add_name(raw),
                Shape::Any => true,
            };
            if !is_new {
                return Err(self.duplicate(start, raw, field.is_some()));
            }

            self.expect(':', "after object key")?;
            self.path.push(Step::Member(raw));
            match (shape, &field) {
                (_, Some(field)) => self.member(field, depth)?,
                (Shape::Json, None) => self.value(Shape::Json, depth - 1)?,
                (Shape::Map(values), None) => self.element(values, depth)?,
                (Shape::Message(_) | Shape::Any, None) => self.value(Shape::Any, depth - 1)?,
            }
            self.path.pop();
            if self.accept('}')? {
                return Ok(());
            }
            self.expect(',', "after object key:value pair")?;
        }
    }

    /// The value of a field.
    fn member(&mut self, field: &FieldDescriptor, depth: usize) -> Result<(), Failure> {
        if field.is_map() {
            let kind = field.kind();
            let values = kind.as_message().map(MessageDescriptor::map_entry_value_field);
            return self.value(values.as_ref().map_or(Shape::Json, Shape::Map), depth - 1);
        }
        if !field.is_list() {
            return self.element(field, depth);
        }
        if self.peek()? != '[' {
            return self.value(Shape::Any, depth - 1);
        }
        self.at += 1;
        let kind = field.kind();
        self.array(shape_of(&kind), depth)
    }

    /// One value of the kind of a field.
    fn element(&mut self, field: &FieldDescriptor, depth: usize) -> Result<(), Failure> {
        let kind = field.kind();
        self.value(shape_of(&kind), depth - 1)
    }

    /// The rest of an array after its bracket.
    fn array(&mut self, shape: Shape<'_>, depth: usize) -> Result<(), Failure> {
        if self.accept(']')? {
            return Ok(());
        }
        for index in 0.. {
            self.path.push(Step::Element(index));
            self.value(shape, depth - 1)?;
            self.path.pop();
            if self.accept(']')? {
                break;
            }
            self.expect(',', "after array element")?;
        }
        Ok(())
    }

    /// The complaint about a name that occurs twice.
    fn duplicate(&self, start: usize, raw: &str, is_field: bool) -> Failure {
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Member(raw) => {
                    let dot = if path.is_empty() { "" } else { "." };
                    let _ = write!(path, "{dot}{}", unquoted(raw));
                }
                Step::Element(index) => {
                    let _ = write!(path, "[{index}]");
                }
            }
        }
        let within = if path.is_empty() { path } else { format!(" in {path}") };
        let what = if is_field { "field" } else { "map key" };
        let place = place_of(self.text, start);
        Failure::malformed(format!("proto: {place}: duplicate {what} {raw}{within}"))
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
}

/// The names that an object has had.
#[derive(Debug, Default)]
struct SeenNames<'t> {
    fields: HashSet<u32>,
    names: HashSet<Cow<'t, str>>,
}

impl<'t> SeenNames<'t> {
    /// Whether a field is there for the first time, under whichever of its names.
    fn add_field(&mut self, field: &FieldDescriptor) -> bool {
        self.fields.insert(field.number())
    }

    /// The same of a name, however its letters are written.
    fn add_name(&mut self, raw: &'t str) -> bool {
        self.names.insert(unquoted(raw))
    }
}

/// The text of a string. One that is none is left to the reader of messages.
fn unquoted(raw: &str) -> Cow<'_, str> {
    if raw.contains('\\') {
        return serde_json::from_str(raw).map_or(Cow::Borrowed(raw), Cow::Owned);
    }
    Cow::Borrowed(raw.trim_matches('"'))
}

/// What values of a kind are.
fn shape_of(kind: &Kind) -> Shape<'_> {
    match kind.as_message() {
        None => Shape::Any,
        Some(message) if message.full_name().starts_with(WELL_KNOWN) => Shape::Json,
        Some(message) => Shape::Message(message),
    }
}

fn place_of(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
    format!("(line {line}:{column})")
}

fn unexpected(letter: char, place: &str) -> Failure {
    Failure::malformed(format!("invalid character {letter:?} {place}"))
}

/// The field that a key names, in camel case or as in the protocol.
fn field(message: &MessageDescriptor, raw: &str) -> Option<FieldDescriptor> {
    let key = unquoted(raw);
    message.get_field_by_json_name(&key).or_else(|| message.get_field_by_name(&key))
}
