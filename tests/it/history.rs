//! Every revision answers as the reference does for what was written up to it: schema, relationships and cache alike.

use crate::reference::Reference;
use crate::reference::case::{Asked, Case, now};
use crate::reference::compare::Said;
use crate::reference::generate;
use crate::reference::lookups::{Way, by_pages, expected, fault};
use crate::reference::random::Random;
use crate::reference::rules::Rules;
use crate::reference::shrink::Specimen;
use kilwa::database::{
    Consistency, Database, DatabaseError, DatabaseOptions, DeleteRequest, View, WriteRequest,
};
use kilwa::engine::{CheckQuery, EngineError, LookupPage, LookupResourcesQuery, ResourceFilter};
use kilwa::relationship::{
    Relationship, RelationshipFilter, RelationshipSet, RelationshipUpdate, Revision,
    UpdateOperation,
};
use kilwa::schema::compile;
use kilwa::store::StoreOptions;
use std::collections::BTreeSet;
use std::time::Duration;

/// How many schemas follow each other.
const EPOCHS: usize = 25;
/// How many writes each schema sees.
const WRITES: usize = 6;

/// What was true at a revision.
struct Moment {
    revision: Revision,
    case: Case,
}

#[test]
fn every_revision_agrees_with_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        StoreOptions { block_cache_bytes: 1 << 20, sync: false, ..StoreOptions::default() };
    let database = Database::open(folder.path(), &options, DatabaseOptions::default()).unwrap();
    let mut random = Random::new(40);
    let mut moments = Vec::new();
    for _ in 0..EPOCHS {
        let specimen = generate::specimen(&mut random, 8);
        live_through(&database, &specimen, &mut random, &mut moments);
        // Sometimes an old revision is read while newer ones are being written.
        let moment = random.pick(&moments);
        ask_at(&database, moment);
    }
    for _ in 0..2 * moments.len() {
        ask_at(&database, random.pick(&moments));
    }
    ask_head(&database, moments.last().unwrap());
}

/// Writes the specimen's schema, then its relationships in several writes, and records every revision.
fn live_through(
    database: &Database,
    specimen: &Specimen,
    random: &mut Random,
    moments: &mut Vec<Moment>,
) {
    delete_everything(database);
    let schema = specimen.model.to_string();
    let mut relationships = RelationshipSet::default();
    let mut revision = database.write_schema(now(), &schema).unwrap();
    let questions = &specimen.questions;
    let mut note = |revision, relationships: &RelationshipSet| {
        let relationships = relationships.clone();
        let case = Case { schema: schema.clone(), relationships, questions: questions.clone() };
        moments.push(Moment { revision, case });
    };
    note(revision, &relationships);
    for _ in 0..WRITES {
        let updates = updates(&specimen.relationships, random);
        for update in &updates {
            match update.operation {
                UpdateOperation::Create | UpdateOperation::Touch => {
                    relationships.insert(update.relationship.clone());
                }
                UpdateOperation::Delete => {
                    relationships.remove(&update.relationship);
                }
            }
        }
        let request = WriteRequest { updates, ..WriteRequest::default() };
        let written = database.write(now(), request).unwrap();
        assert!(written > revision, "revisions only grow");
        revision = written;
        note(revision, &relationships);
    }
}

/// Some of the relationships, each key once, to be written or deleted.
fn updates(relationships: &[Relationship], random: &mut Random) -> Vec<RelationshipUpdate> {
    let mut keys = BTreeSet::new();
    let chosen = relationships.iter().filter(|_| random.percent(50)).cloned().collect::<Vec<_>>();
    chosen
        .into_iter()
        .filter(|stored| {
            let key = format!("{}#{}@{}", stored.resource, stored.relation, stored.subject);
            keys.insert(key)
        })
        .map(|relationship| {
            let touched = random.percent(65);
            let operation = if touched { UpdateOperation::Touch } else { UpdateOperation::Delete };
            RelationshipUpdate { operation, relationship }
        })
        .collect()
}

fn delete_everything(database: &Database) {
    let definitions: Vec<String> = {
        let view = database.view(Consistency::FullyConsistent, now()).unwrap();
        view.schema().definitions().iter().map(|definition| definition.name.clone()).collect()
    };
    for resource_type in definitions {
        let filter = RelationshipFilter {
            resource_type: Some(resource_type),
            ..RelationshipFilter::default()
        };
        database.delete(now(), DeleteRequest { filter, ..DeleteRequest::default() }).unwrap();
    }
}

fn ask_at(database: &Database, moment: &Moment) {
    compare(database, Consistency::AtExactSnapshot(moment.revision), moment);
}

fn ask_head(database: &Database, moment: &Moment) {
    compare(database, Consistency::FullyConsistent, moment);
    compare(database, Consistency::MinimizeLatency, moment);
    compare(database, Consistency::AtLeastAsFresh(moment.revision), moment);
}

fn compare(database: &Database, consistency: Consistency, moment: &Moment) {
    let Moment { revision, case } = moment;
    let schema = compile(&case.schema).unwrap();
    let rules = Rules::from_schema(&schema);
    let reference = Reference::new(&rules, &schema, case.relationships.iter(), now());
    let view = database.view(consistency, now()).unwrap();
    assert_eq!(view.revision(), *revision);
    assert_eq!(view.schema_text(), Some(case.schema.as_str()));
    let questions: Vec<CheckQuery<'_>> = case.questions.iter().map(Asked::question).collect();
    let together = view.check_each(&questions, false);
    for ((requested, question), together) in case.questions.iter().zip(&questions).zip(together) {
        let answer = reference.answer(
            &requested.resource,
            &requested.permission,
            &requested.subject,
            &requested.context,
        );
        let at_once = database
            .check_in_memory(consistency, now(), &|| Duration::ZERO, question)
            .map(|(at, result)| {
                assert_eq!(at, *revision);
                result
            });
        for result in [view.check(question, false), together].into_iter().chain(at_once) {
            let said = match result {
                Err(DatabaseError::Engine(error)) => Said::from(Err(error)),
                Err(error) => panic!("`{requested}` at revision {revision}: {error}\n\n{case}"),
                Ok(checked) => Said::from(Ok(checked)),
            };
            let reported =
                format!("`{requested}` at revision {revision}: {said:?}, not {answer:?}");
            assert!(answer.allows(&said), "{reported}\n\n{case}");
        }
        let expected = expected(&reference, case, requested);
        let everything = ResourceFilter::default();
        for size in [1, 2, 7, usize::MAX] {
            let way: &Way<'_> = &|sought, after, size| look_up(&view, sought, after, size);
            let looked_up = by_pages(way, &requested.sought(&everything), size);
            if let Some(fault) = fault(&expected, &looked_up) {
                panic!(
                    "`{requested}` looked up by {size} at revision {revision}: {fault}\n\n{case}"
                );
            }
        }
    }
}

/// A page, by a lookup that resumes where the last one ended.
fn look_up(
    view: &View<'_>,
    sought: &LookupResourcesQuery<'_>,
    after: Option<&str>,
    size: usize,
) -> Result<LookupPage, EngineError> {
    let engine_error = |error| {
        let DatabaseError::Engine(error) = error else { panic!("{error}") };
        error
    };
    let (mut lookup, _) = view.start_lookup(sought, after, false).map_err(engine_error)?;
    let page = view.continue_lookup(&mut lookup, sought, size);
    let page = page.map_err(engine_error)?;
    if let Some(last) = page.found.last() {
        view.park_lookup(lookup, sought, &last.object_id);
    }
    Ok(page)
}
