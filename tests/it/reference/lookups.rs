//! Lookups compared with the reference: the results must be all resources that the reference says yes or conditional to.

use super::Answer;
use super::Reference;
use super::case::{Asked, Case};
use super::compare::Said;
use kilwa::engine::{EngineError, FoundResource, LookupPage, LookupResourcesQuery, ResourceFilter};
use kilwa::relationship::{ObjectRef, Subject};
use std::collections::{BTreeMap, BTreeSet};

/// Returns one page: of which query, after which id, and of how many at most.
pub(crate) type Way<'w> =
    dyn Fn(&LookupResourcesQuery<'_>, Option<&str>, usize) -> Result<LookupPage, EngineError> + 'w;

/// The results of a lookup, and its error if it failed.
#[derive(Debug)]
pub(crate) struct LookedUp {
    pub(crate) found: Vec<FoundResource>,
    pub(crate) error: Option<Said>,
}

impl Asked {
    /// The lookup that has the check's resource among its results if the answer is not "no".
    pub(crate) fn sought<'q>(&'q self, within: &'q ResourceFilter) -> LookupResourcesQuery<'q> {
        LookupResourcesQuery {
            resource_type: self.resource.object_type(),
            permission: &self.permission,
            subject: &self.subject,
            context: &self.context,
            within,
        }
    }
}

/// Pages of a size, each started after the last id of the one before.
pub(crate) fn by_pages(way: &Way<'_>, sought: &LookupResourcesQuery<'_>, size: usize) -> LookedUp {
    let mut looked_up = LookedUp { found: Vec::new(), error: None };
    loop {
        let last = looked_up.found.last().map(|found: &FoundResource| found.object_id.clone());
        match way(sought, last.as_deref(), size) {
            Err(error) => {
                looked_up.error = Some(Said::from(Err(error)));
                return looked_up;
            }
            Ok(page) => {
                assert!(page.found.len() <= size, "a page of {size} has {}", page.found.len());
                assert!(page.ended || !page.found.is_empty(), "an empty page is not the last one");
                looked_up.found.extend(page.found);
                if page.ended {
                    return looked_up;
                }
            }
        }
    }
}

/// What the reference says about every resource that could be a result.
pub(crate) fn expected(
    reference: &Reference<'_>,
    case: &Case,
    requested: &Asked,
) -> BTreeMap<String, Answer> {
    let mut ids = BTreeSet::new();
    let mut add = |object_type: &str, object_id: &str| {
        if object_type == requested.resource.object_type() && object_id != "*" {
            ids.insert(object_id.to_owned());
        }
    };
    for stored in case.relationships.iter() {
        add(stored.resource.object_type(), stored.resource.object_id());
        add(stored.subject.object_type(), stored.subject.object_id());
    }
    for it in &case.questions {
        add(it.resource.object_type(), it.resource.object_id());
        add(it.subject.object_type(), it.subject.object_id());
    }
    let answer = |id: String| {
        let resource = ObjectRef::new(requested.resource.object_type(), &*id).unwrap();
        let answer = reference.answer(
            &resource,
            &requested.permission,
            &requested.subject,
            &requested.context,
        );
        (id, answer)
    };
    ids.into_iter().map(answer).collect()
}

/// The differences of the results.
pub(crate) fn fault(expected: &BTreeMap<String, Answer>, looked_up: &LookedUp) -> Option<String> {
    let ids: Vec<&str> = looked_up.found.iter().map(|found| found.object_id.as_str()).collect();
    if !ids.is_sorted_by(|left, right| left < right) {
        return Some(format!("{ids:?} is not in order, or has something twice"));
    }
    let mut found: BTreeMap<&str, Said> =
        looked_up.found.iter().map(|it| (it.object_id.as_str(), said(it))).collect();
    // Results come in order, so it failed at one of those after the last one.
    let mut explained = looked_up.error.is_none();
    for (id, answer) in expected {
        let said = found.remove(id.as_str());
        let breaks = |error: &Said| said.is_none() && found.is_empty() && answer.allows(error);
        explained |= looked_up.error.as_ref().is_some_and(breaks);
        match &said {
            Some(said) if answer.allows(said) => {}
            None if answer.allows(&Said::NotMember) => {}
            None if looked_up.error.is_some() && explained => return None,
            _ => return Some(format!("`{id}` is {said:?}, not {answer:?}: {looked_up:?}")),
        }
    }
    if !found.is_empty() {
        return Some(format!("{found:?} are no resources"));
    }
    (!explained).then(|| format!("ended with {:?}", looked_up.error))
}

fn said(found: &FoundResource) -> Said {
    if found.missing.is_empty() { Said::Member } else { Said::Conditional(found.missing.clone()) }
}

/// Whether the subject of a check is one that can be looked up for.
pub(crate) fn is_askable(requested: &Asked) -> bool {
    !matches!(requested.subject, Subject::Wildcard(_))
}
