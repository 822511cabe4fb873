//! Wide nodes: a group with a million members, and a document with ten thousand parents.

use super::data::{WorkloadData, WrittenRelation};
use crate::bench::draw::Draw;
use crate::bench::model::{
    BenchObject, BenchTuple, CheckItem, LookupItem, check, id, id_of, object, resources, subjects,
    tuple, userset_tuple,
};

const SCHEMA: &str = "definition user {}

definition group {
  relation member: user
}

definition folder {
  relation viewer: user
  permission view = viewer
}

definition document {
  relation parent: folder
  relation viewer: user | group#member
  permission view = viewer
  permission read = viewer + parent->view
}
";

const MEMBERS_MAX: u64 = 1_000_000;
/// One parent for so many members.
const MEMBERS_PER_PARENT: u32 = 100;
/// So many people share the folders of a document.
const VIEWERS_MAX: u32 = 100;

pub(super) struct WideData {
    documents: u32,
    members: u32,
}

impl WideData {
    pub(super) fn new(relationships: u64) -> Self {
        let members = relationships.clamp(u64::from(MEMBERS_PER_PARENT), MEMBERS_MAX);
        let documents = u32::try_from(relationships / members).unwrap_or(u32::MAX).max(1);
        Self { documents, members: u32::try_from(members).unwrap_or(u32::MAX) }
    }

    fn parents(&self) -> u32 {
        self.members / MEMBERS_PER_PARENT
    }

    fn viewers(&self) -> u32 {
        self.parents().min(VIEWERS_MAX)
    }

    /// The one who views a folder.
    fn viewer_of(&self, unit: u32, parent: u32) -> BenchObject {
        viewer(unit, parent % self.viewers())
    }
}

impl WorkloadData for WideData {
    fn schema(&self) -> &'static str {
        SCHEMA
    }

    fn units(&self) -> u32 {
        self.documents
    }

    fn write_unit(&self, unit: u32, take: &mut dyn FnMut(BenchTuple)) {
        let group = object("group", id("g", unit));
        take(userset_tuple(document(unit), "viewer", group, "member"));
        for number in 0..self.members {
            take(tuple(group, "member", member(unit, number)));
        }
        for number in 0..self.parents() {
            take(tuple(document(unit), "parent", folder(unit, number)));
            take(tuple(folder(unit, number), "viewer", self.viewer_of(unit, number)));
        }
    }

    fn check(&self, draw: &mut Draw) -> CheckItem {
        let unit = draw.below(self.documents);
        let member = member(unit, draw.pick(self.members));
        let parent = draw.pick(self.parents());
        let viewer = self.viewer_of(unit, parent);

        match draw.below(10) {
            0..=3 => check(document(unit), "view", member, true),
            4 => check(document(unit), "view", viewer, false),
            5 => check(document(unit), "read", member, true),
            6 => check(document(unit), "read", viewer, true),
            7 => check(folder(unit, parent), "view", viewer, true),
            8 => check(folder(unit, parent), "view", member, false),
            // No one knows this user, which every parent may have to be asked for.
            _ => check(document(unit), "read", object("user", id("n", parent)), false),
        }
    }

    fn lookup_resources(&self, draw: &mut Draw) -> LookupItem {
        let unit = draw.below(self.documents);
        let number = draw.below(self.viewers());
        let found = (0..self.parents()).filter(|parent| parent % self.viewers() == number);
        let ids = found.map(|parent| folder(unit, parent).id);
        resources("folder", "view", viewer(unit, number), ids)
    }

    fn lookup_subjects(&self, draw: &mut Draw) -> LookupItem {
        let unit = draw.below(self.documents);
        let ids = (0..self.members).map(|number| member(unit, number).id);
        subjects(document(unit), "view", "user", ids)
    }

    fn written(&self) -> WrittenRelation {
        WrittenRelation { kind: "document", relation: "viewer", permission: "view" }
    }

    fn lookups(&self) -> u32 {
        // Each has a million results, so that a few are enough.
        4
    }
}

fn member(unit: u32, number: u32) -> BenchObject {
    object("user", id_of("m", unit, number))
}

fn viewer(unit: u32, number: u32) -> BenchObject {
    object("user", id_of("v", unit, number))
}

fn folder(unit: u32, number: u32) -> BenchObject {
    object("folder", id_of("f", unit, number))
}

fn document(unit: u32) -> BenchObject {
    object("document", id("d", unit))
}
