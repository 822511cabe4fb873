//! Checks of `SpiceDB` for lookups about which the two servers disagree.

use super::circles::IDS;
use super::known::Known;
use super::said::{Found, Said};
use super::side::Side;
use crate::reference::case::Asked;
use crate::reference::solution::Verdict;
use kilwa::relationship::{ObjectRef, Subject};
use std::collections::{BTreeMap, BTreeSet};

/// Stands for all whom no relationship names.
const ANYBODY: &str = "anybody";

/// Whether Kilwa's lookup of subjects says what the check of `SpiceDB` says of each of them.
pub(super) async fn subjects(
    side: &mut Side,
    requested: &Asked,
    kilwa: &Said,
    spicedb: &Said,
) -> Option<Known> {
    let (Said::Found(found), Said::Found(other)) = (kilwa, spicedb) else { return None };
    if found == other {
        return None;
    }
    let mut ids = BTreeSet::from([ANYBODY]);
    for (id, found) in found.iter().chain(other) {
        ids.insert(id);
        ids.extend(found.excluded.keys().map(String::as_str));
    }
    ids.remove("*");
    let question = |id: &&str| {
        let object = ObjectRef::new(requested.subject.object_type(), *id).unwrap();
        let subject = match requested.subject.relation() {
            Some(relation) => Subject::Userset(object, relation.to_owned()),
            None => Subject::Object(object),
        };
        Asked { subject, ..requested.clone() }
    };
    let requested = ids.iter().map(|id| (question(id), implied(found, id)));
    confirmed(side, requested).await
}

/// Whether Kilwa's lookup of resources says what the check of `SpiceDB` says of each of them. Its lookup may have found
/// a fault in itself.
pub(super) async fn resources(
    side: &mut Side,
    requested: &Asked,
    kilwa: &Said,
    spicedb: &Said,
) -> Option<Known> {
    let Said::Found(found) = kilwa else { return None };
    if !spicedb.is_own_fault() && !matches!(spicedb, Said::Found(other) if found != other) {
        return None;
    }
    let question = |id: &&str| Asked {
        resource: ObjectRef::new(requested.resource.object_type(), *id).unwrap(),
        ..requested.clone()
    };
    let requested = IDS.iter().map(|id| (question(id), implied(found, id)));
    confirmed(side, requested).await
}

/// Whether the check says what Kilwa says, to each of these checks.
async fn confirmed(
    side: &mut Side,
    requested: impl IntoIterator<Item = (Asked, Option<bool>)>,
) -> Option<Known> {
    for (question, implied) in requested {
        if !says(&side.check(&question).await, implied) {
            return None;
        }
    }
    Some(Known::AgainstItsCheck)
}

/// Whether Kilwa's answer among many is what the check of `SpiceDB` says when it is asked alone.
pub(super) async fn answer(
    side: &mut Side,
    requested: &Asked,
    kilwa: &Said,
    spicedb: &Said,
) -> Option<Known> {
    if kilwa.agrees_with(spicedb) || !kilwa.agrees_with(&side.check(requested).await) {
        return None;
    }
    Some(Known::AgainstItsCheck)
}

/// What a lookup says of one object: yes, no, or that it depends.
fn implied(found: &BTreeMap<String, Found>, id: &str) -> Option<bool> {
    let everybody = || {
        let Some(wildcard) = found.get("*") else { return Some(false) };
        match wildcard.excluded.get(id) {
            Some(false) => Some(false),
            Some(true) => None,
            None => (!wildcard.conditional).then_some(true),
        }
    };
    found.get(id).map_or_else(everybody, |found| (!found.conditional).then_some(true))
}

fn says(said: &Said, implied: Option<bool>) -> bool {
    match said {
        Said::Verdict(Verdict::Member) => implied == Some(true),
        Said::Verdict(Verdict::NotMember) => implied == Some(false),
        Said::Verdict(Verdict::Conditional(_)) => implied.is_none(),
        Said::Verdict(_) | Said::Found(_) | Said::Text(_) | Said::Refused { .. } => false,
    }
}
