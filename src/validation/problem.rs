//! Problems of a validation file, collected while it is read.

use super::hints;
use super::source::{NamedText, ScalarMap};
use crate::schema::{Diagnostic, DiagnosticStage, OddCharacter, Severity};
use std::fmt::Display;
use std::ops::Range;

/// A diagnostic with the section of the file that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDiagnostic {
    /// The part of the file that it is about.
    pub block: FileSection,
    /// The diagnostic.
    pub diagnostic: Diagnostic,
}

/// A part of a validation file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileSection {
    /// Its form: YAML, keys, the files that it names.
    File,
    /// The schema, here or in a file of its own.
    Schema,
    /// The relationships.
    Relationships,
    /// The assertions' form.
    Assertions,
    /// The expected relations' form.
    ExpectedRelations,
}

/// The problems of one file.
#[derive(Debug)]
pub(super) struct Problems {
    pub(super) source: NamedText,
    pub(super) found: Vec<FileDiagnostic>,
}

/// A problem without its position.
#[derive(Debug)]
pub(super) struct FileProblem {
    block: FileSection,
    code: &'static str,
    message: String,
    help: Option<String>,
}

impl FileProblem {
    pub(super) fn new(block: FileSection, code: &'static str, message: impl Display) -> Self {
        let message = message.to_string();
        Self { block, code, message, help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    pub(super) fn help_if(self, help: Option<impl Into<String>>) -> Self {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }
}

impl Problems {
    pub(super) fn new(source: NamedText) -> Self {
        Self { source, found: Vec::new() }
    }

    /// Whether something makes the file unusable.
    pub(super) fn any_error(&self) -> bool {
        self.found.iter().any(|finding| finding.diagnostic.severity == Severity::Error)
    }

    pub(super) fn error(&mut self, span: Range<usize>, fault: FileProblem) {
        self.add(Severity::Error, DiagnosticStage::Parse, span, fault);
    }

    /// A fault that only the schema shows.
    pub(super) fn type_error(&mut self, span: Range<usize>, fault: FileProblem) {
        self.add(Severity::Error, DiagnosticStage::Type, span, fault);
    }

    pub(super) fn warning(&mut self, span: Range<usize>, fault: FileProblem) {
        self.add(Severity::Warning, DiagnosticStage::Lint, span, fault);
    }

    fn add(
        &mut self,
        severity: Severity,
        stage: DiagnosticStage,
        span: Range<usize>,
        fault: FileProblem,
    ) {
        let location = self.source.location(span);
        let faulty = location.source.get(location.span.clone()).unwrap_or_default();
        let odd = OddCharacter::first_in(faulty).filter(|_| severity == Severity::Error);
        let fault = match odd {
            Some((_, odd)) => fault.help(hints::odd_character(odd)),
            None => fault,
        };

        let diagnostic = Diagnostic {
            severity,
            stage,
            code: fault.code,
            message: fault.message,
            source_name: location.source_name,
            source: location.source,
            span: location.span,
            help: fault.help,
            names: Vec::new(),
        };
        self.found.push(FileDiagnostic { block: fault.block, diagnostic });
    }

    /// Takes over diagnostics of a schema. Those of the schema that stands in this file itself are brought to the
    /// file's own lines.
    pub(super) fn schema(&mut self, diagnostics: Vec<Diagnostic>, map: Option<&ScalarMap>) {
        for mut diagnostic in diagnostics {
            if let Some(map) = map.filter(|_| diagnostic.source_name == self.source.name) {
                let location = self.source.location(map.span(diagnostic.span));
                diagnostic.source = location.source;
                diagnostic.span = location.span;
            }
            self.found.push(FileDiagnostic { block: FileSection::Schema, diagnostic });
        }
    }
}
