//! A schema in structure, by names alone: what tools show of it.

use crate::schema::model::{self, CaveatId, NodeId, Rule};
use crate::schema::schema::Schema;
use crate::schema::type_reference::TypeReference;

/// A schema, or what filters leave of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reflection {
    /// The definitions, by name.
    pub definitions: Vec<ReflectedDefinition>,
    /// The caveats, by name.
    pub caveats: Vec<ReflectedCaveat>,
}

/// A definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReflectedDefinition {
    /// Its name, prefixes included.
    pub name: String,
    /// The comment above it as it is written, comment marks included, indentation not.
    pub comment: String,
    /// Its relations, in written order.
    pub relations: Vec<ReflectedRelation>,
    /// Its permissions, in written order.
    pub permissions: Vec<ReflectedPermission>,
}

/// A relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReflectedRelation {
    /// Its name.
    pub name: String,
    /// The comment above it as it is written, comment marks included, indentation not.
    pub comment: String,
    /// The definition that it belongs to.
    pub definition: String,
    /// The forms of subject that it takes, in written order.
    pub subjects: Vec<TypeReference>,
}

/// A permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReflectedPermission {
    /// Its name.
    pub name: String,
    /// The comment above it as it is written, comment marks included, indentation not.
    pub comment: String,
    /// The definition that it belongs to.
    pub definition: String,
}

/// A caveat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReflectedCaveat {
    /// Its name, prefixes included.
    pub name: String,
    /// The comment above it as it is written, comment marks included, indentation not.
    pub comment: String,
    /// Its parameters, by name.
    pub parameters: Vec<ReflectedParameter>,
    /// Its expression in the canonical spelling.
    pub expression: String,
}

/// A parameter of a caveat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReflectedParameter {
    /// Its name.
    pub name: String,
    /// Its type, as the language writes it.
    pub parameter_type: String,
    /// The caveat that it belongs to.
    pub caveat: String,
}

/// Asks for parts of a schema by how their names start. With several filters, one that fits is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReflectionFilter {
    /// These definitions.
    Definitions {
        /// How their names start.
        definition: String,
    },
    /// These definitions, and of their relations only these.
    Relations {
        /// How the definitions' names start.
        definition: String,
        /// How the relations' names start.
        relation: String,
    },
    /// These definitions, and of their permissions only these.
    Permissions {
        /// How the definitions' names start.
        definition: String,
        /// How the permissions' names start.
        permission: String,
    },
    /// These caveats.
    Caveats {
        /// How their names start.
        caveat: String,
    },
}

impl ReflectionFilter {
    fn takes_definition(&self, name: &str) -> bool {
        match self {
            Self::Definitions { definition }
            | Self::Relations { definition, .. }
            | Self::Permissions { definition, .. } => name.starts_with(definition),
            Self::Caveats { .. } => false,
        }
    }

    fn takes_caveat(&self, name: &str) -> bool {
        matches!(self, Self::Caveats { caveat } if name.starts_with(caveat))
    }

    /// Whether it takes the relation; nothing when it does not speak of relations.
    fn takes_relation(&self, of: &str, name: &str) -> Option<bool> {
        let Self::Relations { definition, relation } = self else { return None };
        Some(of.starts_with(definition) && name.starts_with(relation))
    }

    /// Whether it takes the permission; nothing when it does not speak of permissions.
    fn takes_permission(&self, of: &str, name: &str) -> Option<bool> {
        let Self::Permissions { definition, permission } = self else { return None };
        Some(of.starts_with(definition) && name.starts_with(permission))
    }
}

