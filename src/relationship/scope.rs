//! Scopes: parts of all relationships and objects, by type, relation and object id.

use super::filter::{ObjectIdFilter, RelationshipFilter, SubjectFilter};
use super::object::ObjectRef;
use super::subject::{Subject, WILDCARD_ID};
use super::tuple::Relationship;
use std::collections::BTreeSet;

/// A part of all relationships and objects: what at least one of its areas covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelationshipScope {
    areas: Vec<ScopeArea>,
}

/// A part of a scope. A relationship is inside when its resource with its relation is, and its subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeArea {
    /// The types of the objects; all when empty.
    pub definitions: BTreeSet<String>,
    /// The relations and permissions of resources; all when empty. Those that subjects name are not restricted.
    pub relations: Vec<RelationPattern>,
    /// Prefixes of which each object id must have one; any id when empty.
    pub id_prefixes: BTreeSet<String>,
    /// Types whose ids need none of the prefixes.
    pub shared: BTreeSet<String>,
    /// Whether that holds for subjects alone: who may name an object that all share may not change who is related to it.
    pub shares_subjects_only: bool,
}

/// A relation or permission of one definition, or of every definition that has one of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationPattern {
    /// The definition; `None` for every one.
    pub definition: Option<String>,
    /// The relation or permission.
    pub name: String,
}

/// Why something is outside of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutsideScope {
    /// The type is not in it.
    Definition(String),
    /// The relation or permission is not in it.
    Relation {
        /// The type.
        definition: String,
        /// The relation or permission.
        relation: String,
    },
    /// The object id has none of the prefixes.
    ObjectId {
        /// The type.
        definition: String,
        /// The id, or the prefix of ids that was asked for.
        object_id: String,
    },
    /// A filter does not say enough to be sure that everything it matches is inside.
    OpenFilter,
}

/// The type, the id, and the relation or permission of a node.
type NodeParts<'p> = (&'p str, &'p str, &'p str);
/// The type and the id of an object.
type ObjectParts<'p> = (&'p str, &'p str);

/// How far something is inside of an area. Later ones are nearer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Coverage {
    OtherDefinition,
    OtherRelation,
    OtherId,
    Covered,
}

impl ScopeArea {
    /// Whether it covers everything.
    pub fn is_everything(&self) -> bool {
        self.has_all_names() && self.id_prefixes.is_empty()
    }

    /// Whether it restricts no type and no relation.
    pub fn has_all_names(&self) -> bool {
        self.definitions.is_empty() && self.relations.is_empty()
    }

    pub(super) fn has_definition(&self, name: &str) -> bool {
        self.definitions.is_empty() || self.definitions.contains(name)
    }

    fn has_relation(&self, definition: &str, relation: &str) -> bool {
        let is_named = |pattern: &RelationPattern| {
            pattern.name == relation
                && pattern.definition.as_deref().is_none_or(|d| d == definition)
        };
        self.relations.is_empty() || self.relations.iter().any(is_named)
    }

    pub(super) fn has_free_ids(&self, definition: &str) -> bool {
        self.id_prefixes.is_empty() || self.shared.contains(definition)
    }

    fn has_prefix(&self, object_id: &str) -> bool {
        self.id_prefixes.iter().any(|prefix| object_id.starts_with(prefix.as_str()))
    }

    /// Whether the id of an object, which may be a subject, is inside.
    fn has_id(&self, definition: &str, object_id: &str) -> bool {
        self.has_free_ids(definition) || self.has_prefix(object_id)
    }

    /// Whether the ids of resources need no prefix.
    fn has_free_resource_ids(&self, definition: &str) -> bool {
        self.id_prefixes.is_empty()
            || (!self.shares_subjects_only && self.shared.contains(definition))
    }

    /// Whether the id of a resource is inside.
    fn has_resource_id(&self, definition: &str, object_id: &str) -> bool {
        self.has_free_resource_ids(definition) || self.has_prefix(object_id)
    }

    fn object(&self, definition: &str, object_id: &str) -> Coverage {
        if !self.has_definition(definition) {
            Coverage::OtherDefinition
        } else if object_id != WILDCARD_ID && !self.has_id(definition, object_id) {
            Coverage::OtherId
        } else {
            Coverage::Covered
        }
    }

