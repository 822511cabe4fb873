//! Relations: which subjects they allow.

use super::unknown::unknown_node;
use crate::relationship::{NameKind, require_name};
use crate::schema::diagnostics::fault::{Faults, SchemaFault};
use crate::schema::model::{AllowedForm, AllowedSubject, Rule};
use crate::schema::parse::ast::{self, MemberSyntax};
use crate::schema::schema::Schema;
use std::collections::HashSet;
use std::sync::Arc;

/// Resolves the allowed subjects of every relation.
pub(super) fn resolve(schema: &mut Schema, faults: &mut Faults) {
    let members: Vec<MemberSyntax> = schema.syntax.members.clone();
    for (position, member) in members.into_iter().enumerate() {
        let MemberSyntax::Relation(relation) = member else { continue };
        let allowed =
            RelationResolver { schema, faults, relation: Arc::clone(&relation) }.all(position);
        if let Some(node) = schema.nodes.get_mut(position) {
            node.rule = Rule::Relation(allowed);
        }
    }
}

struct RelationResolver<'s> {
    schema: &'s Schema,
    faults: &'s mut Faults,
    relation: Arc<ast::RelationSyntax>,
}

impl RelationResolver<'_> {
    fn all(&mut self, position: usize) -> Vec<AllowedSubject> {
        let mut seen = HashSet::new();
        let mut all = Vec::new();
        let relation = Arc::clone(&self.relation);
        for written in &relation.allowed {
            let Some(allowed) = self.one(written) else { continue };
            if seen.insert(allowed.clone()) {
                all.push(allowed);
            } else {
                self.duplicate(position, written);
            }
        }
        all
    }

    fn one(&mut self, written: &ast::AllowedSubjectSyntax) -> Option<AllowedSubject> {
        let caveat = match &written.caveat {
            None => Some(None),
            Some(name) => self.schema.find_caveat(&name.text).map(Some),
        };

        if caveat.is_none() {
            self.unknown_caveat(written);
        }
        let Some(definition) = self.schema.find_definition(&written.definition.text) else {
            self.unknown_definition(&written.definition);
            return None;
        };
        let form = match &written.form {
            ast::AllowedFormSyntax::Object => AllowedForm::Object,
            ast::AllowedFormSyntax::Wildcard => AllowedForm::Wildcard,
            ast::AllowedFormSyntax::Userset(name) => {
                let Some(node) = self.schema.find_node(definition.id, &name.text) else {
                    let fault = unknown_node(self.schema, definition.id, &name.text, name.span);
                    let is_comment = self.has_spaces(&written.definition, name);
                    self.faults.extend(fault.map(|fault| {
                        if is_comment { fault.help("comments start with `//`") } else { fault }
                    }));
                    return None;
                };
                AllowedForm::Userset(node.id)
            }
        };

        Some(AllowedSubject {
            definition: definition.id,
            form,
            caveat: caveat?,
            expires: written.expires,
        })
    }

    /// Whether spaces stand around the `#` between a definition and its relation, as around the `#` of a comment.
    fn has_spaces(&self, definition: &ast::Name, relation: &ast::Name) -> bool {
        let file = self.schema.syntax.files.get(relation.span.file);
        let between = file.and_then(|f| f.text.get(definition.span.end..relation.span.start));
        between.is_some_and(|between| between.contains([' ', '\t']))
    }

    fn unknown_definition(&mut self, name: &ast::Name) {
        if require_name(NameKind::Definition, &name.text).is_err() {
            return;
        }
        let message = format!(
            "could not lookup definition `{0}` for relation `{1}`: object definition `{0}` not found",
            name.text, self.relation.name.text
        );
        let candidates = self.schema.definitions.iter().map(|d| d.name.as_str());
        let fault = SchemaFault::typed("unknown-definition", name.span, message)
            .missing(&name.text)
            .about([("definition_name", name.text.as_str())]);
        self.faults.push(fault.suggest(&name.text, candidates));
    }

    fn unknown_caveat(&mut self, written: &ast::AllowedSubjectSyntax) {
        let Some(name) = &written.caveat else { return };
        let message = format!(
            "could not lookup caveat `{0}` for relation `{1}`: caveat with name `{0}` not found",
            name.text, self.relation.name.text
        );
        let mut candidates: Vec<&str> = self.schema.caveat_ids.keys().map(String::as_str).collect();
        candidates.sort_unstable();
        let fault = SchemaFault::typed("unknown-caveat", name.span, message)
            .missing(&name.text)
            .about([("caveat_name", name.text.as_str())]);
        self.faults.push(if name.text == "expiration" {
            fault.help("write `use expiration` at the top for relationships that expire")
        } else {
            fault.suggest(&name.text, candidates)
        });
    }

    fn duplicate(&mut self, position: usize, written: &ast::AllowedSubjectSyntax) {
        let Some(node) = self.schema.nodes.get(position) else { return };
        let definition = &self.schema.definition(node.definition).name;
        let written_form = written.to_string();
        let message = format!(
            "found duplicate allowed subject type `{written_form}` on relation `{}` under definition `{definition}`",
            node.name,
        );
        self.faults.push(SchemaFault::typed("duplicate-subject", written.span, message).about([
            ("definition_name", definition.as_str()),
            ("relation_name", &node.name),
            ("allowed_relation", &written_form),
        ]));
    }
}
