//! Translates regular expressions from RE2's syntax, which CEL uses, to that of the `regex` crate.

use regex::{Regex, RegexBuilder};
use std::fmt::Write as _;

/// Maximum size of a compiled pattern, in bytes.
const SIZE_MAX: usize = 1 << 20;

/// Compiles a pattern.
///
/// # Errors
///
/// A message that says why the text is not a regular expression.
pub(in crate::caveat) fn compile(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(&translated(text)).size_limit(SIZE_MAX).build().map_err(|error| {
        let message = error.to_string();
        let reason = message.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("the pattern `{text}` is no regular expression: {reason}")
    })
}

/// Translates the differences: in RE2, `\d`, `\s`, `\w` and `\b` match ASCII only; `\Q…\E` and octal numbers exist; any other
/// punctuation after a backslash is literal (`\<` is not the start of a word); braces that are no repetition are literal,
/// and so are `[`, `&&`, `--` and `~~` in classes.
fn translated(text: &str) -> String {
    let mut translator = Translator { rest: text, translated: String::with_capacity(text.len()) };
    while let Some(c) = translator.next() {
        match c {
            '\\' => translator.escape(false),
            '[' => translator.class(),
            '{' if !begins_repetition(translator.rest) => translator.translated.push_str(r"\{"),
            _ => translator.translated.push(c),
        }
    }
    translator.translated
}

struct Translator<'t> {
    rest: &'t str,
    translated: String,
}

impl Translator<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.skip(c.len_utf8());
        Some(c)
    }

    fn skip(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default();
    }

    /// Translates the text after a backslash.
    fn escape(&mut self, in_class: bool) {
        let Some(c) = self.next() else { return self.translated.push('\\') };
        let (within, negated) = match c {
            'd' | 'D' => ("0-9", c == 'D'),
            's' | 'S' => (r"\t\n\f\r ", c == 'S'),
            'w' | 'W' => ("0-9A-Za-z_", c == 'W'),
            // The ASCII form of `\B` could match within a character, so that one stays as it is.
            'b' if !in_class => return self.translated.push_str(r"(?-u:\b)"),
            'Q' if !in_class => return self.quoted(),
            '0'..='7' => return self.octal(c),
            _ if c.is_ascii_punctuation() => {
                return self.translated.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
            }
            _ => return self.unchanged(c),
        };

        match (in_class, negated) {
            (true, false) => self.translated.push_str(within),
            (_, false) => self.translated.extend(["[", within, "]"]),
            (_, true) => self.translated.extend(["[^", within, "]"]),
        }
    }

    /// Copies an escape that both syntaxes share, with its argument in braces: `\p{Greek}`, `\x{41}`.
    fn unchanged(&mut self, c: char) {
        self.translated.extend(['\\', c]);
        if matches!(c, 'p' | 'P' | 'x') && self.rest.starts_with('{') {
            let end = self.rest.find('}').map_or(self.rest.len(), |end| end + 1);
            self.translated.push_str(self.rest.get(..end).unwrap_or_default());
            self.skip(end);
        }
    }

    /// Translates `\101`, a character by its octal number. A single digit would be a backreference, which does not exist.
    fn octal(&mut self, first: char) {
        let more = self.rest.chars().take(2).take_while(|c| c.is_digit(8)).count();
        let digits = format!("{first}{}", self.rest.get(..more).unwrap_or_default());
        match u32::from_str_radix(&digits, 8) {
            Ok(number) if more > 0 || first == '0' => {
                self.skip(more);
                let _ = write!(self.translated, r"\x{{{number:x}}}");
            }
            _ => self.translated.extend(['\\', first]),
        }
    }

    /// Translates `\Q…\E`: a literal text.
    fn quoted(&mut self) {
        let end = self.rest.find(r"\E").unwrap_or(self.rest.len());
        let literal = self.rest.get(..end).unwrap_or_default();
        self.translated.push_str(&regex::escape(literal));
        self.skip(end + 2);
    }

    /// Translates a class, from the opening bracket up to the closing one.
    fn class(&mut self) {
        self.translated.push('[');
        if self.rest.starts_with('^') {
            self.skip(1);
            self.translated.push('^');
        }
        if self.rest.starts_with(']') {
            self.skip(1);
            self.translated.push_str(r"\]");
        }

        while let Some(c) = self.next() {
            match c {
                '\\' => self.escape(true),
                '[' if self.rest.starts_with(':') && self.rest.contains(":]") => {
                    let end = self.rest.find(":]").map_or(0, |end| end + 2);
                    self.translated.push('[');
                    self.translated.push_str(self.rest.get(..end).unwrap_or_default());
                    self.skip(end);
                }
                '[' | '&' | '~' => self.translated.extend(['\\', c]),
                // The second of two would begin a difference; a range ends with the first.
                '-' if self.rest.starts_with('-') => self.translated.push_str(r"\-"),
                ']' => return self.translated.push(']'),
                _ => self.translated.push(c),
            }
        }
    }
}

/// Whether `3}`, `3,}` or `3,5}` follows the opening brace.
fn begins_repetition(rest: &str) -> bool {
    let Some((inside, _)) = rest.split_once('}') else { return false };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let is_number = |digits: &str| digits.chars().all(|c| c.is_ascii_digit());
    !least.is_empty() && is_number(least) && is_number(most)
}