/// A comment with the indentation of its lines taken away.
pub(super) fn unindented(comment: &str) -> String {
    comment.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

/// A schema in structure. `None` asks for all of it, no filter at all for nothing.
///
/// Filters that speak of relations leave out the other relations of every definition, those that speak of permissions the
/// other permissions, as `SpiceDB`'s do.
pub fn reflect(schema: &Schema, filters: Option<&[ReflectionFilter]>) -> Reflection {
    let any =
        |takes: &dyn Fn(&ReflectionFilter) -> bool| filters.is_none_or(|all| all.iter().any(takes));
    let mut definitions: Vec<ReflectedDefinition> = schema
        .definitions()
        .iter()
        .filter(|definition| any(&|filter| filter.takes_definition(&definition.name)))
        .map(|found| filtered(ReflectedDefinition::new(schema, found), filters.unwrap_or_default()))
        .collect();

    definitions.sort_by(|left, right| left.name.cmp(&right.name));
    let mut caveats: Vec<ReflectedCaveat> = schema
        .caveats()
        .iter()
        .filter(|caveat| any(&|filter| filter.takes_caveat(caveat.name())))
        .filter_map(|caveat| schema.find_caveat(caveat.name()))
        .map(|id| ReflectedCaveat::new(schema, id))
        .collect();
    caveats.sort_by(|left, right| left.name.cmp(&right.name));
    Reflection { definitions, caveats }
}

/// A definition without the relations and permissions that filters leave out.
fn filtered(
    mut definition: ReflectedDefinition,
    filters: &[ReflectionFilter],
) -> ReflectedDefinition {
    let name = &definition.name;
    definition.relations.retain(|relation| {
        one_takes(filters.iter().filter_map(|filter| filter.takes_relation(name, &relation.name)))
    });
    definition.permissions.retain(|permission| {
        let takes = |filter: &ReflectionFilter| filter.takes_permission(name, &permission.name);
        one_takes(filters.iter().filter_map(takes))
    });
    definition
}

/// Whether one of those that have something to say says yes, or none has anything to say.
fn one_takes(said: impl Iterator<Item = bool>) -> bool {
    said.reduce(|left, right| left || right).unwrap_or(true)
}

impl ReflectedDefinition {
    pub(super) fn new(schema: &Schema, definition: &model::Definition) -> Self {
        let is_relation = |id: &&NodeId| matches!(schema.node(**id).rule, Rule::Relation(_));
        let ids = definition.nodes.iter();
        let (relations, permissions): (Vec<&NodeId>, Vec<&NodeId>) = ids.partition(is_relation);
        Self {
            name: definition.name.clone(),
            comment: unindented(&definition.comment),
            relations: relations
                .into_iter()
                .map(|id| ReflectedRelation::new(schema, *id))
                .collect(),
            permissions: permissions
                .into_iter()
                .map(|id| ReflectedPermission::new(schema, *id))
                .collect(),
        }
    }
}

impl ReflectedRelation {
    pub(super) fn new(schema: &Schema, id: NodeId) -> Self {
        let node = schema.node(id);
        let subjects = match &node.rule {
            Rule::Relation(allowed) => {
                allowed.iter().map(|allowed| TypeReference::new(schema, allowed)).collect()
            }
            Rule::Permission(_) => Vec::new(),
        };
        Self {
            name: node.name.clone(),
            comment: unindented(&node.comment),
            definition: schema.definition(node.definition).name.clone(),
            subjects,
        }
    }
}

impl ReflectedPermission {
    pub(super) fn new(schema: &Schema, id: NodeId) -> Self {
        let node = schema.node(id);
        Self {
            name: node.name.clone(),
            comment: unindented(&node.comment),
            definition: schema.definition(node.definition).name.clone(),
        }
    }
}

impl ReflectedCaveat {
    pub(super) fn new(schema: &Schema, id: CaveatId) -> Self {
        let caveat = schema.caveat(id);
        let written = schema.syntax.caveats.get(id.index());
        let mut parameters: Vec<ReflectedParameter> = caveat
            .parameters()
            .iter()
            .map(|parameter| ReflectedParameter {
                name: parameter.name.clone(),
                parameter_type: parameter.parameter_type.to_string(),
                caveat: caveat.name().to_owned(),
            })
            .collect();

        parameters.sort_by(|left, right| left.name.cmp(&right.name));
        Self {
            name: caveat.name().to_owned(),
            comment: written
                .map(|written| unindented(&written.comment.written))
                .unwrap_or_default(),
            parameters,
            expression: caveat.canonical_body(),
        }
    }
}
