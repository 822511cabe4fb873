//! `kilwa validate`.

mod files;
pub(super) mod github;
pub(super) mod json;
pub(super) mod junit;
pub(super) mod text;
mod validated;

use super::error::CliError;
use super::{clock, render};
use crate::cli::exit::Exit;
use crate::cli::file_patterns;
use crate::validation::{ReportOutcome, RunOptions, check_schema, validate_file};
use clap::{Args, ValueEnum};
use validated::ValidatedFile;

const FORMAT_HELP: &str =
    "Format of the report: text, JSON, JUnit XML, or annotations of a GitHub workflow";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Validation files (.yaml, .yml, .zaml), schemas (.zed), and patterns such as 'policies/**/*.yaml'.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    #[arg(long, value_enum, default_value_t, help = FORMAT_HELP)]
    format: ReportFormat,
    /// Count warnings as failures.
    #[arg(long)]
    fail_on_warn: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum ReportFormat {
    #[default]
    Text,
    Json,
    Junit,
    Github,
}

#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// Schema files, and patterns such as 'policies/**/*.zed'. A file that another of them imports is checked as a part of that one.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    #[arg(long, value_enum, default_value_t, help = FORMAT_HELP)]
    format: ReportFormat,
    /// Count warnings as failures.
    #[arg(long)]
    fail_on_warn: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let now = clock::now();
    let validate = |name: &str, text: &str, load: files::LoadFn<'_>| {
        let setting = RunOptions::unhurried(now);
        validate_file(name, text, load, &setting).map_err(|error| error.to_string())
    };
    report(&arguments.files, arguments.format, arguments.fail_on_warn, &validate)
}

/// Checks files as schemas, whatever their names.
pub(super) fn check_schemas(arguments: &SchemaArguments) -> Result<Exit, CliError> {
    let check =
        |name: &str, text: &str, load: files::LoadFn<'_>| Ok(check_schema(name, text, load));
    report(&arguments.files, arguments.format, arguments.fail_on_warn, &check)
}

fn report(
    files: &[String],
    format: ReportFormat,
    fail_on_warn: bool,
    validate: files::ValidateFn<'_>,
) -> Result<Exit, CliError> {
    let paths = match file_patterns::expand(files) {
        Ok(paths) => paths,
        Err(message) => return Err(CliError::new(message)),
    };
    let validated = files::validate(&paths, fail_on_warn, validate);
    render::out(&match format {
        ReportFormat::Text => text::report(&validated),
        ReportFormat::Json => json::report(&validated)?,
        ReportFormat::Junit => junit::report(&validated)?,
        ReportFormat::Github => github::report(&validated),
    })?;
    Ok(match validated.iter().map(ValidatedFile::outcome).max() {
        None | Some(ReportOutcome::Holds) => Exit::Success,
        Some(ReportOutcome::Fails) => Exit::Failure,
        Some(ReportOutcome::Unusable) => Exit::Error,
    })
}
