//! Validation files: a schema, relationships and what must follow from them, on the pure core.
//!
//! [`validate_file`] takes a file's text to a [`Report`], stage by stage: YAML, schema, relationships, assertions,
//! expected relations. A stage reports everything that it finds, and the later ones run as far as the earlier ones
//! allow. Problems of the file point at the file's own lines, also those of a schema inside YAML.
//!
//! Invariant: no files, no clock, no threads. Other files come through a function; the time and the stopwatch are arguments.

mod assertion;
mod bootstrap;
mod content;
mod evidence;
mod expected;
mod file;
mod file_reader;
mod hints;
mod keys;
mod lines;
mod problem;
mod report;
mod run_options;
mod source;
mod stages;
mod yaml;

pub use assertion::{Assertion, AssertionError, AssertionResult, Expectation, run_assertions};
pub use bootstrap::{BootstrapData, Example, Input, read_bootstrap};
pub use content::is_schema;
pub use evidence::{Evidence, EvidenceOutcome, permission_rule, with_cut};
pub use expected::{ExpectedFailure, ExpectedRelations, ExpectedResult, Mismatch};
pub use file::SchemaNeed;
pub use problem::{FileDiagnostic, FileSection};
pub use report::{Report, ReportOutcome};
pub use run_options::RunOptions;
pub use source::SourceLocation;
pub use stages::{
    InlineFile, check_schema, parse_assertions, read_assertions, validate_file, validate_inline,
};
