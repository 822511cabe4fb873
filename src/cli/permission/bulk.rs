//! `kilwa permission bulk`.

use super::answer_json::{self, PermissionJson, missing_names};
use crate::cli::consistency_args::ConsistencyArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::input_lines::{self, InputLine};
use crate::cli::server_args::ServerArgs;
use crate::cli::{render, tree};
use crate::client::{CheckAnswer, PermissionCheck};
use crate::validation::{Assertion, Expectation};
use clap::Args;
use serde::Serialize;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Checks such as document:plan#view@user:ann; without any, or with -, they are read from standard input, one per
    /// line. Caveat context follows the check: 'document:plan#view@user:ann with {"day": "monday"}'.
    #[arg(value_name = "CHECK")]
    checks: Vec<String>,
    /// Explain each result.
    #[arg(long)]
    explain: bool,
    /// Print one JSON object per check, one per line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consistency: ConsistencyArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// A check with its result.
struct BulkAnswer {
    check: String,
    answer: Result<CheckAnswer, String>,
}

/// The same in JSON.
#[derive(Serialize)]
struct BulkAnswerJson<'a> {
    request: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<PermissionJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let checks = checks(&arguments.checks)?;
    let query = checks.iter().map(query).collect::<Result<Vec<_>, _>>()?;
    let connection = arguments.server.connect()?;
    let consistency = arguments.consistency.resolve(&connection)?;
    let answers = connection.check_each(&query, &consistency, arguments.explain)?;
    let answered: Vec<BulkAnswer> = checks
        .into_iter()
        .zip(answers)
        .map(|(line, answer)| BulkAnswer { check: line.text, answer })
        .collect();
    print(arguments, &answered)?;
    let any_error = answered.iter().any(|answered| answered.answer.is_err());
    Ok(if any_error { Exit::Error } else { Exit::Success })
}

fn checks(arguments: &[String]) -> Result<Vec<InputLine>, CliError> {
    match arguments {
        [] => {
            input_lines::require_piped_lines("check")?;
            input_lines::read_stdin("check")
        }
        [one] if one == "-" => input_lines::read_stdin("check"),
        _ => Ok(arguments.iter().map(|check| InputLine::argument(check)).collect()),
    }
}

/// Parses a check, which has the form of an assertion.
fn query(line: &InputLine) -> Result<PermissionCheck, CliError> {
    let Assertion { resource, permission, subject, context, .. } =
        Assertion::parse(Expectation::True, &line.text).map_err(|error| line.error(error))?;
    Ok(PermissionCheck { resource, permission, subject, context })
}

fn print(arguments: &Arguments, answered: &[BulkAnswer]) -> Result<(), CliError> {
    if arguments.json {
        let lines = answered.iter().map(|answered| render::json_line(&pair(answered)));
        render::out(&lines.collect::<Result<String, _>>()?)
    } else if arguments.explain || !render::to_terminal() {
        render::out(&answered.iter().map(line).collect::<String>())
    } else {
        let row = |answered: &BulkAnswer| vec![answered.check.clone(), word(answered)];
        render::table(&["check", "answer"], answered.iter().map(row))
    }
}

fn word(answered: &BulkAnswer) -> String {
    match &answered.answer {
        Ok(answer) => match missing_names(&answer.permissionship) {
            Some(names) => format!("{} (lacks {names})", answer_json::word(&answer.permissionship)),
            None => answer_json::word(&answer.permissionship).to_owned(),
        },
        Err(reason) => format!("error: {reason}"),
    }
}

fn line(answered: &BulkAnswer) -> String {
    let evidence = answered.answer.as_ref().ok().and_then(|answer| answer.evidence.as_ref());
    let tree = evidence.map(|evidence| tree::draw(evidence, "  ")).unwrap_or_default();
    format!("{} => {}\n{tree}", answered.check, word(answered))
}

fn pair(answered: &BulkAnswer) -> BulkAnswerJson<'_> {
    BulkAnswerJson {
        request: &answered.check,
        item: answered.answer.as_ref().ok().map(PermissionJson::new),
        error: answered.answer.as_ref().err().map(String::as_str),
    }
}
