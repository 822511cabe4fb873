//! Text to expression: a parser by recursive descent, as deep as the text nests and no deeper than is allowed.

use super::ast::{Element, Entry, Expr, Kind, Literal, Logical, Operator, Precedence};
use super::lexer::{Lexeme, SyntaxError, Token, tokens};
use super::literal;
use std::ops::Range;

/// How many levels of expressions a body may have. Everything that walks one recurses as deep as that.
pub(crate) const HEIGHT_MAX: usize = 100;

/// How deep the parser recurses: the canonical spelling may put parentheses around every level.
const NESTING_MAX: usize = 2 * HEIGHT_MAX + 1;

/// Words that are no names.
const KEYWORDS: [&str; 4] = ["true", "false", "null", "in"];

/// Words that are kept for later; they may be fields, but no names.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The expression that a text writes.
pub(crate) fn parse(source: &str) -> Result<Expr, SyntaxError> {
    let mut parser = Parser { lexemes: tokens(source)?, next: 0, nesting: 0 };
    let expr = parser.expression()?;
    if parser.token() == &Token::End {
        return Ok(expr);
    }
    Err(parser.unexpected("the end of the expression"))
}

struct Parser {
    lexemes: Vec<Lexeme>,
    next: usize,
    nesting: usize,
}

type Parsed = Result<Expr, SyntaxError>;

impl Parser {
    fn token(&self) -> &Token {
        self.lexemes.get(self.next).map_or(&Token::End, |lexeme| &lexeme.token)
    }

    /// Where the next token is.
    fn range(&self) -> Range<usize> {
        self.lexemes.get(self.next).map_or(0..0, |lexeme| lexeme.range.clone())
    }

    /// Where the last token ended.
    fn end(&self) -> usize {
        let last = self.next.checked_sub(1).and_then(|last| self.lexemes.get(last));
        last.map_or(0, |lexeme| lexeme.range.end)
    }

    fn advance(&mut self) {
        self.next = (self.next + 1).min(self.lexemes.len());
    }

    fn at(&self, sign: &str) -> bool {
        matches!(self.token(), Token::Sign(found) if *found == sign)
    }

