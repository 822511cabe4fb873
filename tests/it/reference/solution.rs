//! Solving the equations.
//!
//! Truth has three values in the order no < unknown < yes. Unions and intersections only grow with their operands, so
//! equations without exclusions have a least solution, found by starting from "no" everywhere and applying them until
//! nothing changes. An exclusion shrinks when its subtracted side grows. So the subtracted sides are read from an
//! estimate of the solution: solving with too large an estimate gives a solution that is too small, with this one
//! as the estimate one that is too large, and so on until both stand still (the alternating fixpoint). Where the two
//! agree, that is the answer; where they differ, something is a member exactly when it is not, which has no meaning. Whatever
//! depends on that and is not decided by something else has no meaning either.

use super::Answer;
use super::equations::{Equations, Formula, Pair, Unknown};
use std::collections::BTreeSet;

/// An answer of the reference.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    NotMember,
    Member,
    /// It depends on these names, which the context lacks.
    Conditional(BTreeSet<String>),
    /// It depends on a caveat whose evaluation fails.
    Failed,
    /// It depends on its own opposite.
    Undefined,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Truth {
    No,
    Unknown,
    Yes,
}

impl Truth {
    fn negated(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
            Self::Yes => Self::No,
        }
    }
}

/// The solution of a system of equations.
pub(crate) struct Solution {
    equations: Equations,
    values: Vec<Truth>,
    unknowns: Vec<Unknown>,
    circles: Circles,
}

impl Solution {
    pub(super) fn from_equations(equations: Equations) -> Self {
        let circles = Circles::of(&equations.formulas);
        let (lower, upper) = alternate(&equations.formulas);
        let undefined: Vec<bool> =
            lower.iter().zip(&upper).map(|(lower, upper)| lower != upper).collect();
        let value = |(lower, undefined): (&Truth, &bool)| {
            if *undefined { Truth::Unknown } else { *lower }
        };
        let values: Vec<Truth> = lower.iter().zip(&undefined).map(value).collect();
        let unknowns = unknowns(&equations.formulas, &values, &undefined);
        Self { equations, values, unknowns, circles }
    }

    /// The answer for one of the pairs that were asked for.
    pub(crate) fn answer(&self, pair: &Pair) -> Answer {
        let position = self.equations.positions[pair];
        let unknown = &self.unknowns[position];
        let verdict = match self.values[position] {
            Truth::No => Verdict::NotMember,
            Truth::Yes => Verdict::Member,
            Truth::Unknown if unknown.undefined => Verdict::Undefined,
            Truth::Unknown if unknown.failed => Verdict::Failed,
            Truth::Unknown => Verdict::Conditional(unknown.missing.clone()),
        };
        let cyclic = self.circles.reaches(position, &self.circles.in_circle);
        let cyclic_exclusion = self.circles.reaches(position, &self.circles.in_exclusion_circle);
        Answer { verdict, cyclic, cyclic_exclusion }
    }
}

fn alternate(formulas: &[Formula]) -> (Vec<Truth>, Vec<Truth>) {
    let mut upper = vec![Truth::Yes; formulas.len()];
    loop {
        let lower = least(formulas, &upper);
        let next = least(formulas, &lower);
        if next == upper {
            return (lower, upper);
        }
        upper = next;
    }
}

/// The least solution when subtracted sides are read from `subtracted`.
fn least(formulas: &[Formula], subtracted: &[Truth]) -> Vec<Truth> {
    let mut values = vec![Truth::No; formulas.len()];
    loop {
        let mut changed = false;
        for (position, formula) in formulas.iter().enumerate() {
            let value = truth(formula, &values, subtracted);
            changed |= value != values[position];
            values[position] = value;
        }
        if !changed {
            return values;
        }
    }
}

fn truth(formula: &Formula, values: &[Truth], subtracted: &[Truth]) -> Truth {
    let truths = |formulas: &[Formula]| -> Vec<Truth> {
        formulas.iter().map(|formula| truth(formula, values, subtracted)).collect()
    };
    match formula {
        Formula::No => Truth::No,
        Formula::Yes => Truth::Yes,
        Formula::Unknown(_) => Truth::Unknown,
        Formula::Of(position) => values[*position],
        Formula::Any(formulas) => truths(formulas).into_iter().max().unwrap_or(Truth::No),
        Formula::All(formulas) => truths(formulas).into_iter().min().unwrap_or(Truth::Yes),
        Formula::Without(base, position) => {
            truth(base, values, subtracted).min(subtracted[*position].negated())
        }
    }
}

