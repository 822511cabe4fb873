//! Groups in groups: chains from 2 to 64 deep, with members at every level.

use super::data::{NESTED_GROUPS, WorkloadData, WrittenRelation};
use crate::bench::draw::{Draw, hash};
use crate::bench::model::{
    BenchObject, BenchTuple, CheckItem, LookupItem, check, id_of, object, resources, subjects,
    tuple, userset_tuple,
};

const DEPTH_MIN: u32 = 2;
const DEPTH_MAX: u32 = 64;
const MEMBERS_PER_LEVEL: u32 = 2;
/// The viewers of document n of a chain are the group at n quarters of its depth, and all that are in it.
const DOCUMENTS: u32 = 4;
/// The relationships of a chain of middle depth.
const RELATIONSHIPS_PER_CHAIN: u64 = 102;

pub(super) struct GroupsData {
    seed: u64,
    chains: u32,
}

impl GroupsData {
    pub(super) fn new(relationships: u64, seed: u64) -> Self {
        let chains = u32::try_from(relationships / RELATIONSHIPS_PER_CHAIN).unwrap_or(u32::MAX);
        Self { seed, chains: chains.max(2) }
    }

    /// How many groups a chain has.
    fn depth(&self, chain: u32) -> u32 {
        let span = u64::from(DEPTH_MAX - DEPTH_MIN + 1);
        DEPTH_MIN + u32::try_from(hash(self.seed, chain.into()) % span).unwrap_or_default()
    }

    /// The level of the group that views a document.
    fn level(&self, chain: u32, document: u32) -> u32 {
        (self.depth(chain) - 1) * document / DOCUMENTS
    }

    fn members(&self, chain: u32) -> u32 {
        self.depth(chain) * MEMBERS_PER_LEVEL
    }

    fn can_view(&self, chain: u32, document: u32, member: u32) -> bool {
        member / MEMBERS_PER_LEVEL >= self.level(chain, document)
    }
}

impl WorkloadData for GroupsData {
    fn schema(&self) -> &'static str {
        NESTED_GROUPS
    }

    fn units(&self) -> u32 {
        self.chains
    }

    fn write_unit(&self, chain: u32, take: &mut dyn FnMut(BenchTuple)) {
        for level in 1..self.depth(chain) {
            take(userset_tuple(group(chain, level - 1), "member", group(chain, level), "member"));
        }
        for member in 0..self.members(chain) {
            take(tuple(group(chain, member / MEMBERS_PER_LEVEL), "member", user(chain, member)));
        }
        for number in 0..DOCUMENTS {
            let viewers = group(chain, self.level(chain, number));
            take(userset_tuple(document(chain, number), "viewer", viewers, "member"));
        }
    }

    fn check(&self, draw: &mut Draw) -> CheckItem {
        let chain = draw.pick(self.chains);
        let number = draw.below(DOCUMENTS);
        if draw.happens(20) {
            let other = (chain + 1) % self.chains;
            let stranger = user(other, draw.below(self.members(other)));
            return check(document(chain, number), "view", stranger, false);
        }
        let member = draw.below(self.members(chain));
        let holds = self.can_view(chain, number, member);
        check(document(chain, number), "view", user(chain, member), holds)
    }

    fn lookup_resources(&self, draw: &mut Draw) -> LookupItem {
        let chain = draw.pick(self.chains);
        let member = draw.below(self.members(chain));
        let found = (0..DOCUMENTS).filter(|number| self.can_view(chain, *number, member));
        let ids = found.map(|number| document(chain, number).id);
        resources("document", "view", user(chain, member), ids)
    }

    fn lookup_subjects(&self, draw: &mut Draw) -> LookupItem {
        let chain = draw.pick(self.chains);
        let number = draw.below(DOCUMENTS);
        let found = (0..self.members(chain)).filter(|member| self.can_view(chain, number, *member));
        let ids = found.map(|member| user(chain, member).id);
        subjects(document(chain, number), "view", "user", ids)
    }

    fn written(&self) -> WrittenRelation {
        WrittenRelation { kind: "document", relation: "viewer", permission: "view" }
    }
}

fn user(chain: u32, member: u32) -> BenchObject {
    object("user", id_of("u", chain, member))
}

fn group(chain: u32, level: u32) -> BenchObject {
    object("group", id_of("g", chain, level))
}

fn document(chain: u32, number: u32) -> BenchObject {
    object("document", id_of("d", chain, number))
}
