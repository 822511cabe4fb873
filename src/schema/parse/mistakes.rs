//! Syntax errors: finds where a broken statement goes wrong, and which token was expected.

use super::builder::SyntaxBuilder;
use super::grammar::{Grammar, Rule};
use super::hints::{self, Mistake};
use crate::schema::diagnostics::odd_character::OddCharacter;
use crate::schema::diagnostics::position::Span;
use crate::schema::parse::syntax_error::{self, ExpectedSyntax};
use pest::Parser as _;
use pest::error::{ErrorVariant, InputLocation};
use pest::iterators::Pair;

impl SyntaxBuilder<'_, '_> {
    /// Reports a broken statement, unless it is the rest of one that was reported.
    pub(super) fn broken(&mut self, pair: &Pair<'_, Rule>) {
        let start = pair.as_span().start();
        if start < self.resume || self.faults.is_full() {
            return;
        }
        let (at, expected) = self.mistake(start, pair.as_rule() == Rule::broken_item);
        let rest = self.text.get(at..).unwrap_or_default();

        if let Some((offset, odd)) = odd_character(rest) {
            let (start, end) = (at + offset, at + offset + odd.character.len_utf8());
            let span = Span { file: self.file, start, end };
            self.faults.push(syntax_error::odd_character(odd, span));
            self.resume = end;
            return;
        }

        let before = self.text.get(start..at).unwrap_or_default();
        let hint = hints::hint(Mistake { before, rest, expected });
        let span = Span { file: self.file, start: at, end: at };
        // What starts a statement is read as one, whatever is missing before it.
        let starts_statement = at > start && syntax_error::starts_statement(rest);
        let fault = match expected {
            None => syntax_error::unexpected_at_root(self.text, span),
            Some(expected) if starts_statement => {
                let end = syntax_error::end_of_line_before(self.text, at);
                syntax_error::expected(expected, self.text, Span { start: end, end, ..span })
            }
            Some(expected) => syntax_error::expected(expected, self.text, span),
        };
        self.faults.push(match hint {
            Some(hint) => fault.help(hint),
            None => fault,
        });
        self.resume = if starts_statement { at } else { at + 1 };
    }

    /// Where the statement at `start` goes wrong, and what should have stood there; `None` when it does not even
    /// start like an item.
    fn mistake(&self, start: usize, is_item: bool) -> (usize, Option<ExpectedSyntax>) {
        let text = self.text.get(start..).unwrap_or_default();
        let rule = match (is_item, syntax_error::first_word(text)) {
            (true, "definition") => Rule::definition_item,
            (true, "caveat") => Rule::caveat_item,
            (true, "use") => Rule::use_item,
            (true, "import") if self.flags.import => Rule::import_item,
            (true, "partial") if self.flags.partial => Rule::partial_item,
            (true, _) => return (start, None),
            (false, "relation") => Rule::relation_member,
            (false, "permission") => Rule::permission_member,
            (false, _) if text.starts_with("...") => Rule::reference_member,
            (false, _) => return (start, Some(ExpectedSyntax::End)),
        };

        let Err(error) = Grammar::parse(rule, text) else {
            return (start, Some(ExpectedSyntax::End));
        };
        let offset = match error.location {
            InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
        };
        let positives = match error.variant {
            ErrorVariant::ParsingError { positives, .. } => positives,
            ErrorVariant::CustomError { .. } => Vec::new(),
        };
        (start + offset, Some(expected(&positives)))
    }
}

/// A misleading character at the start of a text, or after its first word.
fn odd_character(text: &str) -> Option<(usize, OddCharacter)> {
    let word = syntax_error::first_word(text).len();
    let spaces = text.len() - text.trim_start_matches([' ', '\t']).len();
    [0, word, spaces].into_iter().find_map(|at| {
        let character = text.get(at..)?.chars().next()?;
        Some((at, OddCharacter::from_char(character)?))
    })
}

/// What stands for a set of rules of which one should have matched.
fn expected(positives: &[Rule]) -> ExpectedSyntax {
    let order = [
        (
            ExpectedSyntax::Operand,
            [Rule::exclusion, Rule::intersection, Rule::union, Rule::operand].as_slice(),
        ),
        (
            ExpectedSyntax::Identifier,
            &[Rule::name, Rule::segment, Rule::path, Rule::allowed_subject],
        ),
        (ExpectedSyntax::Identifier, &[Rule::parameter, Rule::parameter_type]),
        (ExpectedSyntax::BodyEnd, &[Rule::body_end]),
        (ExpectedSyntax::Path, &[Rule::quoted]),
        (ExpectedSyntax::End, &[Rule::end]),
        (ExpectedSyntax::Token(":"), &[Rule::colon]),
        (ExpectedSyntax::Token("="), &[Rule::equals]),
        (ExpectedSyntax::Token("("), &[Rule::opening]),
        (ExpectedSyntax::Token(")"), &[Rule::closing]),
        (ExpectedSyntax::Token(">"), &[Rule::type_end]),
        (ExpectedSyntax::Token("{"), &[Rule::body_start]),
    ];

    order
        .into_iter()
        .find(|(_, rules)| rules.iter().any(|rule| positives.contains(rule)))
        .map_or(ExpectedSyntax::End, |(expected, _)| expected)
}
