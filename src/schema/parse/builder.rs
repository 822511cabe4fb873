//! Parse tree to syntax tree: items, members, caveats.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of all rules only a few can occur at each position"
)]

use super::ast::{
    AllowedFormSyntax, AllowedSubjectSyntax, CaveatSyntax, DefinitionSyntax, ItemSyntax,
    MemberSyntax, Name, ParameterSyntax, ParameterTypeSyntax, PermissionSyntax, RelationSyntax,
    UseFlags,
};
use super::comments::Comments;
use super::grammar::Rule;
use super::syntax_error::{self, ExpectedSyntax};
use crate::schema::diagnostics::fault::{Faults, SchemaFault};
use crate::schema::diagnostics::position::Span;
use pest::iterators::Pair;
use std::ops::Range;
use std::sync::Arc;

pub(super) struct SyntaxBuilder<'t, 'f> {
    pub(super) file: usize,
    pub(super) text: &'t str,
    pub(super) flags: UseFlags,
    comments: Comments<'t>,
    pub(super) faults: &'f mut Faults,
    /// Broken statements that start before this offset are the rest of one that was reported.
    pub(super) resume: usize,
}

/// Each method reads the parse tree of one rule. `None` means that a fault was reported instead.
impl<'t, 'f> SyntaxBuilder<'t, 'f> {
    pub(super) fn new(
        file: usize,
        text: &'t str,
        comments: Comments<'t>,
        faults: &'f mut Faults,
    ) -> Self {
        Self { file, text, flags: UseFlags::default(), comments, faults, resume: 0 }
    }

    /// Whether the file has `use typechecking`.
    pub(super) fn checks_annotations(&self) -> bool {
        self.flags.typechecking
    }

    pub(super) fn items(&mut self, schema: Pair<'_, Rule>) -> Vec<ItemSyntax> {
        let mut items = Vec::new();
        let mut any_definition = false;

        for pair in schema.into_inner() {
            any_definition |= matches!(pair.as_rule(), Rule::definition | Rule::caveat);
            let text = pair.as_str();
            let item = match pair.as_rule() {
                Rule::use_flag => {
                    self.use_flag(&pair, any_definition);
                    continue;
                }
                Rule::import => self.import(pair),
                Rule::definition => self.definition(pair).map(ItemSyntax::Definition),
                Rule::partial => self.partial(pair),
                Rule::caveat => self.caveat(pair).map(ItemSyntax::Caveat),
                Rule::broken_item => {
                    self.broken(&pair);
                    None
                }
                _ => continue,
            };
            self.note_unread(text, item.as_ref());
            items.extend(item);
        }

        items
    }

    fn use_flag(&mut self, pair: &Pair<'_, Rule>, is_late: bool) {
        let Some(name) = pair.clone().into_inner().find(|part| part.as_rule() == Rule::name) else {
            return;
        };
        let flag = match name.as_str() {
            "expiration" => &mut self.flags.expiration,
            "import" => &mut self.flags.import,
            "partial" => &mut self.flags.partial,
            "self" => &mut self.flags.itself,
            "typechecking" => &mut self.flags.typechecking,
            other => {
                let fault = syntax_error::unknown_flag(other, self.span(&name));
                self.faults.push(fault);
                self.faults.unread.statement(&syntax_error::FLAGS.join(" "));
                return;
            }
        };
        *flag = true;

        if is_late {
            let message = "`use` expressions must be declared before any definition";
            self.faults.push(SchemaFault::parse("late-use", self.span(pair), message));
        }
    }

    fn import(&mut self, pair: Pair<'_, Rule>) -> Option<ItemSyntax> {
        if !self.flags.import {
            return self.without_flag(&pair, "import");
        }
        let path = pair.into_inner().find(|part| part.as_rule() == Rule::quoted)?;
        let inside = path.as_str().trim_matches(path.as_str().chars().next()?);
        Some(ItemSyntax::Import(Name { text: inside.to_owned(), span: self.span(&path) }))
    }

