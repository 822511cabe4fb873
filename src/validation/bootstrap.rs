//! Bootstrap data: schema and relationships of validation files and schemas.

use super::assertion::{Assertion, AssertionResult, Expectation};
use super::content::is_schema;
use super::file::{self, SchemaNeed, SchemaPart, ValidationFile};
use super::lines;
use super::problem::{FileProblem, FileSection, Problems};
use super::report::Report;
use super::run_options::RunOptions;
use super::source::NamedText;
use super::stages::{FileLoader, StageResults, assert, compile, finish, from_folder_of};
use crate::relationship::{ObjectRef, Relationship, RelationshipSet, Subject, Timestamp};
use crate::schema::{self, Schema};
use std::fmt;

/// A file to read.
#[derive(Clone, Copy)]
pub struct Input<'i> {
    /// Its name, as diagnostics show it.
    pub name: &'i str,
    /// Its text.
    pub text: &'i str,
    /// Reads another file by its path from the folder of this one.
    pub load: FileLoader<'i>,
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Schema and relationships of one or more files.
#[derive(Clone, Debug, PartialEq)]
pub struct BootstrapData {
    /// The schema's text, without imports; `None` when no file has one.
    pub schema: Option<String>,
    /// The relationships, in key order.
    pub relationships: Vec<Relationship>,
    /// A check that succeeds, when the files hold one.
    pub example: Option<Example>,
}

/// A check without context.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The object that access is about.
    pub resource: ObjectRef,
    /// A permission or relation of its definition.
    pub permission: String,
    /// The subject.
    pub subject: Subject,
}

/// Reads schemas and relationships from validation files and schemas, to be stored as one.
///
/// The schemas may name each other's definitions. The relationships are checked against all of them together. The error
/// holds the reports of the files that cannot be used.
pub fn read_bootstrap(
    inputs: &[Input<'_>],
    need: SchemaNeed,
    now: Timestamp,
) -> Result<BootstrapData, Vec<Report>> {
    let mut sources: Vec<ParsedInput<'_>> =
        inputs.iter().map(|input| ParsedInput::new(*input)).collect();
    if need == SchemaNeed::Required && sources.iter().all(|opened| opened.schema.is_none()) {
        require_schema(&mut sources);
    }
    let schema = together(&mut sources);

    let options = RunOptions::unhurried(now);
    let mut relationships = RelationshipSet::default();
    let mut assertions = Vec::new();
    for opened in &mut sources {
        let lines = std::mem::take(&mut opened.file.relationships);
        // Without a time limit and an interruption, `load` has no error to return.
        if let Ok(loaded) = lines::load(lines, schema.as_ref(), &mut opened.problems, &options) {
            for relationship in loaded.iter().cloned() {
                relationships.insert(relationship);
            }
        }
        assertions.append(&mut opened.file.assertions);
    }

    if sources.iter().any(|opened| opened.problems.any_error()) {
        let faulty = sources.into_iter().filter(|opened| opened.problems.any_error());
        return Err(faulty
            .map(|opened| finish(opened.problems, StageResults::default()))
            .collect());
    }
    let example =
        schema.as_ref().and_then(|schema| example(assertions, schema, &relationships, &options));
    let schema = schema.as_ref().map(schema::without_imports);
    Ok(BootstrapData { schema, relationships: relationships.iter().cloned().collect(), example })
}

/// A file that is being read.
struct ParsedInput<'i> {
    load: FileLoader<'i>,
    problems: Problems,
    file: ValidationFile,
    schema: Option<SchemaPart>,
}

impl<'i> ParsedInput<'i> {
    fn new(Input { name, text, load }: Input<'i>) -> Self {
        let mut problems = Problems::new(NamedText::new(name, text));
        let mut file = ValidationFile::default();
        if is_schema(name, text) {
            file.schema = Some(SchemaPart::Whole { text: text.to_owned() });
        } else {
            file = file::read(&mut problems, SchemaNeed::Optional);
        }
        let schema = file.schema.take();
        Self { load, problems, file, schema }
    }

