//! The memo of one check: results per node, and the least fixpoint over cycles.
//!
//! Groups may contain each other, so a walk can return to a node whose evaluation has not finished. The result is the
//! least fixpoint: while a node is *open*, every reference to it reads the assumption *no*. Two rules follow.
//!
//! * A result that was computed with such an assumption **depends on** the open node. It is *provisional*: valid only as
//!   long as the assumption is.
//! * When the open node closes with the assumed value, results that depend on no other open node become *final*.
//!
//! When a node closes with a higher value than was assumed, the results that depend on it may be too low. Values only
//! rise when an assumption rises, so each of them is a lower bound, a **floor**. They are used until the outermost node
//! closes on which they all depend (the one that depends on no node below itself). Then they are discarded except for
//! their floors, and that node is re-evaluated with the floors as assumptions. A round that ends with the values that it
//! assumed was the last one. Only caveats make rounds necessary: without them a node is *no*, as assumed, or *yes*.
//!
//! The reasons of an undecided value (the missing parameters, or the failure) are no floor while values still rise,
//! because the node that supplied them may turn out to be *yes*. They are collected in the rounds after that.
//!
//! A *yes* never depends on an open node: a *yes* under an assumption that is too low is a *yes* without it. (A
//! subtracted side would break this; the walk rejects one that depends on an open node.) Such a result does not record
//! how far down the nodes inside it depend, so the provisional ones among them are discarded with it.
//!
//! Provisional nodes are kept on a stack in the order in which they closed, so the nodes that closed while another one
//! was open are those above its mark. Dependencies are kept per segment of that stack: when a node closes that depends
//! on a node further down, everything that closed inside it depends on that node too, because the inner assumptions were
//! made under the outer one.

use crate::engine::check::node_result::{NodeResult, OpenDepth};
use crate::engine::object_and_relation::ObjectAndRelation;
use crate::engine::truth::Truth;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Memo {
    states: HashMap<ObjectAndRelation, NodeState>,
    /// Provisional nodes in the order in which they closed.
    provisional: Vec<ObjectAndRelation>,
    /// Consecutive parts of `provisional`, each with the lowest open node that its nodes depend on.
    segments: Vec<Segment>,
    /// The number of open nodes.
    depth: usize,
}

#[derive(Debug)]
enum NodeState {
    Open {
        depth: usize,
        /// The value that references read meanwhile: *no*, or its floor.
        assumed: Truth,
        assumption_used: bool,
    },
    /// Discarded, except for a floor above *no*.
    Discarded(Truth),
    /// The open depth of the result is that of its segment.
    Provisional {
        node_result: NodeResult,
        position: usize,
    },
    Final(NodeResult),
}

#[derive(Debug)]
struct Segment {
    start: usize,
    open_depth: OpenDepth,
    /// The largest rise above the assumption among its nodes whose assumption was used.
    rise: Rise,
}

/// How far a value is above another one.
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

/// The state of a node when it is entered.
pub(super) enum MemoEntry {
    /// The node has a value, possibly a provisional one.
    Known(NodeResult),
    /// The node is now open, until [`Memo::leave`].
    Opened(Opening),
}

/// The state of a node after its evaluation.
pub(super) enum Closing {
    /// It is closed; the result may be used by other nodes.
    Closed(NodeResult),
    /// It was opened again, because its result depends on assumptions that were too low.
    Reopened(Opening),
}

/// A node that was opened: its position among the open nodes, and the height of the provisional stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    depth: usize,
    mark: usize,
}

impl Memo {
    /// The number of open nodes.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Whether results are waiting for an open node to close.
    pub(super) fn has_provisional(&self) -> bool {
        !self.provisional.is_empty() || !self.segments.is_empty()
    }

    /// The number of nodes with an entry.
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// Discards everything, for example after an aborted walk.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn enter(&mut self, onr: &ObjectAndRelation) -> MemoEntry {
        let assumed = match self.states.get_mut(onr) {
            Some(NodeState::Open { depth, assumed, assumption_used }) => {
                *assumption_used = true;
                let (open_depth, plain) = (OpenDepth(*depth), assumed.is_no());
                let assumed = NodeResult::final_value(assumed.clone());
                return MemoEntry::Known(NodeResult { open_depth, plain, ..assumed });
            }
            Some(NodeState::Provisional { node_result, position }) => {
                let (node_result, position) = (node_result.clone(), *position);
                return MemoEntry::Known(NodeResult {
                    open_depth: self.open_depth_at(position),
                    ..node_result
                });
            }
            Some(NodeState::Final(node_result)) => return MemoEntry::Known(node_result.clone()),
            Some(NodeState::Discarded(floor)) => std::mem::replace(floor, Truth::No),
            None => Truth::No,
        };

