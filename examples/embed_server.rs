//! A server inside another program: `embed_server DATA_DIR` serves until Ctrl+C.

use kilwa::config::Config;
use kilwa::server;
use std::error::Error;
use std::io::{Write as _, stdout};
use std::time::Duration;
use tokio::net::TcpListener;

const SCHEMA: &str = "definition user {}
definition document {
  relation owner: user
  permission read = owner
}";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let data_dir = std::env::args_os().nth(1).ok_or("usage: embed_server DATA_DIR")?;
    let mut config = Config::new(data_dir)
        .with_key("secret")
        .with_shutdown_grace(Duration::from_secs(10))
        // Only an empty data folder is filled with it.
        .with_bootstrap(SCHEMA, vec!["document:plan#owner@user:ann".parse()?]);
    // Every other option is a field.
    config.store.history_window = Duration::from_hours(48);

    // Port 0 is any that is free.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(stdout(), "kilwa listens on {}", listener.local_addr()?)?;
    // Calls that are running when the future completes are given a grace period; then the data folder is closed.
    let shutdown = async { drop(tokio::signal::ctrl_c().await) };
    server::run(listener, config, shutdown).await?;
    writeln!(stdout(), "stopped")?;
    Ok(())
}
