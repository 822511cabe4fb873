//! Tokens of identity providers (JWT), as a second way to be a caller.

mod claim_set;
mod issuer;
mod issuer_keys;
mod key_set;
mod refusal;
mod remote_keys;
mod ring_verifier;

pub(super) use issuer::{Issuer, TokenCaller, issuer_name};
pub(super) use issuer_keys::IssuerKeys;
pub(super) use key_set::KeySet;
pub use refusal::TokenRefusal;
pub use remote_keys::{FetchOutcome, KeySetLook, KeySetSource, RemoteKeySet};
