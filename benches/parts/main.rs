//! Benchmarks of the parts.
fn main() {}
