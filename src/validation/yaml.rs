//! YAML text to a small tree with positions; the only file that names the YAML crate.
//!
//! Nothing here recurses over the input, and what aliases may copy is bounded, so deep nesting and alias bombs are rejected.

use super::source::Style;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// How deep collections may lie in each other; a validation file needs three.
const NESTING_MAX: usize = 32;
/// How much all aliases of a text may copy, in bytes.
const COPIED_BYTES_MAX: usize = 32 << 20;
/// How many nodes a text may have. A validation file that needs more is better divided.
const NODES_MAX: usize = 500_000;
/// The size of a node without its text, in bytes, when it is copied.
const NODE_BYTES: usize = 64;

/// A node of a YAML document.
#[derive(Clone, Debug)]
pub(super) struct YamlNode {
    pub(super) value: YamlValue,
    /// Where it was written, in bytes.
    pub(super) span: Range<usize>,
}

/// The value of a node. Every scalar but null is text.
#[derive(Clone, Debug)]
pub(super) enum YamlValue {
    Null,
    Text(String, Style),
    Sequence(Vec<YamlNode>),
    Mapping(Vec<(YamlNode, YamlNode)>),
}

/// Why a text is no usable YAML.
#[derive(Debug)]
pub(super) struct YamlError {
    pub(super) message: String,
    pub(super) span: Range<usize>,
}

/// Reads the one document of a text; a text without any is null.
pub(super) fn parse(text: &str) -> Result<YamlNode, YamlError> {
    let offsets = Offsets::new(text);
    let mut builder = TreeBuilder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| scan_error(&error, &offsets))?;
        builder.take(event, offsets.span(&span))?;
    }
    debug_assert!(builder.open.is_empty(), "the parser closes every collection that it opens");
    Ok(builder.root.unwrap_or(YamlNode { value: YamlValue::Null, span: 0..0 }))
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
struct OpenCollection {
    node: YamlNode,
    /// A key that waits for its value.
    key: Option<YamlNode>,
    anchor: usize,
}

/// Puts nodes together as events come in.
#[derive(Default)]
struct TreeBuilder {
    root: Option<YamlNode>,
    open: Vec<OpenCollection>,
    anchored: HashMap<usize, YamlNode>,
    copied_bytes: usize,
    nodes: usize,
}

impl TreeBuilder {
    fn take(&mut self, event: Event<'_>, span: Range<usize>) -> Result<(), YamlError> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            let message =
                format!("the file has more than {NODES_MAX} values: divide it into several files");
            return Err(YamlError { message, span });
        }

