//! Access files: keys, certificates and roles as TOML.

mod content;
mod issuer_keys;
mod issuers;
mod prefix_advice;
mod read;

pub use read::{AccessFile, read_access_file};
