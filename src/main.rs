//! Hands the arguments to the command line.

use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static MEMORY: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    kilwa::cli::run(std::env::args_os())
}
