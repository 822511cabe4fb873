//! Faults on their way to becoming diagnostics: collected over all files, then shown with their texts.

use super::diagnostic::{Diagnostic, DiagnosticStage, Severity};
use super::position::Span;
use super::recovery::UnreadNames;
use super::source_text::SourceText;
use crate::relationship::nearest;
use std::sync::Arc;

/// Maximum faults reported for one schema: a text that is not a schema has one in every line.
const FAULTS_MAX: usize = 100;
/// How many names a message lists.
const NAMES_MAX: usize = 20;

/// One text of a schema.
#[derive(Clone, Debug)]
pub(in crate::schema) struct SourceFile {
    pub(in crate::schema) name: Arc<str>,
    pub(in crate::schema) text: SourceText,
}

/// An error in a schema, by byte range, before it becomes a [`Diagnostic`].
#[derive(Debug, PartialEq, Eq)]
pub(in crate::schema) struct SchemaFault {
    pub(in crate::schema) stage: DiagnosticStage,
    pub(in crate::schema) code: &'static str,
    pub(in crate::schema) message: String,
    pub(in crate::schema) span: Span,
    pub(in crate::schema) help: Option<String>,
    /// The name that was not found, if that is the fault.
    pub(in crate::schema) missing: Option<String>,
    pub(in crate::schema) names: Vec<(&'static str, String)>,
}

/// Every fault found so far, up to a limit.
#[derive(Debug, Default)]
pub(in crate::schema) struct Faults {
    found: Vec<SchemaFault>,
    /// Names that unreadable statements may define.
    pub(in crate::schema) unread: UnreadNames,
}

impl SchemaFault {
    /// A text that is not of the language.
    pub(in crate::schema) fn parse(
        code: &'static str,
        span: Span,
        message: impl Into<String>,
    ) -> Self {
        let (message, help, missing) = (message.into(), None, None);
        Self {
            stage: DiagnosticStage::Parse,
            code,
            message,
            span,
            help,
            missing,
            names: Vec::new(),
        }
    }

    /// Parts that do not fit together.
    pub(in crate::schema) fn typed(
        code: &'static str,
        span: Span,
        message: impl Into<String>,
    ) -> Self {
        Self { stage: DiagnosticStage::Type, ..Self::parse(code, span, message) }
    }

    /// A name that was not found.
    pub(in crate::schema) fn missing(self, name: &str) -> Self {
        Self { missing: Some(name.to_owned()), ..self }
    }

    /// The same, with the names that it is about.
    pub(in crate::schema) fn about<'n>(
        self,
        names: impl IntoIterator<Item = (&'static str, &'n str)>,
    ) -> Self {
        let names = names.into_iter().map(|(kind, name)| (kind, name.to_owned())).collect();
        Self { names, ..self }
    }

    /// The same, with advice.
    pub(in crate::schema) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same, with the near name among these if there is one.
    pub(in crate::schema) fn suggest<'n>(
        self,
        wanted: &str,
        candidates: impl IntoIterator<Item = &'n str>,
    ) -> Self {
        match nearest(wanted, candidates) {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    pub(in crate::schema) fn shown(
        self,
        severity: Severity,
        files: &[SourceFile],
    ) -> Option<Diagnostic> {
        let file = files.get(self.span.file)?;
        Some(Diagnostic {
            severity,
            stage: self.stage,
            code: self.code,
            message: self.message,
            source_name: Arc::clone(&file.name),
            source: file.text.clone(),
            span: self.span.start..self.span.end,
            help: self.help,
            names: self.names,
        })
    }
}

impl Faults {
    /// Adds a fault, unless it only follows from what could not be read or is the last one again, as it can be when a
    /// partial is looked at for several definitions.
    pub(in crate::schema) fn push(&mut self, fault: SchemaFault) {
        let follows = fault.missing.as_ref().is_some_and(|name| self.unread.may_define(name));
        if !follows && !self.is_full() && self.found.last() != Some(&fault) {
            self.found.push(fault);
        }
    }

    /// Whether further faults will be dropped, so that looking for them is idle.
    pub(in crate::schema) fn is_full(&self) -> bool {
        self.found.len() >= FAULTS_MAX
    }

    pub(in crate::schema) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(in crate::schema) fn extend(&mut self, faults: impl IntoIterator<Item = SchemaFault>) {
        faults.into_iter().for_each(|fault| self.push(fault));
    }

    /// The faults: syntax errors first, each kind in source order. So the first one is that of a parser that stops at the
    /// first error.
    pub(in crate::schema) fn into_diagnostics(mut self, files: &[SourceFile]) -> Vec<Diagnostic> {
        self.found.sort_by_key(|fault| (fault.stage, fault.span));
        self.found.into_iter().filter_map(|fault| fault.shown(Severity::Error, files)).collect()
    }
}

/// Names, joined by commas; of many only the first ones.
pub(in crate::schema) fn listed(names: &[&str]) -> String {
    match names.split_at_checked(NAMES_MAX) {
        Some((first, rest)) if !rest.is_empty() => {
            format!("{} and {} more", first.join(", "), rest.len())
        }
        _ => names.join(", "),
    }
}
