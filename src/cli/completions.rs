//! `kilwa completions`.

use super::error::CliError;
use super::render;
use crate::cli::exit::Exit;
use clap::{Args, Command};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Shell to print the script for.
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments, mut command: Command) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "kilwa", &mut script);
    render::out(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
