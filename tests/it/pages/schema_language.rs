//! `docs/schema-language.md`: its examples, and that it names every rule, word, type, function and code of the language.

use super::{page, require_named, root, run_examples, sources, validate};
use kilwa::caveat::ParameterType;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const PAGE: &str = "schema-language.md";

/// Rules of the grammar that only the parser needs: the whole text, mistakes, punctuation, parts of words and strings.
const INNER_RULES: [&str; 22] = [
    "schema",
    "broken_member",
    "plain_member",
    "broken_item",
    "plain_line",
    "plain_text",
    "use_word",
    "import_word",
    "partial_word",
    "definition_word",
    "caveat_word",
    "relation_word",
    "permission_word",
    "with_word",
    "and_word",
    "colon",
    "equals",
    "opening",
    "closing",
    "type_end",
    "body_start",
    "body_end",
];

#[test]
fn the_examples_compile_or_fail_as_shown() {
    let examples = run_examples(&page(PAGE), diagnostics);
    assert!(examples > 25, "{examples} examples");
}

/// What is reported about a schema: a line for each code with its message, and one for its advice.
fn diagnostics(folder: &Path, name: &str) -> Vec<String> {
    let output = validate(folder, &["--format", "json", name]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut lines = Vec::new();
    for diagnostic in report["files"][0]["diagnostics"].as_array().unwrap() {
        let text = |name: &str| diagnostic[name].as_str().unwrap_or_default();
        lines.push(format!("{}[{}]: {}", text("severity"), text("code"), text("message")));
        if !text("help").is_empty() {
            lines.push(format!("help: {}", text("help")));
        }
    }
    lines
}

#[test]
fn every_rule_of_the_grammar_is_on_the_page() {
    let page = page(PAGE);
    let (_, table) = page.split_once("| rule | written |").unwrap();
    let grammar = fs::read_to_string(root().join("src/schema/parse/grammar.pest")).unwrap();
    let mut inner: BTreeSet<&str> = BTreeSet::from(INNER_RULES);
    let mut rules = 0;
    for line in grammar.lines() {
        let Some((rule, body)) = line.split_once('=') else { continue };
        let rule = rule.trim();
        // A rule with `_` only groups others.
        let is_rule = rule.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if !is_rule || rule.is_empty() || body.trim_start().starts_with('_') {
            continue;
        }
        if !inner.remove(rule) && !["string", "end"].contains(&rule) {
            require_named(table, rule);
            rules += 1;
        }
    }
    assert!(inner.is_empty(), "not in the grammar: {inner:?}");
    assert!(rules > 20, "{rules} rules");
}

#[test]
fn every_word_of_the_grammar_is_on_the_page() {
    let page = page(PAGE);
    let grammar = fs::read_to_string(root().join("src/schema/parse/grammar.pest")).unwrap();
    let code = grammar.lines().filter(|line| !line.trim_start().starts_with("//"));
    let words: BTreeSet<String> = code
        .flat_map(|line| line.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .filter(|word| word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase()))
        .collect();
    for word in &words {
        require_named(&page, word);
    }
    assert!(words.len() > 8, "{words:?}");

    // The flags are those that the program lists for a wrong one.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.zed"), "use something").unwrap();
    let reported = diagnostics(folder.path(), "a.zed").join("\n");
    let (_, options) = reported.split_once("Options are: ").unwrap();
    let (options, _) = options.split_once('\n').unwrap_or((options, ""));
    let flags: Vec<&str> = options.split(", ").collect();
    assert!(flags.len() > 4, "{flags:?}");
    for flag in flags {
        assert!(page.contains(&format!("| `use {flag}` |")), "no `use {flag}`");
    }
}

#[test]
fn every_type_and_function_of_caveats_is_on_the_page() {
    let page = page(PAGE);
    for name in ParameterType::names() {
        let with_arguments = format!("{name}<T>");
        let is_plain = !["list", "map"].contains(&name);
        require_named(&page, if is_plain { name } else { &with_arguments });
    }

    let sources = sources("src/caveat");
    let find = |start: &str, end: &str| {
        let text = sources.iter().find(|text| text.contains(start)).unwrap();
        text.split_once(start).unwrap().1.split_once(end).unwrap().0.to_owned()
    };
    let signatures = find("const SIGNATURES: &str = \"", "\";");
    let functions = signatures.lines().filter_map(|line| line.split_once(" :"));
    let mut names: Vec<String> = functions
        .flat_map(|(names, _)| names.split(' ').map(|name| name.trim_start_matches('.').to_owned()))
        .collect();
    let macros = find("const MACROS: [(&str, MacroKind)", "];");
    names.extend(macros.split('"').skip(1).step_by(2).map(str::to_owned));
    assert!(names.len() > 50, "{names:?}");
    for name in &names {
        // Operators are written with `_` where their operands stand.
        let operator = name.trim_matches(['_', '@']);
        let is_shown = page.split('`').skip(1).step_by(2).any(|code| {
            code == operator
                || code.contains(&format!("{operator}("))
                || code == "in" && name == "@in"
        });
        assert!(is_shown, "the page does not show `{operator}`");
    }
}

#[test]
fn every_code_is_on_the_page() {
    let page = page(PAGE);
    let mut codes = BTreeSet::new();
    for text in sources("src/schema") {
        let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        let strings = text.split('"').skip(1).step_by(2);
        let is_code = |text: &&str| {
            text.contains('-') && text.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        };
        codes.extend(strings.filter(is_code).map(str::to_owned));
    }
    codes.retain(|code| !code.starts_with('-') && !code.ends_with('-'));
    assert!(codes.len() > 35, "{codes:?}");
    for code in &codes {
        require_named(&page, code);
    }
}

#[test]
fn the_limits_are_those_of_the_code() {
    let page = page(PAGE);
    let texts = [sources("src/schema"), sources("src/caveat")].concat();
    let constants: BTreeSet<String> = texts
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| line.contains("_MAX: "))
        .filter_map(|line| Some(line.split_once("= ")?.1.trim_end_matches(';').replace('_', "")))
        .collect();
    let (_, table) = page.split_once("| limit | value |").unwrap();
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 8, "{rows:?}");
    for row in rows {
        let value = row.split('|').nth(2).unwrap().trim().replace(',', "");
        assert!(constants.contains(&value), "no limit is {value}: {row}");
    }
}
