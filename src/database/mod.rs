//! Where they meet: the store, its compiled schemas and the cache of answers, behind one handle.
//!
//! Reading asks a [`View`], which is schema and relationships at one revision. Writing gives a revision. The schema's
//! rules for data are applied within the write, so that no concurrent write can slip by them.

mod consistency;
mod counters;
mod delete;
mod delete_object;
mod error;
mod expand;
mod export;
mod fill;
mod handle;
mod import;
mod lookup_resources;
mod lookup_subjects;
mod matches;
mod noted_reads;
mod permissions;
mod proposal;
mod required;
mod requirements;
mod schemas;
mod set_relation;
mod view;
mod watch;
mod write;
mod write_schema;

pub use consistency::Consistency;
pub use counters::{RegisterCounter, UnregisterCounter};
pub use delete::{DeleteRequest, Deleted};
pub use delete_object::{DeleteObjectRequest, Mentions};
pub use error::DatabaseError;
pub use handle::{ClosedDatabase, Database, DatabaseOptions};
pub use import::{CompleteImport, Import};
pub use lookup_resources::LookupUnderWay;
pub use permissions::Listing;
pub use proposal::{Caller, Examination, ExaminedWrite, Outcome, Proposal, Round};
pub use required::{RequiredPermission, UnmetPermission};
pub use set_relation::{RelationSet, SetRelationRequest};
pub use view::{Held, InvalidPosition, Position, ReadPage, View};
pub use watch::{Changes, HeldChanges, RelationshipChange, RevisionChanges, WatchPosition};
pub use write::WriteRequest;
pub use write_schema::WriteSchema;
