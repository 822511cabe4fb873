//! `kilwa man`.

use super::error::CliError;
use super::exit::Exit;
use super::render;
use clap::{Args, Command};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder to write the pages to, one for each command. It is created if it does not exist. Without it, the page of
    /// `kilwa` itself is printed.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, command: Command) -> Result<Exit, CliError> {
    match &arguments.folder {
        Some(folder) => write_pages(folder, command)?,
        None => print_page(command)?,
    }
    Ok(Exit::Success)
}

fn write_pages(folder: &Path, command: Command) -> Result<(), CliError> {
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command, folder))
        .map_err(|error| CliError::new(format!("cannot write to `{}`: {error}", folder.display())))
}

fn print_page(command: Command) -> Result<(), CliError> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    render::out(&String::from_utf8_lossy(&page))
}
