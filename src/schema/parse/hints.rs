//! Advice about statements that look like those of other languages, or like what people write by habit.

use crate::schema::parse::syntax_error::{ExpectedSyntax, first_word};

const COMMENT: &str = "comments start with `//`";
const UNION: &str = "the union of two sets is written `a + b`";
const INTERSECTION: &str = "the intersection of two sets is written `a & b`";
const EXCLUSION: &str = "the exclusion of one set from another is written `a - b`";
const TYPES: &str = "types are separated with `|`: `user | team#member`";

const VALIDATION_KEYS: [&str; 5] =
    ["schema", "schemaFile", "relationships", "assertions", "validation"];

/// A statement that goes wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mistake<'t> {
    /// From the start of the statement to where it goes wrong.
    pub(super) before: &'t str,
    /// From there on.
    pub(super) rest: &'t str,
    /// What should have stood there; nothing when the statement does not even start like one.
    pub(super) expected: Option<ExpectedSyntax>,
}

/// Advice about a mistake that is known.
pub(super) fn hint(mistake: Mistake<'_>) -> Option<String> {
    let Mistake { before, rest, expected } = mistake;
    if rest.starts_with('#') || (expected == Some(ExpectedSyntax::End) && ends_in_comment(before)) {
        return Some(COMMENT.to_owned());
    }
    let line = rest.lines().next().unwrap_or_default();
    if before.is_empty() {
        return foreign_statement(line);
    }
    let ends_line = line.strip_prefix(',').is_some_and(|after| after.trim().is_empty());
    if ends_line {
        return Some("take the `,` out: a statement ends with its line".to_owned());
    }

    match first_word(before) {
        "permission" => permission(mistake, line),
        "relation" => relation(mistake, line),
        "definition" | "partial" => definition(mistake, line),
        _ => None,
    }
}

/// Whether the last line has a `#` with spaces around it, as a comment of other languages has, and no relation of a type.
fn ends_in_comment(before: &str) -> bool {
    let line = before.lines().next_back().unwrap_or_default();
    let sign = line.rfind('#').and_then(|at| line.split_at_checked(at));
    sign.is_some_and(|(left, right)| left.ends_with([' ', '\t']) || right.starts_with("# "))
}

/// A statement that starts with a word of another language.
fn foreign_statement(line: &str) -> Option<String> {
    let word = first_word(line);
    let after = line.get(word.len()..).unwrap_or_default().trim_start();
    let name = match first_word(after) {
        "" => "name",
        name => name,
    };

    if after.starts_with(':') && VALIDATION_KEYS.contains(&word) {
        return Some(
            "this is a validation file, not a schema: `kilwa validate` and `kilwa import` take it"
                .to_owned(),
        );
    }

    Some(match word {
        "type" | "entity" | "namespace" | "class" => {
            format!("write `definition {name} {{ … }}`")
        }
        "model" | "schema" => {
            "a schema starts with its definitions: `definition user {}`".to_owned()
        }
        "relations" | "permissions" => {
            "each relation is a statement: `relation viewer: user`".to_owned()
        }
        "define" => define(name, after),
        "action" | "rule" | "can" => format!("write `permission {name} = …`"),
        "rel" | "attribute" => format!("write `relation {name}: …`"),
        "condition" => format!("write `caveat {name}(…) {{ … }}`"),
        _ => {
            let lower = word.to_lowercase();
            let known = ["definition", "relation", "permission", "caveat", "use", "import"];
            let known = known.into_iter().find(|keyword| *keyword == lower && lower != word)?;
            format!("write `{known}`, in small letters")
        }
    })
}

/// `define viewer: [user] or editor`, as `OpenFGA` has it.
fn define(name: &str, after: &str) -> String {
    let rule = after.split_once(':').map_or("", |(_, rule)| rule).trim();
    let is_direct = rule.starts_with('[') && rule.ends_with(']');
    if is_direct {
        let types = rule.trim_matches(['[', ']']).replace(", ", " | ").replace(',', " | ");
        return format!("write `relation {name}: {types}`");
    }
    if rule.is_empty() || rule.contains(['[', '(']) {
        return format!(
            "write `relation {name}: …` for what is stored, and a `permission` for what is computed from it"
        );
    }
    format!("write `permission {name} = {}`", translated(rule))
}

/// A rule in words, in signs.
fn translated(rule: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut given = rule.split_whitespace().peekable();
    while let Some(word) = given.next() {
        match word {
            "or" => words.push("+".to_owned()),
            "and" => words.push("&".to_owned()),
            "but" => {}
            "not" => words.push("-".to_owned()),
            "from" => {
                let (target, parent) = (words.pop(), given.next());
                words.push(format!(
                    "{}->{}",
                    parent.unwrap_or_default(),
                    target.unwrap_or_default()
                ));
            }
            other => words.push(other.to_owned()),
        }
    }

    words.join(" ")
}

