//! Faults on their way to becoming diagnostics: collected over all files, then shown with their texts.

use super::ast::Span;
use super::diagnostic::{Diagnostic, Severity, Stage};
use super::lost::Lost;
use super::source_text::SourceText;
use std::sync::Arc;

/// How many faults are reported of one schema; more would help nobody, and garbage has one in every line.
const FAULTS_MAX: usize = 100;
/// How many names are compared when a near one is looked for.
const CANDIDATES_MAX: usize = 2_000;
/// How many names a message lists.
const NAMES_MAX: usize = 20;

/// One text of a schema.
#[derive(Clone, Debug)]
pub(super) struct SourceFile {
    pub(super) name: Arc<str>,
    pub(super) text: SourceText,
}

/// What is wrong, by place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) stage: Stage,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) span: Span,
    pub(super) help: Option<String>,
    /// The name that was not found, if that is the fault.
    pub(super) missing: Option<String>,
    pub(super) names: Vec<(&'static str, String)>,
}

/// Every fault found so far, up to a limit.
#[derive(Debug, Default)]
pub(super) struct Faults {
    found: Vec<Fault>,
    /// What could not be read.
    pub(super) lost: Lost,
}

impl Fault {
    /// A text that is not of the language.
    pub(super) fn parse(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        let (message, help, missing) = (message.into(), None, None);
        Self { stage: Stage::Parse, code, message, span, help, missing, names: Vec::new() }
    }

    /// Parts that do not fit together.
    pub(super) fn typed(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { stage: Stage::Type, ..Self::parse(code, span, message) }
    }

    /// A name that was looked up in vain.
    pub(super) fn missing(self, name: &str) -> Self {
        Self { missing: Some(name.to_owned()), ..self }
    }

    /// The same, with the names that it is about.
    pub(super) fn about<'n>(
        self,
        names: impl IntoIterator<Item = (&'static str, &'n str)>,
    ) -> Self {
        let names = names.into_iter().map(|(kind, name)| (kind, name.to_owned())).collect();
        Self { names, ..self }
    }

    /// The same, with advice.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same, with the near name among these if there is one.
    pub(super) fn suggest<'n>(
        self,
        wanted: &str,
        candidates: impl IntoIterator<Item = &'n str>,
    ) -> Self {
        match nearest(wanted, candidates) {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    pub(super) fn shown(self, severity: Severity, files: &[SourceFile]) -> Option<Diagnostic> {
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
    pub(super) fn push(&mut self, fault: Fault) {
        let follows = fault.missing.as_ref().is_some_and(|name| self.lost.may_define(name));
        if !follows && !self.is_full() && self.found.last() != Some(&fault) {
            self.found.push(fault);
        }
    }

    /// Whether further faults will be dropped, so that looking for them is idle.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= FAULTS_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn extend(&mut self, faults: impl IntoIterator<Item = Fault>) {
        faults.into_iter().for_each(|fault| self.push(fault));
    }

    /// The faults: those of syntax first, each kind in the order of its places. So the first one says what a reader that
    /// stops at the first would say.
    pub(super) fn into_diagnostics(mut self, files: &[SourceFile]) -> Vec<Diagnostic> {
        self.found.sort_by_key(|fault| (fault.stage, fault.span));
        self.found.into_iter().filter_map(|fault| fault.shown(Severity::Error, files)).collect()
    }
}

/// Names, joined by commas; of many only the first ones.
pub(super) fn listed(names: &[&str]) -> String {
    match names.split_at_checked(NAMES_MAX) {
        Some((first, rest)) if !rest.is_empty() => {
            format!("{} and {} more", first.join(", "), rest.len())
        }
        _ => names.join(", "),
    }
}

/// The name that was probably meant: the nearest of the candidates, unless all are far off.
pub fn nearest<'n>(wanted: &str, candidates: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let distance_max = wanted.chars().count().div_ceil(3).min(3);
    candidates
        .into_iter()
        .take(CANDIDATES_MAX)
        .filter(|name| *name != wanted && name.len().abs_diff(wanted.len()) <= distance_max)
        .map(|name| (strsim::osa_distance(wanted, name), name))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
