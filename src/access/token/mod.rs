//! Tokens of identity providers (JWT), as a second way to be a caller.

mod issuer;
mod key_set;
mod ring_verifier;

pub use issuer::TokenRefusal;
pub(super) use issuer::{Issuer, TokenCaller, issuer_name};
pub(super) use key_set::KeySet;
