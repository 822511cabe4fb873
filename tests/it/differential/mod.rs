//! Kilwa compared with a real `SpiceDB`: the same random schemas, writes and checks for both, and every disagreement in what
//! they answer, find, refuse and store.
//!
//! `KILWA_TEST_SPICEDB=… KILWA_DIFFERENTIAL_QUESTIONS=1000000 cargo test --release --test it differential -- --ignored`;
//! `KILWA_DIFFERENTIAL_SEED` starts another sequence; `KILWA_DIFFERENTIAL_POSTGRES` is the address of a database in which
//! `SpiceDB` then has its data, as `postgres://…`. It is emptied again and again.

mod changes;
mod circles;
mod confirm;
pub(crate) mod known;
mod said;
mod side;

use crate::outside::{program, setting, tell};
use crate::peer::{Peer, require_spicedb};
use crate::reference::case::{Asked, Case};
use crate::reference::generate;
use crate::reference::random::Random;
use circles::Circles;
use kilwa::schema::{Schema, compile};
use known::{Knowledge, Known};
use said::Said;
use side::{Side, SubjectsAsked};
use std::collections::BTreeMap;
use std::env;
use std::fmt;
use tokio::runtime::Runtime;

/// How many checks are made for each schema, and how many of them one by one, looked up and expanded too: more where no
/// cycle is, because only there resources can be looked up.
const QUESTIONS_PER_CASE: usize = 400;
const LOOKUPS_PER_CASE: usize = 25;
const LOOKUPS_PER_CASE_WITHOUT_CIRCLES: usize = 200;
/// How many stores a Kilwa holds before it is replaced: each takes more than a megabyte.
const CASES_PER_SERVER: usize = 50;
/// How many disagreements are reported in full.
const TOLD_MAX: usize = 20;

#[test]
#[ignore = "compares with the SpiceDB that KILWA_TEST_SPICEDB names, for as long as is wanted"]
fn kilwa_and_spicedb_agree() {
    let Some(program) = program("KILWA_TEST_SPICEDB") else { return };
    tell(&format!("compared with {}", require_spicedb(&program)));
    let wanted = setting("KILWA_DIFFERENTIAL_QUESTIONS").unwrap_or(50_000);
    let runtime = Runtime::new().unwrap();
    let postgres = env::var_os("KILWA_DIFFERENTIAL_POSTGRES");
    let start_spicedb = || match &postgres {
        Some(uri) => Peer::spicedb_on_postgres(&program, uri.to_str().unwrap(), &runtime),
        None => Peer::spicedb(&program, &runtime),
    };
    let (mut kilwa, mut spicedb) = (Peer::kilwa(&runtime), start_spicedb());
    let mut random = Random::new(setting("KILWA_DIFFERENTIAL_SEED").unwrap_or(1));
    let mut tally = Tally::default();
    for case in 1.. {
        if tally.questions() >= wanted {
            break;
        }
        if case % CASES_PER_SERVER == 0 {
            kilwa = Peer::kilwa(&runtime);
        }
        if std::mem::take(&mut tally.endless) {
            spicedb = start_spicedb();
        }
        let case = generate::specimen(&mut random, QUESTIONS_PER_CASE).case();
        let mut pair = Pair { kilwa: Side::new(&kilwa), spicedb: Side::new(&spicedb) };
        runtime.block_on(compare(&mut pair, &case, &mut random, &mut tally));
    }
    tell(&tally);
    assert_eq!(tally.disagreements, 0);
}

/// A store of each server.
struct Pair {
    kilwa: Side,
    spicedb: Side,
}

/// The counts of a run.
#[derive(Default)]
struct Tally {
    by_kind: BTreeMap<&'static str, u64>,
    known: BTreeMap<Known, u64>,
    disagreements: usize,
    /// Whether `SpiceDB` has not ended the evaluation of a check, so that the server is of no more use.
    endless: bool,
}

impl Tally {
    fn questions(&self) -> u64 {
        self.by_kind.values().sum()
    }

    /// Counts a pair of answers; `known` says why they may differ.
    fn note(
        &mut self,
        kind: &'static str,
        (kilwa, spicedb): (&Said, &Said),
        known: impl FnOnce() -> Option<Known>,
        what: impl FnOnce() -> String,
    ) {
        *self.by_kind.entry(kind).or_default() += 1;
        self.endless |= spicedb.is_late();
        // Nothing excuses a Kilwa that does not come to an end, not even that both do not.
        let excuse = if kilwa.is_late() {
            None
        } else if kilwa.agrees_with(spicedb) {
            return;
        } else if spicedb.is_late() {
            Some(Known::Circle)
        } else {
            known()
        };
        if let Some(known) = excuse {
            *self.known.entry(known).or_default() += 1;
            return;
        }
        self.disagreements += 1;
        if self.disagreements <= TOLD_MAX {
            tell(&format!("--- {kind}: {}\nkilwa:   {kilwa}\nspicedb: {spicedb}", what()));
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} questions: {:?}", self.questions(), self.by_kind)?;
        writeln!(f, "differ as they are meant to: {:?}", self.known)?;
        write!(f, "disagreements: {}", self.disagreements)
    }
}

