//! Whether every name that is written could be one at all, in partials that nothing includes too.

use super::super::ast::{
    AllowedForm, Definition, Expr, ExprKind, File, Item, Member, Name, Permission, Relation,
};
use super::super::fault::{Fault, Faults};
use crate::relationship::{InvalidName, NameKind, require_name};

/// Checks the names of every definition and partial, and those that they mention.
pub(super) fn check(trees: &[File], faults: &mut Faults) {
    for item in trees.iter().flat_map(|tree| &tree.items) {
        match item {
            Item::Definition(definition) => {
                definition_names(definition, "object definition", faults);
            }
            Item::Partial(partial) => definition_names(partial, "partial", faults),
            // A caveat may have any name that can be written.
            Item::Caveat(_) | Item::Import(_) => {}
        }
    }
}

fn definition_names(definition: &Definition, what: &str, faults: &mut Faults) {
    let name = &definition.name;
    Names { what, of: &name.text, faults }.require(NameKind::Definition, name);
    for member in &definition.members {
        match member {
            Member::Relation(relation) => relation_names(relation, faults),
            Member::Permission(permission) => permission_names(permission, faults),
            Member::PartialReference(_) => {}
        }
    }
}

fn relation_names(relation: &Relation, faults: &mut Faults) {
    let mut names = Names { what: "relation", of: &relation.name.text, faults };
    names.require(NameKind::Relation, &relation.name);
    for allowed in &relation.allowed {
        names.require(NameKind::Definition, &allowed.definition);
        match &allowed.form {
            AllowedForm::Userset(relation) => names.require(NameKind::Relation, relation),
            AllowedForm::Object | AllowedForm::Wildcard => {}
        }
    }
}

fn permission_names(permission: &Permission, faults: &mut Faults) {
    let mut names = Names { what: "permission", of: &permission.name.text, faults };
    names.require(NameKind::Relation, &permission.name);
    names.expr(&permission.expr);
}

/// The names of one statement.
struct Names<'n> {
    /// What kind of statement it is.
    what: &'n str,
    /// What it defines.
    of: &'n str,
    faults: &'n mut Faults,
}

impl Names<'_> {
    fn expr(&mut self, expr: &Expr) {
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

    fn fault(&self, error: &InvalidName, name: &Name) -> Fault {
        let message = format!("error in {} `{}`: {error}", self.what, self.of);
        let fault = Fault::parse("invalid-name", name.span, message);
        match name.text.chars().find(|character| !character.is_ascii()) {
            Some(wide) => fault.help(format!(
                "`{wide}` is the character U+{:04X}: names consist of `a-z`, `0-9` and `_`",
                u32::from(wide)
            )),
            None => fault,
        }
    }
}
