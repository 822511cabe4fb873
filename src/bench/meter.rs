//! Counts calls and their latencies during a round.

use super::pending::Judgement;
use super::settings::BenchCall;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::Duration;

/// Latencies are kept with three digits, in nanoseconds up to ten minutes; longer ones count as that.
const DIGITS: u8 = 3;
const NANOS_MAX: u64 = 600_000_000_000;
/// How many kinds of failures are kept apart, and how much of their texts.
const FAILURES_MAX: usize = 20;
const FAILURE_CHARS_MAX: usize = 200;

/// What is counted of the calls of one kind.
pub(super) struct CallMeter {
    pub(super) latencies: Histogram<u64>,
    pub(super) items: u64,
}

/// What is counted during a round.
#[derive(Default)]
pub(super) struct Meter {
    pub(super) calls: BTreeMap<BenchCall, CallMeter>,
    pub(super) wrong: u64,
    pub(super) wrong_example: Option<String>,
    pub(super) failed: u64,
    pub(super) failures: BTreeMap<String, u64>,
    /// Calls that were intended and could not be made before the round was over.
    pub(super) unsent: u64,
}

impl CallMeter {
    fn new() -> Option<Self> {
        let latencies = Histogram::new_with_max(NANOS_MAX, DIGITS).ok()?;
        Some(Self { latencies, items: 0 })
    }
}

impl Meter {
    /// Counts an answered call, right or wrong.
    pub(super) fn answered(&mut self, call: BenchCall, latency: Duration, items: u64) {
        if !self.calls.contains_key(&call) {
            self.calls.extend(CallMeter::new().map(|meter| (call, meter)));
        }
        if let Some(meter) = self.calls.get_mut(&call) {
            meter
                .latencies
                .saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(NANOS_MAX));
            meter.items += items;
        }
    }

    /// Counts what a judgement says; `describe` gives the question in words.
    pub(super) fn judged(
        &mut self,
        judgement: Judgement,
        describe: impl FnOnce(Option<usize>) -> String,
    ) {
        match judgement {
            Judgement::Right => {}
            Judgement::Wrong { answered, right, item } => {
                self.wrong += 1;
                if self.wrong_example.is_none() {
                    let question = describe(item);
                    self.wrong_example = Some(format!(
                        "{question}: the answer was {answered}, and {right} is right"
                    ));
                }
            }
            Judgement::Failed(reason) => self.failure(&reason),
        }
    }

    /// Counts a call that has no answer.
    pub(super) fn failure(&mut self, reason: &str) {
        self.failed += 1;
        let mut reason: String = reason.trim().chars().take(FAILURE_CHARS_MAX).collect();
        if self.failures.len() >= FAILURES_MAX && !self.failures.contains_key(&reason) {
            "others".clone_into(&mut reason);
        }
        *self.failures.entry(reason).or_default() += 1;
    }

    /// How many calls were answered.
    pub(super) fn answers(&self) -> u64 {
        self.calls.values().map(|meter| meter.latencies.len()).sum()
    }

    /// Adds the counts of another round.
    pub(super) fn add_latencies(&mut self, other: &Self) {
        for (call, meter) in &other.calls {
            if !self.calls.contains_key(call) {
                self.calls.extend(CallMeter::new().map(|meter| (*call, meter)));
            }
            if let Some(own) = self.calls.get_mut(call) {
                // Both have the same bounds, so that it always can.
                if own.latencies.add(&meter.latencies).is_ok() {
                    own.items += meter.items;
                }
            }
        }
    }
}
