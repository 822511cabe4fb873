//! Prints an expression in its canonical form: double quotes, single spaces, parentheses where they help or are needed.

use cel::common::ast::{
    CallExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, ListExpr, LiteralValue, operators,
};
use std::fmt::Write as _;

/// Lines are broken after an `&&` or `||` that would start beyond this column.
const WIDTH: usize = 80;

const MACROS: [&str; 5] = ["all", "exists", "exists_one", "filter", "map"];

/// The binary operators: name, symbol and precedence.
const BINARY: [(&str, &str, usize); 14] = [
    (operators::LOGICAL_OR, "||", 1),
    (operators::LOGICAL_AND, "&&", 2),
    (operators::EQUALS, "==", 3),
    (operators::NOT_EQUALS, "!=", 3),
    (operators::LESS, "<", 3),
    (operators::LESS_EQUALS, "<=", 3),
    (operators::GREATER, ">", 3),
    (operators::GREATER_EQUALS, ">=", 3),
    (operators::IN, "in", 3),
    (operators::ADD, "+", 4),
    (operators::SUBSTRACT, "-", 4),
    (operators::MULTIPLY, "*", 5),
    (operators::DIVIDE, "/", 5),
    (operators::MODULO, "%", 5),
];

/// The precedence of other expressions.
const CONDITIONAL: usize = 0;
const UNARY: usize = 6;
const PRIMARY: usize = 7;

