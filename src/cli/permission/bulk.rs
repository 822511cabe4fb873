//! `kilwa permission bulk`.

use super::answer::Answer;
use crate::api::proto::authzed::api::v1::check_bulk_permissions_pair::Response;
use crate::api::proto::authzed::api::v1::{
    CheckBulkPermissionsPair, CheckBulkPermissionsRequest, CheckBulkPermissionsRequestItem,
};
use crate::cli::remote::{Connection, Failure, Remote, describe};
use crate::cli::{Exit, consistency, lines, message, render, tree};
use crate::validation::{Assertion, Expectation};
use clap::Args;
use serde_json::{Value, json};
use tonic::Code;

/// The most questions that a server takes in one call.
const ITEMS_MAX: usize = 10_000;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Questions such as document:plan#view@user:ann; without any they are read from standard input, one a line.
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
    connection: Connection,
}

/// What a question came to.
struct Asked {
    question: String,
    answer: Result<Answer, String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let questions = if arguments.questions.is_empty() {
        lines::read_stdin()?
    } else {
        arguments.questions.clone()
    };
    let items = questions.iter().map(|text| item(text)).collect::<Result<Vec<_>, _>>()?;
    let remote = arguments.connection.open()?;
    let mut asked = Vec::new();
    for (texts, items) in questions.chunks(ITEMS_MAX).zip(items.chunks(ITEMS_MAX)) {
        let pairs = ask(&remote, arguments, items.to_vec())?;
        asked.extend(texts.iter().zip(pairs).map(|(text, pair)| read(text, pair)));
    }
    print(arguments, &asked);
    let any_error = asked.iter().any(|asked| asked.answer.is_err());
    Ok(if any_error { Exit::Unusable } else { Exit::Success })
}

fn item(text: &str) -> Result<CheckBulkPermissionsRequestItem, Failure> {
    let asked = Assertion::parse(Expectation::True, text).map_err(Failure::new)?;
    Ok(CheckBulkPermissionsRequestItem {
        resource: Some(message::object(&asked.resource)),
        permission: asked.permission,
        subject: Some(message::subject(&asked.subject)),
        context: message::context(&asked.context),
    })
}

fn ask(
    remote: &Remote,
    arguments: &Arguments,
    items: Vec<CheckBulkPermissionsRequestItem>,
) -> Result<Vec<CheckBulkPermissionsPair>, Failure> {
    let request = CheckBulkPermissionsRequest {
        consistency: Some(arguments.consistency.message()),
        items,
        with_tracing: arguments.explain,
    };
    let response = remote.wait(remote.permissions().check_bulk_permissions(request))?;
    Ok(response.pairs)
}

fn read(question: &str, pair: CheckBulkPermissionsPair) -> Asked {
    let answer = match pair.response {
        Some(Response::Item(item)) => {
            Ok(Answer::new(item.permissionship, item.partial_caveat_info, item.debug_trace))
        }
        Some(Response::Error(status)) => {
            Err(describe(Code::from(status.code), None, &status.message))
        }
        None => Err("the server sent no answer".to_owned()),
    };
    Asked { question: question.to_owned(), answer }
}

fn print(arguments: &Arguments, asked: &[Asked]) {
    if arguments.json {
        for asked in asked {
            render::out(&format!("{}\n", to_json(asked)));
        }
    } else if arguments.explain || !render::to_terminal() {
        render::out(&asked.iter().map(line).collect::<String>());
    } else {
        let row = |asked: &Asked| vec![asked.question.clone(), word(asked)];
        render::table(&["question", "answer"], asked.iter().map(row));
    }
}

fn word(asked: &Asked) -> String {
    match &asked.answer {
        Ok(answer) => match answer.lacks() {
            Some(names) => format!("{} (lacks {names})", answer.word()),
            None => answer.word().to_owned(),
        },
        Err(reason) => format!("error: {reason}"),
    }
}

fn line(asked: &Asked) -> String {
    let evidence = asked.answer.as_ref().ok().and_then(Answer::evidence);
    let tree = evidence.map(|evidence| tree::draw(evidence, "  ")).unwrap_or_default();
    format!("{} => {}\n{tree}", asked.question, word(asked))
}

fn to_json(asked: &Asked) -> Value {
    match &asked.answer {
        Ok(answer) => json!({ "request": asked.question, "item": answer.json() }),
        Err(reason) => json!({ "request": asked.question, "error": reason }),
    }
}
