//! The vocabulary: what a relationship is and how it is written.
//!
//! A relationship says that a *subject* stands in a *relation* to a *resource*: `document:plan#viewer@user:ann`.
//! Everything above speaks in these words. The room also holds the one seam between evaluation and storage,
//! [`RelationshipReader`], with its in-memory implementation [`RelationshipSet`].
//!
//! Invariant: nothing here knows a schema, a disk, a clock or a wire format.

mod context;
mod filter;
mod name;
mod object;
mod permissionship;
mod read_point;
mod reader;
mod revision;
mod set;
mod subject;
mod text;
mod timestamp;
mod update;

pub use context::{Context, ContextError};
pub use filter::{ObjectIdFilter, RelationshipFilter, SubjectFilter, SubjectRelationFilter};
pub use name::{InvalidName, NameKind, require_name};
pub use object::ObjectRef;
pub use permissionship::Permissionship;
pub use read_point::{ReadPoint, Validity};
pub use reader::{
    Page, ReadError, RelationKey, RelationshipReader, ResourceKey, SubjectForm, SubjectKey, Terms,
};
pub use revision::Revision;
pub use set::{RelationshipSet, VisibleSet};
pub use subject::Subject;
pub use text::{ParseError, parse_question};
pub use timestamp::{Timestamp, TimestampError};
pub use update::{
    ContextualizedCaveat, Precondition, PreconditionOperation, Relationship, RelationshipUpdate,
    UpdateOperation,
};
