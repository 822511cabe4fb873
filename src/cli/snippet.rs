//! Messages with an excerpt of the source.

use super::{render, shown_place};
use crate::schema::{Diagnostic, Severity, SourceText};
use crate::validation::SourceLocation;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::ops::Range;

/// Lines shown before the annotated one.
const LINES_BEFORE: usize = 2;
/// Lines shown after it; a longer span is cut.
const LINES_AFTER: usize = 2;

/// A message on a position in a source.
#[derive(Debug)]
pub(super) struct SnippetMessage<'m> {
    pub(super) severity: Severity,
    /// The code of the diagnostic.
    pub(super) code: Option<&'m str>,
    pub(super) title: &'m str,
    /// The text beside the underlined span.
    pub(super) label: &'m str,
    pub(super) help: Option<&'m str>,
}

/// A diagnostic with its source lines.
pub(super) fn diagnostic(diagnostic: &Diagnostic) -> String {
    let location = SourceLocation {
        source_name: diagnostic.source_name.clone(),
        source: diagnostic.source.clone(),
        span: diagnostic.span.clone(),
    };
    let message = SnippetMessage {
        severity: diagnostic.severity,
        code: Some(diagnostic.code),
        title: &diagnostic.message,
        label: "",
        help: diagnostic.help.as_deref(),
    };
    self::message(&message, &location)
}

/// Prints diagnostics to standard error.
pub(super) fn note_all(diagnostics: &[Diagnostic]) {
    for found in diagnostics {
        render::note(&diagnostic(found));
    }
}

/// A message with its source lines and a line break at the end.
pub(super) fn message(message: &SnippetMessage<'_>, location: &SourceLocation) -> String {
    let window = SourceWindow::around(&location.source, &location.span);
    let kind = AnnotationKind::Primary.span(window.span).label(non_empty(message.label));
    let snippet = Snippet::source(window.text)
        .line_start(window.first_line)
        .path(&*location.source_name)
        .fold(false)
        .annotation(kind);

    let level = match message.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut title = level.primary_title(message.title);
    if let Some(code) = message.code {
        title = title.id(code);
    }

    let help = message.help.map(|help| Level::HELP.message(help));
    let group = title.element(snippet).elements(help);
    format!("{}\n", Renderer::styled().render(&[group]))
}

fn non_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// The lines around a span of a source.
struct SourceWindow<'t> {
    text: &'t str,
    first_line: usize,
    /// The span, relative to the start of the window.
    span: Range<usize>,
}

impl<'t> SourceWindow<'t> {
    fn around(source: &'t SourceText, span: &Range<usize>) -> Self {
        let text: &str = source;
        let from = shown_place::offset(text, span.start);
        let start = line_start_before(text, from, LINES_BEFORE);
        let end = line_end_after(text, from, LINES_AFTER);
        let first_line = source.position(start).line;
        let to = span.end.clamp(from, end.max(from));
        let window = text.get(start..end).unwrap_or_default();
        Self { text: window, first_line, span: from - start..to - start }
    }
}

/// The start of the line that is `count` lines before that of `offset`.
fn line_start_before(text: &str, offset: usize, count: usize) -> usize {
    let before = text.get(..offset).unwrap_or(text);
    before.rmatch_indices('\n').nth(count).map_or(0, |(at, _)| at + 1)
}

/// The end of the line that is `count` lines after that of `offset`.
fn line_end_after(text: &str, offset: usize, count: usize) -> usize {
    let after = text.get(offset..).unwrap_or_default();
    after.match_indices('\n').nth(count).map_or(text.len(), |(at, _)| offset + at)
}
