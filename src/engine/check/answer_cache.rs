//! The shared cache as one walk uses it.

use crate::engine::cache::CacheAt;
use crate::engine::check::node_result::{NodeResult, OpenDepth};
use crate::engine::eval_context::EvalContext;
use crate::engine::object_and_relation::ObjectAndRelation;
use crate::engine::resolve::ResolvedSubject;
use crate::engine::truth::Truth;
use crate::schema::NodeId;
use std::rc::Rc;

/// Answers about one subject, which other walks may have found or may use.
#[derive(Debug)]
pub(super) struct SharedAnswers<'s> {
    cache: Option<CacheAt<'s>>,
    /// The key of the place that was looked at last; its beginning is that of all.
    key: Vec<u8>,
    prefix_bytes: usize,
    /// The object about which answers are not worth the room.
    withheld: Option<Rc<str>>,
}

impl<'s> SharedAnswers<'s> {
    pub(super) fn new<R>(scope: &EvalContext<'s, R>, asked: &ResolvedSubject<'_>) -> Self {
        let key = scope.cache.map_or_else(Vec::new, |cache| prefix(cache, asked));
        Self { cache: scope.cache, prefix_bytes: key.len(), key, withheld: None }
    }

    pub(super) fn find(&mut self, place: &ObjectAndRelation) -> Option<NodeResult> {
        let cache = self.cache?;
        self.set_key(place);
        let (member, until) = cache.find(&self.key)?;
        let truth = if member { Truth::Yes } else { Truth::No };
        Some(NodeResult { until, ..NodeResult::settled(truth) })
    }

    /// From now on keeps what is found about this object to itself: it will not be asked for again.
    pub(super) fn withhold(&mut self, object_id: &Rc<str>) {
        self.withheld = Some(Rc::clone(object_id));
    }

    /// Shares a finding about a place that is closed, if it holds for everybody.
    pub(super) fn keep(&mut self, place: &ObjectAndRelation, finding: &NodeResult) {
        let Some(cache) = self.cache else { return };
        if finding.leaning != OpenDepth::NONE || !finding.plain {
            return;
        }
        if self.withheld.as_ref() == Some(&place.1) {
            return;
        }
        let member = match finding.truth {
            Truth::Yes => true,
            Truth::No => false,
            // Only caveats make these, and what a caveat had a part in is not plain.
            Truth::Conditional(_) | Truth::Fault(_) => return,
        };
        self.set_key(place);
        cache.insert(&self.key, member, finding.until);
    }

    fn set_key(&mut self, (node, object_id): &ObjectAndRelation) {
        self.key.truncate(self.prefix_bytes);
        self.key.extend(node.index().to_be_bytes());
        self.key.extend(object_id.as_bytes());
    }
}

/// The part of a key that all places of one question share. Ids hold no byte 0, so parts cannot run together.
fn prefix(cache: CacheAt<'_>, asked: &ResolvedSubject<'_>) -> Vec<u8> {
    let mut key = Vec::from(cache.key_prefix());
    key.extend(asked.definition.index().to_be_bytes());
    key.extend(asked.node.map_or(usize::MAX, NodeId::index).to_be_bytes());
    key.extend(asked.subject.object_id().as_bytes());
    key.push(0);
    key
}
