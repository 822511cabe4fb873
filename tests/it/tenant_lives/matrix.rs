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
    /// Every permission that a subject had at some time, as `definition#permission`.
    held: BTreeSet<String>,
}

/// One check with its answer.
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
        let subjects = subjects.iter().cloned().collect();
        Self { schema, subjects, granted: BTreeMap::new(), held: BTreeSet::new() }
    }

    /// Replaces some rows. They must name permissions and subjects that are known.
    pub(super) fn change(&mut self, rows: &[Row]) {
        for Row { resource, subject, permissions } in rows {
            let known = self.permissions(resource).map(str::to_owned).collect::<BTreeSet<_>>();
            for name in permissions {
                let name = name.trim_end_matches('?');
                assert!(known.contains(name), "{resource} has no {name}");
                self.held.insert(format!("{}#{name}", type_of(resource)));
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

    /// The permissions that no subject ever had.
    pub(super) fn never_held(&self) -> Vec<String> {
        let nodes = self.schema.nodes().iter();
        let permissions = nodes.filter(|node| matches!(node.rule, Rule::Permission(_)));
        let names = permissions
            .map(|node| format!("{}#{}", self.schema.definition(node.definition).name, node.name));
        names.filter(|name| !self.held.contains(name)).collect()
    }

    /// The permissions of an object's definition.
    fn permissions(&self, resource: &str) -> impl Iterator<Item = &str> {
        let definition = self.schema.find_definition(type_of(resource)).unwrap();
        let nodes = definition.nodes.iter().map(|id| self.schema.node(*id));
        nodes.filter(|node| matches!(node.rule, Rule::Permission(_))).map(|node| node.name.as_str())
    }
}

fn type_of(resource: &str) -> &str {
    resource.split_once(':').unwrap().0
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
