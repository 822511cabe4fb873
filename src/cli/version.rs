//! `kilwa version`.

use super::failure::Failure;
use super::{Exit, render};

pub(super) fn run() -> Result<Exit, Failure> {
    render::out(&format!("kilwa {}\n", env!("CARGO_PKG_VERSION")))?;
    Ok(Exit::Success)
}
