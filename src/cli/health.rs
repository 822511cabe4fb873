//! `kilwa health`.

use super::error::CliError;
use super::server_args::ServerArgs;
use super::{clock, duration, render};
use crate::cli::exit::Exit;
use crate::client::CallError;
use clap::Args;
use serde::Serialize;
use std::thread;
use std::time::Duration;

/// How often a server that does not serve yet is asked again.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What to check: a gRPC service, `kilwa.writes` or `kilwa.clock`. [default: the server as a whole]
    #[arg(value_name = "SERVICE", default_value = "", hide_default_value = true)]
    service: String,
    /// How long to wait for a server that does not listen or serve yet, such as one that has just been started.
    #[arg(long, value_parser = duration::parse, value_name = "DURATION", default_value = "0s", hide_default_value = true)]
    wait: Duration,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
struct HealthJson {
    status: &'static str,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let started = clock::monotonic();
    let is_serving = loop {
        let result = is_serving(arguments);
        if matches!(result, Ok(true)) || started.elapsed() >= arguments.wait {
            break result?;
        }
        thread::sleep(RETRY_INTERVAL);
    };

    let status = if is_serving { "SERVING" } else { "NOT_SERVING" };
    if arguments.json {
        render::json(&HealthJson { status })?;
    } else {
        render::out(&format!("{status}\n"))?;
    }
    Ok(if is_serving { Exit::Success } else { Exit::Failure })
}

fn is_serving(arguments: &Arguments) -> Result<bool, CallError> {
    arguments.server.connect_probe()?.is_serving(&arguments.service)
}
