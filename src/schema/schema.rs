//! A compiled schema: every name is an id, every expression a tree, nothing left to look up.
//!
//! Only [`compile`](super::compile()) and its siblings make a [`Schema`], so a value of this type is always valid.

use super::diagnostics::fault::SourceFile;
use super::diagnostics::position::Span;
use super::model::{AllowedForm, AllowedSubject, CaveatId, Definition, DefinitionId, Node, NodeId};
use super::parse::ast;
use super::reachability::Reachability;
use super::routes::Routes;
use super::subject_traits::SubjectTraits;
use crate::caveat::Caveat;
use std::collections::HashMap;

/// A resolved schema. Immutable.
#[derive(Debug, Default)]
pub struct Schema {
    pub(super) definitions: Vec<Definition>,
    pub(super) nodes: Vec<Node>,
    pub(super) caveats: Vec<Caveat>,
    pub(super) definition_ids: HashMap<String, DefinitionId>,
    pub(super) node_ids: Vec<HashMap<String, NodeId>>,
    pub(super) caveat_ids: HashMap<String, CaveatId>,
    pub(super) reachability: Reachability,
    pub(super) syntax: Syntax,
}

/// The syntax trees of a schema, for formatting, linting and reflection.
#[derive(Debug, Default)]
pub(super) struct Syntax {
    /// The texts; the first is the root, the others are what it imports.
    pub(super) files: Vec<SourceFile>,
    /// The definitions' names, in id order.
    pub(super) definitions: Vec<ast::Name>,
    /// The relations and permissions, in id order.
    pub(super) members: Vec<ast::MemberSyntax>,
    /// The caveats, in id order.
    pub(super) caveats: Vec<ast::CaveatSyntax>,
}

impl Syntax {
    /// Where the name of a relation or permission stands; the start of the first text for ids that are not of this schema.
    pub(super) fn name_span(&self, id: NodeId) -> Span {
        let nowhere = Span { file: 0, start: 0, end: 0 };
        self.members.get(id.index()).map_or(nowhere, |member| member.name().span)
    }
}

impl Schema {
    /// The text that was compiled, comments and all; imported files apart.
    pub fn source(&self) -> &str {
        self.syntax.files.first().map_or("", |file| &file.text)
    }

    /// Every definition, in written order.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// Every relation and permission of every definition, by id.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Every caveat, in written order.
    pub fn caveats(&self) -> &[Caveat] {
        &self.caveats
    }

    /// The definition of a name.
    pub fn find_definition(&self, name: &str) -> Option<&Definition> {
        self.definition_ids.get(name).map(|id| self.definition(*id))
    }

    /// The relation or permission of a name in a definition.
    pub fn find_node(&self, definition: DefinitionId, name: &str) -> Option<&Node> {
        let id = self.node_ids.get(definition.index())?.get(name)?;
        Some(self.node(*id))
    }

    /// The caveat of a name.
    pub fn find_caveat(&self, name: &str) -> Option<CaveatId> {
        self.caveat_ids.get(name).copied()
    }

    /// The definition of an id of this schema.
    #[expect(clippy::indexing_slicing, reason = "ids are made with the schema they index")]
    pub fn definition(&self, id: DefinitionId) -> &Definition {
        &self.definitions[id.index()]
    }

    /// The relation or permission of an id of this schema.
    #[expect(clippy::indexing_slicing, reason = "ids are made with the schema they index")]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The caveat of an id of this schema.
    #[expect(clippy::indexing_slicing, reason = "ids are made with the schema they index")]
    pub fn caveat(&self, id: CaveatId) -> &Caveat {
        &self.caveats[id.index()]
    }

    /// `document#viewer`, for messages.
    pub(super) fn node_name(&self, id: NodeId) -> String {
        let node = self.node(id);
        format!("{}#{}", self.definition(node.definition).name, node.name)
    }

    /// Whether some set of relationships could put a subject of this form into the node. When not, the answer is no
    /// without a read. `subject_relation` is `None` for a single object of `subject_type`.
    pub fn can_reach(
        &self,
        node: NodeId,
        subject_type: DefinitionId,
        subject_relation: Option<NodeId>,
    ) -> bool {
        self.reachability.can_reach(node, subject_type, subject_relation)
    }

    /// The routes from subjects to a node. Computed on first use.
    pub fn routes(&self, target: NodeId) -> &Routes {
        self.reachability.routes(target, &self.nodes)
    }

    /// A form of subject as the language writes it: `group#member with office_hours and expiration`.
    pub fn allowed_text(&self, allowed: &AllowedSubject) -> String {
        let definition = &self.definition(allowed.definition).name;
        let form = match allowed.form {
            AllowedForm::Object => definition.clone(),
            AllowedForm::Wildcard => format!("{definition}:*"),
            AllowedForm::Userset(node) => format!("{definition}#{}", self.node(node).name),
        };
        let caveat = allowed.caveat.map(|id| self.caveat(id).name());
        format!("{form}{}", SubjectTraits { caveat, expires: allowed.expires })
    }
}
