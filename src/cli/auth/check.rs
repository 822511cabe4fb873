//! `kilwa auth check`.

use crate::access::{Ability, AccessFile, Principal, read_access_file};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render::{self, DOUBTFUL, styled};
use crate::file_mode::FileMode;
use clap::Args;
use std::fmt::Write as _;
use std::iter;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The access file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let AccessFile { keys, certificates, issuers, roles, has_plain_keys, warnings } =
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
        push_caller(&mut text, &format!("{kind} {}", caller.name()), caller);
    }
    for (name, values) in issuers.values() {
        if values.is_empty() {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "  issuer {name}: no caller; its tokens name subjects alone");
        }
        for (value, caller) in values {
            push_caller(&mut text, &format!("issuer {name}, value {value}"), &caller);
        }
    }
    render::out(&text)?;
    for warning in warnings {
        let label = styled(DOUBTFUL, "warning:");
        render::note(&format!("{label} {}:{warning}", arguments.file.display()));
    }
    let mode = FileMode::at(&arguments.file)?;
    if has_plain_keys {
        render::note(
            "some keys are in plain text: keep their hashes instead, see `kilwa auth hash`\n",
        );
        if mode.all_may_read() {
            render::note(
                "every user of this machine can read them: make the mode of the file 0600\n",
            );
        }
    }
    for file in iter::once(arguments.file.clone()).chain(issuers.files()) {
        if FileMode::at(&file)?.all_may_change() {
            render::note(&format!(
                "every user of this machine can change `{}`, and so give itself every role: make its mode 0600\n",
                file.display()
            ));
        }
    }
    Ok(Exit::Success)
}

fn count(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Adds what a caller may do: a line for each part of the data with the methods that reach it.
fn push_caller(text: &mut String, name: &str, caller: &Principal) {
    // Writing to a text cannot fail.
    let _ = match caller.abilities() {
        None => writeln!(text, "  {name}: every method, on all data"),
        Some(abilities) if abilities.is_empty() => {
            writeln!(
                text,
                "  {name}: no method: those that its roles name need a role without limits"
            )
        }
        Some(_) => writeln!(text, "  {name}:"),
    };
    for Ability { part, methods } in caller.abilities().unwrap_or_default() {
        let methods: Vec<&str> = methods.into_iter().collect();
        let _ = writeln!(text, "    on {part}: {}", methods.join(", "));
    }
}
