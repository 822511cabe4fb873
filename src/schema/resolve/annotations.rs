//! Type annotations of permissions: whether they name every type of subject that the expression touches.

use crate::schema::diagnostics::fault::{Faults, SchemaFault};
use crate::schema::model::{AllowedForm, DefinitionId, Expr, Node, NodeId, Rule};
use crate::schema::parse::ast::{MemberSyntax, PermissionSyntax};
use crate::schema::schema::Schema;
use std::collections::{BTreeSet, HashSet};

/// How many relations and permissions are visited for all annotations together.
const VISITS_MAX: usize = 20_000_000;

/// Checks the annotations of every permission that has one to be checked.
pub(super) fn check(schema: &Schema, faults: &mut Faults) {
    let mut visits_left = VISITS_MAX;
    for (node, member) in schema.nodes.iter().zip(&schema.syntax.members) {
        if let MemberSyntax::Permission(permission) = member
            && permission.annotation.is_some()
        {
            let types = touched_types(schema, node.id, &mut visits_left);
            faults.extend(incomplete(schema, node, permission, &types));
        }
    }
    if visits_left == 0 {
        let span = crate::schema::diagnostics::position::Span { file: 0, start: 0, end: 0 };
        let message = "the schema is too large for its type annotations to be checked";
        faults.push(SchemaFault::typed("annotations-too-large", span, message));
    }
}

fn incomplete(
    schema: &Schema,
    node: &Node,
    permission: &PermissionSyntax,
    types: &BTreeSet<DefinitionId>,
) -> Option<SchemaFault> {
    let annotation = permission.annotation.as_deref()?;
    let missing = types
        .iter()
        .map(|id| schema.definition(*id).name.as_str())
        .find(|name| annotation.iter().all(|listed| listed.text != *name))?;

    let listed: Vec<String> = annotation.iter().map(|name| format!("`{}`", name.text)).collect();
    let message = format!(
        "incomplete type annotation on relation `{}` in definition `{}`: `{missing}` found as reachable type, but not \
         contained in provided set [{}]",
        node.name,
        schema.definition(node.definition).name,
        listed.join(", ")
    );
    let span = match (annotation.first(), annotation.last()) {
        (Some(first), Some(last)) => first.span.to(last.span),
        _ => permission.name.span,
    };
    Some(SchemaFault::typed("incomplete-annotation", span, message))
}

/// The types of subjects that a permission's expression touches, on the subtracted side of exclusions too.
fn touched_types(
    schema: &Schema,
    start: NodeId,
    visits_left: &mut usize,
) -> BTreeSet<DefinitionId> {
    let mut walk =
        TypeWalk { types: BTreeSet::new(), seen: HashSet::from([start]), open: vec![start] };

    while let Some(id) = walk.open.pop() {
        if *visits_left == 0 {
            break;
        }
        *visits_left -= 1;
        let node = schema.node(id);
        match &node.rule {
            Rule::Permission(expr) => walk.expr(node.definition, expr),
            Rule::Relation(allowed) => {
                for allowed in allowed {
                    match allowed.form {
                        AllowedForm::Userset(id) => walk.node(id),
                        AllowedForm::Object | AllowedForm::Wildcard => {
                            walk.types.insert(allowed.definition);
                        }
                    }
                }
            }
        }
    }

    walk.types
}

struct TypeWalk {
    types: BTreeSet<DefinitionId>,
    seen: HashSet<NodeId>,
    open: Vec<NodeId>,
}

impl TypeWalk {
    fn node(&mut self, id: NodeId) {
        if self.seen.insert(id) {
            self.open.push(id);
        }
    }

    fn expr(&mut self, definition: DefinitionId, expr: &Expr) {
        for leaf in expr.leaves() {
            match leaf {
                Expr::Itself => {
                    self.types.insert(definition);
                }
                Expr::Node(id) => self.node(*id),
                Expr::Arrow(arrow) => {
                    for target in arrow.branches.iter().filter_map(|branch| branch.target) {
                        self.node(target);
                    }
                }
                Expr::Nil | Expr::Union(_) | Expr::Intersection(_) | Expr::Exclusion(..) => {}
            }
        }
    }
}
