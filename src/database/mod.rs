//! Store, compiled schemas and the cache of check results behind one handle.
//!
//! A read goes through a [`View`], which is schema and relationships at one revision. A write returns the revision that it
//! created. The schema's rules are enforced within the write, so that no concurrent write can break them.

mod consistency;
mod error;
mod error_text;
mod guards;
mod handle;
mod lookup_pool;
mod options;
mod read;
mod requirement;
mod schema_cache;
mod write;

pub use consistency::Consistency;
pub use error::DatabaseError;
pub use handle::{ClosedDatabase, Database};
pub use lookup_pool::ActiveLookup;
pub use options::DatabaseOptions;
pub use read::change_position::WatchPosition;
pub use read::changes::{Changes, ChangesPin, RelationshipChange, RevisionChanges};
pub use read::history::{HistoryPage, HistoryQuery, PastChange};
pub use read::list_permissions::ListPermissionsQuery;
pub use read::relationships::{InvalidReadPosition, ReadPage, ReadPosition};
pub use read::view::{View, ViewPin};
pub use requirement::{RequiredPermission, UnmetPermission};
pub use write::counters::{RegisterCounter, UnregisterCounter};
pub use write::delete::{DeleteRequest, DeletionSummary};
pub use write::delete_object::{DeleteObjectRequest, ReferenceCounts};
pub use write::import::{CompleteImport, Import};
pub use write::proposal::{
    Caller, Examination, ExaminedWrite, PendingWrite, Proposal, SubmitOutcome,
};
pub use write::relationships::WriteRequest;
pub use write::schema::WriteSchema;
pub use write::set_relation::{RelationDiff, SetRelationRequest};
