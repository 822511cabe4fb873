//! The shared cache as used by one walk.

use crate::engine::cache::CacheAt;
use crate::engine::check::node_result::{NodeResult, OpenDepth};
use crate::engine::eval_context::EvalContext;
use crate::engine::object_and_relation::ObjectAndRelation;
use crate::engine::resolve::ResolvedSubject;
use crate::engine::truth::Truth;
use crate::schema::NodeId;
use std::rc::Rc;

/// The cached results of one subject, shared with other walks.
#[derive(Debug)]
pub(super) struct SharedAnswers<'s> {
    cache: Option<CacheAt<'s>>,
    /// The key of the last node that was looked up; its prefix is common to all keys of the walk.
    key: Vec<u8>,
    prefix_bytes: usize,
    /// The object whose results are not stored.
    excluded_object: Option<Rc<str>>,
}

impl<'s> SharedAnswers<'s> {
    pub(super) fn new<R>(eval: &EvalContext<'s, R>, resolved: &ResolvedSubject<'_>) -> Self {
        let key = eval.cache.map_or_else(Vec::new, |cache| prefix(cache, resolved));
        Self { cache: eval.cache, prefix_bytes: key.len(), key, excluded_object: None }
    }

    /// Whether there is a cache at all.
    pub(super) fn is_used(&self) -> bool {
        self.cache.is_some()
    }

    pub(super) fn find(&mut self, onr: &ObjectAndRelation) -> Option<NodeResult> {
        let cache = self.cache?;
        self.set_key(onr);
        let (member, until) = cache.find(&self.key)?;
        let truth = if member { Truth::Yes } else { Truth::No };
        Some(NodeResult { until, ..NodeResult::final_value(truth) })
    }

    /// Stores no results about this object from now on: it will not be queried again.
    pub(super) fn exclude(&mut self, object_id: &Rc<str>) {
        self.excluded_object = Some(Rc::clone(object_id));
    }

    /// Stores the result of a closed node, if it is final and independent of the context.
    pub(super) fn keep(&mut self, onr: &ObjectAndRelation, node_result: &NodeResult) {
        let Some(cache) = self.cache else { return };
        if node_result.open_depth != OpenDepth::NONE || !node_result.plain {
            return;
        }
        if self.excluded_object.as_ref() == Some(&onr.1) {
            return;
        }
        let member = match node_result.truth {
            Truth::Yes => true,
            Truth::No => false,
            // Only caveats produce these, and a result with a caveat is not plain.
            Truth::Conditional(_) | Truth::Fault(_) => return,
        };
        self.set_key(onr);
        cache.insert(&self.key, member, node_result.until);
    }

    fn set_key(&mut self, (node, object_id): &ObjectAndRelation) {
        debug_assert!(!object_id.as_bytes().contains(&0), "ids contain no byte 0");
        self.key.truncate(self.prefix_bytes);
        self.key.extend(node.index().to_be_bytes());
        self.key.extend(object_id.as_bytes());
    }
}

/// The key prefix of all nodes of one walk. Ids contain no byte 0, so that the parts of a key are unambiguous.
fn prefix(cache: CacheAt<'_>, resolved: &ResolvedSubject<'_>) -> Vec<u8> {
    let mut key = Vec::from(cache.key_prefix());
    key.extend(resolved.definition.index().to_be_bytes());
    key.extend(resolved.node.map_or(usize::MAX, NodeId::index).to_be_bytes());
    key.extend(resolved.subject.object_id().as_bytes());
    key.push(0);
    key
}
