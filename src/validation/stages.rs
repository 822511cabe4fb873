//! The stages of a validation, in order.

use super::assertion::{Assertion, AssertionResult, Expectation, run_assertions};
use super::content::is_schema;
use super::evidence::Evidence;
use super::expected::{self, ExpectedRelations};
use super::file::{self, SchemaNeed, SchemaPart, ValidationFile};
use super::lines;
use super::problem::{FileDiagnostic, FileProblem, FileSection, Problems};
use super::report::Report;
use super::run_options::RunOptions;
use super::source::NamedText;
use crate::engine::{CheckQuery, EngineError, EvalContext, Limits, check};
use crate::relationship::RelationshipSet;
use crate::schema::{self, Schema, lint};
use std::ops::Range;

/// Reads another file by its path from the folder of the file that is validated.
pub(super) type FileLoader<'l> = &'l dyn Fn(&str) -> Result<String, String>;

/// The parts of a validation file, for callers without a file.
#[derive(Clone, Debug, Default)]
pub struct InlineFile<'p> {
    /// The schema's text.
    pub schema: &'p str,
    /// Relationships, one a line.
    pub relationships: &'p str,
    /// Assertions as they are written, each with the wanted answer.
    pub assertions: Vec<(Expectation, &'p str)>,
    /// Expected relations: a key such as `document:plan#view` with its lines.
    pub expected: Vec<(&'p str, Vec<&'p str>)>,
}

/// Validates a file, which is a schema or a validation file ([`is_schema`]).
///
/// `load` reads another file by its path from the folder of this one, for `schemaFile` and `import`. There is no report
/// when the run exceeds its time limit or is interrupted.
pub fn validate_file(
    name: &str,
    text: &str,
    load: FileLoader<'_>,
    options: &RunOptions<'_>,
) -> Result<Report, EngineError> {
    if is_schema(name, text) {
        return Ok(check_schema(name, text, load));
    }
    let mut problems = Problems::new(NamedText::new(name, text));
    let file = file::read(&mut problems, SchemaNeed::Required);
    let schema = file.schema.as_ref().and_then(|part| compile(part, load, &mut problems));
    run(file, schema.as_ref(), problems, options)
}

/// Compiles and lints a schema that stands alone in its file.
pub fn check_schema(name: &str, text: &str, load: FileLoader<'_>) -> Report {
    let mut problems = Problems::new(NamedText::new(name, text));
    let compiled = schema::compile_named(name, text, Some(load));
    drop(add_schema_problems(compiled, None, &mut problems));
    finish(problems, StageResults { is_schema: true, ..StageResults::default() })
}

/// Validates the parts of a file. Diagnostics name the part that they are about: `schema`, `relationships`,
/// `assertions` or `validation`. There is no report when the run exceeds its time limit or is interrupted.
pub fn validate_inline(
    parts: &InlineFile<'_>,
    options: &RunOptions<'_>,
) -> Result<Report, EngineError> {
    let mut problems = Problems::new(NamedText::new("schema", parts.schema));
    let schema = add_schema_problems(schema::compile(parts.schema), None, &mut problems);
    let assertions = part_assertions(&parts.assertions, &mut problems);
    let expected =
        parts.expected.iter().filter_map(|part| part_expected(part, &mut problems)).collect();
    problems.source = NamedText::new("relationships", parts.relationships);
    let relationships = lines::read(parts.relationships, |span| span, &mut problems);
    let file = ValidationFile { schema: None, relationships, assertions, expected };
    run(file, schema.as_ref(), problems, options)
}

/// Parses assertions that are not in a file. Their locations are in a text `assertions`, which holds one a line in this
/// order.
pub fn parse_assertions(texts: &[(Expectation, &str)]) -> (Vec<Assertion>, Vec<FileDiagnostic>) {
    let mut problems = Problems::new(NamedText::new("assertions", ""));
    let assertions = part_assertions(texts, &mut problems);
    (assertions, problems.found)
}

/// Reads the `assertions` block of a validation file, whatever else it holds.
pub fn read_assertions(name: &str, text: &str) -> (Vec<Assertion>, Vec<FileDiagnostic>) {
    let mut problems = Problems::new(NamedText::new(name, text));
    let assertions = file::read_assertions(&mut problems);
    (assertions, problems.found)
}

fn part_assertions(texts: &[(Expectation, &str)], problems: &mut Problems) -> Vec<Assertion> {
    let lines: Vec<String> =
        texts.iter().map(|(_, text)| text.replace(['\r', '\n'], " ")).collect();
    problems.source = NamedText::new("assertions", &lines.join("\n"));
    let mut assertions = Vec::new();
    let mut start = 0;
    for ((expectation, _), line) in texts.iter().zip(&lines) {
        let span = start..start + line.len();
        start = span.end + 1;
        match Assertion::parse_at(*expectation, line, problems.source.location(span.clone())) {
            Ok(assertion) => assertions.push(assertion),
            Err(error) => {
                problems.error(span, FileProblem::new(FileSection::Assertions, "assertion", error));
            }
        }
    }
    assertions
}

fn part_expected(
    (key, items): &(&str, Vec<&str>),
    problems: &mut Problems,
) -> Option<ExpectedRelations> {
    problems.source = NamedText::new("validation", key);
    let span = 0..key.len();
    let mut expected = match ExpectedRelations::parse(key, problems.source.location(span.clone())) {
        Ok(expected) => expected,
        Err(message) => {
            problems.error(
                span,
                FileProblem::new(FileSection::ExpectedRelations, "expected-key", message),
            );
            return None;
        }
    };

    for text in items {
        problems.source = NamedText::new("validation", text);
        let span = 0..text.len();
        if let Err(message) = expected.add(text, problems.source.location(span.clone())) {
            problems.error(
                span,
                FileProblem::new(FileSection::ExpectedRelations, "expected-subject", message),
            );
        }
    }

    Some(expected)
}

