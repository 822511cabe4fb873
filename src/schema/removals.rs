//! Removals: parts that a new schema lacks and that stored relationships or fixed rules can forbid to remove.

use crate::caveat::Caveat;
use crate::relationship::{Relationship, RelationshipFilter, SubjectFilter, SubjectRelationFilter};
use crate::schema::model::{Definition, Node, Rule};
use crate::schema::schema::Schema;
use crate::schema::type_reference::TypeReference;

/// Something that a new schema no longer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// A definition. Forbidden while it has a relationship.
    Definition {
        /// Its name.
        name: String,
    },
    /// A relation, removed or turned into a permission. Forbidden while it has a relationship, or one names its members
    /// as subjects.
    Relation {
        /// The definition that it belongs to.
        definition: String,
        /// Its name.
        relation: String,
    },
    /// A form of subject that a relation no longer takes. Forbidden while a relationship has exactly this form.
    AllowedSubject {
        /// The definition that the relation belongs to.
        definition: String,
        /// The relation.
        relation: String,
        /// The form.
        allowed: TypeReference,
    },
    /// A parameter of a caveat. Always forbidden.
    CaveatParameter {
        /// The caveat.
        caveat: String,
        /// The parameter.
        parameter: String,
    },
    /// The type that a caveat's parameter had. Always forbidden.
    CaveatParameterType {
        /// The caveat.
        caveat: String,
        /// The parameter.
        parameter: String,
    },
}

/// What `to` lacks that `from` has, in the order in which `from` is written.
pub fn removals(from: &Schema, to: &Schema) -> Vec<Removal> {
    let mut removals = Vec::new();
    for definition in from.definitions() {
        match to.find_definition(&definition.name) {
            None => removals.push(Removal::Definition { name: definition.name.clone() }),
            Some(kept) => {
                let relations = definition.nodes.iter().map(|id| from.node(*id));
                for relation in relations {
                    removals.extend(removed_of_relation(from, relation, to, kept));
                }
            }
        }
    }
    for caveat in from.caveats() {
        let kept = to.find_caveat(caveat.name()).map(|id| to.caveat(id));
        removals.extend(kept.into_iter().flat_map(|kept| removed_parameters(caveat, kept)));
    }
    removals
}

fn removed_of_relation(
    from: &Schema,
    relation: &Node,
    to: &Schema,
    definition: &Definition,
) -> Vec<Removal> {
    let Rule::Relation(allowed) = &relation.rule else { return Vec::new() };
    let kept = to.find_node(definition.id, &relation.name).map(|node| &node.rule);
    let Some(Rule::Relation(still_allowed)) = kept else {
        return vec![Removal::Relation {
            definition: definition.name.clone(),
            relation: relation.name.clone(),
        }];
    };
    let still: std::collections::HashSet<TypeReference> =
        still_allowed.iter().map(|allowed| TypeReference::new(to, allowed)).collect();

    allowed
        .iter()
        .map(|allowed| TypeReference::new(from, allowed))
        .filter(|form| !still.contains(form))
        .map(|allowed| Removal::AllowedSubject {
            definition: definition.name.clone(),
            relation: relation.name.clone(),
            allowed,
        })
        .collect()
}

fn removed_parameters(from: &Caveat, to: &Caveat) -> Vec<Removal> {
    let removed = |name: &str| {
        let (caveat, parameter) = (from.name().to_owned(), name.to_owned());
        Removal::CaveatParameter { caveat, parameter }
    };
    let retyped = |name: &str| {
        let (caveat, parameter) = (from.name().to_owned(), name.to_owned());
        Removal::CaveatParameterType { caveat, parameter }
    };
    from.parameters()
        .iter()
        .filter_map(|was| match to.parameters().iter().find(|is| is.name == was.name) {
            None => Some(removed(&was.name)),
            Some(is) if is.parameter_type != was.parameter_type => Some(retyped(&was.name)),
            Some(_) => None,
        })
        .collect()
}

impl Removal {
    /// Whether this is forbidden whatever is stored.
    pub fn is_always_forbidden(&self) -> bool {
        match self {
            Self::CaveatParameter { .. } | Self::CaveatParameterType { .. } => true,
            Self::Definition { .. } | Self::Relation { .. } | Self::AllowedSubject { .. } => false,
        }
    }

