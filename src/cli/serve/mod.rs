//! `kilwa serve`.

mod arguments;
mod banner;

use super::failure::Failure;
use super::{Exit, clock, render, validate};
use crate::config::Bootstrap;
use crate::server;
use crate::telemetry;
use crate::validation::{Data, read_data};
pub(super) use arguments::Arguments;
use banner::Banner;
use std::path::Path;

pub(super) fn run(arguments: &Arguments) -> Exit {
    match serve(arguments) {
        Ok(()) => Exit::Success,
        Err(failure) => render::error(failure),
    }
}

fn serve(arguments: &Arguments) -> Result<(), Failure> {
    arguments.require_features()?;
    telemetry::start(arguments.log_format.into(), &arguments.log_level)?;
    let data = arguments.bootstrap.as_deref().map(bootstrap).transpose()?;
    let mut config = arguments.config();
    config.bootstrap = data.as_ref().map(|data| Bootstrap {
        schema: data.schema.clone(),
        relationships: data.relationships.clone(),
    });
    let example = data.and_then(|data| data.example);
    server::run_until_signal(&arguments.address(), &config, |address, keys| {
        let banner = Banner { address, data_dir: arguments.data_dir_if_given(), example };
        render::out(&banner.text(&config.data_dir, keys));
    })?;
    Ok(())
}

/// The schema and the relationships of a validation file.
fn bootstrap(file: &Path) -> Result<Data, Failure> {
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
