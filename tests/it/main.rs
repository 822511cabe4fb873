//! What is tested through the public surface, one module a topic.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on must fail"
)]

mod caveat;
mod caveat_language;
