//! Values that are written out: quoted ones, where they end and what their escapes mean; and digits.

use super::lexer::{SyntaxError, Token};

/// What stands before the content of a quoted literal.
#[derive(Debug)]
pub(crate) struct Prefix {
    pub(crate) bytes: bool,
    pub(crate) raw: bool,
    /// `"`, `'`, `"""` or `'''`.
    pub(crate) quote: &'static str,
    /// Bytes, the opening quote included.
    pub(crate) length: usize,
}

/// Longer ones first.
const QUOTES: [&str; 4] = ["\"\"\"", "'''", "\"", "'"];

/// The beginning of a quoted literal, if one begins here.
pub(crate) fn prefix(text: &str) -> Option<Prefix> {
    let unmarked = text.strip_prefix(['b', 'B']).unwrap_or(text);
    let quoted = unmarked.strip_prefix(['r', 'R']).unwrap_or(unmarked);
    let quote = QUOTES.into_iter().find(|quote| quoted.starts_with(quote))?;
    Some(Prefix {
        bytes: unmarked.len() < text.len(),
        raw: quoted.len() < unmarked.len(),
        quote,
        length: text.len() - quoted.len() + quote.len(),
    })
}

impl Prefix {
    /// The length of the content before the closing quote; `None` when it is never closed.
    pub(crate) fn content_length(&self, content: &str) -> Option<usize> {
        let one_line = self.quote.len() == 1;
        let mut characters = content.char_indices();
        while let Some((at, c)) = characters.next() {
            if content.get(at..)?.starts_with(self.quote) {
                return Some(at);
            }
            if one_line && matches!(c, '\n' | '\r') {
                return None;
            }
            if c == '\\' && !self.raw {
                characters.next();
            }
        }
        None
    }

    /// The literal that a content means.
    pub(crate) fn decode(&self, content: &str) -> Result<Token, SyntaxError> {
        let content = content.replace("\r\n", "\n").replace('\r', "\n");
        let mut decoder = Decoder { bytes: self.bytes, content: &content, decoded: Vec::new() };
        if self.raw {
            decoder.decoded.extend_from_slice(content.as_bytes());
        } else {
            decoder.run()?;
        }
        if self.bytes {
            return Ok(Token::Bytes(decoder.decoded));
        }
        let length = content.len();
        String::from_utf8(decoder.decoded).map(Token::String).map_err(|_| SyntaxError {
            message: "the text is not valid Unicode".to_owned(),
            range: 0..length,
        })
    }
}

struct Decoder<'c> {
    bytes: bool,
    content: &'c str,
    decoded: Vec<u8>,
}

impl Decoder<'_> {
    fn run(&mut self) -> Result<(), SyntaxError> {
        let mut rest = self.content;
        while let Some(at) = rest.find('\\') {
            let (plain, escape) = rest.split_at(at);
            self.decoded.extend_from_slice(plain.as_bytes());
            let length = self.escape(escape).ok_or_else(|| self.fault(escape))?;
            rest = escape.get(length..).unwrap_or_default();
        }
        self.decoded.extend_from_slice(rest.as_bytes());
        Ok(())
    }

    /// Decodes the escape that `text` begins with, and says how long it is.
    fn escape(&mut self, text: &str) -> Option<usize> {
        let kind = text.chars().nth(1)?;
        let simple = match kind {
            'a' => 0x07,
            'b' => 0x08,
            'f' => 0x0c,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 0x0b,
            '\\' => b'\\',
            '\'' => b'\'',
            '"' => b'"',
            '`' => b'`',
            '?' => b'?',
            'x' | 'X' => return self.code(text, 2..4, 16),
            'u' if !self.bytes => return self.code(text, 2..6, 16),
            'U' if !self.bytes => return self.code(text, 2..10, 16),
            '0'..='3' => return self.code(text, 1..4, 8),
            _ => return None,
        };
        self.decoded.push(simple);
        Some(2)
    }

    /// Decodes digits: a byte among bytes, a character in a text.
    fn code(&mut self, text: &str, digits: std::ops::Range<usize>, radix: u32) -> Option<usize> {
        let length = digits.end;
        let digits = text.get(digits)?;
        if !digits.chars().all(|c| c.is_digit(radix)) {
            return None;
        }
        let code = u32::from_str_radix(digits, radix).ok()?;
        if self.bytes {
            self.decoded.push(u8::try_from(code).ok()?);
        } else {
            let mut buffer = [0; 4];
            let character = char::from_u32(code)?.encode_utf8(&mut buffer);
            self.decoded.extend_from_slice(character.as_bytes());
        }
        Some(length)
    }

    fn fault(&self, escape: &str) -> SyntaxError {
        let start = self.content.len() - escape.len();
        let shown: String = escape.chars().take(2).collect();
        SyntaxError {
            message: format!(
                "`{shown}` begins no escape that is known here; write `\\\\` for a backslash"
            ),
            range: start..start + shown.len(),
        }
    }
}

/// The int of decimal digits, or of hexadecimal ones after `0x`; `None` when it does not fit.
pub(crate) fn int(digits: &str, negative: bool) -> Option<i64> {
    let sign = if negative { "-" } else { "" };
    let (radix, digits) = digits.strip_prefix("0x").map_or((10, digits), |digits| (16, digits));
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

/// The uint of decimal digits, or of hexadecimal ones after `0x`; `None` when it does not fit.
pub(crate) fn uint(digits: &str) -> Option<u64> {
    let (radix, digits) = digits.strip_prefix("0x").map_or((10, digits), |digits| (16, digits));
    u64::from_str_radix(digits, radix).ok()
}
