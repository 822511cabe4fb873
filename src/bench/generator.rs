//! One round: calls by one thread over a few connections, in a closed or an open loop.
//!
//! In a closed loop each call follows on an answer. In an open loop calls have intended times, whatever the server does, and a latency counts from
//! the intended time: a server that stops for a second is charged with the waiting of every call that was to be made in it (coordinated
//! omission). All calls that begin within the round count, however long they take.

use super::clock::now;
use super::dataset::Dataset;
use super::draw::{Draw, hash};
use super::http2::{CallOptions, Http2Error};
use super::link::{EndedCall, Link};
use super::meter::Meter;
use super::numbers::{to_f64, to_usize, whole};
use super::pending::Judgement;
use super::process::{CpuSample, CpuTime, ProcessMemory, cpu_sample, memory, own_cpu};
use super::settings::{BenchSettings, BenchTarget, CallSettings};
use super::wait::wait_for_input;
use std::time::{Duration, Instant};

/// How long the calls of a round may take after its end.
const DRAIN_MAX: Duration = Duration::from_mins(1);
/// The longest wait without a look at the clock.
const WAIT_MAX: Duration = Duration::from_millis(100);
/// A wait shorter than this is spent awake, as the kernel may wake a thread so much too late.
const WAIT_MIN: Duration = Duration::from_micros(100);

/// What a round has brought.
pub(super) struct RoundResult {
    pub(super) meter: Meter,
    /// From the first call to the last answer.
    pub(super) elapsed: Duration,
    /// CPU time of the server, if its process is known.
    pub(super) server_cpu: Option<CpuTime>,
    pub(super) server_memory: Option<ProcessMemory>,
    pub(super) generator_cpu: Duration,
}

/// Makes one round of calls; `progress` hears which part of it is over.
pub(super) fn measure_round(
    target: &BenchTarget,
    dataset: &Dataset,
    settings: &BenchSettings,
    round: u64,
    progress: &mut dyn FnMut(f64),
) -> Result<RoundResult, Http2Error> {
    let options = call_options(target, &settings.calls);
    let links: Result<Vec<Link>, Http2Error> = (0..settings.calls.connections.max(1))
        .map(|_| Link::open(target.address, &options))
        .collect();
    let start = now();
    let begin = start + settings.rounds.warm_up;
    let mut generator = Generator {
        dataset,
        calls: &settings.calls,
        draw: Draw::new(hash(settings.data.seed, round + 3), settings.data.distribution),
        links: links?,
        turn: 0,
        times: RoundTimes { start, begin, end: begin + settings.rounds.duration },
        scheduled: 0,
        meter: Meter::default(),
        last_answer: begin,
        ended: Vec::new(),
    };
    generator.run(target.process, progress)
}

/// What all calls to a server have in common.
pub(super) fn call_options(target: &BenchTarget, calls: &CallSettings) -> CallOptions {
    CallOptions {
        authority: target.endpoint.clone(),
        key: target.key.clone(),
        reads_gzip: calls.reads_gzip,
        deadline: calls.deadline,
    }
}

/// When a round starts with its warm-up, begins to count, and ends.
#[derive(Clone, Copy)]
struct RoundTimes {
    start: Instant,
    begin: Instant,
    end: Instant,
}

struct Generator<'d> {
    dataset: &'d Dataset,
    calls: &'d CallSettings,
    draw: Draw,
    links: Vec<Link>,
    /// The connection that makes the next call in an open loop.
    turn: usize,
    times: RoundTimes,
    /// Calls that were made in an open loop.
    scheduled: u64,
    meter: Meter,
    last_answer: Instant,
    ended: Vec<EndedCall>,
}

/// The CPU times when a round begins to count.
struct CpuBefore {
    server: Option<CpuSample>,
    generator: Duration,
}

