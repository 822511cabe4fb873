//! `kilwa permission bulk`.

use super::answer::{Item, lacks};
use crate::cli::failure::Failure;
use crate::cli::lines::{self, Line};
use crate::cli::remote::Server;
use crate::cli::{Exit, consistency, render, tree};
use crate::client::{Answer, Asked};
use crate::validation::{Assertion, Expectation};
use clap::Args;
use serde::Serialize;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Questions such as document:plan#view@user:ann; without any, or with -, they are read from standard input, one a
    /// line.
    /// Context goes after the question: 'document:plan#view@user:ann with {"day": "monday"}'.
    #[arg(value_name = "QUESTION")]
    questions: Vec<String>,
    /// Show how each answer came about.
    #[arg(long)]
    explain: bool,
    /// Print a JSON object for each answer, one a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consistency: consistency::Flags,
    #[command(flatten)]
    server: Server,
}

/// What a question came to.
struct Answered {
    question: String,
    answer: Result<Answer, String>,
}

/// The same for programs.
#[derive(Serialize)]
struct Pair<'a> {
    request: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let questions = questions(&arguments.questions)?;
    let asked = questions.iter().map(asked).collect::<Result<Vec<_>, _>>()?;
    let connection = arguments.server.connect()?;
    let moment = arguments.consistency.moment(&connection)?;
    let answers = connection.check_each(&asked, &moment, arguments.explain)?;
    let answered: Vec<Answered> = questions
        .into_iter()
        .zip(answers)
        .map(|(line, answer)| Answered { question: line.text, answer })
        .collect();
    print(arguments, &answered)?;
    let any_error = answered.iter().any(|answered| answered.answer.is_err());
    Ok(if any_error { Exit::Unusable } else { Exit::Success })
}

fn questions(arguments: &[String]) -> Result<Vec<Line>, Failure> {
    match arguments {
        [] => lines::read_piped("question"),
        [one] if one == "-" => lines::read_stdin("question"),
        _ => Ok(arguments.iter().map(|question| Line::argument(question)).collect()),
    }
}

/// Reads a question, which is written like an assertion.
fn asked(line: &Line) -> Result<Asked, Failure> {
    let Assertion { resource, permission, subject, context, .. } =
        Assertion::parse(Expectation::True, &line.text).map_err(|error| line.wrong(error))?;
    Ok(Asked { resource, permission, subject, context })
}

fn print(arguments: &Arguments, answered: &[Answered]) -> Result<(), Failure> {
    if arguments.json {
        let lines = answered.iter().map(|answered| render::json_line(&pair(answered)));
        render::out(&lines.collect::<Result<String, _>>()?)
    } else if arguments.explain || !render::to_terminal() {
        render::out(&answered.iter().map(line).collect::<String>())
    } else {
        let row = |answered: &Answered| vec![answered.question.clone(), word(answered)];
        render::table(&["question", "answer"], answered.iter().map(row))
    }
}

fn word(answered: &Answered) -> String {
    match &answered.answer {
        Ok(answer) => match lacks(answer) {
            Some(names) => format!("{} (lacks {names})", answer.permissionship),
            None => answer.permissionship.to_string(),
        },
        Err(reason) => format!("error: {reason}"),
    }
}

fn line(answered: &Answered) -> String {
    let evidence = answered.answer.as_ref().ok().and_then(|answer| answer.evidence.as_ref());
    let tree = evidence.map(|evidence| tree::draw(evidence, "  ")).unwrap_or_default();
    format!("{} => {}\n{tree}", answered.question, word(answered))
}

fn pair(answered: &Answered) -> Pair<'_> {
    Pair {
        request: &answered.question,
        item: answered.answer.as_ref().ok().map(Item::new),
        error: answered.answer.as_ref().err().map(String::as_str),
    }
}
