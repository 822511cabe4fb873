//! The audit log: a line of JSON for each call, in the form of a `CloudEvent` 1.0.
//!
//! Calls hand their records to a bounded queue, and one thread makes lines of them and writes them. So a call waits neither for
//! the disk nor for the form of its line. The thread is not woken for each record: it gathers those of some milliseconds. What
//! happens when the queue is full is a choice, [`WhenFull`].
//!
//! Invariant: nothing here waits in a call, and the memory of the queue is bounded.

mod answer;
mod event;
mod log;
mod message_json;
mod options;
mod record;
mod rotating_file;
mod whole_lines;

pub use log::{AuditError, AuditFull, AuditLog, AuditSlot};
pub use options::{AuditOptions, AuditSource, AuditTarget, WhenFull};
pub use record::{CallRecord, CapturedMessage};
