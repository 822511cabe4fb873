//! Sets of subjects with wildcards, exclusions and conditions.
//!
//! This is an algebra of its own, not that of `engine::lookup_subjects`, on purpose. A validation file states who is in a
//! set *under some caveat* (`[...]`) and *through which relations*, without a context: so a condition is a flag here and
//! never evaluated, and every subject keeps the relations that name it. `LookupSubjects` evaluates caveats in a context, and
//! gives each id one value without provenance. Neither can be computed from the other. They share no code, so a file with
//! assertions and expected relations of one permission compares the engine with an independent expansion.
//!
//! A condition is only known to be there or not: nothing here evaluates a caveat. In the comments, `x[c]` is `x`
//! under a condition and `* - {x}` the wildcard without `x`.

use crate::relationship::Subject;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How a subject came into a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Provenance {
    /// Whether it is in only under a condition.
    pub(super) conditional: bool,
    /// The relations, written `type:id#relation`, whose relationships name it.
    pub(super) through: BTreeSet<Arc<str>>,
}

/// The wildcard in a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WildcardEntry {
    pub(super) found: Provenance,
    /// The ids that it does not cover, and whether each is left out only under a condition.
    pub(super) exclusions: BTreeMap<String, bool>,
}

/// Subjects of one type and relation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TypeSubjects {
    pub(super) concrete: BTreeMap<String, Provenance>,
    pub(super) wildcard: Option<WildcardEntry>,
}

/// The type of subjects, and their relation when they are usersets.
pub(super) type SubjectType = (String, Option<String>);

/// Subjects of any type and relation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SubjectSet {
    pub(super) forms: BTreeMap<SubjectType, TypeSubjects>,
}

impl Provenance {
    /// In through either.
    fn or(&mut self, other: &Provenance) {
        self.conditional &= other.conditional;
        self.through.extend(other.through.iter().cloned());
    }

    /// In through both.
    fn and(&self, other: &Provenance) -> Provenance {
        let through = self.through.union(&other.through).cloned().collect();
        Provenance { conditional: self.conditional || other.conditional, through }
    }

    fn under(&self, conditional: bool) -> Provenance {
        Provenance { conditional: self.conditional || conditional, through: self.through.clone() }
    }
}

impl SubjectSet {
    pub(super) fn add(&mut self, subject: &Subject, found: Provenance) {
        let form = (subject.object_type().to_owned(), subject.relation().map(str::to_owned));
        let mut one = TypeSubjects::default();
        match subject {
            Subject::Wildcard(_) => {
                one.wildcard = Some(WildcardEntry { found, exclusions: BTreeMap::new() });
            }
            Subject::Object(_) | Subject::Userset(..) => {
                one.concrete.insert(subject.object_id().to_owned(), found);
            }
        }
        self.forms.entry(form).or_default().unite(&one);
    }

    pub(super) fn unite(&mut self, other: &SubjectSet) {
        for (form, set) in &other.forms {
            self.forms.entry(form.clone()).or_default().unite(set);
        }
    }

    pub(super) fn intersect(&self, other: &SubjectSet) -> SubjectSet {
        let both = |(form, left): (&SubjectType, &TypeSubjects)| {
            Some((form.clone(), left.intersect(other.forms.get(form)?)))
        };
        SubjectSet { forms: self.forms.iter().filter_map(both).collect() }
    }

    pub(super) fn subtract(&self, other: &SubjectSet) -> SubjectSet {
        let rest = |(form, base): (&SubjectType, &TypeSubjects)| {
            let rest = other.forms.get(form).map_or_else(|| base.clone(), |set| base.subtract(set));
            (form.clone(), rest)
        };
        SubjectSet { forms: self.forms.iter().map(rest).collect() }
    }

    /// Puts everything under a condition.
    pub(super) fn make_conditional(&mut self) {
        for set in self.forms.values_mut() {
            set.concrete.values_mut().for_each(|found| found.conditional = true);
            if let Some(wildcard) = &mut set.wildcard {
                wildcard.found.conditional = true;
            }
        }
    }

    /// How many subjects and exclusions there are.
    pub(super) fn len(&self) -> usize {
        self.forms.values().map(TypeSubjects::len).sum()
    }
}

impl TypeSubjects {
    fn len(&self) -> usize {
        self.concrete.len()
            + self.wildcard.as_ref().map_or(0, |wildcard| 1 + wildcard.exclusions.len())
    }

