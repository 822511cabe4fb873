//! `kilwa bench`.

mod text;

use super::error::CliError;
use super::server_args::{DEFAULT_ENDPOINT, PlainServer, ServerArgs};
use super::{duration, progress, render};
use crate::bench::{
    BenchConsistency, BenchProgress, BenchReport, BenchSettings, BenchTarget, CallMix,
    CallSettings, DataSettings, Distribution, RoundSettings, Workload, html_page,
    listening_process, run as measure, serve_reference,
};
use crate::cli::exit::Exit;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use std::fs;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

/// Calls at the same time on a connection in an open loop, where this is a bound only.
const OPEN_LOOP_IN_FLIGHT: u32 = 100;
const CLOSED_LOOP_IN_FLIGHT: u32 = 8;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    calls: CallArgs,
    #[command(flatten)]
    rounds: RoundArgs,
    #[command(flatten)]
    compared: ComparedArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

const AFTER_HELP: &str = "\
Exit codes: 0 if every answer was right, 1 if answers were wrong or calls failed, 2 for errors.

The server must have no data but those of this command, which are written once and found again by the next run. Plain text \
only: no TLS. `kilwa bench reference` starts a server that makes no decisions, to compare with. benches/README.md has \
results, and says how to set up other servers.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the reference server: it answers every call with bytes of a check's size, and makes no decisions.
    Reference(ReferenceArgs),
}