/// The text of an expression. Parsing it returns an equal expression.
pub(super) fn print(expr: &IdedExpr) -> String {
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

    fn parenthesized(&mut self, expr: &IdedExpr, needed: bool) {
        self.push(if needed { "(" } else { "" });
        self.expr(expr);
        self.push(if needed { ")" } else { "" });
    }

    /// Prints parts separated by commas.
    fn listed<T>(&mut self, parts: impl IntoIterator<Item = T>, print: impl Fn(&mut Self, T)) {
        for (at, part) in parts.into_iter().enumerate() {
            self.push(if at > 0 { ", " } else { "" });
            print(self, part);
        }
    }

    fn expr(&mut self, expr: &IdedExpr) {
        match &expr.expr {
            Expr::Literal(literal) => self.literal(literal),
            Expr::Ident(name) => self.push(name),
            Expr::Select(select) => {
                self.operand(&select.operand);
                self.push(".");
                self.push(&select.field);
            }
            Expr::Call(call) => self.call(call),

            Expr::List(list) => self.list(list),
            Expr::Map(map) => {
                self.push("{");
                self.listed(&map.entries, Self::entry);
                self.push("}");
            }
            // The type checker rejects these.
            Expr::Comprehension(_) | Expr::Struct(_) | Expr::Unspecified => {}
        }
    }

    /// Prints the operand of a field, an index or a method.
    fn operand(&mut self, expr: &IdedExpr) {
        // Digits before a dot would be read as the start of a double.
        let is_number =
            matches!(expr.expr, Expr::Literal(LiteralValue::Int(_) | LiteralValue::Double(_)));
        self.parenthesized(expr, is_number || precedence(expr) < PRIMARY);
    }

    fn call(&mut self, call: &CallExpr) {
        let name = call.func_name.as_str();

        match (call.target.as_deref(), call.args.as_slice()) {
            (None, [operand]) if matches!(name, operators::LOGICAL_NOT | operators::NEGATE) => {
                self.unary(name.trim_end_matches('_'), operand);
            }
            (None, [operand, index]) if matches!(name, operators::INDEX | operators::OPT_INDEX) => {
                self.operand(operand);
                self.push(if name == operators::OPT_INDEX { "[?" } else { "[" });
                self.expr(index);
                self.push("]");
            }
            (None, [operand, field]) if name == operators::OPT_SELECT => {
                self.operand(operand);
                self.push(".?");
                if let Expr::Literal(LiteralValue::String(field)) = &field.expr {
                    self.push(field.inner());
                }
            }
            (None, [left, right]) if binary(call).is_some() => self.binary(call, left, right),
            (None, parts) if name == operators::CONDITIONAL => self.conditional(parts),
            (target, arguments) => {
                if let Some(target) = target {
                    self.operand(target);
                    self.push(".");
                }
                self.push(name);
                self.push("(");
                self.listed(arguments, Self::expr);
                self.push(")");
            }
        }
    }

    fn unary(&mut self, sign: &str, operand: &IdedExpr) {
        self.push(sign);
        // `-(5)` is a negation, `-5` a number.
        let is_number = matches!(operand.expr, Expr::Literal(_)) && sign == "-";
        self.parenthesized(operand, is_number || precedence(operand) < PRIMARY);
    }

    fn binary(&mut self, call: &CallExpr, left: &IdedExpr, right: &IdedExpr) {
        let Some((name, symbol, own)) = binary(call) else { return };
        if !matches!(name, operators::LOGICAL_OR | operators::LOGICAL_AND) {
            self.parenthesized(left, precedence(left) < own);
            let _ = write!(self.text, " {symbol} ");
            return self.parenthesized(right, precedence(right) <= own);
        }
        // Logical operators are associative, so grouping is not printed.
        for (at, side) in [left, right].into_iter().enumerate() {
            if at > 0 {
                self.separator(symbol);
            }
            let same = matches!(&side.expr, Expr::Call(call) if call.func_name == name);
            self.parenthesized(side, precedence(side) <= own && !same);
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

    fn conditional(&mut self, parts: &[IdedExpr]) {
        for (part, before) in parts.iter().zip(["", " ? ", " : "]) {
            self.push(before);
            self.parenthesized(part, precedence(part) < UNARY || takes_two(part));
        }
    }

    fn list(&mut self, list: &ListExpr) {
        self.push("[");
        self.listed(list.elements.iter().enumerate(), |printer, (at, element)| {
            let optional = list.optional_indices.binary_search(&at).is_ok();
            printer.push(if optional { "?" } else { "" });
            printer.expr(element);
        });
        self.push("]");
    }

    fn entry(&mut self, entry: &IdedEntryExpr) {
        let EntryExpr::MapEntry(entry) = &entry.expr else { return };
        self.push(if entry.optional { "?" } else { "" });
        self.expr(&entry.key);
        self.push(": ");
        self.expr(&entry.value);
    }

    fn literal(&mut self, literal: &LiteralValue) {
        // Writing to a string cannot fail.
        let _ = match literal {
            LiteralValue::Null => write!(self.text, "null"),
            LiteralValue::Boolean(value) => write!(self.text, "{}", value.inner()),
            LiteralValue::Int(value) => write!(self.text, "{}", value.inner()),
            LiteralValue::UInt(value) => write!(self.text, "{}u", value.inner()),
            LiteralValue::Double(value) => write!(self.text, "{:?}", value.inner()),
            LiteralValue::String(value) => write!(self.text, "\"{}\"", escaped(value.inner())),
            LiteralValue::Bytes(value) => {
                write!(self.text, "b\"{}\"", escaped_bytes(value.inner()))
            }
        };
    }
}

/// The binary operator of a call.
fn binary(call: &CallExpr) -> Option<(&'static str, &'static str, usize)> {
    BINARY.into_iter().find(|(name, ..)| *name == call.func_name && call.target.is_none())
}

fn precedence(expr: &IdedExpr) -> usize {
    let Expr::Call(call) = &expr.expr else { return PRIMARY };
    match (call.func_name.as_str(), binary(call)) {
        (_, Some((_, _, own))) => own,
        (operators::CONDITIONAL, None) => CONDITIONAL,
        (operators::LOGICAL_NOT | operators::NEGATE, None) => UNARY,
        (_, None) => PRIMARY,
    }
}

/// Whether an operand of `?:` is printed in parentheses: calls with several arguments and indexes are, macros are not.
fn takes_two(expr: &IdedExpr) -> bool {
    let Expr::Call(call) = &expr.expr else { return false };
    let is_macro = call.target.is_some() && MACROS.contains(&call.func_name.as_str());
    match call.func_name.as_str() {
        operators::INDEX | operators::OPT_INDEX => true,
        operators::OPT_SELECT => false,
        _ => call.args.len() >= 2 && !is_macro,
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
