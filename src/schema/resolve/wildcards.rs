//! Which relations include everyone of a type, directly or through the usersets of other relations.

use crate::schema::diagnostics::fault::{Faults, SchemaFault};
use crate::schema::model::{AllowedForm, AllowedSubject, DefinitionId, Node, NodeId, Rule};
use crate::schema::parse::ast::MemberSyntax;
use crate::schema::schema::Schema;

/// A wildcard that a relation includes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wildcard {
    /// The type of which everyone is included.
    pub(super) definition: DefinitionId,
    /// The relation that allows the wildcard itself.
    pub(super) via: NodeId,
}

/// By node: a wildcard that it includes, if it is a relation and includes one. Permissions may include wildcards.
pub(super) type Wildcards = Vec<Option<Wildcard>>;

/// Finds the wildcards of every relation.
pub(super) fn find(schema: &Schema) -> Wildcards {
    let mut found: Wildcards = vec![None; schema.nodes.len()];
    let mut users: Vec<Vec<NodeId>> = vec![Vec::new(); schema.nodes.len()];
    let mut open = Vec::new();
    for node in &schema.nodes {
        for allowed in allowed(node) {
            match allowed.form {
                AllowedForm::Object => {}
                AllowedForm::Wildcard => {
                    let wildcard = Wildcard { definition: allowed.definition, via: node.id };
                    open.push((node.id, wildcard));
                }
                AllowedForm::Userset(used) => {
                    users.get_mut(used.index()).into_iter().for_each(|users| users.push(node.id));
                }
            }
        }
    }

    while let Some((node, wildcard)) = open.pop() {
        let Some(entry) = found.get_mut(node.index()).filter(|entry| entry.is_none()) else {
            continue;
        };
        *entry = Some(wildcard);
        open.extend(users.get(node.index()).into_iter().flatten().map(|user| (*user, wildcard)));
    }

    found
}

fn allowed(node: &Node) -> &[AllowedSubject] {
    match &node.rule {
        Rule::Relation(allowed) => allowed,
        Rule::Permission(_) => &[],
    }
}

/// Reports relations that take a wildcard in through another relation.
pub(super) fn check(schema: &Schema, wildcards: &Wildcards, faults: &mut Faults) {
    for (node, member) in schema.nodes.iter().zip(&schema.syntax.members) {
        let MemberSyntax::Relation(written) = member else { continue };
        for written in &written.allowed {
            let Some(used) = userset(schema, written) else { continue };
            if let Some(wildcard) = wildcards.get(used.index()).copied().flatten()
                && used != node.id
            {
                let message = format!(
                    "for relation `{}`: relation/permission `{}` includes wildcard type `{}` via relation `{}`: \
                     wildcard relations cannot be transitively included",
                    node.name,
                    schema.node_name(used),
                    schema.definition(wildcard.definition).name,
                    schema.node_name(wildcard.via),
                );

                let definition = &schema.definition(node.definition).name;
                faults.push(
                    SchemaFault::typed("transitive-wildcard", written.span, message).about([
                        ("definition_name", definition.as_str()),
                        ("relation_name", &node.name),
                    ]),
                );
            }
        }
    }
}

/// The relation or permission that a written userset names.
fn userset(
    schema: &Schema,
    written: &crate::schema::parse::ast::AllowedSubjectSyntax,
) -> Option<NodeId> {
    let crate::schema::parse::ast::AllowedFormSyntax::Userset(name) = &written.form else {
        return None;
    };
    let definition = schema.find_definition(&written.definition.text)?;
    schema.find_node(definition.id, &name.text).map(|node| node.id)
}
