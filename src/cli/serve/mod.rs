//! `kilwa serve`.

mod arguments;
mod banner;
mod queue;
mod watch;

use super::failure::Failure;
use super::spicedb::Notes;
use super::{Exit, clock, render, validate};
use crate::config::Bootstrap;
use crate::server;
use crate::telemetry;
use crate::validation::{Data, read_data};
pub(super) use arguments::{Arguments, Limits, LogFormat, listen_address};
use banner::Banner;
use std::env;
use std::path::Path;

pub(super) fn run(arguments: &Arguments, notes: &Notes) -> Result<Exit, Failure> {
    arguments.require_features()?;
    telemetry::start(arguments.log_format.into(), &arguments.log_level)?;
    notes.log();
    let data = arguments.bootstrap.as_deref().map(read_data_of).transpose()?;
    let mut config = arguments.config();
    config.bootstrap = data.as_ref().map(|data| Bootstrap {
        schema: data.schema.clone(),
        relationships: data.relationships.clone(),
    });
    let example = data.and_then(|data| data.example);
    server::run_until_signal(&arguments.address(), &config, |address, server| {
        let (data_dir, keys) = (&config.data_dir, server.key_source());
        let banner = Banner { program: program(), address, data_dir, keys };
        // It serves whether or not anybody reads this.
        drop(render::out(&banner.text(server.contents(), example.as_ref())));
    })?;
    Ok(Exit::Success)
}

/// The schema and the relationships of a validation file.
pub(super) fn read_data_of(file: &Path) -> Result<Data, Failure> {
    let name = file.display().to_string();
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| error.to_string());
    let text =
        read(file).map_err(|reason| Failure::new(format!("`{name}` cannot be read: {reason}")))?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let load = |path: &str| read(&folder.join(path));
    read_data(&name, &text, &load, clock::now()).map_err(|report| {
        render::note(&validate::shown(*report));
        Failure::new(format!("nothing can be loaded from `{name}`"))
    })
}

/// How a shell calls this program: by its name when that finds it, else by where it is.
fn program() -> String {
    let Ok(this) = env::current_exe() else { return "kilwa".to_owned() };
    let folders = env::var_os("PATH").unwrap_or_default();
    let mut programs = env::split_paths(&folders).map(|folder| folder.join("kilwa"));
    let found = programs.find(|program| program.is_file()).and_then(|p| p.canonicalize().ok());
    if found.is_some_and(|found| this.canonicalize().is_ok_and(|this| this == found)) {
        "kilwa".to_owned()
    } else {
        banner::quoted(&this.display().to_string())
    }
}
