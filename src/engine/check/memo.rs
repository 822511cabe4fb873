//! What one question already knows, and where its cycles are cut.
//!
//! Groups may contain each other, so a walk can come back to a node that it has not finished. The answer wanted is the
//! least fixpoint: a node that is still *open* is assumed to be *no* for whoever asks for it on the way. Two things
//! follow.
//!
//! * What was found with the help of such an assumption **leans** on the open node. It is *provisional*: right only as
//!   long as the assumption is.
//! * When the open node closes with what was assumed, what leaned on nothing else becomes *final*.
//!
//! When a node closes with more than was assumed of it, what leaned on it may be too low. Values only rise when an
//! assumption does, so all of them are true as a **floor**: the node is at least that. They are used until the node
//! closes on which all this rests (the one that leans on nothing below itself); then they are forgotten but for their
//! floors, and that node is opened again, with the floors as what is assumed. A round that ends with just what it
//! assumed was the last one. Only caveats make rounds necessary, for other nodes are *no*, as assumed, or *yes*.
//!
//! The reasons of a value that is neither, what its caveats lack or how one failed, are no floor while values still rise:
//! what a node leaned on for them may turn out to be *yes*. They are gathered in the rounds after that.
//!
//! A *yes* never leans: what is *yes* with an assumption that is too low is *yes* without it. (A subtracted side would
//! break this; the walk refuses it when it leans.) As its finding does not tell how far the nodes inside it lean, those
//! that are provisional are forgotten with it.
//!
//! Provisional nodes stand on a stack in the order in which they closed, so those that closed while a node was open are
//! the ones above its mark. Leaning is kept per segment of that stack: when a node closes that leans further down, all
//! that closed inside it leans there too, which is what "the inner node was assumed to be *no*" then rests on.

use crate::engine::check::node_result::{NodeResult, OpenDepth};
use crate::engine::object_and_relation::ObjectAndRelation;
use crate::engine::truth::Truth;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Memo {
    states: HashMap<ObjectAndRelation, NodeState>,
    /// Provisional places in the order in which they closed.
    provisional: Vec<ObjectAndRelation>,
    /// Consecutive parts of `provisional`, each with how far down its places lean.
    segments: Vec<Segment>,
    /// How many places are open.
    depth: usize,
}

#[derive(Debug)]
enum NodeState {
    Open {
        depth: usize,
        /// What it counts as for now: *no*, or its floor.
        assumed: Truth,
        leaned_on: bool,
    },
    /// Forgotten, but for a floor that is more than *no*.
    Forgotten(Truth),
    /// The finding's leaning is that of its segment.
    Provisional {
        finding: NodeResult,
        position: usize,
    },
    Final(NodeResult),
}

#[derive(Debug)]
struct Segment {
    start: usize,
    leaning: OpenDepth,
    /// How far places in it that were leaned on rose above what was assumed, at the most.
    rise: Rise,
}

/// How far a value is above another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rise {
    None,
    /// Both are undecided, and the upper one has more reasons for it.
    Reasons,
    Value,
}

impl Rise {
    fn between(lower: &Truth, upper: &Truth) -> Self {
        match (lower, upper) {
            (Truth::No, Truth::Conditional(_) | Truth::Fault(_) | Truth::Yes)
            | (Truth::Conditional(_) | Truth::Fault(_), Truth::Yes) => Self::Value,
            (Truth::Conditional(_), Truth::Fault(_)) => Self::Reasons,
            (Truth::Conditional(fewer), Truth::Conditional(more)) if !more.is_subset(fewer) => {
                Self::Reasons
            }
            _ => Self::None,
        }
    }
}

/// What is known on coming to a place.
pub(super) enum MemoEntry {
    /// The place has a value, for now at least.
    Known(NodeResult),
    /// It is open from now on, until [`Memo::leave`].
    Opened(Opening),
}

/// What became of a place when its finding was there.
pub(super) enum Closing {
    /// It is closed, with the finding as others may use it.
    Closed(NodeResult),
    /// It was opened again, for its finding rests on assumptions that were too low.
    Reopened(Opening),
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

