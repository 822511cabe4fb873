//! The structure of a validation file: its keys and their values.

use super::assertion::{Assertion, Expectation};
use super::expected::ExpectedRelations;
use super::file_reader::{FileReader, head, is_empty, scalar_text};
use super::hints;
use super::keys::{self, Meant};
use super::lines::{self, RelationshipLine};
use super::problem::{FileProblem, FileSection, Problems};
use super::source::{ScalarMap, Style};
use super::yaml::{self, YamlNode, YamlValue};
use crate::schema::OddCharacter;
use std::ops::Range;

/// A parsed validation file. Parts that could not be read are missing, and reported as problems.
#[derive(Debug, Default)]
pub(super) struct ValidationFile {
    pub(super) schema: Option<SchemaPart>,
    pub(super) relationships: Vec<RelationshipLine>,
    pub(super) assertions: Vec<Assertion>,
    pub(super) expected: Vec<ExpectedRelations>,
}

/// Where the schema is.
#[derive(Debug)]
pub(super) enum SchemaPart {
    /// In the file itself; `is_folded` when its lines were joined by `>`.
    Inline { text: String, map: ScalarMap, is_folded: bool },
    /// In a file of its own.
    File { path: String, span: Range<usize> },
    /// The file is the schema.
    Whole { text: String },
}

/// Whether a file can be used without a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaNeed {
    /// It cannot.
    Required,
    /// It can: its relationships are not held against any.
    Optional,
}

/// Reads a validation file.
pub(super) fn read(problems: &mut Problems, need: SchemaNeed) -> ValidationFile {
    let text = problems.source.text.clone();
    let root = parse(&text, problems);
    root.map(|root| FileReader { text: &text, problems }.file(&root, need)).unwrap_or_default()
}

/// Reads the assertions of a file and looks at nothing else.
pub(super) fn read_assertions(problems: &mut Problems) -> Vec<Assertion> {
    let text = problems.source.text.clone();
    let Some(root) = parse(&text, problems) else { return vec![] };
    let mut reader = FileReader { text: &text, problems };
    let mut assertions = Vec::new();
    for (key, value) in reader.entries(&root, "the file") {
        match scalar_text(key) {
            "assertions" => assertions = reader.assertions(value),
            name if keys::is_known(name) => {}
            _ => reader.unknown_key(key),
        }
    }
    assertions
}

fn parse(text: &str, problems: &mut Problems) -> Option<YamlNode> {
    let parsed = yaml::parse(text).map_err(|error| {
        let fault = FileProblem::new(FileSection::File, "yaml", error.message);
        let hint = hints::yaml(text, error.span.start);
        problems.error(error.span, fault.help_if(hint));
    });
    parsed.ok()
}

