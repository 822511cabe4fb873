//! Trees of relations and permissions.

use super::calls::Moment;
use super::connection::{CallError, Connection};
use super::message;
use crate::proto::authzed::api::v1 as wire;
use crate::proto::authzed::api::v1::algebraic_subject_set::Operation as WireOperation;
use crate::proto::authzed::api::v1::permission_relationship_tree::TreeType;
use crate::relationship::ObjectRef;
use std::fmt;

/// A part of a relation or permission of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The relation or permission of an object that holds it, such as `document:plan#view`.
    pub owner: String,
    /// What stands there.
    pub kind: TreeKind,
}

/// What stands at a place of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeKind {
    /// Whoever the operation leaves of its children.
    Operation(Operation, Vec<Tree>),
    /// These subjects, such as `user:ann` or `group:eng#member`.
    Subjects(Vec<String>),
}

/// How the children of a tree are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Whoever is in one of them.
    Union,
    /// Whoever is in all of them.
    Intersection,
    /// Whoever is in the first and not in the second.
    Exclusion,
}

/// `union`, `intersection` or `exclusion`.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Union => "union",
            Self::Intersection => "intersection",
            Self::Exclusion => "exclusion",
        })
    }
}

impl Connection {
    /// Expands a relation or permission of an object; the second value is the token of the moment that the tree is true of.
    pub fn expand(
        &self,
        resource: &ObjectRef,
        permission: &str,
        moment: &Moment,
    ) -> Result<(Tree, String), CallError> {
        let request = wire::ExpandPermissionTreeRequest {
            consistency: Some(message::consistency(moment)),
            resource: Some(message::object(resource)),
            permission: permission.to_owned(),
        };
        let response = self.wait(self.permissions().expand_permission_tree(request))?;
        let tree = tree(response.tree_root.unwrap_or_default())?;
        Ok((tree, message::token(response.expanded_at)))
    }
}

/// The tree of a message, which is only as deep as what decodes messages lets it be.
fn tree(message: wire::PermissionRelationshipTree) -> Result<Tree, CallError> {
    let object = message.expanded_object.unwrap_or_default();
    let kind = match message.tree_type {
        Some(TreeType::Intermediate(set)) => {
            let operation = match set.operation() {
                WireOperation::Union => Operation::Union,
                WireOperation::Intersection => Operation::Intersection,
                WireOperation::Exclusion => Operation::Exclusion,
                WireOperation::Unspecified => {
                    let reason = "a tree with an operation that there is not".to_owned();
                    return Err(CallError::Nonsense(reason));
                }
            };
            let children = set.children.into_iter().map(self::tree).collect::<Result<_, _>>()?;
            TreeKind::Operation(operation, children)
        }
        Some(TreeType::Leaf(leaf)) => {
            TreeKind::Subjects(leaf.subjects.into_iter().map(shown).collect())
        }
        None => TreeKind::Subjects(Vec::new()),
    };
    let owner =
        format!("{}:{}#{}", object.object_type, object.object_id, message.expanded_relation);
    Ok(Tree { owner, kind })
}

fn shown(subject: wire::SubjectReference) -> String {
    let object = subject.object.unwrap_or_default();
    match &*subject.optional_relation {
        "" => format!("{}:{}", object.object_type, object.object_id),
        relation => format!("{}:{}#{relation}", object.object_type, object.object_id),
    }
}
