//! The lexer: the tokens of a text, the pairs of brackets, and the nesting depth.
//!
//! The parser's own limit counts brackets only, so a chain of a hundred thousand operators would overflow its stack. It
//! also records where an expression starts, but not where it ends, which the positions of errors need.

use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

/// Maximum nesting of expressions. Every traversal of an expression recurses to this depth.
const HEIGHT_MAX: usize = 100;

/// Maximum nesting of brackets. The canonical text needs at most one per level of the expression; each costs the parser
/// about 8 kB of stack.
const NESTING_MAX: usize = HEIGHT_MAX + 10;

/// An error in a text.
#[derive(Debug)]
pub(in crate::caveat) struct SyntaxFault {
    pub(in crate::caveat) message: String,
    /// Bytes of the text.
    pub(in crate::caveat) range: Range<usize>,
}

/// A token: a word, a literal or an operator.
#[derive(Debug)]
pub(in crate::caveat) struct LexerToken {
    /// Bytes of the text.
    pub(in crate::caveat) range: Range<usize>,
    /// The index of the matching bracket; for other tokens, their own index.
    pub(in crate::caveat) partner: usize,
}

/// CEL's tokens, white space and comments. Text that the pattern does not match is an error.
#[expect(clippy::expect_used, reason = "the pattern is constant, and every test reads it")]
static TOKENS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
        [\x20\t\n\r\f]+ | //[^\n]*
        | [bB]?[rR] (?s: """.*?""" | '''.*?''' )
        | [bB]?[rR] (?: "[^"\n\r]*" | '[^'\n\r]*' )
        | [bB]? (?s: """(?:\\.|[^\\])*?""" | '''(?:\\.|[^\\])*?''' )
        | [bB]? (?: "(?:\\.|[^\\"\n\r])*" | '(?:\\.|[^\\'\n\r])*' )
        | 0x[0-9a-fA-F]+[uU]? | (?:[0-9]+(?:\.[0-9]+)? | \.[0-9]+) (?:[eE][+-]?[0-9]+)? [uU]?
        | [A-Za-z_][A-Za-z0-9_]*
        | [=!<>]= | && | \|\| | [<>!+\-*/%?:.,()\[\]{}]"#,
    )
    .expect("a regular expression")
});

/// The tokens of a text.
///
/// # Errors
///
/// A character that starts no token, an unclosed bracket or quote, or too deep nesting.
pub(in crate::caveat) fn scan(source: &str) -> Result<Vec<LexerToken>, SyntaxFault> {
    let mut scanner = Scanner { levels: vec![Level::default()], ..Scanner::default() };
    let mut end = 0;
    for found in TOKENS.find_iter(source) {
        if found.start() > end {
            return Err(unexpected_text(source, end));
        }
        end = found.end();
        if !found.as_str().starts_with("//") && !found.as_str().trim().is_empty() {
            scanner.add(found.as_str(), found.range())?;
        }
    }
    if end < source.len() {
        return Err(unexpected_text(source, end));
    }

    match scanner.levels.pop() {
        Some(level) if !scanner.levels.is_empty() => {
            let message = format!("expected `{}`, found the end of the expression", level.closing);
            Err(SyntaxFault { message, range: end..end })
        }
        _ => Ok(scanner.tokens),
    }
}

/// The error for a position at which no token starts.
fn unexpected_text(source: &str, at: usize) -> SyntaxFault {
    let rest = source.get(at..).unwrap_or_default();
    let quoted = rest.trim_start_matches(['b', 'B', 'r', 'R']);
    if let Some(quote) = quoted.chars().next().filter(|quote| matches!(quote, '"' | '\'')) {
        let message = format!("the text is not closed; it needs another `{quote}`");
        return SyntaxFault { message, range: at..at + rest.len() - quoted.len() + 1 };
    }
    let first = rest.chars().next().unwrap_or_default();
    let message = format!("the character `{}` means nothing here", first.escape_debug());
    SyntaxFault { message, range: at..at + first.len_utf8() }
}

/// Operator precedence, lowest first. The highest are prefix operators, fields, indexes and calls.
const CONDITIONAL: usize = 0;
const OR: usize = 1;
const AND: usize = 2;
const RELATION: usize = 3;
const SUM: usize = 4;
const PRODUCT: usize = 5;
const ONE: usize = 6;

/// Consecutive operators of one precedence.
#[derive(Clone, Copy, Debug, Default)]
struct Chain {
    operators: usize,
    /// The largest height of their operands.
    operand: usize,
}

impl Chain {
    fn height(&self) -> usize {
        self.operators + self.operand
    }
}

/// The content of one pair of brackets, as far as it has been read.
#[derive(Debug, Default)]
struct Level {
    /// The index of the opening bracket.
    opening: usize,
    closing: &'static str,
    /// Whether the brackets enclose a list or map literal, which is a level of its own.
    literal: bool,
    /// The operators of the current expression, by precedence.
    chains: [Chain; ONE + 1],
    /// The largest height of the expressions before a comma.
    height: usize,
}