    fn node(&self, definition: &str, object_id: &str, relation: &str) -> Coverage {
        let object = self.object(definition, object_id);
        if object > Coverage::OtherRelation && !self.has_relation(definition, relation) {
            return Coverage::OtherRelation;
        }
        let is_any = object_id == WILDCARD_ID;
        if object == Coverage::Covered && !is_any && !self.has_resource_id(definition, object_id) {
            return Coverage::OtherId;
        }
        object
    }

    fn covers_pair(
        &self,
        (node_type, id, relation): NodeParts<'_>,
        subject: ObjectParts<'_>,
    ) -> bool {
        self.node(node_type, id, relation) == Coverage::Covered
            && self.object(subject.0, subject.1) == Coverage::Covered
    }

    /// Why the objects that a filter names are not all inside, if they are not. Conditions that it does not set play no part.
    fn outside_of_filter(&self, filter: &RelationshipFilter) -> Option<OutsideScope> {
        if let Some(definition) = filter.resource_type.as_deref() {
            let id = match &filter.resource_id {
                None => None,
                Some(ObjectIdFilter::Exact(id)) => Some((id, self.has_resource_id(definition, id))),
                // One that is shorter than a prefix selects more than what is inside, which is left out.
                Some(ObjectIdFilter::Prefix(id)) => {
                    let longer = self.id_prefixes.iter().any(|prefix| prefix.starts_with(id));
                    Some((id, longer || self.has_resource_id(definition, id)))
                }
            };
            let relation = filter.relation.as_deref();
            if !self.has_definition(definition) {
                return Some(OutsideScope::Definition(definition.to_owned()));
            }
            if let Some(name) = relation.filter(|name| !self.has_relation(definition, name)) {
                return Some(outside_relation(definition, name));
            }
            if let Some((id, _)) = id.filter(|(_, is_inside)| !is_inside) {
                return Some(outside_id(definition, id));
            }
        } else if !self.has_some_type(filter) {
            return Some(OutsideScope::OpenFilter);
        }

        let SubjectFilter { subject_type, subject_id, .. } = filter.subject.as_ref()?;
        let id = subject_id.as_deref().unwrap_or(WILDCARD_ID);
        outside(self.object(subject_type, id), subject_type, "", id)
    }

    /// Whether the id and the relation of a filter without a type can be those of something inside.
    fn has_some_type(&self, filter: &RelationshipFilter) -> bool {
        let shares_resources = !self.shares_subjects_only && !self.shared.is_empty();
        let has_id = match &filter.resource_id {
            None => true,
            Some(ObjectIdFilter::Exact(id)) => self.has_prefix(id),
            Some(ObjectIdFilter::Prefix(id)) => {
                let longer = self.id_prefixes.iter().any(|prefix| prefix.starts_with(id));
                longer || self.has_prefix(id)
            }
        };

        let has_relation = filter.relation.as_deref().is_none_or(|name| {
            self.relations.is_empty() || self.relations.iter().any(|pattern| pattern.name == name)
        });
        (has_id || shares_resources || self.id_prefixes.is_empty()) && has_relation
    }

    /// Whether a filter is so narrow that every resource that it matches is inside.
    fn contains_resources(&self, filter: &RelationshipFilter) -> bool {
        let Some(definition) = filter.resource_type.as_deref() else { return self.is_everything() };
        let has_ids = match &filter.resource_id {
            None => self.has_free_resource_ids(definition),
            // What starts with the whole of a prefix is inside, be it an id or the start of one.
            Some(ObjectIdFilter::Exact(id) | ObjectIdFilter::Prefix(id)) => {
                self.has_resource_id(definition, id)
            }
        };
        let has_relations = match &filter.relation {
            None => self.relations.is_empty(),
            Some(relation) => self.has_relation(definition, relation),
        };
        self.has_definition(definition) && has_ids && has_relations
    }
}

impl RelationshipScope {
    /// The scope of these areas; without one it covers nothing.
    pub fn new(areas: Vec<ScopeArea>) -> Self {
        Self { areas }
    }

    /// Its areas.
    pub fn areas(&self) -> &[ScopeArea] {
        &self.areas
    }

    /// Whether some area restricts no type and no relation.
    pub fn has_all_names(&self) -> bool {
        self.areas.iter().any(ScopeArea::has_all_names)
    }

