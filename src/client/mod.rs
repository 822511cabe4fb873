//! Client of a server: a connection, and blocking calls in terms of the vocabulary.
//!
//! No message and no status leaves this module: arguments are relationships, subjects and filters, and a failed call is a
//! [`CallError`] of one line.

mod bulk_relationships;
mod call_error;
mod check;
mod connection;
mod data_reach;
mod decode;
mod evidence;
mod expand;
mod health;
mod history;
mod kilwa_relationships;
mod list_permissions;
mod lookup_resources;
mod lookup_subjects;
mod misspelt_name;
mod read_consistency;
mod relationships;
mod schema;
mod tls;
mod watch;

pub use bulk_relationships::ExportArgs;
pub use call_error::{CallError, ServerFlags};
pub use check::{CheckAnswer, PermissionCheck};
pub use connection::Connection;
pub use expand::{PermissionTree, PermissionTreeKind, TreeOperation};
pub use history::{ChangeReport, HistoryFilter};
pub use kilwa_relationships::{ObjectUseCounts, SetRelationResult};
pub use list_permissions::{ListPermissionsArgs, PermissionList};
pub use lookup_resources::{LookupResourcesArgs, PageRequest, ResourceMatch};
pub use lookup_subjects::{LookupSubjectsArgs, SubjectMatch};
pub use read_consistency::ReadConsistency;
pub use relationships::DeletionResult;
pub use tls::ClientTls;
pub use watch::{WatchMessage, WatchQuery};
