//! The figures of rounds, and what comes out of several.

use super::generator::RoundResult;
use super::meter::{CallMeter, Meter};
use super::numbers::to_f64;
use super::settings::{BenchCall, BenchSettings};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

const NANOS_PER_MICRO: f64 = 1e3;
/// Points of a curve of latencies for each halving of what is slower.
const CURVE_STEPS: u32 = 4;

/// Latencies of the calls of one kind, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct LatencyFigures {
    /// The kind of call.
    pub call: &'static str,
    /// Calls.
    pub count: u64,
    /// Items of bulk checks, results of lookups; else as many as calls.
    pub items: u64,
    /// Half of the calls took at most so long.
    pub p50: f64,
    /// 90 of 100.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p99_9: f64,
    /// 9,999 of 10,000.
    pub p99_99: f64,
    /// The longest.
    pub max: f64,
}

/// A curve: latencies in microseconds by percentile.
#[derive(Clone, Debug, Serialize)]
pub struct LatencyCurve {
    /// The kind of call.
    pub call: &'static str,
    /// Percentile and latency.
    pub points: Vec<(f64, f64)>,
}

/// What the server's process used.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ServerFigures {
    /// CPU time for a call in microseconds, without `RocksDB`'s background threads.
    pub cpu_micros_per_call: f64,
    /// CPU time of those threads for a call in microseconds.
    pub background_cpu_micros_per_call: f64,
    /// Processors in use on average, all threads.
    pub cores: f64,
    /// Resident memory at the end in bytes.
    pub resident_bytes: u64,
    /// The most resident memory since the process started in bytes.
    pub peak_bytes: u64,
}

/// What one round says.
#[derive(Clone, Debug, Serialize)]
pub struct RoundFigures {
    /// From the first call to the last answer.
    pub seconds: f64,
    /// Answers a second, of all kinds of calls.
    pub rate: f64,
    /// Items and results a second.
    pub item_rate: f64,
    /// By kind of call.
    pub latencies: Vec<LatencyFigures>,
    /// Answers that are not right.
    pub wrong: u64,
    /// One of them.
    pub wrong_example: Option<String>,
    /// Calls that ended with an error or not at all.
    pub failed: u64,
    /// How often each error came.
    pub failures: BTreeMap<String, u64>,
    /// Calls of an open loop that could not be made within the round.
    pub unsent: u64,
    /// The server, if its process is known.
    pub server: Option<ServerFigures>,
    /// CPU time of the generator for a call in microseconds.
    pub generator_cpu_micros_per_call: f64,
    /// Part of the time that the generator's one thread was busy.
    pub generator_busy: f64,
}

/// The middle of a figure over the rounds, and its least and greatest value.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// A figure over the rounds.
#[derive(Clone, Debug, Serialize)]
pub struct SummaryFigure {
    /// Its name with its unit.
    pub name: String,
    /// Its values.
    pub spread: Spread,
}

/// All about one server.
#[derive(Clone, Debug, Serialize)]
pub struct TargetReport {
    /// Host and port.
    pub endpoint: String,
    /// Whether it is the reference server, which makes no decisions.
    pub is_reference: bool,
    /// Each round.
    pub rounds: Vec<RoundFigures>,
    /// Medians over the rounds.
    pub summary: Vec<SummaryFigure>,
    /// Latencies of all rounds together.
    pub curves: Vec<LatencyCurve>,
}

/// What a figure of the second server is, divided by that of the first, round by round.
#[derive(Clone, Debug, Serialize)]
pub struct RatioFigure {
    /// The name of the figure.
    pub name: String,
    /// Round by round.
    pub by_round: Vec<f64>,
    /// The median and its spread.
    pub spread: Spread,
}

