//! Store, compiled schemas and the cache of answers behind one handle.
//!
//! A read goes through a [`View`], which is schema and relationships at one revision. A write returns the revision that it
//! created. The schema's rules are enforced within the write, so that no concurrent write can break them.

mod consistency;
mod error;
mod handle;
mod read;
mod requirement;
mod schema_cache;
mod write;

pub use consistency::Consistency;
pub use error::DatabaseError;
pub use handle::{ClosedDatabase, Database, DatabaseOptions};
pub use read::list_permissions::Listing;
pub use read::lookup_resources::LookupUnderWay;
pub use read::view::{Held, InvalidPosition, Position, ReadPage, View};
pub use read::watch::{Changes, HeldChanges, RelationshipChange, RevisionChanges, WatchPosition};
pub use requirement::{RequiredPermission, UnmetPermission};
pub use write::counters::{RegisterCounter, UnregisterCounter};
pub use write::delete::{DeleteRequest, Deleted};
pub use write::delete_object::{DeleteObjectRequest, Mentions};
pub use write::import::{CompleteImport, Import};
pub use write::proposal::{Caller, Examination, ExaminedWrite, Outcome, Proposal, Round};
pub use write::relationships::WriteRequest;
pub use write::schema::WriteSchema;
pub use write::set_relation::{RelationSet, SetRelationRequest};
