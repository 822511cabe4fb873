//! Expansion of relations and permissions.

use super::call_error::CallError;
use super::connection::Connection;
use super::decode;
use super::read_consistency::ReadConsistency;
use crate::proto::authzed::api::v1 as wire;
use crate::proto::authzed::api::v1::algebraic_subject_set::Operation as WireOperation;
use crate::proto::authzed::api::v1::permission_relationship_tree::TreeType;
use crate::proto::encode;
use crate::relationship::ObjectRef;
use std::fmt;

/// A node of the expansion of a relation or permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionTree {
    /// The object and relation that the node belongs to, such as `document:plan#view`.
    pub owner: String,
    /// The subjects of the node, or how it combines its children.
    pub kind: PermissionTreeKind,
}

/// The content of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PermissionTreeKind {
    /// Combines its children.
    Operation(TreeOperation, Vec<PermissionTree>),
    /// These subjects, such as `user:ann` or `group:eng#member`.
    Subjects(Vec<String>),
}

/// Operation on sets of subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TreeOperation {
    /// Subjects of any child.
    Union,
    /// Subjects of every child.
    Intersection,
    /// Subjects of the first child that are not subjects of the second.
    Exclusion,
}

/// `union`, `intersection` or `exclusion`.
impl fmt::Display for TreeOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Union => "union",
            Self::Intersection => "intersection",
            Self::Exclusion => "exclusion",
        })
    }
}

impl Connection {
    /// Expands a relation or permission of an object; the second value is the token of the revision that was read.
    pub fn expand(
        &self,
        resource: &ObjectRef,
        permission: &str,
        consistency: &ReadConsistency,
    ) -> Result<(PermissionTree, String), CallError> {
        let request = wire::ExpandPermissionTreeRequest {
            consistency: Some(consistency.to_message()),
            resource: Some(encode::object(resource)),
            permission: permission.to_owned(),
        };
        let response = self.wait(self.permissions().expand_permission_tree(request))?;
        let tree = tree(response.tree_root.unwrap_or_default())?;
        Ok((tree, decode::token(response.expanded_at)))
    }
}

/// The tree of a message. The decoder of messages bounds its depth.
fn tree(message: wire::PermissionRelationshipTree) -> Result<PermissionTree, CallError> {
    let object = message.expanded_object.unwrap_or_default();
    let kind = match message.tree_type {
        Some(TreeType::Intermediate(set)) => {
            let operation = match set.operation() {
                WireOperation::Union => TreeOperation::Union,
                WireOperation::Intersection => TreeOperation::Intersection,
                WireOperation::Exclusion => TreeOperation::Exclusion,
                WireOperation::Unspecified => {
                    let reason = "a tree with an unknown operation".to_owned();
                    return Err(CallError::UnexpectedResponse(reason));
                }
            };

            let children = set.children.into_iter().map(self::tree).collect::<Result<_, _>>()?;
            PermissionTreeKind::Operation(operation, children)
        }
        Some(TreeType::Leaf(leaf)) => {
            PermissionTreeKind::Subjects(leaf.subjects.into_iter().map(shown).collect())
        }
        None => PermissionTreeKind::Subjects(Vec::new()),
    };
    let owner =
        format!("{}:{}#{}", object.object_type, object.object_id, message.expanded_relation);
    Ok(PermissionTree { owner, kind })
}

fn shown(subject: wire::SubjectReference) -> String {
    let object = subject.object.unwrap_or_default();
    match &*subject.optional_relation {
        "" => format!("{}:{}", object.object_type, object.object_id),
        relation => format!("{}:{}#{relation}", object.object_type, object.object_id),
    }
}
