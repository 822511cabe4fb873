//! Who may call, and what: callers with keys or certificates, and the roles that limit them.
//!
//! [`Callers`] finds the caller of a call. A caller without limits may do everything; one with roles has a [`CallPermit`] for
//! each method that a role of it names, and the permit says which objects and relationships the method may touch. An access
//! file, [`AccessFile`], defines keys, certificates and roles.
//!
//! Invariant: this module knows no message and no gRPC code. What no role names is refused: a method that is not in the
//! table of methods is open to callers without limits alone.

mod ability;
mod callers;
mod file;
mod issuer_table;
mod key;
mod method;
mod permit;
mod principal;
mod role;
mod standing;
mod token;

pub use ability::{Ability, DataPart};
pub use callers::{Callers, CallersError};
pub use file::{AccessFile, read_access_file};
pub use issuer_table::IssuerTable;
pub use key::KeyHash;
pub use method::{METHODS, Method, MethodGroup, MethodReach};
pub use permit::{AccessRefusal, CallPermit, Withheld};
pub use principal::{CertificateNameKind, Principal};
pub use standing::{Credential, Revocation, Standing};
pub use token::{FetchOutcome, KeySetLook, KeySetSource, RemoteKeySet, TokenRefusal};
