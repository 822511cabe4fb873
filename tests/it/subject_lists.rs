//! Lists of subjects in tests, and the answers that they have to agree with.

use crate::reference::Answer;
use crate::reference::compare::Said;
use kilwa::engine::{EngineError, EvalContext, FoundSubject, LookupSubjectsQuery, SubjectLookup};
use kilwa::relationship::{
    Context, ObjectRef, Permissionship, Relationship, RelationshipReader, Subject,
};
use std::collections::BTreeSet;
use std::fmt;

/// An id that no relationship names: it stands for all such ids.
const STRANGER: &str = "nobody-names-me";

/// Which subjects have this permission on that resource?
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) resource: ObjectRef,
    pub(crate) permission: String,
    pub(crate) subject_type: String,
    pub(crate) subject_relation: Option<String>,
    pub(crate) context: Context,
    pub(crate) wildcards: bool,
}

impl Listing {
    /// Reads `document:plan#view@user` or `document:plan#view@group#member`; a `!` at the end leaves out wildcards.
    pub(crate) fn parse(text: &str, context: &Context) -> Self {
        let wildcards = !text.ends_with('!');
        let (place, subjects) = text.trim_end_matches('!').split_once('@').unwrap();
        let (resource, permission) = place.split_once('#').unwrap();
        let (subject_type, subject_relation) = match subjects.split_once('#') {
            Some((subject_type, relation)) => (subject_type, Some(relation.to_owned())),
            None => (subjects, None),
        };
        Self {
            resource: resource.parse().unwrap(),
            permission: permission.to_owned(),
            subject_type: subject_type.to_owned(),
            subject_relation,
            context: context.clone(),
            wildcards,
        }
    }

    pub(crate) fn question(&self) -> LookupSubjectsQuery<'_> {
        LookupSubjectsQuery {
            resource: &self.resource,
            permission: &self.permission,
            subject_type: &self.subject_type,
            subject_relation: self.subject_relation.as_deref(),
            context: &self.context,
            wildcards: self.wildcards,
        }
    }

    pub(crate) fn subject(&self, id: &str) -> Subject {
        let relation = self.subject_relation.clone().unwrap_or_default();
        Subject::new(self.subject_type.clone(), id, relation).unwrap()
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}@{}", self.resource, self.permission, self.subject_type)?;
        if let Some(relation) = &self.subject_relation {
            write!(f, "#{relation}")?;
        }
        if self.context.is_empty() { Ok(()) } else { write!(f, " with {}", self.context) }
    }
}

/// The whole list, fetched so many at a time.
pub(crate) fn listed<R: RelationshipReader>(
    scope: &EvalContext<'_, R>,
    listing: &Listing,
    page_count: usize,
) -> Result<Vec<FoundSubject>, EngineError> {
    let mut lookup = SubjectLookup::new(scope, &listing.question(), None)?;
    let mut all = Vec::new();
    loop {
        let page = lookup.next(scope, page_count)?;
        let ends = page.len() < page_count;
        all.extend(page);
        if ends {
            return Ok(all);
        }
    }
}

/// The whole list in pages, each requested after the last result of the one before.
pub(crate) fn listed_anew<R: RelationshipReader>(
    scope: &EvalContext<'_, R>,
    listing: &Listing,
    page_count: usize,
) -> Result<Vec<FoundSubject>, EngineError> {
    let mut all: Vec<FoundSubject> = Vec::new();
    loop {
        let after = all.last().map(|found| found.object_id.clone());
        let mut lookup = SubjectLookup::new(scope, &listing.question(), after.as_deref())?;
        let page = lookup.next(scope, page_count)?;
        let ends = page.len() < page_count;
        all.extend(page);
        if ends {
            return Ok(all);
        }
    }
}

/// The list in a line.
pub(crate) fn reported(found: &[FoundSubject]) -> String {
    let one = |id: &str, permissionship: &Permissionship| match permissionship {
        Permissionship::Conditional(names) => {
            format!("{id}?{}", names.iter().cloned().collect::<Vec<_>>().join(","))
        }
        Permissionship::HasPermission | Permissionship::NoPermission => id.to_owned(),
    };
    let shown = found.iter().map(|found| {
        let excluded = found.excluded.iter().map(|excluded| {
            assert_ne!(
                excluded.permissionship,
                Permissionship::HasPermission,
                "nobody is excepted from nothing"
            );
            format!("-{}", one(&excluded.object_id, &excluded.permissionship))
        });
        assert_ne!(
            found.permissionship,
            Permissionship::NoPermission,
            "who is listed is in the list"
        );
        one(&found.object_id, &found.permissionship) + &excluded.collect::<String>()
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// What a list says of one subject.
pub(crate) fn said(found: &[FoundSubject], id: &str) -> Permissionship {
    let entry = |id: &str| found.iter().find(|found| found.object_id == id);
    if let Some(found) = entry(id) {
        return found.permissionship.clone();
    }
    let Some(wildcard) = entry("*") else { return Permissionship::NoPermission };
    let excluded = wildcard.excluded.iter().find(|excluded| excluded.object_id == id);
    excluded.map_or(&wildcard.permissionship, |excluded| &excluded.permissionship).clone()
}

/// The ids that are compared: those that occur, that of the resource, and one that no relationship names.
pub(crate) fn ids<'r>(
    relationships: impl IntoIterator<Item = &'r Relationship>,
    resource: &ObjectRef,
) -> BTreeSet<String> {
    let named = relationships
        .into_iter()
        .flat_map(|stored| [stored.resource.object_id(), stored.subject.object_id()])
        .filter(|id| *id != "*");
    named.chain([resource.object_id(), STRANGER]).map(str::to_owned).collect()
}

/// The differences between a list and the reference, by id.
pub(crate) fn fault(
    listing: &Listing,
    ids: &BTreeSet<String>,
    answer: impl Fn(&str) -> Answer,
    found: Result<Vec<FoundSubject>, EngineError>,
) -> Option<String> {
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            let reported = format!("`{listing}`: {error:?}, which no check explains");
            let said = Said::from(Err(error));
            return (!ids.iter().any(|id| answer(id).allows(&said))).then_some(reported);
        }
    };
    let excluded = found.iter().flat_map(|found| &found.excluded).map(|it| &it.object_id);
    let mut known = excluded.chain(found.iter().map(|found| &found.object_id));
    if let Some(id) = known.find(|id| *id != "*" && !ids.contains(*id)) {
        return Some(format!("`{listing}` lists `{id}`, whom nothing names"));
    }
    let order: Vec<&str> = found.iter().map(|found| found.object_id.as_str()).collect();
    if !order.is_sorted_by(|left, right| left < right) {
        return Some(format!("`{listing}` is not in order: {order:?}"));
    }
    ids.iter().find_map(|id| {
        let (answer, said) = (answer(id), Said::from(said(&found, id)));
        let list = reported(&found);
        (!answer.allows(&said)).then(|| {
            format!("`{listing}` says {said:?} of `{id}`, the reference {answer:?}: {list}")
        })
    })
}