/// Why each unknown is unknown: what its unknown operands say, to the least fixpoint.
fn unknowns(formulas: &[Formula], values: &[Truth], undefined: &[bool]) -> Vec<Unknown> {
    let mut found = vec![Unknown::default(); formulas.len()];
    loop {
        let mut changed = false;
        for (position, formula) in formulas.iter().enumerate() {
            let mut unknown = reasons(formula, values, &found);
            unknown.undefined |= undefined[position];
            changed |= unknown != found[position];
            found[position] = unknown;
        }
        if !changed {
            return found;
        }
    }
}

fn reasons(formula: &Formula, values: &[Truth], found: &[Unknown]) -> Unknown {
    if truth(formula, values, values) != Truth::Unknown {
        return Unknown::default();
    }
    match formula {
        Formula::No | Formula::Yes => Unknown::default(),
        Formula::Unknown(unknown) => unknown.clone(),
        Formula::Of(position) => found[*position].clone(),
        Formula::Any(formulas) | Formula::All(formulas) => formulas
            .iter()
            .map(|formula| reasons(formula, values, found))
            .fold(Unknown::default(), merge),
        Formula::Without(base, position) => {
            merge(reasons(base, values, found), found[*position].clone())
        }
    }
}

fn merge(mut left: Unknown, right: Unknown) -> Unknown {
    left.missing.extend(right.missing);
    left.failed |= right.failed;
    left.undefined |= right.undefined;
    left
}

/// Which equations are in a cycle of dependencies, and in one through the right side of an exclusion.
struct Circles {
    needs: Vec<BTreeSet<usize>>,
    in_circle: BTreeSet<usize>,
    in_exclusion_circle: BTreeSet<usize>,
}

impl Circles {
    fn of(formulas: &[Formula]) -> Self {
        let mut needs = vec![BTreeSet::new(); formulas.len()];
        let mut subtracts = vec![BTreeSet::new(); formulas.len()];
        for (position, formula) in formulas.iter().enumerate() {
            collect_needs(formula, &mut needs[position], &mut subtracts[position]);
        }
        let mut circles =
            Self { needs, in_circle: BTreeSet::new(), in_exclusion_circle: BTreeSet::new() };
        let group = circles.groups();
        for position in 0..formulas.len() {
            let returns = |next: &usize| group[*next] == group[position];
            if circles.needs[position].iter().any(returns) {
                circles.in_circle.insert(position);
            }
            if subtracts[position].iter().any(returns) {
                circles.in_exclusion_circle.insert(position);
            }
        }
        circles
    }

    /// For each equation a number that it shares with exactly those that it needs and that need it, itself included.
    fn groups(&self) -> Vec<usize> {
        let mut needed_by = vec![BTreeSet::new(); self.needs.len()];
        for (position, needs) in self.needs.iter().enumerate() {
            for need in needs {
                needed_by[*need].insert(position);
            }
        }
        let unlimited = vec![None; self.needs.len()];
        let mut left = Vec::new();
        let mut seen = unlimited.clone();
        for start in 0..self.needs.len() {
            mark(&self.needs, start, start, &mut seen, &mut left);
        }
        let mut group = unlimited;
        for start in left.into_iter().rev() {
            mark(&needed_by, start, start, &mut group, &mut Vec::new());
        }
        group.into_iter().map(|number| number.expect("every equation was visited")).collect()
    }

    fn reaches(&self, from: usize, wanted: &BTreeSet<usize>) -> bool {
        let mut seen = vec![None; self.needs.len()];
        let mut left = Vec::new();
        mark(&self.needs, from, from, &mut seen, &mut left);
        left.iter().any(|position| wanted.contains(position))
    }
}

/// Walks depth first from `start` over what is not yet marked, marks it, and lists it in the order of leaving.
fn mark(
    edges: &[BTreeSet<usize>],
    start: usize,
    number: usize,
    marks: &mut [Option<usize>],
    left: &mut Vec<usize>,
) {
    if marks[start].is_some() {
        return;
    }
    marks[start] = Some(number);
    let mut path = vec![(start, edges[start].iter())];
    while let Some((position, rest)) = path.last_mut() {
        match rest.next() {
            Some(next) if marks[*next].is_none() => {
                marks[*next] = Some(number);
                path.push((*next, edges[*next].iter()));
            }
            Some(_) => {}
            None => {
                left.push(*position);
                path.pop();
            }
        }
    }
}

fn collect_needs(formula: &Formula, needs: &mut BTreeSet<usize>, subtracts: &mut BTreeSet<usize>) {
    match formula {
        Formula::No | Formula::Yes | Formula::Unknown(_) => {}
        Formula::Of(position) => {
            needs.insert(*position);
        }
        Formula::Any(formulas) | Formula::All(formulas) => {
            for formula in formulas {
                collect_needs(formula, needs, subtracts);
            }
        }
        Formula::Without(base, position) => {
            collect_needs(base, needs, subtracts);
            needs.insert(*position);
            subtracts.insert(*position);
        }
    }
}
