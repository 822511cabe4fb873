//! The shape of a validation file: which keys it has, and what stands under them.

use super::assertion::{Assertion, Expectation};
use super::expected::ExpectedRelations;
use super::lines::{self, Line};
use super::problem::{Block, Fault, Problems};
use super::source::{ScalarMap, Style};
use super::yaml::{self, Node, Value};
use std::fmt::Display;
use std::ops::Range;

/// A validation file, taken apart. What could not be read is missing here and noted as a problem.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) schema: Option<SchemaPart>,
    pub(super) relationships: Vec<Line>,
    pub(super) assertions: Vec<Assertion>,
    pub(super) expected: Vec<ExpectedRelations>,
}

/// Where the schema is.
#[derive(Debug)]
pub(super) enum SchemaPart {
    /// In the file itself.
    Inline { text: String, map: ScalarMap },
    /// In a file of its own.
    File { path: String, span: Range<usize> },
}

/// Reads a validation file.
pub(super) fn read(problems: &mut Problems) -> File {
    let text = problems.source.text.clone();
    let root = parse(&text, problems);
    root.map(|root| Reader { text: &text, problems }.file(&root)).unwrap_or_default()
}

/// Reads the assertions of a file and looks at nothing else.
pub(super) fn read_assertions(problems: &mut Problems) -> Vec<Assertion> {
    let text = problems.source.text.clone();
    let Some(root) = parse(&text, problems) else { return vec![] };
    let mut reader = Reader { text: &text, problems };
    let entries = reader.entries(&root, "the file");
    let block = entries.iter().find(|(key, _)| scalar_text(key) == "assertions");
    block.map(|(_, node)| reader.assertions(node)).unwrap_or_default()
}

fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    yaml::parse(text)
        .map_err(|error| problems.error(error.span, Fault::new(Block::File, "yaml", error.message)))
        .ok()
}

struct Reader<'r> {
    text: &'r str,
    problems: &'r mut Problems,
}

