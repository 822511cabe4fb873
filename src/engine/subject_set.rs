//! Sets of subjects of one kind, and how they combine.
//!
//! A set is a function: it gives each id its value, as a check of that subject would. Ids that a relationship names have an
//! entry, all others share one value, the *rest*, which only wildcards raise above *no*. So every operation is that of the
//! values, id by id, and a list made of it agrees with checks.

use super::finding::Truth;
use std::iter;
use std::sync::Arc;

/// A set of subjects. Ids are positions in a sorted list of those that matter.
#[derive(Clone, Debug)]
pub(super) struct Set {
    /// The value of every id that has no entry.
    pub(super) rest: Truth,
    /// In order of id.
    pub(super) entries: Vec<Entry>,
}

/// The value of one id.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: usize,
    pub(super) truth: Truth,
    /// Whether a relationship that names the id puts it into the set, rather than a wildcard that covers it.
    pub(super) named: bool,
}

impl Default for Set {
    fn default() -> Self {
        Self { rest: Truth::No, entries: Vec::new() }
    }
}

impl Set {
    /// Whoever is in any of these.
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
        let mut all: Vec<(usize, &Entry)> = sets
            .iter()
            .enumerate()
            .flat_map(|(at, set)| set.entries.iter().map(move |entry| (at, entry)))
            .collect();
        all.sort_by_key(|(_, entry)| entry.id);
        let mut both = Self { rest, entries: Vec::new() };
        for same in all.chunk_by(|(_, left), (_, right)| left.id == right.id) {
            let Some((_, first)) = same.first() else { continue };
            let covers = resting.iter().filter(|(at, _)| !same.iter().any(|(of, _)| of == at));
            let truths = same.iter().map(|(_, entry)| &entry.truth);
            let truth = truths
                .chain(covers.map(|(_, rest)| *rest))
                .fold(Truth::No, |found, truth| found.or(truth.clone()));
            let named = same.iter().any(|(_, entry)| entry.named);
            both.add(first.id, truth, named);
        }
        both
    }

    /// Whoever is in both.
    pub(super) fn and(&self, other: &Self) -> Self {
        self.joined(other, Truth::and, |left, right| left || right)
    }

    /// Whoever is in this one and not in the other.
    pub(super) fn and_not(&self, other: &Self) -> Self {
        self.joined(other, |left, right| left.and(right.not()), |left, _| left)
    }

    /// Whoever is in it, as far as the gate lets them.
    pub(super) fn under(&self, gate: &Truth) -> Self {
        let mut gated = Self { rest: self.rest.clone().and(gate.clone()), entries: Vec::new() };
        for Entry { id, truth, named } in &self.entries {
            gated.add(*id, truth.clone().and(gate.clone()), *named);
        }
        gated
    }

    fn joined(
        &self,
        other: &Self,
        join: impl Fn(Truth, Truth) -> Truth,
        named: impl Fn(bool, bool) -> bool,
    ) -> Self {
        let rest = join(self.rest.clone(), other.rest.clone());
        let mut both = Self { rest, entries: Vec::new() };
        for (id, left, right) in self.beside(other) {
            let truth = join(self.value(left).clone(), other.value(right).clone());
            let is_named = |entry: Option<&Entry>| entry.is_some_and(|entry| entry.named);
            both.add(id, truth, named(is_named(left), is_named(right)));
        }
        both
    }

    /// Adds the value of the next id, unless it says no more than the rest does.
    pub(super) fn add(&mut self, id: usize, truth: Truth, named: bool) {
        let named = named && !truth.is_no();
        if named || truth != self.rest {
            self.entries.push(Entry { id, truth, named });
        }
    }

    /// The value of what may have an entry.
    fn value<'a>(&'a self, entry: Option<&'a Entry>) -> &'a Truth {
        entry.map_or(&self.rest, |entry| &entry.truth)
    }

    /// Every id that has an entry in either set, with both entries.
    fn beside<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (usize, Option<&'a Entry>, Option<&'a Entry>)> {
        let (mut left, mut right) =
            (self.entries.iter().peekable(), other.entries.iter().peekable());
        iter::from_fn(move || {
            let next = [left.peek(), right.peek()];
            let id = next.into_iter().flatten().map(|entry| entry.id).min()?;
            let of_id = |entry: &&Entry| entry.id == id;
            Some((id, left.next_if(of_id), right.next_if(of_id)))
        })
    }

    /// Whether both have the same values, whatever the reasons of those that are neither *yes* nor *no*.
    pub(super) fn has_values_of(&self, other: &Self) -> bool {
        let same = |left: &Truth, right: &Truth| {
            (left.is_yes(), left.is_no()) == (right.is_yes(), right.is_no())
        };
        same(&self.rest, &other.rest)
            && self.beside(other).all(|(_, left, right)| same(self.value(left), other.value(right)))
    }

    /// Whether both are the same in everything.
    pub(super) fn is(&self, other: &Self) -> bool {
        let named = |entry: Option<&Entry>| entry.is_some_and(|entry| entry.named);
        self.rest == other.rest
            && self.beside(other).all(|(_, left, right)| {
                self.value(left) == other.value(right) && named(left) == named(right)
            })
    }

    /// Takes their reasons from the values that are neither *yes* nor *no*.
    pub(super) fn forget_reasons(&mut self) {
        let entries = self.entries.iter_mut().map(|entry| &mut entry.truth);
        for truth in entries.chain([&mut self.rest]) {
            if !truth.is_yes() && !truth.is_no() {
                *truth = Truth::Conditional(Arc::default());
            }
        }
    }
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
    fn set(text: &str) -> Set {
        let words: Vec<(&str, Truth)> = text
            .split_whitespace()
            .map(|word| match word.strip_suffix(']').and_then(|word| word.split_once('[')) {
                Some((id, name)) => (id, truth(Some(name))),
                None => (word, truth(None)),
            })
            .collect();
        let rest =
            words.iter().find(|(id, _)| *id == "*").map_or(Truth::No, |(_, rest)| rest.clone());
        let mut set = Set { rest: rest.clone(), entries: Vec::new() };
        for (at, id) in IDS.iter().enumerate() {
            if let Some((_, truth)) = words.iter().find(|(word, _)| word == id) {
                set.add(at, truth.clone().or(rest.clone()), true);
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

    fn shown(set: &Set) -> String {
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
            assert_eq!(shown(&Set::union(&[&left_set, &right_set])), union, "{left} + {right}");
            assert_eq!(shown(&left_set.and(&right_set)), intersection, "{left} & {right}");
            assert_eq!(shown(&left_set.and_not(&right_set)), exclusion, "{left} - {right}");
        }
    }

    #[test]
    fn a_gate_lets_through_what_it_says() {
        assert_eq!(shown(&set("* p[a]").under(&truth(Some("b")))), "p=b *=b");
        assert_eq!(shown(&set("p[a] q").under(&Truth::No)), "");
        assert_eq!(shown(&set("p[a] q").under(&Truth::Yes)), "p=a q=yes");
    }
}
