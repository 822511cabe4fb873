//! Reads `events.yaml`: what happens in the life of a system's tenants, and who may do what after it.

use crate::server_support::{delete, touch};
use kilwa::proto::authzed::api::v1::subject_filter::RelationFilter;
use kilwa::proto::authzed::api::v1::{RelationshipFilter, RelationshipUpdate};
use saphyr::{LoadableYamlNode, Yaml};
use std::collections::BTreeSet;

/// A file of events.
pub(super) struct Life {
    /// Everybody whose permissions are checked.
    pub(super) subjects: Vec<String>,
    /// The context of every check: a JSON object.
    pub(super) context: String,
    pub(super) events: Vec<Event>,
}

/// Something that happens, as changes of relationships.
pub(super) struct Event {
    pub(super) name: String,
    pub(super) updates: Vec<RelationshipUpdate>,
    pub(super) deletions: Vec<RelationshipFilter>,
    /// The rows of the matrix of permissions that change; all others stay.
    pub(super) rows: Vec<Row>,
}

/// What a subject may do on a resource.
pub(super) struct Row {
    pub(super) resource: String,
    pub(super) subject: String,
    /// Names of permissions, those that depend on context with a `?` at the end.
    pub(super) permissions: BTreeSet<String>,
}

impl Life {
    pub(super) fn read(text: &str) -> Self {
        let documents = Yaml::load_from_str(text).unwrap();
        let [document] = documents.as_slice() else { panic!("one YAML document") };
        let mut life = Self { subjects: Vec::new(), context: "{}".to_owned(), events: Vec::new() };
        for (key, value) in entries(document) {
            match key {
                "subjects" => life.subjects = list(value, |subject| text_of(subject).to_owned()),
                "context" => life.context = json_of(value).to_string(),
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
            updates: Vec::new(),
            deletions: Vec::new(),
            rows: Vec::new(),
        };
        for (key, value) in entries(yaml) {
            match key {
                "name" => text_of(value).clone_into(&mut event.name),
                "says" => assert!(!text_of(value).is_empty()),
                "write" => event.updates.extend(list(value, |text| touch(text_of(text)))),
                "delete" => event.updates.extend(list(value, |text| delete(text_of(text)))),
                "delete_matching" => event.deletions = list(value, filter_of),
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
                resource: resource.to_owned(),
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
    for (key, value) in entries(yaml) {
        let value = text_of(value).to_owned();
        let mut subject = filter.optional_subject_filter.take();
        match key {
            "resource_type" => filter.resource_type = value,
            "resource_id" => filter.optional_resource_id = value,
            "relation" => filter.optional_relation = value,
            "subject_type" => subject.get_or_insert_default().subject_type = value,
            "subject_id" => subject.get_or_insert_default().optional_subject_id = value,
            "subject_relation" => {
                subject.get_or_insert_default().optional_relation =
                    Some(RelationFilter { relation: value });
            }
            _ => panic!("`{key}` means nothing in a filter"),
        }
        filter.optional_subject_filter = subject;
    }
    filter
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

fn text_of<'y>(yaml: &'y Yaml<'_>) -> &'y str {
    yaml.as_str().unwrap_or_else(|| panic!("no text: {yaml:?}"))
}
