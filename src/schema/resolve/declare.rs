//! The first stage: every definition, relation, permission and caveat gets its id.

use super::partials::Partials;
use crate::schema::diagnostics::fault::{Faults, SchemaFault};
use crate::schema::model::{CaveatId, Definition, DefinitionId, Expr, Node, NodeId, Rule};
use crate::schema::parse::ast::{self, FileSyntax, ItemSyntax, MemberSyntax};
use crate::schema::schema::Schema;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The parts of the syntax trees that later stages need.
pub(super) struct Declared {
    /// The caveats, in id order.
    pub(super) caveats: Vec<ast::CaveatSyntax>,
}

/// Declares the definitions of all files. `trees` are in the order in which their definitions get ids.
pub(super) fn declare(
    trees: Vec<FileSyntax>,
    schema: &mut Schema,
    faults: &mut Faults,
) -> Declared {
    let mut items = Items::default();
    for item in trees.into_iter().flat_map(|tree| tree.items) {
        items.add(item, faults);
    }
    let Items { definitions, partials, caveats, .. } = items;
    for caveat in &caveats {
        let id = CaveatId(id(schema.caveat_ids.len()));
        schema.caveat_ids.insert(caveat.name.text.clone(), id);
    }
    let partials = Partials::new(&partials, faults);
    let mut declaring = Declaring { schema, faults };
    for definition in definitions {
        let members = partials.expand(&definition, declaring.faults);
        declaring.definition(definition, members);
    }
    Declared { caveats }
}

/// The items of all files, each name once.
#[derive(Default)]
struct Items {
    names: HashSet<String>,
    definitions: Vec<ast::DefinitionSyntax>,
    partials: BTreeMap<String, ast::DefinitionSyntax>,
    caveats: Vec<ast::CaveatSyntax>,
}

impl Items {
    fn add(&mut self, item: ItemSyntax, faults: &mut Faults) {
        let name = match &item {
            ItemSyntax::Definition(definition) => &definition.name,
            ItemSyntax::Partial(partial) => &partial.name,
            ItemSyntax::Caveat(caveat) => &caveat.name,
            ItemSyntax::Import(_) => return,
        };
        if !self.names.insert(name.text.clone()) {
            let message = format!(
                "found name reused between multiple definitions and/or caveats: {}",
                name.text
            );
            faults.push(SchemaFault::parse("duplicate-name", name.span, message));
            return;
        }

        match item {
            ItemSyntax::Definition(definition) => self.definitions.push(definition),
            ItemSyntax::Partial(partial) => {
                self.partials.insert(partial.name.text.clone(), partial);
            }
            ItemSyntax::Caveat(caveat) => self.caveats.push(caveat),
            ItemSyntax::Import(_) => {}
        }
    }
}

struct Declaring<'s> {
    schema: &'s mut Schema,
    faults: &'s mut Faults,
}

impl Declaring<'_> {
    fn definition(&mut self, definition: ast::DefinitionSyntax, members: Vec<MemberSyntax>) {
        let definition_id = DefinitionId(id(self.schema.definitions.len()));
        let ast::DefinitionSyntax { name, comment, .. } = definition;
        let mut ids = HashMap::new();
        let mut nodes = Vec::new();
        for member in members {
            let next = NodeId(id(self.schema.nodes.len()));
            if self.is_new(&name.text, &member, &ids) {
                ids.insert(member.name().text.clone(), next);
                nodes.push(next);
                self.node(definition_id, next, member);
            }
        }

        self.schema.node_ids.push(ids);
        self.schema.definition_ids.insert(name.text.clone(), definition_id);
        self.schema.definitions.push(Definition {
            id: definition_id,
            name: name.text.clone(),
            doc: comment.text,
            comment: comment.written,
            nodes,
        });
        self.schema.syntax.definitions.push(name);
    }

    fn is_new(
        &mut self,
        definition: &str,
        member: &MemberSyntax,
        ids: &HashMap<String, NodeId>,
    ) -> bool {
        let name = member.name();
        if !ids.contains_key(&name.text) {
            return true;
        }
        let message = format!(
            "found duplicate relation/permission name `{}` under definition `{definition}`",
            name.text
        );
        self.faults.push(
            SchemaFault::typed("duplicate-relation", name.span, message).about([
                ("definition_name", definition),
                ("relation_or_permission_name", &name.text),
            ]),
        );
        false
    }

    fn node(&mut self, definition: DefinitionId, id: NodeId, member: MemberSyntax) {
        let (rule, comment) = match &member {
            MemberSyntax::Relation(relation) => {
                (Rule::Relation(Vec::new()), relation.comment.clone())
            }
            MemberSyntax::Permission(permission) => {
                (Rule::Permission(Expr::Nil), permission.comment.clone())
            }
            MemberSyntax::PartialReference(_) => return,
        };
        let name = member.name().text.clone();
        let (doc, comment) = (comment.text, comment.written);
        self.schema.nodes.push(Node { id, definition, name, doc, comment, rule });
        self.schema.syntax.members.push(member);
    }
}

/// A position as an id. The limits on texts and partials keep positions far below the largest id.
fn id(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