    /// The schema's text with what it imports, as it is written; nothing when that cannot be read.
    fn text(&self) -> Option<String> {
        let name = &self.problems.source.name;
        match self.schema.as_ref()? {
            SchemaPart::Inline { text, .. } | SchemaPart::Whole { text } => {
                schema::with_imports(name, text, &self.load)
            }
            SchemaPart::File { path, .. } => {
                let text = (self.load)(path).ok()?;
                schema::with_imports(path, &text, &from_folder_of(path, self.load))
            }
        }
    }
}

/// Reports a missing schema, unless the file has other errors.
fn require_schema(sources: &mut [ParsedInput<'_>]) {
    let is_one = sources.len() == 1;
    let message = if is_one { "the file has no schema" } else { "none of the files has a schema" };
    let Some(first) = sources.first_mut().filter(|first| !first.problems.any_error()) else {
        return;
    };
    let fault = FileProblem::new(FileSection::File, "schema-missing", message)
        .help("put the schema's text under `schema`, or the path of its file under `schemaFile`");
    first.problems.error(0..0, fault);
}

/// The schemas of all files as one. Where there are several, each may need definitions of the others, so that only the
/// whole has to compile.
fn together(sources: &mut [ParsedInput<'_>]) -> Option<Schema> {
    let mut schemas = Vec::new();
    let mut texts = Vec::new();
    let mut faults = Vec::new();
    for (at, opened) in sources.iter_mut().enumerate() {
        let Some(part) = &opened.schema else { continue };
        let mut problems = Problems::new(opened.problems.source.clone());
        let compiled = compile(part, opened.load, &mut problems);
        texts.extend(compiled.as_ref().map(schema::without_imports).or_else(|| opened.text()));
        schemas.extend(compiled);
        faults.push((at, problems));
    }

    let is_alone = faults.len() <= 1;
    let is_whole = texts.len() == faults.len();
    if let Some(schema) = joined(&texts).filter(|_| !is_alone && is_whole) {
        return Some(schema);
    }
    let any_error = faults.iter().any(|(_, problems)| problems.any_error());
    for (at, problems) in faults {
        if let Some(opened) = sources.get_mut(at) {
            opened.problems.found.extend(problems.found);
        }
    }
    if is_alone || any_error {
        return schemas.pop().filter(|_| is_alone);
    }
    clash(sources, &texts);
    None
}

/// Texts as one schema, as they are written where that is possible.
fn joined(texts: &[String]) -> Option<Schema> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    schema::compile(&schema::join(&texts)).ok()
}

/// Schemas that are right alone and wrong together: the faults of the joined text.
fn clash(sources: &mut [ParsedInput<'_>], texts: &[String]) {
    let names: Vec<String> =
        sources.iter().map(|opened| opened.problems.source.name.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let name = names.join(" + ");
    let compiled = schema::compile_named(&name, &schema::join(&texts), None);
    if let (Some(first), Err(error)) = (sources.first_mut(), compiled) {
        first.problems.schema(error.into(), None);
    }
}

/// The first assertion that holds without context, else the first relationship that holds without a caveat.
fn example(
    assertions: Vec<Assertion>,
    schema: &Schema,
    relationships: &RelationshipSet,
    options: &RunOptions<'_>,
) -> Option<Example> {
    let wanted = |a: &Assertion| a.expectation == Expectation::True && a.context.is_empty();
    let assertion = assertions.into_iter().find(wanted);
    let results = assert(assertion.into_iter().collect(), schema, relationships, options);
    if let Some(held) =
        results.ok().and_then(|mut results| results.pop()).filter(AssertionResult::holds)
    {
        let Assertion { resource, permission, subject, .. } = held.assertion;
        return Some(Example { resource, permission, subject });
    }
    let plain = |relationship: &&Relationship| {
        relationship.caveat.is_none()
            && relationship.expires_at.is_none()
            && !matches!(relationship.subject, Subject::Wildcard(_))
    };
    let Relationship { resource, relation, subject, .. } =
        relationships.iter().find(plain)?.clone();
    Some(Example { resource, permission: relation, subject })
}
