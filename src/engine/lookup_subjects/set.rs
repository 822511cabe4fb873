//! Sets of subjects of one kind, and their operations.
//!
//! A set is a function from ids to values: each id has the value that a check of that subject would have. Ids that a
//! relationship names have an entry. All others share one value, the *rest*, which only wildcards raise above *no*. Every
//! operation is the operation on values, id by id, so the resulting list agrees with checks.
//!
//! Two undecided values are equal when the same parameters are missing, even if their conditions differ. So an entry is
//! not compared with the rest to decide whether the rest represents it: each entry carries its [`Bounds`], which follow
//! from the operations and hold in every context.

use crate::engine::truth::{EvalFault, Truth};
use std::iter;
use std::sync::Arc;

/// A set of subjects. Ids are indexes into the sorted ids of a window.
#[derive(Clone, Debug)]
pub(super) struct ValueSet {
    /// The value of every id that has no entry.
    pub(super) rest: Truth,
    /// In order of id.
    pub(super) entries: Vec<SubjectEntry>,
}

/// The value of one id.
#[derive(Clone, Debug)]
pub(super) struct SubjectEntry {
    pub(super) id: usize,
    pub(super) truth: Truth,
    /// Whether a relationship that names the id adds it to the set, rather than a wildcard that covers it.
    pub(super) named: bool,
    pub(super) bounds: Bounds,
}

/// How the value of an id compares with the rest, in every context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The id's value is that of the rest, or more.
    pub(super) at_least: bool,
    /// The id's value is that of the rest, or less.
    pub(super) at_most: bool,
}

impl Bounds {
    /// The id has the value of the rest.
    const SAME: Self = Self { at_least: true, at_most: true };
    /// The id has a condition of its own.
    const OWN: Self = Self { at_least: false, at_most: false };
    /// A relationship adds the id to the set that a wildcard covers.
    const ADDED: Self = Self { at_least: true, at_most: false };

    fn and(self, other: Self) -> Self {
        Self { at_least: self.at_least && other.at_least, at_most: self.at_most && other.at_most }
    }

    /// The bounds of the negated value, compared with the negated rest.
    fn not(self) -> Self {
        Self { at_least: self.at_most, at_most: self.at_least }
    }

    /// Adds the bounds that follow from decided values.
    fn decided(self, truth: &Truth, rest: &Truth) -> Self {
        Self {
            at_least: self.at_least || truth.is_yes() || rest.is_no(),
            at_most: self.at_most || truth.is_no() || rest.is_yes(),
        }
    }
}

impl Default for ValueSet {
    fn default() -> Self {
        Self::from_rest(Truth::No)
    }
}

impl ValueSet {
    /// The set in which every id has this value.
    pub(super) fn from_rest(rest: Truth) -> Self {
        Self { rest, entries: Vec::new() }
    }

    /// The union of these sets.
    pub(super) fn union(sets: &[&Self]) -> Self {
        if let [only] = sets {
            return (*only).clone();
        }
        let resting: Vec<(usize, &Truth)> = sets
            .iter()
            .enumerate()
            .filter_map(|(at, set)| (!set.rest.is_no()).then_some((at, &set.rest)))
            .collect();
        let rest = resting.iter().fold(Truth::No, |found, (_, rest)| found.or((*rest).clone()));

        let mut all: Vec<(usize, &SubjectEntry)> = sets
            .iter()
            .enumerate()
            .flat_map(|(at, set)| set.entries.iter().map(move |entry| (at, entry)))
            .collect();
        all.sort_by_key(|(_, entry)| entry.id);

        let mut both = Self::from_rest(rest);
        for same in all.chunk_by(|(_, left), (_, right)| left.id == right.id) {
            let Some((_, first)) = same.first() else { continue };
            let covers = resting.iter().filter(|(at, _)| !same.iter().any(|(of, _)| of == at));
            let truths = same.iter().map(|(_, entry)| &entry.truth);
            let truth = truths
                .chain(covers.map(|(_, rest)| *rest))
                .fold(Truth::No, |found, truth| found.or(truth.clone()));
            let named = same.iter().any(|(_, entry)| entry.named);
            let bounds = same.iter().fold(Bounds::SAME, |all, (_, entry)| all.and(entry.bounds));
            both.add(first.id, truth, named, bounds);
        }
        both
    }

    /// The intersection.
    pub(super) fn and(&self, other: &Self) -> Self {
        self.joined(other, Truth::and, |left, right| left || right, Bounds::and)
    }

    /// The exclusion: this set without the other.
    pub(super) fn and_not(&self, other: &Self) -> Self {
        let truth = |left: Truth, right: Truth| left.and(right.not());
        self.joined(other, truth, |left, _| left, |left, right| left.and(right.not()))
    }

    /// The set restricted by the value of a caveat.
    pub(super) fn under(&self, gate: &Truth) -> Self {
        let mut gated = Self::from_rest(self.rest.clone().and(gate.clone()));
        for SubjectEntry { id, truth, named, bounds } in &self.entries {
            gated.add(*id, truth.clone().and(gate.clone()), *named, *bounds);
        }
        gated
    }

