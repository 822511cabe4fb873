//! `kilwa permission expand`.

use crate::cli::failure::Failure;
use crate::cli::remote::Server;
use crate::cli::render::{DIM, styled};
use crate::cli::{Exit, consistency, render, tree};
use crate::client::{Tree, TreeKind};
use crate::relationship::ObjectRef;
use clap::Args;
use serde::Serialize;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// A permission or relation of the resource.
    permission: String,
    /// The resource, such as document:plan.
    resource: String,
    /// Print the tree as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consistency: consistency::Flags,
    #[command(flatten)]
    server: Server,
}

/// A tree with its moment.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Expanded<'t> {
    expanded_at: render::Token,
    tree: Part<'t>,
}

/// A tree for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'t> {
    owner: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    children: Option<Vec<Part<'t>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subjects: Option<&'t [String]>,
}

/// A line of the drawing.
#[derive(Clone, Copy)]
enum Line<'t> {
    Part(&'t Tree),
    Subject(&'t str),
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let resource: ObjectRef = arguments.resource.parse()?;
    let connection = arguments.server.connect()?;
    let moment = arguments.consistency.moment(&connection)?;
    let (tree, token) = connection.expand(&resource, &arguments.permission, &moment)?;
    if arguments.json {
        render::json(&Expanded { expanded_at: token.into(), tree: part(&tree) })?;
    } else {
        render::out(&tree::draw_nodes(Line::Part(&tree), "", text, children))?;
    }
    Ok(Exit::Success)
}

fn part(tree: &Tree) -> Part<'_> {
    let empty = Part { owner: &tree.owner, operation: None, children: None, subjects: None };
    match &tree.kind {
        TreeKind::Operation(operation, children) => Part {
            operation: Some(operation.to_string()),
            children: Some(children.iter().map(part).collect()),
            ..empty
        },
        TreeKind::Subjects(subjects) => Part { subjects: Some(subjects), ..empty },
    }
}

fn text(line: Line<'_>) -> String {
    match line {
        Line::Subject(subject) => subject.to_owned(),
        Line::Part(tree) => match &tree.kind {
            TreeKind::Operation(operation, _) => {
                format!("{} {}", tree.owner, styled(DIM, operation))
            }
            TreeKind::Subjects(subjects) if subjects.is_empty() => {
                format!("{} {}", tree.owner, styled(DIM, "nobody"))
            }
            TreeKind::Subjects(_) => tree.owner.clone(),
        },
    }
}

fn children(line: Line<'_>) -> Vec<Line<'_>> {
    match line {
        Line::Subject(_) => Vec::new(),
        Line::Part(tree) => match &tree.kind {
            TreeKind::Operation(_, children) => children.iter().map(Line::Part).collect(),
            TreeKind::Subjects(subjects) => {
                subjects.iter().map(|subject| Line::Subject(subject)).collect()
            }
        },
    }
}
