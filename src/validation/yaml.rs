//! YAML text to a small tree with positions; the only file that names the YAML crate.
//!
//! Nothing here recurses over the input, and what aliases may copy is bounded, so no text is too deep or too clever.

use super::source::Style;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};
use std::collections::HashMap;
use std::ops::Range;

/// How deep collections may lie in each other; a validation file needs three.
const NESTING_MAX: usize = 32;
/// How much all aliases of a text may copy, in bytes.
const COPIED_BYTES_MAX: usize = 32 << 20;
/// What a node weighs beside its text when it is copied, in bytes.
const NODE_BYTES: usize = 64;

/// A node of a YAML document.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    /// Where it was written, in bytes.
    pub(super) span: Range<usize>,
}

/// What a node holds. Every scalar but null is text.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Text(String, Style),
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

/// Why a text is no usable YAML.
#[derive(Debug)]
pub(super) struct YamlError {
    pub(super) message: String,
    pub(super) span: Range<usize>,
}

/// Reads the one document of a text; a text without any is null.
pub(super) fn parse(text: &str) -> Result<Node, YamlError> {
    let offsets = Offsets::new(text);
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| scan_error(&error, &offsets))?;
        builder.take(event, offsets.span(&span))?;
    }
    Ok(builder.root.unwrap_or(Node { value: Value::Null, span: 0..0 }))
}

fn scan_error(error: &ScanError, offsets: &Offsets) -> YamlError {
    let at = offsets.byte(*error.marker());
    YamlError { message: format!("this is not valid YAML: {}", error.info()), span: at..at }
}

/// The byte offset of each character; none are kept when every character is one byte.
struct Offsets(Option<Vec<usize>>);

impl Offsets {
    fn new(text: &str) -> Self {
        let wide = !text.is_ascii();
        Self(wide.then(|| text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()))
    }

    fn byte(&self, marker: Marker) -> usize {
        match &self.0 {
            None => marker.index(),
            Some(bytes) => bytes.get(marker.index()).or(bytes.last()).copied().unwrap_or_default(),
        }
    }

    fn span(&self, span: &Span) -> Range<usize> {
        let start = self.byte(span.start);
        start..self.byte(span.end).max(start)
    }
}

/// A collection whose end has not come yet.
struct Open {
    node: Node,
    /// A key that waits for its value.
    key: Option<Node>,
    anchor: usize,
}

/// Puts nodes together as events come in.
#[derive(Default)]
struct Builder {
    root: Option<Node>,
    open: Vec<Open>,
    anchored: HashMap<usize, Node>,
    copied_bytes: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Range<usize>) -> Result<(), YamlError> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                self.place(Node { value: scalar(text.into_owned(), style), span }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.enter(Value::Sequence(vec![]), span, anchor),
            Event::MappingStart(anchor, _) => self.enter(Value::Mapping(vec![]), span, anchor),
            Event::SequenceEnd | Event::MappingEnd => self.leave(&span),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::DocumentStart(_) if self.root.is_some() => Err(YamlError {
                message: "the file holds more than one YAML document: keep one".to_owned(),
                span,
            }),
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => Ok(()),
        }
    }

    fn enter(&mut self, value: Value, span: Range<usize>, anchor: usize) -> Result<(), YamlError> {
        if self.open.len() >= NESTING_MAX {
            let message = format!("collections are nested more than {NESTING_MAX} deep");
            return Err(YamlError { message, span });
        }
        self.open.push(Open { node: Node { value, span }, key: None, anchor });
        Ok(())
    }

    fn leave(&mut self, span: &Range<usize>) -> Result<(), YamlError> {
        match self.open.pop() {
            Some(mut open) => {
                open.node.span.end = span.end.max(open.node.span.start);
                self.place(open.node, open.anchor)
            }
            None => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize, span: Range<usize>) -> Result<(), YamlError> {
        let Some(node) = self.anchored.get(&anchor).cloned() else {
            let message = "an alias may not lie inside the node that it names".to_owned();
            return Err(YamlError { message, span });
        };
        self.require_copy(&node)?;
        self.place(node, 0)
    }

    fn place(&mut self, node: Node, anchor: usize) -> Result<(), YamlError> {
        if anchor > 0 {
            self.require_copy(&node)?;
            self.anchored.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut parent.node.value {
            Value::Sequence(items) => items.push(node),
            Value::Mapping(entries) => match parent.key.take() {
                Some(key) => entries.push((key, node)),
                None => parent.key = Some(node),
            },
            Value::Null | Value::Text(..) => {}
        }
        Ok(())
    }

    fn require_copy(&mut self, node: &Node) -> Result<(), YamlError> {
        self.copied_bytes += weight(node);
        if self.copied_bytes <= COPIED_BYTES_MAX {
            return Ok(());
        }
        let message = "the aliases of this file copy too much: write less of it with aliases";
        Err(YamlError { message: message.to_owned(), span: node.span.clone() })
    }
}

/// What a copy of the node costs, in bytes.
fn weight(node: &Node) -> usize {
    let mut bytes = 0;
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        bytes += NODE_BYTES;
        match &node.value {
            Value::Null => {}
            Value::Text(text, _) => bytes += text.len(),
            Value::Sequence(items) => open.extend(items),
            Value::Mapping(entries) => {
                open.extend(entries.iter().flat_map(|(key, value)| [key, value]));
            }
        }
    }
    bytes
}

fn scalar(text: String, style: ScalarStyle) -> Value {
    let style = match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    };
    let null = style == Style::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
    if null { Value::Null } else { Value::Text(text, style) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse(text).unwrap_err().message
    }

    #[test]
    fn positions_are_bytes_also_behind_wide_characters() {
        let text = "é: 1\nkey: välue\n";
        let Value::Mapping(entries) = parse(text).unwrap().value else { panic!("no mapping") };
        assert_eq!(&text[entries[1].0.span.clone()], "key");
        assert_eq!(&text[entries[1].1.span.clone()], "välue");
    }

    #[test]
    fn nothing_and_comments_are_null() {
        for text in ["", "# only a comment\n", "---\n", "~"] {
            assert!(matches!(parse(text).unwrap().value, Value::Null), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        for text in ["[", "- ", "{a: ", "? "] {
            let message = message(&text.repeat(100_000));
            assert!(message.contains("deep") || message.contains("recursion"), "{message}");
        }
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..20 {
            let item = format!("*a{}", level - 1);
            let items = [item.as_str(); 10].join(", ");
            text = format!("{text}a{level}: &a{level} [{items}]\n");
        }
        assert!(message(&text).contains("aliases"));
        let link = |level| format!("a{level}: &a{level} [*a{}]\n", level - 1);
        let chain = "a0: &a0 [x]\n".to_owned() + &(1..20_000).map(link).collect::<String>();
        assert!(message(&chain).contains("aliases"));
        assert!(message("a: &a [*a]").contains("inside"));
    }

    #[test]
    fn a_second_document_is_refused() {
        assert!(message("a: 1\n---\nb: 2\n").contains("more than one"));
        assert!(parse("a: 1\n---\n").is_ok() || message("a: 1\n---\n").contains("more than one"));
    }

    #[test]
    fn an_error_has_its_place() {
        let error = parse("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(error.span.start >= 5, "{error:?}");
    }
}
