//! What every workload gives: a schema, relationships in parts, and questions whose answers follow from how the relationships were made.

use crate::bench::draw::Draw;
use crate::bench::model::{BenchTuple, CheckItem, LookupItem};

/// So many lookups are asked, over and over, as their right answers are kept.
const LOOKUPS: u32 = 256;

/// The schema of the workloads that are groups in groups, in whatever shape.
pub(super) const NESTED_GROUPS: &str = "definition user {}

definition group {
  relation member: user | group#member
}

definition document {
  relation viewer: user | group#member
  permission view = viewer
}
";

/// The data of a workload at one size.
pub(in crate::bench) trait WorkloadData {
    fn schema(&self) -> &'static str;

    /// How many parts the data have, most often alike and independent of each other: tenants, drives, chains.
    fn units(&self) -> u32;

    /// Gives the relationships of a part.
    fn write_unit(&self, unit: u32, take: &mut dyn FnMut(BenchTuple));

    fn check(&self, draw: &mut Draw) -> CheckItem;

    fn lookup_resources(&self, draw: &mut Draw) -> LookupItem;

    fn lookup_subjects(&self, draw: &mut Draw) -> LookupItem;

    /// A relation of a type to users and a permission that it alone gives: what writes are made of.
    fn written(&self) -> WrittenRelation;

    /// How many different lookups of each side are asked.
    fn lookups(&self) -> u32 {
        LOOKUPS
    }
}

/// A relation to users, and a permission that follows from it.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) struct WrittenRelation {
    pub(in crate::bench) kind: &'static str,
    pub(in crate::bench) relation: &'static str,
    pub(in crate::bench) permission: &'static str,
}

/// How many parts of the size of the second one make about so many relationships; two at least.
pub(super) fn units_for(
    relationships: u64,
    write_unit: impl Fn(u32, &mut dyn FnMut(BenchTuple)),
) -> u32 {
    let mut each = 0;
    write_unit(1, &mut |_| each += 1);
    u32::try_from(relationships / each).unwrap_or(u32::MAX).max(2)
}
