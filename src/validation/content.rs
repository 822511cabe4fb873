//! Whether a text is a schema or a validation file: by what it says, and by its name only where that leaves it open.

use std::path::Path;

/// The words that a schema may start with, or a text that was to become one.
const SCHEMA_WORDS: [&str; 7] =
    ["definition", "caveat", "use", "import", "partial", "relation", "permission"];

/// Whether a file is a schema that stands alone, not a validation file.
///
/// Comments of either kind are skipped. What starts with a word of the schema language is a schema, what starts with a key
/// or another mark of YAML is a validation file. For anything else the name decides: it is a schema when that ends in
/// `.zed`.
pub fn is_schema(name: &str, text: &str) -> bool {
    let said = without_comments(text);
    let word_end = said.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(said.len());
    let (word, rest) = said.split_at_checked(word_end).unwrap_or((said, ""));
    let is_key = rest.trim_start_matches([' ', '\t']).starts_with(':');
    if SCHEMA_WORDS.contains(&word) && !is_key {
        return true;
    }
    if is_key || said.starts_with(['{', '"', '\'', '-', '%', '&', '?']) {
        return false;
    }
    Path::new(name).extension().is_some_and(|extension| extension == "zed")
}

/// The text from the first thing that it says.
fn without_comments(text: &str) -> &str {
    let mut rest = text.trim_start_matches('\u{FEFF}');
    loop {
        rest = rest.trim_start();
        if let Some(inside) = rest.strip_prefix("/*") {
            rest = inside.split_once("*/").map_or("", |(_, after)| after);
        } else if rest.starts_with("//") || rest.starts_with('#') {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else {
            return rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_schema;

    #[test]
    fn what_a_text_says_decides_and_its_name_where_that_says_nothing() {
        for (name, text, expected) in [
            ("a.yaml", "/* a */ // b\ndefinition user {}", true),
            ("a", "# a\nuse self", true),
            ("a.zed", "# a\nschema: |-\n  definition user {}", false),
            ("a.zed", "---\nrelationships: ''", false),
            ("a.zed", "definition : 1", false),
            ("a.zed", "{\"schema\": \"\"}", false),
            ("a.zed", "", true),
            ("a.yaml", "// nothing", false),
            ("a", "something", false),
        ] {
            assert_eq!(is_schema(name, text), expected, "{name}: {text}");
        }
    }
}
