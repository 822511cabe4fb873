//! Remarks about schemas that are right but probably say something else than was meant.
//!
//! A remark is silenced by a comment above the relation, permission, caveat or definition: `// kilwa-ignore-warning: name`,
//! or `// spicedb-ignore-warning: name`.

mod arrows;
mod expressions;
mod names;
mod never;
mod unused;

use super::ast::{Member, Permission, Relation, Span};
use super::compiled::{Definition, Node, NodeId, Schema};
use super::diagnostic::{Diagnostic, Severity, Stage};
use super::fault::Fault;
use std::collections::HashSet;

/// The code of the remark that nothing uses a relation.
pub const UNUSED_RELATION: &str = "unused-relation";

/// How many remarks are made about one schema.
const REMARKS_MAX: usize = 1_000;

/// The remarks about a schema, in the order of their places.
pub fn lint(schema: &Schema) -> Vec<Diagnostic> {
    let mut remarks = Remarks { schema, found: Vec::new(), seen: HashSet::new() };
    names::lint(schema, &mut remarks);
    arrows::lint(schema, &mut remarks);
    expressions::lint(schema, &mut remarks);
    never::lint(schema, &mut remarks);
    unused::lint(schema, &mut remarks);
    let Remarks { mut found, .. } = remarks;
    found.sort_by_key(|fault| fault.span);
    let files = &schema.syntax.files;
    found.into_iter().filter_map(|fault| fault.shown(Severity::Warning, files)).collect()
}

/// The remarks made so far.
struct Remarks<'s> {
    schema: &'s Schema,
    found: Vec<Fault>,
    /// What was said where: the members of a partial are looked at once for each definition that includes it.
    seen: HashSet<(Span, String)>,
}

/// One remark.
struct Remark {
    code: &'static str,
    span: Span,
    message: String,
    help: &'static str,
}

impl Remarks<'_> {
    /// Makes a remark about a relation or permission, unless its comment or its definition's silences it.
    fn about(&mut self, node: &Node, remark: Remark) {
        let definition = self.schema.definition(node.definition);
        if !silences(&definition.comment, remark.code) {
            let names = vec![
                ("definition_name", definition.name.clone()),
                ("relation_name", node.name.clone()),
            ];
            self.add(&node.comment, remark, names);
        }
    }

    /// Makes a remark about what stands below a comment, unless that silences it.
    fn below(&mut self, comment: &str, remark: Remark) {
        self.add(comment, remark, Vec::new());
    }

    fn add(&mut self, comment: &str, remark: Remark, names: Vec<(&'static str, String)>) {
        let Remark { code, span, message, help } = remark;
        let is_new = !silences(comment, code) && self.found.len() < REMARKS_MAX;
        if is_new && self.seen.insert((span, message.clone())) {
            let (stage, help, missing) = (Stage::Lint, Some(help.to_owned()), None);
            self.found.push(Fault { stage, code, message, span, help, missing, names });
        }
    }
}

/// Whether a comment silences the remarks of a name.
fn silences(comment: &str, code: &str) -> bool {
    let markers = ["spicedb-ignore-warning:", "kilwa-ignore-warning:"];
    comment.lines().any(|line| {
        markers.iter().any(|marker| {
            let named = line.split_once(marker).map_or("", |(_, named)| named);
            named.split([',', ' ', '\t']).any(|name| name == code)
        })
    })
}

/// A relation or permission, with how it was written.
struct Place<'s> {
    definition: &'s Definition,
    node: &'s Node,
    member: &'s Member,
}

/// Every relation and permission.
fn places(schema: &Schema) -> impl Iterator<Item = Place<'_>> {
    schema.nodes.iter().zip(&schema.syntax.members).map(|(node, member)| Place {
        definition: schema.definition(node.definition),
        node,
        member,
    })
}

impl<'s> Place<'s> {
    fn permission(&self) -> Option<&'s Permission> {
        match self.member {
            Member::Permission(permission) => Some(permission),
            Member::Relation(_) | Member::PartialReference(_) => None,
        }
    }

    fn relation(&self) -> Option<&'s Relation> {
        match self.member {
            Member::Relation(relation) => Some(relation),
            Member::Permission(_) | Member::PartialReference(_) => None,
        }
    }

    /// The relation or permission of a name beside this one.
    fn sibling(&self, schema: &Schema, name: &str) -> Option<NodeId> {
        schema.find_node(self.definition.id, name).map(|node| node.id)
    }
}