    /// Filters that together select every relationship that would be orphaned, and perhaps some more:
    /// [`matches`](Self::matches) decides. Empty for removals that are always forbidden.
    pub fn filters(&self) -> Vec<RelationshipFilter> {
        match self {
            Self::Definition { name } => {
                vec![RelationshipFilter { resource_type: Some(name.clone()), ..Default::default() }]
            }
            Self::Relation { definition, relation } => {
                let members = SubjectFilter {
                    subject_type: definition.clone(),
                    subject_id: None,
                    relation: SubjectRelationFilter::Named(relation.clone()),
                };
                let as_subject =
                    RelationshipFilter { subject: Some(members), ..Default::default() };

                vec![on_relation(definition, relation), as_subject]
            }
            Self::AllowedSubject { definition, relation, allowed } => {
                let filter = on_relation(definition, relation);
                vec![RelationshipFilter { subject: Some(allowed.filter()), ..filter }]
            }
            Self::CaveatParameter { .. } | Self::CaveatParameterType { .. } => Vec::new(),
        }
    }

    /// Whether the removal would orphan a relationship.
    pub fn matches(&self, relationship: &Relationship) -> bool {
        let exactly = match self {
            Self::AllowedSubject { allowed, .. } => allowed.matches(relationship),
            Self::Definition { .. }
            | Self::Relation { .. }
            | Self::CaveatParameter { .. }
            | Self::CaveatParameterType { .. } => true,
        };
        exactly && self.filters().iter().any(|filter| filter.matches(relationship))
    }

    /// The stable name of the forbidden operation. `example` is one of the relationships that forbid it.
    pub fn operation(&self, example: Option<&Relationship>) -> &'static str {
        match self {
            Self::Definition { .. } => "delete_object_definition",
            Self::Relation { definition, relation } => match example {
                Some(example) if !on_relation(definition, relation).matches(example) => {
                    "delete_relation_reverse_check"
                }
                _ => "delete_relation",
            },
            Self::AllowedSubject { .. } => "remove_allowed_type",
            Self::CaveatParameter { .. } => "remove_parameter",
            Self::CaveatParameterType { .. } => "change_parameter_type",
        }
    }

    /// The error message. `example` is one of the relationships that forbid the removal.
    pub fn message(&self, example: Option<&Relationship>) -> String {
        let message = match self {
            Self::Definition { name } => format!(
                "cannot delete object definition `{name}`, as at least one relationship exists under it"
            ),
            Self::Relation { definition, relation } => {
                let why = if self.operation(example) == "delete_relation" {
                    "exists under it"
                } else {
                    "references it as part of a subject"
                };
                format!(
                    "cannot delete relation `{relation}` in object definition `{definition}`, as at least one \
                     relationship {why}"
                )
            }
            Self::AllowedSubject { definition, relation, allowed } => format!(
                "cannot remove allowed type `{}` from relation `{relation}` in object definition `{definition}`, as a \
                 relationship exists with it",
                allowed.text
            ),
            Self::CaveatParameter { caveat, parameter } => {
                format!("cannot remove parameter `{parameter}` on caveat `{caveat}`")
            }
            Self::CaveatParameterType { caveat, parameter } => {
                format!("cannot change the type of parameter `{parameter}` on caveat `{caveat}`")
            }
        };

        match example {
            Some(example) => format!("{message}: {example}"),
            None => message,
        }
    }

    /// The same for programs, by key.
    pub fn metadata(&self, example: Option<&Relationship>) -> Vec<(&'static str, String)> {
        let mut metadata = vec![("operation", self.operation(example).to_owned())];
        match self {
            Self::Definition { name } => metadata.push(("resource_type", name.clone())),
            Self::Relation { definition, relation } => metadata
                .extend([("resource_type", definition.clone()), ("relation", relation.clone())]),
            Self::AllowedSubject { definition, relation, allowed } => metadata.extend([
                ("resource_type", definition.clone()),
                ("relation", relation.clone()),
                ("allowed_type", allowed.text.clone()),
            ]),
            Self::CaveatParameter { caveat, parameter }
            | Self::CaveatParameterType { caveat, parameter } => metadata
                .extend([("caveat_name", caveat.clone()), ("parameter_name", parameter.clone())]),
        }
        metadata.extend(example.map(|example| ("relationship", example.to_string())));
        metadata
    }
}

fn on_relation(definition: &str, relation: &str) -> RelationshipFilter {
    RelationshipFilter {
        resource_type: Some(definition.to_owned()),
        relation: Some(relation.to_owned()),
        ..Default::default()
    }
}
