//! The other end of the wire: one connection to a server, and calls in the words of the vocabulary that wait for their
//! answer.
//!
//! Nothing outside of this room sees a message or a status of the wire: requests are made of relationships, subjects and
//! filters, and a call that comes to nothing is a [`CallError`] of one line.

mod answer;
mod bulk;
mod calls;
mod connection;
mod expand;
mod health;
mod lookup_resources;
mod lookup_subjects;
mod message;
mod own;
mod questions;
mod watch;

pub use answer::{Answer, Permissionship};
pub use bulk::Export;
pub use calls::{Asked, Deleted, Moment};
pub use connection::{CallError, Connection};
pub use expand::{Operation, Tree, TreeKind};
pub use lookup_resources::{Resource, ResourcesAsked, ResourcesPage};
pub use lookup_subjects::{Listed, SubjectsAsked};
pub use own::{Mentions, RelationSet};
pub use questions::{ListedPermissions, Listing};
pub use watch::{Following, News};
