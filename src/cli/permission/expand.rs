//! `kilwa permission expand`.

use crate::cli::consistency_args::ConsistencyArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render::{DIM, styled};
use crate::cli::server_args::ServerArgs;
use crate::cli::{render, tree};
use crate::client::{PermissionTree, PermissionTreeKind};
use crate::relationship::ObjectRef;
use clap::Args;
use serde::Serialize;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Permission or relation of the resource.
    permission: String,
    /// Resource, such as document:plan.
    resource: String,
    /// Print the tree as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consistency: ConsistencyArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// A tree with the token of its revision.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExpandJson<'t> {
    expanded_at: render::TokenJson,
    tree: TreeJson<'t>,
}

/// A tree in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TreeJson<'t> {
    owner: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    children: Option<Vec<TreeJson<'t>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subjects: Option<&'t [String]>,
}

/// A line of the printed tree.
#[derive(Clone, Copy)]
enum TreeLine<'t> {
    Node(&'t PermissionTree),
    Subject(&'t str),
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let resource: ObjectRef = arguments.resource.parse()?;
    let connection = arguments.server.connect()?;
    let consistency = arguments.consistency.resolve(&connection)?;
    let (tree, token) = connection.expand(&resource, &arguments.permission, &consistency)?;
    if arguments.json {
        render::json(&ExpandJson { expanded_at: token.into(), tree: part(&tree) })?;
    } else {
        render::out(&tree::draw_nodes(TreeLine::Node(&tree), "", text, children))?;
    }
    Ok(Exit::Success)
}

fn part(tree: &PermissionTree) -> TreeJson<'_> {
    let empty = TreeJson { owner: &tree.owner, operation: None, children: None, subjects: None };
    match &tree.kind {
        PermissionTreeKind::Operation(operation, children) => TreeJson {
            operation: Some(operation.to_string()),
            children: Some(children.iter().map(part).collect()),
            ..empty
        },
        PermissionTreeKind::Subjects(subjects) => TreeJson { subjects: Some(subjects), ..empty },
    }
}

fn text(line: TreeLine<'_>) -> String {
    match line {
        TreeLine::Subject(subject) => subject.to_owned(),
        TreeLine::Node(tree) => match &tree.kind {
            PermissionTreeKind::Operation(operation, _) => {
                format!("{} {}", tree.owner, styled(DIM, operation))
            }
            PermissionTreeKind::Subjects(subjects) if subjects.is_empty() => {
                format!("{} {}", tree.owner, styled(DIM, "no subjects"))
            }
            PermissionTreeKind::Subjects(_) => tree.owner.clone(),
        },
    }
}

fn children(line: TreeLine<'_>) -> Vec<TreeLine<'_>> {
    match line {
        TreeLine::Subject(_) => Vec::new(),
        TreeLine::Node(tree) => match &tree.kind {
            PermissionTreeKind::Operation(_, children) => {
                children.iter().map(TreeLine::Node).collect()
            }
            PermissionTreeKind::Subjects(subjects) => {
                subjects.iter().map(|subject| TreeLine::Subject(subject)).collect()
            }
        },
    }
}