    /// Whether a relationship is inside.
    pub fn covers(&self, relationship: &Relationship) -> bool {
        let Relationship { resource, relation, subject, .. } = relationship;
        let subject = (subject.object_type(), subject.object_id());
        self.covers_pair((resource.object_type(), resource.object_id(), relation), subject)
    }

    /// Whether one area has a node, given by type, id and relation or permission, and a subject, given by type and id.
    pub fn covers_pair(&self, node: (&str, &str, &str), subject: (&str, &str)) -> bool {
        self.areas.iter().any(|area| area.covers_pair(node, subject))
    }

    /// Whether an object is inside.
    pub fn covers_object(&self, object_type: &str, object_id: &str) -> bool {
        self.areas.iter().any(|area| area.object(object_type, object_id) == Coverage::Covered)
    }

    /// Whether a relation or permission of an object is inside.
    pub fn covers_node(&self, object_type: &str, object_id: &str, relation: &str) -> bool {
        let mut areas = self.areas.iter();
        areas.any(|area| area.node(object_type, object_id, relation) == Coverage::Covered)
    }

    /// Requires that an object is inside.
    pub fn require_object(&self, definition: &str, object_id: &str) -> Result<(), OutsideScope> {
        let nearest = self.areas.iter().map(|area| area.object(definition, object_id)).max();
        let nearest = nearest.unwrap_or(Coverage::OtherDefinition);
        outside(nearest, definition, "", object_id).map_or(Ok(()), Err)
    }

    /// Requires that a relation or permission of an object is inside.
    pub fn require_node(
        &self,
        definition: &str,
        object_id: &str,
        relation: &str,
    ) -> Result<(), OutsideScope> {
        let areas = self.areas.iter();
        let nearest = areas.map(|area| area.node(definition, object_id, relation)).max();
        let nearest = nearest.unwrap_or(Coverage::OtherDefinition);
        outside(nearest, definition, relation, object_id).map_or(Ok(()), Err)
    }

    /// Requires that one area has the resource with its relation, and the subject.
    pub fn require_pair(
        &self,
        resource: &ObjectRef,
        relation: &str,
        subject: &Subject,
    ) -> Result<(), OutsideScope> {
        let node = (resource.object_type(), resource.object_id(), relation);
        if self.covers_pair(node, (subject.object_type(), subject.object_id())) {
            return Ok(());
        }
        self.require_node(node.0, node.1, node.2)?;
        self.require_object(subject.object_type(), subject.object_id())?;
        // Each is in an area, and none has both: the subject's is not that of the resource.
        Err(outside_id(subject.object_type(), subject.object_id()))
    }

    /// Requires that everything a filter names is inside. It may match more than that, which has to be left out.
    pub fn require_named(&self, filter: &RelationshipFilter) -> Result<(), OutsideScope> {
        let mut reason = OutsideScope::OpenFilter;
        for area in &self.areas {
            match area.outside_of_filter(filter) {
                None => return Ok(()),
                Some(outside) => reason = outside,
            }
        }
        Err(reason)
    }

    /// Requires that every resource a filter matches is inside, and what the filter names of subjects.
    pub fn require_contained(&self, filter: &RelationshipFilter) -> Result<(), OutsideScope> {
        self.require_named(filter)?;
        let contains = |area: &ScopeArea| {
            area.contains_resources(filter) && area.outside_of_filter(filter).is_none()
        };
        if self.areas.iter().any(contains) { Ok(()) } else { Err(OutsideScope::OpenFilter) }
    }
}

fn outside(
    coverage: Coverage,
    definition: &str,
    relation: &str,
    object_id: &str,
) -> Option<OutsideScope> {
    match coverage {
        Coverage::OtherDefinition => Some(OutsideScope::Definition(definition.to_owned())),
        Coverage::OtherRelation => Some(outside_relation(definition, relation)),
        Coverage::OtherId => Some(outside_id(definition, object_id)),
        Coverage::Covered => None,
    }
}

fn outside_relation(definition: &str, relation: &str) -> OutsideScope {
    OutsideScope::Relation { definition: definition.to_owned(), relation: relation.to_owned() }
}

fn outside_id(definition: &str, object_id: &str) -> OutsideScope {
    OutsideScope::ObjectId { definition: definition.to_owned(), object_id: object_id.to_owned() }
}