    /// How many places it knows something of.
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// Forgets everything, as after a walk that did not end.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn enter(&mut self, place: &ObjectAndRelation) -> MemoEntry {
        let assumed = match self.states.get_mut(place) {
            Some(NodeState::Open { depth, assumed, leaned_on }) => {
                *leaned_on = true;
                let (leaning, plain) = (OpenDepth(*depth), assumed.is_no());
                let assumed = NodeResult::settled(assumed.clone());
                return MemoEntry::Known(NodeResult { leaning, plain, ..assumed });
            }
            Some(NodeState::Provisional { finding, position }) => {
                let (finding, position) = (finding.clone(), *position);
                return MemoEntry::Known(NodeResult {
                    leaning: self.leaning_at(position),
                    ..finding
                });
            }
            Some(NodeState::Final(finding)) => return MemoEntry::Known(finding.clone()),
            Some(NodeState::Forgotten(floor)) => std::mem::replace(floor, Truth::No),
            None => Truth::No,
        };
        MemoEntry::Opened(self.open(place.clone(), assumed))
    }

    /// Closes the place that was opened last, unless it has to be looked into once more.
    pub(super) fn leave(
        &mut self,
        place: ObjectAndRelation,
        opening: Opening,
        mut finding: NodeResult,
    ) -> Closing {
        debug_assert_eq!(
            opening.depth + 1,
            self.depth,
            "places close in the reverse order of opening"
        );
        self.depth = opening.depth;
        let (assumed, leaned_on) = match self.states.remove(&place) {
            Some(NodeState::Open { assumed, leaned_on, .. }) => (assumed, leaned_on),
            _ => (Truth::No, false),
        };
        let own = if leaned_on { Rise::between(&assumed, &finding.truth) } else { Rise::None };
        let rise = own.max(self.rise_since(opening.mark));
        if finding.truth.is_yes() {
            self.forget(opening.mark, Rise::Value);
        } else if finding.leaning < OpenDepth(opening.depth) {
            self.keep_provisionally(place, opening.mark, finding.clone(), rise);
            return Closing::Closed(finding);
        } else if rise > Rise::None {
            self.forget(opening.mark, rise);
            return Closing::Reopened(self.open(place, floor(finding.truth, rise)));
        }
        finding.leaning = OpenDepth::NONE;
        self.settle(opening.mark, &finding);
        self.states.insert(place, NodeState::Final(finding.clone()));
        Closing::Closed(finding)
    }

    /// Closes the place that was opened last with a finding from elsewhere, which is final.
    pub(super) fn leave_known(
        &mut self,
        place: ObjectAndRelation,
        opening: Opening,
        finding: NodeResult,
    ) {
        self.depth = opening.depth;
        self.states.insert(place, NodeState::Final(finding));
    }

    fn open(&mut self, place: ObjectAndRelation, assumed: Truth) -> Opening {
        let opening = Opening { depth: self.depth, mark: self.provisional.len() };
        self.states.insert(place, NodeState::Open { depth: self.depth, assumed, leaned_on: false });
        self.depth += 1;
        opening
    }

    /// The assumptions of all that closed since the mark were true.
    fn settle(&mut self, mark: usize, head: &NodeResult) {
        for place in self.provisional.split_off(mark) {
            let Some(NodeState::Provisional { finding, .. }) = self.states.get_mut(&place) else {
                continue;
            };
            // It rests on the head's value, and so on all that the head's rests on.
            let settled = NodeResult {
                truth: std::mem::replace(&mut finding.truth, Truth::No),
                condition: finding.condition.take(),
                ..head.clone()
            };
            self.states.insert(place, NodeState::Final(settled));
        }
        self.cut_segments(mark);
    }

    /// The assumptions of all that closed since the mark may have been too low.
    fn forget(&mut self, mark: usize, rise: Rise) {
        for place in self.provisional.split_off(mark) {
            if let Some(NodeState::Provisional { finding, .. }) = self.states.remove(&place)
                && !finding.truth.is_no()
            {
                self.states.insert(place, NodeState::Forgotten(floor(finding.truth, rise)));
            }
        }
        self.cut_segments(mark);
    }

    fn keep_provisionally(
        &mut self,
        place: ObjectAndRelation,
        mark: usize,
        finding: NodeResult,
        rise: Rise,
    ) {
        let leaning = self.cut_segments(mark).min(finding.leaning);
        self.segments.push(Segment { start: mark, leaning, rise });
        let position = self.provisional.len();
        self.provisional.push(place.clone());
        self.states.insert(place, NodeState::Provisional { finding, position });
    }

    fn rise_since(&self, mark: usize) -> Rise {
        let segments = self.segments.iter().rev().take_while(|segment| segment.start >= mark);
        segments.map(|segment| segment.rise).max().unwrap_or(Rise::None)
    }

    /// Takes the segments from the mark on away, and tells how far down they lean.
    fn cut_segments(&mut self, mark: usize) -> OpenDepth {
        let kept = self.segments.partition_point(|segment| segment.start < mark);
        let cut = self.segments.drain(kept..);
        cut.map(|segment| segment.leaning).min().unwrap_or(OpenDepth::NONE)
    }

    fn leaning_at(&self, position: usize) -> OpenDepth {
        let after = self.segments.partition_point(|segment| segment.start <= position);
        let segment = after.checked_sub(1).and_then(|index| self.segments.get(index));
        debug_assert!(segment.is_some(), "every provisional place stands in a segment");
        // The bottom is always a safe answer: it only keeps things provisional for longer.
        segment.map_or(OpenDepth(0), |segment| segment.leaning)
    }
}

/// What is still true of a place that was less than *yes* while others rose that far.
fn floor(truth: Truth, rise: Rise) -> Truth {
    if rise == Rise::Value && !truth.is_no() { Truth::Conditional(Arc::default()) } else { truth }
}
