//! Differences between two schemas, and which of them are breaking.

use crate::schema::format::expr_text;
use crate::schema::model::{self, Node, NodeId, Rule};
use crate::schema::reflection::{
    ReflectedCaveat, ReflectedDefinition, ReflectedParameter, ReflectedPermission,
    ReflectedRelation, unindented,
};
use crate::schema::schema::Schema;
use crate::schema::type_reference::TypeReference;
use crate::schema::widening;
use std::collections::BTreeMap;

/// One difference between two schemas. A removed item is described as it was, any other as it will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaChange {
    /// A new definition.
    DefinitionAdded(ReflectedDefinition),
    /// A removed definition.
    DefinitionRemoved(ReflectedDefinition),
    /// Another comment above a definition.
    DefinitionCommentChanged(ReflectedDefinition),
    /// A new relation of a definition that both have.
    RelationAdded(ReflectedRelation),
    /// A relation that was removed, or has become a permission.
    RelationRemoved(ReflectedRelation),
    /// Another comment above a relation.
    RelationCommentChanged(ReflectedRelation),
    /// A relation allows one more subject type.
    SubjectAdded(ReflectedRelation, TypeReference),
    /// A relation no longer allows a subject type.
    SubjectRemoved(ReflectedRelation, TypeReference),
    /// A new permission of a definition that both have.
    PermissionAdded(ReflectedPermission),
    /// A permission that was removed, or has become a relation.
    PermissionRemoved(ReflectedPermission),
    /// Another comment above a permission.
    PermissionCommentChanged(ReflectedPermission),
    /// Another expression of a permission, spelling apart.
    PermissionExpressionChanged {
        /// The permission.
        permission: ReflectedPermission,
        /// The expression that it had, in canonical form.
        previous_expression: String,
        /// The expression that it has now, in canonical form.
        expression: String,
        /// Whether the change can only add subjects: the new expression covers the old one, and no exclusion subtracts
        /// the permission.
        only_adds: bool,
    },
    /// A new caveat.
    CaveatAdded(ReflectedCaveat),
    /// A removed caveat.
    CaveatRemoved(ReflectedCaveat),
    /// Another comment above a caveat.
    CaveatCommentChanged(ReflectedCaveat),
    /// Another expression of a caveat, spelling apart.
    CaveatExpressionChanged {
        /// The caveat.
        caveat: ReflectedCaveat,
        /// The expression that it had, in canonical form.
        previous_expression: String,
    },
    /// A new parameter of a caveat that both have.
    ParameterAdded(ReflectedParameter),
    /// A removed parameter.
    ParameterRemoved(ReflectedParameter),
    /// Another type of a parameter.
    ParameterTypeChanged {
        /// The parameter.
        parameter: ReflectedParameter,
        /// The type that it had.
        previous_type: String,
    },
}

impl SchemaChange {
    /// Why the change is breaking; `None` when it is not.
    ///
    /// A change is breaking when it can take access away, makes stored relationships invalid, or makes requests of
    /// clients fail. Additions and comments are not breaking, nor is an expression that can only add subjects: more
    /// operands of a union, fewer of an intersection, one exclusion less. A caveat's new parameter is not, but it always comes with a new expression of the caveat, which is.
    pub fn breaking_reason(&self) -> Option<&'static str> {
        match self {
            Self::DefinitionRemoved(_) | Self::RelationRemoved(_) => {
                Some("its relationships become invalid, and requests that name it fail")
            }
            Self::SubjectRemoved(..) => Some("relationships with this subject type become invalid"),
            Self::PermissionRemoved(_) => Some("requests that name it fail"),
            Self::PermissionExpressionChanged { only_adds: false, .. }
            | Self::CaveatExpressionChanged { .. } => Some("subjects may lose access"),
            Self::CaveatRemoved(_) => Some("relationships can no longer carry it"),
            Self::ParameterRemoved(_) | Self::ParameterTypeChanged { .. } => {
                Some("stored contexts may no longer fit, so servers reject the schema")
            }

            // Listed one by one, so that a new kind of change has to be judged here.
            Self::PermissionExpressionChanged { only_adds: true, .. }
            | Self::DefinitionAdded(_)
            | Self::DefinitionCommentChanged(_)
            | Self::RelationAdded(_)
            | Self::RelationCommentChanged(_)
            | Self::SubjectAdded(..)
            | Self::PermissionAdded(_)
            | Self::PermissionCommentChanged(_)
            | Self::CaveatAdded(_)
            | Self::CaveatCommentChanged(_)
            | Self::ParameterAdded(_) => None,
        }
    }
}