/// The conditions of a measurement, as they are printed with it.
#[derive(Clone, Debug, Serialize)]
pub struct BenchConditions {
    /// The version of this program.
    pub version: &'static str,
    /// The workload.
    pub workload: &'static str,
    /// About how many relationships.
    pub relationships: u64,
    /// The seed.
    pub seed: u64,
    /// `uniform` or `zipf`.
    pub distribution: &'static str,
    /// What was called.
    pub call: String,
    /// Checks in a bulk check.
    pub bulk_items: u32,
    /// `full` or `minimize-latency`.
    pub consistency: &'static str,
    /// Connections.
    pub connections: u32,
    /// Calls at the same time on each of them.
    pub in_flight: u32,
    /// Intended calls a second; without it the loop was closed.
    pub rate: Option<f64>,
    /// Whether calls said that gzip can be read.
    pub gzip: bool,
    /// The deadline of calls in seconds.
    pub deadline_seconds: Option<f64>,
    /// Seconds of a round.
    pub round_seconds: f64,
    /// Seconds before it.
    pub warm_up_seconds: f64,
    /// The operating system and the number of its processors.
    pub machine: String,
    /// The load of the machine before the measurement: processes that ran or waited, in the last minute.
    pub load_before: Option<f64>,
}

/// Everything that a measurement says.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    /// What was measured, and how.
    pub conditions: BenchConditions,
    /// One or two servers.
    pub targets: Vec<TargetReport>,
    /// The second server to the first.
    pub ratios: Vec<RatioFigure>,
}

impl BenchReport {
    /// Wrong answers and failed calls of all rounds, and rounds without calls.
    pub fn faults(&self) -> u64 {
        let rounds = self.targets.iter().flat_map(|target| &target.rounds);
        rounds.map(|round| round.wrong + round.failed + u64::from(round.has_no_calls())).sum()
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let upper = *values.get(values.len() / 2)?;
        let lower = *values.get((values.len() - 1) / 2)?;
        Some(Self { median: f64::midpoint(lower, upper), min, max })
    }
}

impl RoundFigures {
    pub(super) fn new(result: &RoundResult) -> Self {
        let RoundResult { meter, elapsed, server_cpu, server_memory, generator_cpu } = result;
        let seconds = elapsed.as_secs_f64().max(1e-9);
        let calls = to_f64(meter.answers().max(1));
        let items: u64 = meter.calls.values().map(|meter| meter.items).sum();
        let micros_per_call = |time: &Duration| time.as_secs_f64() * 1e6 / calls;
        let server = server_cpu.map(|cpu| {
            let memory = server_memory.unwrap_or_default();
            ServerFigures {
                cpu_micros_per_call: micros_per_call(&cpu.calls),
                background_cpu_micros_per_call: micros_per_call(&cpu.background),
                cores: (cpu.calls + cpu.background).as_secs_f64() / seconds,
                resident_bytes: memory.resident,
                peak_bytes: memory.peak,
            }
        });

        Self {
            seconds,
            rate: to_f64(meter.answers() - meter.unsent.min(meter.answers())) / seconds,
            item_rate: to_f64(items) / seconds,
            latencies: latencies(meter),
            wrong: meter.wrong,
            wrong_example: meter.wrong_example.clone(),
            failed: meter.failed,
            failures: meter.failures.clone(),
            unsent: meter.unsent,
            server,
            generator_cpu_micros_per_call: micros_per_call(generator_cpu),
            generator_busy: generator_cpu.as_secs_f64() / seconds,
        }
    }

    /// Whether the round was too short for a call to begin in it, after those of the warm-up.
    pub fn has_no_calls(&self) -> bool {
        self.latencies.is_empty()
    }

    /// The figures that are summarized and compared, with their names.
    fn compared(&self) -> Vec<(String, f64)> {
        let mut figures = vec![("calls/s".to_owned(), self.rate)];
        let calls: u64 = self.latencies.iter().map(|of_call| of_call.count).sum();
        if self.latencies.iter().map(|of_call| of_call.items).sum::<u64>() > calls {
            figures.push(("items/s".to_owned(), self.item_rate));
        }

        for of_call in &self.latencies {
            let quantiles = [
                ("p50", of_call.p50),
                ("p90", of_call.p90),
                ("p99", of_call.p99),
                ("p99.9", of_call.p99_9),
                ("p99.99", of_call.p99_99),
            ];
            figures.extend(
                quantiles.map(|(name, value)| (format!("{} {name} µs", of_call.call), value)),
            );
        }
        if let Some(server) = self.server {
            figures.push(("server CPU µs/call".to_owned(), server.cpu_micros_per_call));
            let background = server.background_cpu_micros_per_call;
            figures.push(("RocksDB background CPU µs/call".to_owned(), background));
            figures.push(("resident MiB".to_owned(), to_f64(server.resident_bytes) / 1_048_576.0));
        }
        figures.push(("generator CPU µs/call".to_owned(), self.generator_cpu_micros_per_call));
        figures
    }
}

