//! Drives of companies: folders eight deep, documents in them, shares with people and with groups.

use super::data::{WorkloadData, WrittenRelation, units_for};
use crate::bench::draw::{Draw, hash};
use crate::bench::model::{
    BenchObject, BenchTuple, CheckItem, LookupItem, check, id_of, object, resources, subjects,
    tuple, userset_tuple,
};

const SCHEMA: &str = "definition user {}

definition group {
  relation member: user | group#member
}

definition folder {
  relation parent: folder
  relation owner: user
  relation viewer: user | group#member
  permission edit = owner + parent->edit
  permission view = viewer + edit + parent->view
}

definition document {
  relation parent: folder
  relation owner: user
  relation viewer: user | group#member
  permission edit = owner + parent->edit
  permission view = viewer + edit + parent->view
}
";

/// The folders are a binary tree with the numbers of a heap: folder n is in folder n / 2, and eight levels are full.
const FOLDERS: u32 = 255;
const ROOT: u32 = 1;
const DOCUMENTS_PER_FOLDER: u32 = 2;
const DOCUMENTS: u32 = FOLDERS * DOCUMENTS_PER_FOLDER;
const USERS: u32 = 40;
const TEAMS: u32 = 4;
/// The group of all teams.
const ALL: u32 = TEAMS;
/// The folder that is shared with the group of all teams.
const COMMON_FOLDER: u32 = 7;
/// The one who owns the root.
const ADMIN: u32 = 0;
/// One of so many folders is shared with a team.
const SHARED_FOLDERS: u64 = 16;
/// One of so many documents is shared with a person.
const SHARED_DOCUMENTS: u64 = 8;

pub(super) struct DriveData {
    seed: u64,
    drives: u32,
}

impl DriveData {
    pub(super) fn new(relationships: u64, seed: u64) -> Self {
        let sample = Self { seed, drives: 2 };
        Self { seed, drives: units_for(relationships, |unit, take| sample.write_unit(unit, take)) }
    }

    /// The group that a folder is shared with.
    fn shared_with(&self, drive: u32, folder: u32) -> Option<u32> {
        if folder == COMMON_FOLDER {
            return Some(ALL);
        }
        let drawn = hash(self.seed, u64::from(drive) << 16 | u64::from(folder));
        drawn.is_multiple_of(SHARED_FOLDERS).then(|| low(drawn >> 8, TEAMS))
    }

    /// The one who a document is shared with.
    fn guest(&self, drive: u32, document: u32) -> Option<u32> {
        let drawn = hash(self.seed, u64::from(drive) << 16 | 1 << 15 | u64::from(document));
        drawn.is_multiple_of(SHARED_DOCUMENTS).then(|| low(drawn >> 8, USERS))
    }

    fn can_view(&self, drive: u32, document: u32, person: u32) -> bool {
        if can_edit(document, person) || self.guest(drive, document) == Some(person) {
            return true;
        }
        let mut folder = folder_of(document);
        while folder >= ROOT {
            match self.shared_with(drive, folder) {
                Some(group) if group == ALL || group == team_of(person) => return true,
                _ => folder /= 2,
            }
        }
        false
    }

    fn write_folder(&self, drive: u32, folder: u32, take: &mut dyn FnMut(BenchTuple)) {
        if folder == ROOT {
            take(tuple(folder_object(drive, folder), "owner", user(drive, ADMIN)));
        } else {
            let parent = folder_object(drive, folder / 2);
            take(tuple(folder_object(drive, folder), "parent", parent));
        }
        if let Some(team) = self.shared_with(drive, folder) {
            take(userset_tuple(
                folder_object(drive, folder),
                "viewer",
                group(drive, team),
                "member",
            ));
        }
    }
}

impl WorkloadData for DriveData {
    fn schema(&self) -> &'static str {
        SCHEMA
    }

    fn units(&self) -> u32 {
        self.drives
    }

    fn write_unit(&self, drive: u32, take: &mut dyn FnMut(BenchTuple)) {
        for person in 0..USERS {
            take(tuple(group(drive, team_of(person)), "member", user(drive, person)));
        }
        for team in 0..TEAMS {
            take(userset_tuple(group(drive, ALL), "member", group(drive, team), "member"));
        }
        for folder in ROOT..=FOLDERS {
            self.write_folder(drive, folder, take);
        }

        for number in 0..DOCUMENTS {
            let document = document_object(drive, number);
            take(tuple(document, "parent", folder_object(drive, folder_of(number))));
            take(tuple(document, "owner", user(drive, owner_of(number))));
            if let Some(guest) = self.guest(drive, number) {
                take(tuple(document, "viewer", user(drive, guest)));
            }
        }
    }

    fn check(&self, draw: &mut Draw) -> CheckItem {
        let drive = draw.pick(self.drives);
        let number = draw.below(DOCUMENTS);
        let document = document_object(drive, number);
        let person = draw.below(USERS);

        match draw.below(8) {
            0 => check(document, "edit", user(drive, person), can_edit(number, person)),
            1 => check(document, "view", user(drive, owner_of(number)), true),
            2 => check(document, "view", user((drive + 1) % self.drives, person), false),
            _ => check(document, "view", user(drive, person), self.can_view(drive, number, person)),
        }
    }

    fn lookup_resources(&self, draw: &mut Draw) -> LookupItem {
        let drive = draw.pick(self.drives);
        let person = draw.below(USERS);
        let found = (0..DOCUMENTS).filter(|number| self.can_view(drive, *number, person));
        let ids = found.map(|number| document_object(drive, number).id);
        resources("document", "view", user(drive, person), ids)
    }

    fn lookup_subjects(&self, draw: &mut Draw) -> LookupItem {
        let drive = draw.pick(self.drives);
        let number = draw.below(DOCUMENTS);
        let found = (0..USERS).filter(|person| self.can_view(drive, number, *person));
        let ids = found.map(|person| user(drive, person).id);
        subjects(document_object(drive, number), "view", "user", ids)
    }

    fn written(&self) -> WrittenRelation {
        WrittenRelation { kind: "document", relation: "viewer", permission: "view" }
    }
}

fn can_edit(document: u32, person: u32) -> bool {
    person == ADMIN || person == owner_of(document)
}

fn folder_of(document: u32) -> u32 {
    ROOT + document / DOCUMENTS_PER_FOLDER
}

fn owner_of(document: u32) -> u32 {
    document % USERS
}

fn team_of(person: u32) -> u32 {
    person % TEAMS
}

fn low(drawn: u64, bound: u32) -> u32 {
    u32::try_from(drawn % u64::from(bound)).unwrap_or_default()
}

fn user(drive: u32, person: u32) -> BenchObject {
    object("user", id_of("u", drive, person))
}

fn group(drive: u32, team: u32) -> BenchObject {
    object("group", id_of("g", drive, team))
}

fn folder_object(drive: u32, folder: u32) -> BenchObject {
    object("folder", id_of("f", drive, folder))
}

fn document_object(drive: u32, document: u32) -> BenchObject {
    object("document", id_of("d", drive, document))
}
