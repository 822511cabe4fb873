//! Exclusions and intersections: viewers but for those who are banned, and only those who are cleared.

use super::data::{WorkloadData, WrittenRelation, units_for};
use crate::bench::draw::{Draw, hash};
use crate::bench::model::{
    BenchObject, BenchTuple, CheckItem, LookupItem, check, id_of, named, object, resources,
    subjects, tuple, userset_tuple,
};

const SCHEMA: &str = "definition user {}

definition group {
  relation member: user
}

definition document {
  relation viewer: user | group#member
  relation banned: user | group#member
  relation cleared: user | group#member
  relation reader: user:*
  permission read = viewer - banned
  permission open = (viewer - banned) & cleared
  permission browse = reader - banned
}
";

const USERS: u32 = 32;
const DOCUMENTS: u32 = 20;
/// Every so many documents there is one that all can browse.
const PUBLIC_EVERY: u32 = 5;
const STAFF: u32 = 0;
const SUSPENDED: u32 = 1;
const CLEARED: u32 = 2;

pub(super) struct ExclusionsData {
    seed: u64,
    projects: u32,
}

impl ExclusionsData {
    pub(super) fn new(relationships: u64, seed: u64) -> Self {
        let sample = Self { seed, projects: 2 };
        Self {
            seed,
            projects: units_for(relationships, |unit, take| sample.write_unit(unit, take)),
        }
    }

    /// The one who views a document beside the staff, and the one who is banned from it alone.
    fn named_on(&self, unit: u32, document: u32) -> (u32, u32) {
        let drawn = hash(self.seed, u64::from(unit) << 16 | u64::from(document));
        let person = |bits: u64| u32::try_from(bits % u64::from(USERS)).unwrap_or_default();
        (person(drawn), person(drawn >> 16))
    }

    fn is_banned(&self, unit: u32, document: u32, person: u32) -> bool {
        is_in(SUSPENDED, person) || self.named_on(unit, document).1 == person
    }

    fn can(&self, permission: &str, unit: u32, (document, person): (u32, u32)) -> bool {
        let views = is_in(STAFF, person) || self.named_on(unit, document).0 == person;
        let holds = match permission {
            "read" => views,
            "open" => views && is_in(CLEARED, person),
            _ => is_public(document),
        };
        holds && !self.is_banned(unit, document, person)
    }
}

impl WorkloadData for ExclusionsData {
    fn schema(&self) -> &'static str {
        SCHEMA
    }

    fn units(&self) -> u32 {
        self.projects
    }

    fn write_unit(&self, unit: u32, take: &mut dyn FnMut(BenchTuple)) {
        for number in [STAFF, SUSPENDED, CLEARED] {
            for person in (0..USERS).filter(|person| is_in(number, *person)) {
                take(tuple(group(unit, number), "member", user(unit, person)));
            }
        }

        for number in 0..DOCUMENTS {
            let document = document(unit, number);
            let (viewer, banned) = self.named_on(unit, number);
            take(userset_tuple(document, "viewer", group(unit, STAFF), "member"));
            take(userset_tuple(document, "banned", group(unit, SUSPENDED), "member"));
            take(userset_tuple(document, "cleared", group(unit, CLEARED), "member"));
            take(tuple(document, "viewer", user(unit, viewer)));
            take(tuple(document, "banned", user(unit, banned)));
            if is_public(number) {
                take(tuple(document, "reader", object("user", named("*"))));
            }
        }
    }

    fn check(&self, draw: &mut Draw) -> CheckItem {
        let unit = draw.pick(self.projects);
        let (number, person) = (draw.below(DOCUMENTS), draw.below(USERS));
        let document = document(unit, number);
        if draw.happens(10) {
            let stranger = user((unit + 1) % self.projects, person);
            let is_browsing = draw.happens(50);
            let permission = if is_browsing { "browse" } else { "open" };
            return check(document, permission, stranger, is_browsing && is_public(number));
        }
        let permission = *["read", "open", "browse"].get(draw.index(3)).unwrap_or(&"read");
        let holds = self.can(permission, unit, (number, person));
        check(document, permission, user(unit, person), holds)
    }

    fn lookup_resources(&self, draw: &mut Draw) -> LookupItem {
        let unit = draw.pick(self.projects);
        let person = draw.below(USERS);
        let permission = if draw.happens(50) { "read" } else { "open" };
        let found = (0..DOCUMENTS).filter(|number| self.can(permission, unit, (*number, person)));
        let ids = found.map(|number| document(unit, number).id);
        resources("document", permission, user(unit, person), ids)
    }

    fn lookup_subjects(&self, draw: &mut Draw) -> LookupItem {
        let unit = draw.pick(self.projects);
        let number = draw.below(DOCUMENTS);
        let permission = if draw.happens(50) { "read" } else { "open" };
        let found = (0..USERS).filter(|person| self.can(permission, unit, (number, *person)));
        let ids = found.map(|person| user(unit, person).id);
        subjects(document(unit, number), permission, "user", ids)
    }

    fn written(&self) -> WrittenRelation {
        WrittenRelation { kind: "document", relation: "viewer", permission: "read" }
    }
}

fn is_in(group: u32, person: u32) -> bool {
    match group {
        STAFF => person.is_multiple_of(2),
        SUSPENDED => person.is_multiple_of(3),
        _ => person % 4 != 1,
    }
}

fn is_public(document: u32) -> bool {
    document.is_multiple_of(PUBLIC_EVERY)
}

fn user(unit: u32, person: u32) -> BenchObject {
    object("user", id_of("u", unit, person))
}

fn group(unit: u32, number: u32) -> BenchObject {
    object("group", id_of("g", unit, number))
}

fn document(unit: u32, number: u32) -> BenchObject {
    object("document", id_of("d", unit, number))
}
