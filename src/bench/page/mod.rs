//! A report as one HTML page: tables, and plots in SVG. It needs nothing from elsewhere.

mod escape;
mod plot;

use super::report::{BenchConditions, BenchReport, RatioFigure, SummaryFigure, TargetReport};
use escape::escaped;
use plot::{Axis, Series, Tick, plot};
use std::fmt::{self, Write as _};

const STYLE: &str = "\
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2328; background: #fff; max-width: 860px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: .25rem } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
p { color: #57606a; margin: .25rem 0 } p.wrong { color: #b42318; font-weight: 600 }
div.wide { overflow-x: auto } svg { display: block; max-width: 100%; height: auto; font: 12px system-ui, sans-serif }
table { border-collapse: collapse; font-variant-numeric: tabular-nums } th { font-weight: 600; border-bottom: 1px solid #8c959f }
th, td { padding: .2rem .8rem .2rem 0; text-align: right } th:first-child, td:first-child { text-align: left }
tbody tr:nth-child(even) { background: #f6f8fa }";

/// The ratios that are plotted.
const PLOTTED_RATIOS_MAX: usize = 4;

/// The report as a page.
pub fn page(report: &BenchReport) -> String {
    let mut html = String::new();
    let written = write_page(&mut html, report);
    debug_assert!(written.is_ok(), "writing to a text does not fail");
    html
}

fn write_page(html: &mut String, report: &BenchReport) -> fmt::Result {
    let of = &report.conditions;
    let title = escaped(format!("{} on {}", of.call, of.workload));
    write!(
        html,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>kilwa bench: {title}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    )?;
    for line in conditions(of) {
        writeln!(html, "<p>{}</p>", escaped(line))?;
    }
    for example in report
        .targets
        .iter()
        .flat_map(|target| &target.rounds)
        .filter_map(|round| round.wrong_example.as_ref())
    {
        writeln!(html, "<p class=\"wrong\">Wrong answer: {}</p>", escaped(example))?;
    }

    write_latencies(html, report)?;
    if !report.ratios.is_empty() {
        write_ratios(html, report)?;
    }
    for target in &report.targets {
        write_target(html, target)?;
    }
    html.push_str("</body>\n</html>\n");
    Ok(())
}

/// The conditions of a measurement in sentences.
fn conditions(of: &BenchConditions) -> Vec<String> {
    let pace = match of.rate {
        Some(rate) => {
            format!("open loop, {rate} calls/s intended; latencies count from the intended time")
        }
        None => "closed loop".to_owned(),
    };
    let gzip = if of.gzip { ", reads gzip" } else { "" };
    let deadline = of.deadline_seconds.map(|seconds| format!(", deadline {seconds} s"));
    let load = of.load_before.map(|load| format!(", load {load:.1} before the measurement"));

    vec![
        format!(
            "About {} relationships, seed {}, {} questions, consistency {}{gzip}{}.",
            of.relationships,
            of.seed,
            of.distribution,
            of.consistency,
            deadline.unwrap_or_default()
        ),
        format!(
            "{} connections with at most {} calls at a time on each, {pace}; rounds of {} s after {} s.",
            of.connections, of.in_flight, of.round_seconds, of.warm_up_seconds
        ),
        format!("{}{}. kilwa bench {}.", of.machine, load.unwrap_or_default(), of.version),
    ]
}

/// A plot of latencies by percentile for each kind of call, with a line for each server.
fn write_latencies(html: &mut String, report: &BenchReport) -> fmt::Result {
    let Some(first) = report.targets.first() else { return Ok(()) };
    for curve in &first.curves {
        let series = report.targets.iter().filter_map(|target| {
            let found = target.curves.iter().find(|other| other.call == curve.call)?;
            let points = found
                .points
                .iter()
                .map(|(percentile, micros)| (nines(*percentile), micros.max(1.0).log10()));
            Some(Series { name: name(target), points: points.collect() })
        });
        let series: Vec<Series> = series.collect();
        writeln!(html, "<h2>Latency by percentile: {}</h2>", escaped(curve.call))?;
        html.push_str(&plot(&series, &percentiles(), &Axis::of_powers(&series, "µs")));
    }
    Ok(())
}

/// How many nines a percentile has: 1 for 90, 2 for 99. The last one stands at the edge.
fn nines(percentile: f64) -> f64 {
    let slower = (100.0 - percentile).max(1e-3) / 100.0;
    -slower.log10()
}

fn percentiles() -> Axis {
    let ticks = [
        ("p0", 0.0),
        ("p50", 50.0),
        ("p90", 90.0),
        ("p99", 99.0),
        ("p99.9", 99.9),
        ("p99.99", 99.99),
    ];
    let ticks = ticks.map(|(label, at)| Tick { at: nines(at), label: label.to_owned() });
    Axis { min: 0.0, max: nines(100.0), ticks: ticks.to_vec() }
}

/// The ratios of two servers: a plot by round, and a table.
fn write_ratios(html: &mut String, report: &BenchReport) -> fmt::Result {
    let names: Vec<String> = report.targets.iter().rev().map(name).collect();
    writeln!(html, "<h2>{}, by round</h2>", escaped(names.join(" to ")))?;
    let plotted = report.ratios.iter().filter(|ratio| {
        ratio.name == "calls/s"
            || ratio.name.contains("p50")
            || ratio.name.contains("p99 ")
            || ratio.name.starts_with("server CPU")
    });
    let series: Vec<Series> = plotted.take(PLOTTED_RATIOS_MAX).map(ratio_series).collect();
    let rounds = report.ratios.iter().map(|ratio| ratio.by_round.len()).max().unwrap_or_default();
    html.push_str(&plot(&series, &Axis::of_rounds(rounds), &Axis::of_ratios(&series)));

    write_head(html, &["figure", "median ratio", "least", "greatest"])?;
    for ratio in &report.ratios {
        let spread = ratio.spread;
        let cells = [spread.median, spread.min, spread.max].map(|value| format!("{value:.3}"));
        write_row(html, &ratio.name, &cells)?;
    }
    html.push_str("</tbody>\n</table>\n</div>\n");
    Ok(())
}

fn ratio_series(ratio: &RatioFigure) -> Series {
    let points = (1_u32..).zip(&ratio.by_round).map(|(round, value)| (f64::from(round), *value));
    Series { name: ratio.name.clone(), points: points.collect() }
}

/// The medians of a server.
fn write_target(html: &mut String, target: &TargetReport) -> fmt::Result {
    writeln!(html, "<h2>{}: {} rounds</h2>", escaped(name(target)), target.rounds.len())?;
    let wrong: u64 = target.rounds.iter().map(|round| round.wrong).sum();
    let failed: u64 = target.rounds.iter().map(|round| round.failed).sum();
    writeln!(html, "<p>{wrong} wrong answers, {failed} failed calls.</p>")?;
    write_head(html, &["figure", "median", "least", "greatest"])?;
    for SummaryFigure { name, spread } in &target.summary {
        let cells = [spread.median, spread.min, spread.max].map(|value| format!("{value:.1}"));
        write_row(html, name, &cells)?;
    }
    html.push_str("</tbody>\n</table>\n</div>\n");
    Ok(())
}

fn name(target: &TargetReport) -> String {
    let kind = if target.is_reference { " (reference server)" } else { "" };
    format!("{}{kind}", target.endpoint)
}

fn write_head(html: &mut String, headings: &[&str]) -> fmt::Result {
    html.push_str("<div class=\"wide\">\n<table>\n<thead><tr>");
    for heading in headings {
        write!(html, "<th>{heading}</th>")?;
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    Ok(())
}

fn write_row(html: &mut String, name: &str, cells: &[String]) -> fmt::Result {
    write!(html, "<tr><td>{}</td>", escaped(name))?;
    for cell in cells {
        write!(html, "<td>{cell}</td>")?;
    }
    html.push_str("</tr>\n");
    Ok(())
}
