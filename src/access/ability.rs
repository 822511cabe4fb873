//! What a caller may do, for those who review it.

use super::method::{METHODS, Method, MethodReach};
use super::permit::{CallPermit, Extent};
use crate::relationship::RelationshipScope;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

/// Methods that a caller may call, and the part of the data on which it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ability {
    /// The part.
    pub part: DataPart,
    /// The names of the methods, each once.
    pub methods: BTreeSet<&'static str>,
}

/// The part of the data that methods reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataPart {
    /// All data.
    Everything,
    /// Objects and relationships within a scope.
    Scope(Arc<RelationshipScope>),
    /// The whole schema, and no relationship.
    Schema,
    /// Nothing that is stored.
    Nothing,
}

impl fmt::Display for DataPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("all data"),
            Self::Scope(scope) => scope.fmt(f),
            Self::Schema => f.write_str("the whole schema"),
            Self::Nothing => f.write_str("no data"),
        }
    }
}

/// What permits, by the paths of their methods, allow. Methods with the same part are together.
pub(super) fn abilities(permits: &HashMap<&'static str, Arc<CallPermit>>) -> Vec<Ability> {
    let mut abilities: Vec<Ability> = Vec::new();
    for method in METHODS {
        let Some(permit) = permits.get(method.path) else { continue };
        let part = part(method, &permit.extent);
        match abilities.iter_mut().find(|ability| ability.part == part) {
            Some(ability) => drop(ability.methods.insert(method.name())),
            None => abilities.push(Ability { part, methods: BTreeSet::from([method.name()]) }),
        }
    }
    abilities
}

fn part(method: &Method, extent: &Extent) -> DataPart {
    match (method.reach, extent) {
        (MethodReach::Nothing, _) | (_, Extent::Nothing) => DataPart::Nothing,
        (MethodReach::Schema, _) => DataPart::Schema,
        (MethodReach::Objects | MethodReach::Everything, Extent::Part(scope)) => {
            DataPart::Scope(Arc::clone(scope))
        }
        (MethodReach::Objects | MethodReach::Everything, Extent::Everything) => {
            DataPart::Everything
        }
    }
}
