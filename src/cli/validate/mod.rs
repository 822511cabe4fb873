//! `kilwa validate`.

mod files;
mod github;
mod json;
mod junit;
mod text;

use super::failure::Failure;
use super::{Exit, clock, render};
use crate::validation::{Outcome, Report, Setting, check_schema, validate_file};
use clap::{Args, ValueEnum};
use files::Validated;

const FORMAT_HELP: &str =
    "How to report: for people, for programs, as JUnit XML, or as annotations of a GitHub workflow";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Validation files (.yaml, .yml, .zaml), schemas (.zed), and patterns such as 'policies/**/*.yaml'.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    #[arg(long, value_enum, default_value_t, help = FORMAT_HELP)]
    format: Format,
    /// Count warnings as failures.
    #[arg(long)]
    fail_on_warn: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    Junit,
    Github,
}

#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// Schema files, and patterns such as 'policies/**/*.zed'.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    #[arg(long, value_enum, default_value_t, help = FORMAT_HELP)]
    format: Format,
    /// Count warnings as failures.
    #[arg(long)]
    fail_on_warn: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let now = clock::now();
    let validate = |name: &str, text: &str, load: files::Load<'_>| {
        let setting = Setting::unhurried(now);
        validate_file(name, text, load, &setting).map_err(|error| error.to_string())
    };
    report(&arguments.files, arguments.format, arguments.fail_on_warn, &validate)
}

/// Looks at files as schemas, whatever their names.
pub(super) fn check_schemas(arguments: &SchemaArguments) -> Result<Exit, Failure> {
    let check = |name: &str, text: &str, load: files::Load<'_>| Ok(check_schema(name, text, load));
    report(&arguments.files, arguments.format, arguments.fail_on_warn, &check)
}

/// A single report for people.
pub(super) fn shown(report: Report) -> String {
    text::report(&[Validated { name: report.name.clone(), report: Ok(report) }])
}

fn report(
    files: &[String],
    format: Format,
    fail_on_warn: bool,
    validate: files::Validate<'_>,
) -> Result<Exit, Failure> {
    let paths = match files::expand(files) {
        Ok(paths) => paths,
        Err(message) => return Err(Failure::new(message)),
    };
    let validated = files::validate(&paths, validate);
    render::out(&match format {
        Format::Text => text::report(&validated),
        Format::Json => json::report(&validated, fail_on_warn)?,
        Format::Junit => junit::report(&validated, fail_on_warn)?,
        Format::Github => github::report(&validated),
    })?;
    Ok(match validated.iter().map(|file| outcome(file, fail_on_warn)).max() {
        None | Some(Outcome::Holds) => Exit::Success,
        Some(Outcome::Fails) => Exit::Failure,
        Some(Outcome::Unusable) => Exit::Unusable,
    })
}

/// What a file came to, when warnings count as failures or do not.
fn outcome(file: &Validated, fail_on_warn: bool) -> Outcome {
    let outcome = file.outcome();
    let warned = fail_on_warn && file.report.as_ref().is_ok_and(warns);
    if outcome == Outcome::Holds && warned { Outcome::Fails } else { outcome }
}

fn warns(report: &Report) -> bool {
    report.warnings().next().is_some()
}