    fn partial(&mut self, pair: Pair<'_, Rule>) -> Option<ItemSyntax> {
        if !self.flags.partial {
            return self.without_flag(&pair, "partial");
        }
        self.definition(pair).map(ItemSyntax::Partial)
    }

    /// An item whose first word means nothing without its flag.
    fn without_flag(&mut self, pair: &Pair<'_, Rule>, flag: &str) -> Option<ItemSyntax> {
        let start = pair.as_span().start();
        let span = Span { file: self.file, start, end: start + flag.len() };
        let fault = syntax_error::unexpected_at_root(self.text, span)
            .help(format!("write `use {flag}` at the top to use this statement"));
        self.faults.push(fault);
        None
    }

    fn definition(&mut self, pair: Pair<'_, Rule>) -> Option<DefinitionSyntax> {
        let comment = self.comments.above(pair.as_span().start());
        let mut name = None;
        let mut members = Vec::new();

        for part in pair.into_inner() {
            let text = part.as_str();
            let member = match part.as_rule() {
                Rule::path => {
                    name = self.name(&part);
                    continue;
                }
                Rule::relation => self.relation(part).map(Arc::new).map(MemberSyntax::Relation),
                Rule::permission => {
                    self.permission(part).map(Arc::new).map(MemberSyntax::Permission)
                }
                Rule::partial_reference => {
                    self.first_name(part).map(MemberSyntax::PartialReference)
                }
                Rule::broken_member => {
                    self.broken(&part);
                    None
                }
                _ => continue,
            };
            self.note_unread(text, member.as_ref());
            members.extend(member);
        }

        Some(DefinitionSyntax { name: name?, comment, members })
    }

    /// Records a statement that could not be read.
    fn note_unread<T>(&mut self, text: &str, statement: Option<&T>) {
        if statement.is_none() {
            self.faults.unread.statement(text);
        }
    }

