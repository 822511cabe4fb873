//! Lookup of resources agrees with the reference: on random cases, in pages of every size, within candidates.

use crate::agreement::for_each_specimen;
use crate::readers::FailingReader;
use crate::reference::case::{Asked, Case, now};
use crate::reference::lookups::{LookedUp, Way, by_pages, expected, fault, is_askable};
use crate::reference::rules::Rules;
use crate::reference::{Answer, Reference};
use kilwa::engine::{
    Cache, EngineError, EvalContext, FoundResource, LookupPage, LookupResourcesQuery,
    ResourceFilter, ResourceLookup,
};
use kilwa::relationship::{ReadPoint, RelationshipReader, Revision};
use kilwa::schema::compile;
use std::collections::BTreeMap;
use std::path::Path;

const SIZES: [usize; 4] = [1, 2, 7, usize::MAX];

#[test]
fn kept_cases_agree() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cases");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let case = Case::parse(&std::fs::read_to_string(&path).unwrap());
        if let Some(fault) = disagreement(&case) {
            panic!("{}: {fault}", path.display());
        }
    }
}

#[test]
fn random_lookups_agree() {
    for_each_specimen(6_000, |specimen| disagreement(&specimen.case()));
}

#[test]
fn a_lookup_survives_no_failed_read() {
    for_each_specimen(500, |specimen| broken_reads(&specimen.case()));
}

/// The differences of the engine's lookups of a case, in every form.
fn disagreement(case: &Case) -> Option<String> {
    let schema = compile(&case.schema).ok()?;
    let rules = Rules::from_schema(&schema);
    let reference = Reference::new(&rules, &schema, case.relationships.iter(), now());
    let visible = case.relationships.visible_at(now());
    let cache = Cache::new(64 << 20);
    let plain = EvalContext::new(&schema, &visible);
    let cached =
        EvalContext { cache: Some(cache.at(ReadPoint::new(Revision::default(), now()))), ..plain };
    case.questions.iter().filter(|requested| is_askable(requested)).find_map(|requested| {
        let expected = expected(&reference, case, requested);
        let everything = ResourceFilter::default();
        let sought = requested.sought(&everything);
        for size in SIZES {
            for (way, looked_up) in [
                (
                    "anew",
                    by_pages(
                        &|sought, after, size| page(&plain, sought, after, size),
                        &sought,
                        size,
                    ),
                ),
                (
                    "cached",
                    by_pages(
                        &|sought, after, size| page(&cached, sought, after, size),
                        &sought,
                        size,
                    ),
                ),
                ("going on", going_on(&plain, &sought, size)),
            ] {
                if let Some(fault) = fault(&expected, &looked_up) {
                    return Some(format!("`{requested}` looked up {way} by {size}: {fault}"));
                }
            }
        }
        within_disagrees(&plain, requested, &expected)
    })
}

/// One page, started anew.
fn page<R: RelationshipReader>(
    scope: &EvalContext<'_, R>,
    sought: &LookupResourcesQuery<'_>,
    after: Option<&str>,
    size: usize,
) -> Result<LookupPage, EngineError> {
    let (mut lookup, _) = ResourceLookup::start(scope, sought, after)?;
    lookup.next_page(scope, sought, size)
}

/// Pages of one lookup.
fn going_on<R: RelationshipReader>(
    scope: &EvalContext<'_, R>,
    sought: &LookupResourcesQuery<'_>,
    size: usize,
) -> LookedUp {
    let lookup = std::cell::RefCell::new(None);
    let way: &Way<'_> = &|sought, after, size| {
        let mut lookup = lookup.borrow_mut();
        if after.is_none() {
            *lookup = Some(ResourceLookup::start(scope, sought, None)?.0);
        }
        lookup.as_mut().unwrap().next_page(scope, sought, size)
    };
    by_pages(way, sought, size)
}

/// Looks among some ids only, and among those with a prefix only.
fn within_disagrees<R: RelationshipReader>(
    scope: &EvalContext<'_, R>,
    requested: &Asked,
    expected: &BTreeMap<String, Answer>,
) -> Option<String> {
    let some: ResourceFilter = ResourceFilter {
        ids: expected.keys().step_by(2).cloned().chain(["nowhere".to_owned()]).collect(),
        ..ResourceFilter::default()
    };
    let starting =
        |prefix: &str| ResourceFilter { prefix: prefix.to_owned(), ..ResourceFilter::default() };
    let both = ResourceFilter { prefix: "c".to_owned(), ..some.clone() };
    let starts = |base: ResourceFilter, starts: &[&str]| ResourceFilter {
        starts: starts.iter().map(|start| (*start).to_owned()).collect(),
        ..base
    };
    let (two, listed) = (starts(starting(""), &["aa", "c"]), starts(some.clone(), &["b"]));
    let within_one = starts(starting("a"), &["aa", "ab", "b"]);
    for within in [some, starting("b"), starting("aa"), both, two, listed, within_one] {
        let counts = |id: &str| {
            (within.ids.is_empty() || within.ids.contains(id))
                && id.starts_with(&within.prefix)
                && (within.starts.is_empty()
                    || within.starts.iter().any(|start| id.starts_with(start)))
        };
        let expected: BTreeMap<String, Answer> = expected
            .iter()
            .filter(|(id, _)| counts(id))
            .map(|(id, answer)| (id.clone(), answer.clone()))
            .collect();
        for size in [1, 7] {
            let way: &Way<'_> = &|sought, after, size| page(scope, sought, after, size);
            let looked_up = by_pages(way, &requested.sought(&within), size);
            if let Some(fault) = fault(&expected, &looked_up) {
                return Some(format!(
                    "`{requested}` looked up within {within:?} by {size}: {fault}"
                ));
            }
        }
    }
    None
}

/// A reader that fails at any one read gives an error, and before it nothing but results.
fn broken_reads(case: &Case) -> Option<String> {
    let schema = compile(&case.schema).ok()?;
    let visible = case.relationships.visible_at(now());
    let everything = ResourceFilter::default();
    case.questions.iter().filter(|requested| is_askable(requested)).find_map(|requested| {
        let sought = requested.sought(&everything);
        let whole = going_on(&EvalContext::new(&schema, &visible), &sought, 3);
        (0..50).find_map(|reads| {
            let broken = FailingReader::after(reads, visible);
            let found = going_on(&EvalContext::new(&schema, &broken), &sought, 3);
            let is_start = |found: &[FoundResource]| whole.found.starts_with(found);
            let is_whole = found.error == whole.error && found.found == whole.found;
            let broke = found.error.is_some() && is_start(&found.found);
            (!is_whole && !broke).then(|| {
                format!("`{requested}` with read {} failing: {found:?}, not {whole:?}", reads + 1)
            })
        })
    })
}
