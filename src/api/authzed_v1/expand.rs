//! Relations and permissions as trees.

use crate::api::call_access::CallAccess;
use crate::api::context::ServiceContext;
use crate::api::convert;
use crate::api::status;
use crate::engine::{ExpandTree, ExpandTreeKind, SetOperation, Statistics};
use crate::proto::authzed::api::v1 as proto;
use crate::proto::authzed::api::v1::algebraic_subject_set::Operation as OperationMessage;
use crate::proto::authzed::api::v1::permission_relationship_tree::TreeType;
use crate::proto::encode;
use crate::relationship::{RelationshipScope, Subject};
use tonic::Status;

/// How many subjects are converted between two questions whether the caller still waits.
const SUBJECTS_PER_LOOK: usize = 1_024;

/// Fails when the caller no longer waits.
type RequireWanted<'j> = dyn Fn() -> Result<(), Status> + 'j;

/// Expands a permission or relation of an object.
pub(crate) async fn expand(
    context: &ServiceContext,
    access: CallAccess,
    mut request: proto::ExpandPermissionTreeRequest,
) -> Result<(proto::ExpandPermissionTreeResponse, Statistics), Status> {
    let tokens = context.tokens;
    let consistency = tokens.consistency(request.consistency.take())?;
    let arguments = convert::expand(request);

    context
        .workers
        .run(move |job| {
            let view = job.view(consistency)?;
            let (resource, permission) = arguments?;
            access.require_node(resource.object_type(), resource.object_id(), &permission)?;
            let require_wanted = || job.require_wanted();
            let expanded = view.expand(&resource, &permission).map_err(status::from_database)?;
            if let Some(scope) = access.scope()
                && !is_inside(&expanded.tree, &scope, &require_wanted)?
            {
                return Err(CallAccess::tree_refusal());
            }
            let response = proto::ExpandPermissionTreeResponse {
                expanded_at: Some(tokens.token(view.revision())),
                tree_root: Some(tree(expanded.tree, &require_wanted)?),
            };
            Ok((response, expanded.statistics))
        })
        .await
}

/// Whether all nodes and subjects of a tree are inside of a scope. The engine bounds how deep it is.
fn is_inside(
    tree: &ExpandTree,
    scope: &RelationshipScope,
    require_wanted: &RequireWanted<'_>,
) -> Result<bool, Status> {
    let node = (tree.object.object_type(), tree.object.object_id(), tree.relation.as_str());
    let (object_type, object_id, relation) = node;
    if !scope.covers_node(object_type, object_id, relation) {
        return Ok(false);
    }

    match &tree.kind {
        ExpandTreeKind::Operation(_, children) => {
            for child in children {
                if !is_inside(child, scope, require_wanted)? {
                    return Ok(false);
                }
            }
        }
        ExpandTreeKind::Subjects(subjects) => {
            for some in subjects.chunks(SUBJECTS_PER_LOOK) {
                require_wanted()?;
                let covers = |subject: &Subject| {
                    scope.covers_pair(node, (subject.object_type(), subject.object_id()))
                };
                if !some.iter().all(covers) {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// A tree as a message. The engine bounds how deep it is.
fn tree(
    tree: ExpandTree,
    require_wanted: &RequireWanted<'_>,
) -> Result<proto::PermissionRelationshipTree, Status> {
    let tree_type = match tree.kind {
        ExpandTreeKind::Operation(kind, children) => {
            let children = children.into_iter().map(|child| self::tree(child, require_wanted));
            let children = children.collect::<Result<_, _>>()?;
            TreeType::Intermediate(proto::AlgebraicSubjectSet {
                operation: operation(kind).into(),
                children,
            })
        }
        ExpandTreeKind::Subjects(subjects) => {
            let mut messages = Vec::with_capacity(subjects.len());
            for some in subjects.chunks(SUBJECTS_PER_LOOK) {
                require_wanted()?;
                messages.extend(some.iter().map(encode::subject));
            }
            TreeType::Leaf(proto::DirectSubjectSet { subjects: messages })
        }
    };

    Ok(proto::PermissionRelationshipTree {
        expanded_object: Some(encode::object(&tree.object)),
        expanded_relation: tree.relation,
        tree_type: Some(tree_type),
    })
}

fn operation(operation: SetOperation) -> OperationMessage {
    match operation {
        SetOperation::Union => OperationMessage::Union,
        SetOperation::Intersection => OperationMessage::Intersection,
        SetOperation::Exclusion => OperationMessage::Exclusion,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relationship::ObjectRef;
    use std::cell::Cell;
    use tonic::Code;

    #[test]
    fn a_tree_is_not_converted_to_its_end_when_no_caller_waits() {
        let subjects = (0..10 * SUBJECTS_PER_LOOK)
            .map(|id| Subject::Object(ObjectRef::new("user", format!("u{id}")).unwrap()));
        let expanded = ExpandTree {
            object: ObjectRef::new("group", "all").unwrap(),
            relation: "member".to_owned(),
            kind: ExpandTreeKind::Subjects(subjects.collect()),
        };

        let looks = Cell::new(0);
        let patience = |patience: usize| {
            let looks = &looks;
            looks.set(0);
            move || {
                looks.set(looks.get() + 1);
                if looks.get() > patience { Err(status::interrupted()) } else { Ok(()) }
            }
        };
        tree(expanded.clone(), &patience(usize::MAX)).unwrap();
        assert_eq!(looks.get(), 10);
        assert_eq!(tree(expanded, &patience(2)).unwrap_err().code(), Code::Cancelled);
        assert_eq!(looks.get(), 3);
    }
}
