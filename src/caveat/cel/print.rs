//! Expression to text, in one spelling: double quotes, single spaces, parentheses where they help or are needed.

use super::ast::{Element, Entry, Expr, Kind, Literal, Logical, Operator, Precedence};
use std::fmt::Write as _;

/// Lines are broken after an `&&` or `||` that would begin beyond this column.
const WIDTH: usize = 80;

const MACROS: [&str; 5] = ["all", "exists", "exists_one", "filter", "map"];

/// The text of an expression. Parsing it gives the expression back.
pub(crate) fn print(expr: &Expr) -> String {
    let mut printer = Printer { text: String::new(), line_start: 0 };
    printer.expr(expr);
    printer.text
}

struct Printer {
    text: String,
    line_start: usize,
}

impl Printer {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn parenthesized(&mut self, expr: &Expr, needed: bool) {
        if needed {
            self.push("(");
        }
        self.expr(expr);
        if needed {
            self.push(")");
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            Kind::Literal(literal) => self.literal(literal),
            Kind::Name { name, absolute } => {
                self.push(if *absolute { "." } else { "" });
                self.push(name);
            }
            Kind::Field { operand, field, optional } => {
                self.operand(operand);
                self.push(if *optional { ".?" } else { "." });
                self.push(field);
            }
            Kind::Index { operand, index, optional } => {
                self.operand(operand);
                self.push(if *optional { "[?" } else { "[" });
                self.expr(index);
                self.push("]");
            }
            Kind::Call { function, target, arguments } => {
                self.call(function, target.as_deref(), arguments);
            }
            Kind::Not(operand) => self.unary("!", operand),
            Kind::Negate(operand) => self.unary("-", operand),
            Kind::Binary(operator, left, right) => self.binary(*operator, left, right),
            Kind::Logical(logical, terms) => self.logical(*logical, terms),
            Kind::Conditional(parts) => self.conditional(parts),
            Kind::List(elements) => self.list(elements),
            Kind::Map(entries) => self.map(entries),
        }
    }

    /// What a field, an index or a method is taken of.
    fn operand(&mut self, expr: &Expr) {
        // Digits before a point would be read as the beginning of a double.
        let is_number = matches!(expr.kind, Kind::Literal(Literal::Int(_) | Literal::Double(_)));
        self.parenthesized(expr, is_number || precedence(expr) < Precedence::Primary);
    }

    fn call(&mut self, function: &str, target: Option<&Expr>, arguments: &[Expr]) {
        if let Some(target) = target {
            self.operand(target);
            self.push(".");
        }
        self.push(function);
        self.push("(");
        for (at, argument) in arguments.iter().enumerate() {
            self.push(if at > 0 { ", " } else { "" });
            self.expr(argument);
        }
        self.push(")");
    }

    fn unary(&mut self, sign: &str, operand: &Expr) {
        self.push(sign);
        // `-(5)` is a negation, `-5` a number.
        let is_number = matches!(operand.kind, Kind::Literal(_)) && sign == "-";
        self.parenthesized(operand, is_number || precedence(operand) < Precedence::Primary);
    }

    fn binary(&mut self, operator: Operator, left: &Expr, right: &Expr) {
        let own = operator.precedence();
        self.parenthesized(left, precedence(left) < own);
        let _ = write!(self.text, " {} ", operator.symbol());
        self.parenthesized(right, precedence(right) <= own);
    }

    fn logical(&mut self, logical: Logical, terms: &[Expr]) {
        for (at, term) in terms.iter().enumerate() {
            if at > 0 {
                self.separator(logical.symbol());
            }
            self.parenthesized(term, precedence(term) <= logical.precedence());
        }
    }

    fn separator(&mut self, sign: &str) {
        let column = self.text.len() - self.line_start + sign.len() + 2;
        if column >= WIDTH {
            self.line_start = self.text.len();
            let _ = writeln!(self.text, " {sign}");
        } else {
            let _ = write!(self.text, " {sign} ");
        }
    }

    fn conditional(&mut self, parts: &[Expr; 3]) {
        for (part, before) in parts.iter().zip(["", " ? ", " : "]) {
            self.push(before);
            self.parenthesized(part, precedence(part) < Precedence::Unary || takes_two(part));
        }
    }

    fn list(&mut self, elements: &[Element]) {
        self.push("[");
        for (at, element) in elements.iter().enumerate() {
            self.push(if at > 0 { ", " } else { "" });
            self.push(if element.optional { "?" } else { "" });
            self.expr(&element.value);
        }
        self.push("]");
    }

    fn map(&mut self, entries: &[Entry]) {
        self.push("{");
        for (at, entry) in entries.iter().enumerate() {
            self.push(if at > 0 { ", " } else { "" });
            self.push(if entry.optional { "?" } else { "" });
            self.expr(&entry.key);
            self.push(": ");
            self.expr(&entry.value);
        }
        self.push("}");
    }

    fn literal(&mut self, literal: &Literal) {
        // Writing to a string cannot fail.
        let _ = match literal {
            Literal::Null => write!(self.text, "null"),
            Literal::Bool(value) => write!(self.text, "{value}"),
            Literal::Int(value) => write!(self.text, "{value}"),
            Literal::Uint(value) => write!(self.text, "{value}u"),
            Literal::Double(value) => write!(self.text, "{value:?}"),
            Literal::String(value) => write!(self.text, "\"{}\"", escaped(value)),
            Literal::Bytes(value) => write!(self.text, "b\"{}\"", escaped_bytes(value)),
        };
    }
}

fn precedence(expr: &Expr) -> Precedence {
    match &expr.kind {
        Kind::Literal(_)
        | Kind::Name { .. }
        | Kind::Field { .. }
        | Kind::Index { .. }
        | Kind::Call { .. }
        | Kind::List(_)
        | Kind::Map(_) => Precedence::Primary,
        Kind::Not(_) | Kind::Negate(_) => Precedence::Unary,
        Kind::Binary(operator, ..) => operator.precedence(),
        Kind::Logical(logical, _) => logical.precedence(),
        Kind::Conditional(_) => Precedence::Conditional,
    }
}

/// Calls with several arguments stand in parentheses between `?` and `:`, indices too, but macros do not.
fn takes_two(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Index { .. } => true,
        Kind::Call { function, target, arguments } => {
            let is_macro = target.is_some() && MACROS.contains(&function.as_str());
            arguments.len() >= 2 && !is_macro
        }
        Kind::Literal(_)
        | Kind::Name { .. }
        | Kind::Field { .. }
        | Kind::Not(_)
        | Kind::Negate(_)
        | Kind::Binary(..)
        | Kind::Logical(..)
        | Kind::Conditional(_)
        | Kind::List(_)
        | Kind::Map(_) => false,
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match simple_escape(c) {
            Some(escape) => escaped.extend(['\\', escape]),
            None if c.is_control() => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(c));
            }
            None => escaped.push(c),
        }
    }
    escaped
}

fn escaped_bytes(bytes: &[u8]) -> String {
    let mut escaped = String::with_capacity(bytes.len());
    for byte in bytes {
        let c = char::from(*byte);
        match simple_escape(c) {
            Some(escape) => escaped.extend(['\\', escape]),
            None if c == ' ' || c.is_ascii_graphic() => escaped.push(c),
            None => {
                let _ = write!(escaped, "\\{byte:03o}");
            }
        }
    }
    escaped
}

fn simple_escape(c: char) -> Option<char> {
    match c {
        '"' | '\\' => Some(c),
        '\n' => Some('n'),
        '\r' => Some('r'),
        '\t' => Some('t'),
        _ => None,
    }
}