/// What has to be done to `from` so that it means the same as `to`: definitions and caveats that come and go first, then
/// what changes in those that stay. Always in the same order.
pub fn changes(from: &Schema, to: &Schema) -> Vec<SchemaChange> {
    let definitions = Pairs::new(from.definitions(), to.definitions(), |found| &found.name);
    let caveats = Pairs::new(from.caveats(), to.caveats(), |found| found.name());
    let caveat = |schema: &Schema, name: &str| {
        schema.find_caveat(name).map(|id| ReflectedCaveat::new(schema, id))
    };
    let mut changes = Vec::new();
    let added = definitions.added.iter().map(|added| ReflectedDefinition::new(to, added));
    changes.extend(added.map(SchemaChange::DefinitionAdded));
    let removed = definitions.removed.iter().map(|removed| ReflectedDefinition::new(from, removed));
    changes.extend(removed.map(SchemaChange::DefinitionRemoved));
    let added = caveats.added.iter().filter_map(|added| caveat(to, added.name()));
    changes.extend(added.map(SchemaChange::CaveatAdded));
    let removed = caveats.removed.iter().filter_map(|removed| caveat(from, removed.name()));
    changes.extend(removed.map(SchemaChange::CaveatRemoved));
    for (was, is) in definitions.kept {
        add_definition_changes(&mut changes, (from, was), (to, is));
    }

    for (was, is) in caveats.kept {
        if let (Some(was), Some(is)) = (caveat(from, was.name()), caveat(to, is.name())) {
            add_caveat_changes(&mut changes, &was, &is);
        }
    }
    changes
}

/// What two lists have in common and what only one of them has, each by name.
struct Pairs<'s, T> {
    added: Vec<&'s T>,
    removed: Vec<&'s T>,
    kept: Vec<(&'s T, &'s T)>,
}

impl<'s, T> Pairs<'s, T> {
    fn new(
        from: impl IntoIterator<Item = &'s T>,
        to: impl IntoIterator<Item = &'s T>,
        name: impl Fn(&'s T) -> &'s str,
    ) -> Self {
        let from: BTreeMap<&str, &T> = from.into_iter().map(|item| (name(item), item)).collect();
        let to: BTreeMap<&str, &T> = to.into_iter().map(|item| (name(item), item)).collect();
        let lacking = |items: &BTreeMap<&str, &'s T>, others: &BTreeMap<&str, &'s T>| {
            let lacking = items.iter().filter(|(name, _)| !others.contains_key(**name));
            lacking.map(|(_, item)| *item).collect()
        };
        let kept = from.iter().filter_map(|(name, was)| to.get(name).map(|is| (*was, *is)));
        Self { added: lacking(&to, &from), removed: lacking(&from, &to), kept: kept.collect() }
    }
}

/// A part of a schema with the schema.
type Of<'s, T> = (&'s Schema, &'s T);

fn add_definition_changes(
    changes: &mut Vec<SchemaChange>,
    (from, was): Of<'_, model::Definition>,
    (to, is): Of<'_, model::Definition>,
) {
    if unindented(&was.comment) != unindented(&is.comment) {
        changes.push(SchemaChange::DefinitionCommentChanged(ReflectedDefinition::new(to, is)));
    }

    let relations = Pairs::new(
        nodes(from, &was.nodes, is_relation),
        nodes(to, &is.nodes, is_relation),
        |node| &node.name,
    );
    let permissions = Pairs::new(
        nodes(from, &was.nodes, |node| !is_relation(node)),
        nodes(to, &is.nodes, |node| !is_relation(node)),
        |node| &node.name,
    );
    let relation = |schema, node: &&Node| ReflectedRelation::new(schema, node.id);
    let permission = |schema, node: &&Node| ReflectedPermission::new(schema, node.id);
    let removed = relations.removed.iter().map(|node| relation(from, node));
    changes.extend(removed.map(SchemaChange::RelationRemoved));
    let added = relations.added.iter().map(|node| relation(to, node));
    changes.extend(added.map(SchemaChange::RelationAdded));
    let removed = permissions.removed.iter().map(|node| permission(from, node));
    changes.extend(removed.map(SchemaChange::PermissionRemoved));
    let added = permissions.added.iter().map(|node| permission(to, node));
    changes.extend(added.map(SchemaChange::PermissionAdded));
    for (was, is) in permissions.kept {
        add_permission_changes(changes, (from, was), (to, is));
    }

    for (was, is) in relations.kept {
        add_relation_changes(changes, (from, was), (to, is));
    }
}

fn is_relation(node: &Node) -> bool {
    matches!(node.rule, Rule::Relation(_))
}

fn nodes<'s>(
    schema: &'s Schema,
    ids: &'s [NodeId],
    is_meant: impl Fn(&Node) -> bool,
) -> impl Iterator<Item = &'s Node> {
    ids.iter().map(|id| schema.node(*id)).filter(move |node| is_meant(node))
}

