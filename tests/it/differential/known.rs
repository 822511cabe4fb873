//! Where Kilwa is meant to answer otherwise than `SpiceDB` 1.56.2: the whole list. `docs/compatibility.md` says more.

use super::said::Said;
use crate::reference::case::{Asked, Case};
use kilwa::relationship::{Relationship, Subject};
use kilwa::schema::{AllowedForm, Node, Rule, Schema};

/// Why an answer may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Known {
    /// `SpiceDB` follows cycles until it is fifty steps deep and then fails, if it has not found a yes before; with many
    /// ways it does not end. Kilwa answers. Such checks are left out.
    Circle,
    /// To `SpiceDB`'s check a wildcard covers usersets of its type as well, though not to its lookups. To Kilwa it covers
    /// objects, everywhere.
    WildcardOfUsersets,
    /// A lookup or a bulk check of `SpiceDB` contradicts its own check of one, or says that it is at fault
    /// itself. Kilwa agrees with that check, which is made in each case.
    AgainstItsCheck,
    /// `SpiceDB` finds no caveated or expiring subjects in a relation that also takes usersets of the same type without.
    OverlookedCaveat,
    /// A caveat failed on the context that was given: whether something else decided before is up to the order in which
    /// a server looks.
    FailedCaveat,
}

/// Whose answers may differ by this case.
pub(super) struct Knowledge<'c> {
    case: &'c Case,
    overlooks_caveats: bool,
}

impl<'c> Knowledge<'c> {
    pub(super) fn new(case: &'c Case, schema: &Schema) -> Self {
        Self { case, overlooks_caveats: schema.nodes().iter().any(overlooks_caveats) }
    }

    /// Why the answers to a check may differ, of a check or of a lookup.
    pub(super) fn known_difference(
        &self,
        requested: &Asked,
        kilwa: &Said,
        spicedb: &Said,
    ) -> Option<Known> {
        let failed =
            ["ERROR_REASON_CAVEAT_EVALUATION_ERROR", "ERROR_REASON_CAVEAT_PARAMETER_TYPE_ERROR"];
        if spicedb.is_refused_for(&failed) || kilwa.is_refused_for(&failed) {
            return Some(Known::FailedCaveat);
        }
        let covered = |stored: &Relationship| {
            stored.subject == Subject::Wildcard(requested.subject.object_type().to_owned())
        };
        if requested.subject.relation().is_some() && self.case.relationships.iter().any(covered) {
            return Some(Known::WildcardOfUsersets);
        }
        self.overlooks_caveats.then_some(Known::OverlookedCaveat)
    }

    /// Why what a relation or permission contributes to may differ.
    pub(super) fn from_schema(schema: &Schema) -> Option<Known> {
        schema.nodes().iter().any(takes_wildcards).then_some(Known::WildcardOfUsersets)
    }
}

fn takes_wildcards(node: &Node) -> bool {
    match &node.rule {
        Rule::Relation(forms) => forms.iter().any(|form| form.form == AllowedForm::Wildcard),
        Rule::Permission(_) => false,
    }
}

/// Whether `SpiceDB` overlooks caveated or expiring subjects in this relation.
pub(crate) fn overlooks_caveats(node: &Node) -> bool {
    let Rule::Relation(forms) = &node.rule else {
        return false;
    };
    forms.iter().any(|left| {
        forms.iter().any(|right| {
            left.definition == right.definition
                && left.form != right.form
                && (left.caveat.is_some(), left.expires) != (right.caveat.is_some(), right.expires)
        })
    })
}