impl Reader<'_> {
    fn file(&mut self, root: &Node) -> File {
        let mut file = File::default();
        let mut schema_keys = 0;
        for (key, value) in self.entries(root, "the file") {
            match scalar_text(key) {
                "schema" => {
                    schema_keys += 1;
                    file.schema = self.inline_schema(value);
                }
                "schemaFile" => {
                    schema_keys += 1;
                    file.schema = self.schema_file(value);
                }
                "relationships" => file.relationships = self.relationships(value),
                "assertions" => file.assertions = self.assertions(value),
                "validation" => file.expected = self.expected(value),
                "namespace_configs" if !is_empty(value) => self.legacy(key, "schema"),
                "validation_tuples" if !is_empty(value) => self.legacy(key, "relationships"),
                _ => {}
            }
        }
        if schema_keys != 1 {
            self.require_one_schema(root, schema_keys);
        }
        file
    }

    fn shape(&mut self, node: &Node, message: impl Display, help: &str) {
        self.problems.error(head(node), Fault::new(Block::File, "file-shape", message).help(help));
    }

    fn require_one_schema(&mut self, root: &Node, count: usize) {
        let start = root.span.start..root.span.start;
        let fault = match count {
            0 => Fault::new(Block::File, "schema-missing", "the file has no schema").help(
                "put the schema's text under `schema`, or the path of its file under `schemaFile`",
            ),
            _ => Fault::new(
                Block::File,
                "schema-twice",
                "the file has both `schema` and `schemaFile`",
            )
            .help("keep one of them"),
        };
        self.problems.error(start, fault);
    }

    fn legacy(&mut self, key: &Node, instead: &str) {
        let message = format!("the key `{}` is no longer understood", scalar_text(key));
        self.shape(key, message, &format!("use `{instead}`"));
    }

    /// The entries of a mapping; nothing for what counts as empty. A key may stand there once.
    fn entries<'n>(&mut self, node: &'n Node, what: &str) -> &'n [(Node, Node)] {
        let Value::Mapping(entries) = &node.value else {
            if !is_empty(node) {
                let message = format!("{what} must be a mapping of keys to values");
                self.shape(node, message, "write lines like `key: value`");
            }
            return &[];
        };
        let mut seen = std::collections::HashSet::new();
        for (key, _) in entries {
            if !seen.insert(scalar_text(key)) {
                let message = format!("the key `{}` occurs twice", scalar_text(key));
                self.shape(key, message, "put everything under one of them");
            }
        }
        entries
    }

    fn inline_schema(&mut self, node: &Node) -> Option<SchemaPart> {
        let (text, map) = self.block(node, "schema")?;
        Some(SchemaPart::Inline { text, map })
    }

    fn schema_file(&mut self, node: &Node) -> Option<SchemaPart> {
        let (path, _) = self.block(node, "schemaFile")?;
        match require_local(&path) {
            Ok(()) => Some(SchemaPart::File { path, span: node.span.clone() }),
            Err(message) => {
                let fault = Fault::new(Block::File, "schema-file", message)
                    .help("name a file in the validation file's folder or below it");
                self.problems.error(node.span.clone(), fault);
                None
            }
        }
    }

    /// A text and the way back from it; `None` for what is no text.
    fn block(&mut self, node: &Node, key: &str) -> Option<(String, ScalarMap)> {
        match &node.value {
            Value::Text(text, style) => Some((text.clone(), self.map(node, text, *style))),
            Value::Null => Some((String::new(), ScalarMap::default())),
            Value::Mapping(entries) if entries.is_empty() => {
                Some((String::new(), ScalarMap::default()))
            }
            Value::Sequence(_) | Value::Mapping(_) => {
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

    fn map(&self, node: &Node, text: &str, style: Style) -> ScalarMap {
        ScalarMap::new(self.text, &node.span, text, style)
    }

    fn relationships(&mut self, node: &Node) -> Vec<Line> {
        match self.block(node, "relationships") {
            Some((text, map)) => lines::read(&text, |span| map.span(span), self.problems),
            None => vec![],
        }
    }

    fn assertions(&mut self, node: &Node) -> Vec<Assertion> {
        let mut assertions = Vec::new();
        for (key, items) in self.entries(node, "`assertions`") {
            let expectation = match scalar_text(key) {
                "assertTrue" => Expectation::True,
                "assertCaveated" => Expectation::Caveated,
                "assertFalse" => Expectation::False,
                other => {
                    let message = format!("nothing under `{other}` is checked");
                    let help = "the keys are `assertTrue`, `assertCaveated` and `assertFalse`";
                    let fault =
                        Fault::new(Block::Assertions, "unknown-assertion-kind", message).help(help);
                    self.problems.warning(key.span.clone(), fault);
                    continue;
                }
            };
            for (text, span) in self.texts(items, scalar_text(key)) {
                let place = self.problems.source.place(span.clone());
                match Assertion::parse_at(expectation, text, place) {
                    Ok(assertion) => assertions.push(assertion),
                    Err(error) => {
                        self.problems
                            .error(span, Fault::new(Block::Assertions, "assertion", error));
                    }
                }
            }
        }
        assertions
    }

    /// The items of a list of texts, with where each is written.
    fn texts<'n>(&mut self, node: &'n Node, key: &str) -> Vec<(&'n str, Range<usize>)> {
        let Value::Sequence(items) = &node.value else {
            if !is_empty(node) {
                let message = format!("`{key}` must be a list");
                self.shape(node, message, "write each item on a line of its own, after `- `");
            }
            return vec![];
        };
        let mut texts = Vec::new();
        for item in items {
            match &item.value {
                Value::Text(text, style) => {
                    let map = self.map(item, text, *style);
                    texts.push((text.as_str(), map.span(0..text.trim_end().len())));
                }
                Value::Null | Value::Sequence(_) | Value::Mapping(_) => {
                    let message = format!("each item of `{key}` must be a text");
                    self.shape(item, message, "put the item in quotes");
                }
            }
        }
        texts
    }

    fn expected(&mut self, node: &Node) -> Vec<ExpectedRelations> {
        let mut all = Vec::new();
        for (key, items) in self.entries(node, "`validation`") {
            let place = self.problems.source.place(key.span.clone());
            let mut expected = match ExpectedRelations::parse(scalar_text(key), place) {
                Ok(expected) => expected,
                Err(message) => {
                    self.problems.error(
                        key.span.clone(),
                        Fault::new(Block::ExpectedRelations, "expected-key", message),
                    );
                    continue;
                }
            };
            for (text, span) in self.texts(items, scalar_text(key)) {
                let place = self.problems.source.place(span.clone());
                if let Err(message) = expected.add(text, place) {
                    self.problems.error(
                        span,
                        Fault::new(Block::ExpectedRelations, "expected-subject", message),
                    );
                }
            }
            all.push(expected);
        }
        all
    }
}

/// The text of a scalar; nothing for any other node.
fn scalar_text(node: &Node) -> &str {
    match &node.value {
        Value::Text(text, _) => text,
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => "",
    }
}

/// Whether a block holds nothing, in whichever way that is written.
fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Null => true,
        Value::Text(text, _) => text.trim().is_empty(),
        Value::Sequence(items) => items.is_empty(),
        Value::Mapping(entries) => entries.is_empty(),
    }
}

/// The first byte of a node, to point at without underlining a whole block.
fn head(node: &Node) -> Range<usize> {
    match &node.value {
        Value::Text(..) | Value::Null => node.span.clone(),
        Value::Sequence(_) | Value::Mapping(_) => node.span.start..node.span.start,
    }
}

/// Requires that a path leads to the folder it starts from, or below it.
fn require_local(path: &str) -> Result<(), String> {
    let escapes = path.split(['/', '\\']).any(|segment| segment == "..");
    let absolute = path.starts_with(['/', '\\']) || path.contains(':');
    if path.trim().is_empty() {
        return Err("`schemaFile` names no file".to_owned());
    }
    if escapes || absolute {
        return Err(format!("schema file `{path}` is not local"));
    }
    Ok(())
}