fn permission(mistake: Mistake<'_>, line: &str) -> Option<String> {
    let Mistake { before, rest, expected } = mistake;
    let after_word = before.strip_prefix("permission").unwrap_or_default().trim_start();
    let name = first_word(after_word);

    if expected == Some(ExpectedSyntax::Token("=")) {
        let after_name = after_word.get(name.len()..).unwrap_or_default().trim_start();
        if let Some(rule) = after_name.strip_prefix(':') {
            let whole = format!("{rule}{line}");
            let rule = whole.split(['\n', '\r', '}', ';']).next().unwrap_or_default();
            let rule = rule.split("//").next().unwrap_or_default();
            return Some(format!("write `permission {name} = {}`", rule.trim()));
        }
        return hyphenated(after_word, rest);
    }

    if expected == Some(ExpectedSyntax::Token("("))
        && let Some((left, right)) = dotted(before)
    {
        return Some(match right {
            "any" | "all" => format!("the target stands in parentheses: `{left}.{right}(view)`"),
            _ => format!("an arrow is written `{left}->{right}`"),
        });
    }
    let last = before.split_whitespace().next_back().unwrap_or_default();
    let known = match (first_word(rest), rest.chars().next()) {
        ("or", _) | ("", Some('|' | ',')) => UNION,
        ("and", _) => INTERSECTION,
        ("", Some('&')) if before.ends_with('&') => INTERSECTION,
        ("not" | "but" | "except" | "minus" | "unless" | "without", _) | ("", Some('!')) => {
            EXCLUSION
        }
        ("from", _) => {
            let parent = first_word(rest.get("from".len()..).unwrap_or_default().trim_start());
            return Some(format!("an arrow is written `{parent}->{last}`"));
        }
        (_, Some(_)) if last == "not" => EXCLUSION,
        _ => return None,
    };
    Some(known.to_owned())
}

/// The two names at the end of a text that a dot joins.
fn dotted(before: &str) -> Option<(&str, &str)> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let before = before.trim_end();
    let left_and_dot = before.trim_end_matches(is_name);
    let right = before.get(left_and_dot.len()..)?;
    let left = left_and_dot.trim_end().strip_suffix('.')?.trim_end();
    let start = left.trim_end_matches(is_name).len();
    let left = left.get(start..)?;
    (!left.is_empty() && !right.is_empty()).then_some((left, right))
}

fn relation(mistake: Mistake<'_>, line: &str) -> Option<String> {
    let Mistake { before, rest, expected } = mistake;
    let after_word = before.strip_prefix("relation").unwrap_or_default().trim_start();
    let name = first_word(after_word);
    if expected == Some(ExpectedSyntax::Token(":")) {
        let assigned = line.strip_prefix(['=', '@']).map(str::trim);
        return match assigned {
            Some(types) => Some(format!("write `relation {name}: {types}`")),
            None => hyphenated(after_word, rest),
        };
    }

    if rest.starts_with('[') {
        return Some("write the types without brackets: `user | team#member`".to_owned());
    }
    match (first_word(rest), rest.chars().next()) {
        ("or", _) | ("", Some(',' | '+' | '/')) => Some(TYPES.to_owned()),
        ("and", _) | ("", Some('&' | '-')) => Some(
            "a relation lists the types that are written into it; sets are combined in a `permission`"
                .to_owned(),
        ),
        _ => None,
    }
}

fn definition(mistake: Mistake<'_>, line: &str) -> Option<String> {
    let Mistake { before, rest, expected } = mistake;
    let word = first_word(before);
    let name = before.get(word.len()..).unwrap_or_default().trim();
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '/');
    let name = if name.chars().all(is_name) { name } else { "name" };
    match expected {
        Some(ExpectedSyntax::Token("{")) => hyphenated(name, rest).or_else(|| {
            Some(format!("its relations and permissions stand in braces: `{word} {name} {{ … }}`"))
        }),
        Some(ExpectedSyntax::Identifier) if line.starts_with(['"', '\'', '`']) => {
            Some("names stand without quotes".to_owned())
        }
        _ => None,
    }
}

/// A name with hyphens in it.
fn hyphenated(name: &str, rest: &str) -> Option<String> {
    let tail = rest.strip_prefix('-')?;
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let tail = tail.get(..tail.find(|c| !is_name(c)).unwrap_or(tail.len()))?;
    let joined = name.ends_with(|c: char| c.is_alphanumeric()) && !tail.is_empty();
    joined.then(|| {
        let name = format!("{name}_{tail}").replace('-', "_");
        format!("names consist of `a-z`, `0-9` and `_`: write `{name}`")
    })
}