    /// The values on which a lower and an upper estimate agree, and the fault where they do not; without reasons.
    pub(super) fn agreed(&self, upper: &Self, fault: &Arc<EvalFault>) -> Self {
        let truth = |lower: Truth, upper: Truth| {
            if class(&lower) != class(&upper) {
                Truth::Fault(Arc::clone(fault))
            } else if lower.is_undecided() {
                Truth::Conditional(Arc::default())
            } else {
                lower
            }
        };
        self.joined(upper, truth, |left, right| left || right, |_, _| Bounds::OWN)
    }

    fn joined(
        &self,
        other: &Self,
        join: impl Fn(Truth, Truth) -> Truth,
        named: impl Fn(bool, bool) -> bool,
        bounds: impl Fn(Bounds, Bounds) -> Bounds,
    ) -> Self {
        let mut both = Self::from_rest(join(self.rest.clone(), other.rest.clone()));
        for (id, left, right) in self.entry_pairs(other) {
            let truth = join(self.value(left).clone(), other.value(right).clone());
            let named = named(is_named(left), is_named(right));
            both.add(id, truth, named, bounds(bounds_of(left), bounds_of(right)));
        }
        both
    }

    /// Adds the next id, which a relationship names.
    pub(super) fn add_named(&mut self, id: usize, truth: Truth) {
        let truth = truth.or(self.rest.clone());
        self.add(id, truth, true, Bounds::ADDED);
    }

    /// Adds the value of the next id, unless the rest represents it in every context.
    fn add(&mut self, id: usize, truth: Truth, named: bool, bounds: Bounds) {
        let named = named && !truth.is_no();
        let bounds = bounds.decided(&truth, &self.rest);
        debug_assert!(
            bounds != Bounds::SAME || class(&truth) == class(&self.rest),
            "bounds hold in the known context"
        );
        if named || bounds != Bounds::SAME {
            self.entries.push(SubjectEntry { id, truth, named, bounds });
        }
    }

    /// The value of an id.
    pub(super) fn truth(&self, id: usize) -> &Truth {
        self.value(self.entries.iter().find(|entry| entry.id == id))
    }

    /// The value of an id with an optional entry.
    fn value<'a>(&'a self, entry: Option<&'a SubjectEntry>) -> &'a Truth {
        entry.map_or(&self.rest, |entry| &entry.truth)
    }

    /// Every id with an entry in either set, with both entries.
    fn entry_pairs<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (usize, Option<&'a SubjectEntry>, Option<&'a SubjectEntry>)> {
        let (mut left, mut right) =
            (self.entries.iter().peekable(), other.entries.iter().peekable());
        iter::from_fn(move || {
            let next = [left.peek(), right.peek()];
            let id = next.into_iter().flatten().map(|entry| entry.id).min()?;
            let of_id = |entry: &&SubjectEntry| entry.id == id;
            Some((id, left.next_if(of_id), right.next_if(of_id)))
        })
    }

    /// Whether both sets have the same values, ignoring the reasons of undecided ones.
    pub(super) fn has_values_of(&self, other: &Self) -> bool {
        let same = |left: &Truth, right: &Truth| class(left) == class(right);
        same(&self.rest, &other.rest)
            && self
                .entry_pairs(other)
                .all(|(_, left, right)| same(self.value(left), other.value(right)))
    }

    /// Whether both sets are identical.
    pub(super) fn is_identical(&self, other: &Self) -> bool {
        self.rest == other.rest
            && self.entry_pairs(other).all(|(_, left, right)| {
                self.value(left) == other.value(right)
                    && is_named(left) == is_named(right)
                    && bounds_of(left) == bounds_of(right)
            })
    }

    /// Removes the reasons of undecided values and assumes that the values are those of the rest; both are computed again
    /// from the operands.
    pub(super) fn clear_reasons(&mut self) {
        if self.rest.is_undecided() {
            self.rest = Truth::Conditional(Arc::default());
        }
        for entry in self.entries.iter_mut().filter(|entry| entry.truth.is_undecided()) {
            entry.truth = Truth::Conditional(Arc::default());
            // Only as far as the values allow: an entry with both bounds would be left out.
            entry.bounds = Bounds { at_least: !self.rest.is_yes(), at_most: !self.rest.is_no() };
        }
    }

    /// Assumes that every undecided value has a condition of its own.
    pub(super) fn assume_own_conditions(&mut self) {
        for entry in self.entries.iter_mut().filter(|entry| entry.truth.is_undecided()) {
            entry.bounds = Bounds::OWN.decided(&entry.truth, &self.rest);
        }
    }
}

/// *No*, undecided or *yes*.
fn class(truth: &Truth) -> (bool, bool) {
    (truth.is_no(), truth.is_yes())
}

fn is_named(entry: Option<&SubjectEntry>) -> bool {
    entry.is_some_and(|entry| entry.named)
}

