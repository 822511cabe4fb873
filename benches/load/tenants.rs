//! Tenants of the shape of `schema-examples/gitpod`, and checks about them with their answers.

use kilwa::proto::authzed::api::v1::{
    CheckPermissionRequest, ObjectReference, Relationship, SubjectReference,
};

const OWNERS: u32 = 2;
const MEMBERS: u32 = 40;
const COLLABORATORS: u32 = 4;
const STAFF: u32 = OWNERS + MEMBERS;
const PROJECTS: u32 = 20;
const WORKSPACES: u32 = 100;
/// Every so many workspaces there is a shared one.
const SHARED_EVERY: u32 = 10;

/// One installation with a number of equal organizations.
#[derive(Clone, Debug)]
pub(crate) struct Installation {
    organizations: u32,
}

impl Installation {
    /// With about so many relationships, and two organizations at least.
    pub(crate) fn of_about(relationships: u32) -> Self {
        let each = u32::try_from(organization(0).len()).unwrap();
        Self { organizations: (relationships / each).max(2) }
    }

    pub(crate) fn relationships(&self) -> impl Iterator<Item = Relationship> {
        let site = vec![
            relationship("installation:main", "everyone", "user:*"),
            relationship("installation:main", "admin", "user:sysop"),
            relationship("installation:main", "blocked", "user:max"),
        ];
        site.into_iter().chain((0..self.organizations).flat_map(organization))
    }

    /// A common check of applications, and whether the answer is yes. Every number gives another one.
    pub(crate) fn question(&self, number: u32) -> (CheckPermissionRequest, bool) {
        let mut draw = Draw(number.into());
        let org = draw.below(self.organizations);
        let other = (org + 1) % self.organizations;
        let staff = draw.below(STAFF);
        let workspace = draw.below(WORKSPACES);
        let private = workspace - workspace % SHARED_EVERY + 1;
        let workspace = format!("workspace:o{org}-w{workspace}");
        let project = format!("project:o{org}-p{}", draw.below(PROJECTS));
        match draw.below(6) {
            0 => ask(&format!("workspace:o{org}-w{private}"), "access", &owner(org, private), true),
            1 => ask(&format!("workspace:o{org}-w{private}"), "access", &user(other, staff), false),
            2 => ask(&workspace, "read_info", &user(org, staff), true),
            3 => ask(&project, "read_info", &user(org, staff), true),
            4 => ask(&project, "write_info", &user(other, staff), false),
            _ => ask("installation:main", "use_api", &user(org, staff), true),
        }
    }
}

fn organization(org: u32) -> Vec<Relationship> {
    let name = format!("organization:o{org}");
    let mut all = vec![
        relationship(&name, "installation", "installation:main"),
        relationship(&name, "snapshoter", &format!("{name}#member")),
    ];
    for person in 0..STAFF + COLLABORATORS {
        let user = user(org, person);
        all.push(relationship(&user, "self", &user));
        all.push(relationship(&user, "organization", &name));
        let role = if person < STAFF { "member" } else { "collaborator" };
        all.push(relationship(&name, role, &user));
        if person < OWNERS {
            all.push(relationship(&name, "owner", &user));
        }
    }
    for project in 0..PROJECTS {
        let project = format!("project:o{org}-p{project}");
        all.push(relationship(&project, "org", &name));
        all.push(relationship(&project, "viewer", &format!("{name}#member")));
    }
    for number in 0..WORKSPACES {
        let workspace = format!("workspace:o{org}-w{number}");
        all.push(relationship(&workspace, "org", &name));
        all.push(relationship(&workspace, "owner", &owner(org, number)));
        if number % SHARED_EVERY == 0 {
            all.push(relationship(&workspace, "shared", "user:*"));
        }
    }
    all
}

fn user(org: u32, person: u32) -> String {
    format!("user:o{org}-u{person}")
}

fn owner(org: u32, workspace: u32) -> String {
    user(org, workspace % STAFF)
}

fn relationship(resource: &str, relation: &str, who: &str) -> Relationship {
    Relationship {
        resource: Some(object(resource)),
        relation: relation.to_owned(),
        subject: Some(subject(who)),
        ..Relationship::default()
    }
}

fn ask(resource: &str, permission: &str, who: &str, yes: bool) -> (CheckPermissionRequest, bool) {
    let request = CheckPermissionRequest {
        resource: Some(object(resource)),
        permission: permission.to_owned(),
        subject: Some(subject(who)),
        ..CheckPermissionRequest::default()
    };
    (request, yes)
}

fn object(text: &str) -> ObjectReference {
    let (object_type, object_id) = text.split_once(':').unwrap();
    ObjectReference { object_type: object_type.to_owned(), object_id: object_id.to_owned() }
}

fn subject(text: &str) -> SubjectReference {
    let (name, relation) = text.split_once('#').unwrap_or((text, ""));
    SubjectReference { object: Some(object(name)), optional_relation: relation.to_owned() }
}

/// Numbers that look drawn by lot and are the same every time (splitmix64).
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u32::try_from((mixed ^ (mixed >> 31)) % u64::from(bound)).unwrap()
    }
}