impl Generator<'_> {
    fn run(
        &mut self,
        process: Option<u32>,
        progress: &mut dyn FnMut(f64),
    ) -> Result<RoundResult, Http2Error> {
        let sample = || process.and_then(cpu_sample);
        let mut before = None;
        let mut ready = Vec::new();
        let mut shown = self.times.start;
        loop {
            let time = now();
            if before.is_none() && time >= self.times.begin {
                before = Some(CpuBefore { server: sample(), generator: own_cpu() });
            }
            if time.duration_since(shown) >= WAIT_MAX {
                shown = time;
                progress(self.done_part(time));
            }
            if self.is_over(time) {
                break;
            }
            self.make_calls(time)?;
            self.exchange(&mut ready)?;
        }

        let before = before.unwrap_or_else(|| CpuBefore { server: sample(), generator: own_cpu() });
        let after = sample();
        let generator_cpu = own_cpu().saturating_sub(before.generator);
        self.count_unanswered();
        Ok(RoundResult {
            meter: std::mem::take(&mut self.meter),
            elapsed: self.last_answer.duration_since(self.times.begin),
            server_cpu: after.zip(before.server).map(|(after, before)| after.since(&before)),
            server_memory: process.and_then(memory),
            generator_cpu,
        })
    }

    fn done_part(&self, time: Instant) -> f64 {
        let all = self.times.end - self.times.start;
        let done = time.duration_since(self.times.start);
        (done.as_secs_f64() / all.as_secs_f64().max(1e-9)).min(1.0)
    }

    /// Whether all calls are answered, or have had time enough.
    fn is_over(&self, time: Instant) -> bool {
        let is_idle = || self.links.iter().all(Link::is_idle);
        let is_made = || self.calls.rate.is_none_or(|rate| self.due_time(rate) >= self.times.end);
        time >= self.times.end && (time >= self.times.end + DRAIN_MAX || (is_made() && is_idle()))
    }

    /// When the next call of an open loop is to be made.
    fn due_time(&self, rate: f64) -> Instant {
        self.times.start + Duration::from_secs_f64(to_f64(self.scheduled) / rate)
    }

    /// Makes the calls that can be made now, and sends them.
    fn make_calls(&mut self, time: Instant) -> Result<(), Http2Error> {
        let in_flight = to_usize(self.calls.in_flight.max(1).into());
        for position in 0..self.links.len() {
            let Some(link) = self.links.get_mut(position) else { break };
            link.renew_if_retired()?;
            while link.has_room(in_flight) {
                match link.next_in_queue() {
                    Some((question, intended)) => link.call(self.dataset, question, intended),
                    None if self.calls.rate.is_none() && time < self.times.end => {
                        let question = self.dataset.next_question(&mut self.draw);
                        link.call(self.dataset, question, time);
                    }
                    None => break,
                }
            }
        }
        if let Some(rate) = self.calls.rate {
            self.make_due_calls(rate, time, in_flight);
        }
        Ok(())
    }

    /// Makes the calls of an open loop whose time has come, as far as connections have room.
    fn make_due_calls(&mut self, rate: f64, time: Instant, in_flight: usize) {
        loop {
            let due = self.due_time(rate);
            let count = self.links.len();
            let has_room = |place: &usize| {
                self.links.get(place % count).is_some_and(|link| link.has_room(in_flight))
            };
            let place = (self.turn..self.turn + count).find(has_room);
            let (true, Some(place)) = (due <= time && due < self.times.end, place) else { return };

            self.turn = (place + 1) % count;
            self.scheduled += 1;
            let question = self.dataset.next_question(&mut self.draw);
            if let Some(link) = self.links.get_mut(place % count) {
                link.call(self.dataset, question, due);
            }
        }
    }

    /// Sends, waits for answers, and takes them.
    fn exchange(&mut self, ready: &mut Vec<bool>) -> Result<(), Http2Error> {
        for position in 0..self.links.len() {
            self.with_link(position, |link, _| link.flush())?;
        }
        let connections = self.links.iter().map(Link::connection);
        let has_output = |place: usize| self.links.get(place).is_some_and(Link::has_output);
        wait_for_input(connections, has_output, self.wait_time(), ready)?;

        for position in 0..self.links.len() {
            if ready.get(position) == Some(&true) {
                self.with_link(position, Link::receive)?;
                self.take_ended(position);
            }
        }
        Ok(())
    }

    fn wait_time(&self) -> Duration {
        let Some(rate) = self.calls.rate else { return WAIT_MAX };
        let due = self.due_time(rate);
        if due >= self.times.end {
            return WAIT_MAX;
        }
        // What is due and has no room waits for answers.
        match due.checked_duration_since(now()) {
            None => WAIT_MAX,
            Some(wait) if wait < WAIT_MIN => Duration::ZERO,
            Some(wait) => wait.min(WAIT_MAX).saturating_sub(WAIT_MIN),
        }
    }

    /// Does something with a connection; one that breaks is opened anew, and its calls have failed.
    fn with_link(
        &mut self,
        position: usize,
        act: impl FnOnce(&mut Link, &mut Vec<EndedCall>) -> Result<(), Http2Error>,
    ) -> Result<(), Http2Error> {
        let Self { links, ended, .. } = self;
        let Some(link) = links.get_mut(position) else { return Ok(()) };
        if let Err(error) = act(link, ended) {
            let reason = error.to_string();
            let lost = link.reopen_broken(error)?;
            let counted = lost.iter().filter(|call| call.intended >= self.times.begin);
            counted.for_each(|_| self.meter.failure(&reason));
        }
        Ok(())
    }

    /// Judges and counts the calls that have ended, and makes what follows on them.
    fn take_ended(&mut self, position: usize) {
        if self.ended.is_empty() {
            return;
        }
        let time = now();
        for EndedCall { mut call, end } in std::mem::take(&mut self.ended) {
            let judgement = call.judge(&end);
            let is_answered = !matches!(judgement, Judgement::Failed(_));
            if is_answered
                && let Some(next) = Dataset::following(&call.question, &call.token)
                && let Some(link) = self.links.get_mut(position)
            {
                link.enqueue(next, time);
            }
            if call.intended < self.times.begin {
                continue;
            }

            if is_answered {
                self.last_answer = time;
                let latency = time.duration_since(call.intended);
                self.meter.answered(call.question.call, latency, call.items());
            }
            let dataset = self.dataset;
            self.meter.judged(judgement, |item| match item {
                Some(item) => dataset.describe_item(&call.question, item),
                None => dataset.describe(&call.question),
            });
        }
    }

    /// Counts the calls that were not answered in time, and those of an open loop that were not even made, with the time that they
    /// have waited so far.
    fn count_unanswered(&mut self) {
        let time = now();
        for link in self.links.drain(..) {
            for call in link.into_unanswered().filter(|call| call.intended >= self.times.begin) {
                let waited = time.duration_since(call.intended);
                self.meter.answered(call.question.call, waited, 0);
                self.meter.failure("no answer within a minute after the round");
            }
        }
        let Some(rate) = self.calls.rate else { return };
        let intended = whole(rate * (self.times.end - self.times.start).as_secs_f64());
        for number in self.scheduled..intended {
            let due = self.times.start + Duration::from_secs_f64(to_f64(number) / rate);
            let question = self.dataset.next_question(&mut self.draw);
            self.meter.answered(question.call, time.saturating_duration_since(due), 0);
            self.meter.unsent += 1;
        }
    }
}
