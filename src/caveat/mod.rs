//! The conditions: named, typed parameters and a CEL expression over them, with three-valued results.

/// A compiled caveat.
#[derive(Debug)]
pub struct Caveat {}
