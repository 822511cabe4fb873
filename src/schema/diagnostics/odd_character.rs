//! Confusable and invisible characters, as pasted texts contain them.

/// A character that means nothing where it stands, although it looks as if.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OddCharacter {
    /// The character.
    pub character: char,
    /// Its name.
    name: &'static str,
    instead: Instead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instead {
    Nothing,
    Space,
    LineBreak,
    Text(&'static str),
    /// The character of ASCII that looks the same.
    Narrow(char),
    Utf8,
}

impl OddCharacter {
    /// The description of a character that is confusable or invisible; `None` for any other.
    pub fn from_char(character: char) -> Option<Self> {
        let (name, instead) = odd(character)?;
        Some(Self { character, name, instead })
    }

    /// The first odd character of a text, and its byte offset.
    pub fn first_in(text: &str) -> Option<(usize, Self)> {
        text.char_indices().find_map(|(at, character)| Some((at, Self::from_char(character)?)))
    }

    /// `U+00A0 (no-break space)`
    pub fn described(self) -> String {
        format!("U+{:04X} ({})", u32::from(self.character), self.name)
    }

    /// What to write instead.
    pub fn advice(self) -> String {
        match self.instead {
            Instead::Nothing => "take it out".to_owned(),
            Instead::Space => "write an ordinary space".to_owned(),
            Instead::LineBreak => "write an ordinary line break".to_owned(),
            Instead::Text(text) => format!("write `{text}`"),
            Instead::Narrow(character) => format!("write `{character}`"),
            Instead::Utf8 => {
                "the file was not read as what it was written in: save it as UTF-8".to_owned()
            }
        }
    }
}

fn odd(character: char) -> Option<(&'static str, Instead)> {
    Some(match character {
        '\u{A0}' | '\u{202F}' => ("no-break space", Instead::Space),
        '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{205F}' => ("wide space", Instead::Space),
        '\u{3000}' => ("ideographic space", Instead::Space),
        '\u{B}' | '\u{C}' => ("vertical space", Instead::Space),
        '\u{85}' | '\u{2028}' | '\u{2029}' => ("line separator", Instead::LineBreak),
        '\u{200B}' => ("zero width space", Instead::Nothing),
        '\u{200C}' | '\u{200D}' | '\u{2060}' => ("zero width joiner", Instead::Nothing),
        '\u{FEFF}' => ("byte order mark", Instead::Nothing),
        '\u{AD}' => ("soft hyphen", Instead::Nothing),
        '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
            ("text direction mark", Instead::Nothing)
        }

        '\u{2018}'..='\u{201B}' | '\u{2032}' => ("typographic quote", Instead::Text("'")),
        '\u{201C}'..='\u{201F}' | '\u{2033}' | '«' | '»' => {
            ("typographic quote", Instead::Text("\""))
        }
        '\u{2010}'..='\u{2015}' | '\u{2212}' => ("dash", Instead::Text("-")),
        '\u{2026}' => ("ellipsis", Instead::Text("...")),
        '\u{2192}' | '\u{21D2}' => ("arrow", Instead::Text("->")),
        '\u{37E}' => ("Greek question mark", Instead::Text(";")),
        '\u{3001}' => ("ideographic comma", Instead::Text(",")),
        '\u{3002}' => ("ideographic full stop", Instead::Text(".")),

        '\u{FF01}'..='\u{FF5E}' => {
            let offset = u32::from(character) - 0xFF01;
            ("full-width character", Instead::Narrow(char::from_u32(0x21 + offset)?))
        }
        '\u{FFFD}' => ("replacement character", Instead::Utf8),
        '\t' | '\n' | '\r' => return None,
        _ if character.is_control() => ("control character", Instead::Nothing),
        _ => return None,
    })
}
