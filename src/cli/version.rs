//! `kilwa version`.

use super::{Exit, render};

pub(super) fn run() -> Exit {
    render::out(&format!("kilwa {}\n", env!("CARGO_PKG_VERSION")));
    Exit::Success
}
