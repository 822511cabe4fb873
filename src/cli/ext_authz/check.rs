//! `kilwa ext-authz check`.

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::envoy::read_mapping;
use clap::Args;
use std::fmt::Write as _;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The mapping file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let mapping = read_mapping(&arguments.file)?;
    let count = mapping.rules().count();
    let plural = if count == 1 { "" } else { "s" };
    let mut text = format!("{}: {count} rule{plural}\n", arguments.file.display());
    for (name, does) in mapping.rules() {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  {name}: {does}");
    }
    for issuer in mapping.issuers() {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  tokens of the issuer {issuer} of the access file name subjects");
    }
    render::out(&text)?;
    for header in mapping.subject_headers() {
        render::note(&format!(
            "the header `{header}` names a subject: make sure that Envoy sets it, and that a client cannot\n"
        ));
    }
    Ok(Exit::Success)
}
