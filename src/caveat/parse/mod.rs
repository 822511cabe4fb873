//! Parses an expression with the `cel` crate. Macros stay calls, as written, because missing values propagate through them
//! in their own way, and because they are printed again.

pub(super) mod lexer;

use crate::caveat::parse::lexer::{LexerToken, SyntaxFault, scan};
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use cel::{Env, ParseError};
use std::ops::Range;

/// The parser's own limit, which is never reached: it counts brackets and conditionals, and the lexer limits both.
const RECURSION_MAX: u16 = 1_000;

/// An expression with its source text.
#[derive(Debug)]
pub(in crate::caveat) struct Parsed<'s> {
    pub(in crate::caveat) expr: IdedExpr,
    source: &'s str,
    tokens: Vec<LexerToken>,
    info: SourceInfo,
}

/// Parses a text.
///
/// # Errors
///
/// The first syntax error.
pub(in crate::caveat) fn parse(source: &str) -> Result<Parsed<'_>, SyntaxFault> {
    let tokens = scan(source)?;
    let parser = Env::default().parser().max_recursion_depth(RECURSION_MAX).error_recovery_limit(1);
    match parser.parse_with_source_info(source) {
        Ok((expr, info)) => Ok(Parsed { expr, source, tokens, info }),
        Err(errors) => Err(errors.errors.first().map_or_else(
            || SyntaxFault {
                message: "the text is no expression".to_owned(),
                range: 0..source.len(),
            },
            |error| fault(error, source, &tokens),
        )),
    }
}

impl Parsed<'_> {
    /// The byte range of an expression.
    pub(in crate::caveat) fn range(&self, expr: &IdedExpr) -> Range<usize> {
        let Some((first, last)) = self.ends(expr) else { return 0..self.source.len() };
        // A field or index of an expression in parentheses starts inside them and ends outside.
        let partners =
            self.tokens.get(first..=last).into_iter().flatten().map(|token| token.partner);
        let (first, last) = partners
            .fold((first, last), |(first, last), partner| (first.min(partner), last.max(partner)));
        let range = |at: usize| self.tokens.get(at).map_or(0..0, |token| token.range.clone());
        range(first).start..range(last).end
    }

    /// The first and the last token of an expression, before brackets are completed.
    fn ends(&self, expr: &IdedExpr) -> Option<(usize, usize)> {
        let start = usize::try_from(self.info.offset_for(expr.id)?.0).ok()?;
        let own = self.tokens.binary_search_by_key(&start, |token| token.range.start);
        let mut first = own.ok()?;
        let mut last = first;
        match &expr.expr {
            // The sign of a negative number stands before its digits.
            Expr::Literal(literal) if is_negative(literal) => first = first.saturating_sub(1),
            Expr::Ident(name) if name.starts_with('.') => first = first.saturating_sub(1),
            // The dot, an optional question mark, and the field.
            Expr::Select(_) => last += 1,
            Expr::Call(call) if call.func_name == operators::OPT_SELECT => last += 2,
            Expr::Call(call) if call.target.is_none() && self.text(first) == "(" => {
                first = first.saturating_sub(1);
            }
            Expr::Struct(message) => {
                first = first.saturating_sub(message.type_name.split('.').count() * 2 - 1);
            }
            Expr::Call(_)
            | Expr::Comprehension(_)
            | Expr::Ident(_)
            | Expr::List(_)
            | Expr::Literal(_)
            | Expr::Map(_)
            | Expr::Unspecified => {}
        }

        for (child_first, child_last) in
            children(expr).into_iter().filter_map(|part| self.ends(part))
        {
            first = first.min(child_first);
            last = last.max(child_last);
        }
        Some((first, last))
    }

    fn text(&self, at: usize) -> &str {
        let range = self.tokens.get(at).map(|token| token.range.clone());
        range.and_then(|range| self.source.get(range)).unwrap_or_default()
    }
}