#[derive(Debug, Args)]
struct ReferenceArgs {
    /// Address to listen at; port 0 takes a free one, which is printed.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    addr: SocketAddr,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Data")]
struct DataArgs {
    /// What the data look like: organizations (`tenants`), folders eight deep with shares (`drive`), groups 2 to 64 deep (`groups`), a million members and ten thousand
    /// parents (`wide`), very many ways to each member (`lattice`), `exclusions`, `caveats`, or followers by a power law (`social`).
    #[arg(long, value_parser = named(Workload::NAMES), default_value = "tenants")]
    workload: Workload,
    /// About how many relationships.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    relationships: u64,
    /// Another seed makes other data and other calls.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which objects are asked for: all alike, or few of them most often (Zipf's law with the exponent 0.99).
    #[arg(long, value_parser = named(Distribution::NAMES), default_value = "uniform")]
    distribution: Distribution,
    /// Do not write the data: the server must have them.
    #[arg(long)]
    no_load: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Calls")]
struct CallArgs {
    /// What to call: `check`, `bulk`, `lookup-resources`, `lookup-subjects`, `write`, `write-then-read`, `health`, or checks and writes in a proportion such as `99:1`.
    #[arg(long, value_parser = CallMix::parse, default_value = "check")]
    call: CallMix,
    /// Checks in a bulk check.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    bulk_items: u32,
    /// Whether answers must follow every acknowledged write.
    #[arg(long, value_parser = named(BenchConsistency::NAMES), default_value = "full")]
    consistency: BenchConsistency,
    /// Connections.
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,
    /// Calls at the same time on each connection, at most. [default: 8; with `--rate` 100]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    in_flight: Option<u32>,
    /// Calls a second that are made whatever the server does; latencies count from the time at which a call was to be made. Without it, each call follows on an answer.
    #[arg(long, value_name = "CALLS", value_parser = rate)]
    rate: Option<f64>,
    /// Send `grpc-accept-encoding` with gzip, as most official clients do.
    #[arg(long)]
    gzip: bool,
    /// Send a deadline with each call, as production code does.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    deadline: Option<Duration>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Rounds")]
struct RoundArgs {
    /// How long a round is.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive, default_value = "5s")]
    duration: Duration,
    /// How long calls are made before each round without being counted.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "2s")]
    warm_up: Duration,
    /// How many rounds.
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Comparison")]
struct ComparedArgs {
    /// Another server to measure, round by round in turn with the first; prints the figures of this one divided by those of the first.
    #[arg(long, value_name = "HOST:PORT")]
    compare: Option<String>,
    /// Key of the other server. [default: the key that is sent to the first]
    #[arg(long, value_name = "KEY", requires = "compare")]
    compare_token: Option<String>,
    /// Process of the other server. [default: the one that listens at its address on this machine]
    #[arg(long, value_name = "PID", requires = "compare")]
    compare_pid: Option<u32>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
    /// Write the figures, with plots, as one HTML page to this file too.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Process of the server, whose CPU time and memory are read. [default: the one that listens at its address on this machine]
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
}

/// Reads a name of a list.
fn named<T: Clone + Copy + Send + Sync + 'static, const N: usize>(
    names: [(&'static str, T); N],
) -> impl clap::builder::TypedValueParser<Value = T> {
    let parser = PossibleValuesParser::new(names.map(|(name, _)| name));
    parser.try_map(move |text: String| {
        let found = names.iter().find(|(name, _)| *name == text);
        found.map(|(_, value)| *value).ok_or("there is no such name")
    })
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| format!("`{text}` is not a number of calls above zero"))
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    if let Some(Command::Reference(reference)) = &arguments.command {
        return serve_bytes(reference);
    }
    let targets = targets(arguments)?;
    let settings = settings(arguments);

    let mut shown = ShownProgress::default();
    let report = measure(&targets, &settings, &mut |progress| shown.show(progress))?;
    shown.bar.finish_and_clear();
    print(arguments, &report)?;
    Ok(if report.faults() == 0 { Exit::Success } else { Exit::Failure })
}

fn print(arguments: &Arguments, report: &BenchReport) -> Result<(), CliError> {
    if let Some(file) = &arguments.output.html {
        fs::write(file, html_page(report)).map_err(|error| {
            CliError::new(format!("`{}` cannot be written: {error}", file.display()))
        })?;
    }
    if arguments.output.json { render::json(report) } else { text::print(report) }
}

fn serve_bytes(arguments: &ReferenceArgs) -> Result<Exit, CliError> {
    let listening = |address| {
        // The server works without anyone who reads where it is.
        drop(render::out(&format!("listening at {address}\n")));
    };
    match serve_reference(arguments.addr, listening)? {}
}

fn settings(arguments: &Arguments) -> BenchSettings {
    let Arguments { data, calls, rounds, .. } = arguments;
    let in_flight = calls.rate.map_or(CLOSED_LOOP_IN_FLIGHT, |_| OPEN_LOOP_IN_FLIGHT);

    BenchSettings {
        data: DataSettings {
            workload: data.workload,
            relationships: data.relationships,
            seed: data.seed,
            distribution: data.distribution,
        },
        calls: CallSettings {
            mix: calls.call.clone(),
            bulk_items: calls.bulk_items,
            consistency: calls.consistency,
            connections: calls.connections,
            in_flight: calls.in_flight.unwrap_or(in_flight),
            rate: calls.rate,
            reads_gzip: calls.gzip,
            deadline: calls.deadline,
        },
        rounds: RoundSettings {
            warm_up: rounds.warm_up,
            duration: rounds.duration,
            rounds: rounds.rounds,
        },
        loads: !data.no_load,
    }
}

/// The servers to measure: one, or two.
fn targets(arguments: &Arguments) -> Result<Vec<BenchTarget>, CliError> {
    let PlainServer { endpoint, key } = arguments.server.plain()?;
    let mut targets = vec![target(endpoint, key.clone(), arguments.output.server_pid)?];
    let compared = &arguments.compared;
    if let Some(endpoint) = &compared.compare {
        let key = compared.compare_token.clone().or(key);
        targets.push(target(endpoint.clone(), key, compared.compare_pid)?);
    }
    Ok(targets)
}

fn target(
    endpoint: String,
    key: Option<String>,
    process: Option<u32>,
) -> Result<BenchTarget, CliError> {
    let address = endpoint.to_socket_addrs().ok().and_then(|mut found| found.next());
    let address = address.ok_or_else(|| {
        CliError::new(format!(
            "`{endpoint}` is not the address of a server: write it like `{DEFAULT_ENDPOINT}`"
        ))
    })?;
    let process = process.or_else(|| listening_process(address));
    Ok(BenchTarget { endpoint, address, key, process })
}

/// Progress on standard error, if that is a terminal.
struct ShownProgress {
    bar: ProgressBar,
    is_loading: bool,
}

impl Default for ShownProgress {
    fn default() -> Self {
        Self { bar: progress::parts(), is_loading: false }
    }
}

impl ShownProgress {
    fn show(&mut self, progress: BenchProgress<'_>) {
        match progress {
            BenchProgress::Loading { endpoint, written, of } => {
                self.is_loading = true;
                self.bar.set_length(of);
                self.bar.set_position(written);
                self.bar.set_message(format!("{written} relationships to {endpoint}"));
            }
            BenchProgress::Measuring { endpoint, round, rounds, part } => {
                if std::mem::take(&mut self.is_loading) {
                    self.bar.reset();
                }
                self.bar.set_length(1000);
                self.bar.set_position(progress::thousandths(part));
                self.bar.set_message(format!("round {round} of {rounds}, {endpoint}"));
            }
        }
    }
}
