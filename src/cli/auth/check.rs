//! `kilwa auth check`.

use crate::access::{AccessFile, Principal, read_access_file};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render;
use clap::Args;
use std::fmt::Write as _;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The access file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let AccessFile { keys, certificates, issuers, roles, has_plain_keys } =
        read_access_file(&arguments.file, &[])?;
    let counts = [
        count(keys.len(), "key"),
        count(certificates.len(), "certificate"),
        count(roles.len(), "role"),
    ];

    let mut text = format!("{}: {}\n", arguments.file.display(), counts.join(", "));
    let key_callers = keys.iter().map(|(_, caller)| ("key", caller));
    for (kind, caller) in
        key_callers.chain(certificates.values().map(|caller| ("certificate", caller)))
    {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  {kind} {}: {}", caller.name(), methods(caller));
    }
    for (name, values) in issuers.values() {
        let values = values.into_iter().collect::<Vec<_>>().join(", ");
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  issuer {name}: roles for {values}");
    }
    render::out(&text)?;
    if has_plain_keys {
        render::note(
            "some keys are in plain text: keep their hashes instead, see `kilwa auth hash`\n",
        );
    }
    Ok(Exit::Success)
}

fn count(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// The methods that a caller may call.
fn methods(caller: &Principal) -> String {
    match caller.methods() {
        None => "every method, on all data".to_owned(),
        Some(methods) if methods.is_empty() => {
            "no method: those that its roles name need a role without limits".to_owned()
        }
        Some(methods) => methods.into_iter().collect::<Vec<_>>().join(", "),
    }
}