fn bounds_of(entry: Option<&SubjectEntry>) -> Bounds {
    entry.map_or(Bounds::SAME, |entry| entry.bounds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const IDS: [&str; 4] = ["p", "q", "x", "y"];

    fn truth(condition: Option<&str>) -> Truth {
        condition.map_or(Truth::Yes, |name| {
            Truth::Conditional(Arc::new(BTreeSet::from([name.to_owned()])))
        })
    }

    /// Reads `p q[a] *[b]`.
    fn set(text: &str) -> ValueSet {
        let words: Vec<(&str, Truth)> = text
            .split_whitespace()
            .map(|word| match word.strip_suffix(']').and_then(|word| word.split_once('[')) {
                Some((id, name)) => (id, truth(Some(name))),
                None => (word, truth(None)),
            })
            .collect();
        let rest =
            words.iter().find(|(id, _)| *id == "*").map_or(Truth::No, |(_, rest)| rest.clone());
        let mut set = ValueSet::from_rest(rest);
        for (at, id) in IDS.iter().enumerate() {
            if let Some((_, truth)) = words.iter().find(|(word, _)| word == id) {
                set.add_named(at, truth.clone());
            }
        }
        set
    }

    fn value(truth: &Truth) -> String {
        match truth {
            Truth::No => "no".to_owned(),
            Truth::Yes => "yes".to_owned(),
            Truth::Conditional(names) => Vec::from_iter((**names).clone()).join(","),
            Truth::Fault(_) => "fault".to_owned(),
        }
    }

    fn shown(set: &ValueSet) -> String {
        let entries = set.entries.iter().map(|entry| {
            let mark = if entry.named { "" } else { "~" };
            format!("{mark}{}={}", IDS[entry.id], value(&entry.truth))
        });
        let rest = (!set.rest.is_no()).then(|| format!("*={}", value(&set.rest)));
        entries.chain(rest).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn operations_are_those_of_the_values() {
        for (left, right, union, intersection, exclusion) in [
            ("p q", "q[a]", "p=yes q=yes", "q=a", "p=yes q=a"),
            ("p[a]", "p[b]", "p=a,b", "p=a,b", "p=a,b"),
            ("* x", "x y[b]", "x=yes y=yes *=yes", "x=yes y=b", "~x=no ~y=b *=yes"),
            ("*[a] p", "p[b] q", "p=yes q=yes *=a", "p=b q=a", "p=b ~q=no *=a"),
            ("p", "*", "p=yes *=yes", "p=yes", ""),
            ("*[a]", "*", "*=yes", "*=a", ""),
            ("*", "*[a]", "*=yes", "*=a", "*=a"),
        ] {
            let (left_set, right_set) = (set(left), set(right));
            assert_eq!(
                shown(&ValueSet::union(&[&left_set, &right_set])),
                union,
                "{left} + {right}"
            );

            assert_eq!(shown(&left_set.and(&right_set)), intersection, "{left} & {right}");
            assert_eq!(shown(&left_set.and_not(&right_set)), exclusion, "{left} - {right}");
        }
    }

    /// The list of a set: the ids excluded from the wildcard, and the listed ids.
    fn listed(set: &ValueSet) -> String {
        let entries = set.entries.iter().map(|SubjectEntry { id, truth, named, bounds }| {
            let excepted = if bounds.at_least { "" } else { "-" };
            let listed = !truth.is_no() && (*named || !bounds.at_most);
            format!("{excepted}{}{}", IDS[*id], if listed { "+" } else { "" })
        });
        entries.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn equal_reasons_are_not_taken_for_equal_conditions() {
        for (left, right, union, intersection, exclusion) in [
            ("*[a]", "p[a]", "p+", "p+", "-p"),
            ("*[a] q[a]", "p[a]", "p+ q+", "p+", "-p q+"),
            ("*[a] p[a]", "p[a]", "p+", "p+", "-p+"),
            ("*[a]", "*[a] p[a]", "p+", "p+", "-p"),
            ("*[a]", "*[a]", "", "", ""),
        ] {
            let (left_set, right_set) = (set(left), set(right));
            assert_eq!(
                listed(&ValueSet::union(&[&left_set, &right_set])),
                union,
                "{left} + {right}"
            );
            assert_eq!(listed(&left_set.and(&right_set)), intersection, "{left} & {right}");
            assert_eq!(listed(&left_set.and_not(&right_set)), exclusion, "{left} - {right}");
        }
    }

    #[test]
    fn an_id_that_is_less_excluded_than_the_rest_is_listed() {
        let pardoned = set("*[a]").and_not(&set("*[a]").and_not(&set("p[a]")));
        assert_eq!(listed(&pardoned), "p+");
    }

    #[test]
    fn a_gate_lets_through_what_it_says() {
        assert_eq!(shown(&set("* p[a]").under(&truth(Some("b")))), "p=b *=b");
        assert_eq!(shown(&set("p[a] q").under(&Truth::No)), "");
        assert_eq!(shown(&set("p[a] q").under(&Truth::Yes)), "p=a q=yes");
    }
}