    fn unite(&mut self, other: &TypeSubjects) {
        for (id, found) in &other.concrete {
            self.unite_one(id, found);
        }
        match (&mut self.wildcard, &other.wildcard) {
            (Some(left), Some(right)) => left.unite(right),
            (None, Some(right)) => self.wildcard = Some(right.clone()),
            (_, None) => {}
        }
        self.settle();
    }

    fn unite_one(&mut self, id: &str, found: &Provenance) {
        match self.concrete.get_mut(id) {
            Some(known) => known.or(found),
            None => drop(self.concrete.insert(id.to_owned(), found.clone())),
        }
    }

    /// A listed id is not excluded: `x` beside `* - {x}` ends the exclusion, `x[c]` puts it under a condition.
    fn settle(&mut self) {
        let Some(wildcard) = &mut self.wildcard else { return };
        let concrete = &self.concrete;
        wildcard.exclusions.retain(|id, conditional| {
            let listed = concrete.get(id);
            *conditional |= listed.is_some();
            listed.is_none_or(|found| found.conditional)
        });
    }

    fn intersect(&self, other: &TypeSubjects) -> TypeSubjects {
        let mut both = TypeSubjects::default();
        for (id, left) in &self.concrete {
            if let Some(right) = other.concrete.get(id) {
                both.unite_one(id, &left.and(right));
            }
        }
        both.add_covered(&self.concrete, other.wildcard.as_ref());
        both.add_covered(&other.concrete, self.wildcard.as_ref());
        if let (Some(left), Some(right)) = (&self.wildcard, &other.wildcard) {
            both.wildcard = Some(left.intersect(right));
        }
        both.settle();
        both
    }

    /// Adds those of `concrete` that the wildcard covers. They were found where they are named; that the wildcard
    /// agrees only adds its condition.
    fn add_covered(
        &mut self,
        concrete: &BTreeMap<String, Provenance>,
        wildcard: Option<&WildcardEntry>,
    ) {
        let Some(wildcard) = wildcard else { return };
        for (id, found) in concrete {
            match wildcard.exclusions.get(id) {
                Some(false) => {}
                excluded => {
                    let conditional = wildcard.found.conditional || excluded.is_some();
                    self.unite_one(id, &found.under(conditional));
                }
            }
        }
    }

    fn subtract(&self, other: &TypeSubjects) -> TypeSubjects {
        let mut rest = TypeSubjects::default();
        for (id, found) in &self.concrete {
            if let Some(conditional) = other.leaves(id) {
                rest.unite_one(id, &found.under(conditional));
            }
        }
        let Some(wildcard) = &self.wildcard else { return rest };
        if let Some(subtracted) = &other.wildcard {
            for (id, excluded) in &subtracted.exclusions {
                if let Some(conditional) = wildcard.covers(id) {
                    rest.unite_one(id, &wildcard.found.under(*excluded || conditional));
                }
            }
        }
        rest.wildcard = wildcard.subtract(other);
        rest.settle();
        rest
    }

    /// Whether an id stays when this set is taken away: `None` when not, else whether under a condition.
    fn leaves(&self, id: &str) -> Option<bool> {
        let named = match self.concrete.get(id) {
            Some(found) if !found.conditional => return None,
            named => named.is_some(),
        };
        let Some(wildcard) = &self.wildcard else { return Some(named) };
        match wildcard.exclusions.get(id) {
            Some(false) => Some(named),
            Some(true) => Some(true),
            None => wildcard.found.conditional.then_some(true),
        }
    }
}

impl WildcardEntry {
    fn unite(&mut self, other: &WildcardEntry) {
        self.found.or(&other.found);
        self.exclusions.retain(|id, conditional| match other.exclusions.get(id) {
            Some(other) => {
                *conditional |= other;
                true
            }
            None => false,
        });
    }

    fn intersect(&self, other: &WildcardEntry) -> WildcardEntry {
        let mut exclusions = self.exclusions.clone();
        for (id, conditional) in &other.exclusions {
            let both = exclusions.get(id).is_none_or(|known| *known) && *conditional;
            exclusions.insert(id.clone(), both);
        }
        WildcardEntry { found: self.found.and(&other.found), exclusions }
    }

    /// Whether an id is in: `None` when not, else whether its exclusion is conditional.
    fn covers(&self, id: &str) -> Option<bool> {
        match self.exclusions.get(id) {
            Some(false) => None,
            excluded => Some(excluded.is_some()),
        }
    }