async fn compare(pair: &mut Pair, case: &Case, random: &mut Random, tally: &mut Tally) {
    let schema = compile(&case.schema).unwrap();
    pair.spicedb.clear().await;
    let said = (
        pair.kilwa.write_schema(&case.schema).await,
        pair.spicedb.write_schema(&case.schema).await,
    );
    tally.note("schema", (&said.0, &said.1), || None, || case.schema.clone());
    let stored = changes::compare(pair, case, random, tally).await;
    let mut case = Case { relationships: stored, ..case.clone() };
    let circles = Circles::of(&case, &schema);
    case.questions.retain(|requested| !circles.below(requested));
    compare_schemas(pair, &case, &schema, tally).await;
    let knowledge = Knowledge::new(&case, &schema);
    compare_checks(pair, &case, &knowledge, tally).await;
    compare_lookups(pair, &case, &circles, &knowledge, tally).await;
}

async fn compare_schemas(pair: &mut Pair, case: &Case, schema: &Schema, tally: &mut Tally) {
    let said = (pair.kilwa.reflect().await, pair.spicedb.reflect().await);
    tally.note("reflection", (&said.0, &said.1), || None, || case.schema.clone());
    for node in schema.nodes() {
        let definition = &schema.definition(node.definition).name;
        let kilwa = pair.kilwa.neighbours(definition, &node.name).await;
        let spicedb = pair.spicedb.neighbours(definition, &node.name).await;
        let what = || format!("{definition}#{}\n{}", node.name, case.schema);
        let known = || Knowledge::from_schema(schema);
        tally.note("computable", (&kilwa[0], &spicedb[0]), known, what);
        tally.note("dependent", (&kilwa[1], &spicedb[1]), || None, what);
    }
}

async fn compare_checks(
    pair: &mut Pair,
    case: &Case,
    knowledge: &Knowledge<'_>,
    tally: &mut Tally,
) {
    let kilwa = pair.kilwa.check_each(&case.questions).await;
    let spicedb = pair.spicedb.check_each(&case.questions).await;
    for ((requested, kilwa), spicedb) in case.questions.iter().zip(&kilwa).zip(&spicedb) {
        let what = || format!("{requested}\n{}", reported(case));
        let own = confirm::answer(&mut pair.spicedb, requested, kilwa, spicedb).await;
        let known = || own.or_else(|| knowledge.known_difference(requested, kilwa, spicedb));
        tally.note("bulk check", (kilwa, spicedb), known, what);
    }
    for requested in case.questions.iter().take(LOOKUPS_PER_CASE) {
        let (kilwa, spicedb) =
            (pair.kilwa.check(requested).await, pair.spicedb.check(requested).await);
        let what = || format!("{requested}\n{}", reported(case));
        let known = || knowledge.known_difference(requested, &kilwa, &spicedb);
        tally.note("check", (&kilwa, &spicedb), known, what);
    }
}

/// Lists and trees, of cases and checks in which `SpiceDB` does not meet a cycle.
async fn compare_lookups(
    pair: &mut Pair,
    case: &Case,
    circles: &Circles,
    knowledge: &Knowledge<'_>,
    tally: &mut Tally,
) {
    let what = |requested: &Asked| format!("{requested}\n{}", reported(case));
    let count =
        if circles.are_anywhere() { LOOKUPS_PER_CASE } else { LOOKUPS_PER_CASE_WITHOUT_CIRCLES };
    for requested in case.questions.iter().take(count) {
        if tally.endless {
            return;
        }
        let of = SubjectsAsked {
            requested,
            subject_type: requested.subject.object_type(),
            subject_relation: requested.subject.relation().unwrap_or_default(),
        };
        let kilwa = pair.kilwa.lookup_subjects(&of).await;
        let spicedb = pair.spicedb.lookup_subjects(&of).await;
        let own = confirm::subjects(&mut pair.spicedb, requested, &kilwa, &spicedb).await;
        let known = || own.or_else(|| knowledge.known_difference(requested, &kilwa, &spicedb));
        tally.note("subjects", (&kilwa, &spicedb), known, || what(requested));

        let said = (pair.kilwa.expand(requested).await, pair.spicedb.expand(requested).await);
        tally.note("tree", (&said.0, &said.1), || None, || what(requested));

        if circles.are_anywhere() {
            *tally.known.entry(Known::Circle).or_default() += 1;
            continue;
        }
        let kilwa = pair.kilwa.lookup_resources(requested).await;
        let spicedb = pair.spicedb.lookup_resources(requested).await;
        let own = confirm::resources(&mut pair.spicedb, requested, &kilwa, &spicedb).await;
        let known = || own.or_else(|| knowledge.known_difference(requested, &kilwa, &spicedb));
        tally.note("resources", (&kilwa, &spicedb), known, || what(requested));
    }
}

/// A case without its checks.
fn reported(case: &Case) -> Case {
    Case { questions: Vec::new(), ..case.clone() }
}
