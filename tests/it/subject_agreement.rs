//! Lists of subjects agree with the reference, on random schemas, relationships and checks: in memory and on disk, at
//! the head and at an older revision, whatever the size of the pages.
//!
//! `KILWA_PROPERTY_QUESTIONS` and `KILWA_PROPERTY_SEED` ask for more and for others, as for checks.

use crate::agreement::for_each_specimen;
use crate::reference::Reference;
use crate::reference::case::{Asked, Case, now};
use crate::reference::generate;
use crate::reference::random::Random;
use crate::reference::rules::Rules;
use crate::subject_lists::{Listing, fault, ids, listed, listed_anew};
use kilwa::database::{Consistency, Database, DatabaseOptions, View, WriteRequest};
use kilwa::engine::{EngineError, EvalContext, FoundSubject, Limits, WorkKind};
use kilwa::relationship::{
    Permissionship, Relationship, RelationshipFilter, RelationshipSet, RelationshipUpdate,
    Revision, Subject, UpdateOperation,
};
use kilwa::schema::{Definition, compile};
use kilwa::store::StoreOptions;
use std::collections::BTreeSet;
use std::path::Path;

/// Pages of every kind: single results, some, and all at once.
const PAGE_COUNTS: [usize; 4] = [1, 2, 7, usize::MAX];

#[test]
fn kept_cases_are_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cases");
    for entry in std::fs::read_dir(folder).unwrap() {
        let case = Case::parse(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
        assert_eq!(disagreement(&case), None);
    }
}

#[test]
fn random_lists_agree() {
    for_each_specimen(2_000, |specimen| disagreement(&specimen.case()));
}

/// Relations that take everything, in expressions that combine them in every way: what wildcards, exceptions from them and
/// conditions become together.
#[test]
fn random_algebra_agrees() {
    let mut random = Random::new(31);
    let [mut wildcards, mut conditional, mut exceptions, mut concrete] = [0; 4];
    for _ in 0..2_000 {
        let case = algebra(&mut random);
        assert_eq!(disagreement(&case), None, "\n\n{case}");
        let schema = compile(&case.schema).unwrap();
        let visible = case.relationships.visible_at(now());
        for listing in listings(&case) {
            let found = listed(&EvalContext::new(&schema, &visible), &listing, usize::MAX).unwrap();
            for found in found {
                concrete += usize::from(found.object_id != "*");
                wildcards += usize::from(found.object_id == "*");
                conditional += usize::from(found.permissionship != Permissionship::HasPermission);
                exceptions += found.excluded.len();
            }
        }
    }
    let seen = [concrete, wildcards, conditional, exceptions];
    assert!(seen.iter().all(|seen| *seen > 200), "{seen:?}");
}

