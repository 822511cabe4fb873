//! YAML nodes as mappings, lists and texts.

use super::hints;
use super::problem::{FileProblem, FileSection, Problems};
use super::source::{ScalarMap, Style};
use super::yaml::{YamlNode, YamlValue};
use std::collections::HashSet;
use std::fmt::Display;
use std::ops::Range;

/// Reads the YAML nodes of a validation file, and reports those of a wrong shape.
pub(super) struct FileReader<'r> {
    pub(super) text: &'r str,
    pub(super) problems: &'r mut Problems,
}

impl FileReader<'_> {
    pub(super) fn shape(&mut self, node: &YamlNode, message: impl Display, help: &str) {
        self.problems.error(
            head(node),
            FileProblem::new(FileSection::File, "file-shape", message).help(help),
        );
    }

    /// The entries of a mapping; nothing for what counts as empty. A key may stand there once.
    pub(super) fn entries<'n>(
        &mut self,
        node: &'n YamlNode,
        what: &str,
    ) -> &'n [(YamlNode, YamlNode)] {
        let YamlValue::Mapping(entries) = &node.value else {
            if !is_empty(node) {
                let message = format!("{what} must be a mapping of keys to values");
                let help = match &node.value {
                    YamlValue::Text(_, Style::Block | Style::Folded) => {
                        "leave out the `|` after the key: what follows it is no text"
                    }
                    YamlValue::Text(..)
                    | YamlValue::Null
                    | YamlValue::Sequence(_)
                    | YamlValue::Mapping(_) => "write lines like `key: value`",
                };
                self.shape(node, message, help);
            }
            return &[];
        };
        let mut seen = HashSet::new();

        for (key, _) in entries {
            if !seen.insert(scalar_text(key)) {
                let message = format!("the key `{}` occurs twice", scalar_text(key));
                self.shape(key, message, "put everything under one of them");
            }
        }

        entries
    }

    /// A text and the map to its source; `None` for a node that is not a text.
    pub(super) fn block(&mut self, node: &YamlNode, key: &str) -> Option<(String, ScalarMap)> {
        match &node.value {
            YamlValue::Text(text, style) => Some((text.clone(), self.map(node, text, *style))),
            YamlValue::Null => Some((String::new(), ScalarMap::default())),
            YamlValue::Mapping(entries) if entries.is_empty() => {
                Some((String::new(), ScalarMap::default()))
            }
            YamlValue::Sequence(_) | YamlValue::Mapping(_) => {
                let message = format!("`{key}` must be a text");
                self.shape(
                    node,
                    message,
                    &format!("write `{key}: |` and indent the text below it"),
                );
                None
            }
        }
    }

    fn map(&self, node: &YamlNode, text: &str, style: Style) -> ScalarMap {
        ScalarMap::new(self.text, &node.span, text, style)
    }

    /// The items of a list of texts, with where each is written.
    pub(super) fn texts<'n>(
        &mut self,
        node: &'n YamlNode,
        key: &str,
    ) -> Vec<(&'n str, Range<usize>)> {
        let YamlValue::Sequence(items) = &node.value else {
            if !is_empty(node) {
                let message = format!("`{key}` must be a list");
                let help = match &node.value {
                    YamlValue::Text(_, Style::Block | Style::Folded) => {
                        "leave out the `|` after the key, and write each item after `- `"
                    }
                    YamlValue::Text(..)
                    | YamlValue::Null
                    | YamlValue::Sequence(_)
                    | YamlValue::Mapping(_) => "write each item on a line of its own, after `- `",
                };
                self.shape(node, message, help);
            }
            return vec![];
        };
        let mut texts = Vec::new();

        for item in items {
            match &item.value {
                YamlValue::Text(text, style) => {
                    let map = self.map(item, text, *style);
                    texts.push((text.as_str(), map.span(0..text.trim_end().len())));
                }
                YamlValue::Null | YamlValue::Sequence(_) | YamlValue::Mapping(_) => {
                    let message = format!("each item of `{key}` must be a text");
                    let help = hints::quotes(self.line_from(item.span.start));
                    self.shape(item, message, &help);
                }
            }
        }

        texts
    }

    /// The text from an offset to the end of the line.
    fn line_from(&self, start: usize) -> &str {
        let rest = self.text.get(start..).unwrap_or_default();
        rest.lines().next().unwrap_or_default()
    }
}

/// The text of a scalar; nothing for any other node.
pub(super) fn scalar_text(node: &YamlNode) -> &str {
    match &node.value {
        YamlValue::Text(text, _) => text,
        YamlValue::Null | YamlValue::Sequence(_) | YamlValue::Mapping(_) => "",
    }
}

/// Whether a block holds nothing, in whichever way that is written.
pub(super) fn is_empty(node: &YamlNode) -> bool {
    match &node.value {
        YamlValue::Null => true,
        YamlValue::Text(text, _) => text.trim().is_empty(),
        YamlValue::Sequence(items) => items.is_empty(),
        YamlValue::Mapping(entries) => entries.is_empty(),
    }
}

/// The first byte of a node, to point at without underlining a whole block.
pub(super) fn head(node: &YamlNode) -> Range<usize> {
    match &node.value {
        YamlValue::Text(..) | YamlValue::Null => node.span.clone(),
        YamlValue::Sequence(_) | YamlValue::Mapping(_) => node.span.start..node.span.start,
    }
}