fn is_negative(literal: &LiteralValue) -> bool {
    match literal {
        LiteralValue::Int(int) => int.is_negative(),
        LiteralValue::Double(double) => double.is_sign_negative(),
        LiteralValue::Boolean(_)
        | LiteralValue::Bytes(_)
        | LiteralValue::Null
        | LiteralValue::String(_)
        | LiteralValue::UInt(_) => false,
    }
}

/// The operands of an expression, in source order.
fn children(expr: &IdedExpr) -> Vec<&IdedExpr> {
    match &expr.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| key_and_value(&entry.expr)).collect(),
        Expr::Comprehension(_)
        | Expr::Ident(_)
        | Expr::Literal(_)
        | Expr::Struct(_)
        | Expr::Unspecified => Vec::new(),
    }
}

fn key_and_value(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        EntryExpr::StructField(field) => vec![&field.value],
    }
}

/// Translates the parser's error into a message for users.
fn fault(error: &ParseError, source: &str, tokens: &[LexerToken]) -> SyntaxFault {
    let at = offset(source, error.pos);
    let token = tokens.iter().find(|token| token.range.start >= at);
    let range = token.map_or(source.len()..source.len(), |token| token.range.clone());
    let text = source.get(range.clone()).unwrap_or_default();
    let found =
        if text.is_empty() { "the end of the expression".to_owned() } else { format!("`{text}`") };
    let message = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg);

    if let Some(unread) = message.strip_prefix("token recognition error at: '") {
        let unread = unread.strip_suffix('\'').unwrap_or(unread);
        let escape = unread.rfind('\\').and_then(|at| unread.get(at..)).unwrap_or_default();
        let end = (at + unread.len()).min(source.len());
        let message =
            format!("`{escape}` begins no escape that is known here; write `\\\\` for a backslash");
        return SyntaxFault { message, range: end - escape.len().min(end)..end };
    }

    let message = match (message, message.split_once("expecting ")) {
        ("invalid int literal" | "invalid uint literal", _) => {
            "the number does not fit into 64 bits".to_owned()
        }
        (literal, _)
            if literal.starts_with("invalid string") || literal.starts_with("invalid bytes") =>
        {
            format!("{found} has an escape that means nothing here")
        }
        ("invalid double literal", _) => format!("{found} is too large for a double"),
        (_, Some((_, wanted))) => format!("expected {}, found {found}", expected(wanted)),
        (reserved, _) if reserved.starts_with("reserved identifier") => {
            format!("{found} is a reserved word and cannot be a name")
        }
        (other, _) if other.starts_with("no viable alternative") => {
            format!("expected an expression, found {found}")
        }
        (other, _) => other.to_owned(),
    };
    SyntaxFault { message, range }
}

/// Describes the parser's list of expected tokens.
fn expected(wanted: &str) -> String {
    let items: Vec<&str> = wanted.trim_matches(['{', '}']).split(", ").collect();
    if items.contains(&"IDENTIFIER") {
        return "an expression".to_owned();
    }
    if items.contains(&"<EOF>") {
        return "the end of the expression".to_owned();
    }
    let delimiters = ["')'", "']'", "'}'", "':'", "','"];
    let listed = delimiters.into_iter().filter(|delimiter| items.contains(delimiter));
    let listed: Vec<String> = listed.map(|delimiter| delimiter.replace('\'', "`")).collect();
    if listed.is_empty() { "something else".to_owned() } else { listed.join(" or ") }
}

/// The byte offset of a line and a column, both counted from 1 and in characters.
fn offset(source: &str, (line, column): (isize, isize)) -> usize {
    let index = |number: isize| usize::try_from(number - 1).unwrap_or_default();
    let before: usize = source.split_inclusive('\n').take(index(line)).map(str::len).sum();
    let rest = source.get(before..).unwrap_or_default();
    before + rest.char_indices().nth(index(column)).map_or(rest.len(), |(at, _)| at)
}