    /// The rest of the wildcard without `other`; `None` when that holds an unconditional wildcard.
    fn subtract(&self, other: &TypeSubjects) -> Option<WildcardEntry> {
        let conditional = match &other.wildcard {
            Some(wildcard) if !wildcard.found.conditional => return None,
            wildcard => wildcard.is_some(),
        };
        let mut exclusions = self.exclusions.clone();
        for (id, found) in &other.concrete {
            let both = exclusions.get(id).is_none_or(|known| *known) && found.conditional;
            exclusions.insert(id.clone(), both);
        }
        Some(WildcardEntry { found: self.found.under(conditional), exclusions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `ann`, `ann[c]`, `*` and `*-ann-bob[c]`, separated by blanks.
    fn set(text: &str) -> SubjectSet {
        let mut set = TypeSubjects::default();
        let marked = |text: &str| match text.strip_suffix("[c]") {
            Some(id) => (id.to_owned(), true),
            None => (text.to_owned(), false),
        };
        for word in text.split_whitespace() {
            let mut parts = word.split('-').map(marked);
            let (id, conditional) = parts.next().unwrap();
            let found = Provenance { conditional, through: BTreeSet::new() };
            if id == "*" {
                set.wildcard = Some(WildcardEntry { found, exclusions: parts.collect() });
            } else {
                set.concrete.insert(id, found);
            }
        }
        SubjectSet { forms: BTreeMap::from([(("user".to_owned(), None), set)]) }
    }

    fn shown(set: &SubjectSet) -> String {
        let mark =
            |id: &str, conditional: bool| format!("{id}{}", if conditional { "[c]" } else { "" });
        let mut words = Vec::new();
        for set in set.forms.values() {
            words.extend(set.concrete.iter().map(|(id, found)| mark(id, found.conditional)));
            words.extend(set.wildcard.iter().map(|wildcard| {
                let exclusions = wildcard.exclusions.iter();
                let exclusions = exclusions.map(|(id, c)| format!("-{}", mark(id, *c)));
                mark("*", wildcard.found.conditional) + &exclusions.collect::<String>()
            }));
        }
        words.join(" ")
    }

    #[test]
    fn union() {
        for (left, right, both) in [
            ("a[c]", "a[c]", "a[c]"),
            ("a[c]", "a", "a"),
            ("*-p", "*-q", "*"),
            ("*-p", "*-p[c]", "*-p[c]"),
            ("*-p", "p", "p *"),
            ("*-p", "p[c]", "p[c] *-p[c]"),
            ("p", "*", "p *"),
            ("*[c] p", "p[c] q", "p q *[c]"),
            ("*[c]", "*", "*"),
        ] {
            let mut united = set(left);
            united.unite(&set(right));
            assert_eq!(shown(&united), both, "{left} + {right}");
        }
    }

    #[test]
    fn intersection() {
        for (left, right, both) in [
            ("a b", "b[c]", "b[c]"),
            ("p", "*", "p"),
            ("p", "*-p", ""),
            ("p", "*-p[c]", "p[c]"),
            ("*-p", "*-q", "*-p-q"),
            ("*-p[c]", "*-p", "*-p"),
            ("*[c]", "*", "*[c]"),
            ("*[c] p", "p[c] q", "p[c] q[c]"),
        ] {
            let found = shown(&set(left).intersect(&set(right)));
            assert_eq!(found, both, "{left} & {right}");
        }
    }

    #[test]
    fn subtraction() {
        let cases = [
            ("a b", "b", "a"),
            ("a", "a[c]", "a[c]"),
            ("p", "*", ""),
            ("p", "*-p", "p"),
            ("p", "*[c]", "p[c]"),
            ("p q", "*-p[c]", "p[c]"),
            ("* z", "x y[c]", "z *-x-y[c]"),
            ("*[c] p", "p[c] q", "p[c] *[c]-p[c]-q"),
            ("*[c]", "*", ""),
            ("*", "*-q", "q"),
            ("*-p", "*-q-p", "q"),
            ("*[c]-p", "*-q", "q[c]"),
            ("*", "*[c]-q", "q *[c]"),
        ];

        for (base, subtracted, rest) in cases {
            let found = shown(&set(base).subtract(&set(subtracted)));
            assert_eq!(found, rest, "{base} - {subtracted}");
        }
    }
}
