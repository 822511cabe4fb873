//! A server inside another program: `embed_server DATA_DIR` serves until Ctrl+C.

use kilwa::config::{Bootstrap, Config};
use kilwa::server;
use std::error::Error;
use std::io::{Write as _, stdout};
use tokio::net::TcpListener;

const SCHEMA: &str = "definition user {}
definition document {
  relation owner: user
  permission read = owner
}";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let data_dir = std::env::args_os().nth(1).ok_or("usage: embed_server DATA_DIR")?;
    let mut config = Config::new(data_dir.into());
    config.keys = vec!["secret".to_owned()];
    // Only an empty data folder is filled with it.
    config.bootstrap = Some(Bootstrap {
        schema: SCHEMA.to_owned(),
        relationships: vec!["document:plan#owner@user:ann".parse()?],
    });

    // Port 0 is any that is free.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(stdout(), "kilwa listens on {}", listener.local_addr()?)?;
    // Calls that are running when the future completes are given a grace period; then the data folder is closed.
    let shutdown = async { drop(tokio::signal::ctrl_c().await) };
    server::run(listener, config, shutdown).await?;
    writeln!(stdout(), "stopped")?;
    Ok(())
}