pub(super) fn compile(
    part: &SchemaPart,
    load: FileLoader<'_>,
    problems: &mut Problems,
) -> Option<Schema> {
    match part {
        SchemaPart::Inline { text, map, is_folded } => {
            let name = problems.source.name.clone();
            let mut compiled = schema::compile_named(&name, text, Some(load)).map_err(Vec::from);
            if let Some(first) = compiled.as_mut().err().and_then(|faults| faults.first_mut())
                && *is_folded
            {
                let help = "`>` joins the lines of the schema: begin the block with `schema: |-`";
                first.help = Some(help.to_owned());
            }

            add_schema_problems(compiled, Some(map), problems)
        }
        SchemaPart::File { path, span } => compile_file(path, span.clone(), load, problems),
        SchemaPart::Whole { text } => {
            let name = problems.source.name.clone();
            add_schema_problems(schema::compile_named(&name, text, Some(load)), None, problems)
        }
    }
}

fn compile_file(
    path: &str,
    span: Range<usize>,
    load: FileLoader<'_>,
    problems: &mut Problems,
) -> Option<Schema> {
    let from_folder = from_folder_of(path, load);
    match load(path) {
        Ok(text) => {
            let name = sibling_name(&problems.source.name, path);
            let compiled = schema::compile_named(&name, &text, Some(&from_folder));
            add_schema_problems(compiled, None, problems)
        }
        Err(reason) => {
            let message = format!("schema file `{path}` cannot be read: {reason}");
            problems.error(span, FileProblem::new(FileSection::File, "schema-file", message));
            None
        }
    }
}

/// Reads files by their paths from the folder of the one that has this path.
pub(super) fn from_folder_of<'l>(
    path: &'l str,
    load: FileLoader<'l>,
) -> impl Fn(&str) -> Result<String, String> + 'l {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    move |import| match folder {
        "" => load(import),
        _ => load(&format!("{folder}/{import}")),
    }
}

/// The name of a file that another names by its path from its own folder, as the other one's name is written.
fn sibling_name(name: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let root = if name.starts_with('/') { "/" } else { "" };
    let mut segments: Vec<&str> = Vec::new();
    for segment in folder.split('/').chain(path.split('/')) {
        match segment {
            "" | "." => {}
            ".." if segments.last().is_some_and(|last| *last != "..") => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    format!("{root}{}", segments.join("/"))
}

/// Adds the diagnostics of the compiler or the lints to the problems.
fn add_schema_problems(
    compiled: Result<Schema, impl Into<Vec<schema::Diagnostic>>>,
    map: Option<&super::source::ScalarMap>,
    problems: &mut Problems,
) -> Option<Schema> {
    match compiled {
        Ok(schema) => {
            problems.schema(lint::lint(&schema), map);
            Some(schema)
        }
        Err(error) => {
            problems.schema(error.into(), map);
            None
        }
    }
}

/// The results of the stages after reading.
#[derive(Default)]
pub(super) struct StageResults {
    is_schema: bool,
    relationships_count: usize,
    assertions: Vec<AssertionResult>,
    expected: Vec<super::ExpectedResult>,
}

fn run(
    file: ValidationFile,
    schema: Option<&Schema>,
    mut problems: Problems,
    options: &RunOptions<'_>,
) -> Result<Report, EngineError> {
    let relationships = lines::load(file.relationships, schema, &mut problems, options)?;
    let mut stages =
        StageResults { relationships_count: relationships.len(), ..StageResults::default() };
    // Checks over a file with errors would report failures that only follow from these.
    if let Some(schema) = schema.filter(|_| !problems.any_error()) {
        stages.assertions = assert(file.assertions, schema, &relationships, options)?;
        let reader = relationships.visible_at(options.now);
        let run = |expectation| expected::run(expectation, schema, &reader, options);
        stages.expected = file.expected.into_iter().map(run).collect::<Result<_, _>>()?;
    }
    Ok(finish(problems, stages))
}

pub(super) fn assert(
    assertions: Vec<Assertion>,
    schema: &Schema,
    relationships: &RelationshipSet,
    options: &RunOptions<'_>,
) -> Result<Vec<AssertionResult>, EngineError> {
    let reader = relationships.visible_at(options.now);
    let RunOptions { interrupted, stopwatch, time_max, .. } = *options;
    let limits = Limits { time_max, ..Limits::default() };
    let scope = EvalContext { limits, interrupted, stopwatch, ..EvalContext::new(schema, &reader) };
    let mut results = run_assertions(assertions, |query: &CheckQuery<'_>, tracing| {
        match check(&EvalContext { tracing, ..scope }, query) {
            Err(error) if error.is_end_of_request() => Err(error),
            answer => Ok(answer.map_err(|error| error.to_string())),
        }
    })?;
    for result in &mut results {
        result.evidence = result.trace.as_ref().map(|trace| Evidence::from_trace(trace, schema));
    }
    Ok(results)
}

pub(super) fn finish(problems: Problems, stages: StageResults) -> Report {
    let Problems { source: NamedText { name, .. }, found: mut findings } = problems;
    findings.sort_by_key(|FileDiagnostic { diagnostic, .. }| {
        (diagnostic.source_name != name, diagnostic.source_name.clone(), diagnostic.span.start)
    });
    Report {
        name: name.to_string(),
        is_schema: stages.is_schema,
        findings,
        relationships_count: stages.relationships_count,
        assertions: stages.assertions,
        expected: stages.expected,
    }
}
