//! Which ids a scope can have inside, so that others need not be read.

use super::filter::{ObjectIdFilter, RelationshipFilter};
use super::scope::RelationshipScope;
use std::collections::BTreeSet;

impl RelationshipScope {
    /// The prefixes of which each id of a type needs one to be inside; `None` when some area takes any id.
    pub fn id_prefixes(&self, definition: &str) -> Option<BTreeSet<&str>> {
        let mut prefixes = BTreeSet::new();
        for area in self.areas().iter().filter(|area| area.has_definition(definition)) {
            if area.has_free_ids(definition) {
                return None;
            }
            prefixes.extend(area.id_prefixes.iter().map(String::as_str));
        }
        Some(prefixes)
    }

    /// The same filter, selecting no more ids than lie between the first and the last that can be inside. Saves reading what is
    /// left out.
    #[must_use]
    pub fn narrowed(&self, filter: RelationshipFilter) -> RelationshipFilter {
        let prefixes = filter.resource_type.as_deref().and_then(|name| self.id_prefixes(name));
        let start = prefixes.and_then(|prefixes| common_start(&prefixes));
        let given = match &filter.resource_id {
            None => "",
            Some(ObjectIdFilter::Prefix(given)) => given,
            Some(ObjectIdFilter::Exact(_)) => return filter,
        };
        match start.filter(|start| !start.is_empty() && start.starts_with(given)) {
            Some(start) => {
                RelationshipFilter { resource_id: Some(ObjectIdFilter::Prefix(start)), ..filter }
            }
            None => filter,
        }
    }
}

/// With what all of these begin; `None` without any.
fn common_start(prefixes: &BTreeSet<&str>) -> Option<String> {
    // In order, so that the others begin with what the first and the last have in common.
    let (first, last) = (prefixes.first()?, prefixes.last()?);
    let same = first.chars().zip(last.chars()).take_while(|(one, other)| one == other);
    Some(same.map(|(letter, _)| letter).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relationship::ScopeArea;

    fn area(definitions: &[&str], prefixes: &[&str], shared: &[&str]) -> ScopeArea {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        ScopeArea {
            definitions: set(definitions),
            id_prefixes: set(prefixes),
            shared: set(shared),
            ..ScopeArea::default()
        }
    }

    #[test]
    fn a_filter_is_narrowed_to_what_the_prefixes_have_in_common() {
        let id = |text: &str| ObjectIdFilter::Prefix(text.to_owned());
        let narrowed = |areas: Vec<ScopeArea>, resource_id| {
            let resource_type = Some("document".to_owned());
            let filter =
                RelationshipFilter { resource_type, resource_id, ..RelationshipFilter::default() };
            RelationshipScope::new(areas).narrowed(filter).resource_id
        };

        let shop = || area(&[], &["shop/a/", "shop/b/"], &["user"]);
        assert_eq!(narrowed(vec![shop()], None), Some(id("shop/")));
        assert_eq!(narrowed(vec![shop()], Some(id("sh"))), Some(id("shop/")));
        assert_eq!(narrowed(vec![shop()], Some(id("shop/a/1"))), Some(id("shop/a/1")));
        let exact = Some(ObjectIdFilter::Exact("shop/a/1".to_owned()));
        assert_eq!(narrowed(vec![shop()], exact.clone()), exact);

        // Of several roles each counts that has the type, and one that takes any id takes all.
        let both = vec![shop(), area(&["folder"], &["x/"], &[]), area(&[], &["she/"], &[])];
        assert_eq!(narrowed(both, None), Some(id("sh")));
        assert_eq!(narrowed(vec![shop(), area(&["document"], &[], &[])], None), None);
        assert_eq!(narrowed(vec![area(&[], &["shop/"], &["document"])], None), None);
        assert_eq!(narrowed(vec![area(&[], &["a/", "b/"], &[])], None), None);
    }
}