fn add_permission_changes(
    changes: &mut Vec<SchemaChange>,
    (from, was): Of<'_, Node>,
    (to, is): Of<'_, Node>,
) {
    if let (Rule::Permission(was_expr), Rule::Permission(is_expr)) = (&was.rule, &is.rule) {
        let (previous_expression, expression) = (expr_text(from, was_expr), expr_text(to, is_expr));
        if previous_expression != expression {
            changes.push(SchemaChange::PermissionExpressionChanged {
                permission: ReflectedPermission::new(to, is.id),
                previous_expression,
                expression,
                only_adds: widening::only_adds((from, was_expr), (to, is_expr), is.id),
            });
        }
    }
    if unindented(&was.comment) != unindented(&is.comment) {
        let permission = ReflectedPermission::new(to, is.id);
        changes.push(SchemaChange::PermissionCommentChanged(permission));
    }
}

fn add_relation_changes(
    changes: &mut Vec<SchemaChange>,
    (from, was): Of<'_, Node>,
    (to, is): Of<'_, Node>,
) {
    let relation = ReflectedRelation::new(to, is.id);
    if unindented(&was.comment) != unindented(&is.comment) {
        changes.push(SchemaChange::RelationCommentChanged(relation.clone()));
    }
    let subjects = ReflectedRelation::new(from, was.id).subjects;
    let pairs = Pairs::new(&subjects, &relation.subjects, |form| &form.text);
    let removed = pairs.removed.into_iter().cloned();
    changes.extend(removed.map(|form| SchemaChange::SubjectRemoved(relation.clone(), form)));
    let added = pairs.added.into_iter().cloned();
    changes.extend(added.map(|form| SchemaChange::SubjectAdded(relation.clone(), form)));
}

fn add_caveat_changes(
    changes: &mut Vec<SchemaChange>,
    was: &ReflectedCaveat,
    is: &ReflectedCaveat,
) {
    if was.comment != is.comment {
        changes.push(SchemaChange::CaveatCommentChanged(is.clone()));
    }
    let parameters = Pairs::new(&was.parameters, &is.parameters, |parameter| &parameter.name);
    changes.extend(parameters.removed.into_iter().cloned().map(SchemaChange::ParameterRemoved));
    changes.extend(parameters.added.into_iter().cloned().map(SchemaChange::ParameterAdded));
    let retyped =
        parameters.kept.into_iter().filter(|(was, is)| was.parameter_type != is.parameter_type);
    changes.extend(retyped.map(|(was, is)| SchemaChange::ParameterTypeChanged {
        parameter: is.clone(),
        previous_type: was.parameter_type.clone(),
    }));

    if was.expression != is.expression {
        changes.push(SchemaChange::CaveatExpressionChanged {
            caveat: is.clone(),
            previous_expression: was.expression.clone(),
        });
    }
}