    fn accept(&mut self, sign: &str) -> bool {
        let found = self.at(sign);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), SyntaxError> {
        if self.accept(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn unexpected(&self, wanted: &str) -> SyntaxError {
        let found = match self.token() {
            Token::Word(word) => format!("`{word}`"),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::Int(_) | Token::Uint(_) | Token::Double(_) => "a number".to_owned(),
            Token::String(_) => "a string".to_owned(),
            Token::Bytes(_) => "bytes".to_owned(),
            Token::End => "the end of the expression".to_owned(),
        };
        SyntaxError { message: format!("expected {wanted}, found {found}"), range: self.range() }
    }

    /// An expression that began at `start` and ended with the last token.
    fn node(&self, kind: Kind, start: usize) -> Parsed {
        bounded(Expr::new(kind, start..self.end()))
    }

    fn expression(&mut self) -> Parsed {
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            return Err(too_deep(self.range()));
        }
        let start = self.range().start;
        let mut expr = self.joined(Precedence::Or)?;
        if self.accept("?") {
            expr = self.conditional(expr, start)?;
        }
        self.nesting -= 1;
        Ok(expr)
    }

    fn conditional(&mut self, condition: Expr, start: usize) -> Parsed {
        let then = self.joined(Precedence::Or)?;
        self.expect(":")?;
        let otherwise = self.expression()?;
        self.node(Kind::Conditional(Box::new([condition, then, otherwise])), start)
    }

    /// Operands joined by operators that bind at least as tightly as `loosest`, from left to right.
    fn joined(&mut self, loosest: Precedence) -> Parsed {
        let start = self.range().start;
        let mut left = self.unary()?;
        while let Some(join) = self.join().filter(|join| join.precedence() >= loosest) {
            self.advance();
            let right = self.joined(join.precedence().tighter())?;
            left = join.of(left, right, start..self.end())?;
        }
        Ok(left)
    }

    /// The operator that comes next.
    fn join(&self) -> Option<Join> {
        let symbol = match self.token() {
            Token::Sign(sign) => sign,
            Token::Word(word) => word.as_str(),
            Token::Int(_)
            | Token::Uint(_)
            | Token::Double(_)
            | Token::String(_)
            | Token::Bytes(_)
            | Token::End => return None,
        };
        let logical = [Logical::Or, Logical::And].into_iter().find(|own| own.symbol() == symbol);
        let operator = Operator::ALL.into_iter().find(|own| own.symbol() == symbol);
        logical.map(Join::Logical).or(operator.map(Join::Operator))
    }

    /// Two of the same sign cancel each other out; a minus before digits belongs to the number.
    fn unary(&mut self) -> Parsed {
        let start = self.range().start;
        let sign = if self.at("!") { "!" } else { "-" };
        let mut count = 0_usize;
        while self.accept(sign) {
            count += 1;
        }
        let is_number = matches!(self.token(), Token::Int(_) | Token::Double(_));
        let operand = if sign == "-" && count > 0 && is_number {
            count -= 1;
            let number = self.number(true, start)?;
            self.postfix(number)?
        } else {
            let primary = self.primary()?;
            self.postfix(primary)?
        };
        match (count % 2, sign) {
            (0, _) => Ok(operand),
            (_, "!") => self.node(Kind::Not(Box::new(operand)), start),
            (_, _) => self.node(Kind::Negate(Box::new(operand)), start),
        }
    }

    fn postfix(&mut self, mut operand: Expr) -> Parsed {
        let start = operand.range.start;
        loop {
            let kind = if self.accept(".") {
                self.member(operand)?
            } else if self.accept("[") {
                let optional = self.accept("?");
                let index = Box::new(self.expression()?);
                self.expect("]")?;
                Kind::Index { operand: Box::new(operand), index, optional }
            } else if self.at("{") {
                let message = "`{` cannot follow here; messages such as `a.b.C{}` cannot be made in \
                     a caveat, use a function such as `timestamp(\"…\")`";
                let range = start..self.range().end;
                return Err(SyntaxError { message: message.to_owned(), range });
            } else {
                return Ok(operand);
            };
            operand = self.node(kind, start)?;
        }
    }

    /// What follows a point: a field, or a function with its arguments.
    fn member(&mut self, operand: Expr) -> Result<Kind, SyntaxError> {
        let operand = Box::new(operand);
        let optional = self.accept("?");
        let Token::Word(name) = self.token() else {
            return Err(self.unexpected("the name of a field or function"));
        };
        if KEYWORDS.contains(&name.as_str()) {
            return Err(self.unexpected("the name of a field or function"));
        }
        let name = name.clone();
        self.advance();
        if optional || !self.accept("(") {
            return Ok(Kind::Field { operand, field: name, optional });
        }
        let arguments = self.arguments()?;
        Ok(Kind::Call { function: name, target: Some(operand), arguments })
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, SyntaxError> {
        let mut arguments = Vec::new();
        if self.accept(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if !self.accept(",") {
                self.expect(")")?;
                return Ok(arguments);
            }
        }
    }

    fn primary(&mut self) -> Parsed {
        let start = self.range().start;
        if self.accept("(") {
            return self.grouped(start);
        }
        if self.accept("[") {
            return self.list(start);
        }
        if self.accept("{") {
            return self.map(start);
        }
        let absolute = self.accept(".");
        if matches!(self.token(), Token::Word(_)) || absolute {
            return self.name(absolute, start);
        }
        self.literal(start)
    }

    /// What stands in parentheses; they belong to its place, and are gone otherwise.
    fn grouped(&mut self, start: usize) -> Parsed {
        let mut inner = self.expression()?;
        self.expect(")")?;
        inner.range = start..self.end();
        Ok(inner)
    }

    fn list(&mut self, start: usize) -> Parsed {
        let mut elements = Vec::new();
        while !self.accept("]") {
            let optional = self.accept("?");
            elements.push(Element { optional, value: self.expression()? });
            if !self.at("]") {
                self.expect(",")?;
            }
        }
        self.node(Kind::List(elements), start)
    }

    fn map(&mut self, start: usize) -> Parsed {
        let mut entries = Vec::new();
        while !self.accept("}") {
            let optional = self.accept("?");
            let key = self.expression()?;
            self.expect(":")?;
            entries.push(Entry { optional, key, value: self.expression()? });
            if !self.at("}") {
                self.expect(",")?;
            }
        }
        self.node(Kind::Map(entries), start)
    }

    /// A name, a function with its arguments, or one of the values that are written as words.
    fn name(&mut self, absolute: bool, start: usize) -> Parsed {
        let Token::Word(name) = self.token() else { return Err(self.unexpected("a name")) };
        let name = name.clone();
        let value = match name.as_str() {
            "null" => Some(Literal::Null),
            "true" => Some(Literal::Bool(true)),
            "false" => Some(Literal::Bool(false)),
            _ => None,
        };
        if (value.is_some() && absolute) || name == "in" {
            return Err(self.unexpected("an expression"));
        }
        if RESERVED.contains(&name.as_str()) {
            let message = format!("`{name}` is a reserved word and cannot be a name");
            return Err(SyntaxError { message, range: self.range() });
        }
        self.advance();
        if let Some(value) = value {
            return self.node(Kind::Literal(value), start);
        }
        if self.accept("(") {
            let arguments = self.arguments()?;
            return self.node(Kind::Call { function: name, target: None, arguments }, start);
        }
        self.node(Kind::Name { name, absolute }, start)
    }

    fn literal(&mut self, start: usize) -> Parsed {
        let literal = match self.token() {
            Token::Int(_) | Token::Uint(_) | Token::Double(_) => return self.number(false, start),
            Token::String(text) => Literal::String(text.clone()),
            Token::Bytes(bytes) => Literal::Bytes(bytes.clone()),
            Token::Word(_) | Token::Sign(_) | Token::End => {
                return Err(self.unexpected("an expression"));
            }
        };
        self.advance();
        self.node(Kind::Literal(literal), start)
    }

    fn number(&mut self, negative: bool, start: usize) -> Parsed {
        let range = self.range();
        let literal = match self.token() {
            Token::Int(digits) => literal::int(digits, negative).map(Literal::Int),
            Token::Uint(digits) => literal::uint(digits).map(Literal::Uint),
            Token::Double(double) => {
                Some(Literal::Double(if negative { -double } else { *double }))
            }
            Token::Word(_) | Token::String(_) | Token::Bytes(_) | Token::Sign(_) | Token::End => {
                None
            }
        };
        let Some(literal) = literal else {
            let message = "the number does not fit into 64 bits".to_owned();
            return Err(SyntaxError { message, range });
        };
        self.advance();
        self.node(Kind::Literal(literal), start)
    }
}

/// What joins two operands.
#[derive(Clone, Copy)]
enum Join {
    Logical(Logical),
    Operator(Operator),
}

impl Join {
    fn precedence(self) -> Precedence {
        match self {
            Self::Logical(logical) => logical.precedence(),
            Self::Operator(operator) => operator.precedence(),
        }
    }

    fn of(self, left: Expr, right: Expr, range: Range<usize>) -> Parsed {
        bounded(match self {
            Self::Logical(logical) => Expr::logical(logical, left, right, range),
            Self::Operator(operator) => {
                Expr::new(Kind::Binary(operator, Box::new(left), Box::new(right)), range)
            }
        })
    }
}

/// The expression, unless it is too deep.
fn bounded(expr: Expr) -> Parsed {
    if expr.height <= HEIGHT_MAX { Ok(expr) } else { Err(too_deep(expr.range)) }
}

fn too_deep(range: Range<usize>) -> SyntaxError {
    let message =
        format!("the expression is nested more than {HEIGHT_MAX} levels deep; split the caveat");
    SyntaxError { message, range }
}
