//! Names that mislead.

use super::super::compiled::Schema;
use super::{Place, Remark, Remarks, places};

/// Words that a `use` line takes out of use as names.
const FLAG_WORDS: [&str; 6] = ["self", "expiration", "and", "import", "partial", "typechecking"];

pub(super) fn lint(schema: &Schema, remarks: &mut Remarks<'_>) {
    for place in places(schema) {
        parent_in_name(&place, remarks);
        flag_word(&place, remarks);
    }
}

fn parent_in_name(place: &Place<'_>, remarks: &mut Remarks<'_>) {
    let (name, definition) = (&place.node.name, &place.definition.name);
    if name.ends_with(definition.as_str()) {
        let kind = if place.relation().is_some() { "relation" } else { "permission" };
        let message = format!("{kind} `{name}` references parent type `{definition}` in its name");
        let help = "drop the suffix: the name is only used together with the type";
        let span = place.member.name().span;
        let code = "relation-name-references-parent";
        remarks.about(place.node, Remark { code, span, message, help });
    }
}

fn flag_word(place: &Place<'_>, remarks: &mut Remarks<'_>) {
    let name = place.node.name.as_str();
    if FLAG_WORDS.contains(&name) {
        let message = format!("`{name}` is a word of the language after a `use` line");
        let help = "choose another name, so that the schema may use that feature one day";
        let span = place.member.name().span;
        let code = "name-shadows-keyword";
        remarks.about(place.node, Remark { code, span, message, help });
    }
}
