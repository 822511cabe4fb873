//! Caveats: access by the hour, asked for with the hour, and without it, so that answers are conditional.

use super::data::{WorkloadData, WrittenRelation, units_for};
use crate::bench::draw::{Draw, hash};
use crate::bench::model::{
    BenchCaveat, BenchId, BenchObject, BenchTuple, CheckItem, LookupItem, LookupSide, RightAnswer,
    id, id_of, object, tuple, userset_tuple,
};

const SCHEMA: &str = "caveat in_hours(hour int, from int, until int) {
  hour >= from && hour < until
}

definition user {}

definition group {
  relation member: user
}

definition document {
  relation owner: user
  relation guest: user with in_hours
  relation team: group#member with in_hours
  permission view = owner + guest + team
}
";

const USERS: u32 = 20;
const DOCUMENTS: u32 = 10;
const HOURS: u32 = 24;
/// How long a document is open to a guest or team.
const SHIFT: u32 = 8;

/// Who may view a document, and when.
#[derive(Clone, Copy)]
struct DocumentRules {
    owner: u32,
    guest: u32,
    guest_from: u32,
    team_from: u32,
}

pub(super) struct CaveatsData {
    seed: u64,
    offices: u32,
}

impl CaveatsData {
    pub(super) fn new(relationships: u64, seed: u64) -> Self {
        let sample = Self { seed, offices: 2 };
        Self { seed, offices: units_for(relationships, |unit, take| sample.write_unit(unit, take)) }
    }

    fn rules(&self, unit: u32, document: u32) -> DocumentRules {
        let drawn = hash(self.seed, u64::from(unit) << 16 | u64::from(document));
        let part = |shift: u32, bound: u32| {
            u32::try_from((drawn >> shift) % u64::from(bound)).unwrap_or_default()
        };
        DocumentRules {
            owner: part(0, USERS),
            guest: part(12, USERS),
            guest_from: part(24, HOURS - SHIFT),
            team_from: part(36, HOURS - SHIFT),
        }
    }

    fn answer(&self, unit: u32, (document, person): (u32, u32), hour: Option<u32>) -> RightAnswer {
        let rules = self.rules(unit, document);
        let ways = [
            (person == rules.guest).then_some(rules.guest_from),
            is_in_team(person).then_some(rules.team_from),
        ];
        let is_open = |from: u32| hour.map(|hour| (from..from + SHIFT).contains(&hour));
        let open: Vec<Option<bool>> = ways.into_iter().flatten().map(is_open).collect();

        if person == rules.owner || open.contains(&Some(true)) {
            RightAnswer::Yes
        } else if open.contains(&None) {
            RightAnswer::Conditional
        } else {
            RightAnswer::No
        }
    }

    /// Those of some ids that have an answer other than no, and whether it is conditional.
    fn found(answers: impl Iterator<Item = (BenchObject, RightAnswer)>) -> Vec<(BenchId, bool)> {
        let found = answers.filter(|(_, answer)| *answer != RightAnswer::No);
        found.map(|(object, answer)| (object.id, answer == RightAnswer::Conditional)).collect()
    }
}

impl WorkloadData for CaveatsData {
    fn schema(&self) -> &'static str {
        SCHEMA
    }

    fn units(&self) -> u32 {
        self.offices
    }

    fn write_unit(&self, unit: u32, take: &mut dyn FnMut(BenchTuple)) {
        let team = object("group", id("g", unit));
        for person in (0..USERS).filter(|person| is_in_team(*person)) {
            take(tuple(team, "member", user(unit, person)));
        }
        for number in 0..DOCUMENTS {
            let rules = self.rules(unit, number);
            let document = document(unit, number);
            take(tuple(document, "owner", user(unit, rules.owner)));
            let guest = tuple(document, "guest", user(unit, rules.guest));
            take(BenchTuple { caveat: Some(hours(rules.guest_from)), ..guest });
            let team = userset_tuple(document, "team", team, "member");
            take(BenchTuple { caveat: Some(hours(rules.team_from)), ..team });
        }
    }

    fn check(&self, draw: &mut Draw) -> CheckItem {
        let unit = draw.pick(self.offices);
        let (number, person) = (draw.below(DOCUMENTS), draw.below(USERS));
        let hour = hour(draw);
        CheckItem {
            resource: document(unit, number),
            permission: "view",
            subject: user(unit, person),
            context: hour.map(|hour| ("hour", hour)),
            right: self.answer(unit, (number, person), hour),
        }
    }

    fn lookup_resources(&self, draw: &mut Draw) -> LookupItem {
        let unit = draw.pick(self.offices);
        let person = draw.below(USERS);
        let hour = hour(draw);
        let answers = (0..DOCUMENTS)
            .map(|number| (document(unit, number), self.answer(unit, (number, person), hour)));
        LookupItem {
            side: LookupSide::Resources { kind: "document", subject: user(unit, person) },
            permission: "view",
            context: hour.map(|hour| ("hour", hour)),
            right: Self::found(answers),
        }
    }

    fn lookup_subjects(&self, draw: &mut Draw) -> LookupItem {
        let unit = draw.pick(self.offices);
        let number = draw.below(DOCUMENTS);
        let hour = hour(draw);
        let answers = (0..USERS)
            .map(|person| (user(unit, person), self.answer(unit, (number, person), hour)));
        LookupItem {
            side: LookupSide::Subjects { resource: document(unit, number), kind: "user" },
            permission: "view",
            context: hour.map(|hour| ("hour", hour)),
            right: Self::found(answers),
        }
    }

    fn written(&self) -> WrittenRelation {
        WrittenRelation { kind: "document", relation: "owner", permission: "view" }
    }
}

/// The hour that a question states; one in four states none.
fn hour(draw: &mut Draw) -> Option<u32> {
    let hour = draw.below(HOURS);
    (!draw.happens(25)).then_some(hour)
}

fn hours(from: u32) -> BenchCaveat {
    BenchCaveat { name: "in_hours", context: [("from", from), ("until", from + SHIFT)] }
}

fn is_in_team(person: u32) -> bool {
    person.is_multiple_of(2)
}

fn user(unit: u32, person: u32) -> BenchObject {
    object("user", id_of("u", unit, person))
}

fn document(unit: u32, number: u32) -> BenchObject {
    object("document", id_of("d", unit, number))
}