impl FileReader<'_> {
    fn file(&mut self, root: &YamlNode, need: SchemaNeed) -> ValidationFile {
        let mut file = ValidationFile::default();
        let mut schema_keys = 0;
        let mut null_schema = None;
        let entries = self.entries(root, "the file");
        if need == SchemaNeed::Required
            && keys::are_foreign(entries.iter().map(|(key, _)| scalar_text(key)))
        {
            self.foreign(root);
            return file;
        }

        for (key, value) in entries {
            match scalar_text(key) {
                "schema" if matches!(value.value, YamlValue::Null) => null_schema = Some(key),
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
                "namespace_configs" | "validation_tuples" if is_empty(value) => {}
                "namespace_configs" => self.legacy(key, "schema"),
                "validation_tuples" => self.legacy(key, "relationships"),
                _ => self.unknown_key(key),
            }
        }

        let is_enough = schema_keys == 0 && need == SchemaNeed::Optional;
        if schema_keys != 1 && !is_enough {
            self.require_one_schema(null_schema.unwrap_or(root), schema_keys);
        }
        file
    }

    /// Reports an unknown key. A block under a misspelled key would be ignored silently, so that its assertions would seem to
    /// pass.
    fn unknown_key(&mut self, key: &YamlNode) {
        let name = scalar_text(key);
        let fault = |message: String| FileProblem::new(FileSection::File, "unknown-key", message);

        match keys::meant_at_top(name) {
            Meant::FileSection(block) => {
                let message = format!("`{name}` is not a key of a validation file");
                let fault = fault(message).help(format!("did you mean `{block}`?"));
                self.problems.error(key.span.clone(), fault);
            }
            Meant::Assertion(list) => {
                let message = format!("`{name}` is not a key of a validation file");
                let help = format!("write `{list}` under `assertions:`, indented");
                self.problems.error(key.span.clone(), fault(message).help(help));
            }
            Meant::Unknown if OddCharacter::first_in(name).is_some() => {
                let message = format!("`{name}` is not a key of a validation file");
                self.problems.error(key.span.clone(), fault(message));
            }
            Meant::Unknown => {
                let fault = fault(format!("the key `{name}` is unknown, and its value is ignored"))
                    .help("remove it, or start its name with `x-`");
                self.problems.warning(key.span.clone(), fault);
            }
            Meant::Foreign => {}
        }
    }

    /// Reports a file of another kind, once, and not each of its keys.
    fn foreign(&mut self, root: &YamlNode) {
        let message = "the file is not a validation file: none of its keys belongs to one";
        let fault = FileProblem::new(FileSection::File, "not-a-validation-file", message).help(
            "leave files of other kinds out, by a pattern that matches validation files alone; a validation file has its schema under `schema`, \
             or the path of the schema's file under `schemaFile`",
        );
        self.problems.error(head(root), fault);
    }

    fn require_one_schema(&mut self, faulty: &YamlNode, count: usize) {
        let problem = match count {
            0 => FileProblem::new(FileSection::File, "schema-missing", "the file has no schema").help(
                "put the schema's text under `schema`, or the path of its file under `schemaFile`",
            ),
            _ => FileProblem::new(
                FileSection::File,
                "schema-twice",
                "the file has both `schema` and `schemaFile`",
            )
            .help("keep one of them"),
        };
        self.problems.error(head(faulty), problem);
    }

    fn legacy(&mut self, key: &YamlNode, instead: &str) {
        let message = format!("the key `{}` is no longer understood", scalar_text(key));
        self.shape(key, message, &format!("use `{instead}`"));
    }

    fn inline_schema(&mut self, node: &YamlNode) -> Option<SchemaPart> {
        let (text, map) = self.block(node, "schema")?;
        let is_folded = matches!(node.value, YamlValue::Text(_, Style::Folded));
        Some(SchemaPart::Inline { text, map, is_folded })
    }

    fn schema_file(&mut self, node: &YamlNode) -> Option<SchemaPart> {
        let (path, _) = self.block(node, "schemaFile")?;
        if path.trim().is_empty() {
            let fault =
                FileProblem::new(FileSection::File, "schema-file", "`schemaFile` names no file");
            self.problems.error(node.span.clone(), fault);
            return None;
        }
        Some(SchemaPart::File { path, span: node.span.clone() })
    }

    fn relationships(&mut self, node: &YamlNode) -> Vec<RelationshipLine> {
        match self.block(node, "relationships") {
            Some((text, map)) => lines::read(&text, |span| map.span(span), self.problems),
            None => vec![],
        }
    }

    fn assertions(&mut self, node: &YamlNode) -> Vec<Assertion> {
        let mut assertions = Vec::new();
        for (key, items) in self.entries(node, "`assertions`") {
            let expectation = match scalar_text(key) {
                "assertTrue" => Expectation::True,
                "assertCaveated" => Expectation::Caveated,
                "assertFalse" => Expectation::False,
                _ => {
                    self.unknown_assertion_kind(key);
                    continue;
                }
            };
            for (text, span) in self.texts(items, scalar_text(key)) {
                let location = self.problems.source.location(span.clone());
                match Assertion::parse_at(expectation, text, location) {
                    Ok(assertion) => assertions.push(assertion),
                    Err(error) => {
                        self.problems.error(
                            span,
                            FileProblem::new(FileSection::Assertions, "assertion", error),
                        );
                    }
                }
            }
        }

        assertions
    }

    fn unknown_assertion_kind(&mut self, key: &YamlNode) {
        let name = scalar_text(key);
        let fault = |message: String| {
            FileProblem::new(FileSection::Assertions, "unknown-assertion-kind", message)
        };
        if let Some(list) = keys::meant_assertion(name) {
            let message = format!("`{name}` is not a list of assertions");
            let fault = fault(message).help(format!("did you mean `{list}`?"));
            self.problems.error(key.span.clone(), fault);
        } else {
            let help = "the keys are `assertTrue`, `assertCaveated` and `assertFalse`";
            let fault =
                fault(format!("the key `{name}` is unknown, and its assertions are not checked"))
                    .help(help);
            self.problems.warning(key.span.clone(), fault);
        }
    }

    fn expected(&mut self, node: &YamlNode) -> Vec<ExpectedRelations> {
        let mut all = Vec::new();
        for (key, items) in self.entries(node, "`validation`") {
            let location = self.problems.source.location(key.span.clone());
            let mut expected = match ExpectedRelations::parse(scalar_text(key), location) {
                Ok(expected) => expected,
                Err(message) => {
                    self.problems.error(
                        key.span.clone(),
                        FileProblem::new(FileSection::ExpectedRelations, "expected-key", message),
                    );
                    continue;
                }
            };
            for (text, span) in self.texts(items, scalar_text(key)) {
                let location = self.problems.source.location(span.clone());
                if let Err(message) = expected.add(text, location) {
                    self.problems.error(
                        span,
                        FileProblem::new(
                            FileSection::ExpectedRelations,
                            "expected-subject",
                            message,
                        ),
                    );
                }
            }
            all.push(expected);
        }

        all
    }
}
