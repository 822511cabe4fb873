//! `kilwa permission check`.

use super::answer::Answer;
use crate::api::proto::authzed::api::v1::CheckPermissionRequest;
use crate::cli::remote::{Connection, Failure};
use crate::cli::{Exit, consistency, message, render, tree};
use crate::relationship::{Context, ObjectRef, Subject, parse_question};
use clap::Args;
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The resource, such as document:plan, or the whole question: document:plan#view@user:ann.
    resource: String,
    /// A permission or relation of the resource.
    #[arg(requires = "subject")]
    permission: Option<String>,
    /// Who asks for access, such as user:ann or group:eng#member.
    subject: Option<String>,
    /// Values for caveat parameters, as a JSON object.
    #[arg(long, value_name = "JSON")]
    caveat_context: Option<String>,
    /// Show how the answer came about.
    #[arg(long)]
    explain: bool,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    /// Exit with 1 unless the answer is true.
    #[arg(long)]
    error_on_no_permission: bool,
    #[command(flatten)]
    consistency: consistency::Flags,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (resource, permission, subject) = question(arguments).map_err(Failure::new)?;
    let context = match &arguments.caveat_context {
        Some(json) => Context::parse(json).map_err(Failure::new)?,
        None => Context::default(),
    };
    let request = CheckPermissionRequest {
        consistency: Some(arguments.consistency.message()),
        resource: Some(message::object(&resource)),
        permission,
        subject: Some(message::subject(&subject)),
        context: message::context(&context),
        with_tracing: arguments.explain,
    };
    let remote = arguments.connection.open()?;
    let response = remote.wait(remote.permissions().check_permission(request))?;
    let token = message::token(response.checked_at);
    let answer =
        Answer::new(response.permissionship, response.partial_caveat_info, response.debug_trace);
    if arguments.json {
        let mut json = answer.json();
        if let Some(fields) = json.as_object_mut() {
            fields.insert("checkedAt".to_owned(), json!({ "token": token }));
        }
        print_json(&json);
    } else {
        print(&answer);
    }
    let denied = arguments.error_on_no_permission && !answer.is_yes();
    Ok(if denied { Exit::Failure } else { Exit::Success })
}

fn question(arguments: &Arguments) -> Result<(ObjectRef, String, Subject), String> {
    let text = match (&arguments.permission, &arguments.subject) {
        (Some(permission), Some(subject)) => {
            format!("{}#{permission}@{subject}", arguments.resource)
        }
        _ => arguments.resource.clone(),
    };
    parse_question(&text).map_err(|error| error.to_string())
}

fn print_json(json: &Value) {
    render::out(&format!("{json:#}\n"));
}

fn print(answer: &Answer) {
    render::out(&format!("{}\n", answer.word()));
    if let Some(names) = answer.lacks() {
        render::note(&format!("the answer depends on {names}: give it with --caveat-context"));
    }
    if let Some(evidence) = answer.evidence() {
        render::out(&tree::draw(evidence, ""));
    }
}
