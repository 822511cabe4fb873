//! The engine agrees with the reference on random schemas, relationships and checks.
//!
//! `KILWA_PROPERTY_QUESTIONS` sets another number of checks, `KILWA_PROPERTY_SEED` another sequence.
//! A case that fails is minimized and printed; put it into `tests/it/cases/`, and it is run first from then on.

use crate::outside::setting;
use crate::readers::{CountingReader, FailingReader};
use crate::reference::case::{Asked, Case, now};
use crate::reference::compare::{Said, ask, ask_each};
use crate::reference::random::Random;
use crate::reference::rules::Rules;
use crate::reference::shrink::{Specimen, shrink};
use crate::reference::solution::Verdict;
use crate::reference::{Answer, Reference, generate};
use kilwa::engine::{Cache, EvalContext, check};
use kilwa::relationship::{
    ReadPoint, Relationship, RelationshipSet, Revision, Timestamp, VisibleSet,
};
use kilwa::schema::{Diagnostic, Schema, compile};
use std::collections::BTreeMap;
use std::path::Path;

/// How many checks are made for each schema.
const QUESTIONS_PER_CASE: usize = 12;
/// Large enough that nothing is ever dropped in a test.
const CACHE_BYTES: usize = 64 << 20;
/// Enough for a few entries, so that some are always being dropped.
const TINY_CACHE_BYTES: usize = 1 << 10;

#[test]
fn kept_cases_agree() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cases");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let case = Case::parse(&std::fs::read_to_string(&path).unwrap());
        if let Some(fault) = disagreement(&case, None) {
            panic!("{}: {fault}", path.display());
        }
    }
}

#[test]
fn random_questions_agree() {
    for_each_specimen(4_000, |specimen| {
        disagreement(&specimen.case(), Some(&specimen.model.rules()))
    });
}

#[test]
fn the_questions_are_worth_asking() {
    let mut random = Random::new(7);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..300 {
        let specimen = generate::specimen(&mut random, QUESTIONS_PER_CASE);
        let (schema, rules) =
            (compile(&specimen.model.to_string()).unwrap(), specimen.model.rules());
        let case = specimen.case();
        let bench = Bench { schema: &schema, rules: &rules, case: &case };
        let visible = case.relationships.visible_at(now());
        let scope = EvalContext::new(&schema, &visible);
        for (requested, answer) in
            case.questions.iter().zip(bench.answers(&case.relationships, now()))
        {
            let mut count = |kind, counts| *seen.entry(kind).or_default() += usize::from(counts);
            match &answer.verdict {
                Verdict::NotMember => count("not member", true),
                Verdict::Member => count("member", true),
                Verdict::Conditional(missing) => {
                    count("conditional", true);
                    count("conditional on several names", missing.len() > 1);
                }
                Verdict::Failed => count("failed", true),
                Verdict::Undefined => count("undefined", true),
            }
            count("cyclic", answer.cyclic);
            count("cyclic exclusion", answer.cyclic_exclusion);
            count("userset subject", requested.subject.relation().is_some());
            let Ok(checked) = check(&scope, &requested.question()) else { continue };
            count("no read", checked.statistics.reads == 0);
            count("five reads or more", checked.statistics.reads >= 5);
            count("five places deep or more", checked.statistics.depth >= 5);
        }
    }
    for (kind, least) in [
        ("not member", 1_000),
        ("member", 800),
        ("conditional", 150),
        ("conditional on several names", 50),
        ("failed", 15),
        ("undefined", 3),
        ("cyclic", 1_000),
        ("cyclic exclusion", 250),
        ("userset subject", 400),
        ("five reads or more", 400),
        ("five places deep or more", 150),
    ] {
        assert!(seen.get(kind).is_some_and(|count| *count >= least), "{kind}: {seen:?}");
    }
    assert!(seen["no read"] < 1_200, "{seen:?}");
}

#[test]
fn an_answer_survives_no_failed_read() {
    for_each_specimen(600, |specimen| broken_reads(&specimen.case()));
}

#[test]
fn a_cache_knows_the_time_and_the_revision() {
    for_each_specimen(1_500, |specimen| stale_answers(&specimen.case()));
}

