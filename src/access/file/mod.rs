//! Access files: keys, certificates and roles as TOML.

mod content;
mod issuer_keys;
mod issuers;
mod read;

pub use read::{AccessFile, read_access_file};