        MemoEntry::Opened(self.open(onr.clone(), assumed))
    }

    /// Closes the node that was opened last, unless it has to be re-evaluated.
    pub(super) fn leave(
        &mut self,
        onr: ObjectAndRelation,
        opening: Opening,
        mut node_result: NodeResult,
    ) -> Closing {
        debug_assert_eq!(
            opening.depth + 1,
            self.depth,
            "onrs close in the reverse order of opening"
        );
        self.depth = opening.depth;

        let (assumed, assumption_used) = match self.states.remove(&onr) {
            Some(NodeState::Open { assumed, assumption_used, .. }) => (assumed, assumption_used),
            _ => (Truth::No, false),
        };
        let own =
            if assumption_used { Rise::between(&assumed, &node_result.truth) } else { Rise::None };
        let rise = own.max(self.rise_since(opening.mark));

        if node_result.truth.is_yes() {
            self.discard(opening.mark, Rise::Value);
        } else if node_result.open_depth < OpenDepth(opening.depth) {
            self.store_provisional(onr, opening.mark, node_result.clone(), rise);
            return Closing::Closed(node_result);
        } else if rise > Rise::None {
            self.discard(opening.mark, rise);
            return Closing::Reopened(self.open(onr, floor(node_result.truth, rise)));
        }

        // Depends on no open node: the node and everything that closed inside it are final.
        node_result.open_depth = OpenDepth::NONE;
        self.finalize(opening.mark, &node_result);
        self.states.insert(onr, NodeState::Final(node_result.clone()));
        Closing::Closed(node_result)
    }

    /// Closes the node that was opened last with a final result from another source.
    pub(super) fn leave_known(
        &mut self,
        onr: ObjectAndRelation,
        opening: Opening,
        node_result: NodeResult,
    ) {
        self.depth = opening.depth;
        self.states.insert(onr, NodeState::Final(node_result));
    }

    fn open(&mut self, onr: ObjectAndRelation, assumed: Truth) -> Opening {
        let opening = Opening { depth: self.depth, mark: self.provisional.len() };
        self.states
            .insert(onr, NodeState::Open { depth: self.depth, assumed, assumption_used: false });
        self.depth += 1;
        opening
    }

    /// Makes everything that closed since the mark final: its assumptions were right.
    fn finalize(&mut self, mark: usize, head: &NodeResult) {
        for onr in self.provisional.split_off(mark) {
            let Some(NodeState::Provisional { node_result, .. }) = self.states.get_mut(&onr) else {
                continue;
            };
            // It depends on the head's value, and so on everything that the head depends on.
            let final_value = NodeResult {
                truth: std::mem::replace(&mut node_result.truth, Truth::No),
                condition: node_result.condition.take(),
                ..head.clone()
            };
            self.states.insert(onr, NodeState::Final(final_value));
        }
        self.cut_segments(mark);
    }

    /// Discards everything that closed since the mark: its assumptions may have been too low.
    fn discard(&mut self, mark: usize, rise: Rise) {
        for onr in self.provisional.split_off(mark) {
            if let Some(NodeState::Provisional { node_result, .. }) = self.states.remove(&onr)
                && !node_result.truth.is_no()
            {
                self.states.insert(onr, NodeState::Discarded(floor(node_result.truth, rise)));
            }
        }
        self.cut_segments(mark);
    }

    fn store_provisional(
        &mut self,
        onr: ObjectAndRelation,
        mark: usize,
        node_result: NodeResult,
        rise: Rise,
    ) {
        let open_depth = self.cut_segments(mark).min(node_result.open_depth);
        debug_assert!(
            self.segments.last().is_none_or(|last| last.start < mark),
            "segments are in the order of the stack"
        );
        self.segments.push(Segment { start: mark, open_depth, rise });
        let position = self.provisional.len();
        self.provisional.push(onr.clone());
        self.states.insert(onr, NodeState::Provisional { node_result, position });
    }

    fn rise_since(&self, mark: usize) -> Rise {
        let segments = self.segments.iter().rev().take_while(|segment| segment.start >= mark);
        segments.map(|segment| segment.rise).max().unwrap_or(Rise::None)
    }

    /// Removes the segments from the mark on; returns the lowest open node that they depend on.
    fn cut_segments(&mut self, mark: usize) -> OpenDepth {
        let kept = self.segments.partition_point(|segment| segment.start < mark);
        let cut = self.segments.drain(kept..);
        cut.map(|segment| segment.open_depth).min().unwrap_or(OpenDepth::NONE)
    }

    fn open_depth_at(&self, position: usize) -> OpenDepth {
        let after = self.segments.partition_point(|segment| segment.start <= position);
        let segment = after.checked_sub(1).and_then(|index| self.segments.get(index));
        debug_assert!(segment.is_some(), "every provisional onr stands in a segment");
        // The bottom is always a safe answer: it only keeps things provisional for longer.
        segment.map_or(OpenDepth(0), |segment| segment.open_depth)
    }
}

/// The part of a value below *yes* that stays valid after other nodes rose that far.
fn floor(truth: Truth, rise: Rise) -> Truth {
    if rise == Rise::Value && !truth.is_no() { Truth::Conditional(Arc::default()) } else { truth }
}
