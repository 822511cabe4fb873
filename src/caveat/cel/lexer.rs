//! The words of CEL: text in, tokens out.

use super::literal;
use std::ops::Range;

/// A token with its place.
#[derive(Debug)]
pub(crate) struct Lexeme {
    pub(crate) token: Token,
    /// Bytes of the source.
    pub(crate) range: Range<usize>,
}

/// A word, a value or a sign.
#[derive(Debug, PartialEq)]
pub(crate) enum Token {
    /// A name or a keyword.
    Word(String),
    /// The digits of an int, `0x` included.
    Int(String),
    /// The digits of a uint, without the `u`.
    Uint(String),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
    Sign(&'static str),
    End,
}

/// A text that is not CEL, and where.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) message: String,
    pub(crate) range: Range<usize>,
}

/// Longer ones first, so that `<=` is not taken for `<`.
const SIGNS: [&str; 25] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ".", ",",
    "(", ")", "[", "]", "{", "}", "`",
];

/// The tokens of a text, the last one an [`Token::End`].
pub(crate) fn tokens(source: &str) -> Result<Vec<Lexeme>, SyntaxError> {
    let mut lexer = Lexer { source, position: 0 };
    let mut lexemes = Vec::new();
    loop {
        lexer.skip_blanks();
        let start = lexer.position;
        let token = lexer.token()?;
        let ended = token == Token::End;
        lexemes.push(Lexeme { token, range: start..lexer.position });
        if ended {
            return Ok(lexemes);
        }
    }
}

struct Lexer<'s> {
    source: &'s str,
    /// A byte of the source, between characters.
    position: usize,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        self.source.get(self.position..).unwrap_or_default()
    }

    /// Takes as many characters as `wanted` says, and returns them.
    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'s str {
        let rest = self.rest();
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.position += length;
        rest.get(..length).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}'));
            if !self.rest().starts_with("//") {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    fn token(&mut self) -> Result<Token, SyntaxError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        let second_is_digit = rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
        if first.is_ascii_digit() || (first == '.' && second_is_digit) {
            return self.number();
        }
        if let Some(prefix) = literal::prefix(rest) {
            return self.quoted(&prefix);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            return Ok(Token::Word(self.word().to_owned()));
        }
        let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) else {
            let range = self.position..self.position + first.len_utf8();
            let message = format!("the character `{}` means nothing here", first.escape_debug());
            return Err(SyntaxError { message, range });
        };
        self.position += sign.len();
        Ok(Token::Sign(sign))
    }

    fn word(&mut self) -> &'s str {
        self.take_while(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    fn number(&mut self) -> Result<Token, SyntaxError> {
        let start = self.position;
        if self.rest().starts_with("0x") {
            self.position += 2;
            let digits = self.take_while(|c| c.is_ascii_hexdigit());
            if !digits.is_empty() {
                return Ok(self.whole(start));
            }
            self.position = start;
        }
        self.take_while(|c| c.is_ascii_digit());
        let is_double = self.fraction() | self.exponent();
        if !is_double {
            return Ok(self.whole(start));
        }
        let range = start..self.position;
        let text = self.source.get(range.clone()).unwrap_or_default();
        match text.parse::<f64>() {
            Ok(double) if double.is_finite() => Ok(Token::Double(double)),
            _ => Err(SyntaxError { message: format!("`{text}` is too large for a double"), range }),
        }
    }

    fn whole(&mut self, start: usize) -> Token {
        let digits = self.source.get(start..self.position).unwrap_or_default().to_owned();
        if self.rest().starts_with(['u', 'U']) {
            self.position += 1;
            return Token::Uint(digits);
        }
        Token::Int(digits)
    }

    /// Takes `.5`; the point in `1.size()` is none of a number.
    fn fraction(&mut self) -> bool {
        let digits_follow = |rest: &str| {
            rest.strip_prefix('.')
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        if !digits_follow(self.rest()) {
            return false;
        }
        self.position += 1;
        self.take_while(|c| c.is_ascii_digit());
        true
    }

    /// Takes `e10`, `e+10` or `E-10`.
    fn exponent(&mut self) -> bool {
        let start = self.position;
        if self.rest().starts_with(['e', 'E']) {
            self.position += 1;
            if self.rest().starts_with(['+', '-']) {
                self.position += 1;
            }
            if !self.take_while(|c| c.is_ascii_digit()).is_empty() {
                return true;
            }
        }
        self.position = start;
        false
    }

    fn quoted(&mut self, prefix: &literal::Prefix) -> Result<Token, SyntaxError> {
        let start = self.position;
        let content = self.rest().get(prefix.length..).unwrap_or_default();
        let Some(length) = prefix.content_length(content) else {
            let message = format!("the text is not closed; it needs another `{}`", prefix.quote);
            return Err(SyntaxError { message, range: start..start + prefix.length });
        };
        self.position += prefix.length + length + prefix.quote.len();
        let content = content.get(..length).unwrap_or_default();
        prefix.decode(content).map_err(|fault| SyntaxError {
            message: fault.message,
            range: start + prefix.length + fault.range.start
                ..start + prefix.length + fault.range.end,
        })
    }
}
