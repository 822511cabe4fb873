//! The questions of a run: which call is made next, its request, and how its answer is judged.

use super::draw::{Draw, hash};
use super::messages::{
    AskedRevision, BULK_PATH, CHECK_PATH, HEALTH_PATH, RESOURCES_PATH, SUBJECTS_PATH, UpdateKind,
    WRITE_PATH, begin_message, end_message, write_bulk_item, write_check, write_lookup,
    write_revision, write_update,
};
use super::model::{
    BenchObject, BenchTuple, CheckItem, LookupItem, RightAnswer, check, id, id_of, object, tuple,
};
use super::settings::{BenchCall, BenchSettings};
use super::workload::WorkloadData;

/// The definition that says which data a server has; it is added to the schema of every workload.
const MARKER_TYPE: &str = "bench_dataset";
const MARKER_SCHEMA: &str = "
definition bench_dataset {
  relation loaded: bench_dataset
}
";
const MARKER_RELATION: &str = "loaded";

/// A call to be made, small enough to be kept and made again.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Question {
    pub(super) call: BenchCall,
    /// What it asks follows from this number.
    pub(super) number: u64,
    /// The write, or the token of a write that a check has to see.
    pub(super) write: Option<WriteStep>,
}

/// A part of a write with a check after it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WriteStep {
    pub(super) kind: UpdateKind,
    /// Whether the write is followed by a check.
    pub(super) is_read_back: bool,
    pub(super) token: Vec<u8>,
}

/// What is kept of the right answer while a call is made.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RightResult {
    Anything,
    Check(u64),
    Each(Vec<u64>),
    Found(FoundSum),
}

/// A set of ids as their number and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FoundSum {
    pub(super) count: u64,
    pub(super) sum: u64,
}

/// The data of a run and the questions about them.
pub(super) struct Dataset {
    data: Box<dyn WorkloadData>,
    settings: BenchSettings,
    /// Lookups with their right answers, by side.
    resources: Vec<(LookupItem, FoundSum)>,
    subjects: Vec<(LookupItem, FoundSum)>,
    /// What no other run has: a part of the ids that it writes.
    run: u32,
}

impl Dataset {
    pub(super) fn new(settings: &BenchSettings, run: u64) -> Self {
        let of = &settings.data;
        let data = of.workload.data(of.relationships, of.seed);
        let mut dataset = Self {
            data,
            settings: settings.clone(),
            resources: Vec::new(),
            subjects: Vec::new(),
            run: u32::try_from(run & 0xffff_ffff).unwrap_or_default(),
        };
        if settings.calls.mix.has(BenchCall::LookupResources) {
            dataset.resources = dataset.lookups(|data, draw| data.lookup_resources(draw));
        }
        if settings.calls.mix.has(BenchCall::LookupSubjects) {
            dataset.subjects = dataset.lookups(|data, draw| data.lookup_subjects(draw));
        }
        dataset
    }

    /// The lookups of a side; their right answers are kept as sums, as some have a million ids.
    fn lookups(
        &self,
        lookup: impl Fn(&dyn WorkloadData, &mut Draw) -> LookupItem,
    ) -> Vec<(LookupItem, FoundSum)> {
        let mut draw = self.draw(hash(self.settings.data.seed, 1));
        let lookup = |_| {
            let mut item = lookup(self.data.as_ref(), &mut draw);
            let mut sum = FoundSum::default();
            let mut text = Vec::new();
            for (id, is_conditional) in std::mem::take(&mut item.right) {
                text.clear();
                id.write(&mut text);
                sum.add(hash_of(&text, is_conditional));
            }
            (item, sum)
        };
        (0..self.data.lookups()).map(lookup).collect()
    }

    fn draw(&self, seed: u64) -> Draw {
        Draw::new(seed, self.settings.data.distribution)
    }

    pub(super) fn schema(&self) -> String {
        format!("{}{MARKER_SCHEMA}", self.data.schema())
    }

    pub(super) fn units(&self) -> u32 {
        self.data.units()
    }

    pub(super) fn write_unit(&self, unit: u32, take: &mut dyn FnMut(BenchTuple)) {
        self.data.write_unit(unit, take);
    }

    /// The relationship that says that a server has these data, and the check for it.
    pub(super) fn marker(&self) -> (BenchTuple, CheckItem) {
        let of = &self.settings.data;
        let size = u32::try_from(of.relationships).unwrap_or(u32::MAX);
        let seed = u32::try_from(hash(of.seed, 2) >> 32).unwrap_or_default();
        let dataset = object(MARKER_TYPE, id_of(of.workload.name(), size, seed));
        let tuple = tuple(dataset, MARKER_RELATION, dataset);
        (tuple, check(dataset, MARKER_RELATION, dataset, true))
    }

    /// Whether a schema is one of this program's.
    pub(super) fn is_own_schema(text: &str) -> bool {
        text.contains(&format!("definition {MARKER_TYPE}"))
    }

    /// The next question.
    pub(super) fn next_question(&self, draw: &mut Draw) -> Question {
        let mix = &self.settings.calls.mix;
        let mut place = draw.below(mix.total());
        let mut call = BenchCall::Check;
        for (part, share) in &mix.parts {
            if place < *share {
                call = *part;
                break;
            }
            place -= share;
        }
        let number = draw.next();
        let writes = matches!(call, BenchCall::Write | BenchCall::ReadBack);
        let write = writes.then(|| WriteStep {
            kind: UpdateKind::Touch,
            is_read_back: call == BenchCall::ReadBack,
            token: Vec::new(),
        });
        let call = if call == BenchCall::ReadBack { BenchCall::Write } else { call };
        Question { call, number, write }
    }

