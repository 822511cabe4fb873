//! A measurement: data into the servers, rounds in turn, and the report.

use super::caller::BlockingCaller;
use super::clock::unix_micros;
use super::dataset::Dataset;
use super::generator::{call_options, measure_round};
use super::http2::{CallOptions, Http2Error};
use super::load::{LoadFault, has_data, load};
use super::meter::Meter;
use super::reference::IDENTITY_PATH;
use super::report::{
    BenchConditions, BenchReport, RoundFigures, TargetReport, curves, ratios, summary,
};
use super::settings::{BenchSettings, BenchTarget};
use thiserror::Error;

/// Why nothing was measured.
#[derive(Debug, Error)]
#[error("{endpoint}: {reason}")]
pub struct BenchError {
    endpoint: String,
    reason: String,
}

/// How far a measurement is.
#[derive(Clone, Copy, Debug)]
pub enum BenchProgress<'a> {
    /// So many relationships of about so many have been written to a server.
    Loading {
        /// The server.
        endpoint: &'a str,
        /// Written.
        written: u64,
        /// About.
        of: u64,
    },
    /// A part of a round is over.
    Measuring {
        /// The server.
        endpoint: &'a str,
        /// Which round, from 1.
        round: u32,
        /// How many there are.
        rounds: u32,
        /// From 0 to 1.
        part: f64,
    },
}

/// What is gathered of one server.
struct TargetRun<'t> {
    target: &'t BenchTarget,
    is_reference: bool,
    rounds: Vec<RoundFigures>,
    all: Meter,
}

/// Measures one server, or two of them in turn.
pub fn run(
    targets: &[BenchTarget],
    settings: &BenchSettings,
    progress: &mut dyn FnMut(BenchProgress<'_>),
) -> Result<BenchReport, BenchError> {
    let conditions = BenchConditions::new(settings);
    let dataset = Dataset::new(settings, unix_micros());
    let mut runs = Vec::new();
    for target in targets {
        let is_reference = prepare(target, &dataset, settings, progress)?;
        runs.push(TargetRun { target, is_reference, rounds: Vec::new(), all: Meter::default() });
    }

    for round in 1..=settings.rounds.rounds {
        for run in &mut runs {
            run.measure(&dataset, settings, round, progress)?;
        }
    }

    let ratios = match runs.as_slice() {
        [first, second, ..] => ratios(&first.rounds, &second.rounds),
        _ => Vec::new(),
    };
    let targets = runs.into_iter().map(TargetRun::into_report).collect();
    Ok(BenchReport { conditions, targets, ratios })
}

/// Sees to it that a server has the data; returns whether it is the reference server, which needs none.
fn prepare(
    target: &BenchTarget,
    dataset: &Dataset,
    settings: &BenchSettings,
    progress: &mut dyn FnMut(BenchProgress<'_>),
) -> Result<bool, BenchError> {
    let options = call_options(target, &settings.calls);
    let options = CallOptions { deadline: None, ..options };
    let mut caller =
        BlockingCaller::open(target.address, &options).map_err(|fault| fault_of(target, &fault))?;
    if caller.call(IDENTITY_PATH, |_| {}).is_ok() {
        return Ok(true);
    }
    if has_data(&mut caller, dataset) {
        return Ok(false);
    }
    if !settings.loads {
        return Err(fault_of(target, &LoadFault::NotLoaded));
    }

    let endpoint = target.endpoint.as_str();
    let of = settings.data.relationships;
    let mut written = |written| progress(BenchProgress::Loading { endpoint, written, of });
    load(&mut caller, dataset, &mut written).map_err(|fault| fault_of(target, &fault))?;
    Ok(false)
}

impl TargetRun<'_> {
    fn measure(
        &mut self,
        dataset: &Dataset,
        settings: &BenchSettings,
        round: u32,
        progress: &mut dyn FnMut(BenchProgress<'_>),
    ) -> Result<(), BenchError> {
        let endpoint = self.target.endpoint.as_str();
        let rounds = settings.rounds.rounds;
        let mut heard = |part| {
            progress(BenchProgress::Measuring { endpoint, round, rounds, part });
        };
        let result = measure_round(self.target, dataset, settings, round.into(), &mut heard);
        let mut result = result.map_err(|fault: Http2Error| fault_of(self.target, &fault))?;
        if self.is_reference {
            // It gives the same answer to everything.
            result.meter.wrong = 0;
            result.meter.wrong_example = None;
        }
        self.all.add_latencies(&result.meter);
        self.rounds.push(RoundFigures::new(&result));
        Ok(())
    }

    fn into_report(self) -> TargetReport {
        TargetReport {
            endpoint: self.target.endpoint.clone(),
            is_reference: self.is_reference,
            summary: summary(&self.rounds),
            curves: curves(&self.all),
            rounds: self.rounds,
        }
    }
}

fn fault_of(target: &BenchTarget, fault: &dyn std::error::Error) -> BenchError {
    BenchError { endpoint: target.endpoint.clone(), reason: fault.to_string() }
}
