//! Roles: methods, and the part of the data on which they may be called.

use super::method::{METHODS, Method, MethodGroup, MethodReach};
use super::permit::{CallPermit, Extent};
use crate::relationship::{RelationshipScope, ScopeArea};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The name of the role without limits, which every access file has.
pub(super) const FULL_ROLE: &str = "full";

/// The method whose role decides which relationships a caller may see.
const READ_RELATIONSHIPS: &str = "ReadRelationships";
/// The method whose role decides which permissions a caller may ask for.
const CHECK_PERMISSION: &str = "CheckPermission";

/// A role: some methods on a part of the data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Role {
    /// The paths of the methods.
    pub(super) methods: BTreeSet<&'static str>,
    /// The part of the data.
    pub(super) area: ScopeArea,
}

/// The permits of a caller with these roles, by the path of the method.
pub(super) fn permits(roles: &[&Role]) -> HashMap<&'static str, Arc<CallPermit>> {
    let reads = extent_of_name(roles, READ_RELATIONSHIPS);
    let checks = extent_of_name(roles, CHECK_PERMISSION);
    let permit = |method: &Method| {
        let extent = extent(roles, method.path);
        let is_refused = match method.reach {
            MethodReach::Objects | MethodReach::Nothing => extent == Extent::Nothing,
            MethodReach::Schema => !extent.has_all_names(),
            MethodReach::Everything => extent != Extent::Everything,
        };
        let (reads, checks) = (reads.clone(), checks.clone());
        (!is_refused).then(|| (method.path, Arc::new(CallPermit { extent, reads, checks })))
    };
    METHODS.iter().filter_map(permit).collect()
}

fn extent_of_name(roles: &[&Role], name: &str) -> Extent {
    Method::named(name).next().map_or(Extent::Nothing, |method| extent(roles, method.path))
}

/// Whether a method changes relationships.
fn writes(path: &str) -> bool {
    let method = METHODS.iter().find(|method| method.path == path);
    method.is_some_and(|method| method.group == MethodGroup::Write || path.contains("Import"))
}

/// The part of the data on which these roles allow a method.
pub(super) fn extent(roles: &[&Role], path: &str) -> Extent {
    let mut areas = Vec::new();
    for role in roles.iter().filter(|role| role.methods.contains(path)) {
        if role.area.is_everything() {
            return Extent::Everything;
        }
        areas.push(ScopeArea { shares_subjects_only: writes(path), ..role.area.clone() });
    }
    if areas.is_empty() {
        Extent::Nothing
    } else {
        Extent::Part(Arc::new(RelationshipScope::new(areas)))
    }
}
