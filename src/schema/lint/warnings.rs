//! Lint warnings and the relations and permissions that they are about.

use crate::schema::diagnostics::diagnostic::{Diagnostic, DiagnosticStage, Severity};
use crate::schema::diagnostics::fault::SchemaFault;
use crate::schema::diagnostics::position::Span;
use crate::schema::model::{Definition, Node, NodeId};
use crate::schema::parse::ast::{MemberSyntax, PermissionSyntax, RelationSyntax};
use crate::schema::schema::Schema;
use std::collections::HashSet;

/// Maximum warnings for one schema.
const WARNINGS_MAX: usize = 1_000;

/// The warnings found so far.
pub(super) struct LintWarnings<'s> {
    schema: &'s Schema,
    found: Vec<SchemaFault>,
    /// Spans and messages of earlier warnings: the members of a partial are checked once for each definition that includes it.
    seen: HashSet<(Span, String)>,
}

/// One warning.
pub(super) struct LintWarning {
    pub(super) code: &'static str,
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) help: &'static str,
}

impl<'s> LintWarnings<'s> {
    pub(super) fn new(schema: &'s Schema) -> Self {
        Self { schema, found: Vec::new(), seen: HashSet::new() }
    }

    /// The warnings, in source order.
    pub(super) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|fault| fault.span);
        let files = &self.schema.syntax.files;
        self.found.into_iter().filter_map(|fault| fault.shown(Severity::Warning, files)).collect()
    }

    /// Adds a warning about a relation or permission, unless its comment or that of its definition silences it.
    pub(super) fn about(&mut self, node: &Node, warning: LintWarning) {
        let definition = self.schema.definition(node.definition);
        if !silences(&definition.comment, warning.code) {
            let names = vec![
                ("definition_name", definition.name.clone()),
                ("relation_name", node.name.clone()),
            ];
            self.add(&node.comment, warning, names);
        }
    }

    /// Adds a warning about the item below a comment, unless the comment silences it.
    pub(super) fn below(&mut self, comment: &str, warning: LintWarning) {
        self.add(comment, warning, Vec::new());
    }

    fn add(&mut self, comment: &str, warning: LintWarning, names: Vec<(&'static str, String)>) {
        let LintWarning { code, span, message, help } = warning;
        let is_new = !silences(comment, code) && self.found.len() < WARNINGS_MAX;
        if is_new && self.seen.insert((span, message.clone())) {
            let (stage, help, missing) = (DiagnosticStage::Lint, Some(help.to_owned()), None);
            self.found.push(SchemaFault { stage, code, message, span, help, missing, names });
        }
    }
}

/// Whether a comment silences warnings with this code.
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
pub(super) struct LintNode<'s> {
    pub(super) definition: &'s Definition,
    pub(super) node: &'s Node,
    pub(super) member: &'s MemberSyntax,
}

/// Every relation and permission.
pub(super) fn lint_nodes(schema: &Schema) -> impl Iterator<Item = LintNode<'_>> {
    schema.nodes.iter().zip(&schema.syntax.members).map(|(node, member)| LintNode {
        definition: schema.definition(node.definition),
        node,
        member,
    })
}

impl<'s> LintNode<'s> {
    pub(super) fn permission(&self) -> Option<&'s PermissionSyntax> {
        match self.member {
            MemberSyntax::Permission(permission) => Some(permission),
            MemberSyntax::Relation(_) | MemberSyntax::PartialReference(_) => None,
        }
    }

    pub(super) fn relation(&self) -> Option<&'s RelationSyntax> {
        match self.member {
            MemberSyntax::Relation(relation) => Some(relation),
            MemberSyntax::Permission(_) | MemberSyntax::PartialReference(_) => None,
        }
    }

    /// The relation or permission of this name in the same definition.
    pub(super) fn sibling(&self, schema: &Schema, name: &str) -> Option<NodeId> {
        schema.find_node(self.definition.id, name).map(|node| node.id)
    }
}