    /// What follows on a question that was answered, with the token of the answer: the check after a write, and the deletion after that.
    pub(super) fn following(question: &Question, token: &[u8]) -> Option<Question> {
        let step = question.write.as_ref().filter(|step| step.is_read_back)?;
        let call = match (question.call, step.kind) {
            (BenchCall::Write, _) => BenchCall::ReadBack,
            (_, UpdateKind::Touch) => BenchCall::Write,
            (_, UpdateKind::Delete) => return None,
        };
        let kind = if call == BenchCall::Write { UpdateKind::Delete } else { step.kind };
        let write = Some(WriteStep { kind, is_read_back: true, token: token.to_vec() });
        Some(Question { call, number: question.number, write })
    }

    /// Writes the request of a question as a message of gRPC; returns the path of its method and the right result.
    pub(super) fn write_request(
        &self,
        question: &Question,
        out: &mut Vec<u8>,
    ) -> (&'static str, RightResult) {
        begin_message(out);
        let revision = AskedRevision::Policy(self.settings.calls.consistency);

        let written = match question.call {
            BenchCall::Check => {
                let item = self.check_item(question.number);
                write_check(out, revision, &item);
                (CHECK_PATH, RightResult::Check(item.right.number()))
            }
            BenchCall::Bulk => {
                write_revision(out, revision);
                let items = self.bulk_items(question.number);
                let right = items.inspect(|item| write_bulk_item(out, item));
                let right = right.map(|item| item.right.number()).collect();
                (BULK_PATH, RightResult::Each(right))
            }
            BenchCall::LookupResources | BenchCall::LookupSubjects => {
                let (item, sum) = self.lookup_item(question);
                write_lookup(out, revision, item);
                let is_resources = question.call == BenchCall::LookupResources;
                let path = if is_resources { RESOURCES_PATH } else { SUBJECTS_PATH };
                (path, RightResult::Found(*sum))
            }
            BenchCall::Write => {
                let kind = question.write.as_ref().map_or(UpdateKind::Touch, |step| step.kind);
                write_update(out, kind, &self.written(question.number).0);
                (WRITE_PATH, RightResult::Anything)
            }
            BenchCall::ReadBack => {
                let item = self.read_back_item(question);
                let token = question.write.as_ref().map_or(&[][..], |step| &step.token);
                write_check(out, AskedRevision::After(token), &item);
                (CHECK_PATH, RightResult::Check(item.right.number()))
            }
            BenchCall::Health => (HEALTH_PATH, RightResult::Anything),
        };

        end_message(out);
        written
    }

    fn check_item(&self, number: u64) -> CheckItem {
        self.data.check(&mut self.draw(number))
    }

    fn bulk_items(&self, number: u64) -> impl Iterator<Item = CheckItem> {
        let mut draw = self.draw(number);
        (0..self.settings.calls.bulk_items).map(move |_| self.data.check(&mut draw))
    }

    #[expect(clippy::indexing_slicing, reason = "the mix has the call, so that there are lookups")]
    fn lookup_item(&self, question: &Question) -> &(LookupItem, FoundSum) {
        let is_resources = question.call == BenchCall::LookupResources;
        let of_side = if is_resources { &self.resources } else { &self.subjects };
        let length = u64::try_from(of_side.len()).unwrap_or(1).max(1);
        let position = usize::try_from(question.number % length).unwrap_or_default();
        &of_side[position]
    }

    /// The relationship of a write, which concerns no other question, and the check of it.
    fn written(&self, number: u64) -> (BenchTuple, CheckItem) {
        let relation = self.data.written();
        let number = u32::try_from(number >> 32).unwrap_or_default();
        let resource = object(relation.kind, id_of("x", self.run, number));
        let user: BenchObject = object("user", id("x", number));
        let written = tuple(resource, relation.relation, user);
        (written, check(resource, relation.permission, user, true))
    }

    fn read_back_item(&self, question: &Question) -> CheckItem {
        let (_, item) = self.written(question.number);
        let is_deleted =
            question.write.as_ref().is_some_and(|step| step.kind == UpdateKind::Delete);
        CheckItem { right: RightAnswer::from_bool(!is_deleted), ..item }
    }

    /// A question in words, for an example of what was answered wrongly.
    pub(super) fn describe(&self, question: &Question) -> String {
        match question.call {
            BenchCall::Check => format!("check of {}", self.check_item(question.number)),
            BenchCall::Bulk => "bulk check".to_owned(),
            BenchCall::LookupResources | BenchCall::LookupSubjects => {
                self.lookup_item(question).0.to_string()
            }
            BenchCall::ReadBack => {
                format!("check of {} after a write", self.read_back_item(question))
            }
            BenchCall::Write | BenchCall::Health => question.call.name().to_owned(),
        }
    }

    /// An item of a bulk check in words.
    pub(super) fn describe_item(&self, question: &Question, position: usize) -> String {
        let item = self.bulk_items(question.number).nth(position);
        item.map_or_else(String::new, |item| item.to_string())
    }
}

impl FoundSum {
    pub(super) fn add(&mut self, hash: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(hash);
    }
}

/// The hash of a found id (FNV-1a, mixed), which differs if it is found with a condition.
pub(super) fn hash_of(id: &[u8], is_conditional: bool) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ u64::from(is_conditional);
    let folded = id
        .iter()
        .fold(start, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    hash(0, folded)
}
