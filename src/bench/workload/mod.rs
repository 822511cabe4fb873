//! The workloads: data of a size from a seed, and questions about them.

mod caveats;
mod data;
mod drive;
mod exclusions;
mod groups;
mod lattice;
mod social;
mod tenants;
mod wide;

pub(super) use data::WorkloadData;

use caveats::CaveatsData;
use drive::DriveData;
use exclusions::ExclusionsData;
use groups::GroupsData;
use lattice::LatticeData;
use social::SocialData;
use tenants::TenantsData;
use wide::WideData;

/// What the relationships look like, and what is asked about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Organizations with people, projects and workspaces.
    Tenants,
    /// Folders eight deep, documents, shares and groups.
    Drive,
    /// Groups in groups, from 2 to 64 deep.
    Groups,
    /// A group with a million members, a document with ten thousand parents.
    Wide,
    /// Layers of groups with very many ways to each member.
    Lattice,
    /// Exclusions and intersections.
    Exclusions,
    /// Caveats, with and without their context.
    Caveats,
    /// Followers by a power law.
    Social,
}

impl Workload {
    /// All of them with their names.
    pub const NAMES: [(&'static str, Self); 8] = [
        ("tenants", Self::Tenants),
        ("drive", Self::Drive),
        ("groups", Self::Groups),
        ("wide", Self::Wide),
        ("lattice", Self::Lattice),
        ("exclusions", Self::Exclusions),
        ("caveats", Self::Caveats),
        ("social", Self::Social),
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    /// Its data, of about so many relationships.
    pub(super) fn data(self, relationships: u64, seed: u64) -> Box<dyn WorkloadData> {
        match self {
            Self::Tenants => Box::new(TenantsData::new(relationships, seed)),
            Self::Drive => Box::new(DriveData::new(relationships, seed)),
            Self::Groups => Box::new(GroupsData::new(relationships, seed)),
            Self::Wide => Box::new(WideData::new(relationships)),
            Self::Lattice => Box::new(LatticeData::new(relationships)),
            Self::Exclusions => Box::new(ExclusionsData::new(relationships, seed)),
            Self::Caveats => Box::new(CaveatsData::new(relationships, seed)),
            Self::Social => Box::new(SocialData::new(relationships, seed)),
        }
    }
}