/// Generates cases until enough checks were made, and minimizes the first one that fails.
pub(crate) fn for_each_specimen(questions: usize, fault: impl Fn(&Specimen) -> Option<String>) {
    let questions = setting("KILWA_PROPERTY_QUESTIONS").map_or(questions, |count| {
        // The whole number is for the plain comparison; the more expensive ones use a part of it.
        usize::try_from(count).unwrap() * questions / 4_000
    });
    let mut random = Random::new(setting("KILWA_PROPERTY_SEED").unwrap_or(2026));
    for _ in 0..questions.div_ceil(QUESTIONS_PER_CASE) {
        let specimen = generate::specimen(&mut Random::new(random.seed()), QUESTIONS_PER_CASE);
        if fault(&specimen).is_some() {
            let small = shrink(specimen, |smaller| fault(smaller).is_some());
            panic!("{}\n\n{}", fault(&small).unwrap(), small.case());
        }
    }
}

/// The differences of the engine's answers to a case, in every form.
fn disagreement(case: &Case, rules: Option<&Rules>) -> Option<String> {
    let schema = match compile(&case.schema) {
        Ok(schema) => schema,
        Err(diagnostics) => {
            return Some(format!("the schema is refused: {}", reported(&diagnostics)));
        }
    };
    let compiled = Rules::from_schema(&schema);
    if let Some(rules) = rules.filter(|rules| **rules != compiled) {
        return Some(format!("the schema is misread:\n{compiled:#?}\ninstead of\n{rules:#?}"));
    }
    if let Some(refused) = refused_relationship(&schema, &case.relationships) {
        return Some(refused);
    }
    let bench = Bench { schema: &schema, rules: &compiled, case };
    let answers = bench.answers(&case.relationships, now());
    bench
        .ways(&case.relationships.visible_at(now()))
        .into_iter()
        .find_map(|(way, said)| bench.fault(way, &answers, &said))
}

fn reported(diagnostics: &[Diagnostic]) -> String {
    let reported = diagnostics.iter().map(|diagnostic| diagnostic.message.clone());
    reported.collect::<Vec<_>>().join("; ")
}

fn refused_relationship(schema: &Schema, relationships: &RelationshipSet) -> Option<String> {
    relationships.iter().find_map(|stored| {
        let error = schema.check_relationship(stored).err()?;
        Some(format!("`{stored}` is refused: {error}"))
    })
}

struct Bench<'a> {
    schema: &'a Schema,
    rules: &'a Rules,
    case: &'a Case,
}

impl Bench<'_> {
    fn questions(&self) -> &[Asked] {
        &self.case.questions
    }

    fn answers(&self, relationships: &RelationshipSet, now: Timestamp) -> Vec<Answer> {
        let reference = Reference::new(self.rules, self.schema, relationships.iter(), now);
        let answer = |requested: &Asked| {
            reference.answer(
                &requested.resource,
                &requested.permission,
                &requested.subject,
                &requested.context,
            )
        };
        self.questions().iter().map(answer).collect()
    }

    /// All answers of the engine, by the form of the call.
    fn ways(&self, reader: &VisibleSet<'_>) -> Vec<(&'static str, Vec<Said>)> {
        let cache = Cache::new(CACHE_BYTES);
        let (bulk_cache, tiny_cache) = (Cache::new(CACHE_BYTES), Cache::new(TINY_CACHE_BYTES));
        let plain = EvalContext::new(self.schema, reader);
        let traced = EvalContext { tracing: true, ..plain };
        let cached = EvalContext {
            cache: Some(cache.at(ReadPoint::new(Revision::default(), now()))),
            ..plain
        };
        let tiny = EvalContext {
            cache: Some(tiny_cache.at(ReadPoint::new(Revision::default(), now()))),
            ..plain
        };
        let bulk = EvalContext {
            cache: Some(bulk_cache.at(ReadPoint::new(Revision::default(), now()))),
            ..plain
        };
        let singly = |scope: &EvalContext<'_, VisibleSet<'_>>| -> Vec<Said> {
            self.questions().iter().map(|requested| ask(scope, requested)).collect()
        };
        vec![
            ("plainly", singly(&plain)),
            ("with an empty cache", singly(&cached)),
            ("with a full cache", singly(&cached)),
            ("with a tiny cache", singly(&tiny)),
            ("with a tiny cache again", singly(&tiny)),
            ("with a trace", singly(&traced)),
            ("all at once", ask_each(&plain, self.questions())),
            ("all at once with an empty cache", ask_each(&bulk, self.questions())),
            ("all at once with a full cache", ask_each(&bulk, self.questions())),
        ]
    }

    fn fault(&self, way: &str, answers: &[Answer], said: &[Said]) -> Option<String> {
        if said.len() != answers.len() {
            return Some(format!("asked {way}, the engine gave {} answers", said.len()));
        }
        let mut all = self.questions().iter().zip(answers).zip(said);
        let ((requested, answer), said) = all.find(|((_, answer), said)| !answer.allows(said))?;
        Some(format!(
            "`{requested}` asked {way}: the engine says {said:?}, the reference {answer:?}"
        ))
    }
}

