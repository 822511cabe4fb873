//! The vocabulary: relationships, and how they are written.
//!
//! A relationship says that a *subject* has a *relation* to a *resource*: `document:plan#viewer@user:ann`. Every other
//! module uses these types. The module also defines the interface between evaluation and storage, [`RelationshipReader`],
//! and its in-memory implementation [`RelationshipSet`].
//!
//! Invariant: this module knows no schema, disk, clock or wire format.

mod context;
mod escaped_id;
mod filter;
mod keys;
mod name;
mod object;
mod permissionship;
mod read_error;
mod read_point;
mod reader;
mod revision;
mod scope;
mod scope_ids;
mod scope_text;
mod set;
mod subject;
mod suggestion;
mod text;
mod timestamp;
mod tuple;
mod update;

pub use context::{Context, ContextError};
pub use escaped_id::{from_object_id, to_object_id};
pub use filter::{ObjectIdFilter, RelationshipFilter, SubjectFilter, SubjectRelationFilter};
pub use keys::{RelationKey, ResourceKey, SubjectForm, SubjectKey};
pub use name::{InvalidName, NameKind, require_name};
pub use object::ObjectRef;
pub use permissionship::Permissionship;
pub use read_error::ReadError;
pub use read_point::{ReadPoint, Validity};
pub use reader::{IdPage, RelationshipReader};
pub use revision::Revision;
pub use scope::{OutsideScope, RelationPattern, RelationshipScope, ScopeArea};
pub use set::{RelationshipSet, VisibleSet};
pub use subject::{Subject, WILDCARD_ID};
pub use suggestion::nearest;
pub use text::{ParseError, parse_relationship_key};
pub use timestamp::{Timestamp, TimestampError};
pub use tuple::{ContextualizedCaveat, Qualifiers, Relationship};
pub use update::{Precondition, PreconditionOperation, RelationshipUpdate, UpdateOperation};