/// Medians of the figures of some rounds.
pub(super) fn summary(rounds: &[RoundFigures]) -> Vec<SummaryFigure> {
    let all: Vec<Vec<(String, f64)>> = rounds.iter().map(RoundFigures::compared).collect();
    let Some(first) = all.first() else { return Vec::new() };
    let figure = |(name, _): &(String, f64)| {
        let values = all.iter().filter_map(|round| value_of(round, name)).collect();
        Some(SummaryFigure { name: name.clone(), spread: Spread::of(values)? })
    };
    first.iter().filter_map(figure).collect()
}

/// The figures of a second server, divided by those of the first in the same round.
pub(super) fn ratios(first: &[RoundFigures], second: &[RoundFigures]) -> Vec<RatioFigure> {
    let pairs: Vec<_> =
        first.iter().zip(second).map(|(a, b)| (a.compared(), b.compared())).collect();
    let Some((names, _)) = pairs.first() else { return Vec::new() };
    let ratio = |(name, _): &(String, f64)| {
        let of_round = |(a, b): &(Vec<_>, Vec<_>)| Some(value_of(b, name)? / value_of(a, name)?);
        let by_round: Vec<f64> =
            pairs.iter().filter_map(of_round).filter(|ratio| ratio.is_finite()).collect();
        let spread = Spread::of(by_round.clone())?;
        Some(RatioFigure { name: name.clone(), by_round, spread })
    };
    names.iter().filter_map(ratio).collect()
}

fn value_of(figures: &[(String, f64)], name: &str) -> Option<f64> {
    figures.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
}

fn latencies(meter: &Meter) -> Vec<LatencyFigures> {
    let of_call = |(call, meter): (&BenchCall, &CallMeter)| {
        let at = |quantile| micros(meter.latencies.value_at_quantile(quantile));
        LatencyFigures {
            call: call.name(),
            count: meter.latencies.len(),
            items: meter.items,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: micros(meter.latencies.max()),
        }
    };
    meter.calls.iter().map(of_call).collect()
}

/// The curves of all latencies of some rounds.
pub(super) fn curves(meter: &Meter) -> Vec<LatencyCurve> {
    let curve = |(call, meter): (&BenchCall, &CallMeter)| LatencyCurve {
        call: call.name(),
        points: points(&meter.latencies),
    };
    meter.calls.iter().map(curve).collect()
}

fn points(latencies: &Histogram<u64>) -> Vec<(f64, f64)> {
    let steps = latencies.iter_quantiles(CURVE_STEPS);
    steps.map(|step| (step.quantile() * 100.0, micros(step.value_iterated_to()))).collect()
}

fn micros(nanos: u64) -> f64 {
    to_f64(nanos) / NANOS_PER_MICRO
}

impl BenchConditions {
    pub(super) fn new(settings: &BenchSettings) -> Self {
        let BenchSettings { data, calls, rounds, .. } = settings;

        Self {
            version: env!("CARGO_PKG_VERSION"),
            workload: data.workload.name(),
            relationships: data.relationships,
            seed: data.seed,
            distribution: data.distribution.name(),
            call: calls.mix.name.clone(),
            bulk_items: calls.bulk_items,
            consistency: calls.consistency.name(),
            connections: calls.connections,
            in_flight: calls.in_flight,
            rate: calls.rate,
            gzip: calls.reads_gzip,
            deadline_seconds: calls.deadline.map(|deadline| deadline.as_secs_f64()),
            round_seconds: rounds.duration.as_secs_f64(),
            warm_up_seconds: rounds.warm_up.as_secs_f64(),
            machine: machine(),
            load_before: load(),
        }
    }
}

fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let model = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        line.split_once(':').map(|(_, name)| name.trim().to_owned())
    });
    let model = model.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    format!("{}, {processors} processors, {model}", std::env::consts::OS)
}

fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}