/// A reader that fails at any one read gives an error or the answer, and leaves nothing wrong in the cache.
fn broken_reads(case: &Case) -> Option<String> {
    let schema = compile(&case.schema).ok()?;
    let rules = Rules::from_schema(&schema);
    let bench = Bench { schema: &schema, rules: &rules, case };
    let answers = bench.answers(&case.relationships, now());
    case.questions.iter().zip(&answers).find_map(|(requested, answer)| {
        let reader = CountingReader::new(case.relationships.visible_at(now()));
        ask(&EvalContext::new(&schema, &reader), requested);
        (0..reader.reads()).find_map(|fails_after| {
            let fault = broken_read(&schema, case, requested, answer, fails_after)?;
            Some(format!("`{requested}` with read {} failing: {fault}", fails_after + 1))
        })
    })
}

fn broken_read(
    schema: &Schema,
    case: &Case,
    requested: &Asked,
    answer: &Answer,
    fails_after: usize,
) -> Option<String> {
    let cache = Cache::new(CACHE_BYTES);
    let at = Some(cache.at(ReadPoint::new(Revision::default(), now())));
    let visible = case.relationships.visible_at(now());
    let broken = FailingReader::after(fails_after, visible);
    let first = ask(&EvalContext { cache: at, ..EvalContext::new(schema, &broken) }, requested);
    if first != Said::ReadFailed && !answer.allows(&first) {
        return Some(format!("the engine says {first:?}, the reference {answer:?}"));
    }
    let then = ask(&EvalContext { cache: at, ..EvalContext::new(schema, &visible) }, requested);
    (!answer.allows(&then))
        .then(|| format!("the engine then says {then:?}, the reference {answer:?}"))
}

/// One cache for the same checks at three times and two revisions, in an order that goes back and forth.
fn stale_answers(case: &Case) -> Option<String> {
    let schema = compile(&case.schema).ok()?;
    let rules = Rules::from_schema(&schema);
    let bench = Bench { schema: &schema, rules: &rules, case };
    let cache = Cache::new(CACHE_BYTES);
    let fewer: RelationshipSet = every_other(&case.relationships).collect();
    let revisions = [(1, &case.relationships), (2, &fewer)];
    let years = [2019, 2030, 2050, 2030, 2019];
    years.iter().find_map(|year| {
        let now = Timestamp::parse(&format!("{year}-01-01T00:00:00Z")).unwrap();
        revisions.iter().find_map(|(revision, relationships)| {
            let visible = relationships.visible_at(now);
            let at = Some(cache.at(ReadPoint::new(Revision(*revision), now)));
            let scope = EvalContext { cache: at, ..EvalContext::new(&schema, &visible) };
            let said: Vec<Said> =
                case.questions.iter().map(|requested| ask(&scope, requested)).collect();
            let way = format!("in {year} at revision {revision}");
            bench.fault(&way, &bench.answers(relationships, now), &said)
        })
    })
}

fn every_other(relationships: &RelationshipSet) -> impl Iterator<Item = Relationship> {
    relationships.iter().step_by(2).cloned()
}
