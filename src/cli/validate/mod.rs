//! `kilwa validate`.

mod files;
mod github;
mod json;
mod junit;
mod text;

use super::{Exit, clock, render};
use crate::validation::{Outcome, Report};
use clap::{Args, ValueEnum};
use files::Validated;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Validation files (.yaml, .yml, .zaml), schemas (.zed), and patterns such as 'policies/**/*.yaml'.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// How to report: for people, for programs, as JUnit XML, or as annotations of a GitHub workflow.
    #[arg(long, value_enum, default_value_t)]
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

pub(super) fn run(arguments: &Arguments) -> Exit {
    let paths = match files::expand(&arguments.files) {
        Ok(paths) => paths,
        Err(message) => return render::error(message),
    };
    let validated = files::validate(&paths, clock::now());
    render::out(&match arguments.format {
        Format::Text => text::report(&validated),
        Format::Json => json::report(&validated),
        Format::Junit => junit::report(&validated),
        Format::Github => github::report(&validated),
    });
    let exits = validated.iter().map(|file| exit(file, arguments.fail_on_warn));
    exits.max().unwrap_or_default()
}

fn exit(file: &Validated, fail_on_warn: bool) -> Exit {
    match file.outcome() {
        Outcome::Holds if fail_on_warn && file.report.as_ref().is_ok_and(warns) => Exit::Failure,
        Outcome::Holds => Exit::Success,
        Outcome::Fails => Exit::Failure,
        Outcome::Unusable => Exit::Unusable,
    }
}

fn warns(report: &Report) -> bool {
    report.warnings().next().is_some()
}