impl Level {
    /// Makes everything of higher precedence an operand of this one.
    fn fold(&mut self, binding: usize) {
        let mut operand = 0;
        for chain in self.chains.iter_mut().skip(binding + 1).rev() {
            operand = chain.height().max(chain.operators + operand);
            *chain = Chain::default();
        }
        if let Some(own) = self.chains.get_mut(binding) {
            own.operand = own.operand.max(operand);
        }
    }

    /// Adds an operator. Consecutive logical operators are one level together.
    fn operator(&mut self, binding: usize) {
        self.fold(binding);
        if let Some(own) = self.chains.get_mut(binding) {
            own.operators = if matches!(binding, OR | AND) { 1 } else { own.operators + 1 };
        }
    }

    fn operand(&mut self, height: usize) {
        let [.., tightest] = &mut self.chains;
        tightest.operand = tightest.operand.max(height);
    }

    /// Ends an expression; returns the largest height within the brackets.
    fn end(&mut self) -> usize {
        self.fold(CONDITIONAL);
        let [conditional, ..] = &mut self.chains;
        self.height = self.height.max(std::mem::take(conditional).height());
        self.height
    }

    /// A lower bound of the height so far.
    fn least(&self) -> usize {
        self.chains.iter().map(Chain::height).max().unwrap_or(0).max(self.height)
    }
}

#[derive(Debug, Default)]
struct Scanner<'s> {
    tokens: Vec<LexerToken>,
    levels: Vec<Level>,
    /// The last two tokens, in order.
    before: [&'s str; 2],
}

impl<'s> Scanner<'s> {
    fn add(&mut self, text: &'s str, range: Range<usize>) -> Result<(), SyntaxFault> {
        let mut partner = self.tokens.len();
        match text {
            "(" => self.open(")"),
            "[" => self.open("]"),
            "{" => self.open("}"),
            ")" | "]" | "}" => partner = self.close(text, &range)?,
            _ => self.sign(text),
        }

        let height = self.levels.last().map_or(0, Level::least);
        if height > HEIGHT_MAX || self.levels.len() > NESTING_MAX + 1 {
            let message = format!(
                "the expression is nested more than {HEIGHT_MAX} levels deep; split the caveat"
            );
            return Err(SyntaxFault { message, range });
        }
        self.tokens.push(LexerToken { range, partner });
        let [_, last] = self.before;
        self.before = [last, text];
        Ok(())
    }

    /// Whether the last token ends an operand, so that the next one cannot start one.
    fn follows_operand(&self) -> bool {
        let [_, last] = self.before;
        let word = last.ends_with(|c: char| c.is_ascii_alphanumeric() || "_\"')]}".contains(c));
        word && last != "in"
    }

    fn open(&mut self, closing: &'static str) {
        let follows = self.follows_operand();
        let [before, last] = self.before;
        let function =
            last.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && before != ".";
        if let Some(level) = self.levels.last_mut()
            && follows
            && (closing == "]" || function)
        {
            level.operator(ONE);
        }
        let literal = closing != ")" && !follows;
        let opening = self.tokens.len();
        self.levels.push(Level { opening, closing, literal, ..Level::default() });
    }

    /// Closes a pair of brackets; returns the index of the opening one.
    fn close(&mut self, text: &str, range: &Range<usize>) -> Result<usize, SyntaxFault> {
        let fault = |message| Err(SyntaxFault { message, range: range.clone() });
        match self.levels.pop() {
            Some(mut level) if level.closing == text => {
                if let Some(outer) = self.levels.last_mut() {
                    outer.operand(level.end() + usize::from(level.literal));
                }
                let closing = self.tokens.len();
                if let Some(opening) = self.tokens.get_mut(level.opening) {
                    opening.partner = closing;
                }
                Ok(level.opening)
            }
            Some(level) if !self.levels.is_empty() => {
                fault(format!("expected `{}`, found `{text}`", level.closing))
            }
            _ => fault(format!("`{text}` closes nothing")),
        }
    }

    fn sign(&mut self, text: &str) {
        let follows = self.follows_operand();
        let [_, last] = self.before;
        let Some(level) = self.levels.last_mut() else { return };

        match text {
            "," => {
                level.end();
            }
            ":" => level.fold(CONDITIONAL),
            // Otherwise it marks an optional access.
            "?" if follows => level.operator(CONDITIONAL),
            "||" => level.operator(OR),
            "&&" => level.operator(AND),
            "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" => level.operator(RELATION),
            "+" | "-" if follows => level.operator(SUM),
            "*" | "/" | "%" => level.operator(PRODUCT),
            // The parser collapses repeated prefix operators.
            "!" | "-" if last == text => {}
            "." | "!" | "-" => level.operator(ONE),
            _ => {}
        }
    }
}
