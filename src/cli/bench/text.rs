//! The figures as text.

use crate::bench::{BenchConditions, BenchReport, RoundFigures, TargetReport};
use crate::cli::error::CliError;
use crate::cli::render::{self, BAD, STRONG, styled};

/// From this part of the time on the generator may have been the limit.
const BUSY: f64 = 0.9;

/// Prints everything that a report says.
pub(super) fn print(report: &BenchReport) -> Result<(), CliError> {
    render::out(&conditions(&report.conditions))?;
    for target in &report.targets {
        print_target(target)?;
    }
    if report.ratios.is_empty() {
        return Ok(());
    }

    let endpoints: Vec<&str> =
        report.targets.iter().map(|target| target.endpoint.as_str()).collect();
    render::out(&format!(
        "\n{}\n",
        styled(STRONG, endpoints.iter().rev().copied().collect::<Vec<_>>().join(" to "))
    ))?;
    let rows = report.ratios.iter().map(|ratio| {
        let spread = ratio.spread;
        vec![
            ratio.name.clone(),
            format!("{:.3}", spread.median),
            format!("{:.3} to {:.3}", spread.min, spread.max),
        ]
    });
    render::table(&["ratio, median of the rounds", "", "spread"], rows)
}

fn conditions(of: &BenchConditions) -> String {
    let loop_kind = match of.rate {
        Some(rate) => format!("open loop, {rate} calls/s intended"),
        None => "closed loop".to_owned(),
    };
    let deadline = of.deadline_seconds.map(|seconds| format!(", deadline {seconds} s"));

    let load = of.load_before.map(|load| format!(", load {load:.1} before"));
    format!(
        "{} of about {} relationships, seed {}, {}; {}, consistency {}{}{}\n\
         {} connections, at most {} calls at a time on each, {loop_kind}; rounds of {} s after {} s\n\
         {}{}\n",
        of.workload,
        of.relationships,
        of.seed,
        of.distribution,
        of.call,
        of.consistency,
        if of.gzip { ", reads gzip" } else { "" },
        deadline.unwrap_or_default(),
        of.connections,
        of.in_flight,
        of.round_seconds,
        of.warm_up_seconds,
        of.machine,
        load.unwrap_or_default(),
    )
}

fn print_target(target: &TargetReport) -> Result<(), CliError> {
    let kind = if target.is_reference { " (reference server)" } else { "" };
    render::out(&format!("\n{}{kind}\n", styled(STRONG, &target.endpoint)))?;
    let headings = [
        "round", "call", "calls/s", "p50 µs", "p90", "p99", "p99.9", "p99.99", "max", "CPU µs",
        "wrong", "failed",
    ];
    let rows = target.rounds.iter().enumerate().flat_map(|(number, round)| rows(number + 1, round));
    render::table(&headings, rows)?;

    let summary = target.summary.iter().map(|figure| {
        let spread = figure.spread;
        vec![
            figure.name.clone(),
            shown(spread.median),
            format!("{} to {}", shown(spread.min), shown(spread.max)),
        ]
    });
    render::table(&["median of the rounds", "", "spread"], summary)?;
    notes(target)
}

/// The rows of a round: one for each kind of call.
fn rows(number: usize, round: &RoundFigures) -> Vec<Vec<String>> {
    let cpu = round.server.map_or("?".to_owned(), |server| shown(server.cpu_micros_per_call));
    let row = |(place, of_call): (usize, &crate::bench::LatencyFigures)| {
        let is_first = place == 0;
        let once = |text: String| if is_first { text } else { String::new() };
        let latencies =
            [of_call.p50, of_call.p90, of_call.p99, of_call.p99_9, of_call.p99_99, of_call.max];
        let mut row =
            vec![once(number.to_string()), of_call.call.to_owned(), once(shown(round.rate))];
        row.extend(latencies.map(shown));
        row.extend([
            once(cpu.clone()),
            once(round.wrong.to_string()),
            once(round.failed.to_string()),
        ]);
        row
    };
    round.latencies.iter().enumerate().map(row).collect()
}

/// What a reader has to know about the figures.
fn notes(target: &TargetReport) -> Result<(), CliError> {
    if target.rounds.iter().all(|round| round.server.is_none()) {
        render::out(
            "CPU time and memory of the server are not known: name its process on this machine with its pid.\n",
        )?;
    }
    if target.rounds.iter().any(|round| round.generator_busy > BUSY) {
        render::out(
            "The generator was busy nearly all of the time: it may have been the limit.\n",
        )?;
    }

    if target.rounds.iter().any(RoundFigures::has_no_calls) {
        let note = "In a round no call began, as those of the warm-up took too long: make `--duration` longer.";
        render::out(&format!("{} {note}\n", styled(BAD, "empty:")))?;
    }

    let unsent: u64 = target.rounds.iter().map(|round| round.unsent).sum();
    if unsent > 0 {
        render::out(&format!(
            "{unsent} calls could not be made in time; latencies count how long they have waited.\n"
        ))?;
    }
    for round in &target.rounds {
        if let Some(example) = &round.wrong_example {
            render::out(&format!("{} {example}\n", styled(BAD, "wrong:")))?;
        }
        for (failure, count) in &round.failures {
            render::out(&format!("{} {count} times: {failure}\n", styled(BAD, "failed:")))?;
        }
    }
    Ok(())
}

/// A figure with as many digits as mean something.
fn shown(figure: f64) -> String {
    if figure.abs() < 100.0 { format!("{figure:.2}") } else { format!("{figure:.0}") }
}
