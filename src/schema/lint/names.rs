//! Lints for misleading names.

use super::warnings::{LintNode, LintWarning, LintWarnings, lint_nodes};
use crate::schema::schema::Schema;

/// Words that a `use` line takes out of use as names.
const FLAG_WORDS: [&str; 6] = ["self", "expiration", "and", "import", "partial", "typechecking"];

pub(super) fn lint(schema: &Schema, warnings: &mut LintWarnings<'_>) {
    for linted in lint_nodes(schema) {
        parent_in_name(&linted, warnings);
        flag_word(&linted, warnings);
    }
}

fn parent_in_name(linted: &LintNode<'_>, warnings: &mut LintWarnings<'_>) {
    let (name, definition) = (&linted.node.name, &linted.definition.name);
    if name.ends_with(definition.as_str()) {
        let kind = if linted.relation().is_some() { "relation" } else { "permission" };
        let message = format!("{kind} `{name}` references parent type `{definition}` in its name");
        let help = "drop the suffix: the name is only used together with the type";
        let span = linted.member.name().span;
        let code = "relation-name-references-parent";
        warnings.about(linted.node, LintWarning { code, span, message, help });
    }
}

fn flag_word(linted: &LintNode<'_>, warnings: &mut LintWarnings<'_>) {
    let name = linted.node.name.as_str();
    if FLAG_WORDS.contains(&name) {
        let message = format!("`{name}` is a word of the language after a `use` line");
        let help = "choose another name, so that the schema may use that feature one day";
        let span = linted.member.name().span;
        let code = "name-shadows-keyword";
        warnings.about(linted.node, LintWarning { code, span, message, help });
    }
}
