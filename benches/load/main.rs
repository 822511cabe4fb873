//! Loads a running server over gRPC and prints the cost of a check and that of the cheapest call, and what it costs
//! when it comes from an official client.
//!
//! The server is a process of its own: its CPU time is read from the operating system, so the client's share of the
//! work does not count. Rounds of health calls, of plain checks and of checks with the headers of an official client
//! (they can read gzip and have a deadline) take turns, so that all see the same machine.
//! Works with every server of `authzed.api.v1`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a program for measuring: it stops at what it did not expect, and reads the clock"
)]

mod beside;
mod calls;
mod headers;
mod measure;
mod tenants;

use calls::{Calls, Connection};
use clap::Parser;
use measure::Figures;
use std::time::{Duration, Instant};
use tenants::Installation;

/// Relationships in one write.
const CHUNK: usize = 1000;

/// Loads a running server with tenants and checks, and prints figures.
#[derive(Debug, Parser)]
struct Arguments {
    /// Host and port of the server's gRPC interface.
    #[arg(long)]
    endpoint: String,
    /// The server's key.
    #[arg(long)]
    token: String,
    /// The server's process, whose CPU time is read.
    #[arg(long)]
    pid: u32,
    /// About how many relationships to load; several figures are loaded and measured one after the other.
    #[arg(long, value_delimiter = ',', default_value = "4000")]
    relationships: Vec<u32>,
    /// Calls at the same time.
    #[arg(long, default_value_t = 16)]
    concurrency: u32,
    /// Seconds of one round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds of each kind.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Measures instead what writes and checks of others wait for beside an import of so many relationships, and beside their
    /// deletion. Needs a server without data.
    #[arg(long)]
    beside: Option<u32>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    let connection = Connection::open(&arguments.endpoint, &arguments.token).await;
    if let Some(count) = arguments.beside {
        return beside::measure(&connection, count, arguments.pid).await;
    }
    for relationships in &arguments.relationships {
        let installation = Installation::of_about(*relationships);
        load(&connection, &installation).await;
        compare(&arguments, &connection, installation).await;
    }
}

/// Writes the schema and the relationships, and says how long that took.
async fn load(connection: &Connection, installation: &Installation) {
    connection.write_schema(include_str!("../../schema-examples/gitpod/schema.zed")).await;
    let relationships: Vec<_> = installation.relationships().collect();
    let start = Instant::now();
    for chunk in relationships.chunks(CHUNK) {
        connection.touch(chunk).await;
    }
    println!(
        "\n{} relationships, loaded in {:.1} s in chunks of {CHUNK}",
        relationships.len(),
        start.elapsed().as_secs_f64()
    );
}

/// Rounds in turn, then the median of each figure.
async fn compare(arguments: &Arguments, connection: &Connection, installation: Installation) {
    let duration = Duration::from_secs(arguments.seconds);
    let health = Calls::health(connection);
    let checks = Calls::checks(connection, installation.clone());
    let official = Calls::official_checks(connection, installation);
    // The first round fills caches on both sides and does not count.
    measure::round(&checks, arguments.concurrency, duration, arguments.pid).await;
    let mut rounds = [Vec::new(), Vec::new(), Vec::new()];
    Figures::print_header(arguments.concurrency);
    for number in 1..=arguments.rounds {
        for (calls, figures) in [&health, &checks, &official].into_iter().zip(&mut rounds) {
            let round = measure::round(calls, arguments.concurrency, duration, arguments.pid).await;
            round.print(&format!("round {number}, {}", calls.name()));
            figures.push(round);
        }
    }
    let ratio = Figures::median_cpu_ratio(&rounds[2], &rounds[1]);
    let [health_median, checks_median, official_median] =
        rounds.map(|figures| Figures::median(&figures));
    health_median.print("median, health");
    checks_median.print("median, check");
    official_median.print("median, check, official");
    println!(
        "a check costs the server {:.2} times the CPU time of a health call",
        checks_median.cpu_micros / health_median.cpu_micros
    );
    println!(
        "with an official client's headers (it can read gzip and has a deadline) it costs {ratio:.2} times as much CPU \
         time as without, by the median of the rounds"
    );
}
