//! Relationships per second of imports and results per second of lookups, inside of the process and over gRPC.
//!
//! `--server` names another build of the server, to compare two of them in turn.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a program for measuring: it stops at what it did not expect, and reads the clock"
)]

mod data;
mod inside;
mod served;

use clap::Parser;
use std::path::PathBuf;
use std::time::Duration;

/// Measures imports and lookups.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many documents the one subject can view.
    #[arg(long, default_value_t = 1_000_000)]
    documents: u32,
    /// How many folders another subject can view, with ten documents each.
    #[arg(long, default_value_t = 26_000)]
    folders: u32,
    /// The program whose `serve` is measured.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_kilwa"))]
    server: PathBuf,
    /// How often each lookup is made; the fastest counts.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Leave out what is measured over gRPC.
    #[arg(long)]
    inside_only: bool,
    /// Leave out what is measured inside of the process.
    #[arg(long)]
    served_only: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    println!("{:52} {:>10} {:>9} {:>12} {:>10}", "", "count", "seconds", "per second", "first ms");
    if !arguments.served_only {
        inside::measure(&arguments);
    }
    if !arguments.inside_only {
        served::measure(&arguments).await;
    }
}

/// One line of figures; `first` is the time to the first result.
fn report(name: &str, count: usize, elapsed: Duration, first: Option<Duration>) {
    let count_each: f64 = u32::try_from(count).unwrap().into();
    let rate = count_each / elapsed.as_secs_f64();
    let first = first.map_or(String::new(), |first| format!("{:.2}", first.as_secs_f64() * 1e3));
    println!("{name:52} {count:>10} {:>9.2} {rate:>12.0} {first:>10}", elapsed.as_secs_f64());
}