    fn relation(&mut self, pair: Pair<'_, Rule>) -> Option<RelationSyntax> {
        let comment = self.comments.above(pair.as_span().start());
        let mut name = None;
        let mut allowed = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = self.name(&part),
                Rule::allowed_subject => allowed.extend(self.allowed_subject(part)),
                _ => {}
            }
        }
        Some(RelationSyntax { name: name?, comment, allowed })
    }

    fn allowed_subject(&mut self, pair: Pair<'_, Rule>) -> Option<AllowedSubjectSyntax> {
        let span = self.span(&pair);
        let mut definition = None;
        let mut form = AllowedFormSyntax::Object;
        let (mut caveat, mut expires) = (None, false);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::path => definition = self.name(&part),
                Rule::wildcard => form = AllowedFormSyntax::Wildcard,
                Rule::subject_relation => form = AllowedFormSyntax::Userset(self.first_name(part)?),
                Rule::carries => (caveat, expires) = self.carries(part)?,
                _ => {}
            }
        }
        Some(AllowedSubjectSyntax { definition: definition?, form, caveat, expires, span })
    }

    /// The traits after `with`: a caveat, and whether there is an expiration.
    fn carries(&mut self, pair: Pair<'_, Rule>) -> Option<(Option<Name>, bool)> {
        let is_word = |part: &Pair<'_, Rule>| part.as_rule() == Rule::and_word;
        let parts: Vec<_> = pair.into_inner().skip(1).collect();
        let paths: Vec<_> = parts.iter().filter(|part| !is_word(part)).collect();
        let is_expiration = |path: &Pair<'_, Rule>| path.as_str() == "expiration";

        let fault = match (self.flags.expiration, paths.as_slice()) {
            (true, [only]) if is_expiration(only) => return Some((None, true)),
            (_, [only]) => return Some((Some(self.name(only)?), false)),
            (true, [caveat, last]) if is_expiration(last) && !is_expiration(caveat) => {
                return Some((Some(self.name(caveat)?), true));
            }
            (true, [first, last]) if is_expiration(first) => {
                syntax_error::caveat_after_expiration(self.span(first).to(self.span(last)))
            }
            (true, [_, last]) => {
                syntax_error::expected(ExpectedSyntax::Expiration, self.text, self.span(last))
            }
            _ => {
                let and = parts.iter().find(|part| is_word(part))?;
                syntax_error::expected(ExpectedSyntax::End, self.text, self.span(and)).help(
                    "write `use expiration` at the top to combine a caveat with an expiration",
                )
            }
        };
        self.faults.push(fault);
        None
    }

    fn permission(&mut self, pair: Pair<'_, Rule>) -> Option<PermissionSyntax> {
        let comment = self.comments.above(pair.as_span().start());
        let (mut name, mut annotation, mut expr) = (None, None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = self.name(&part),
                Rule::annotation => {
                    annotation = Some(part.into_inner().filter_map(|p| self.name(&p)).collect());
                }
                Rule::exclusion => expr = self.exclusion(part),
                _ => {}
            }
        }
        Some(PermissionSyntax { name: name?, comment, annotation, expr: expr? })
    }

    fn caveat(&mut self, pair: Pair<'_, Rule>) -> Option<CaveatSyntax> {
        let comment = self.comments.above(pair.as_span().start());
        let (mut name, mut body) = (None, None);
        let mut parameters = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::path => name = self.name(&part),
                Rule::parameter => parameters.push(self.parameter(part)?),
                Rule::caveat_body => body = Some(self.caveat_body(&part)),
                _ => {}
            }
        }
        Some(CaveatSyntax { name: name?, comment, parameters, body: body? })
    }

    /// The text of a body without the comments at its ends, which CEL need not understand.
    fn caveat_body(&self, pair: &Pair<'_, Rule>) -> Name {
        let span = pair.as_span();
        let Range { start, end } = self.comments.between(span.start()..span.end());
        let text = self.text.get(start..end).unwrap_or_default().to_owned();
        Name { text, span: Span { file: self.file, start, end } }
    }

    fn parameter(&mut self, pair: Pair<'_, Rule>) -> Option<ParameterSyntax> {
        let mut parts = pair.into_inner();
        let name = self.name(&parts.next()?)?;
        Some(ParameterSyntax { name, parameter_type: self.parameter_type(parts.next()?)? })
    }

    fn parameter_type(&mut self, pair: Pair<'_, Rule>) -> Option<ParameterTypeSyntax> {
        let span = self.span(&pair);
        let mut name = None;
        let mut arguments = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.name(&part)?),
                Rule::parameter_type => arguments.push(self.parameter_type(part)?),
                _ => {}
            }
        }
        Some(ParameterTypeSyntax { name: name?, arguments, span })
    }

    fn first_name(&mut self, pair: Pair<'_, Rule>) -> Option<Name> {
        let name = pair.into_inner().find(|part| part.as_rule() == Rule::name)?;
        self.name(&name)
    }

    /// A word or path that names something, unless a flag took one of its words out of use.
    pub(super) fn name(&mut self, pair: &Pair<'_, Rule>) -> Option<Name> {
        let words = match pair.as_rule() {
            Rule::path => pair.clone().into_inner().collect(),
            _ => vec![pair.clone()],
        };
        for word in &words {
            if let Some(flag) = self.flags.reserving(word.as_str()) {
                let fault =
                    syntax_error::expected(ExpectedSyntax::Identifier, self.text, self.span(word));
                let help = format!("`use {flag}` makes `{}` a reserved word", word.as_str());
                self.faults.push(fault.help(help));
                return None;
            }
        }
        let words: Vec<&str> = words.iter().map(Pair::as_str).collect();
        Some(Name { text: words.join("/"), span: self.span(pair) })
    }

    pub(super) fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        let end = span.start() + pair.as_str().trim_end().len();
        Span { file: self.file, start: span.start(), end }
    }
}
