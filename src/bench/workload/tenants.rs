//! Tenants of a product: organizations with people, projects and workspaces, in the schema of `schema-examples/gitpod`.

use super::data::{WorkloadData, WrittenRelation, units_for};
use crate::bench::draw::{Draw, hash};
use crate::bench::model::{
    BenchObject, BenchTuple, CheckItem, LookupItem, check, id, id_of, named, object, resources,
    subjects, tuple, userset_tuple,
};

const OWNERS: u32 = 2;
const MEMBERS: u32 = 40;
const COLLABORATORS: u32 = 4;
const STAFF: u32 = OWNERS + MEMBERS;
const PROJECTS: u32 = 20;
const WORKSPACES: u32 = 100;
/// Every so many workspaces there is one that all accounts can enter.
const SHARED_EVERY: u32 = 10;

const INSTALLATION: BenchObject = object("installation", named("main"));
const ADMIN: BenchObject = object("user", named("sysop"));
const BLOCKED: BenchObject = object("user", named("max"));
const EVERYONE: BenchObject = object("user", named("*"));

pub(super) struct TenantsData {
    seed: u64,
    organizations: u32,
}

impl TenantsData {
    pub(super) fn new(relationships: u64, seed: u64) -> Self {
        let sample = Self { seed, organizations: 2 };
        Self {
            seed,
            organizations: units_for(relationships, |unit, take| sample.write_unit(unit, take)),
        }
    }

    /// The one who started a workspace.
    fn owner(&self, org: u32, workspace: u32) -> BenchObject {
        let shift =
            u32::try_from(hash(self.seed, org.into()) % u64::from(STAFF)).unwrap_or_default();
        user(org, (workspace + shift) % STAFF)
    }

    fn write_people(org: u32, take: &mut dyn FnMut(BenchTuple)) {
        for person in 0..STAFF + COLLABORATORS {
            let user = user(org, person);
            let role = if person < STAFF { "member" } else { "collaborator" };
            take(tuple(user, "self", user));
            take(tuple(user, "organization", organization(org)));
            take(tuple(organization(org), role, user));
            if person < OWNERS {
                take(tuple(organization(org), "owner", user));
            }
        }
    }
}

impl WorkloadData for TenantsData {
    fn schema(&self) -> &'static str {
        include_str!("../../../schema-examples/gitpod/schema.zed")
    }

    fn units(&self) -> u32 {
        self.organizations
    }

    fn write_unit(&self, org: u32, take: &mut dyn FnMut(BenchTuple)) {
        if org == 0 {
            take(tuple(INSTALLATION, "everyone", EVERYONE));
            take(tuple(INSTALLATION, "admin", ADMIN));
            take(tuple(INSTALLATION, "blocked", BLOCKED));
        }
        take(tuple(organization(org), "installation", INSTALLATION));
        take(userset_tuple(organization(org), "snapshoter", organization(org), "member"));
        Self::write_people(org, take);

        for number in 0..PROJECTS {
            take(tuple(project(org, number), "org", organization(org)));
            take(userset_tuple(project(org, number), "viewer", organization(org), "member"));
        }
        for number in 0..WORKSPACES {
            take(tuple(workspace(org, number), "org", organization(org)));
            take(tuple(workspace(org, number), "owner", self.owner(org, number)));
            if number.is_multiple_of(SHARED_EVERY) {
                take(tuple(workspace(org, number), "shared", EVERYONE));
            }
        }
    }

    fn check(&self, draw: &mut Draw) -> CheckItem {
        let org = draw.pick(self.organizations);
        let other = (org + 1) % self.organizations;
        let staff = draw.below(STAFF);
        let helper = user(org, STAFF + draw.below(COLLABORATORS));
        let project = project(org, draw.below(PROJECTS));
        let number = draw.below(WORKSPACES);
        let private = number - number % SHARED_EVERY + 1;

        match draw.below(8) {
            0 => check(workspace(org, private), "access", self.owner(org, private), true),
            1 => check(workspace(org, private), "access", user(other, staff), false),
            2 => check(workspace(org, number), "read_info", user(org, staff), true),
            3 => check(project, "read_info", user(org, staff), true),
            4 => check(project, "write_info", user(other, staff), false),
            5 => check(project, "read_info", helper, false),
            6 => check(project, "read_env_var", helper, true),
            _ => check(INSTALLATION, "use_api", user(org, staff), true),
        }
    }

    fn lookup_resources(&self, draw: &mut Draw) -> LookupItem {
        let org = draw.pick(self.organizations);
        let projects = (0..PROJECTS).map(|number| project(org, number).id);
        resources("project", "read_info", user(org, draw.below(STAFF)), projects)
    }

    fn lookup_subjects(&self, draw: &mut Draw) -> LookupItem {
        let org = draw.pick(self.organizations);
        let staff = (0..STAFF).map(|person| user(org, person).id);
        let project = project(org, draw.below(PROJECTS));
        subjects(project, "read_info", "user", staff.chain([ADMIN.id]))
    }

    fn written(&self) -> WrittenRelation {
        WrittenRelation { kind: "workspace", relation: "owner", permission: "access" }
    }
}

fn organization(org: u32) -> BenchObject {
    object("organization", id("o", org))
}

fn user(org: u32, person: u32) -> BenchObject {
    object("user", id_of("u", org, person))
}

fn project(org: u32, number: u32) -> BenchObject {
    object("project", id_of("p", org, number))
}

fn workspace(org: u32, number: u32) -> BenchObject {
    object("workspace", id_of("w", org, number))
}
