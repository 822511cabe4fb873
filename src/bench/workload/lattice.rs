//! Lattices: ten layers of groups, each of which holds all groups of the next layer, so that there are a quarter of a million ways to a member.

use super::data::{NESTED_GROUPS, WorkloadData, WrittenRelation, units_for};
use crate::bench::draw::Draw;
use crate::bench::model::{
    BenchObject, BenchTuple, CheckItem, LookupItem, check, id_of, object, resources, subjects,
    tuple, userset_tuple,
};

const LAYERS: u32 = 10;
const WIDTH: u32 = 4;
const BOTTOM: u32 = LAYERS - 1;
const MEMBERS_PER_GROUP: u32 = 10;
const USERS: u32 = WIDTH * MEMBERS_PER_GROUP;
/// One for each group of the first and of the last layer.
const DOCUMENTS: u32 = 2 * WIDTH;

pub(super) struct LatticeData {
    lattices: u32,
}

impl LatticeData {
    pub(super) fn new(relationships: u64) -> Self {
        let sample = Self { lattices: 2 };
        Self { lattices: units_for(relationships, |unit, take| sample.write_unit(unit, take)) }
    }
}

impl WorkloadData for LatticeData {
    fn schema(&self) -> &'static str {
        NESTED_GROUPS
    }

    fn units(&self) -> u32 {
        self.lattices
    }

    fn write_unit(&self, unit: u32, take: &mut dyn FnMut(BenchTuple)) {
        for layer in 1..LAYERS {
            for (upper, lower) in (0..WIDTH).flat_map(|u| (0..WIDTH).map(move |l| (u, l))) {
                let (upper, lower) = (group(unit, layer - 1, upper), group(unit, layer, lower));
                take(userset_tuple(upper, "member", lower, "member"));
            }
        }
        for number in 0..USERS {
            take(tuple(
                group(unit, BOTTOM, number / MEMBERS_PER_GROUP),
                "member",
                user(unit, number),
            ));
        }
        for number in 0..DOCUMENTS {
            let layer = if number < WIDTH { 0 } else { BOTTOM };
            let viewers = group(unit, layer, number % WIDTH);
            take(userset_tuple(document(unit, number), "viewer", viewers, "member"));
        }
    }

    fn check(&self, draw: &mut Draw) -> CheckItem {
        let unit = draw.pick(self.lattices);
        let (number, person) = (draw.below(DOCUMENTS), draw.below(USERS));
        if draw.happens(40) {
            let stranger = user((unit + 1) % self.lattices, person);
            return check(document(unit, number), "view", stranger, false);
        }
        check(document(unit, number), "view", user(unit, person), can_view(number, person))
    }

    fn lookup_resources(&self, draw: &mut Draw) -> LookupItem {
        let unit = draw.pick(self.lattices);
        let person = draw.below(USERS);
        let found = (0..DOCUMENTS).filter(|number| can_view(*number, person));
        let ids = found.map(|number| document(unit, number).id);
        resources("document", "view", user(unit, person), ids)
    }

    fn lookup_subjects(&self, draw: &mut Draw) -> LookupItem {
        let unit = draw.pick(self.lattices);
        let number = draw.below(DOCUMENTS);
        let found = (0..USERS).filter(|person| can_view(number, *person));
        let ids = found.map(|person| user(unit, person).id);
        subjects(document(unit, number), "view", "user", ids)
    }

    fn written(&self) -> WrittenRelation {
        WrittenRelation { kind: "document", relation: "viewer", permission: "view" }
    }
}

/// Everyone in the lattice is in each group of the first layer; a group of the last layer has its own members alone.
fn can_view(document: u32, person: u32) -> bool {
    document < WIDTH || document - WIDTH == person / MEMBERS_PER_GROUP
}

fn user(unit: u32, number: u32) -> BenchObject {
    object("user", id_of("u", unit, number))
}

fn group(unit: u32, layer: u32, number: u32) -> BenchObject {
    object("group", id_of("g", unit, layer * WIDTH + number))
}

fn document(unit: u32, number: u32) -> BenchObject {
    object("document", id_of("d", unit, number))
}
