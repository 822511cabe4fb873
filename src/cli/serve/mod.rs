//! `kilwa serve`.

mod arguments;
mod banner;

use super::remote::Failure;
use super::{Exit, clock, render, validate};
use crate::config::{Bootstrap, Config};
use crate::server::Server;
use crate::telemetry;
use crate::validation::{Data, read_data};
pub(super) use arguments::Arguments;
use banner::Banner;
use std::path::Path;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

pub(super) fn run(arguments: &Arguments) -> Exit {
    match serve(arguments) {
        Ok(()) => Exit::Success,
        Err(failure) => render::error(failure),
    }
}

fn serve(arguments: &Arguments) -> Result<(), Failure> {
    arguments.require_features()?;
    telemetry::start(arguments.log_format.into(), &arguments.log_level).map_err(Failure::new)?;
    let data = arguments.bootstrap.as_deref().map(bootstrap).transpose()?;
    let mut config = arguments.config();
    config.bootstrap = data.as_ref().map(|data| Bootstrap {
        schema: data.schema.clone(),
        relationships: data.relationships.clone(),
    });
    let runtime = Runtime::new().map_err(|error| Failure::new(format!("no runtime: {error}")))?;
    runtime.block_on(listen(arguments, config, data.and_then(|data| data.example)))
}

/// Opens the data folder, takes the address, says how to use both, and serves until a signal comes.
async fn listen(
    arguments: &Arguments,
    config: Config,
    example: Option<crate::validation::Example>,
) -> Result<(), Failure> {
    let stop = stop_signal()?;
    let address = arguments.address();
    let cannot_listen = |error| {
        Failure::new(format!(
            "cannot listen at `{address}`: {error}; choose another address with `--grpc-addr`"
        ))
    };
    let listener = TcpListener::bind(&address).await.map_err(cannot_listen)?;
    let local = listener.local_addr().map_err(cannot_listen)?;
    let server = Server::open(&config).map_err(Failure::new)?;
    let banner = Banner { address: local, data_dir: arguments.data_dir_if_given(), example };
    render::out(&banner.text(&config.data_dir, server.key_source()));
    server.serve(listener, stop).await.map_err(Failure::new)
}

/// Done when the process is told to end, by SIGTERM or SIGINT.
fn stop_signal() -> Result<impl Future<Output = ()> + Send, Failure> {
    let hear = |kind| {
        signal(kind).map_err(|error| Failure::new(format!("signals cannot be heard: {error}")))
    };
    let mut terminate = hear(SignalKind::terminate())?;
    let mut interrupt = hear(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
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
