//! Rounds of calls, and the figures that come out of them.

use crate::calls::Calls;
use std::fs;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Linux counts the CPU time of a process in hundredths of a second.
const MICROS_PER_TICK: f64 = 10_000.0;

/// What one round, or the median of several, says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    per_second: f64,
    p50_micros: f64,
    p99_micros: f64,
    /// CPU time of the server's process for one call.
    pub(crate) cpu_micros: f64,
}

impl Figures {
    pub(crate) fn print_header(concurrency: u32) {
        println!(
            "{:32} {:>10} {:>10} {:>10} {:>14}",
            format!("{concurrency} calls at a time"),
            "calls/s",
            "p50 µs",
            "p99 µs",
            "server CPU µs"
        );
    }

    pub(crate) fn print(&self, name: &str) {
        let Self { per_second, p50_micros, p99_micros, cpu_micros } = self;
        println!(
            "{name:32} {per_second:>10.0} {p50_micros:>10.0} {p99_micros:>10.0} {cpu_micros:>14.1}"
        );
    }

    /// The median of the ratios of CPU time in rounds that were made one after the other.
    pub(crate) fn median_cpu_ratio(rounds: &[Self], base: &[Self]) -> f64 {
        let ratio = |(round, base): (&Self, &Self)| round.cpu_micros / base.cpu_micros;
        let mut ratios: Vec<f64> = rounds.iter().zip(base).map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    }

    /// The median of every figure by itself.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(figure).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Self {
            per_second: of(|figures| figures.per_second),
            p50_micros: of(|figures| figures.p50_micros),
            p99_micros: of(|figures| figures.p99_micros),
            cpu_micros: of(|figures| figures.cpu_micros),
        }
    }
}

/// Calls for a while, so many at a time, each as soon as the one before it is answered.
pub(crate) async fn round(
    calls: &Calls,
    concurrency: u32,
    duration: Duration,
    pid: u32,
) -> Figures {
    let ticks_before = cpu_ticks(pid);
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for worker in 0..concurrency {
        workers.spawn(work(calls.clone(), worker, start + duration));
    }
    let mut latencies = workers.join_all().await.concat();
    let seconds = start.elapsed().as_secs_f64();
    let ticks = cpu_ticks(pid) - ticks_before;
    latencies.sort_unstable();
    let count = f64::from(u32::try_from(latencies.len()).unwrap());
    let at = |percent: usize| latencies[latencies.len() * percent / 100].as_secs_f64() * 1e6;
    Figures {
        per_second: count / seconds,
        p50_micros: at(50),
        p99_micros: at(99),
        cpu_micros: f64::from(ticks) * MICROS_PER_TICK / count,
    }
}

async fn work(mut calls: Calls, worker: u32, end: Instant) -> Vec<Duration> {
    let mut latencies = Vec::new();
    // Every worker makes other checks.
    let mut number = worker << 24;
    loop {
        let start = Instant::now();
        if start >= end {
            return latencies;
        }
        calls.call(number).await;
        latencies.push(start.elapsed());
        number += 1;
    }
}

/// CPU time of a process so far, in user and system mode together.
fn cpu_ticks(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The process's name may hold blanks and ends with the last parenthesis; then come its state and ten numbers.
    let (_, numbers) = stat.rsplit_once(')').unwrap();
    numbers.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u32>().unwrap()).sum()
}
