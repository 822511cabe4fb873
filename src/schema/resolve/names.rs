//! Whether every name that is written could be one at all, in partials that nothing includes too.

use crate::relationship::{InvalidName, NameKind, require_name};
use crate::schema::diagnostics::fault::{Faults, SchemaFault};
use crate::schema::parse::ast::{
    AllowedFormSyntax, DefinitionSyntax, ExprKind, ExprSyntax, FileSyntax, ItemSyntax,
    MemberSyntax, Name, PermissionSyntax, RelationSyntax,
};

/// Checks the names of every definition and partial, and those that they mention.
pub(super) fn check(trees: &[FileSyntax], faults: &mut Faults) {
    for item in trees.iter().flat_map(|tree| &tree.items) {
        match item {
            ItemSyntax::Definition(definition) => {
                definition_names(definition, "object definition", faults);
            }
            ItemSyntax::Partial(partial) => definition_names(partial, "partial", faults),
            // A caveat may have any name that can be written.
            ItemSyntax::Caveat(_) | ItemSyntax::Import(_) => {}
        }
    }
}

fn definition_names(definition: &DefinitionSyntax, what: &str, faults: &mut Faults) {
    let name = &definition.name;
    NameChecker { what, of: &name.text, faults }.require(NameKind::Definition, name);
    for member in &definition.members {
        match member {
            MemberSyntax::Relation(relation) => relation_names(relation, faults),
            MemberSyntax::Permission(permission) => permission_names(permission, faults),
            MemberSyntax::PartialReference(_) => {}
        }
    }
}

fn relation_names(relation: &RelationSyntax, faults: &mut Faults) {
    let mut names = NameChecker { what: "relation", of: &relation.name.text, faults };
    names.require(NameKind::Relation, &relation.name);
    for allowed in &relation.allowed {
        names.require(NameKind::Definition, &allowed.definition);
        match &allowed.form {
            AllowedFormSyntax::Userset(relation) => names.require(NameKind::Relation, relation),
            AllowedFormSyntax::Object | AllowedFormSyntax::Wildcard => {}
        }
    }
}

fn permission_names(permission: &PermissionSyntax, faults: &mut Faults) {
    let mut names = NameChecker { what: "permission", of: &permission.name.text, faults };
    names.require(NameKind::Relation, &permission.name);
    names.expr(&permission.expr);
}

/// The names of one statement.
struct NameChecker<'n> {
    /// What kind of statement it is.
    what: &'n str,
    /// What it defines.
    of: &'n str,
    faults: &'n mut Faults,
}

impl NameChecker<'_> {
    fn expr(&mut self, expr: &ExprSyntax) {
        match &expr.kind {
            ExprKind::Nil | ExprKind::Itself => {}
            ExprKind::Name(text) => {
                self.require(NameKind::Relation, &Name { text: text.clone(), span: expr.span });
            }
            ExprKind::Arrow(arrow) => {
                self.require(NameKind::Relation, &arrow.left);
                self.require(NameKind::Relation, &arrow.right);
            }
            ExprKind::Group(inner) => self.expr(inner),

            ExprKind::Union(operands)
            | ExprKind::Intersection(operands)
            | ExprKind::Exclusion(operands) => {
                for operand in operands {
                    self.expr(operand);
                }
            }
        }
    }

    fn require(&mut self, kind: NameKind, name: &Name) {
        if let Err(error) = require_name(kind, &name.text) {
            self.faults.push(self.fault(&error, name));
        }
    }

    fn fault(&self, error: &InvalidName, name: &Name) -> SchemaFault {
        let message = format!("error in {} `{}`: {error}", self.what, self.of);
        let fault = SchemaFault::parse("invalid-name", name.span, message);
        match name.text.chars().find(|character| !character.is_ascii()) {
            Some(wide) => fault.help(format!(
                "`{wide}` is the character U+{:04X}: names consist of `a-z`, `0-9` and `_`",
                u32::from(wide)
            )),
            None => fault,
        }
    }
}