        match event {
            Event::Scalar(text, style, anchor, _) => {
                self.attach(YamlNode { value: scalar(text.into_owned(), style), span }, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                self.enter(YamlValue::Sequence(vec![]), span, anchor)
            }
            Event::MappingStart(anchor, _) => self.enter(YamlValue::Mapping(vec![]), span, anchor),
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

    fn enter(
        &mut self,
        value: YamlValue,
        span: Range<usize>,
        anchor: usize,
    ) -> Result<(), YamlError> {
        if self.open.len() >= NESTING_MAX {
            let message = format!("collections are nested more than {NESTING_MAX} deep");
            return Err(YamlError { message, span });
        }
        self.open.push(OpenCollection { node: YamlNode { value, span }, key: None, anchor });
        Ok(())
    }

    fn leave(&mut self, span: &Range<usize>) -> Result<(), YamlError> {
        match self.open.pop() {
            Some(mut open) => {
                open.node.span.end = span.end.max(open.node.span.start);
                if let YamlValue::Mapping(entries) = &mut open.node.value {
                    merge(entries)?;
                }
                self.attach(open.node, open.anchor)
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
        self.attach(node, 0)
    }

    fn attach(&mut self, node: YamlNode, anchor: usize) -> Result<(), YamlError> {
        if anchor > 0 {
            self.require_copy(&node)?;
            self.anchored.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut parent.node.value {
            YamlValue::Sequence(items) => items.push(node),
            YamlValue::Mapping(entries) => match parent.key.take() {
                Some(key) => entries.push((key, node)),
                None => parent.key = Some(node),
            },
            YamlValue::Null | YamlValue::Text(..) => {}
        }
        Ok(())
    }

    fn require_copy(&mut self, node: &YamlNode) -> Result<(), YamlError> {
        self.copied_bytes += weight(node);
        if self.copied_bytes <= COPIED_BYTES_MAX {
            return Ok(());
        }
        let message = "the aliases of this file copy too much: write less of it with aliases";
        Err(YamlError { message: message.to_owned(), span: node.span.clone() })
    }
}

/// Puts the entries of merge keys (`<<`) into their mapping. Its own entries win, then those of the mapping that is merged
/// first. Nothing is copied: what an alias copied was counted when the alias was read.
fn merge(entries: &mut Vec<(YamlNode, YamlNode)>) -> Result<(), YamlError> {
    if !entries.iter().any(|(key, _)| is_merge_key(key)) {
        return Ok(());
    }
    let own = entries.iter().filter(|(key, _)| !is_merge_key(key));
    let mut known: HashSet<String> = own.filter_map(|(key, _)| key_text(key)).collect();
    let mut merged = Vec::with_capacity(entries.len());

    for (key, value) in std::mem::take(entries) {
        if !is_merge_key(&key) {
            merged.push((key, value));
            continue;
        }
        for (key, value) in merged_entries(value)? {
            if key_text(&key).is_none_or(|text| known.insert(text)) {
                merged.push((key, value));
            }
        }
    }
    *entries = merged;
    Ok(())
}

/// The entries that a merge key refers to: those of a mapping, or of each mapping of a list.
fn merged_entries(value: YamlNode) -> Result<Vec<(YamlNode, YamlNode)>, YamlError> {
    let wrong = |span: Range<usize>| {
        let message = "`<<` takes a mapping or a list of mappings, such as `<<: *name`";
        YamlError { message: message.to_owned(), span }
    };

    match value.value {
        YamlValue::Mapping(entries) => Ok(entries),
        YamlValue::Sequence(items) => {
            let mut all = Vec::new();
            for item in items {
                match item.value {
                    YamlValue::Mapping(entries) => all.extend(entries),
                    YamlValue::Null | YamlValue::Text(..) | YamlValue::Sequence(_) => {
                        return Err(wrong(item.span));
                    }
                }
            }
            Ok(all)
        }
        YamlValue::Null | YamlValue::Text(..) => Err(wrong(value.span)),
    }
}

/// A `<<` in quotes is a key like any other.
fn is_merge_key(key: &YamlNode) -> bool {
    matches!(&key.value, YamlValue::Text(text, Style::Plain) if text == "<<")
}

fn key_text(key: &YamlNode) -> Option<String> {
    match &key.value {
        YamlValue::Text(text, _) => Some(text.clone()),
        YamlValue::Null | YamlValue::Sequence(_) | YamlValue::Mapping(_) => None,
    }
}

/// The size of a copy of the node, in bytes.
fn weight(node: &YamlNode) -> usize {
    let mut bytes = 0;
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        bytes += NODE_BYTES;
        match &node.value {
            YamlValue::Null => {}
            YamlValue::Text(text, _) => bytes += text.len(),
            YamlValue::Sequence(items) => open.extend(items),
            YamlValue::Mapping(entries) => {
                open.extend(entries.iter().flat_map(|(key, value)| [key, value]));
            }
        }
    }
    bytes
}

fn scalar(text: String, style: ScalarStyle) -> YamlValue {
    let style = match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal => Style::Block,
        ScalarStyle::Folded => Style::Folded,
    };
    let null = style == Style::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
    if null { YamlValue::Null } else { YamlValue::Text(text, style) }
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
        let YamlValue::Mapping(entries) = parse(text).unwrap().value else { panic!("no mapping") };
        assert_eq!(&text[entries[1].0.span.clone()], "key");
        assert_eq!(&text[entries[1].1.span.clone()], "välue");
    }

    #[test]
    fn nothing_and_comments_are_null() {
        for text in ["", "# only a comment\n", "---\n", "~"] {
            assert!(matches!(parse(text).unwrap().value, YamlValue::Null), "{text}");
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

    /// The entries of the last key of a text.
    fn last(text: &str) -> Vec<(String, String)> {
        let YamlValue::Mapping(entries) = parse(text).unwrap().value else { panic!("no mapping") };
        let YamlValue::Mapping(last) = entries.last().unwrap().1.value.clone() else {
            panic!("{text}")
        };
        let text = |node: &YamlNode| key_text(node).unwrap_or_default();
        last.iter().map(|(key, value)| (text(key), text(value))).collect()
    }

    #[test]
    fn merge_keys_bring_what_is_not_there() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let bases = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\n";
        for (merging, wanted) in [
            ("c: {<<: *a, y: 3}", vec![pair("x", "1"), pair("y", "3")]),
            ("c: {z: 3, <<: [*a, *b]}", vec![pair("z", "3"), pair("x", "1"), pair("y", "1")]),
            ("c: {'<<': d}", vec![pair("<<", "d")]),
            ("c: {<<: {x: {<<: *a}}}", vec![pair("x", "")]),
        ] {
            assert_eq!(last(&format!("{bases}{merging}\n")), wanted, "{merging}");
        }
        for wrong in ["a: {<<: 1}", "a: {<<: [1]}", "a: {<<: }"] {
            assert!(message(wrong).contains("list of mappings"), "{wrong}");
        }
    }

    #[test]
    fn a_bomb_of_merge_keys_is_refused() {
        let mut text = "a0: &a0 {k0: [x, x, x, x, x, x, x, x, x, x]}\n".to_owned();
        for level in 1..30 {
            let from = level - 1;
            let entry = format!("{{<<: *a{from}, l{level}: *a{from}, r{level}: *a{from}}}");
            text = format!("{text}a{level}: &a{level} {entry}\n");
        }
        assert!(message(&text).contains("aliases"));
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
