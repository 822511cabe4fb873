//! The matrix of permissions: what every subject may do on every object so far.

use super::events::Row;
use kilwa::schema::{self, Rule, Schema};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Carried from event to event.
pub(super) struct Matrix {
    schema: Schema,
    subjects: BTreeSet<String>,
    /// The permissions of each object and subject, as rows give them.
    granted: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

/// One question with its answer.
pub(super) struct Cell {
    resource: String,
    permission: String,
    subject: String,
    pub(super) expected: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    No,
    Yes,
    Conditional,
}

impl Matrix {
    pub(super) fn new(schema_text: &str, subjects: &[String]) -> Self {
        let schema = schema::compile(schema_text).unwrap();
        Self { schema, subjects: subjects.iter().cloned().collect(), granted: BTreeMap::new() }
    }

    /// Replaces some rows. They must name permissions and subjects that are known.
    pub(super) fn change(&mut self, rows: &[Row]) {
        for Row { resource, subject, permissions } in rows {
            let known: BTreeSet<_> = self.permissions(resource).collect();
            for name in permissions {
                assert!(known.contains(name.trim_end_matches('?')), "{resource} has no {name}");
            }
            assert!(self.subjects.contains(subject), "{subject} is none of the subjects");
            let row = self.granted.entry(resource.clone()).or_default();
            row.insert(subject.clone(), permissions.clone());
        }
    }

    /// Every permission of every subject on every object so far.
    pub(super) fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for (resource, rows) in &self.granted {
            for subject in &self.subjects {
                let row = rows.get(subject);
                cells.extend(self.permissions(resource).map(|permission| Cell {
                    resource: resource.clone(),
                    permission: permission.to_owned(),
                    subject: subject.clone(),
                    expected: value(row, permission),
                }));
            }
        }
        cells
    }

    /// The permissions of an object's definition.
    fn permissions(&self, resource: &str) -> impl Iterator<Item = &str> {
        let (object_type, _) = resource.split_once(':').unwrap();
        let definition = self.schema.find_definition(object_type).unwrap();
        let nodes = definition.nodes.iter().map(|id| self.schema.node(*id));
        nodes.filter(|node| matches!(node.rule, Rule::Permission(_))).map(|node| node.name.as_str())
    }
}

fn value(row: Option<&BTreeSet<String>>, permission: &str) -> Value {
    let holds = |name: &str| row.is_some_and(|permissions| permissions.contains(name));
    if holds(permission) {
        Value::Yes
    } else if holds(&format!("{permission}?")) {
        Value::Conditional
    } else {
        Value::No
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}@{}", self.resource, self.permission, self.subject)
    }
}
