//! Reads `events.yaml`: what happens in the life of a system's tenants, and who may do what after it.

use kilwa::relationship::{
    Context, ObjectIdFilter, ObjectRef, Relationship, RelationshipFilter, SubjectFilter,
    SubjectRelationFilter,
};
use saphyr::{LoadableYamlNode, Yaml};
use std::collections::BTreeSet;
use std::str::FromStr;

/// A file of events.
pub(super) struct Life {
    /// Everybody whose permissions are checked.
    pub(super) subjects: Vec<String>,
    /// What every check knows beside the relationships.
    pub(super) context: Context,
    pub(super) events: Vec<Event>,
}

/// Something that happens, as changes of relationships.
pub(super) struct Event {
    pub(super) name: String,
    pub(super) write: Vec<Relationship>,
    pub(super) delete: Vec<Relationship>,
    pub(super) delete_matching: Vec<RelationshipFilter>,
    /// The rows of the matrix of permissions that change; all others stay.
    pub(super) rows: Vec<Row>,
}

/// What a subject may do on a resource.
pub(super) struct Row {
    pub(super) resource: ObjectRef,
    pub(super) subject: String,
    /// Names of permissions, those that depend on context with a `?` at the end.
    pub(super) permissions: BTreeSet<String>,
}

impl Life {
    pub(super) fn read(text: &str) -> Self {
        let documents = Yaml::load_from_str(text).unwrap();
        let [document] = documents.as_slice() else { panic!("one YAML document") };
        let mut life =
            Self { subjects: Vec::new(), context: Context::default(), events: Vec::new() };
        for (key, value) in entries(document) {
            match key {
                "subjects" => life.subjects = list(value, |subject| text_of(subject).to_owned()),
                "context" => life.context = context_of(value),
                "events" => life.events = list(value, Event::read),
                _ => panic!("`{key}` means nothing in a file of events"),
            }
        }
        life
    }
}

impl Event {
    fn read(yaml: &Yaml<'_>) -> Self {
        let mut event = Self {
            name: String::new(),
            write: Vec::new(),
            delete: Vec::new(),
            delete_matching: Vec::new(),
            rows: Vec::new(),
        };
        for (key, value) in entries(yaml) {
            match key {
                "name" => text_of(value).clone_into(&mut event.name),
                "says" => assert!(!text_of(value).is_empty()),
                "write" => event.write = list(value, parsed),
                "delete" => event.delete = list(value, parsed),
                "delete_matching" => event.delete_matching = list(value, filter_of),
                "matrix" => event.rows = rows_of(value),
                _ => panic!("`{key}` means nothing in an event"),
            }
        }
        event
    }
}

fn rows_of(matrix: &Yaml<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (resource, subjects) in entries(matrix) {
        for (subject, permissions) in entries(subjects) {
            rows.push(Row {
                resource: resource.parse().unwrap(),
                subject: subject.to_owned(),
                permissions: list(permissions, |name| text_of(name).to_owned())
                    .into_iter()
                    .collect(),
            });
        }
    }
    rows
}

fn filter_of(yaml: &Yaml<'_>) -> RelationshipFilter {
    let mut filter = RelationshipFilter::default();
    let mut subject_type = None;
    let mut subject_id = None;
    let mut subject_relation = SubjectRelationFilter::Any;
    for (key, value) in entries(yaml) {
        let value = text_of(value).to_owned();
        match key {
            "resource_type" => filter.resource_type = Some(value),
            "resource_id" => filter.resource_id = Some(ObjectIdFilter::Exact(value)),
            "relation" => filter.relation = Some(value),
            "subject_type" => subject_type = Some(value),
            "subject_id" => subject_id = Some(value),
            "subject_relation" => subject_relation = SubjectRelationFilter::Named(value),
            _ => panic!("`{key}` means nothing in a filter"),
        }
    }
    filter.subject = subject_type.map(|subject_type| SubjectFilter {
        subject_type,
        subject_id,
        relation: subject_relation,
    });
    filter
}

fn context_of(yaml: &Yaml<'_>) -> Context {
    let values = entries(yaml).map(|(name, value)| (name.to_owned(), json_of(value))).collect();
    Context::from_map(values)
}

fn json_of(yaml: &Yaml<'_>) -> serde_json::Value {
    if let Some(items) = yaml.as_sequence() {
        return items.iter().map(json_of).collect();
    }
    if yaml.is_mapping() {
        return entries(yaml).map(|(name, value)| (name.to_owned(), json_of(value))).collect();
    }
    yaml.as_str()
        .map(Into::into)
        .or_else(|| yaml.as_bool().map(Into::into))
        .or_else(|| yaml.as_integer().map(Into::into))
        .or_else(|| yaml.as_floating_point().map(Into::into))
        .unwrap_or_default()
}

fn entries<'y>(yaml: &'y Yaml<'_>) -> impl Iterator<Item = (&'y str, &'y Yaml<'y>)> {
    let mapping = yaml.as_mapping().unwrap_or_else(|| panic!("no mapping: {yaml:?}"));
    mapping.iter().map(|(key, value)| (text_of(key), value))
}

/// The items of a list; a key with nothing after it is an empty one.
fn list<T>(yaml: &Yaml<'_>, read: impl Fn(&Yaml<'_>) -> T) -> Vec<T> {
    if yaml.is_null() {
        return Vec::new();
    }
    let items = yaml.as_sequence().unwrap_or_else(|| panic!("no list: {yaml:?}"));
    items.iter().map(read).collect()
}

fn parsed<T: FromStr>(yaml: &Yaml<'_>) -> T {
    let text = text_of(yaml);
    text.parse().unwrap_or_else(|_| panic!("not well formed: {text}"))
}

fn text_of<'y>(yaml: &'y Yaml<'_>) -> &'y str {
    yaml.as_str().unwrap_or_else(|| panic!("no text: {yaml:?}"))
}
