//! One equation for each (object, relation or permission) that a check can depend on.

use super::rules::{Body, Rules, Term, Walk};
use kilwa::caveat::{CaveatResult, Steps};
use kilwa::relationship::{Context, ObjectRef, Relationship, Subject};
use kilwa::schema::Schema;
use std::collections::{BTreeMap, BTreeSet};

/// A relation or permission of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pair {
    pub(crate) object: ObjectRef,
    pub(crate) node: String,
}

/// Relationships by resource and relation.
pub(crate) struct Relationships(BTreeMap<Pair, Vec<Relationship>>);

impl FromIterator<Relationship> for Relationships {
    fn from_iter<I: IntoIterator<Item = Relationship>>(relationships: I) -> Self {
        let mut by_pair: BTreeMap<Pair, Vec<Relationship>> = BTreeMap::new();
        for relationship in relationships {
            let object = relationship.resource.clone();
            let pair = Pair { object, node: relationship.relation.clone() };
            by_pair.entry(pair).or_default().push(relationship);
        }
        Self(by_pair)
    }
}

/// The right side of an equation.
#[derive(Clone, Debug)]
pub(crate) enum Formula {
    No,
    Yes,
    /// Decided by a caveat that cannot be evaluated to the end: names are missing, or the evaluation fails.
    Unknown(Unknown),
    /// The left side of another equation.
    Of(usize),
    Any(Vec<Formula>),
    All(Vec<Formula>),
    /// In the first, and not on the left side of the other equation.
    Without(Box<Formula>, usize),
}

/// Why something is not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Unknown {
    /// The names that the context lacks.
    pub(crate) missing: BTreeSet<String>,
    /// Whether the evaluation of a caveat failed.
    pub(crate) failed: bool,
    /// Whether something depends on its own opposite.
    pub(crate) undefined: bool,
}

/// Equations by position.
#[derive(Debug, Default)]
pub(crate) struct Equations {
    /// Where each pair's equation is.
    pub(crate) positions: BTreeMap<Pair, usize>,
    pub(crate) formulas: Vec<Formula>,
}

/// The subject, and its context.
pub(crate) struct Asker<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) schema: &'a Schema,
    pub(crate) relationships: &'a Relationships,
    pub(crate) subject: &'a Subject,
    pub(crate) context: &'a Context,
}

impl Asker<'_> {
    /// The equations of these pairs and of everything that they depend on.
    pub(crate) fn equations(&self, roots: Vec<Pair>) -> Equations {
        let mut writer = Writer { asker: self, equations: Equations::default(), open: Vec::new() };
        for root in roots {
            writer.position(root.object, &root.node);
        }
        while let Some((pair, position)) = writer.open.pop() {
            writer.equations.formulas[position] = writer.pair(&pair);
        }
        writer.equations
    }

    /// What a relationship's caveat contributes.
    fn caveat(&self, relationship: &Relationship) -> Formula {
        let Some(carried) = &relationship.caveat else {
            return Formula::Yes;
        };
        let id = self.schema.find_caveat(&carried.name).expect("a relationship's caveat exists");
        match self.schema.caveat(id).evaluate(&carried.context, self.context, &Steps::default()) {
            Ok(CaveatResult::True) => Formula::Yes,
            Ok(CaveatResult::False) => Formula::No,
            Ok(CaveatResult::Missing(missing)) => {
                Formula::Unknown(Unknown { missing, ..Unknown::default() })
            }
            Err(_) => Formula::Unknown(Unknown { failed: true, ..Unknown::default() }),
        }
    }
}

struct Writer<'a> {
    asker: &'a Asker<'a>,
    equations: Equations,
    open: Vec<(Pair, usize)>,
}

impl Writer<'_> {
    /// Where the equation of a pair is or will be.
    fn position(&mut self, object: ObjectRef, node: &str) -> usize {
        let pair = Pair { object, node: node.to_owned() };
        if let Some(position) = self.equations.positions.get(&pair) {
            return *position;
        }
        let position = self.add(Formula::No);
        self.equations.positions.insert(pair.clone(), position);
        self.open.push((pair, position));
        position
    }

    fn add(&mut self, formula: Formula) -> usize {
        self.equations.formulas.push(formula);
        self.equations.formulas.len() - 1
    }

    fn pair(&mut self, pair: &Pair) -> Formula {
        let Pair { object, node } = pair;
        // A userset contains itself, whatever the data and the expression say.
        if *self.asker.subject == Subject::Userset(object.clone(), node.clone()) {
            return Formula::Yes;
        }
        match self.asker.rules.body(object.object_type(), node).expect("the name exists") {
            Body::Relation => Formula::Any(self.stored(pair, Self::subject)),
            Body::Permission(term) => self.term(object, term),
        }
    }

    /// One formula for each relationship of the pair: its caveat, and what its subject means.
    fn stored(
        &mut self,
        pair: &Pair,
        mut meaning: impl FnMut(&mut Self, &Subject) -> Formula,
    ) -> Vec<Formula> {
        let asker = self.asker;
        let relationships = asker.relationships.0.get(pair).map(Vec::as_slice).unwrap_or_default();
        relationships
            .iter()
            .map(|stored| Formula::All(vec![asker.caveat(stored), meaning(self, &stored.subject)]))
            .collect()
    }

    /// Whether the subject is a stored subject, or in it.
    fn subject(&mut self, stored: &Subject) -> Formula {
        match (stored, self.asker.subject) {
            (stored, asking) if stored == asking => Formula::Yes,
            (Subject::Wildcard(object_type), Subject::Object(asking))
                if object_type == asking.object_type() =>
            {
                Formula::Yes
            }
            (Subject::Userset(object, node), _) => Formula::Of(self.position(object.clone(), node)),
            (Subject::Object(_) | Subject::Wildcard(_), _) => Formula::No,
        }
    }

    fn term(&mut self, object: &ObjectRef, term: &Term) -> Formula {
        match term {
            Term::Itself if *self.asker.subject == Subject::Object(object.clone()) => Formula::Yes,
            Term::Itself | Term::Nil => Formula::No,
            Term::Name(name) => Formula::Of(self.position(object.clone(), name)),
            Term::Arrow { tupleset, walk, target } => {
                let pair = Pair { object: object.clone(), node: tupleset.clone() };
                let found = self.stored(&pair, |writer, subject| writer.target(subject, target));
                match walk {
                    Walk::Arrow | Walk::Any => Formula::Any(found),
                    Walk::All if found.is_empty() => Formula::No,
                    Walk::All => Formula::All(found),
                }
            }
            Term::Union(terms) => Formula::Any(self.terms(object, terms)),
            Term::Intersection(terms) => Formula::All(self.terms(object, terms)),
            Term::Exclusion(base, subtracted) => {
                let base = self.term(object, base);
                let subtracted = self.term(object, subtracted);
                Formula::Without(Box::new(base), self.add(subtracted))
            }
        }
    }

    fn terms(&mut self, object: &ObjectRef, terms: &[Term]) -> Vec<Formula> {
        terms.iter().map(|term| self.term(object, term)).collect()
    }

    /// What an arrow finds on one subject of its tupleset, whose own relation does not matter.
    fn target(&mut self, stored: &Subject, target: &str) -> Formula {
        match stored {
            Subject::Object(object) | Subject::Userset(object, _)
                if self.asker.rules.body(object.object_type(), target).is_some() =>
            {
                Formula::Of(self.position(object.clone(), target))
            }
            Subject::Object(_) | Subject::Userset(..) | Subject::Wildcard(_) => Formula::No,
        }
    }
}
