//! A call until its answer is complete, and the judgement of the answer.

use super::dataset::{FoundSum, Question, RightResult, hash_of};
use super::http2::StreamEnd;
use super::messages::{read_bulk, read_check, read_resource, read_subject, read_token};
use super::numbers::{to_u64, to_usize};
use super::settings::BenchCall;
use flate2::read::GzDecoder;
use std::io::Read as _;
use std::time::Instant;

/// Before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// Whether a call went as it should.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Judgement {
    Right,
    /// The server answered something that is not so: what it answered, and what is right.
    Wrong {
        answered: String,
        right: String,
        item: Option<usize>,
    },
    /// The server answered with an error, or not at all.
    Failed(String),
}

/// A call that is not answered yet.
pub(super) struct PendingCall {
    pub(super) question: Question,
    pub(super) right: RightResult,
    /// When the call was made, or was to be made.
    pub(super) intended: Instant,
    /// What has come of a message that is not complete.
    partial: Vec<u8>,
    messages: u64,
    permissionship: u64,
    each: Vec<u64>,
    found: Vec<u64>,
    pub(super) token: Vec<u8>,
}

impl PendingCall {
    pub(super) fn new(question: Question, right: RightResult, intended: Instant) -> Self {
        Self {
            question,
            right,
            intended,
            partial: Vec::new(),
            messages: 0,
            permissionship: 0,
            each: Vec::new(),
            found: Vec::new(),
            token: Vec::new(),
        }
    }

    /// Takes a part of the answer.
    pub(super) fn take(&mut self, data: &[u8]) {
        if self.partial.is_empty() {
            let handled = self.take_messages(data);
            self.partial.extend_from_slice(data.get(handled..).unwrap_or_default());
        } else {
            let mut all = std::mem::take(&mut self.partial);
            all.extend_from_slice(data);
            let handled = self.take_messages(&all);
            all.drain(..handled);
            self.partial = all;
        }
    }

    /// Takes the whole messages of some bytes; returns how many bytes they were.
    fn take_messages(&mut self, data: &[u8]) -> usize {
        let mut rest = data;
        while let Some(([compressed, length @ ..], tail)) = rest.split_first_chunk::<PREFIX_BYTES>()
        {
            let length = to_usize(u32::from_be_bytes(*length).into());
            let Some((message, next)) = tail.split_at_checked(length) else { break };
            if *compressed == 0 {
                self.take_message(message);
            } else {
                let mut plain = Vec::new();
                drop(GzDecoder::new(message).read_to_end(&mut plain));
                self.take_message(&plain);
            }
            rest = next;
        }
        data.len() - rest.len()
    }

    fn take_message(&mut self, message: &[u8]) {
        self.messages += 1;
        match self.question.call {
            BenchCall::Check | BenchCall::ReadBack => self.permissionship = read_check(message),
            BenchCall::Bulk => self.each.extend(read_bulk(message)),
            BenchCall::LookupResources => {
                let (id, is_conditional) = read_resource(message);
                self.found.push(hash_of(id, is_conditional));
            }
            BenchCall::LookupSubjects => {
                let (id, is_conditional) = read_subject(message);
                self.found.push(hash_of(id, is_conditional));
            }
            BenchCall::Write => self.token = read_token(message).to_vec(),
            BenchCall::Health => {}
        }
    }

    /// How many answers the call has: items of a bulk check, results of a lookup.
    pub(super) fn items(&self) -> u64 {
        match self.question.call {
            BenchCall::Bulk => to_u64(self.each.len()),
            BenchCall::LookupResources | BenchCall::LookupSubjects => to_u64(self.found.len()),
            BenchCall::Check | BenchCall::Write | BenchCall::ReadBack | BenchCall::Health => 1,
        }
    }

    /// Judges the answer, which is complete.
    pub(super) fn judge(&mut self, end: &StreamEnd) -> Judgement {
        let head = match end {
            StreamEnd::Head(head) => head,
            StreamEnd::Reset(code) => {
                return Judgement::Failed(format!("stream reset, code {code}"));
            }
            StreamEnd::Unprocessed => return Judgement::Failed("refused by the server".to_owned()),
        };
        match head.grpc_status {
            Some(0) => self.judge_result(),
            Some(status) => {
                let message = head.grpc_message.as_deref().unwrap_or_default();
                Judgement::Failed(format!("{} {message}", code_name(status)))
            }
            None => Judgement::Failed("ended without a status of gRPC".to_owned()),
        }
    }

    fn judge_result(&mut self) -> Judgement {
        match &self.right {
            RightResult::Check(right) if *right == self.permissionship => Judgement::Right,
            RightResult::Check(right) => wrong(self.permissionship, *right, None),
            RightResult::Each(right) => {
                let place = (0..right.len().max(self.each.len()))
                    .find(|place| right.get(*place) != self.each.get(*place));
                let at = |answers: &[u64], place| answers.get(place).copied().unwrap_or_default();
                place.map_or(Judgement::Right, |place| {
                    wrong(at(&self.each, place), at(right, place), Some(place))
                })
            }
            RightResult::Found(right) => judge_found(&mut self.found, *right),
            // A call with one answer that has none.
            RightResult::Anything if self.messages == 0 => {
                Judgement::Failed("no message in the answer".to_owned())
            }
            RightResult::Anything => Judgement::Right,
        }
    }
}

/// A result may come twice, which the protocol allows.
fn judge_found(found: &mut Vec<u64>, right: FoundSum) -> Judgement {
    let sum_of = |found: &[u64]| {
        let mut sum = FoundSum::default();
        for hash in found {
            sum.add(*hash);
        }
        sum
    };
    if sum_of(found) == right {
        return Judgement::Right;
    }
    found.sort_unstable();
    found.dedup();
    let sum = sum_of(found);
    if sum == right {
        return Judgement::Right;
    }

    let answered =
        if sum.count == right.count { "as many others".to_owned() } else { found_text(sum.count) };
    Judgement::Wrong { answered, right: found_text(right.count), item: None }
}

fn found_text(count: u64) -> String {
    format!("{count} results")
}

fn wrong(answered: u64, right: u64, item: Option<usize>) -> Judgement {
    Judgement::Wrong { answered: answer_name(answered), right: answer_name(right), item }
}

fn answer_name(permissionship: u64) -> String {
    match permissionship {
        1 => "no".to_owned(),
        2 => "yes".to_owned(),
        3 => "conditional".to_owned(),
        _ => "nothing".to_owned(),
    }
}

/// The name of a status of gRPC.
pub(super) fn code_name(status: u32) -> &'static str {
    match status {
        1 => "CANCELLED",
        2 => "UNKNOWN",
        3 => "INVALID_ARGUMENT",
        4 => "DEADLINE_EXCEEDED",
        5 => "NOT_FOUND",
        6 => "ALREADY_EXISTS",
        7 => "PERMISSION_DENIED",
        8 => "RESOURCE_EXHAUSTED",
        9 => "FAILED_PRECONDITION",
        10 => "ABORTED",
        11 => "OUT_OF_RANGE",
        12 => "UNIMPLEMENTED",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        15 => "DATA_LOSS",
        16 => "UNAUTHENTICATED",
        _ => "unknown status",
    }
}
