//! What one question already knows, and where its cycles are cut.
//!
//! Groups may contain each other, so a walk can come back to a node that it has not finished. The answer wanted is the
//! least fixpoint: a node that is still *open* counts as *no* for whoever asks for it on the way. Two things follow.
//!
//! * What was found with the help of such a *no* **leans** on the open node. It is *provisional*: right only as long as
//!   that node counts as *no*.
//! * When the open node closes with *no*, the assumption was true: what leaned on nothing else becomes *final*. When it
//!   closes with anything else, what leaned on it is forgotten and will be found anew.
//!
//! A *yes* never leans: values only rise when an assumed *no* turns out to be more, so what is *yes* with the
//! assumption is *yes* without it. (A subtracted side would break this; the walk refuses it when it leans.) As its
//! finding does not tell how far the nodes inside it lean, those that are provisional are forgotten with it.
//!
//! Provisional nodes stand on a stack in the order in which they closed, so those that closed while a node was open are
//! the ones above its mark. Leaning is kept per segment of that stack: when a node closes that leans further down, all
//! that closed inside it leans there too, which is what "the inner node was assumed to be *no*" then rests on.

use super::finding::{Finding, Leaning, Truth};
use crate::schema::NodeId;
use std::collections::HashMap;
use std::rc::Rc;

/// A relation or permission of one object. The node fixes the type, so the id is enough.
pub(super) type Place = (NodeId, Rc<str>);

#[derive(Debug, Default)]
pub(super) struct Memo {
    states: HashMap<Place, State>,
    /// Provisional places in the order in which they closed.
    provisional: Vec<Place>,
    /// Consecutive parts of `provisional`, each with how far down its places lean.
    segments: Vec<Segment>,
    /// How many places are open.
    depth: usize,
}

#[derive(Debug)]
enum State {
    Open {
        depth: usize,
        leaned_on: bool,
    },
    /// The finding's leaning is that of its segment.
    Provisional {
        finding: Finding,
        position: usize,
    },
    Final(Finding),
}

#[derive(Debug)]
struct Segment {
    start: usize,
    leaning: Leaning,
}

/// What is known on coming to a place.
pub(super) enum Entry {
    /// The place has a value, for now at least.
    Known(Finding),
    /// It is open from now on, until [`Memo::leave`].
    Opened(Opening),
}

/// A place that was opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    depth: usize,
    mark: usize,
}

impl Memo {
    /// How many places are open.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Forgets everything, as after a walk that did not end.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn enter(&mut self, place: &Place) -> Entry {
        match self.states.get_mut(place) {
            Some(State::Open { depth, leaned_on }) => {
                *leaned_on = true;
                Entry::Known(Finding { leaning: Leaning(*depth), ..Finding::no() })
            }
            Some(State::Provisional { finding, position }) => {
                let (finding, position) = (finding.clone(), *position);
                Entry::Known(Finding { leaning: self.leaning_at(position), ..finding })
            }
            Some(State::Final(finding)) => Entry::Known(finding.clone()),
            None => {
                let opening = Opening { depth: self.depth, mark: self.provisional.len() };
                self.states
                    .insert(place.clone(), State::Open { depth: self.depth, leaned_on: false });
                self.depth += 1;
                Entry::Opened(opening)
            }
        }
    }

    /// Closes the place that was opened last, and gives the finding as others may use it.
    pub(super) fn leave(
        &mut self,
        place: Place,
        opening: Opening,
        mut finding: Finding,
    ) -> Finding {
        debug_assert_eq!(
            opening.depth + 1,
            self.depth,
            "places close in the reverse order of opening"
        );
        self.depth = opening.depth;
        let leaned_on =
            matches!(self.states.get(&place), Some(State::Open { leaned_on: true, .. }));
        let assumption_held = finding.truth.is_no() || !leaned_on;
        if finding.truth.is_yes() || !assumption_held {
            self.forget(opening.mark);
        }
        if finding.truth.is_yes() || finding.leaning >= Leaning(opening.depth) {
            finding.leaning = Leaning::NONE;
            self.settle(opening.mark, &finding);
            self.states.insert(place, State::Final(finding.clone()));
        } else {
            self.keep_provisionally(place, opening.mark, finding.clone());
        }
        finding
    }

    /// The assumptions of all that closed since the mark were true.
    fn settle(&mut self, mark: usize, head: &Finding) {
        for place in self.provisional.split_off(mark) {
            let Some(State::Provisional { finding, .. }) = self.states.get_mut(&place) else {
                continue;
            };
            // It rests on the head's value, and so on all that the head's rests on.
            let settled =
                Finding { truth: std::mem::replace(&mut finding.truth, Truth::No), ..head.clone() };
            self.states.insert(place, State::Final(settled));
        }
        self.cut_segments(mark);
    }

    /// The assumptions of all that closed since the mark may have been false.
    fn forget(&mut self, mark: usize) {
        for place in self.provisional.split_off(mark) {
            self.states.remove(&place);
        }
        self.cut_segments(mark);
    }

    fn keep_provisionally(&mut self, place: Place, mark: usize, finding: Finding) {
        let inner = self.cut_segments(mark);
        self.segments.push(Segment { start: mark, leaning: inner.min(finding.leaning) });
        let position = self.provisional.len();
        self.provisional.push(place.clone());
        self.states.insert(place, State::Provisional { finding, position });
    }

    /// Takes the segments from the mark on away, and tells how far down they lean.
    fn cut_segments(&mut self, mark: usize) -> Leaning {
        let kept = self.segments.partition_point(|segment| segment.start < mark);
        let cut = self.segments.split_off(kept);
        cut.iter().map(|segment| segment.leaning).min().unwrap_or(Leaning::NONE)
    }

    fn leaning_at(&self, position: usize) -> Leaning {
        let after = self.segments.partition_point(|segment| segment.start <= position);
        let segment = after.checked_sub(1).and_then(|index| self.segments.get(index));
        debug_assert!(segment.is_some(), "every provisional place stands in a segment");
        // The bottom is always a safe answer: it only keeps things provisional for longer.
        segment.map_or(Leaning(0), |segment| segment.leaning)
    }
}
