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
use crate::relationship::RelationshipScope;
use tonic::Status;

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
            let expanded = view.expand(&resource, &permission).map_err(status::from_database)?;
            if access.scope().is_some_and(|scope| !is_inside(&expanded.tree, &scope)) {
                return Err(CallAccess::tree_refusal());
            }
            let response = proto::ExpandPermissionTreeResponse {
                expanded_at: Some(tokens.token(view.revision())),
                tree_root: Some(tree(expanded.tree)),
            };
            Ok((response, expanded.statistics))
        })
        .await
}

/// Whether all nodes and subjects of a tree are inside of a scope. The engine bounds how deep it is.
fn is_inside(tree: &ExpandTree, scope: &RelationshipScope) -> bool {
    let (object, relation) = (&tree.object, &tree.relation);
    scope.covers_node(object.object_type(), object.object_id(), relation)
        && match &tree.kind {
            ExpandTreeKind::Operation(_, children) => {
                children.iter().all(|child| is_inside(child, scope))
            }
            ExpandTreeKind::Subjects(subjects) => subjects.iter().all(|subject| {
                let node = (object.object_type(), object.object_id(), relation.as_str());
                scope.covers_pair(node, (subject.object_type(), subject.object_id()))
            }),
        }
}

/// A tree as a message. The engine bounds how deep it is.
fn tree(tree: ExpandTree) -> proto::PermissionRelationshipTree {
    let tree_type = match tree.kind {
        ExpandTreeKind::Operation(kind, children) => {
            let children = children.into_iter().map(self::tree).collect();
            TreeType::Intermediate(proto::AlgebraicSubjectSet {
                operation: operation(kind).into(),
                children,
            })
        }
        ExpandTreeKind::Subjects(subjects) => {
            let subjects = subjects.iter().map(encode::subject).collect();
            TreeType::Leaf(proto::DirectSubjectSet { subjects })
        }
    };

    proto::PermissionRelationshipTree {
        expanded_object: Some(encode::object(&tree.object)),
        expanded_relation: tree.relation,
        tree_type: Some(tree_type),
    }
}

fn operation(operation: SetOperation) -> OperationMessage {
    match operation {
        SetOperation::Union => OperationMessage::Union,
        SetOperation::Intersection => OperationMessage::Intersection,
        SetOperation::Exclusion => OperationMessage::Exclusion,
    }
}