/// A schema of one permission over four relations that take all kinds of users, and who is in them.
fn algebra(random: &mut Random) -> Case {
    const RELATIONS: [&str; 4] = ["one", "two", "three", "four"];
    const CAVEATS: [&str; 4] = ["", "", " with ca", " with cb"];
    let forms = "user | user:* | user with ca | user:* with ca | user with cb | user:* with cb";
    let relations = RELATIONS.map(|name| format!("  relation {name}: {forms}\n")).concat();
    let expression = expression(random, &RELATIONS, 3);
    let schema = format!(
        "caveat ca(a int) {{ a == 1 }}\ncaveat cb(b int) {{ b == 1 }}\ndefinition user {{}}\n\
         definition document {{\n{relations}  permission view = {expression}\n}}\n"
    );
    let mut relationships = RelationshipSet::default();
    for _ in 0..random.between(1, 12) {
        let (relation, caveat) = (random.pick(&RELATIONS), random.pick(&CAVEATS));
        let id = random.pick(&["*", "*", "p", "q", "x"]);
        let caveat = caveat.strip_prefix(" with ").map(|name| format!("[{name}]"));
        let caveat = caveat.unwrap_or_default();
        let text = format!("document:d#{relation}@user:{id}{caveat}");
        relationships.insert(text.parse().unwrap());
    }
    let context = *random.pick(&["{}", "{}", r#"{"a":1}"#, r#"{"a":2}"#, r#"{"b":1}"#]);
    let requested = Asked::parse(&format!("document:d#view@user:p with {context}"));
    Case { schema, relationships, questions: vec![requested] }
}

fn expression(random: &mut Random, relations: &[&str], depth: usize) -> String {
    if depth == 0 || random.percent(20) {
        return (*random.pick(relations)).to_owned();
    }
    let operator = random.pick(&["+", "&", "-", "-"]);
    let left = expression(random, relations, depth - 1);
    let right = expression(random, relations, depth - 1);
    format!("({left} {operator} {right})")
}

/// The differences of the lists of a case, in every form.
fn disagreement(case: &Case) -> Option<String> {
    let schema = compile(&case.schema).ok()?;
    let rules = Rules::from_schema(&schema);
    let reference = Reference::new(&rules, &schema, case.relationships.iter(), now());
    let visible = case.relationships.visible_at(now());
    let plain = EvalContext::new(&schema, &visible);
    // So small that every window holds an id or two.
    let narrow = EvalContext { limits: Limits { subjects_max: 60, ..Limits::default() }, ..plain };
    listings(case).iter().find_map(|listing| {
        let Listing { resource, permission, context, .. } = listing;
        let ids = ids(case.relationships.iter(), resource);
        let answer =
            |id: &str| reference.answer(resource, permission, &listing.subject(id), context);
        let whole = listed(&plain, listing, usize::MAX);
        let expected = whole.as_ref().ok().cloned();
        let in_pages = PAGE_COUNTS.iter().flat_map(|count| {
            [listed(&plain, listing, *count), listed_anew(&plain, listing, *count)]
        });
        let in_windows = PAGE_COUNTS.iter().map(|count| listed(&narrow, listing, *count));
        let other = in_pages.chain(in_windows).find_map(|found| match found {
            Err(EngineError::WorkExceeded { work: WorkKind::Subjects, .. }) => None,
            found => (found.as_ref().ok() != expected.as_ref()).then_some(found),
        });
        let differs =
            other.map(|other| format!("`{listing}` in pages: {other:?}, not {expected:?}"));
        differs.or_else(|| fault(listing, &ids, answer, whole))
    })
}

/// Lists of every kind of subject that occurs, for the checks of a case.
pub(crate) fn listings(case: &Case) -> Vec<Listing> {
    let requested = case.questions.iter().map(|requested| &requested.subject);
    let stored = case.relationships.iter().map(|stored| &stored.subject);
    let kinds: BTreeSet<(String, Option<String>)> = requested.chain(stored).map(kind).collect();
    let mut seen = BTreeSet::new();
    let of_question = |requested: &Asked| {
        let of_kind = |(subject_type, subject_relation): &(String, Option<String>)| Listing {
            resource: requested.resource.clone(),
            permission: requested.permission.clone(),
            subject_type: subject_type.clone(),
            subject_relation: subject_relation.clone(),
            context: requested.context.clone(),
            wildcards: true,
        };
        kinds.iter().map(of_kind).collect::<Vec<_>>()
    };
    let all = case.questions.iter().flat_map(of_question);
    all.filter(|listing| seen.insert(listing.to_string())).collect()
}

fn kind(subject: &Subject) -> (String, Option<String>) {
    (subject.object_type().to_owned(), subject.relation().map(str::to_owned))
}

#[test]
fn the_store_lists_what_memory_does() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        StoreOptions { block_cache_bytes: 1 << 20, sync: false, ..StoreOptions::default() };
    let database = Database::open(folder.path(), &options, DatabaseOptions::default()).unwrap();
    let mut random = Random::new(41);
    for _ in 0..25 {
        let specimen = generate::specimen(&mut random, 8);
        let case = specimen.case();
        write(&database, UpdateOperation::Delete, everything(&database));
        database.write_schema(now(), &case.schema).unwrap();
        let all: Vec<Relationship> = case.relationships.iter().cloned().collect();
        let (first, second) = all.split_at(all.len() / 2);
        let older = write(&database, UpdateOperation::Touch, first.to_vec());
        write(&database, UpdateOperation::Touch, second.to_vec());
        let half: RelationshipSet = first.iter().cloned().collect();
        assert_lists(&database, Consistency::FullyConsistent, &case);
        let then = Case { relationships: half, ..case };
        assert_lists(&database, Consistency::AtExactSnapshot(older), &then);
    }
}

fn everything(database: &Database) -> Vec<Relationship> {
    let view = database.view(Consistency::FullyConsistent, now()).unwrap();
    let definitions = view.schema().definitions().iter();
    let of_type = |definition: &Definition| {
        let filter = RelationshipFilter {
            resource_type: Some(definition.name.clone()),
            ..RelationshipFilter::default()
        };
        view.read(&filter, None, usize::MAX).unwrap().rows
    };
    definitions.flat_map(of_type).map(|(stored, _)| stored).collect()
}

fn write(
    database: &Database,
    operation: UpdateOperation,
    relationships: Vec<Relationship>,
) -> Revision {
    let update = |relationship| RelationshipUpdate { operation, relationship };
    let updates = relationships.into_iter().map(update).collect();
    database.write(now(), WriteRequest { updates, ..WriteRequest::default() }).unwrap()
}

fn assert_lists(database: &Database, consistency: Consistency, case: &Case) {
    let view = database.view(consistency, now()).unwrap();
    let schema = compile(&case.schema).unwrap();
    let visible = case.relationships.visible_at(now());
    for listing in listings(case) {
        let expected = listed(&EvalContext::new(&schema, &visible), &listing, usize::MAX);
        for count in PAGE_COUNTS {
            let found = listed_by(&view, &listing, count);
            assert_eq!(found, expected.as_ref().ok().cloned(), "{listing}\n\n{case}");
        }
    }
}

fn listed_by(view: &View<'_>, listing: &Listing, count: usize) -> Option<Vec<FoundSubject>> {
    let mut lookup = view.look_up_subjects(&listing.question(), None).ok()?;
    let mut all = Vec::new();
    loop {
        let page = view.next_subjects(&mut lookup, count).ok()?;
        let ends = page.len() < count;
        all.extend(page);
        if ends {
            return Some(all);
        }
    }
}
